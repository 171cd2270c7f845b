#!/bin/bash
# SPDX-License-Identifier: MIT
# The index is damaged while letters wait in it: the names that a user gave stay, inodes stay, and each letter is on the
# server once.
. "$(dirname "$0")/lib/mount.sh"
. "$(dirname "$0")/lib/other.sh"
. "$(dirname "$0")/lib/ledger.sh"

mailbox 40
start_dovecot
conf=$T/dovecot/dovecot.conf
ledger_open

start_again() {
  dovecot -c "$conf" </dev/null >"$T/start" 2>&1 || fail "$(cat "$T/start")"
  wait_until 10 timeout 60 bash -c "head -c 4 </dev/tcp/127.0.0.1/$(cat "$T/dovecot/port") | grep -q OK"
}
state() {
  find "$XDG_STATE_HOME" -name index.db
}
spoil() { # spoil NAME: the last page of this table or index, as after a crash, so that the next run looks
  python3 - "$(state)" "$1" <<'END'
import os, sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("UPDATE meta SET value = '0' WHERE key = 'clean'")
db.commit()
db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
page, = db.execute("SELECT max(pageno) FROM dbstat WHERE name = ? AND pagetype = 'leaf'", (sys.argv[2],)).fetchone()
db.close()
with open(sys.argv[1], "r+b") as file:
    file.seek((page - 1) * 4096)
    file.write(os.urandom(4096))
END
}

mount_it
first=$(find "$M/INBOX" -name '*.eml' | sort | head -n 1)
mv "$first" "$M/INBOX/mine.eml"
inode=$(stat -c %i "$M/INBOX/mine.eml")
unmount
stop_dovecot

say "damaged pages, and letters that wait"
n=0
for name in message message_uid message_name journal journal_group; do
  n=$((n + 1))
  mount_it
  letter $n >"$T/letter.$n"
  cp "$T/letter.$n" "$M/INBOX/new-$n.eml"
  ledger_accept "$T/letter.$n"
  pid=$(daemon)
  kill -KILL "$pid"
  wait_until 10 ended "$pid"
  fusermount3 -uz "$M" 2>/dev/null || :
  spoil "$name"
done
start_again
mount_it
eq "the name" "$inode" "$(stat -c %i "$M/INBOX/mine.eml" 2>/dev/null || echo none)"
# What may have been sent is looked for, for a minute, before it is.
wait_until 150 timeout 300 getfattr -n user.imapfs.drained "$M" >/dev/null 2>&1
ledger_check "after five damages"
unmount
