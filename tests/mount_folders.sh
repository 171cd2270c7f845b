#!/bin/bash
# SPDX-License-Identifier: MIT
# mkdir, rmdir and mv of folders with the tools that users have, and what may not be done where: the errors of the
# calls, and what the server has afterwards.
. "$(dirname "$0")/lib/mount.sh"
. "$(dirname "$0")/lib/other.sh"

no() { # no TEXT COMMAND...: it fails, saying that
  local text=$1
  shift
  ! timeout 120 "$@" >"$T/out" 2>"$T/err" </dev/null || fail "went well: $*"
  grep -q -e "$text" "$T/err" || fail "no '$text' in: $(cat "$T/err")"
}
listed() { # the server's folders, sorted, in one line
  : >"$T/said"
  other 'LIST "" "*"'
  sed -n 's/^\* LIST ([^)]*) "\/" //p' "$T/said" | tr -d '"' | sort | tr '\n' ' '
}
has() { # has NAME...: the server has just these, beside the first ones
  local all
  all=$(printf '%s\n' Full INBOX Look Sent Slots "$@" | sort | tr '\n' ' ')
  [ "$(listed)" = "$all" ]
}
ino() {
  stat -c %i "$1"
}

export DOVECOT_ACL=yes DOVECOT_QUOTA=100 DOVECOT_SENT=yes
start_dovecot
append INBOX 1
other 'CREATE Full' 'CREATE Look' 'CREATE Slots'
append Full 2
append Look 3
append Slots 4
echo 'owner lr' >"$MAILDIR/.Look/dovecot-acl"
echo 'owner lrwsti' >"$MAILDIR/.Slots/dovecot-acl"

start_relay
mount_it refresh=1
cd "$M"

say "folders are made"
mkdir -p Work/2026/Äpfel 'R&D' 'two words' -- -x
has Work Work/2026 'Work/2026/&AMQ-pfel' 'R&-D' 'two words' -x || fail "the server has: $(listed)"
no 'File exists' mkdir Work
no 'File exists' mkdir inbox
no 'Invalid argument' mkdir Work/1.0
no 'Invalid argument' mkdir 50%
no 'not permitted' mkdir .Trash-1000
mkdir -p Work/2026
eq "links of Work" 3 "$(stat -c %h Work)"
eq "what is in it" 2026 "$(ls Work)"

say "and renamed"
before=$(ino Work) below=$(ino Work/2026/Äpfel)
mv Work 'R&D/Play'
eq "its number" "$before" "$(ino 'R&D/Play')"
eq "that of one below" "$below" "$(ino 'R&D/Play/2026/Äpfel')"
has 'R&-D' 'R&-D/Play' 'R&-D/Play/2026' 'R&-D/Play/2026/&AMQ-pfel' 'two words' -x || fail "the server has: $(listed)"
no 'busy' mv INBOX x
no 'not permitted' mv Sent x
no 'subdirectory of itself\|Invalid' mv 'R&D' 'R&D/Play'
no 'File exists\|not empty' mv -T 'two words' Full
no 'File exists' mv -T 'two words' ./-x

say "a letter in one that is renamed stays what it is"
name=$(ls Full) number=$(ino "Full/$(ls Full)") sum=$(sha256sum <"Full/$(ls Full)")
mv Full Filled
eq "its name" "$name" "$(ls Filled)"
eq "its number" "$number" "$(ino "Filled/$name")"
eq "its octets" "$sum" "$(sha256sum <"Filled/$name")"
mv Filled Full

say "and removed"
no 'not empty' rmdir Full
no 'not empty' rmdir 'R&D'
no 'busy' rmdir INBOX
no 'not permitted' rmdir Sent
rmdir 'R&D/Play/2026/Äpfel' 'two words' ./-x
rm -r 'R&D'
mkdir 'R&D'
wait_until 20 has 'R&-D'
rmdir 'R&D'
wait_until 20 has

say "directories of debris are nobody's business"
mkdir .work.tmp .work.tmp/sub
has || fail "the server has: $(listed)"
rmdir .work.tmp/sub .work.tmp

say "what the server grants nobody is refused at the call"
letter=$T/letter
letter 5 >"$letter"
for folder in Look Slots; do
  ls $folder >/dev/null
done
learnt() { # a moment after the folder was first listed
  ! cp "$letter" Look/new.eml 2>/dev/null
}
wait_until 20 learnt
no 'Read-only' cp "$letter" Look/new.eml
no 'Read-only' rm -f "Look/$(ls Look)"
no 'Read-only' mkdir Look/below
no 'Permission' rm -f "Slots/$(ls Slots)"
no 'Permission' mkdir Slots/below
head -c 120000 /dev/zero | tr '\0' x >"$T/long"
{ cat "$letter" && fold -w 70 "$T/long"; } >"$T/large"
no 'quota' cp "$T/large" Full/large.eml

say "offline there is an answer at once"
kill "$RELAY_PID"
wait_until 10 ended "$RELAY_PID"
start=$(now)
no 'No route\|unreachable\|busy' mkdir offline
in_time "$start" 6000 "the answer"
cd /
unmount

say "a mount that is read-only changes nothing"
PORT=$(cat "$T/dovecot/port")
mount_it ro
no 'Read-only' mkdir "$M/x"
no 'Read-only' rmdir "$M/Full"
no 'Read-only' mv "$M/Full" "$M/x"
unmount
