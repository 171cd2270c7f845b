#!/bin/bash
# SPDX-License-Identifier: MIT
# A line that has died without a word. Who makes or removes a folder or syncs a file over it holds up nobody else in
# that directory, though the kernel has it locked: ls, cat of what is cached, and cp go on.
. "$(dirname "$0")/lib/mount.sh"
LIMIT=4000 # ms, against a timeout of 15 s

mailbox 20 --small
start_dovecot
start_relay
mount_it refresh=300,timeout=15
letter=$(ls "$M"/INBOX/*.1.eml)
cat "$M"/INBOX/*.eml >/dev/null
cp "$letter" "$T/letter"
mkdir "$M/INBOX/old" "$M/INBOX/older"
cp "$T/letter" "$M/INBOX/mine.eml"
sync "$M/INBOX/mine.eml"
ls -R "$M" >/dev/null

copies=0
others_go_on() { # others_go_on WHAT
  local start
  start=$(now)
  timeout 60 ls "$M/INBOX" >"$T/out" || fail "$1: ls"
  in_time "$start" $LIMIT "$1: ls"
  start=$(now)
  timeout 60 cmp "$T/letter" "$letter" || fail "$1: cat"
  in_time "$start" $LIMIT "$1: cat"
  start=$(now)
  timeout 60 cp "$T/letter" "$M/INBOX/copy$((copies++)).eml" || fail "$1: cp"
  in_time "$start" $LIMIT "$1: cp"
}
times_out() { # times_out WHAT START PID
  ! wait "$3" || fail "$1: it went well"
  in_time "$2" $LIMIT "$1"
  grep -qE 'timed out|No route to host' "$T/err" || fail "$1: $(cat "$T/err")"
}
kill -USR1 "$RELAY_PID" # nothing comes any more

say "mkdir"
start=$(now)
mkdir "$M/INBOX/new" 2>"$T/err" &
making=$!
others_go_on mkdir
times_out mkdir "$start" $making
start=$(now)
mkdir "$M/INBOX/newer" 2>"$T/err" &
times_out "the next one" "$start" $!

say "rmdir"
within 4 rmdir "$M/INBOX/old"
others_go_on rmdir

say "fsync"
within 4 sync "$M/INBOX"
cp "$T/letter" "$M/INBOX/synced.eml"
timeout 60 sync "$M/INBOX/synced.eml" 2>"$T/err.sync" &
syncing=$!
others_go_on fsync
! wait $syncing || fail "it was sent over a dead line"

say "the line comes back"
kill -USR2 "$RELAY_PID"
kill -HUP "$(daemon)"
wait_until 60 getfattr -n user.imapfs.drained "$M"
[ -d "$MAILDIR/.INBOX.older" ] && [ ! -d "$MAILDIR/.INBOX.old" ] || fail "what was removed is there, or the other is not"
wait_until 60 mkdir "$M/INBOX/last"
ls "$M/INBOX" >"$T/out"
eq "files" $((21 + copies + 1)) "$(grep -c 'eml$' "$T/out")"
