#!/bin/bash
# SPDX-License-Identifier: MIT
# Another client does anything it likes, by NOTIFY, by IDLE and without push, the line is cut now and then, and the mount
# agrees with a simple model each time it has settled; memory, descriptors and threads of the daemon stay under their
# ceilings. mount_model.sh SECONDS [SEED...] (make soak) goes on for longer, by default with seeds nobody has seen.
. "$(dirname "$0")/lib/mount.sh"

SEEDS=(1 2 3) # and those that once found something
modes=('refresh=600' 'refresh=1,disable=NOTIFY' 'refresh=1,disable=NOTIFY,disable=IDLE')
seconds=${1:-4}
if [ $# -gt 1 ]; then
  SEEDS=("${@:2}")
elif [ $# = 1 ]; then
  SEEDS=($((SRANDOM % 100000 * 3)) $((SRANDOM % 100000 * 3 + 1)) $((SRANDOM % 100000 * 3 + 2)))
  seconds=$((seconds / 3))
fi

for seed in "${SEEDS[@]}"; do
  rm -rf "$T/dovecot/mail" "$XDG_STATE_HOME" "$XDG_CACHE_HOME"
  start_dovecot
  server=$PORT
  start_relay
  mount_it "timeout=10,${modes[seed % 3]}"
  say "${modes[seed % 3]}"
  "$TOOLS/model" --seed "$seed" --settle "${SETTLE:-60}" --time "$seconds" --relay "$RELAY_PID" --daemon "$(daemon)" \
    --conf "$T/dovecot/dovecot.conf" "$M" "$server" || fail "seed $seed (${modes[seed % 3]})"
  unmount
  kill "$RELAY_PID"
  stop_dovecot
done
