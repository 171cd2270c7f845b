#!/bin/bash
# SPDX-License-Identifier: MIT
# Messages that the server has, row by row: removed, moved, replaced, rewritten, flagged, copied; and folders removed.
# shellcheck disable=SC2016 # keywords begin with $
. "$(dirname "$0")/lib/mount.sh"
. "$TOP/tests/lib/other.sh"
. "$TOP/tests/lib/contract.sh"

make_letters {1..90}
name() { # name FOLDER N: of letter N there
  basename "$M/$1"/*_Letter-"$2".*.eml
}
in_trash() { # in_trash FILE: once in each mode
  local file n=0
  for file in "$M/Trash"/*; do
    [ -d "$file" ] || ! cmp -s "$1" "$file" || n=$((n + 1))
  done
  eq "$1 in the trash" "$(offline && echo 2 || echo 1)" "$n"
}
keep_inode() { # keep_inode FILE: to be compared by same_inode
  inode "$M/$1" >"$T/inode.$MODE.$2"
}
same_inode() { # same_inode FILE KEY
  eq "inode of $1" "$(cat "$T/inode.$MODE.$2")" "$(inode "$M/$1")"
}

# rm: moved to the trash, and in the trash really gone. What is open is read on.
removed_before() {
  append "$F" 1 2 3
}
removed_does() {
  local one
  one=$M/$F/$(name "$F" 1)
  python3 - "$one" "$T/1" <<'END'
import os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
before = os.fstat(fd)
os.unlink(sys.argv[1])
after = os.fstat(fd)
assert (after.st_ino, after.st_size, after.st_nlink) == (before.st_ino, before.st_size, 0), after
assert os.read(fd, 100000) == open(sys.argv[2], 'rb').read()
END
  rm "$M/$F/$(name "$F" 2)"
  shown "$F" "$(name "$F" 3)"
}
removed_after() {
  has "$F" "$T/3"
  in_trash "$T/1" && in_trash "$T/2"
}

# mv between folders: the same inode, and a name that was given stays
moved_before() {
  append "$F" 4 5 6
}
moved_does() {
  keep_inode "$F/$(name "$F" 4)" 4
  keep_inode "$F/$(name "$F" 5)" 5
  mv "$M/$F/$(name "$F" 4)" "$M/$G/"
  mv "$M/$F/$(name "$F" 5)" "$M/$G/five.eml"
  mv "$M/$F/$(name "$F" 6)" "$M/$G/six.eml" && mv "$M/$G/six.eml" "$M/$F/back.eml"
  shown "$F" back.eml
  same_inode "$G/$(name "$G" 4)" 4
  is "$T/5" "$G/five.eml"
}
moved_after() {
  has "$F" "$T/6"
  has "$G" "$T/4" "$T/5"
  same_inode "$G/$(name "$G" 4)" 4
  same_inode "$G/five.eml" 5
  is "$T/4" "$G/$(name "$G" 4)" && is "$T/5" "$G/five.eml" && is "$T/6" "$F/back.eml"
}

# mv over a message: the replaced one is removed, the other moved if need be; its octets are not sent
replaced_before() {
  append "$F" 7 8 9
  append "$G" 10
}
replaced_does() {
  keep_inode "$F/$(name "$F" 7)" 7
  keep_inode "$F/$(name "$F" 9)" 9
  mv -f "$M/$F/$(name "$F" 7)" "$M/$F/$(name "$F" 8)"
  mv -f "$M/$F/$(name "$F" 9)" "$M/$G/$(name "$G" 10)"
  is "$T/7" "$F/$(name "$F" 8)"
  is "$T/9" "$G/$(name "$G" 10)"
}
replaced_after() {
  has "$F" "$T/7"
  has "$G" "$T/9"
  is "$T/7" "$F/$(name "$F" 8)" && is "$T/9" "$G/$(name "$G" 10)"
  same_inode "$F/$(name "$F" 8)" 7
  same_inode "$G/$(name "$G" 10)" 9
  in_trash "$T/8"
}

# rewritten: the new one is sent, then the old one removed; the same octets are not. Flags are inherited.
rewritten_before() {
  append "$F" 11 12 13 14
}
rewritten_does() {
  setfattr -n user.imap.flags -v '\Flagged $Mine' "$M/$F/$(name "$F" 11)"
  touch -d '2002-02-02 02:02:02' "$M/$F/$(name "$F" 12)"
  cp "$T/15" "$M/$F/$(name "$F" 11)"
  cp "$T/12" "$M/$F/$(name "$F" 12)"
  tr -d '\r' <"$T/13" >"$M/$F/$(name "$F" 13)"
  cp "$T/14" "$M/$F/.same.tmp" && mv -f "$M/$F/.same.tmp" "$M/$F/$(name "$F" 14)"
  is "$T/15" "$F/$(name "$F" 11)"
  shown "$F" "$(name "$F" 11)" "$(name "$F" 12)" "$(name "$F" 13)" "$(name "$F" 14)"
}
rewritten_after() {
  has "$F" "$T/15" "$T/12" "$T/13" "$T/14"
  eq "UIDNEXT: one was sent" 6 "$(uidnext "$F")"
  eq "flags" '$Mine \Flagged' "$(flags_here "$F/$(name "$F" 11)")"
  eq "flags there" '$Mine \Flagged' "$(fetched "$F" FLAGS | grep 'UID 5' | grep -o '\\Flagged\|$Mine' | sort | xargs -d '\n')"
  is "$T/15" "$F/$(name "$F" 11)" && is "$T/13" "$F/$(name "$F" 13)"
}

# a rewrite is seen by who has the file open, and the old octets by nobody half
appended_before() {
  append "$F" 16
}
appended_does() {
  echo "P. S." >>"$M/$F/$(name "$F" 16)"
  { cat "$T/16" && printf 'P. S.\r\n'; } >"$T/16.more"
  python3 - "$M/$F/$(name "$F" 16)" <<'END'
import os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
size = os.fstat(fd).st_size
os.pwrite(fd, b'L', 5)
other = os.open(sys.argv[1], os.O_RDONLY)
assert os.pread(other, 1, 5) == b'L'
assert os.fstat(other).st_size == size
os.pwrite(fd, b' ', 5)
os.close(fd)
os.close(other)
END
}
appended_after() {
  has "$F" "$T/16.more"
}

# who reads on sees what is written over it, once and again; and the trash has what it was, also while he is there
followed_before() {
  append "$F" 80 81
}
followed_does() {
  local n
  for n in 80 81; do
    python3 - "$M/$F/$(name "$F" $n)" "$n" "$T/followed.$n.done" <<'END' >"$T/followed.$n.log" 2>&1 &
import os, sys, time
path, number, done = sys.argv[1:]
def until(fd, want):
    end = time.time() + 20
    while os.pread(fd, 1 << 20, 0) != want or os.fstat(fd).st_size != len(want):
        assert time.time() < end, (os.pread(fd, 1 << 20, 0)[-30:], want[-30:])
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        time.sleep(.01)
reader = os.open(path, os.O_RDONLY)
octets = os.pread(reader, 1 << 20, 0)
for more in (b'P. S.\n', b'P. P. S.\r\n'):
    with open(path, 'ab') as file:
        file.write(more)
    octets += more.replace(b'\r', b'').replace(b'\n', b'\r\n')
    until(reader, octets)
open(done, 'w').close()
time.sleep(60)
END
    FOLLOWERS="${FOLLOWERS-} $!"
    wait_until 60 test -e "$T/followed.$n.done" || fail "$(cat "$T/followed.$n.log")"
    rm "$T/followed.$n.done"
    { cat "$T/$n" && printf 'P. S.\r\nP. P. S.\r\n'; } >"$T/$n.more"
  done
}
followed_after() {
  has "$F" "$T/80.more" "$T/81.more"
  in_trash "$T/80" && in_trash "$T/81"
  # shellcheck disable=SC2086 # numbers
  kill $FOLLOWERS && FOLLOWERS=
}

# flags
flagged_before() {
  append "$F" 17 18 19
}
flagged_does() {
  local file times
  file=$M/$F/$(name "$F" 17)
  times=$(stat -c '%i %y %z %s' "$file")
  setfattr -n user.imap.flagged -v 1 "$file"
  setfattr -n user.imap.seen -v 1 "$file"
  setfattr -n user.imap.flags -v '\Answered $Label1' "$M/$F/$(name "$F" 18)"
  setfattr -n user.imap.seen -v 1 "$M/$F/$(name "$F" 19)"
  setfattr -n user.imap.seen -v 0 "$M/$F/$(name "$F" 19)"
  eq "what a flag changes of a file" "$times" "$(stat -c '%i %y %z %s' "$file")"
  eq "flags" '\Flagged \Seen' "$(flags_here "$F/$(name "$F" 17)")"
}
flagged_after() {
  eq "flags" '\Flagged \Seen' "$(flags_here "$F/$(name "$F" 17)")"
  printf '%s\n' '' '$Label1 \Answered' '\Flagged \Seen' | sort >"$T/flags"
  same "flags there" "$T/flags" <(flags_there "$F")
}

# flagged, and moved, and flagged; then removed
mixed_before() {
  append "$F" 20 21 22 23
}
mixed_does() {
  local n
  for n in 20 21; do
    setfattr -n user.imap.flagged -v 1 "$M/$F/$(name "$F" $n)"
    mv "$M/$F/$(name "$F" $n)" "$M/$G/$n.eml"
    setfattr -n user.imap.seen -v 1 "$M/$G/$n.eml"
  done
  rm "$M/$G/21.eml"
  mv "$M/$F/$(name "$F" 22)" "$M/$F/a.eml" && mv "$M/$F/$(name "$F" 23)" "$M/$F/b.eml"
  eq "exchange" ok "$(call exchange "$M/$F/a.eml" "$M/$F/b.eml")"
  is "$T/22" "$F/b.eml" && is "$T/23" "$F/a.eml"
}
mixed_after() {
  has "$F" "$T/22" "$T/23"
  has "$G" "$T/20"
  eq "flags there" '\Flagged \Seen' "$(flags_there "$G")"
  is "$T/22" "$F/b.eml" && is "$T/23" "$F/a.eml" && is "$T/20" "$G/20.eml"
  in_trash "$T/21"
}

# copied inside the mount
copied_before() {
  append "$F" 24
}
copied_does() {
  setfattr -n user.imap.flagged -v 1 "$M/$F/$(name "$F" 24)"
  cp "$M/$F/$(name "$F" 24)" "$M/$G/copy.eml"
  cp "$M/$F/$(name "$F" 24)" "$M/$F/copy.eml"
  cp "$M/$F/$(name "$F" 24)" "$M/$G/changed.eml" && echo "P. S." >>"$M/$G/changed.eml"
  { cat "$T/24" && printf 'P. S.\r\n'; } >"$T/24.more"
  is "$T/24" "$G/copy.eml"
}
copied_after() {
  has "$F" "$T/24" "$T/24"
  has "$G" "$T/24" "$T/24.more"
  is "$T/24" "$G/copy.eml" && is "$T/24.more" "$G/changed.eml"
}

# rmdir: hidden at once, after what is in it
emptied_before() {
  append "$F" 25 26
  other "CREATE $F/below"
}
emptied_does() {
  keep_inode "$F" emptied
  eq "rmdir of a folder with messages" ENOTEMPTY "$(call rmdir "$M/$F")"
  mv "$M/$F/$(name "$F" 25)" "$M/$G/25.eml"
  rm "$M/$F/$(name "$F" 26)"
  eq "rmdir of a folder with folders" ENOTEMPTY "$(call rmdir "$M/$F")"
  rmdir "$M/$F/below" "$M/$F"
  eq "stat" ENOENT "$(call stat "$M/$F")"
}
emptied_after() {
  eq "stat" ENOENT "$(call stat "$M/$F")"
  ! exists "$F" && ! exists "$F/below" || fail "the server still has it"
  has "$G" "$T/25"
}

# ... unless somebody else has put something there: then it comes back
busy_before() {
  append "$F" 27
}
busy_does() {
  mv "$M/$F/$(name "$F" 27)" "$M/$G/27.eml"
  if offline; then
    rmdir "$M/$F"
    eq "stat" ENOENT "$(call stat "$M/$F")"
    append "$F" 28
  fi
}
busy_after() {
  has "$G" "$T/27"
  offline || return 0
  has "$F" "$T/28"
  wait_until 30 test -d "$M/$F"
  is "$T/28" "$F/$(name "$F" 28)"
}

# folders are made and renamed at once, or not at all
folders_does() {
  if offline; then
    for outcome in "$(call mkdir "$M/$F/new")" "$(call rename "$M/$F" "$M/$F-renamed")"; do
      [[ $outcome =~ ^(EHOSTUNREACH|ETIMEDOUT|EBUSY)$ ]] || fail "offline: $outcome"
    done
    shown "$F"
    mkdir "$M/$F/.local" && rmdir "$M/$F/.local"
  else
    mkdir "$M/$F/new"
    exists "$F/new" || fail "it is not there"
    cp "$T/29" "$M/$F/new/29.eml"
    keep_inode "$F/new" new
    mv "$M/$F/new" "$M/$G/renamed"
    exists "$G/renamed" || fail "it was not renamed"
    ! exists "$F/new" || fail "it is still there"
  fi
}
folders_after() {
  if offline; then
    exists "$F" || fail "it was renamed"
  else
    same_inode "$G/renamed" new
    has "$G/renamed" "$T/29"
  fi
}

# in the trash what is removed goes for good
trashed_before() {
  other "CREATE Trash/$F"
  append Trash 60
}
trashed_does() {
  rm "$M/Trash/$(name Trash 60)"
}
trashed_after() {
  ! compgen -G "$M/Trash/*Letter-60*" >/dev/null || fail "still in the trash"
  ! fetched Trash 'BODY[HEADER.FIELDS (SUBJECT)]' | grep -q 'Letter 60' || fail "still in the trash there"
}

# a file from outside over a message, from a temp name: the old one goes where delete= says
over_before() {
  append "$F" 61 62
}
over_does() {
  cp "$T/63" "$M/$F/.new.tmp" && mv -f "$M/$F/.new.tmp" "$M/$F/$(name "$F" 61)"
  rm "$M/$F/$(name "$F" 62)" && cp "$T/64" "$M/$F/62.eml"
}
over_after() {
  has "$F" "$T/63" "$T/64"
  in_trash "$T/61" && in_trash "$T/62"
}

start_dovecot
other 'CREATE Trash'
start_line --totals "$T/totals"
mount_it "refresh=1,log=$T/log"
rows removed moved replaced rewritten appended followed flagged mixed copied emptied busy folders trashed over

unmount
TRACE=$T/trace # that daemon ends by SIGHUP
mount_it refresh=1

say "what names are is known here only"
append INBOX 70 71 72
wait_until 30 test -e "$M/INBOX/$(name_of 72 3)"
drained
mark_trace
before=$(inode "$M/INBOX/$(name_of 70 1)")
mv "$M/INBOX/$(name_of 70 1)" "$M/INBOX/other.eml"
drained
eq "inode" "$before" "$(inode "$M/INBOX/other.eml")"
call fsync "$M/INBOX/other.eml" >"$T/out"
! sent 'COPY|MOVE|STORE|APPEND|EXPUNGE|RENAME' || fail "sent: $(cat "$T/commands")"

say "equal octets send nothing"
cat "$M"/INBOX/* >"$T/out" # what nobody has read is not known here
mark_trace
cat "$T/71" >"$M/INBOX/$(name_of 71 2)"
cp "$T/71" "$M/INBOX/.t" && mv -f "$M/INBOX/.t" "$M/INBOX/$(name_of 71 2)"
drained
! sent 'COPY|MOVE|STORE|APPEND|EXPUNGE' || fail "sent: $(cat "$T/commands")"

say "a rewrite that is replaced before it was sent"
append INBOX 74
wait_until 30 test -e "$M/INBOX/$(name_of 74 4)"
mark_trace
cp "$T/75" "$M/INBOX/$(name_of 74 4)"
cp "$T/76" "$M/INBOX/.t" && mv -f "$M/INBOX/.t" "$M/INBOX/$(name_of 74 4)"
drained
commands | grep -oE 'APPEND|UID (MOVE|COPY|STORE)' | xargs >"$T/order"
eq "order" "APPEND UID MOVE" "$(cat "$T/order")"
is "$T/76" "INBOX/$(name_of 74 4)"
rm "$M/INBOX/$(name_of 74 4)"

say "over a message: no APPEND"
mark_trace
mv -f "$M/INBOX/other.eml" "$M/INBOX/$(name_of 71 2)"
drained
! sent 'APPEND' || fail "sent: $(cat "$T/commands")"
sent 'MOVE|COPY' || fail "nothing was done"
has INBOX "$T/70" "$T/72"

say "a rewrite: first the new one, then the old one"
mark_trace
cp "$T/73" "$M/INBOX/$(name_of 72 3)"
drained
commands | grep -oE 'APPEND|UID (MOVE|COPY|STORE)' | uniq | xargs >"$T/order"
eq "order" "APPEND UID MOVE" "$(cat "$T/order")"
has INBOX "$T/70" "$T/73"

say "a copy moves no octets"
{ letter 80 && seq -f 'line %.0f of a long letter' 100000 | sed 's/$/\r/'; } >"$T/large"
cp "$T/large" "$M/INBOX/large.eml"
drained
cmp "$T/large" "$M/INBOX/large.eml"
drained
octets() {
  awk '{ print $1 + $2 }' "$T/totals"
}
before=$(octets)
cp "$M/INBOX/large.eml" "$M/online-moved/copy.eml"
cp "$M/INBOX/large.eml" "$M/INBOX/copy.eml"
cmp "$T/large" "$M/online-moved/copy.eml"
drained
cmp "$T/large" "$M/online-moved/copy.eml"
cmp "$T/large" "$M/INBOX/copy.eml"
[ $(($(octets) - before)) -lt 200000 ] || fail "$(($(octets) - before)) octets for a copy of $(wc -c <"$T/large")"
has_one INBOX 4

say "what was never read here: the same octets are fetched, and not sent"
append INBOX 77 78 79
wait_until 30 sh -c "ls '$M/INBOX' | grep -q Letter-79"
next=$(uidnext INBOX)
cp "$T/77" "$M/INBOX/$(name INBOX 77)"
tr -d '\r' <"$T/78" >"$M/INBOX/$(name INBOX 78)"
cp "$T/79" "$M/INBOX/.same.tmp" && mv -f "$M/INBOX/.same.tmp" "$M/INBOX/$(name INBOX 79)"
drained
eq "UIDNEXT: nothing was sent" "$next" "$(uidnext INBOX)"
has_one INBOX 7
is "$T/78" "INBOX/$(name INBOX 78)"

say "and what was written over without being read can be read in the trash"
letter 84 >"$T/84"
letter 85 >"$T/85"
append INBOX 84
wait_until 30 sh -c "ls '$M/INBOX' | grep -q Letter-84"
cat "$T/85" >"$M/INBOX/$(name INBOX 84)"
drained
wait_until 30 sh -c "ls '$M/Trash' | grep -q Letter-84"
cmp "$T/84" "$M"/Trash/*Letter-84*
