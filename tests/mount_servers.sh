#!/bin/bash
# SPDX-License-Identifier: MIT
# Servers that are odd: each refuses, forgets, cuts or pretends in its own way while mail is written, copied, moved and
# removed. Once it has come to its senses each letter is where it was to be, or was said to be refused; and none is
# lost, doubled or altered (lib/ledger.sh).
. "$(dirname "$0")/lib/mount.sh"
. "$(dirname "$0")/lib/other.sh"
. "$(dirname "$0")/lib/ledger.sh"

ask_drained() {
  timeout 300 getfattr -n user.imapfs.drained "$M" >/dev/null 2>"$T/err"
}
drained() { # what was refused is said once
  ask_drained || ask_drained || fail "not drained: $(cat "$T/err")"
}
odd() { # odd [RULE...]: from now on the server is that
  printf '%s\n' "$@" >"$T/rules.new"
  mv "$T/rules.new" "$T/rules"
}
put() { # put FOLDER N [HEADER]: a new letter
  { [ -z "${3:-}" ] || printf '%s\r\n' "$3"; } >"$T/new.$2"
  letter "$2" >>"$T/new.$2"
  cp "$T/new.$2" "$M/$1/new-$2.eml"
  ledger_accept "$T/new.$2"
}
begin() { # begin NAME RULE...: five letters in the INBOX of an account of its own, and a folder Work
  WHO=$1
  MAILDIR=$T/dovecot/mail/$1 LEDGER=$T/ledger.$1
  say "$1: ${*:2}"
  append INBOX 1 2 3 4 5
  other "CREATE Work" "CREATE Trash"
  for n in 1 2 3 4 5; do
    letter "$n" >"$T/old.$n"
  done
  ledger_open
  odd
  mount_it compress=off
  timeout 60 ls "$M/INBOX" "$M/Work" "$M/Trash" >"$T/out"
  odd "${@:2}"
}
work() { # three uploads, a move, a removal, a flag
  put Work 11
  put Work 12
  put INBOX 13
  mv "$M"/INBOX/*_Letter-1.* "$M/Work/"
  rm "$M"/INBOX/*_Letter-2.*
  "ledger_${REMOVED:-remove}" "$T/old.2"
  setfattr -n user.imap.flagged -v 1 "$M"/INBOX/*_Letter-3.*
}
settle() { # what waits is tried again by an honest server
  odd
  kill -HUP "$(daemon)"
  drained
}
shown() { # shown FOLDER NUMBER...: these letters, and no others
  local folder=$1
  shift
  # shellcheck disable=SC2012 # names of ours
  eq "$WHO: $folder" "$*" "$(cat "$M/$folder"/* 2>/dev/null | tr -d '\r' | sed -n 's/^Subject: Letter //p' | sort -n | xargs)"
}
finish_all() { # all was done, as if nothing had been
  shown INBOX 3 4 5 13
  shown Work 1 11 12
  shown Trash 2
  eq "$WHO: flag" 1 "$(getfattr --only-values -n user.imap.flagged "$M"/INBOX/*_Letter-3.*)"
  unmount
  ledger_check "$WHO"
}

mkdir "$T/bin"
ln -s "$TOOLS/imapfs-steps" "$T/bin/imapfs" # which tries again soon
IMAPFS=$T/bin/imapfs
start_dovecot
odd
"$TOP/tests/lib/odd.py" "$PORT" "$T/rules" >"$T/port.odd" &
PIDS+=($!)
wait_until 10 test -s "$T/port.odd"
PORT=$(cat "$T/port.odd")

# The answer is lost, the server has done it: looked for, and not done twice.
begin cut 'cut ^APPEND' 'cut ^UID (MOVE|STORE|EXPUNGE)'
work
settle
finish_all

begin bye 'bye ^APPEND'
work
settle
finish_all

# UIDs are not told: they are looked for.
begin mute 'mute APPENDUID' 'mute COPYUID'
work
drained
finish_all

# There is no room, for a while: it waits, and is shown.
begin full 'full ^APPEND'
work
! timeout 2 getfattr -n user.imapfs.drained "$M" >"$T/out" 2>&1 || fail "there was room"
shown Work 1 11 12
[ ! -e "$M/lost+found" ] || fail "what waits is in lost+found"
settle
finish_all

# One of many is refused, and its neighbours are not: it stands in lost+found, with the reason.
for word in no bad; do
  begin "$word" "$word X-Odd: yes"
  put Work 21
  put Work 22 "X-Odd: yes"
  put Work 23
  if ! "$IMAPFS" -u "$M" 2>"$T/err"; then # unless it was refused before anybody waited for it
    grep -q 'the server refused a part of it' "$T/err" || fail "-u: $(cat "$T/err")"
    drained
    "$IMAPFS" -u "$M"
  fi
  mount_it compress=off
  shown Work 21 23
  shown lost+found 22
  getfattr --only-values -n user.imap.error "$M/lost+found/new-22.eml" | grep -qE "not this time|no good" ||
    fail "no reason"
  ledger_check "$WHO"
  unmount
done

# Every second command is refused: what it was is undone, or stands in lost+found.
begin second 'second ^(APPEND|UID (MOVE|COPY|STORE|EXPUNGE))'
REMOVED=maybe_remove work
ledger_maybe "$T/old.1" "$T/old.2" # copied, and then not removed: two are better than none
drained
ledger_check "$WHO"
odd
kill -HUP "$(daemon)"
drained
ledger_check "$WHO, later"
unmount

# What was said to be done is not: that is seen, and tried again.
begin idle 'idle ^UID (MOVE|COPY)' 'idle Flagged'
work
! timeout 2 getfattr -n user.imapfs.drained "$M" >"$T/out" 2>&1 || fail "a lie was believed"
settle
shown INBOX 3 4 5 13
shown Work 1 11 12
shown Trash 2
unmount
ledger_check "$WHO"
