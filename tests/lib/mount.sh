# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Sourced by each tests/mount_*.sh: a directory $T of its own, servers and mounts in it, and an end that leaves nothing
# behind however the test ends. A test is over with the first thing that is not as it should be.
set -eu

TOP=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
BUILD=$(realpath -m "$TOP/${BUILD:-build}")
IMAPFS=$BUILD/imapfs
TOOLS=$BUILD/tests
T=$(mktemp -d "${TMPDIR:-/tmp}/imapfs-test.XXXXXX")
chmod 711 "$T"
M=$T/mnt
mkdir -p "$M" "$T/home"
export HOME=$T/home XDG_STATE_HOME=$T/state XDG_CACHE_HOME=$T/cache LC_ALL=C.UTF-8 TZ=UTC
export ASAN_OPTIONS=${ASAN_OPTIONS:-log_path=$T/asan} UBSAN_OPTIONS=${UBSAN_OPTIONS:-log_path=$T/ubsan}
echo secret >"$T/pass"
chmod 600 "$T/pass"
PIDS=()
AT_END= # a command

fail() {
  echo "FAILED: $*" >&2
  exit 1
}
say() {
  echo "-- $*"
}
eq() { # eq WHAT EXPECTED GOT
  [ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"
}
same() { # same WHAT FILE FILE
  cmp -s "$2" "$3" || fail "$1: $(diff "$2" "$3" | head -n 10)"
}
now() { # milliseconds
  echo $((${EPOCHREALTIME/./} / 1000))
}
slowness() { # how many times as long as on an idle machine something may take, from how busy this one is
  local load running
  read -r load _ _ running _ </proc/loadavg
  load=${load%.*} running=${running%/*}
  echo $((1 + 2 * (load > running ? load : running) / $(nproc)))
}
in_time() { # in_time START MILLISECONDS WHAT: it has taken no longer, on an idle machine
  local took=$(($(now) - $1))
  [ $took -le $(($2 * $(slowness))) ] || fail "$3: it took $took ms"
}
within() { # within SECONDS COMMAND...: it succeeds, and in time
  local limit=$1 start rc=0
  shift
  start=$(now)
  timeout -s KILL 120 "$@" || rc=$?
  [ $rc = 0 ] || fail "$* ended with $rc"
  in_time "$start" $((limit * 1000)) "$*"
}
refused() { # refused TEXT COMMAND...: it fails, with one line that holds TEXT
  local text=$1
  shift
  ! timeout 60 "$@" >"$T/out" 2>"$T/err" </dev/null || fail "went well: $*"
  grep -qiE -e "$text" "$T/err" || fail "no '$text' in: $(cat "$T/err")"
  eq "lines of error of $*" 1 "$(wc -l <"$T/err")"
}
wait_until() { # wait_until SECONDS COMMAND...: it becomes true by then, or later where the machine is busy
  local start limit=$(($1 < 10 ? 10 : $1))
  shift
  start=$(now)
  until "$@" >/dev/null 2>&1; do
    [ $(($(now) - start)) -lt $((limit * 1000 * $(slowness))) ] || fail "waited in vain for: $*"
    sleep 0.05
  done
}
mounted() {
  grep -q " ${1:-$M} fuse" /proc/self/mounts
}
unmounted() {
  ! mounted "$@"
}
ended() { # ended PID; a zombie has: some take seconds to reap an orphan
  ! kill -0 "$1" 2>/dev/null || grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null
}

waiting() { # waiting PID...: each is a cat that sleeps, and was asleep a moment ago
  local pid look
  for look in 1 2; do
    for pid; do
      grep -qE '\(cat\) [SD]' "/proc/$pid/stat" || return 1
    done
    [ $look = 2 ] || sleep 0.1
  done
}

# ---- servers
mailbox() { # mailbox COUNT [OPTIONS]: mail of alice, before or while Dovecot runs
  "$TOOLS/mailgen" "${@:2}" "$T/dovecot/mail/alice" "$1"
  [ "$(id -u)" != 0 ] || chown -R mail: "$T/dovecot/mail"
}
start_dovecot() {
  "$TOP/tests/lib/dovecot.sh" "$T/dovecot"
  PORT=$(cat "$T/dovecot/port") TLS_PORT=$(cat "$T/dovecot/tls_port")
  MAILDIR=$T/dovecot/mail/alice
}
stop_dovecot() {
  local pid
  pid=$(cat "$T/dovecot/run/master.pid" 2>/dev/null) || return 0
  kill "$pid" 2>/dev/null || return 0
  wait_until 10 ended "$pid"
}
tool() { # tool NAME ARGUMENTS...: starts one that prints its port; leaves TOOL_PORT, TOOL_PID
  rm -f "$T/port.$1"
  "$TOOLS/$1" "${@:2}" >"$T/port.$1" &
  TOOL_PID=$! && PIDS+=("$TOOL_PID")
  wait_until 10 test -s "$T/port.$1"
  TOOL_PORT=$(cat "$T/port.$1")
}
start_mock() { # start_mock OPTIONS: leaves PORT, MOCK_PID
  tool mockimap "$@"
  PORT=$TOOL_PORT MOCK_PID=$TOOL_PID
}
start_relay() { # start_relay OPTIONS: a line to PORT; PORT becomes its near end. Leaves RELAY_PID
  tool relay "$@" "$PORT"
  PORT=$TOOL_PORT RELAY_PID=$TOOL_PID
}

# ---- mounts
mount_it() { # mount_it [OPTIONS]: $WHO, else alice, at PORT on $M; all it does is told in the file $TRACE, if any
  if [ -n "${TRACE:-}" ]; then
    "$IMAPFS" -d -o "tls=off,passfile=$T/pass${1:+,$1}" "imap://${WHO:-alice}@127.0.0.1:$PORT" "$M" >>"$TRACE" 2>&1 &
    wait_until 60 mounted
    return
  fi
  timeout 300 "$IMAPFS" -o "tls=off,passfile=$T/pass${1:+,$1}" "imap://${WHO:-alice}@127.0.0.1:$PORT" "$M"
  mounted || fail "imapfs has returned, and nothing is mounted"
}
preloaded() { # preloaded NAME: for LD_PRELOAD: one of $TOOLS, behind the runtime of a sanitizer, which wants to be first
  echo "$(ldd "$IMAPFS" | sed -n 's/.* => \(.*lib[a-z]*san\.so[^ ]*\) .*/\1/p' | tr '\n' ' ')$TOOLS/$1"
}
daemon() { # pid of what serves $M
  local pid
  for pid in $(pgrep 'imapfs$'); do # also mount.imapfs
    if tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -qxF "${1:-$M}"; then
      echo "$pid"
      return
    fi
  done
  fail "no imapfs for ${1:-$M}"
}
unmount() {
  local pid
  pid=$(daemon)
  fusermount3 -u "$M"
  wait_until 30 ended "$pid"
}
drop_caches() {
  [ "$(id -u)" != 0 ] || echo 3 >/proc/sys/vm/drop_caches 2>/dev/null || :
}

# ---- truth: "UID SHA-256" of each message, from the server's own files and through the mount
server_sums() { # server_sums MAILDIR
  (cd "$1/cur" && find . -type f -printf '%P\0' | xargs -0r sha256sum) >"$T/sums.cur"
  awk 'NR == FNR { if (FNR > 1) { n = $0; sub(/^[^:]*:/, "", n); sub(/:2,.*/, "", n); uid[n] = $1 } next }
    { n = $2; sub(/:2,.*/, "", n); print uid[n], $1 }' "$1/dovecot-uidlist" "$T/sums.cur" | sort -n
}
file_sums() { # file_sums DIRECTORY: of NAME.UID.eml
  (cd "$1" && find . -maxdepth 1 -name '*.eml' -printf '%P\0' | xargs -0r sha256sum) |
    awk '{ u = $2; sub(/\.eml$/, "", u); sub(/.*\./, "", u); print u, $1 }' | sort -n
}
mock_sums() { # mock_sums COUNT OPTIONS: of what mockimap serves
  local uid
  for ((uid = 1; uid <= $1; uid++)); do
    echo "$uid $("$TOOLS/mockimap" "${@:2}" --print "$uid" | sha256sum | cut -d' ' -f1)"
  done
}

finish() {
  local rc=$? pid
  trap - EXIT
  set +e
  exec 3<&- 4<&-
  for pid in $(jobs -p); do
    kill "$pid" 2>/dev/null
  done
  awk -v t="$T/" 'index($2, t) == 1 { print $2 }' /proc/self/mounts | sort -r | while read -r at; do
    pid=$(daemon "$at" 2>/dev/null)
    fusermount3 -uz "$at" 2>/dev/null || umount -l "$at"
    [ -z "$pid" ] || { kill "$pid" && timeout 5 tail --pid="$pid" -f /dev/null || kill -9 "$pid"; } 2>/dev/null
  done
  for pid in "${PIDS[@]}"; do
    kill "$pid" 2>/dev/null
  done
  stop_dovecot
  $AT_END
  if compgen -G "$T/*san.*" >/dev/null; then
    cat "$T"/*san.*
    rc=1
  fi
  [ $rc = 0 ] || { tail -n 20 "$T/dovecot/log" "$T/err" 2>/dev/null; }
  if [ -z "${KEEP:-}" ]; then
    rm -rf "$T"
  else
    echo "kept: $T"
  fi
  exit $rc
}
trap finish EXIT
trap 'exit 1' INT TERM
