#!/bin/bash
# SPDX-License-Identifier: MIT
# A disk that is full, has a limit, or fails, below the state directory: who writes is told, nothing that was accepted is
# lost, reading goes on; and when the disk is well again so is all else, without a remount.
. "$(dirname "$0")/lib/mount.sh"
. "$(dirname "$0")/lib/other.sh"
. "$(dirname "$0")/lib/ledger.sh"

drained() {
  timeout 300 getfattr --absolute-names -n user.imapfs.drained "$M" >/dev/null
}
is_told() { # is_told TEXT COMMAND...: it fails, and says so
  local text=$1
  shift
  ! timeout 60 "$@" >"$T/out" 2>"$T/err" || fail "went well: $*"
  grep -qE "$text" "$T/err" || fail "$*: no '$text' in $(cat "$T/err")"
}
reads() { # all that was there can be read, also what nobody has read before
  local n
  ls -l "$M/INBOX" >"$T/out"
  for n in "$@"; do
    letter "$n" | cmp - "$M/INBOX/$(name_of "$n" "$n")" || fail "letter $n"
  done
}
begin() { # begin NAME: an account with six letters, mounted
  say "$1"
  WHO=$1 MAILDIR=$T/dovecot/mail/$1
  append INBOX 1 2 3 4 5 6
  LEDGER=$T/ledger.$1
  ledger_open
  "${@:2}"
  ls "$M/INBOX" >"$T/out"
}
accepted() { # accepted FILE NAME: copied in, and there
  cp "$1" "$M/INBOX/$2"
  ledger_accept "$1"
}
fill() { # fill TEXT: with letters, until one is refused
  local n filled=()
  for ((n = 1; n < 1000; n++)); do
    { letter $((1000 + n)) && head -c 20000 "$T/large"; } >"$T/fill-$n"
    cp "$T/fill-$n" "$M/INBOX/fill-$n.eml" 2>"$T/err" || break
    filled+=("$T/fill-$n")
  done
  grep -qE "$1" "$T/err" || fail "no '$1' in $(cat "$T/err"), after $n"
  [ ${#filled[@]} = 0 ] || ledger_accept "${filled[@]}"
  rm -f "$M/INBOX/fill-$n.eml" 2>"$T/err" || left=INBOX/fill-$n.eml
}
well() { # well NAME: all is well again: what was refused is not; and all of it reaches the server
  [ -z "$left" ] || rm -f "$M/$left"
  accepted "$T/$1-again" again.eml
  accepted "$T/large" large.eml
  mv "$M/INBOX/$(name_of 5 5)" "$M/INBOX/five.eml"
  rm "$M/INBOX/$(name_of 6 6)"
  letter 6 >"$T/6"
  ledger_remove "$T/6"
  drained
  ledger_check "$1"
  letter 5 | cmp - "$M/INBOX/five.eml"
  cmp "$M/INBOX/large.eml" "$T/large"
  reads 1 2 3 4
}

start_dovecot
{ letter 100 && seq 1 800000 | sed 's/$/\r/'; } >"$T/large"
head -c 600000 "$T/large" >"$T/middle"
for name in {full,limit,broken}-{before,during,again}; do
  letter 100 | sed "s/^This/$name: this/" >"$T/$name"
done
left=
AT_END=end
end() {
  ! grep -q " $T/state " /proc/self/mounts || umount -l "$T/state"
}

# ---- a full disk
if [ "$(id -u)" = 0 ] && mkdir "$T/state" && mount -t tmpfs -o size=4m,mode=700 imapfs-test "$T/state" 2>"$T/out"; then
  begin full mount_it
  accepted "$T/full-before" before.eml
  is_told 'No space' cp "$T/large" "$M/INBOX/too-large.eml"
  rm -f "$M/INBOX/too-large.eml"
  reads 1 2
  drained
  ledger_check "after a file that was too large"
  dd if=/dev/zero of="$T/state/filler" bs=4k 2>"$T/out" || :
  is_told 'No space' cp "$T/middle" "$M/INBOX/middle.eml"
  fill 'No space'
  reads 1 2 3
  cmp "$T/full-before" "$M/INBOX/before.eml"
  rm "$T/state/filler"
  rm -f "$M/INBOX/middle.eml"
  mount -o remount,size=64m "$T/state"
  well full
  unmount
  umount "$T/state"
else
  say "not root, or no tmpfs: no full disk"
fi

# ---- a limit for files
begin limit eval '(ulimit -S -f 1000 && mount_it)'
accepted "$T/limit-before" before.eml
is_told 'error|No space|too large' cp "$T/large" "$M/INBOX/too-large.eml"
rm -f "$M/INBOX/too-large.eml"
drained
fill 'error|No space|too large'
reads 1 2 3
cmp "$T/limit-before" "$M/INBOX/before.eml"
prlimit --pid "$(daemon)" --fsize=unlimited:
well limit
unmount

# ---- a disk that syncs nothing
mount_broken() {
  mkdir "$T/shadow"
  LD_PRELOAD=$(preloaded power.so) POWER_STATE=$XDG_STATE_HOME POWER_SHADOW=$T/shadow POWER_BROKEN=$T/is-broken mount_it
}
begin broken mount_broken
accepted "$T/broken-before" before.eml
: >"$T/is-broken"
is_told 'error' cp "$T/large" "$M/INBOX/large.eml"
is_told 'error' cp "$T/broken-during" "$M/INBOX/during.eml"
is_told 'error' sync "$M/INBOX"
reads 1 2 3
cmp "$T/broken-before" "$M/INBOX/before.eml"
rm "$T/is-broken"
rm -f "$M/INBOX/during.eml" "$M/INBOX/large.eml"
well broken
unmount
