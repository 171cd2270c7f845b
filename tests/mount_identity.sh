#!/bin/bash
# SPDX-License-Identifier: MIT
# Inode, name, size and times of a message outlive a remount, the eviction of its body and the loss of the whole cache.
. "$(dirname "$0")/lib/mount.sh"

mailbox 120 --folders 3
start_dovecot
look() { # look FILE
  find "$M" -mindepth 1 -printf '%i %y %s %T@ %C@ %n %P\n' | sort >"$1"
}
mount_it
cat "$M"/*/*.eml >/dev/null
look "$T/first"
eq "entries" 123 "$(wc -l <"$T/first")"
# d_ino of a listing is st_ino of the entry.
eq "inodes of ls -i" "$(stat -c '%i %n' "$M"/INBOX/* | sed 's, .*/, ,' | sort)" \
  "$(ls -1if "$M/INBOX" | sed 's/^ *//' | grep eml | sort)"
compare() {
  look "$T/now"
  same "$1" "$T/first" "$T/now"
}
unmount
mount_it
compare "after a remount"
unmount
rm -rf "$XDG_CACHE_HOME"
mount_it
compare "without the cache"
server_sums "$MAILDIR" >"$T/expected"
file_sums "$M/INBOX" >"$T/got"
same "bytes fetched again" "$T/expected" "$T/got"
unmount
mount_it cache_size=200K
cat "$M"/*/*.eml >/dev/null
compare "with bodies evicted"
cached=$(find "$XDG_CACHE_HOME" -path '*/bodies/*' -type f -printf '%s\n' | paste -sd+ | bc)
[ "${cached:-0}" -le 300000 ] || fail "$cached octets are cached under cache_size=200K"
file_sums "$M/INBOX" >"$T/got"
same "bytes under eviction" "$T/expected" "$T/got"
compare "at the end"
