#!/bin/bash
# SPDX-License-Identifier: MIT
# one.sh PROGRAM: runs one test program, output to $LOGS/NAME.log and exit status to $LOGS/NAME.rc, and prints one line
# about it, or on failure its log. A program has $LIMIT seconds: what has not ended by then hangs, however busy the machine
# is. Status 77 means skipped, the last line says why.
set -u

program=$1
name=$(basename "$program" .sh)
log=$LOGS/$name.log
[[ $program == */* ]] || program=./$program

LIMIT=${LIMIT:-900}
start=$SECONDS
# A job in the background of a script would have SIGINT and SIGQUIT ignored.
env --default-signal=INT,QUIT timeout -k 15 "$LIMIT" "$program" >"$log" 2>&1 </dev/null &
trap 'kill $! 2>/dev/null' INT TERM
wait $!
rc=$?
echo $rc >"$LOGS/$name.rc"

case $rc in
  0) printf '  ok    %-28s %4d s  %s\n' "$name" $((SECONDS - start)) "$(grep '^[0-9]*%: Checks' "$log" | tail -1)" ;;
  77) printf '  skip  %s: %s\n' "$name" "$(tail -n 1 "$log")" ;;
  *)
    [ $rc = 124 ] && echo "one.sh: over $LIMIT seconds" >>"$log"
    { printf '  FAIL  %s (status %d)\n' "$name" $rc && sed 's/^/        /' "$log" | tail -n 100; } 2>&1 | cat
    ;;
esac
