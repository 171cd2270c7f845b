#!/bin/bash
# SPDX-License-Identifier: MIT
# A network that swallows everything: an account that was seen before is mounted in a few seconds, serves what it has,
# fails in time for the rest, ends at once, and is whole again when the line is.
. "$(dirname "$0")/lib/mount.sh"

mailbox 60
start_dovecot
start_relay
options=refresh=1,timeout=4,log=$T/log
mount_it "$options"
cat "$M"/INBOX/*.1.eml >"$T/1"
unmount

stalled() { # connections are accepted, and nothing comes
  kill -USR1 "$RELAY_PID"
}
leaves() { # leaves COMMAND...: within two seconds
  local pid start
  pid=$(daemon)
  start=$(now)
  "$@"
  wait_until 5 ended "$pid"
  in_time "$start" 2000 "the end by $*"
  unmounted || fail "$*: still mounted"
}

say "mounting into it"
stalled
start=$(now)
mount_it "$options"
in_time "$start" 10000 "mounting"
within 1 cmp "$T/1" "$M"/INBOX/*.1.eml
[ "$(timeout 60 ls "$M/INBOX" | wc -l)" = 60 ] || fail "not all are listed"

say "what is not cached"
start=$(now)
! timeout 60 cat "$M"/INBOX/*.50.eml >"$T/out" 2>"$T/err" || fail "octets from nowhere"
in_time "$start" 12000 "the error"
grep -qE 'timed out|No route to host' "$T/err" || fail "$(cat "$T/err")"
[ ! -s "$T/out" ] || fail "half a file"

say "the end, while it hangs"
leaves fusermount3 -u "$M"
mount_it "$options"
leaves kill -TERM "$(daemon)"

say "the line comes back"
mount_it "$options"
kill -USR2 "$RELAY_PID"
wait_until 60 timeout 60 cat "$M"/INBOX/*.50.eml
unmount

say "a stranger's account waits for its server"
stalled
! timeout -s TERM 5 "$IMAPFS" -f -o "tls=off,passfile=$T/pass,$options" "imap://bob@127.0.0.1:$PORT" "$M" || fail "mounted"
unmounted || fail "mounted"
