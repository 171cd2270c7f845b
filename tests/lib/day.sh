# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Sourced: a day's work with an account, and what becomes of it when the daemon stops dead at a step of it (imapfs-steps:
# before and after each commit of a change, each file of the spool, and each command that changes something on the
# server). Who works sees an error, mounts again, repeats what failed and goes on. In the end all is as if nothing had
# happened: names, octets and flags, in the mount and on the server.
#
# STEP=K: only each K-th of the steps; FIRST=N: from that one on; LAST=N: up to that one; JOBS=N: so many at a time.

FIRST=${FIRST:-1} LAST=${LAST:-100000} JOBS=${JOBS:-6}
IMAPFS=$TOOLS/imapfs-steps
settle() { :; } # before a change but new octets is told: it is on the disk
lose() { :; }   # the daemon has ended: what else went with it

# ---- what is written
I=$T/in
mkdir "$I"
letter 100 | tr -d '\r' >"$I/small" # LF
{ letter 101 && seq 1 60000 | sed 's/$/\r/'; } >"$I/large"
for n in 102 103 104 105; do
  letter $n >"$I/$n"
done
for n in 1 2 3 4 5 6 7; do
  letter $n >"$I/seed-$n"
done
touch -d '2024-05-01 10:00' "$I"/*

# ---- the work. Each may be done again by somebody who does not know how far it came.
seed() { # seed N: a letter that was there, called as at first
  echo "2024-03-01_Push_Letter-$1.$1.eml"
}
move() { # move FROM TO
  [ ! -e "$M/$1" ] || mv -T "$M/$1" "$M/$2"
  settle
}
remove() { # remove FILE
  [ ! -e "$M/$1" ] || rm "$M/$1"
  settle
}
drained() {
  timeout 300 getfattr --absolute-names -n user.imapfs.drained "$M" >/dev/null
}
new_small() { cp -p "$I/small" "$M/INBOX/small.eml"; }
new_large() { cp -p "$I/large" "$M/Work/large.eml"; }
to_folder() { move "INBOX/$(seed 1)" Work/one.eml; }
scratch() { [ ! -s "$M/INBOX/$(seed 2)" ] || cp "$I/102" "$M/INBOX/.two.tmp"; }
rename_over() { move INBOX/.two.tmp "INBOX/$(seed 2)"; }
rewrite() { cat "$I/103" >"$M/INBOX/$(seed 3)"; }
# shellcheck disable=SC2016 # a keyword
flag() { setfattr -n user.imap.flags -v '\Seen \Flagged $Label1' "$M/INBOX/$(seed 4)" && settle; }
to_trash() { remove "INBOX/$(seed 5)"; }
make_folder() { mkdir -p "$M/New" && settle; }
new_below() { cp -p "$I/104" "$M/New/below.eml"; }
copy_inside() { cp "$M/INBOX/$(seed 6)" "$M/New/copy.eml"; }
new_late() { [ -e "$M/New/late.eml" ] || cp "$I/105" "$M/INBOX/late.eml"; }
move_late() { move INBOX/late.eml New/late.eml; }
move_large() { move Work/large.eml New/large.eml; }
from_trash() { remove "Trash/$(seed 5)"; }
remove_folder() {
  [ ! -d "$M/Old" ] || rmdir "$M/Old"
  settle
}
work=(new_small new_large drained
  to_folder scratch rename_over rewrite flag drained
  to_trash make_folder new_below copy_inside drained
  new_late move_late move_large from_trash remove_folder drained in_mount)
enter() { # all that into the ledger
  ledger_accept "$I/small" "$I/large" "$I"/10? "$I/seed-6"
  ledger_remove "$I"/seed-[235]
  ledger_expunge "$I/seed-5"
}

# ---- what is there at the end
in_mount() (
  set -o pipefail
  (cd "$M" && find . -type d && find . -type f -print0 | "$TOOLS/crlfsum" &&
    find . -type f -exec getfattr -n user.imap.flags {} + | sed 's/^# file: //' | paste -sd '  \n') | sort >"$dir/mount"
)
on_server() { # "FOLDER SHA-256 FLAGS" of each letter, and the folders
  (cd "$MAILDIR" && find . \( -path '*/cur/*' -o -path '*/new/*' \) -type f -print0 | "$TOOLS/crlfsum" |
    sed -E 's#^(\S*)  \./(.*/)?(cur|new)/[^:]*(:2,)?#\2 \1 #' && find . -maxdepth 1 -name '.[A-Z]*') | sort
}

# ---- one life after another
start() { # start [STEP]
  IMAPFS_STOP_AT=${1:-} mount_it
  ls "$M/INBOX" "$M/Work" >"$dir/list"
}
pid() {
  head -n 1 "$XDG_STATE_HOME"/imapfs/*/state.lock
}
recover() {
  wait_until 5 ended "$(pid)"
  ! mounted || fusermount3 -uz "$M"
  lose
  start
}
attempt() { # attempt STEP: all of the work, and what is there then in $dir
  local what alive=1
  AT=$1
  : >"$dir/cut"
  if ! (start "$1") 2>"$dir/err"; then
    recover
    alive=
  fi
  for what in "${work[@]}"; do
    $what 2>"$dir/err" && stat -f "$M" >"$dir/statfs" 2>&1 && continue # dead: it may have found nothing to be done
    [ $alive ] || fail "stopped at step $1 in $(cat "$dir/cut"), and then $what: $(cat "$dir/err")"
    alive=
    echo "$what" >"$dir/cut"
    recover
    $what 2>"$dir/err" || fail "$what, after it was stopped at step $1: $(cat "$dir/err")"
  done
  on_server >"$dir/server"
  fusermount3 -u "$M"
  wait_until 10 ended "$(pid)"
  [ ! $alive ] || : >"$T/through" # there is no such step
}
account() { # account NAME: one of its own, as all of them begin
  dir=$T/$1 WHO=$1
  mkdir -p "$dir/mnt" "$dir/state"
  M=$dir/mnt XDG_STATE_HOME=$dir/state XDG_CACHE_HOME=$dir/cache MAILDIR=$T/dovecot/mail/$1
  [ "$1" = seed ] || cp -a "$T/dovecot/mail/seed" "$MAILDIR"
}
life() { # life STEP
  local dir
  account "step-$1"
  attempt "$1"
  cmp -s "$T/whole/mount" "$dir/mount" && cmp -s "$T/whole/server" "$dir/server" && rm -rf "$dir" "$MAILDIR" && return
  fail "stopped at step $1, in $(cat "$dir/cut"):" \
    "$(diff "$T/whole/mount" "$dir/mount" | head -n 6)" "$(diff "$T/whole/server" "$dir/server" | head -n 6)"
}

whole_day() { # the one that all others are compared with; leaves the server running
  start_dovecot
  account seed
  append INBOX 1 2 3 4 5 6
  other "CREATE Work" "CREATE Old"
  append Work 7
  account whole
  ledger_open
  attempt ""
  enter
  ledger_check
  rm "$T/through"
}
all_steps() {
  local n jobs pid lives=() bad=0
  for ((n = FIRST, jobs = 0; bad == 0 && n <= LAST; n += STEP, jobs++)); do
    [ $jobs -lt "$JOBS" ] || wait -n || bad=1
    [ ! -e "$T/through" ] || break
    (life $n) &
    lives+=($!)
  done
  for pid in "${lives[@]}"; do
    wait "$pid" || bad=1
  done
  [ $bad = 0 ] || fail "see above"
  say "$jobs times, up to step $((n - STEP))"
}
