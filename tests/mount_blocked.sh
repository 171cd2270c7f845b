#!/bin/bash
# SPDX-License-Identifier: MIT
# 200 readers wait for a server that has fallen silent: cached mail is read at once, Ctrl-C ends a reader, the deadline
# ends the others, and SIGTERM ends the daemon.
. "$(dirname "$0")/lib/mount.sh"

start_mock --messages 300
mount_it timeout=8
mapfile -t files < <(find "$M/INBOX" -name '*.eml' | sort)
# One file alone is no pattern that would make the others be read ahead.
cat "${files[290]}" >/dev/null
drop_caches
kill -USR1 "$MOCK_PID"
pid=$(daemon)

readers=()
start=$(now)
for ((i = 0; i < 200; i++)); do
  env --default-signal=INT cat "${files[i]}" >"$T/out.$i" 2>"$T/err.$i" &
  readers+=($!)
done
wait_until 20 waiting "${readers[@]}"
within 1 cat "${files[290]}" >/dev/null
within 1 ls "$M/INBOX" >/dev/null
within 1 ls -l "$M/INBOX" >/dev/null
within 1 stat "${files[3]}" >/dev/null

say "Ctrl-C"
for i in 0 99 199; do
  kill -0 "${readers[i]}" || fail "reader $i has not waited: $(cat "$T/err.$i")"
  begin=$(now)
  kill -INT "${readers[i]}"
  wait "${readers[i]}" 2>/dev/null || :
  [ $(($(now) - begin)) -lt 1000 ] || fail "reader $i lived on for $(($(now) - begin)) ms"
done

say "the deadline"
for i in "${!readers[@]}"; do
  rc=0
  case $i in 0 | 99 | 199) continue ;; esac
  wait "${readers[i]}" || rc=$?
  [ $rc != 0 ] || fail "reader $i ended well on a silent server"
  [ ! -s "$T/out.$i" ] || fail "reader $i got octets"
  grep -qE 'timed out|No route to host' "$T/err.$i" || fail "reader $i: $(cat "$T/err.$i")"
done
[ $(($(now) - start)) -lt 20000 ] || fail "the deadline came after $(($(now) - start)) ms"

say "the server speaks again"
kill -USR2 "$MOCK_PID"
wait_until 30 cat "${files[10]}"

say "SIGTERM"
unmount
rm -rf "$XDG_CACHE_HOME" # what has been read ahead meanwhile
mount_it timeout=30
pid=$(daemon)
kill -USR1 "$MOCK_PID"
readers=()
for ((i = 200; i < 250; i++)); do
  cat "${files[i]}" >/dev/null 2>&1 &
  readers+=($!)
done
wait_until 20 waiting "${readers[@]}"
begin=$(now)
kill -TERM "$pid"
wait_until 5 ended "$pid"
[ $(($(now) - begin)) -le 2000 ] || fail "the daemon lived on for $(($(now) - begin)) ms"
unmounted || fail "still mounted"
for reader in "${readers[@]}"; do
  ! wait "$reader" || fail "a reader ended well"
done
