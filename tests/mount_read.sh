#!/bin/bash
# SPDX-License-Identifier: MIT
# Every tool that reads files reads the mail, octet for octet as the server has it, and leaves no trace there.
. "$(dirname "$0")/lib/mount.sh"

mailbox 240 --folders 8
start_dovecot
ls -1R "$MAILDIR" | grep mailgen | sort >"$T/before"
mount_it

say "folders"
find "$M" -type d -printf '%P\n' | sort >"$T/folders"
printf '%s\n' '' Archive Archive/2024 Entwürfe INBOX Lists Lists/imap-protocol 'R& D' 'Two words' 日本語 |
  sort >"$T/expected"
same "folders" "$T/expected" "$T/folders"
eq "links of Archive" 3 "$(stat -c %h "$M/Archive")"

say "names, modes, sizes"
eq "messages" 30 "$(ls -f "$M/INBOX" | grep -c '\.eml$')"
eq "ls and find" "$(ls "$M/INBOX" | sort)" "$(find "$M/INBOX" -type f -printf '%P\n' | sort)"
! ls "$M/INBOX" | grep -vE '^20[0-9]{2}-[0-9]{2}-[0-9]{2}_.*\.[0-9]+\.eml$' || fail "a strange name"
eq "modes" "-rw------- drwx------" "$(find "$M/INBOX" -printf '%M\n' | sort -u | xargs)"
eq "owner" "$(id -u)" "$(find "$M" -printf '%U\n' | sort -u)"
ls -l --time-style=+%s "$M/INBOX" >"$T/ls"
find "$MAILDIR/cur" -type f -printf '%s %Ts\n' | sort >"$T/expected"
awk 'NR > 1 { print $5, $6 }' "$T/ls" | sort >"$T/got"
same "sizes and times" "$T/expected" "$T/got"
eq "inodes" 0 "$(find "$M" -printf '%i\n' | sort | uniq -d | wc -l)"

say "sha256sum of each"
for folder in INBOX: Archive:.Archive 'Two words:.Two words' 'R& D:.R&- D' 日本語:.\&ZeVnLIqe-; do
  server_sums "$MAILDIR/${folder#*:}" >"$T/expected"
  file_sums "$M/${folder%:*}" >"$T/got"
  same "bytes of ${folder%:*}" "$T/expected" "$T/got"
done

say "grep, cat, cp, tar"
eq "grep -rl" 240 "$(grep -rl '^Message-ID:' "$M" | wc -l)"
cat "$M"/INBOX/*.eml | wc -c >"$T/got"
cat "$MAILDIR"/cur/* | wc -c >"$T/expected"
same "cat" "$T/expected" "$T/got"
cp -a "$M" "$T/copy"
diff -r "$M" "$T/copy" || fail "cp -a differs"
eq "cp -a keeps times" "$(cd "$M" && find . -type f -printf '%P %Ts\n' | sort)" \
  "$(cd "$T/copy" && find . -type f -printf '%P %Ts\n' | sort)"
tar -C "$M" -cf - . | tar -C "$T" --one-top-level=tar -xf -
diff -r "$T/copy" "$T/tar" || fail "tar differs"
name=$(ls -S "$M/INBOX" | head -n 1)
eq "a part" "$(tail -c +5001 "$T/copy/INBOX/$name" | head -c 3000 | sha256sum)" \
  "$(dd if="$M/INBOX/$name" bs=1000 skip=5 count=3 status=none | sha256sum)"

unmount
mount_it ro
say "with ro nothing can be written"
for try in "touch $M/INBOX/new" "rm $M/INBOX/$name" "mkdir $M/new" "mv $M/INBOX/$name $M/Archive/"; do
  ! $try 2>"$T/err" || fail "$try went well"
  grep -q 'Read-only file system' "$T/err" || fail "$try: $(cat "$T/err")"
done

unmount
ls -1R "$MAILDIR" | grep mailgen | sort >"$T/after"
same "flags on the server" "$T/before" "$T/after"
