#!/bin/bash
# SPDX-License-Identifier: MIT
# 200 readers wait for a server that has fallen silent: cached mail is read at once, Ctrl-C ends a reader, SIGTERM ends
# the daemon, and without either the deadline ends them.
. "$(dirname "$0")/lib/mount.sh"

start_mock --messages 300
block() { # block FIRST LAST: each of these files has a reader
  local i
  kill -USR1 "$MOCK_PID"
  readers=()
  start=$(now)
  for ((i = $1; i <= $2; i++)); do
    env --default-signal=INT cat "${files[i]}" >"$T/out.$i" 2>"$T/err.$i" &
    readers[i]=$!
  done
}
all_fail() { # on a silent server; and none gets octets
  local i
  for i in "${!readers[@]}"; do
    ! wait "${readers[i]}" || fail "reader $i ended well on a silent server"
    [ ! -s "$T/out.$i" ] || fail "reader $i got octets"
  done
}

mount_it timeout=600 # longer than this takes anywhere
mapfile -t files < <(find "$M/INBOX" -name '*.eml' | sort)
# One file alone is no pattern that would make the others be read ahead.
cat "${files[290]}" >/dev/null
drop_caches
block 0 199
wait_until 20 waiting "${readers[@]}"
within 1 cat "${files[290]}" >/dev/null
within 1 ls "$M/INBOX" >/dev/null
within 1 ls -l "$M/INBOX" >/dev/null
within 1 stat "${files[3]}" >/dev/null

say "Ctrl-C"
for i in 0 99 199; do
  kill -0 "${readers[i]}" || fail "reader $i has not waited: $(cat "$T/err.$i")"
  start=$(now)
  kill -INT "${readers[i]}"
  wait "${readers[i]}" 2>/dev/null || :
  in_time "$start" 1000 "the end of reader $i"
  unset "readers[i]"
done

say "SIGTERM"
pid=$(daemon)
start=$(now)
kill -TERM "$pid"
wait_until 10 ended "$pid"
in_time "$start" 2000 "the end of the daemon"
unmounted || fail "still mounted"
all_fail

say "the deadline"
kill -USR2 "$MOCK_PID"
mount_it timeout=8
block 200 219
all_fail
in_time "$start" 20000 "the deadline"
for i in "${!readers[@]}"; do
  grep -qE 'timed out|No route to host' "$T/err.$i" || fail "reader $i: $(cat "$T/err.$i")"
done

say "the server speaks again"
kill -USR2 "$MOCK_PID"
wait_until 30 cat "${files[210]}"
