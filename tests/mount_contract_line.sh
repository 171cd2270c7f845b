#!/bin/bash
# SPDX-License-Identifier: MIT
# A line on which nothing moves: who waits for the server (mkdir, fsync, rmdir and what was sent before) waits alone.
# And numbers of files stay while their mail is sent: a walk that goes on meanwhile misses nothing.
. "$(dirname "$0")/lib/mount.sh"
. "$TOP/tests/lib/other.sh"
. "$TOP/tests/lib/contract.sh"

make_letters {1..60}
start_dovecot
for folder in Work Gone Many Other; do
  other "CREATE $folder"
done
append Work 1 2 3
start_line --rtt 20
mount_it "refresh=1,timeout=60"
find "$M" -name '*.eml' -exec cat {} + >"$T/out"
ls -l "$M"/* >"$T/out"
drained

stop_line() {
  kill -USR1 "$RELAY_PID"
}
let_go() {
  kill -USR2 "$RELAY_PID"
}
at_once() { # at_once COMMAND...: without waiting for a line that will not move for a minute
  within 10 "$@" >"$T/out"
}
others() { # others N: what other programs do in that folder
  local file
  file=$M/Work/$(name_of 2 2)
  at_once ls -lA "$M/Work"
  at_once cat "$file"
  at_once cp "$T/1$1" "$M/Work/other-$1.eml"
  at_once mv "$M/Work/other-$1.eml" "$M/Work/renamed-$1.eml"
  at_once setfattr -n user.imap.flagged -v 1 "$file"
  at_once touch "$M/Work/empty-$1.eml"
  at_once rm "$M/Work/empty-$1.eml"
  at_once stat "$M/Work/renamed-$1.eml"
  at_once sync "$M/Work" # of a directory: the local disk
  at_once ls -l "$M"
  cmp -s "$T/2" "$file" || fail "a file that was read before is another"
}
still() { # still PID: it has not come back
  ! ended "$1" || fail "it did not wait"
}

say "fsync"
stop_line
python3 - "$M/Work/synced.eml" "$T/4" <<'END' &
import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_EXCL)
os.write(fd, open(sys.argv[2], 'rb').read())
os.fsync(fd)
os.close(fd)
END
pid=$!
wait_until 20 test -s "$M/Work/synced.eml"
others 0
still $pid
let_go
wait $pid || fail "fsync: $?"
has_letter() {
  find "$(maildir_of Work)" -type f -print0 | crlf_sums | grep -qf <(printf '%s\0' "$1" | crlf_sums)
}
has_letter "$T/4" || fail "fsync, and it is not there"
drained

say "a removed folder, and what is sent"
stop_line
cp "$T/5" "$M/Work/sent.eml"
at_once rmdir "$M/Gone"
others 1
eq "stat" ENOENT "$(call stat "$M/Gone")"
let_go
drained
! exists Gone || fail "the server still has the folder"

say "mkdir: only who needs the list of its parent waits, and not for long"
stop_line
start=$(now)
(call mkdir "$M/Work/sub" >"$T/mkdir") &
pid=$!
at_once cat "$M/Work/$(name_of 2 2)"
at_once setfattr -n user.imap.seen -v 1 "$M/Work/$(name_of 2 2)"
at_once ls -l "$M/Other"
at_once cp "$T/6" "$M/Other/6.eml"
wait $pid
in_time "$start" 20000 "mkdir"
[[ "$(cat "$T/mkdir")" =~ ^(ETIMEDOUT|EHOSTUNREACH|EBUSY)$ ]] || fail "mkdir: $(cat "$T/mkdir")"
others 2
let_go
drained

say "walks during uploads: nothing is missed, and numbers stay"
mkdir "$T/source"
for n in {20..59}; do
  ln "$T/$n" "$T/source/$n.eml"
done
cp "$T"/source/[23]*.eml "$M/Many/"
listed_inodes Many >"$T/before"
cp -p "$T"/source/[45]*.eml "$M/Many/" &
copy=$!
walks=0
while ! ended $copy || [ $walks -lt 5 ]; do
  listed_inodes Many >"$T/walk"
  eq "missed" "" "$(comm -23 "$T/before" "$T/walk")"
  walks=$((walks + 1))
done
wait $copy
listed_inodes Many >"$T/all"
python3 - "$M/Many" "$M/Other" <<'END' &
import os, sys
for name in sorted(os.listdir(sys.argv[1])):
    if name[0] == '2':
        os.rename(f'{sys.argv[1]}/{name}', f'{sys.argv[2]}/{name}')
END
move=$!
getfattr --absolute-names -n user.imapfs.drained "$M" >"$T/out" &
drain=$!
walks=0
grep ' [345]' "$T/all" >"$T/stay"
while ! ended $drain || ! ended $move || [ $walks -lt 5 ]; do
  listed_inodes Many >"$T/walk"
  eq "missed" "" "$(comm -23 "$T/stay" "$T/walk")"
  walks=$((walks + 1))
done
wait $drain $move
drained
same "numbers, listed" "$T/stay" <(listed_inodes Many)
same "numbers, asked" "$T/stay" <(cd "$M/Many" && stat -c '%i %n' ./* | sed 's|\./||' | sort)
same "of those that were moved" <(grep ' 2' "$T/all") <(listed_inodes Other | grep ' 2')
has Many "$T"/source/[345]*.eml
