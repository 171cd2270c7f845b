#!/bin/bash
# SPDX-License-Identifier: MIT
# An index restored from yesterday beside today's bodies serves no wrong octet.
. "$(dirname "$0")/lib/mount.sh"

mailbox 60
start_dovecot
mount_it
cat "$M"/INBOX/*.eml >/dev/null
unmount
cp -a "$XDG_STATE_HOME" "$T/yesterday"

say "mail comes and goes, and is read"
doveadm -c "$T/dovecot/dovecot.conf" expunge -u alice mailbox INBOX uid 5:20
mailbox 40 --first 60 --seed 2
mount_it refresh=1
wait_until 30 sh -c "[ \$(ls -f '$M/INBOX' | grep -c eml) = 84 ]"
cat "$M"/INBOX/*.eml >/dev/null
unmount

say "restore"
rm -rf "$XDG_STATE_HOME" && cp -a "$T/yesterday" "$XDG_STATE_HOME"
mount_it refresh=1
wait_until 30 sh -c "[ \$(ls -f '$M/INBOX' | grep -c eml) = 84 ]"
server_sums "$MAILDIR" >"$T/expected"
file_sums "$M/INBOX" >"$T/got"
same "bytes" "$T/expected" "$T/got"
