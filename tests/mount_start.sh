#!/bin/bash
# SPDX-License-Identifier: MIT
# Start-up and end of the daemon over a mock of the cache: no server, no network. The password there is "right".
. "$(dirname "$0")/lib/mount.sh"

IMAPFS=$TOOLS/imapfs-mock
PW=$T/pw
echo right >"$PW"
chmod 600 "$PW"
server() { # pid of what serves $M
  local pid
  for pid in $(pgrep -f "$IMAPFS"); do
    [ "$(ps -o stat= -p "$pid" | cut -c1)" = Z ] || tr '\0' '\n' <"/proc/$pid/cmdline" | grep -qxF "$M" && echo "$pid"
  done
}
gone() {
  [ -z "$(server)" ] && unmounted
}
no() { # no TEXT ARGUMENTS...: refused, and nothing is left behind
  refused "$1" "$IMAPFS" "${@:2}"
  gone || fail "something is left: $(server)"
}
dead() {
  [ -z "$(server)" ]
}
source_of() {
  awk -v m="$M" '$2 == m { print $1 " " $3 }' /proc/self/mounts
}

say "the parent returns when the mount answers"
"$IMAPFS" -o "passfile=$PW" alice@mail.example.com: "$M"
eq "listing" $'Archive\nINBOX' "$(ls "$M")"
eq "table" "alice@mail.example.com: fuse.imapfs" "$(source_of)"
eq "a letter" "Hello, world." "$(tail -n 1 "$M"/INBOX/*Hello* | tr -d '\r')"
pid=$(server)
eq "session" "$pid" "$(ps -o sid= -p "$pid" | tr -d ' ')"
eq "working directory" / "$(readlink "/proc/$pid/cwd")"
for fd in 0 1 2; do
  eq "descriptor $fd" /dev/null "$(readlink "/proc/$pid/fd/$fd")"
done
refused 'mounted on it already' "$IMAPFS" -o "passfile=$PW" alice@mail.example.com: "$M"

say "SIGTERM under a blocked reader, twice"
cat "$M"/INBOX/*Never* 2>/dev/null &
reader=$!
wait_until 5 waiting $reader
start=$(now)
kill "$pid"
kill "$pid" 2>/dev/null || :
wait_until 5 gone
in_time "$start" 2000 "the end"
! wait $reader || fail "the reader ended well"

say "mistakes"
echo wrong >"$T/wrong"
chmod 600 "$T/wrong"
cp "$PW" "$T/open"
chmod 640 "$T/open"
no 'refuses the password' -o "passfile=$T/wrong" alice@mail.example.com: "$M"
no 'refuses the password' -f -o "passfile=$T/wrong" alice@mail.example.com: "$M"
no '/elsewhere' -o "passfile=$PW" alice@locked.example: "$M"
no 'cannot reach' -o "passfile=$PW" alice@offline.example: "$M"
no 'read by others' -o "passfile=$T/open" alice@mail.example.com: "$M"
no 'No such file' -o "passfile=$T/none" alice@mail.example.com: "$M"
no 'no-such-program' -o "password_command=no-such-program" alice@mail.example.com: "$M"
no 'exit' -o "password_command=false" alice@mail.example.com: "$M"
no 'does not exist' -o "passfile=$PW" alice@mail.example.com: "$M/none"
no 'no directory' -o "passfile=$PW" alice@mail.example.com: "$PW"
no 'not empty' -o "passfile=$PW" alice@mail.example.com: "$T"
no "$T/Entwürfe does not exist" -o "passfile=$PW" alice@mail.example.com: "$T/Entwürfe"
refused 'no terminal' setsid -w "$IMAPFS" alice@mail.example.com: "$M"

say "password_command"
"$IMAPFS" -o "password_command=printf '%s\\\\n' right wrong" alice@mail.example.com: "$M"
fusermount3 -u "$M"
wait_until 5 gone

say "a password typed at a terminal, without echo"
mkfifo "$T/keys"
script -qefc "$IMAPFS alice@mail.example.com: $M" "$T/screen" <"$T/keys" >/dev/null &
screen=$!
exec 3>"$T/keys"
wait_until 5 grep -q 'Password of alice at mail.example.com: ' "$T/screen"
echo right >&3
wait_until 5 mounted
exec 3>&-
wait $screen
! grep -q right "$T/screen" || fail "the password is on the screen"
! grep -qa right "/proc/$(server)/cmdline" "/proc/$(server)/environ" || fail "the password can be read in /proc"
fusermount3 -u "$M"
wait_until 5 gone

say "-f stays in front, -d traces requests and protocol"
"$IMAPFS" -d -o "passfile=$PW" 'a,b%c@mail.example.com:/A b' "$M" 2>"$T/trace" &
front=$!
wait_until 5 mounted
ls -l "$M/INBOX" >/dev/null
eq "table" 'a,b%c@mail.example.com:/A\040b fuse.imapfs' "$(source_of)"
kill -INT $front
wait $front || fail "status $?"
unmounted || fail "still mounted"
grep -qE 'LOOKUP 1 INBOX = ok [0-9a-f]+ \([0-9.]+ ms\)$' "$T/trace" || fail "no LOOKUP in the trace"
grep -qF 'C: a1 LOGIN "alice" ***' "$T/trace" || fail "no protocol in the trace"

say "where a daemon was killed"
"$IMAPFS" -o "passfile=$PW" alice@mail.example.com: "$M"
kill -KILL "$(server)"
wait_until 5 dead
refused 'daemon has died: fusermount3 -u' "$IMAPFS" -o "passfile=$PW" alice@mail.example.com: "$M"
fusermount3 -u "$M"

say "fake, help, versions"
ln -s "$IMAPFS" "$T/mount.imapfs"
"$T/mount.imapfs" alice@mail.example.com: "$M" -f -n -v -o rw,nofail
gone || fail "-f of a mount helper fakes"
"$IMAPFS" -h | grep -q 'cache_size=SIZE .*(1G)'
"$IMAPFS" -V | grep -qE '^imapfs [0-9.]+$'
