#!/bin/bash
# SPDX-License-Identifier: MIT
# A first listing of 100000 messages that is cut at ten places resumes where it was and ends complete.
. "$(dirname "$0")/lib/mount.sh"

start_mock --messages 100000
cuts=()
for ((i = 1; i <= 10; i++)); do
  cuts+=(--cut $((i * 2500000)))
done
start_relay "${cuts[@]}"
mount_it
# A listing shows the folder whole or fails; the tries in between may say so.
tries=0
until timeout 120 ls -f "$M/INBOX" >"$T/list" 2>"$T/err"; do
  eq "entries of a failed listing" 0 "$(grep -c eml "$T/list" || :)"
  tries=$((tries + 1))
  [ $tries -lt 200 ] || fail "no listing: $(cat "$T/err")"
  sleep 0.2
done
say "$tries tries failed"
grep -o '[0-9]*\.eml$' "$T/list" | sort -n | uniq | sed 's/\.eml//' >"$T/got"
seq 100000 >"$T/expected"
same "messages" "$T/expected" "$T/got"
eq "names" 100000 "$(grep -c '\.eml$' "$T/list")"
