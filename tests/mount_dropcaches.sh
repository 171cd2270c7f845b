#!/bin/bash
# SPDX-License-Identifier: MIT
# The kernel forgets everything again and again while programs list and read: all of them stay right.
. "$(dirname "$0")/lib/mount.sh"

if [ "$(id -u)" != 0 ] || [ ! -w /proc/sys/vm/drop_caches ]; then
  echo "only root can drop the kernel's caches"
  [ "${CI:-}" != true ] || [ "$(id -u)" != 0 ] || exit 1
  exit 77
fi
mailbox 300 --small
start_dovecot
mount_it
(cd "$M/INBOX" && sha256sum -- *.eml) >"$T/sums"
while echo 2 >/proc/sys/vm/drop_caches && echo 1 >/proc/sys/vm/drop_caches; do :; done &
dropper=$!
for i in 1 2 3; do
  (cd "$M/INBOX" && for _ in 1 2 3 4; do
    sha256sum --quiet -c "$T/sums" || exit 1
    [ "$(ls -l | grep -c eml)" = 300 ] || exit 1
  done) &
  loads[i]=$!
done
for i in 1 2 3; do
  wait "${loads[i]}" || fail "load $i"
done
kill $dropper
