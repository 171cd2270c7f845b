#!/bin/bash
# SPDX-License-Identifier: MIT
# New files, row by row: what is sent and when, what stays here, and what the server has afterwards.
# shellcheck disable=SC2016 # keywords begin with $
. "$(dirname "$0")/lib/mount.sh"
. "$TOP/tests/lib/other.sh"
. "$TOP/tests/lib/contract.sh"

make_letters {1..40}
S=$T/sources
mkdir "$S"

written_does() { # in any way that programs write
  cat "$T/1" >"$M/$F/cat.eml"
  head -c 300 "$T/2" >"$M/$F/more.eml" && tail -c +301 "$T/2" >>"$M/$F/more.eml"
  { cat "$T/3" && seq 1000; } >"$S/long"
  cp "$S/long" "$M/$F/cut.eml"
  dd if="$T/3" of="$M/$F/cut.eml" bs=100 status=none # opens with O_TRUNC, and writes
  python3 - "$T/4" "$M/$F/backwards.eml" <<'END'
import os, sys
octets = open(sys.argv[1], 'rb').read()
fd = os.open(sys.argv[2], os.O_RDWR | os.O_CREAT | os.O_EXCL)
for at in range(len(octets) - len(octets) % 90, -1, -90):
    os.pwrite(fd, octets[at:at + 90], at)
os.pwrite(fd, b'xxxx', len(octets))
os.ftruncate(fd, len(octets))
assert os.pread(fd, len(octets) + 9, 0) == octets
assert os.fstat(fd).st_size == len(octets)
os.close(fd)
END
  is "$T/1" "$F/cat.eml" && is "$T/2" "$F/more.eml" && is "$T/3" "$F/cut.eml" && is "$T/4" "$F/backwards.eml"
  listed_inodes "$F" >"$T/inodes.$F"
}
written_after() {
  has "$F" "$T/1" "$T/2" "$T/3" "$T/4"
  is "$T/1" "$F/cat.eml" && is "$T/2" "$F/more.eml" && is "$T/3" "$F/cut.eml" && is "$T/4" "$F/backwards.eml"
  same "inodes of $F" "$T/inodes.$F" <(listed_inodes "$F")
}

fsynced_does() { # fsync waits for the server
  local outcome
  outcome=$(call written_synced "$M/$F/synced.eml" "$T/5")
  if offline; then
    eq "fsync offline" EHOSTUNREACH "$outcome"
  else
    eq "fsync" ok "$outcome"
    has "$F" "$T/5"
  fi
  is "$T/5" "$F/synced.eml"
}
fsynced_after() {
  has "$F" "$T/5"
  eq "fsync of what is there" ok "$(call fsync "$M/$F/synced.eml")"
}

