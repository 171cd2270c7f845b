# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Sourced: run_all DIR JOBS PROGRAM... runs test programs, JOBS at a time, logs in DIR, and adds what happened to
# passed, failed and skipped. A Check program counts as many as it has checks.
passed=0 failed=0 skipped=0

run_all() {
  local dir=$1 jobs=$2 program log
  shift 2
  rm -rf "$dir" && mkdir -p "$dir"
  printf '%s\0' "$@" | LOGS=$dir xargs -0 -n 1 -P "$jobs" "${BASH_SOURCE[0]%/*}/one.sh"
  for program; do
    log=$dir/$(basename "$program" .sh)
    count "$log.log" "$(cat "$log.rc" 2>/dev/null || echo 1)"
  done
}

# "97%: Checks: 34, Failures: 1, Errors: 0": one line of each runner of a program.
count() {
  local checks bad
  read -r checks bad < <(awk -F'[:,]' '/^[0-9]+%: Checks:/ { c += $3; b += $5 + $7 } END { print c + 0, b + 0 }' "$1")
  if [ "$2" = 77 ]; then
    skipped=$((skipped + 1))
  elif [ "$2" != 0 ]; then
    failed=$((failed + (bad > 0 ? bad : 1))) passed=$((passed + checks - bad))
  else
    passed=$((passed + (checks > 0 ? checks : 1)))
  fi
}

totals() {
  printf '%d passed, %d failed' $passed $failed
  [ $skipped = 0 ] || printf ', %d skipped' $skipped
  printf '\n'
}
