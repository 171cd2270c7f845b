#!/bin/bash
# SPDX-License-Identifier: MIT
# Another client changes the account under the mount, and each change is seen: by NOTIFY and by stat alone, without any
# directory being opened; by IDLE the same in the folder used last; and without push when a directory is opened. What
# did not change keeps inode, times and the bytes of open files. How long each took is printed, and bounded
# only as far as a loaded machine allows.
. "$(dirname "$0")/lib/mount.sh"
. "$(dirname "$0")/lib/other.sh"
LIMIT=40

mode=
look() { # look DIRECTORY: where nothing tells the mount, somebody looks
  case $mode:$1 in
    notify:* | idle:"$M/INBOX") ;;
    *) timeout 60 ls -f "$1" >/dev/null ;;
  esac
}
changed=0
seen() { # seen DIRECTORY WHAT COMMAND...: COMMAND comes true
  local directory=$1 what=$2
  shift 2
  changed=$(now)
  until look "$directory" && "$@"; do
    in_time "$changed" $((LIMIT * 1000)) "$mode: to see: $what"
    sleep 0.02
  done
  say "$mode: $what: $(($(now) - changed)) ms"
}
gone() {
  [ ! -e "$1" ]
}
mtime() {
  stat -c %.9Y "$1"
}
moved() { # moved DIRECTORY MTIME
  [ "$(mtime "$1")" != "$2" ]
}
listed() { # listed DIRECTORY NAME...: exactly these
  local directory=$1
  shift
  eq "entries of $directory" "$(printf '%s\n' "$@" | sort)" "$(ls "$directory" | sort)"
}
deliver() { # deliver N: into INBOX, as programs do that know no IMAP
  letter "$1" | sed 's/\r$//' >"$MAILDIR/tmp/$1.push"
  touch -d 2024-03-01T10:00:00Z "$MAILDIR/tmp/$1.push"
  [ "$(id -u)" != 0 ] || chown mail: "$MAILDIR/tmp/$1.push"
  mv "$MAILDIR/tmp/$1.push" "$MAILDIR/new/"
}

messages() {
  local inbox=$M/INBOX before inode rest
  before=$(mtime "$inbox")
  append INBOX 4
  seen "$inbox" "a message" test -e "$inbox/$(name_of 4 4)"
  moved "$inbox" "$before" || fail "the folder's mtime stays when a message comes"
  same "its bytes" "$inbox/$(name_of 4 4)" <(letter 4)
  # What is put into a Maildir behind its back Dovecot's NOTIFY does not tell.
  [ "$mode" = notify ] && append INBOX 5 || deliver 5
  seen "$inbox" "a delivery" test -e "$inbox/$(name_of 5 5)"

  inode=$(stat -c %i "$inbox/$(name_of 2 2)")
  before=$(mtime "$inbox")
  other "SELECT INBOX" "UID STORE 1:5 +FLAGS (\\Flagged \\Seen)" "UID STORE 2 -FLAGS (\\Seen)"
  append Work 2
  seen "$M/Work" "a message elsewhere" test -e "$M/Work/$(name_of 2 2)"
  ls "$inbox" >/dev/null
  eq "mtime after flags moved" "$before" "$(mtime "$inbox")"

  exec 3<"$inbox/$(name_of 1 1)"
  head -c 100 <&3 >/dev/null
  rest=$(letter 1 | tail -c +101 | sha256sum)
  other "SELECT INBOX" "UID STORE 1 +FLAGS (\\Deleted)" "UID EXPUNGE 1"
  seen "$inbox" "an expunge" gone "$inbox/$(name_of 1 1)"
  moved "$inbox" "$before" || fail "the folder's mtime stays when a message goes"
  eq "the rest of an open file" "$rest" "$(cat <&3 | sha256sum)"
  eq "links" 0 "$(stat -L -c %h /proc/self/fd/3)"
  exec 3<&-

  other "SELECT INBOX" "UID MOVE 3 Work"
  seen "$inbox" "a move: gone here" gone "$inbox/$(name_of 3 3)"
  seen "$M/Work" "a move: there" test -e "$M/Work/$(name_of 3 3)"
  eq "inode of who stayed" "$inode" "$(stat -c %i "$inbox/$(name_of 2 2)")"
  listed "$inbox" "$(name_of 2 2)" "$(name_of 4 4)" "$(name_of 5 5)"
}

