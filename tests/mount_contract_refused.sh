#!/bin/bash
# SPDX-License-Identifier: MIT
# What the server refuses: at the call where that is known, and visibly undone where it turns out later; lost+found.
# The rights of a folder change while the mount is offline, so it learns of that only when it has accepted things.
. "$(dirname "$0")/lib/mount.sh"
. "$TOP/tests/lib/other.sh"
. "$TOP/tests/lib/contract.sh"

make_letters {1..30}
rights() { # rights FOLDER LETTERS
  echo "owner $2" >"$MAILDIR/.$1/dovecot-acl"
}
one_in() { # one_in FOLDER N: the file of letter N
  echo "$M/$1/$(basename "$M/$1"/*_Letter-"$2".*.eml)"
}
lost() { # lost N: the file of that name in lost+found, when it is there
  wait_until 60 test -e "$M/lost+found/$1"
}
reason() {
  getfattr --absolute-names --only-values -n user.imap.error "$M/lost+found/$1"
}

export DOVECOT_ACL=yes DOVECOT_QUOTA=200
start_dovecot
for folder in New Rewrite Over Remove From To Flags Rmdir Rmdir/Below Trash Plain; do
  other "CREATE $folder"
done
append Rewrite 1
append Over 2
append Remove 3
append From 4 5
append Flags 6
append Plain 7 8
start_line
mount_it "refresh=1,log=$T/log"
find "$M" -name '*.eml' -exec cat {} + >"$T/out"
drained
no_lost() {
  [ ! -e "$M/lost+found" ] && [[ " $(echo "$M"/*) " != *lost* ]]
}
no_lost || fail "an empty lost+found"

say "accepted offline, with the rights that were known"
cut_line
cp "$T/10" "$M/New/new.eml"
new_inode=$(inode "$M/New/new.eml")
cp "$T/11" "$(one_in Rewrite 1)"
cp "$T/12" "$M/Over/.tmp" && mv -f "$M/Over/.tmp" "$(one_in Over 2)"
removed=$(one_in Remove 3) moved=$(one_in From 4)
moved_inode=$(inode "$moved") removed_inode=$(inode "$removed")
rewritten=$(basename "$(one_in Rewrite 1)") over=$(basename "$(one_in Over 2)")
rm "$removed"
mv "$moved" "$M/To/"
setfattr -n user.imap.flagged -v 1 "$(one_in Flags 6)"
rmdir "$M/Rmdir/Below"
for folder in New Rewrite Over To; do
  rights $folder lrwste
done
rights Remove lrwsi
rights Flags lrsite
rights Rmdir/Below lr 2>/dev/null || rights Rmdir.Below lr

say "and refused"
mend_line
lost new.eml
lost "$rewritten"
lost "$over"
wait_until 60 test -e "$removed"
wait_until 60 test -e "$moved"
wait_until 60 test -d "$M/Rmdir/Below"
drained_or_refused

say "a new one: in lost+found with its reason"
[ ! -e "$M/New/new.eml" ] || fail "it is still shown there"
is "$T/10" lost+found/new.eml
eq "inode" "$new_inode" "$(inode "$M/lost+found/new.eml")"
reason new.eml | grep -qi 'permission\|denied\|ACL' || fail "the reason: $(reason new.eml)"
[[ " $(echo "$M"/*) " == *"$M/lost+found "* ]] || fail "lost+found is not listed"
has New

say "a rewrite: the old and the new, each with its octets"
for pair in "1 $T/1 $T/11 Rewrite/$rewritten" "2 $T/2 $T/12 Over/$over"; do
  read -r _ old new path <<<"$pair"
  is "$old" "$path"
  eq "size" "$(stat -c %s "$old")" "$(stat -c %s "$M/$path")"
  is "$new" "lost+found/${path#*/}"
done
has Rewrite "$T/1"
has Over "$T/2"

