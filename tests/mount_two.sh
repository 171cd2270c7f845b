#!/bin/bash
# SPDX-License-Identifier: MIT
# mount_two.sh [SEED]: two mounts of one account, each with state and cache of its own, and a client that knows nothing
# of them, all change the same two folders at random, one of the mounts offline for a while. In the end all three have
# the same letters with the same flags, and each letter that was accepted is in one place.
. "$(dirname "$0")/lib/mount.sh"
. "$TOP/tests/lib/other.sh"

SEED=${1:-$((RANDOM * 32768 + RANDOM))}
COUNT=80
say "seed $SEED"
start_dovecot
other 'CREATE Shared' 'CREATE Second' 'CREATE Trash'
real=$PORT

at() { # at N: $M and the places of the mount N
  M=$T/mnt$1 XDG_STATE_HOME=$T/state$1 XDG_CACHE_HOME=$T/cache$1
  mkdir -p "$M"
}
act() { # act KIND NAME PLACE
  python3 "$TOP/tests/lib/two.py" "$1" "$SEED" "$2" "$T/log.$2" $COUNT "$3" &
}
drained() {
  timeout 300 getfattr --absolute-names -n user.imapfs.drained "$M" >"$T/out" 2>"$T/err"
}

at 1
mount_it "refresh=1,log=$T/daemon1"
start_relay
near=$PORT
at 2
mount_it "refresh=1,log=$T/daemon2"
for n in 1 2; do
  ls "$T/mnt$n/Shared" "$T/mnt$n/Second" >"$T/out"
done

act mount one "$T/mnt1" && one=$!
act mount two "$T/mnt2" && two=$!
act imap three "$real" && three=$!
lines() {
  [ "$(wc -l <"$T/log.two")" -ge "$1" ]
}
wait_until 60 lines 15
say "one of them offline"
kill "$RELAY_PID"
wait_until 60 lines 35
tool relay --listen "$near" "$real"
wait_until 10 kill -HUP "$(daemon)"
say "and online"
wait "$one" || fail "one"
wait "$two" || fail "two"
wait "$three" || fail "three"

for n in 1 2; do
  at $n
  # Who waits is told of a refusal: somebody else was faster.
  drained || drained || fail "not drained: $(cat "$T/err")"
  [ ! -e "$M/lost+found" ] || fail "refused: $(ls "$M/lost+found")"
done
cat "$T"/log.one "$T"/log.two "$T"/log.three >"$T/log"
python3 "$TOP/tests/lib/two.py" judge "$real" "$T/log" "$T/mnt1" "$T/mnt2" || fail "seed $SEED"

say "and after a remount"
for n in 1 2; do
  at $n
  unmount
  mount_it "refresh=1"
done
python3 "$TOP/tests/lib/two.py" judge "$real" "$T/log" "$T/mnt1" "$T/mnt2" || fail "after a remount, seed $SEED"
