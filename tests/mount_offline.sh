#!/bin/bash
# SPDX-License-Identifier: MIT
# Without a network: what was read is read on, what was not is an honest error at once, and a mount comes up as well.
. "$(dirname "$0")/lib/mount.sh"

mailbox 20
start_dovecot
start_relay
near=$PORT
mount_it refresh=1,timeout=5
for uid in 1 2 3; do
  cat "$M"/INBOX/*."$uid".eml >"$T/$uid"
done
names=$(ls "$M/INBOX")
# Reading ahead may have brought more; 20 was far from it.
[ -n "$names" ] || fail "nothing listed"
offline() {
  for uid in 1 2 3; do
    within 1 cmp "$T/$uid" "$M"/INBOX/*."$uid".eml
  done
  eq "names" "$names" "$(timeout 60 ls "$M/INBOX")"
}
say "the line goes"
kill "$RELAY_PID"
wait_until 5 ended "$RELAY_PID"
drop_caches
offline
say "a mount without a line"
unmount
rm -f "$(find "$XDG_CACHE_HOME" -path '*/bodies/*' -type f -size "$(stat -c %s "$T/3")c" | head -n 1)"
mount_it refresh=1,timeout=5
for uid in 1 2; do
  within 1 cmp "$T/$uid" "$M"/INBOX/*."$uid".eml
done
wait_until 5 sh -c "! timeout 60 cat '$M'/INBOX/*.3.eml"
start=$(now)
! cat "$M"/INBOX/*.3.eml >"$T/out" 2>"$T/err" || fail "octets from nowhere"
in_time "$start" 1500 "the error"
grep -qE 'No route to host|timed out' "$T/err" || fail "$(cat "$T/err")"
[ ! -s "$T/out" ] || fail "half a file"
say "the line comes back"
PORT=$(cat "$T/dovecot/port")
tool relay --listen "$near" "$PORT"
wait_until 60 cmp "$T/3" "$M"/INBOX/*.3.eml
