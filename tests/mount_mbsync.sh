#!/bin/bash
# SPDX-License-Identifier: MIT
# An independent client sees the same: count, octets and flags agree with a sync by mbsync.
. "$(dirname "$0")/lib/mount.sh"

mailbox 150
start_dovecot
mount_it
cp -r "$M/INBOX" "$T/ours"
mkdir -p "$T/theirs"
cat >"$T/mbsyncrc" <<END
IMAPStore far
Host 127.0.0.1
Port $PORT
User alice
Pass secret
SSLType None
AuthMechs LOGIN

MaildirStore near
Path $T/theirs/
Inbox $T/theirs/INBOX

Channel all
Far :far:
Near :near:
Sync Pull
CopyArrivalDate yes
END
mbsync -q -c "$T/mbsyncrc" all
eq "count" 150 "$(find "$T/theirs/INBOX" -name '*:2,*' | wc -l)"

say "octets and flags"
# mbsync writes LF and a header field of its own. Each line: SHA-256 of a message, and its flags as Maildir has them.
for file in "$T"/theirs/INBOX/*/*:2,*; do
  echo "$(sed -e '/^X-TUID: /d' -e 's/\r*$/\r/' "$file" | sha256sum) ${file##*:2,}"
done | sort >"$T/expected"
index=$(find "$XDG_STATE_HOME" -name index.db)
letters='iif(flags & 16, "D", "") || iif(flags & 4, "F", "") || iif(flags & 2, "R", "") || iif(flags & 1, "S", "")'
sqlite3 -separator ' ' "$index" "SELECT uid, $letters FROM message" >"$T/flags"
for file in "$T"/ours/*.eml; do
  uid=${file%.eml} && uid=${uid##*.}
  echo "$(sha256sum <"$file") $(awk -v uid="$uid" '$1 == uid { print $2 }' "$T/flags")"
done | sort >"$T/got"
same "octets and flags" "$T/expected" "$T/got"
