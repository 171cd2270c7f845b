#!/bin/bash
# SPDX-License-Identifier: MIT
# What becomes of a removed message by delete=, on a server with UIDPLUS and without, online and offline; with what
# another client does to it. Never is a message gone that was not to go, and what is hidden stays so over a remount.
. "$(dirname "$0")/lib/mount.sh"
. "$(dirname "$0")/lib/other.sh"

# ---- what is where: in the mount, and on the server
letters() { # letters DIRECTORY: "1 2 3"
  # shellcheck disable=SC2012 # names of ours
  ls "$M/$1" | sed -n 's/.*_Letter-\([0-9]*\)\..*/\1/p' | sort -n | xargs
}
on_server() { # on_server FOLDER [FLAG]: the letters there, of those with this flag
  : >"$T/said"
  other "EXAMINE \"$1\"" "UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])"
  awk -v flag="${2:-}" '/ FETCH /{ has = flag == "" || index($0, flag) } /^Subject: Letter/ && has { print $3 }' \
    "$T/said" | tr -d '\r' | sort -n | xargs
}
drained() {
  timeout 300 getfattr -n user.imapfs.drained "$M" >/dev/null 2>"$T/err" || fail "not drained: $(cat "$T/err")"
}
remove() { # remove FOLDER LETTER...
  local folder=$1 n
  shift
  for n; do
    rm "$M/$folder"/*_Letter-"$n".*
  done
}

start_dovecot
begin() { # begin NAME [OPTIONS]: six letters in the INBOX of an account of its own
  WHO=$1
  say "$1 ${2:-}"
  append INBOX 1 2 3 4 5 6
  mount_it "${2:-}"
  timeout 60 ls "$M/INBOX" >"$T/out"
}

# ---- trash: made where there is none, and in it what is removed really goes
trash() { # trash NAME [OPTIONS]
  begin "$@"
  exec 3<"$M"/INBOX/*_Letter-2.*
  local inode
  inode=$(stat -c %i "$M"/INBOX/*_Letter-1.*)
  remove INBOX 1 2
  eq "INBOX at once" "3 4 5 6" "$(letters INBOX)"
  drained
  letter 2 | cmp - <(cat <&3) || fail "an open file that was removed is not what it was"
  exec 3<&-
  eq "Trash" "1 2" "$(letters Trash)"
  eq "Trash, on the server" "1 2" "$(on_server Trash)"
  eq "inode in the trash" "$inode" "$(stat -c %i "$M"/Trash/*_Letter-1.*)"
  letter 1 | cmp - "$M"/Trash/*_Letter-1.* || fail "a message in the trash is not what it was"
  mv "$M"/Trash/*_Letter-1.* "$M/INBOX/"
  remove Trash 2
  drained
  eq "INBOX" "1 3 4 5 6" "$(letters INBOX)"
  eq "Trash" "" "$(letters Trash)"
}
trash with
eq "INBOX, on the server" "1 3 4 5 6" "$(on_server INBOX)"
eq "Trash, on the server" "" "$(on_server Trash)"
unmount

trash without "disable=UIDPLUS,disable=MOVE"
eq "of others, nothing is flagged" "1 2" "$(on_server INBOX '\Deleted')"
eq "in the trash" "1 2" "$(on_server Trash '\Deleted')"
other "SELECT INBOX" "UID STORE 3 +FLAGS (\\Deleted)"
wait_until 30 sh -c "getfattr --only-values -n user.imap.flags '$M'/INBOX/*_Letter-3.* | grep -q Deleted"
eq "what others flag is listed" "1 3 4 5 6" "$(letters INBOX)"
unmount
mount_it "disable=UIDPLUS,disable=MOVE"
eq "after a remount" "1 3 4 5 6" "$(letters INBOX)"
unmount

# ---- the others
begin expunge "delete=expunge"
remove INBOX 1 2
drained
eq "INBOX" "3 4 5 6" "$(letters INBOX)"
eq "INBOX, on the server" "3 4 5 6" "$(on_server INBOX)"
[ ! -e "$M/Trash" ] || fail "a trash was made"
unmount

begin mark "delete=mark"
remove INBOX 1 2
drained
eq "INBOX" "3 4 5 6" "$(letters INBOX)"
eq "flagged on the server" "1 2" "$(on_server INBOX '\Deleted')"
eq "INBOX, on the server" "1 2 3 4 5 6" "$(on_server INBOX)"
unmount
mount_it "delete=mark,refresh=1"
eq "after a remount" "3 4 5 6" "$(letters INBOX)"
other "SELECT INBOX" "UID STORE 1 -FLAGS (\\Deleted)"
comes_back() {
  [ "$(letters INBOX)" = "1 3 4 5 6" ]
}
wait_until 30 comes_back
unmount

begin never "delete=never"
! rm "$M"/INBOX/*_Letter-1.* 2>"$T/err" || fail "a message was removed"
eq "INBOX" "1 2 3 4 5 6" "$(letters INBOX)"
drained
eq "INBOX, on the server" "1 2 3 4 5 6" "$(on_server INBOX)"
unmount

# ---- another client was faster, and a folder that is not as empty as it looked
begin others
other "CREATE Other" "SELECT INBOX" "UID MOVE 1 Other" "UID STORE 2 +FLAGS (\\Deleted)" "UID EXPUNGE 2"
remove INBOX 3 2>/dev/null
mv "$M"/INBOX/*_Letter-2.* "$M/INBOX/two.eml" 2>/dev/null || :
drained
settled() {
  [ "$(letters INBOX)" = "4 5 6" ] && [ "$(letters Other)" = 1 ]
}
wait_until 30 settled
append Other 7
other "CREATE Other/Below"
rmdir "$M/Other" 2>"$T/out" || :
(drained) 2>/dev/null || drained # who waits is told of the refusal, once
wait_until 30 test -d "$M/Other"
eq "Other, on the server" "1 7" "$(on_server Other)"
unmount

# ---- offline, then online
start_relay
near=$PORT
begin offline
kill "$RELAY_PID"
remove INBOX 1 2
mv "$M"/INBOX/*_Letter-3.* "$M/INBOX/three.eml"
eq "INBOX, offline" "4 5 6" "$(letters INBOX)"
unmount
mount_it
eq "INBOX, offline and mounted again" "4 5 6" "$(letters INBOX)"
tool relay --listen "$near" "$(cat "$T/dovecot/port")"
kill -HUP "$(daemon)" # now, and not when it would have tried
drained
eq "INBOX, online again" "4 5 6" "$(letters INBOX)"
[ -e "$M/INBOX/three.eml" ] || fail "a name is lost"
eq "INBOX, on the server" "3 4 5 6" "$(on_server INBOX)"
eq "Trash, on the server" "1 2" "$(on_server Trash)"
unmount
