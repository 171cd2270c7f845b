#!/bin/bash
# SPDX-License-Identifier: MIT
# Another client makes folders and deletes them as fast as the server can, while the mount is walked. What
# a walker meets half way gone says "No such file or directory", and nothing else.
. "$(dirname "$0")/lib/mount.sh"
. "$(dirname "$0")/lib/other.sh"
EACH=${EACH:-4} # seconds for each walker

mailbox 20 --small
start_dovecot
mount_it refresh=1

# Letters of its own, or a folder that comes where another went may be taken for that one, renamed.
folder() { # folder NAME NUMBER: made, with two letters in it
  local text
  text=${letter//letter-7@/letter-$2@}
  text=${text//Letter 7/Letter $2}
  commands+=("CREATE $1" "APPEND $1 {${#text}+}"$'\r\n'"$text" "APPEND $1 {${#text}+}"$'\r\n'"$text")
}
# All in one go, whatever comes of each: Dovecot itself refuses some while it does others.
at_once() {
  local fd command n=0
  exec {fd}<>"/dev/tcp/127.0.0.1/$(cat "$T/dovecot/port")"
  for command in "LOGIN alice secret" "$@" LOGOUT; do
    printf '%d %s\r\n' $((n++)) "$command" >&"$fd"
  done
  timeout 60 cat <&"$fd" >/dev/null
  exec {fd}>&-
}
churn() {
  local round=0 i commands letter
  letter=$(letter 7 && echo .)
  letter=${letter%.}
  while [ ! -e "$T/enough" ]; do
    commands=()
    for ((i = 0; i < 20; i++, round++)); do
      folder "Passing$round" "$round"
      [ $round = 0 ] || commands+=("DELETE Passing$((round - 1))")
    done
    (at_once "${commands[@]}") 2>/dev/null || :
  done
}
churn &
PIDS+=($!)

cd "$M"
walk() { # walk COMMAND...: over and over
  local end
  end=$(($(now) + EACH * 1000))
  say "$*"
  while [ "$(now)" -lt $end ]; do
    timeout 60 "$@" >"$T/out" 2>"$T/err" || [ $? -lt 124 ] || fail "$* takes for ever"
    ! grep -v 'No such file or directory' "$T/err" || fail "$*: errors"
    grep -hoE 'Passing[0-9]+' "$T/out" >>"$T/seen" || :
    cat "$T/err" >>"$T/vanished"
  done
}
walk find .
walk ls -R .
walk find . -ls
walk grep -r letter .
cd /
touch "$T/enough"
wait "${PIDS[-1]}"

say "$(sort -u "$T/seen" | wc -l) passing folders were seen, $(wc -l <"$T/vanished") times one had gone"
[ "$(sort -u "$T/seen" | wc -l)" -ge 10 ] || fail "nothing came and went: this proves nothing"
wait_until 30 sh -c "! ls '$M' | grep -qx Passing0"
eq "what stayed" 20 "$(ls "$M/INBOX" | wc -l)"