folders() {
  local before inode at
  at=$M/New/$(name_of 6 1)
  before=$(mtime "$M")
  other "CREATE New"
  append New 6
  seen "$M" "a new folder" test -d "$M/New"
  moved "$M" "$before" || fail "the root's mtime stays when a folder comes"
  seen "$M/New" "its message" test -e "$at"

  inode=$(stat -c '%i %Y' "$M/New" "$at")
  before=$(mtime "$M")
  exec 3<"$at"
  other "RENAME New Other" 'LIST "" "*"' # what a person sees next, and what makes Dovecot notice
  seen "$M" "a renamed folder" test -d "$M/Other"
  seen "$M" "its old name" gone "$M/New"
  gone "$at" || fail "a message under the folder's old name"
  at=$M/Other/$(name_of 6 1)
  eq "inodes and times after the rename" "$inode" "$(stat -c '%i %Y' "$M/Other" "$at")"
  moved "$M" "$before" || fail "the root's mtime stays when a folder is renamed"
  same "a file opened under the old name" <(letter 6) <(cat <&3)
  exec 3<&-

  exec 3<"$at"
  inode=$(stat -c %i "$at")
  other "DELETE Other" "CREATE Other"
  append Other 7 8
  seen "$M/Other" "a folder made anew" test -e "$M/Other/$(name_of 8 2)"
  seen "$M/Other" "a message of the folder of that name before" gone "$at" # the kernel is told in its own time
  listed "$M/Other" "$(name_of 7 1)" "$(name_of 8 2)"
  [ "$inode" != "$(stat -c %i "$M/Other/$(name_of 7 1)")" ] || fail "an inode was used twice"
  same "a file of the folder of that name before" <(letter 6) <(cat <&3)
  exec 3<&-

  before=$(mtime "$M")
  other "DELETE Other"
  seen "$M" "a deleted folder" gone "$M/Other"
  gone "$M/Other/$(name_of 8 2)" || fail "a message of a deleted folder"
  moved "$M" "$before" || fail "the root's mtime stays when a folder goes"
}

known() { # known UIDVALIDITY: INBOX is listed anew
  local index
  index=$(echo "$XDG_STATE_HOME"/imapfs/*/index.db)
  [ "$(sqlite3 -readonly "$index" "SELECT uidvalidity, listed FROM mailbox WHERE name = 'INBOX'")" = "$1|2" ]
}

# Every UID means something else from now on, and nobody who reads notices.
renumbered() {
  local before inodes validity inbox=$M/INBOX
  inodes=$(cd "$inbox" && stat -c '%i %s %Y %Z %n' ./*)
  before=$(mtime "$inbox")
  exec 3<"$inbox/$(name_of 4 4)"
  validity=$(($(date +%s) + 1000))
  doveadm -c "$T/dovecot/dovecot.conf" mailbox update -u alice --uid-validity $validity INBOX
  seen "$inbox" "a new UIDVALIDITY" known $validity
  eq "entries after it" "$inodes" "$(cd "$inbox" && stat -c '%i %s %Y %Z %n' ./*)"
  eq "mtime after it" "$before" "$(mtime "$inbox")"
  same "a file opened before it" <(letter 4) <(cat <&3)
  same "a file opened after it" <(letter 5) "$inbox/$(name_of 5 5)"
  exec 3<&-
  append INBOX 9
  seen "$inbox" "a message under the new UIDVALIDITY" test -e "$inbox/$(name_of 9 6)"
  moved "$inbox" "$before" || fail "the folder's mtime stays when a message comes"
}

# Dovecot's push dies when the log of its list of folders is rotated, which hundreds of quick changes make it do.
barrage() {
  local i before commands=()
  for ((i = 0; i < 400; i++)); do
    commands+=("SELECT Work" "UID STORE 1 +FLAGS (\\Flagged)" "SELECT Work" "UID STORE 1 -FLAGS (\\Flagged)")
  done
  before=$(mtime "$M/Work")
  for ((i = 0; i < 10; i++)); do
    [ ! -e "$MAILDIR/dovecot.list.index.log.2" ] || break
    other "${commands[@]}"
  done
  [ -e "$MAILDIR/dovecot.list.index.log.2" ] || fail "the log of the list of folders is not rotated"
  eq "mtime after flags moved" "$before" "$(mtime "$M/Work")"
  append INBOX 10
  seen "$M/INBOX" "a message after a barrage" test -e "$M/INBOX/$(name_of 10 7)"
  append Work 11
  seen "$M/Work" "one more" test -e "$M/Work/$(name_of 11 4)"
}

everything() { # everything MODE OPTIONS
  mode=$1
  stop_dovecot
  rm -rf "$T/dovecot/mail" "$XDG_STATE_HOME" "$XDG_CACHE_HOME"
  start_dovecot
  append INBOX 1 2 3
  other "CREATE Work"
  append Work 1
  mount_it "$2"
  listed "$M" INBOX Work
  listed "$M/Work" "$(name_of 1 1)"
  listed "$M/INBOX" "$(name_of 1 1)" "$(name_of 2 2)" "$(name_of 3 3)"
  cat "$M"/INBOX/* >/dev/null
  messages
  folders
  renumbered
  [ "$mode" != notify ] || barrage
  unmount
}

[ $# -gt 0 ] || set -- notify idle poll # or only those named
for kind; do
  case $kind in
    notify) everything notify refresh=600 ;;
    idle) everything idle refresh=1,disable=NOTIFY ;;
    poll) everything poll refresh=1,disable=NOTIFY,disable=IDLE ;;
  esac
done
