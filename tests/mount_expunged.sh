#!/bin/bash
# SPDX-License-Identifier: MIT
# A message that is expunged while a program has it open: fstat and reads go on, and the name goes.
. "$(dirname "$0")/lib/mount.sh"

mailbox 20
start_dovecot
mount_it refresh=1
first=$(find "$M/INBOX" -name '*.1.eml')
sum=$(tail -c +101 "$first" | sha256sum)
size=$(stat -c %s "$first")
inode=$(stat -c %i "$first")
exec 3<"$first"
head -c 100 <&3 >/dev/null
doveadm -c "$T/dovecot/dovecot.conf" expunge -u alice mailbox INBOX uid 1
wait_until 30 sh -c "! ls -f '$M/INBOX' | grep -q '\.1\.eml$'"
[ ! -e "$first" ] || fail "the name is still there"
drop_caches
eq "size by fstat" "$size" "$(stat -L -c %s /proc/self/fd/3)"
eq "inode by fstat" "$inode" "$(stat -L -c %i /proc/self/fd/3)"
eq "links" 0 "$(stat -L -c %h /proc/self/fd/3)"
eq "octets after the first 100" "$sum" "$(cat <&3 | sha256sum)"
exec 3<&-
eq "the others" 19 "$(cat "$M"/INBOX/*.eml | grep -c '^Message-ID:')"