dated_does() { # the mtime is kept, to the nanosecond, and becomes the INTERNALDATE
  touch -d '2003-04-05 06:07:08.123456789' "$T/6"
  touch -d '1999-12-31 23:59:59' "$T/7"
  cp -p "$T/6" "$M/$F/dated.eml"
  cp "$T/7" "$M/$F/touched.eml" && touch -d '2001-02-03 04:05:06' "$M/$F/touched.eml"
  install -m 640 "$T/8" "$M/$F/installed.eml"
  date +%s >"$T/installed"
  eq "mtime" '2003-04-05 06:07:08.123456789 +0000' "$(stat -c %y "$M/$F/dated.eml")"
}
dated_after() {
  has "$F" "$T/6" "$T/7" "$T/8"
  eq "mtime" '2003-04-05 06:07:08.123456789 +0000' "$(stat -c %y "$M/$F/dated.eml")"
  eq "mtime" '2001-02-03 04:05:06.000000000 +0000' "$(stat -c %y "$M/$F/touched.eml")"
  fetched "$F" INTERNALDATE >"$T/dates"
  grep -q '"05-Apr-2003 06:07:08 +0000"' "$T/dates" || fail "$(cat "$T/dates")"
  grep -q '"03-Feb-2001 04:05:06 +0000"' "$T/dates" || fail "$(cat "$T/dates")"
  local got
  got=$(date -d "$(grep -v 'Apr-2003\|Feb-2001' "$T/dates" | sed 's/.*INTERNALDATE "\([^"]*\)".*/\1/')" +%s)
  [ $((got - $(cat "$T/installed"))) -le 60 ] && [ $(($(cat "$T/installed") - got)) -le 60 ] ||
    fail "a new one is dated $got, not now"
}

debris_does() { # stays here until it gets a proper name
  local name
  for name in .x x~ x.tmp x.part .x.eml.Ab12Cd '#x#' 4913 x.swp; do
    cp "$T/9" "$M/$F/$name"
  done
  cp "$T/10" "$M/$F/.letter.eml.Xy98Zz"
  mkdir "$M/$F/.dir" && cp "$T/9" "$M/$F/.dir/x.eml"
  inode "$M/$F/.letter.eml.Xy98Zz" >"$T/inode.$F"
  mv "$M/$F/.letter.eml.Xy98Zz" "$M/$F/letter.eml"
  mv "$M/$F/x.tmp" "$M/$G/from-tmp.eml"
  mv "$M/$F/.dir/x.eml" "$M/$G/from-dir.eml"
}
debris_after() {
  has "$F" "$T/10"
  has "$G" "$T/9" "$T/9"
  eq "inode" "$(cat "$T/inode.$F")" "$(inode "$M/$F/letter.eml")"
  is "$T/9" "$F/x~"
  [ -d "$M/$F/.dir" ] || fail "a local directory is gone"
  rm -r "$M/$F/.dir" "$M/$F"/{.x,x~,x.part,.x.eml.Ab12Cd,4913,x.swp} "$M/$F"/\#x\#
  drained
  shown "$F" letter.eml
}

empty_does() { # is no mail; is one when it is written to
  : >"$M/$F/empty.eml"
  : >"$M/$F/later.eml"
  touch "$M/$F/touched.eml"
  cat "$T/11" >>"$M/$F/later.eml"
  cp "$T/12" "$M/$F/emptied.eml"
  : >"$M/$F/emptied.eml"
}
empty_after() {
  has "$F" "$T/11"
  shown "$F" emptied.eml empty.eml later.eml touched.eml
  for name in empty emptied touched; do
    eq "size" 0 "$(stat -c %s "$M/$F/$name.eml")"
  done
}

strange_does() { # what is no message is refused at close and stays
  printf 'This is no message.\n' >"$S/no"
  { cat "$T/13" && printf 'a\0b\r\n'; } >"$S/nul"
  head -c 10 "$T/13" >"$S/half"
  printf ' Subject: folded\r\n\r\nx\r\n' >"$S/folded"
  local name
  for name in no nul half folded; do
    eq "close of $name" EINVAL "$(call write "$M/$F/$name.eml" "$S/$name")"
    is "$S/$name" "$F/$name.eml"
  done
  call write "$M/$F/cured.eml" "$S/no" >"$T/out"
  eq "write of a message over it" ok "$(call write "$M/$F/cured.eml" "$T/13")"
}
strange_after() {
  has "$F" "$T/13"
  shown "$F" cured.eml folded.eml half.eml no.eml nul.eml
  is "$S/nul" "$F/nul.eml"
}

lines_does() { # a bare LF is CR LF when it is closed, and the size is told
  tr -d '\r' <"$T/14" >"$S/lf"
  { head -n 6 "$T/15" && tail -n +7 "$T/15" | tr -d '\r'; } >"$S/mixed"
  cp "$S/lf" "$M/$F/lf.eml"
  cp "$S/mixed" "$M/$F/mixed.eml"
  wait_until 20 cmp "$T/14" "$M/$F/lf.eml"
  wait_until 20 cmp "$T/15" "$M/$F/mixed.eml"
  eq "size" "$(stat -c %s "$T/14")" "$(stat -c %s "$M/$F/lf.eml")"
}
lines_after() {
  has "$F" "$T/14" "$T/15"
  is "$T/14" "$F/lf.eml"
}

flagged_does() { # as Maildir has it, D F P R S, never T
  cp "$T/16" "$M/$F/1.host:2,FRS"
  cp "$T/17" "$M/$F/2.host:2,DPT"
  cp "$T/18" "$M/$F/3.host:2,"
  cp "$T/19" "$M/$F/plain.eml"
  setfattr -n user.imap.flagged -v 1 "$M/$F/plain.eml"
  eq "flags" '\Answered \Flagged \Seen' "$(flags_here "$F/1.host:2,FRS")"
}
flagged_after() {
  has "$F" "$T/16" "$T/17" "$T/18" "$T/19"
  printf '%s\n' '' '\Answered \Flagged \Seen' '$Forwarded \Draft' '\Flagged' | sort >"$T/flags"
  same "flags there" "$T/flags" <(flags_there "$F")
  eq "flags" '\Answered \Flagged \Seen' "$(flags_here "$F/1.host:2,FRS")"
}

edited_does() { # what was not sent yet is edited as if it had never been otherwise
  cp "$T/20" "$M/$F/one.eml" && mv "$M/$F/one.eml" "$M/$F/two.eml"
  cp "$T/21" "$M/$F/three.eml" && rm "$M/$F/three.eml"
  cp "$T/22" "$M/$F/four.eml" && cp "$T/23" "$M/$F/four.eml"
  cp "$T/24" "$M/$F/five.eml" && mv "$M/$F/five.eml" "$M/$G/five.eml"
  cp "$T/25" "$M/$F/six.eml" && mv "$M/$F/two.eml" "$M/$F/six.eml"
}
edited_after() {
  has "$F" "$T/20" "$T/23"
  has "$G" "$T/24"
  shown "$F" four.eml six.eml
  is "$T/20" "$F/six.eml" && is "$T/23" "$F/four.eml" && is "$T/24" "$G/five.eml"
}

special_does() { # \Draft in Drafts, \Seen in Sent
  cp "$T/26" "$M/Drafts/$MODE.eml"
  cp "$T/27" "$M/Sent/$MODE.eml"
}
special_after() {
  eq "in Drafts" '\Draft' "$(flags_there Drafts | sort -u)"
  eq "in Sent" '\Seen' "$(flags_there Sent | sort -u)"
  eq "here" '\Draft' "$(flags_here "Drafts/$MODE.eml")"
  eq "here" '\Seen' "$(flags_here "Sent/$MODE.eml")"
}

DOVECOT_SENT=yes DOVECOT_DRAFTS=yes start_dovecot
start_line
mount_it "refresh=1,log=$T/log"
rows written fsynced dated debris empty strange lines flagged edited special
[ ! -e "$M/lost+found" ] || fail "something was refused"

# ---- when
until_there() { # COMMAND...: milliseconds until the server has one more in INBOX
  local before start
  before=$(find "$MAILDIR"/cur "$MAILDIR"/new -type f | wc -l)
  start=$(now)
  "$@"
  while [ "$(find "$MAILDIR"/cur "$MAILDIR"/new -type f 2>/dev/null | wc -l)" = "$before" ]; do
    [ $(($(now) - start)) -lt 60000 ] || fail "it is never sent: $*"
    sleep 0.02
  done
  TOOK=$(($(now) - start))
}
from_temp() {
  cp "$T/32" "$M/INBOX/.t$1" && mv "$M/INBOX/.t$1" "$M/INBOX/t$1.eml"
}
dated_one() {
  cp -p "$T/31" "$M/INBOX/d$1.eml"
}
at_once() { # at_once WHAT COMMAND: without the grace, in one of some attempts on a busy machine
  local n
  for n in 1 2 3 4 5 6; do
    until_there "$2" "$n"
    [ $TOOK -ge 1900 ] || return 0
  done
  fail "$1 takes $TOOK ms"
}
say "two seconds after the last close"
ls "$M/INBOX" >"$T/out"
until_there cp "$T/30" "$M/INBOX/grace.eml"
[ $TOOK -ge 1900 ] || fail "sent after $TOOK ms"
say "at once with an mtime, and after a rename from a temp name"
at_once "a dated file" dated_one
at_once "a renamed temp file" from_temp
