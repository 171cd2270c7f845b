#!/bin/bash
# SPDX-License-Identifier: MIT
# fusermount3 -u, umount, SIGTERM and SIGINT end the daemon within two seconds; a busy mount says so and works on.
. "$(dirname "$0")/lib/mount.sh"

start_mock --messages 50
ends() { # ends COMMAND...: it ends daemon and mount in time
  local pid start
  pid=$(daemon)
  start=$(now)
  "$@" || fail "$* failed"
  wait_until 5 ended "$pid"
  in_time "$start" 2000 "the end of the daemon by $*"
  unmounted || fail "$*: still mounted"
  [ -z "$(ls -A "$M")" ] || fail "$*: the mount point is not empty"
}
for silent in no yes; do
  [ $silent = no ] || kill -USR1 "$MOCK_PID"
  for how in "fusermount3 -u $M" "umount $M" "signal TERM" "signal INT"; do
    [ "$how" != "umount $M" ] || [ "$(id -u)" = 0 ] || continue
    say "$how, server silent: $silent"
    mount_it
    ls -f "$M/INBOX" >/dev/null
    if [ "${how% *}" = signal ]; then
      [ $silent = no ] || { cat "$M"/INBOX/*.7.eml >/dev/null 2>&1 & }
      ends kill -"${how#* }" "$(daemon)"
    else
      # shellcheck disable=SC2086 # a command
      ends $how
    fi
  done
done
kill -USR2 "$MOCK_PID"

say "busy"
mount_it
cat "$M"/INBOX/*.1.eml >/dev/null
kill -USR1 "$MOCK_PID"
cat "$M"/INBOX/*.9.eml >/dev/null 2>"$T/reader" &
reader=$!
wait_until 5 waiting $reader
start=$(now)
! fusermount3 -u "$M" 2>"$T/err" || fail "unmounted under a reader"
grep -qi busy "$T/err" || fail "$(cat "$T/err")"
in_time "$start" 1000 "busy"
within 1 cat "$M"/INBOX/*.1.eml >/dev/null
pid=$(daemon)
fusermount3 -uz "$M"
unmounted || fail "-uz"
kill $reader
wait $reader 2>/dev/null || :
wait_until 5 ended "$pid"

say "unmounted and mounted at once"
mount_it
fusermount3 -u "$M"
mount_it
unmount

say "-f stays in front"
kill -USR2 "$MOCK_PID"
"$IMAPFS" -f -o "tls=off,passfile=$T/pass" "imap://alice@127.0.0.1:$PORT" "$M" &
front=$!
wait_until 10 mounted
ls "$M/INBOX" >/dev/null
kill -TERM $front
wait $front || fail "status $? at SIGTERM"
unmounted || fail "still mounted"
