# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Sourced after mount.sh and other.sh: rows of what the documentation promises, each tried online, and offline and then
# online. A row NAME is up to three functions: NAME_before (the server has this; $F is the row's folder and $G another,
# both below $M), NAME_does (a user does that, and sees it at once) and NAME_after (so it is on the server when all has
# been sent). What the rows do goes to the server together, as it would.

start_line() { # after start_dovecot: all goes through a relay that can be cut
  start_relay "$@"
  NEAR=$PORT
}
cut_line() {
  kill "$RELAY_PID"
  wait_until 10 ended "$RELAY_PID"
}
mend_line() {
  tool relay --listen "$NEAR" "$(cat "$T/dovecot/port")"
  RELAY_PID=$TOOL_PID
  kill -HUP "$(daemon)" # now, and not when it would have tried
}
drained() {
  timeout 300 getfattr -n user.imapfs.drained "$M" >/dev/null 2>"$T/err" || fail "not drained: $(cat "$T/err")"
}
drained_or_refused() { # it says what was refused when all the rest is there, and says it once
  (drained) 2>/dev/null || drained
}
offline() {
  [ "$MODE" = offline ]
}
rows() { # rows ROW...: each in its own folders, in both modes; the line and the mount are there
  local row
  for MODE in online offline; do
    for row; do
      F=$MODE-$row G=$MODE-$row-2
      other "CREATE $F" "CREATE $G"
      ! declare -F "${row}_before" >/dev/null || "${row}_before"
    done
    wait_until 30 test -d "$M/$G"
    find "$M" -type f -exec cat {} + >"$T/out"
    drained
    ! offline || cut_line
    for row; do
      F=$MODE-$row G=$MODE-$row-2
      say "$MODE: $row"
      "${row}_does"
    done
    ! offline || mend_line
    drained_or_refused
    for row; do
      F=$MODE-$row G=$MODE-$row-2
      "${row}_after"
      unchanged_here
    done
  done
}

# ---- what is here
make_letters() { # make_letters N...: $T/N, CR LF
  local n
  for n; do
    letter "$n" >"$T/$n"
  done
}
shown() { # shown FOLDER NAME...: just these, sorted
  # shellcheck disable=SC2011 # names of ours
  eq "names in $1" "${*:2}" "$(ls -A "$M/$1" | xargs)"
}
inode() {
  stat -c %i "$1"
}
is() { # is FILE FILE-IN-MOUNT
  cmp "$1" "$M/$2" || fail "$2 is not $1"
}
listed_inodes() { # listed_inodes FOLDER: "INODE NAME" as the directory has it
  # shellcheck disable=SC2012 # names of ours
  ls -iA "$M/$1" | awk '{ print $1, $2 }' | sort
}
unchanged_here() { # st_ino is d_ino, and what is read has the size that is shown
  local dir name
  for dir in "$F" "$G"; do
    [ -d "$M/$dir" ] || continue
    for name in "$M/$dir"/*; do
      [ -f "$name" ] || continue
      eq "size of $name" "$(stat -c %s "$name")" "$(wc -c <"$name")"
    done
    same "d_ino, st_ino in $dir" <(listed_inodes "$dir") <(stat -c '%i %n' "$M/$dir"/* 2>/dev/null | sed 's|/.*/||' | sort)
  done
}

# ---- what is there
maildir_of() { # maildir_of FOLDER
  [ "$1" = INBOX ] && echo "$MAILDIR" || echo "$MAILDIR/.${1//\//.}"
}
crlf_sums() { # of the files named on standard input, each ended by NUL
  "$TOOLS/crlfsum" | cut -d' ' -f1 | sort
}
has() { # has FOLDER FILE...: the server has these letters there, each once, and nothing else
  local folder=$1
  shift
  printf '%s\0' "$@" | sed -z '/^$/d' | crlf_sums >"$T/has.expected"
  # Dovecot moves files from new/ to cur/ while we look.
  for _ in 1 2 3; do
    find "$(maildir_of "$folder")" -maxdepth 2 \( -path '*/cur/*' -o -path '*/new/*' \) -type f -print0 2>/dev/null |
      crlf_sums >"$T/has.got" 2>/dev/null || continue
    ! cmp -s "$T/has.expected" "$T/has.got" || return 0
  done
  same "$folder on the server" "$T/has.expected" "$T/has.got"
}
has_one() { # has_one FOLDER COUNT: that many
  eq "messages in $1" "$2" "$(find "$(maildir_of "$1")"/cur "$(maildir_of "$1")"/new -type f | wc -l)"
}
uidnext() { # uidnext FOLDER
  : >"$T/said"
  other "STATUS \"$1\" (UIDNEXT)"
  sed -n 's/.*UIDNEXT \([0-9]*\).*/\1/p' "$T/said"
}
fetched() { # fetched FOLDER ITEMS: "UID ..." lines of FETCH, sorted by UID
  : >"$T/said"
  other "EXAMINE \"$1\"" "UID FETCH 1:* ($2)"
  grep ' FETCH ' "$T/said" || :
}
flags_here() { # sorted
  getfattr --absolute-names --only-values -n user.imap.flags "$M/$1" | tr ' ' '\n' | sort | xargs -d '\n'
}
flags_there() { # flags_there FOLDER: of each message, sorted; no \Recent
  fetched "$1" FLAGS | sed 's/.*FLAGS (\([^)]*\)).*/\1/; s/\\Recent//' | while read -r flags; do
    echo "$flags" | tr ' ' '\n' | sort | xargs -d '\n'
  done | sort
}
exists() { # exists FOLDER: the server has it
  [ -d "$(maildir_of "$1")" ]
}
# The lines that the daemon has sent to the file $TRACE since mark_trace.
TRACE=
mark_trace() {
  TRACED=$(wc -c <"$TRACE")
}
commands() {
  tail -c +$((TRACED + 1)) "$TRACE" | sed -n 's/^.* C: [A-Z0-9a-z]* //p'
}
sent() { # sent EXPRESSION: some line has been
  commands >"$T/commands"
  grep -qE -e "$1" "$T/commands"
}

# ---- calls that no tool makes
coproc CALLS { exec python3 "$TOP/tests/lib/call.py"; }
exec {CALLS_IN}>&"${CALLS[1]}" {CALLS_OUT}<&"${CALLS[0]}" # those of CALLS are not there in $(...)
call() { # call FUNCTION ARGUMENTS...: the name of its error, or "ok"
  local answer
  (IFS=$'\t' && echo "$*") >&"$CALLS_IN"
  read -r -t 120 answer <&"$CALLS_OUT" || fail "no answer: $*"
  echo "$answer"
}
