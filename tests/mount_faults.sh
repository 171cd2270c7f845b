#!/bin/bash
# SPDX-License-Identifier: MIT
# The line breaks in many ways while an account is mounted, listed and read: no wrong octet, no strange name, no hang,
# no crash; and with a good line and a SIGHUP all of it is there. In a first session, and in a second one before which
# mail came and went. tests/test_sweep.c does this at each octet; here are kernel, three connections and a large message.
# FAULT_MOUNTS (10) is how many mounts each of the sessions gets.
. "$(dirname "$0")/lib/mount.sh"

STEPS=${FAULT_MOUNTS:-10}
FIRST=("down close" "down stall" "up close" "down line * BYE fault" "down nul" "down reset" "down line * 1 EXPUNGE"
  "up stall" "down dribble" "down line * 3 FETCH (FLAGS (\\Seen))")
SECOND=("up nul" "down line * 9 EXISTS" "down stall" "down reset" "up close" "down line * BYE fault" "down close" "down nul"
  "up stall" "down line * 2 EXPUNGE")
TLS=("down flip" "up flip" "down close" "down nul" "down flip" "down reset" "up flip")

letter() { # letter NUMBER SUBJECT BODY: with CRLF in place of each line end, and its body as printf has it
  local file=$T/dovecot/mail/alice/cur/1900000$1.M1.shape:2,S
  # shellcheck disable=SC2059 # a format
  printf "Date: Sat, 21 Nov 2026 10:00:00 +0000\r\nFrom: Ann <ann@example.com>\r\nSubject: $2\r\n\r\n$3" >"$file"
  touch -d "@$((1900000000 + $1))" "$file"
}
fault() { # fault COMMAND: to the relay; its answer is left in ANSWER
  echo "$1" >&9
  IFS= read -r -t 10 -u 8 ANSWER || fail "the relay does not answer"
}
start_fault() { # start_fault PORT: leaves NEAR
  rm -f "$T/to" "$T/from"
  mkfifo "$T/to" "$T/from"
  "$TOOLS/fault" "$1" <"$T/to" >"$T/from" 9>&- &
  PIDS+=($!)
  exec 9>"$T/to" 8<"$T/from"
  IFS= read -r -t 10 -u 8 NEAR
}
attach() {
  timeout 100 "$IMAPFS" -o "$OPTIONS,passfile=$T/pass,timeout=2" "$SOURCE" "$M" 2>"$T/err"
}
shapes() {
  letter 101 "nearly nothing" ""
  letter 102 "8-bit" "Gr\xc3\xbc\xc3\x9fe \xff\xfe\x80\r\n"
  letter 103 "like a server" "* BYE\r\n)\r\na1 OK done\r\n* 1 EXPUNGE\r\n"
  letter 104 "like a literal" "x {3}\r\nabc)\r\n* 1 FETCH (UID 1 BODY[] {2}\r\n"
  letter 105 "large" "$(head -c 225000 /dev/zero | base64 -w 74 | sed 's/$/\\r\\n/' | tr -d '\n')"
  letter 106 "no line end" "end )"
}

mailbox 6 --small
shapes
[ "$(id -u)" != 0 ] || chown -R mail: "$T/dovecot/mail"
start_dovecot
start_fault "$PORT"
OPTIONS=tls=off SOURCE=imap://alice@127.0.0.1:$NEAR

