#!/bin/bash
# SPDX-License-Identifier: MIT
# tunnel=: a command in place of TCP, already authenticated.
. "$(dirname "$0")/lib/mount.sh"

mailbox 12
start_dovecot
timeout 300 "$IMAPFS" -o "tunnel=$T/dovecot/tunnel alice" imap://alice@localhost "$M"
server_sums "$MAILDIR" >"$T/expected"
file_sums "$M/INBOX" >"$T/got"
same "bytes" "$T/expected" "$T/got"
pid=$(daemon)
unmount
[ -z "$(pgrep -P "$pid")" ] || fail "the tunnel lives on"
