#!/bin/bash
# SPDX-License-Identifier: MIT
# The ledger that other tests rely on finds what is lost, doubled, misplaced and unknown, and nothing else.
. "$(dirname "$0")/lib/mount.sh"
. "$(dirname "$0")/lib/ledger.sh"

MAILDIR=$T/maildir
mkdir -p "$MAILDIR"/{cur,new,.Trash/cur,.Work/cur}
put() { # put FOLDER NAME [FLAGS]: as a server keeps it, and in $T/NAME as a user wrote it
  printf 'Subject: %s\n\nx\n' "$2" >"$MAILDIR/$1/$2:2,${3:-}"
  printf 'Subject: %s\r\n\r\nx\r\n' "$2" >"$T/$2"
}
finds() { # finds TEXT
  ! (ledger_check) 2>"$T/found" || fail "not found: $1"
  grep -q "$1" "$T/found" || fail "not '$1', but $(cat "$T/found")"
  eq "what is wrong" 1 "$(wc -l <"$T/found")"
}

say "what is well"
ledger_check "nothing at all"
put cur a
put .Trash/cur b
ledger_open
ledger_check "at the start"
put .Work/cur c
ledger_accept "$T/c"
ledger_check "accepted"
put .Trash/cur d
ledger_accept "$T/d"
ledger_remove "$T/d"
ledger_check "removed"
rm "$MAILDIR/.Trash/cur/d:2,"
ledger_expunge "$T/d"
ledger_check "removed from the trash"
put cur e
put new e
ledger_accept "$T/e" "$T/e"
ledger_check "two of a kind"

say "what may be"
put cur m
ledger_maybe "$T/m"
ledger_check "there"
rm "$MAILDIR/cur/m:2,"
ledger_check "not there"
ledger_maybe_remove "$T/a"
ledger_check "not removed"
mv "$MAILDIR/cur/a:2," "$MAILDIR/cur/a:2,ST"
ledger_check "flagged"

say "what is wrong"
put cur m
put new m
finds 'doubled: .*/m'
rm "$MAILDIR/new/m:2,"
mv "$MAILDIR/.Work/cur/c:2," "$T/away"
finds 'lost: .*/c'
mv "$T/away" "$MAILDIR/.Trash/cur/c:2,"
finds 'lost, but for the trash: .*/c'
mv "$MAILDIR/.Trash/cur/c:2," "$MAILDIR/cur/c:2,"
put cur z
finds 'unknown: .*/z'
rm "$MAILDIR/cur/z:2,"
mv "$MAILDIR/.Trash/cur/b:2," "$MAILDIR/cur/b:2,"
finds 'removed, and back: .*/b'
mv "$MAILDIR/cur/b:2," "$MAILDIR/.Trash/cur/b:2,"
printf x >>"$MAILDIR/cur/c:2,"
! (ledger_check) 2>"$T/found" || fail "another octet was not found"
