#!/bin/bash
# SPDX-License-Identifier: MIT
# What is not on the server when somebody unmounts: imapfs -u waits for it; after a plain umount or SIGTERM a process of
# its own sends it, and gives the account away as soon as a new mount wants it. Nothing is lost or sent twice.
. "$(dirname "$0")/lib/mount.sh"
. "$(dirname "$0")/lib/other.sh"

drainers() {
  pgrep -f -- "--drain=.* $M\$"
}
none_drains() {
  ! drainers
}
inbox() { # the letters on the server, sorted; Dovecot keeps them with bare LF
  find "$MAILDIR/cur" "$MAILDIR/new" -type f | while read -r file; do
    sed 's/\r*$/\r/' "$file" | sha256sum | cut -d' ' -f1
  done | sort
}
write() { # write FROM TO: letters into the mount
  for n in $(seq "$1" "$2"); do
    letter "$n" >"$M/INBOX/letter-$n.eml"
  done
}
expect() { # expect WHAT N: letters 1 to N are on the server, each once
  for n in $(seq 1 "$2"); do
    letter "$n" | sha256sum | cut -d' ' -f1
  done | sort >"$T/expected"
  inbox >"$T/got"
  same "$1" "$T/expected" "$T/got"
}

mailbox 0
start_dovecot
start_relay --rtt 50 --rate 100
near=$PORT

say "imapfs -u waits"
mount_it
write 1 20
pid=$(daemon)
timeout 300 "$IMAPFS" -u "$M"
mounted && fail "still mounted"
expect "after imapfs -u" 20
wait_until 10 ended "$pid"
none_drains || fail "there was nothing left to drain"
refused 'no imapfs' "$IMAPFS" -u "$M"

say "after umount it goes on without a mount"
mount_it
write 21 40
unmount
[ "$(inbox | wc -l)" = 40 ] || drainers >/dev/null || expect "no process goes on, and not all is there" 40
wait_until 30 none_drains
expect "after umount" 40

say "SIGTERM: the same"
mount_it
write 41 50
pid=$(daemon)
kill "$pid"
wait_until 3 ended "$pid"
unmounted || fail "still mounted"
wait_until 30 none_drains
expect "after SIGTERM" 50

say "a new mount takes over at once"
kill -USR1 "$RELAY_PID" # nothing moves: the rest cannot be sent
mount_it
write 51 60
unmount
kill -USR2 "$RELAY_PID"
started=$(now)
mount_it
in_time "$started" 8000 "to be rid of the old process"
wait_until 5 none_drains
eq "letters in the mount" 60 "$(ls "$M/INBOX" | wc -l)"
timeout 300 "$IMAPFS" -u "$M"
expect "after a remount" 60

say "drain=0: the next mount sends it"
mount_it drain=0
write 61 65
unmount
none_drains || fail "drain=0, and it drains"
mount_it
eq "letters after the remount" 65 "$(ls "$M/INBOX" | wc -l)"
timeout 300 "$IMAPFS" -u "$M"
expect "at last" 65

say "no line: -u says so and leaves it mounted"
mount_it
kill "$RELAY_PID"
wait_until 5 ended "$RELAY_PID"
write 66 66
refused 'stays mounted' "$IMAPFS" -u "$M"
mounted || fail "not mounted"
tool relay --listen "$near" "$(cat "$T/dovecot/port")"
wait_until 60 timeout 300 "$IMAPFS" -u "$M"
expect "when the line is back" 66
