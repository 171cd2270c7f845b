#!/bin/bash
# SPDX-License-Identifier: MIT
# A tree that lives while it is walked: messages and folders come and go under find, ls, grep, tar and rsync. Nothing
# is skipped that was there all the time, nothing is seen twice, and no error but "No such file" for what has gone. A
# position in a directory outlives what comes and goes before it.
. "$(dirname "$0")/lib/mount.sh"
. "$(dirname "$0")/lib/other.sh"
KEPT=2000 # messages that stay

mailbox $KEPT --small --folders 4
start_dovecot
mount_it refresh=1
(cd "$M" && find . -name '*.eml' | sort) >"$T/kept"
eq "messages" $KEPT "$(wc -l <"$T/kept")"
next=$(($(ls -f "$M/INBOX" | sed -n 's/.*\.\([0-9]*\)\.eml$/\1/p' | sort -n | tail -n 1) + 1)) # UID of the next one

say "a position in a directory"
mkfifo "$T/go"
"$TOOLS/dirways" "$M/INBOX" 300 <"$T/go" >"$T/ways" &
exec 4>"$T/go"
wait_until 30 grep -qx -e -- "$T/ways"
kept=$(ls -f "$M/INBOX" | grep -c 'eml$')
other "SELECT INBOX" "UID STORE 100:199 +FLAGS (\\Deleted)" "UID EXPUNGE 100:199"
append INBOX 1 2 3
wait_until 30 sh -c "ls -f '$M/INBOX' | grep -q Letter-3"
wait_until 30 sh -c "! ls -f '$M/INBOX' | grep -q '\.199\.eml'"
echo >&4
exec 4>&-
wait %1 || fail "dirways"
csplit -s -f "$T/part." "$T/ways" '/^--$/' '{*}'
cat "$T/part.00" "$T/part.01" | grep 'eml$' | sort >"$T/once"
eq "seen twice" "" "$(uniq -d "$T/once")"
eq "from a position on" $((kept + 3)) "$(wc -l <"$T/once")"
grep 'eml$' "$T/part.02" | sort >"$T/once"
ls "$M/INBOX" | sort >"$T/now"
same "after rewinding" "$T/now" "$T/once"
for uid in $(seq 100 199); do # they no longer stay
  echo "\.$uid\.eml$"
done >"$T/gone"
{ grep -v '^./INBOX/' "$T/kept" && grep '^./INBOX/' "$T/kept" | grep -vf "$T/gone"; } | sort >"$T/still"
mv "$T/still" "$T/kept"

# Every quarter of a second three letters come and three go, and a folder comes and one goes.
live() {
  local first=$((next + 3)) n=1000 round
  for ((round = 0; ; round++)); do
    append INBOX $((n++)) $((n++)) $((n++))
    other "CREATE Passing$round" "SELECT INBOX" "UID STORE $first:$((first + 2)) +FLAGS (\\Deleted)" \
      "UID EXPUNGE $first:$((first + 2))"
    append "Passing$round" $((n++))
    if [ $round -ge 2 ]; then
      other "DELETE Passing$((round - 2))"
      first=$((first + 3))
    fi
    sleep 0.1
  done
}
live &
PIDS+=($!)

walked() { # walked WHAT: each line of $T/walk is a path, below ./
  sort "$T/walk" >"$T/once"
  eq "$1: seen twice" "" "$(uniq -d "$T/once")"
  comm -23 "$T/kept" "$T/once" >"$T/missing"
  eq "$1: missing of what stayed" "" "$(head -n 5 "$T/missing")"
  grep -E 'Letter|Passing' "$T/once" >>"$T/passing" || :
}
only_vanished() { # only_vanished WHAT PATTERN: errors in $T/err
  ! grep -vE -e "No such file or directory|$2" "$T/err" || fail "$1: errors"
}
twice() { # of the inode numbers in the first column
  eq "$1: inodes seen twice" "" "$(cut -d' ' -f1 "$T/walk.i" | sort | uniq -d)"
}

cd "$M"
end=$(($(now) + 8000))
for ((round = 0; $(now) < end; round++)); do
  find . -printf '%i %p\n' >"$T/walk.i" 2>"$T/err" || only_vanished find '$^'
  twice find
  cut -d' ' -f2- "$T/walk.i" >"$T/walk"
  walked find
  ls -fi INBOX | sed 's/^ *//' | grep -v ' \.\.*$' >"$T/walk.i"
  twice ls
  { grep -v '^./INBOX/' "$T/kept" && sed 's,^[0-9]* ,./INBOX/,' "$T/walk.i"; } >"$T/walk"
  walked ls
done
say "$round rounds of find and ls"
for ((round = 0; round < 3; round++)); do
  grep -rlE '^Subject:' . >"$T/walk" 2>"$T/err" || only_vanished grep '$^'
  walked grep
  tar -cf "$T/walk.tar" . 2>"$T/err" || only_vanished tar \
    'File removed before we read it|^tar: \.(/[^/]*)?: file changed as we read it|^tar: Exiting with failure status'
  tar -tf "$T/walk.tar" | sed 's,/$,,' >"$T/walk"
  walked tar
  rsync -a . "$T/copy$round" 2>"$T/err" || only_vanished rsync '(file|directory) has vanished:|^rsync (error|warning): some files'
  (cd "$T/copy$round" && find . -type f) >"$T/walk"
  walked rsync
done
cd /
kill "${PIDS[-1]}"
wait "${PIDS[-1]}" 2>/dev/null || :

say "$(sort -u "$T/passing" | wc -l) passing files and folders were seen"
[ "$(sort -u "$T/passing" | wc -l)" -ge 10 ] || fail "nothing came and went: this proves nothing"
for folder in "" .Archive .Archive.2024 .Lists.imap-protocol; do
  server_sums "$MAILDIR${folder:+/$folder}" >>"$T/sums"
done
sort "$T/sums" | uniq >"$T/expected"
for folder in INBOX Archive Archive/2024 Lists/imap-protocol; do
  file_sums "$T/copy2/$folder"
done | grep -v Letter | sort -u >"$T/copied"
comm -13 "$T/expected" "$T/copied" >"$T/wrong"
# What passed may be gone from the server by now: only that may be unknown there.
while read -r uid _; do
  ls "$T/copy2/INBOX" | grep -q "Letter-.*\.$uid\.eml$" || fail "wrong bytes of message $uid"
done <"$T/wrong"
