#!/bin/bash
# SPDX-License-Identifier: MIT
# rsync takes everything once; a second run, also after a remount and without the cache, transfers nothing.
. "$(dirname "$0")/lib/mount.sh"

mailbox 200 --folders 4
start_dovecot
mount_it
transferred() { # transferred EXPECTED
  rsync -a --stats "$M/" "$T/backup/" >"$T/stats"
  eq "files transferred" "$1" "$(awk -F': ' '/regular files transferred/ { gsub(",", "", $2); print $2 }' "$T/stats")"
}
transferred 200
diff -r "$M" "$T/backup" || fail "the backup differs"
server_sums "$MAILDIR" >"$T/expected"
file_sums "$T/backup/INBOX" >"$T/got"
same "bytes" "$T/expected" "$T/got"
transferred 0
unmount
mount_it
transferred 0
unmount
rm -rf "$XDG_CACHE_HOME"
mount_it
transferred 0
[ -z "$(find "$XDG_CACHE_HOME" -path '*/bodies/*' -type f)" ] || fail "bodies were fetched for nothing"
touch "$T/newer"
tar -C "$M" --listed-incremental="$T/snar" -cf "$T/full.tar" .
unmount
mount_it
tar -C "$M" --listed-incremental="$T/snar" --no-check-device -cf "$T/more.tar" .
eq "messages in the incremental archive" 0 "$(tar -tf "$T/more.tar" | grep -c 'eml$' || :)"
