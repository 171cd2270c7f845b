#!/bin/bash
# SPDX-License-Identifier: MIT
# A password that is refused three times is tried no more; SIGHUP reads it again. SIGUSR1 says how things stand.
. "$(dirname "$0")/lib/mount.sh"

log=$T/log
logged() {
  grep -qE -e "$1" "$log"
}
told() { # told TEXT: SIGUSR1 says so
  : >"$log"
  kill -USR1 "$pid"
  wait_until 5 logged 'requests waiting: '
  logged "$1" || fail "no '$1' in: $(cat "$log")"
}
tells() {
  (told "$1") 2>/dev/null
}

mailbox 60
start_dovecot
start_relay
near=$PORT
mount_it "refresh=1,timeout=5,connections=2,log=$log"
pid=$(daemon)
cat "$M"/INBOX/*.1.eml >"$T/1"

say "how things stand"
told '^[-0-9: ]*imapfs: cache: online|online since [0-9-]+ '
told 'folders: [1-9][0-9]*, listed 1; all looked at [0-9]+ s ago'
told 'to be sent: 0 changes, 0 bytes'
told 'connections'
told 'cached: .* bytes'
wait_until 20 tells 'push: (all folders|folder [0-9]+)'

say "a password that is wrong from now on"
echo wrong >"$T/pass"
: >"$log"
kill "$RELAY_PID"
wait_until 5 ended "$RELAY_PID"
tool relay --listen "$near" "$(cat "$T/dovecot/port")"
wait_until 60 logged 'only what is cached is served.*kill -HUP '"$pid"
within 1 cmp "$T/1" "$M"/INBOX/*.1.eml
! timeout 60 cat "$M"/INBOX/*.50.eml >"$T/out" 2>"$T/err" || fail "octets from nowhere"
grep -q 'Permission denied' "$T/err" || fail "$(cat "$T/err")"
eq "warnings that it has given up" 1 "$(grep -c 'kill -HUP' "$log")"
! grep -qE 'wrong|secret' "$log" || fail "a password in the log"
told 'offline since .*: .'

say "the right one, and SIGHUP"
echo secret >"$T/pass"
kill -HUP "$pid"
wait_until 20 timeout 60 cat "$M"/INBOX/*.50.eml
wait_until 20 tells 'online since '
eq "daemon" "$pid" "$(daemon)"
unmount
