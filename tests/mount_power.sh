#!/bin/bash
# SPDX-License-Identifier: MIT
# The power goes. Of the state directory stays what was synced (tests/preload_power.c), or by chance a bit more. What a
# program has closed is there again, and reaches the server once; so do names, removals and flags after fsync of a
# directory, or a moment. At each step of a day's work (tests/lib/day.sh), too: STEP=1 for all of them.
. "$(dirname "$0")/lib/mount.sh"
. "$(dirname "$0")/lib/other.sh"
. "$(dirname "$0")/lib/ledger.sh"
. "$(dirname "$0")/lib/day.sh"

STEP=${STEP:-10}

settle() { # a change is synced by fsync of a directory
  sync "$M"
}
start() { # start [STEP]: on the disk of $dir
  mkdir -p "$dir/shadow"
  LD_PRELOAD=$(preloaded power.so) POWER_STATE=$XDG_STATE_HOME POWER_SHADOW=$dir/shadow POWER_BOOT=${BOOT:-1} \
    IMAPFS_STOP_AT=${1:-} mount_it
  ls "$M/INBOX" "$M/Work" >"$dir/list"
}
lose() { # each other time more is on the disk than had to be
  BOOT=$((${BOOT:-1} + 1))
  "$TOOLS/powercut" "$dir/shadow" "$XDG_STATE_HOME" "$dir/after" $(((AT / STEP + BOOT) % 2 * (AT + BOOT)))
  rm -rf "$XDG_STATE_HOME"
  mv "$dir/after" "$XDG_STATE_HOME"
}
power_goes() {
  kill -9 "$(pid)"
  recover
}
on_disk() { # on_disk RESULT QUERY: as it would be if the power went now
  rm -rf "$dir/then" "$dir/then.shadow"
  cp -a "$dir/shadow" "$dir/then.shadow"
  "$TOOLS/powercut" "$dir/then.shadow" "$XDG_STATE_HOME" "$dir/then" 0
  [ "$(sqlite3 "$dir"/then/imapfs/*/index.db "$2")" = "$1" ]
}
holds() { # holds NAME FILE: NAME in the mount is FILE, with lines that end in CR LF
  eq "$1" "$("$TOOLS/crlfsum" "$2" | cut -d" " -f1)" "$(sha256sum <"$M/$1" | cut -d" " -f1)"
}

say "a day without trouble"
whole_day

say "what was closed is there, and sent once"
account accepted
ledger_open
start_relay
near=$PORT
start
kill "$RELAY_PID" # nothing goes to the server
wait_until 5 ended "$RELAY_PID"
closed() { # closed NAME FILE: the power goes, and comes back
  power_goes
  holds "$1" "$2"
  ledger_accept "$2"
}
cp "$I/small" "$M/INBOX/small.eml"
closed INBOX/small.eml "$I/small"
cp -p "$I/large" "$M/Work/large.eml"
closed Work/large.eml "$I/large"
cat "$I/102" "$I/103" >"$T/grown"
cp "$I/102" "$M/INBOX/grown.eml"
cat "$I/103" >>"$M/INBOX/grown.eml"
closed INBOX/grown.eml "$T/grown"
cat "$I/104" >"$M/INBOX/$(seed 1)"
closed "INBOX/$(seed 1)" "$I/104"
ledger_remove "$I/seed-1"
cp "$I/105" "$M/INBOX/.late.tmp"
power_goes
mv "$M/INBOX/.late.tmp" "$M/INBOX/late.eml"
sync "$M/INBOX"
closed INBOX/late.eml "$I/105"
holds INBOX/small.eml "$I/small"
holds INBOX/grown.eml "$T/grown"

say "names, removals and flags, after fsync of the directory"
index_is() {
  eq "names" "$1" "$(cd "$M/INBOX" && echo *Letter-[2-6].* two.eml)"
}
mv "$M/INBOX/$(seed 2)" "$M/INBOX/two.eml"
rm "$M/INBOX/$(seed 3)"
setfattr -n user.imap.flagged -v 1 "$M/INBOX/$(seed 4)"
sync "$M/INBOX"
power_goes
index_is "$(seed 4) $(seed 5) $(seed 6) two.eml"
eq "flag" 1 "$(getfattr --absolute-names --only-values -n user.imap.flagged "$M/INBOX/$(seed 4)")"
ledger_remove "$I/seed-3"

say "names and removals, after a moment"
mv "$M/INBOX/$(seed 5)" "$M/INBOX/five.eml"
rm "$M/INBOX/$(seed 6)"
wait_until 10 on_disk "five.eml" "SELECT name FROM message WHERE folder > 0 AND gone = 0 AND name LIKE 'five%'"
wait_until 10 on_disk "" "SELECT name FROM message WHERE folder > 0 AND gone = 0 AND name LIKE '%Letter-6%'"
power_goes
index_is "$(seed 4) two.eml"
[ -e "$M/INBOX/five.eml" ] || fail "a name is lost"
ledger_remove "$I/seed-6"

say "and when it goes at once, what is old or what is new"
mv "$M/INBOX/two.eml" "$M/Work/two.eml"
rm "$M/INBOX/five.eml"
power_goes
eq "places of a message" 1 "$(find "$M/INBOX/two.eml" "$M/Work/two.eml" 2>"$T/out" | wc -l)"
ledger_maybe_remove "$I/seed-5"
tool relay --listen "$near" "$(cat "$T/dovecot/port")"
kill -HUP "$(pid)" # now, and not when it would have tried
wait_until 30 drained
ledger_check "after seven power cuts"
fusermount3 -u "$M"
wait_until 10 ended "$(pid)"

say "it goes while all is moving"
account moving
ledger_open
start
write() { # write ROUND: until it fails; a list of what was closed, and of what was cut
  local n
  for ((n = 1; ; n++)); do
    letter $(($1 * 1000 + n)) >"$dir/in/$1-$n"
    cp -p "$dir/in/$1-$n" "$M/INBOX/$1-$n.eml" || break
    echo "$dir/in/$1-$n" >>"$dir/closed"
    if [ $((n % 5)) = 0 ]; then
      echo "$dir/in/$1-$n" >>"$dir/removed"
      rm "$M/INBOX/$1-$n.eml" || break
    elif [ $((n % 3)) = 0 ]; then
      mv "$M/INBOX/$1-$n.eml" "$M/Work/" || break
    fi
  done 2>"$dir/write"
  echo "$dir/in/$1-$n" >>"$dir/cut-off"
}
mkdir "$dir/in"
some() { # some N: so many more are closed
  [ "$(wc -l <"$dir/closed")" -ge "$1" ]
}
touch "$dir"/closed "$dir"/cut-off "$dir"/removed
for round in 1 2 3; do
  write $round &
  wait_until 60 some $((round * 30))
  power_goes
  wait $!
done
drained
enter_list() { # enter_list HOW LIST
  local files
  mapfile -t files <"$dir/$2"
  "ledger_$1" "${files[@]}"
}
grep -vxFf "$dir/removed" "$dir/closed" >"$dir/accepted"
enter_list accept accepted
enter_list maybe cut-off
enter_list maybe removed # what is removed before it was sent has never been
ledger_check "after power cuts under load"
fusermount3 -u "$M"
wait_until 10 ended "$(pid)"

say "the power goes at step $FIRST, $((FIRST + STEP)), ..."
all_steps