say "what was removed, moved, flagged is as it was"
is "$T/3" "${removed#"$M"/}" && is "$T/4" "${moved#"$M"/}"
eq "inode" "$removed_inode" "$(inode "$removed")"
eq "inode" "$moved_inode" "$(inode "$moved")"
shown To
eq "flags" "" "$(flags_here "Flags/$(basename "$(one_in Flags 6)")" 2>/dev/null)"
has Remove "$T/3"
has From "$T/4" "$T/5"
has Trash

say "in lost+found"
eq "new there" EACCES "$(call open "$M/lost+found/x.eml" O_WRONLY O_CREAT)"
eq "mv into it" EACCES "$(call rename "$M/Plain/$(basename "$(one_in Plain 7)")" "$M/lost+found/x.eml")"
eq "rmdir of it" EACCES "$(call rmdir "$M/lost+found")"
rm "$M/lost+found/$over"
find "$XDG_STATE_HOME" -path '*/discarded/*' -type f -print0 | crlf_sums >"$T/discarded"
same "discarded" <(printf '%s\0' "$T/12" | crlf_sums) "$T/discarded"
unmount
mount_it "refresh=1,log=$T/log"
is "$T/10" lost+found/new.eml
mv "$M/lost+found/new.eml" "$M/Plain/again.eml"
eq "inode" "$new_inode" "$(inode "$M/Plain/again.eml")"
mv "$M/lost+found/$rewritten" "$M/Plain/"
wait_until 20 no_lost # the kernel is told in a moment
drained
has Plain "$T/7" "$T/8" "$T/10" "$T/11"

say "known by now: refused at the call"
learnt() {
  ! cp "$T/13" "$M/New/again.eml" 2>/dev/null
}
wait_until 60 learnt
eq "create" EACCES "$(call open "$M/New/x.eml" O_WRONLY O_CREAT)"
eq "mv into" EACCES "$(call rename "$M/Plain/again.eml" "$M/New/again.eml")"

say "quota: at the call when it is known, waited out when it is not"
long=$(seq -s $'\r\n' 1 60000)
{ cat "$T/14" && echo "$long"; } >"$T/huge"
too_much() { # known a moment after the folder was opened
  local answer
  answer=$(call write "$M/Plain/huge.eml" "$T/huge")
  rm -f "$M/Plain/huge.eml"
  [ "$answer" = EDQUOT ]
}
wait_until 60 too_much
cut_line
too_much || fail "accepted offline, and too much"
cp "$T/15" "$M/Plain/fits.eml"
gone=$(one_in Plain 7)
rm "$gone"
# Somebody else takes what is left, but for a few octets.
fill() { # fill OCTETS: as often as there is room
  local text
  text=$(printf 'Subject: filler\r\n\r\n%s' "$(head -c "$1" /dev/zero | tr '\0' x | fold -w 70)")
  while (other "APPEND INBOX {${#text}+}"$'\r\n'"$text") 2>/dev/null; do :; done
}
fill 20000
fill 1000
mend_line
gone_there() { # though the upload before it waits
  ! has_letter Plain "$T/7"
}
has_letter() { # has_letter FOLDER FILE
  find "$(maildir_of "$1")" -type f -print0 | crlf_sums | grep -qf <(printf '%s\0' "$2" | crlf_sums)
}
wait_until 60 gone_there
is "$T/15" Plain/fits.eml
! has_letter Plain "$T/15" || fail "the server has taken it, and the quota was full"
[ ! -e "$M/lost+found" ] || fail "it was given up"
left() {
  getfattr --absolute-names --only-values -n user.imapfs.left "$M" | grep -qi quota
}
wait_until 30 left
other 'SELECT INBOX' 'UID STORE 1:* +FLAGS (\Deleted)' EXPUNGE
kill -HUP "$(daemon)"
wait_until 120 has_letter Plain "$T/15"
is "$T/15" Plain/fits.eml
