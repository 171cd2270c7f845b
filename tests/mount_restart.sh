#!/bin/bash
# SPDX-License-Identifier: MIT
# The server is killed and started again, stopped and continued, or not there yet, under a mount that is used: errors in
# time, no wrong octets, and without a remount all of it is there again.
. "$(dirname "$0")/lib/mount.sh"

mailbox 150
start_dovecot
conf=$T/dovecot/dovecot.conf

start_again() {
  dovecot -c "$conf" </dev/null >"$T/start" 2>&1 || fail "$(cat "$T/start")"
  wait_until 10 timeout 60 bash -c "head -c 4 </dev/tcp/127.0.0.1/$(cat "$T/dovecot/port") | grep -q OK"
}
family() { # family PID: and all that descend from it
  local child
  echo "$1"
  for child in $(pgrep -P "$1"); do
    family "$child"
  done
}
signal_dovecot() { # all at once, so that nobody says goodbye
  # shellcheck disable=SC2046 # several
  kill -"$1" $(family "$(cat "$T/dovecot/run/master.pid")")
}
shoot_dovecot() {
  local pid
  pid=$(cat "$T/dovecot/run/master.pid")
  signal_dovecot KILL
  wait_until 10 ended "$pid"
  rm -f "$T/dovecot/run/master.pid"
}
sums() { # of what can be read as a whole
  timeout -s KILL 120 bash -c "$(declare -f file_sums); file_sums '$M/INBOX'" 2>/dev/null | sort
}
all_read() {
  sums >"$T/got" && cmp -s "$T/expected" "$T/got"
}
bodies() { # bodies N: at least so many are cached
  [ "$(find "$XDG_CACHE_HOME" -path '*/bodies/*' -type f | wc -l)" -ge "$1" ]
}
lines() { # lines N FILE
  [ "$(wc -l <"$2")" -ge "$1" ]
}
fresh() { # fresh OPTIONS: a mount that has read nothing
  unmounted || unmount
  rm -rf "$XDG_CACHE_HOME" "$XDG_STATE_HOME"
  mount_it "$1"
  ls "$M/INBOX" >/dev/null
}
appears() { # appears SUBJECT
  ls -f "$M/INBOX" | grep -q "_$1\.[0-9]*\.eml$"
}
deliver() { # deliver SUBJECT: with CRLF, which doveadm would not keep
  local file=$MAILDIR/tmp/$EPOCHSECONDS.$1.test
  printf 'From: ann@example.com\r\nSubject: %s\r\n\r\nhello\r\n' "$1" >"$file"
  [ "$(id -u)" != 0 ] || chown mail: "$file"
  mv "$file" "$MAILDIR/cur/${file##*/}:2,"
}
fails_in_time() { # fails_in_time FILE: with an honest error; no half of it
  local start rc=0
  start=$(now)
  timeout -s KILL 120 cat "$1" >"$T/out" 2>"$T/err" || rc=$?
  [ $rc = 1 ] || fail "cat ended with $rc"
  in_time "$start" 10000 "the error"
  grep -qE 'timed out|No route to host' "$T/err" || fail "$(cat "$T/err")"
  [ ! -s "$T/out" ] || fail "half a file"
}

start_relay --rate 20 --rtt 5
mount_it timeout=3,refresh=1
ls "$M/INBOX" >"$T/names"
find "$M/INBOX" -name '*.eml' -exec grep -Hc '' {} + | sort >"$T/truth"
server_sums "$MAILDIR" | sort >"$T/expected"
eq "messages" 150 "$(wc -l <"$T/truth")"

for how in stop_dovecot shoot_dovecot; do
  say "$how and started again, under grep -r"
  fresh timeout=3,refresh=1
  grep -rc --line-buffered '' "$M/INBOX" >"$T/grep" 2>"$T/err" &
  grep=$!
  wait_until 20 lines 20 "$T/grep"
  $how
  start_again
  wait $grep || [ $? = 2 ] || fail "grep ended with $?"
  strange=$(sort "$T/grep" | comm -23 - "$T/truth")
  [ -z "$strange" ] || fail "grep read otherwise: $strange"
  say "$(wc -l <"$T/grep") files counted, $(wc -l <"$T/err") errors"
  wait_until 60 all_read
  same "names" "$T/names" <(ls "$M/INBOX")

  say "$how and started again, under sha256sum"
  fresh timeout=3,refresh=1
  sums >"$T/sums" &
  reader=$!
  for n in 20 60 100; do
    wait_until 20 bodies $n
    $how
    start_again
  done
  wait $reader || :
  strange=$(comm -23 "$T/sums" "$T/expected")
  [ -z "$strange" ] || fail "wrong octets: $strange"
  wait_until 60 all_read
done

say "stopped for a while: readers wait"
fresh timeout=30
signal_dovecot STOP
file=$(find "$M/INBOX" -name '*.149.eml')
cat "$file" >"$T/149" &
reader=$!
wait_until 10 waiting $reader
within 1 ls -l "$M/INBOX" >/dev/null
signal_dovecot CONT
wait $reader || fail "the reader of a server that had stopped for a moment: $?"
eq "octets" "$(grep '^149 ' "$T/expected")" "149 $(sha256sum <"$T/149" | cut -d' ' -f1)"

say "stopped for long: errors in time"
fresh timeout=3,refresh=1
cat "$M"/INBOX/*.1.eml >/dev/null
signal_dovecot STOP
fails_in_time "$(find "$M/INBOX" -name '*.140.eml')"
within 1 cat "$M"/INBOX/*.1.eml >/dev/null
signal_dovecot CONT
wait_until 60 all_read

say "unmounted while it hangs"
signal_dovecot STOP
pid=$(daemon)
start=$(now)
fusermount3 -u "$M"
wait_until 10 ended "$pid"
in_time "$start" 2000 "the end of the daemon"

say "mounted while it hangs"
mount_it timeout=3,refresh=1
within 1 cat "$M"/INBOX/*.1.eml >/dev/null
eq "names" "$(cat "$T/names")" "$(ls "$M/INBOX")"
signal_dovecot CONT
deliver while-it-hung
wait_until 60 appears while-it-hung

say "mounted while it is down"
unmount
stop_dovecot
mount_it timeout=3,refresh=1
within 1 cat "$M"/INBOX/*.1.eml >/dev/null
appears while-it-hung
start_again
deliver while-it-was-down
wait_until 60 appears while-it-was-down
server_sums "$MAILDIR" | sort >"$T/expected"
wait_until 60 all_read

say "a first mount while it is down, and while it hangs"
unmount
rm -rf "$XDG_CACHE_HOME" "$XDG_STATE_HOME"
source=imap://alice@127.0.0.1:$PORT
stop_dovecot
refused 'connect|reset|closed' "$IMAPFS" -o "tls=off,passfile=$T/pass,timeout=3" "$source" "$M"
unmounted || fail "mounted all the same"
start_again
signal_dovecot STOP
refused 'silent|timed out' "$IMAPFS" -o "tls=off,passfile=$T/pass,timeout=3" "$source" "$M"
unmounted || fail "mounted all the same"
signal_dovecot CONT
mount_it
