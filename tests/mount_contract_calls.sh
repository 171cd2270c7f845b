#!/bin/bash
# SPDX-License-Identifier: MIT
# Calls that programs make, and the errors that they get; a mount that is read-only; names by UID.
. "$(dirname "$0")/lib/mount.sh"
. "$TOP/tests/lib/other.sh"
. "$TOP/tests/lib/contract.sh"

gives() { # gives ERROR FUNCTION ARGUMENTS...
  eq "${*:2}" "$1" "$(call "${@:2}")"
}

make_letters {1..9}
start_dovecot
other 'CREATE Work' 'CREATE Empty' 'CREATE Empty/Below'
append INBOX 1 2 3
append Work 4
start_line
mount_it
I=$M/INBOX W=$M/Work
one=$I/$(name_of 1 1) two=$I/$(name_of 2 2) four=$W/$(name_of 4 1)
cat "$M"/*/*.eml >"$T/out"

calls() { # what has nothing to do with the line
  say "$1: opened and made"
  gives EEXIST open "$one" O_WRONLY O_CREAT O_EXCL
  gives ok open "$one" O_RDWR O_CREAT
  gives ENOENT open "$I/none.eml" O_RDWR
  gives EISDIR open "$I" O_WRONLY
  gives ENOTDIR open "$one" O_RDONLY O_DIRECTORY
  gives ENOTDIR open "$one/below" O_RDWR O_CREAT
  gives ENAMETOOLONG open "$I/$(printf '%0256d' 1)" O_WRONLY O_CREAT
  gives ok open "$I/$(printf '%0255d' 1)" O_WRONLY O_CREAT O_EXCL
  gives ok unlink "$I/$(printf '%0255d' 1)"
  gives EEXIST mkdir "$one"
  gives EEXIST mkdir "$I"
  gives EPERM mkdir "$M/.Trash-0"
  gives EPERM mkdir "$M/.Trash"
  gives EPERM mkdir "$I/.Trash-1000"

  say "$1: what there is not"
  gives EPERM link "$one" "$I/link.eml"
  gives EPERM link "$one" "$W/link.eml"
  gives EPERM symlink "$one" "$I/symlink.eml"
  gives EPERM mkfifo "$I/fifo"
  gives EPERM truncate "$one" 100
  gives EPERM truncate "$one" 0
  eq "size" "$(stat -c %s "$T/1")" "$(stat -c %s "$one")"

  say "$1: renamed"
  gives EEXIST noreplace "$one" "$two"
  gives EEXIST noreplace "$one" "$four"
  gives EINVAL exchange "$one" "$four"
  gives ENOENT exchange "$one" "$I/none.eml"
  gives EINVAL whiteout "$one" "$I/w.eml"
  gives ENOENT rename "$I/none.eml" "$I/x.eml"
  gives EISDIR rename "$one" "$M/Empty"
  gives ENOTDIR rename "$M/Empty" "$one"
  gives EBUSY rename "$I" "$M/x"
  gives EINVAL rename "$M/Empty" "$M/Empty/Below/x"
  gives ENAMETOOLONG rename "$one" "$I/$(printf '%0256d' 1)"
  gives ok rename "$one" "$one"
  gives ok noreplace "$one" "$I/a.eml"
  gives ok exchange "$I/a.eml" "$two"
  is "$T/1" "INBOX/$(name_of 2 2)" && is "$T/2" INBOX/a.eml
  gives ok exchange "$I/a.eml" "$two"
  gives ok rename "$I/a.eml" "$one"
  is "$T/1" "INBOX/$(name_of 1 1)" && is "$T/2" "INBOX/$(name_of 2 2)"

  say "$1: removed"
  gives EISDIR unlink "$M/Empty"
  gives ENOTDIR rmdir "$one"
  gives ENOTEMPTY rmdir "$M/Empty"
  gives ENOTEMPTY rmdir "$W"
  gives EBUSY rmdir "$I"
  gives ENOENT unlink "$I/none.eml"
  gives ENOENT rmdir "$I/none"

  say "$1: accepted, and nothing comes of it"
  local before
  before=$(stat -c '%a %U %s' "$one")
  gives ok chmod "$one" 644
  gives ok chmod "$I" 755
  gives ok chown "$one" "$(id -u)" "$(id -g)"
  eq "mode" "$before" "$(stat -c '%a %U %s' "$one")"
  gives ok utimens "$one" 981173106123456789
  eq "mtime" 981173106 "$(stat -c %Y "$one")"
  gives ok utimens "$W" 981173106123456789
  eq "mtime of a folder" 981173106 "$(stat -c %Y "$W")"
  ! setfattr -n security.x -v y "$one" 2>"$T/err" || fail "security.x was set"
  grep -q 'not supported' "$T/err" || fail "$(cat "$T/err")"
  ! setfattr -n user.imap.uid -v 7 "$one" 2>"$T/err" || fail "the UID was set"
  gives ok fsync "$one"
  gives ok fsync "$I"
}

calls online
drained
cut_line
calls offline
mend_line
drained
has INBOX "$T/1" "$T/2" "$T/3"
has Work "$T/4"
eq "mtime" 981173106 "$(stat -c %Y "$one")"
unmount

say "a mount that is read-only"
read_only() {
  gives EROFS open "$I/new.eml" O_WRONLY O_CREAT
  gives EROFS open "$one" O_WRONLY
  gives EROFS open "$one" O_RDONLY O_TRUNC
  gives EROFS unlink "$one"
  gives EROFS rename "$one" "$I/x.eml"
  gives EROFS mkdir "$M/x"
  gives EROFS rmdir "$M/Empty/Below"
  gives EROFS chmod "$one" 644
  gives EROFS utimens "$one" 0
  gives EROFS link "$one" "$I/x.eml"
  gives EROFS truncate "$one" 0
  ! setfattr -n user.imap.flagged -v 1 "$one" 2>"$T/err" || fail "a flag was set"
  grep -q 'Read-only' "$T/err" || fail "$(cat "$T/err")"
  is "$T/1" "INBOX/$(name_of 1 1)"
}
mount_it ro
read_only
cut_line
read_only
mend_line
unmount

say "names by UID: a copy from elsewhere does not take over a stranger's"
WHO=bob
append INBOX 1 2 3
MAILDIR=$T/dovecot/mail/bob
mount_it names=uid
cat "$I"/*.eml >"$T/out"
cp "$T/5" "$I/new.eml"
gives EEXIST rename "$I/new.eml" "$I/2.eml"
gives EEXIST open "$I/2.eml" O_WRONLY O_TRUNC
gives EEXIST write "$I/2.eml" "$T/5"
gives ok rename "$I/new.eml" "$I/newer.eml"
gives ok write "$I/newer.eml" "$T/6"
drained
shown INBOX 1.eml 2.eml 3.eml newer.eml
has INBOX "$T/1" "$T/2" "$T/3" "$T/6"