entries() { # name, size, time: what a listing shows
  timeout -s KILL 120 find "$M/INBOX" -maxdepth 1 -name '*.eml' -printf '%f %s %Ts\n' | sort
}
sums() { # of what can be read as a whole
  timeout -s KILL 120 bash -c "$(declare -f file_sums); file_sums '$M/INBOX'" | sort
}
learn() { # learn WHEN: what is true now
  attach
  entries >"$T/entries.$1"
  server_sums "$MAILDIR" | sort >"$T/sums.$1"
  sums >"$T/got"
  same "bytes on a good line" "$T/sums.$1" "$T/got"
  fault seen
  eq "a fault where none was asked for" 0 "${ANSWER##* }"
  unmount
}
recovered() {
  entries >"$T/got.entries" && cmp -s "$T/entries.$1" "$T/got.entries" &&
    sums >"$T/got" && cmp -s "$T/sums.$1" "$T/got"
}
among() { # among WHAT FILE FILE: the lines of the first are lines of the second
  local strange
  strange=$(comm -23 "$2" "$3")
  [ -z "$strange" ] || fail "$what: $1: $strange"
}
disturbed() { # disturbed WHEN FAULT: one mount
  local what="$1, $2" pid
  fault "$2"
  attach || { fault off && attach; } || fail "$what: no mount on a good line: $(cat "$T/err")"
  pid=$(daemon)
  entries >"$T/got.entries" 2>"$T/err" || [ $? -lt 128 ] || fail "$what: the listing hangs"
  among "a strange entry" "$T/got.entries" "$T/entries.may"
  [ "$1" != second ] || among "not listed" "$T/entries.stay" "$T/got.entries"
  sums >"$T/got" 2>"$T/err" || [ $? -lt 128 ] || fail "$what: reading hangs"
  among "wrong octets" "$T/got" "$T/sums.may"
  fault off
  kill -HUP "$pid"
  wait_until 30 recovered now
  kill -0 "$pid" || fail "$what: the daemon is gone"
  unmount
}
sweep() { # sweep WHEN WAY...: the faults of one session, the first octets closer together
  local i at way line n first when=$1
  local ways=("${@:2}")
  octets
  for ((i = 0; i < STEPS; i++)); do
    way=${ways[i % ${#ways[@]}]}
    n=$DOWN first=0
    [[ $way != up* ]] || n=$UP
    case $way in # after the first login: in that a server is given a minute
      "down stall") first=2500 ;;
      "up stall") first=700 ;;
    esac
    at=$(awk -v n="$((n - first))" -v i="$i" -v steps="$STEPS" 'BEGIN { print int(exp(log(n) * (i + 1) / (steps + 1))) }')
    line=
    [[ $way != *line* ]] || line=" ${way#*line }"
    way="${way%% \**} $((first + at)) any$line"
    say "$when: $way"
    prepare
    disturbed "$when" "$way"
  done
}
octets() { # UP and DOWN in an undisturbed session
  prepare
  fault off
  attach
  entries >/dev/null
  sums >/dev/null
  fault seen
  unmount
  read -r _ UP _ DOWN _ <<<"$ANSWER"
}

fault off
learn before
rm -rf "$T/state" "$T/cache"
attach
entries >/dev/null
cat "$M"/INBOX/*.[1-4].eml >/dev/null
unmount
mkdir "$T/seed"
mv "$T/state" "$T/cache" "$T/seed"

say "mail comes and goes"
letter 201 "new" "a new one\r\n"
letter 202 "new, too" "* 3 EXISTS\r\n"
[ "$(id -u)" != 0 ] || chown -R mail: "$T/dovecot/mail"
doveadm -c "$T/dovecot/dovecot.conf" expunge -u alice mailbox INBOX uid 2:3
doveadm -c "$T/dovecot/dovecot.conf" flags add -u alice '\Flagged' mailbox INBOX uid 5
learn now

prepare() {
  rm -rf "$T/state" "$T/cache"
}
cp "$T/entries.now" "$T/entries.may"
cp "$T/sums.now" "$T/sums.may"
sweep first "${FIRST[@]}"

prepare() {
  rm -rf "$T/state" "$T/cache"
  cp -a "$T/seed/state" "$T/seed/cache" "$T"
}
sort -u "$T/entries.before" "$T/entries.now" >"$T/entries.may"
comm -12 "$T/entries.before" "$T/entries.now" >"$T/entries.stay"
sort -u "$T/sums.before" "$T/sums.now" >"$T/sums.may"
eq "messages that stayed" 10 "$(wc -l <"$T/entries.stay")"
sweep second "${SECOND[@]}"

exec 9>&- 8<&-
start_fault "$TLS_PORT"
OPTIONS=tls_ca=$T/dovecot/cert.pem SOURCE=imaps://alice@localhost:$NEAR
STEPS=$(((STEPS + 1) / 2))
prepare() {
  rm -rf "$T/state" "$T/cache"
}
cp "$T/entries.now" "$T/entries.may"
cp "$T/sums.now" "$T/sums.may"
sweep tls "${TLS[@]}"
exec 9>&- 8<&-
