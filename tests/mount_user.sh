#!/bin/bash
# SPDX-License-Identifier: MIT
# As an ordinary user: where root runs the tests, some run again as somebody made for the purpose.
. "$(dirname "$0")/lib/mount.sh"

if [ "$(id -u)" != 0 ]; then
  echo "the other tests have run as an ordinary user already"
  exit 77
fi
# As udev sets it; a container without udev may not have.
[ "$(stat -c %a /dev/fuse)" = 666 ] || chmod 666 /dev/fuse
uid=$(awk -F: '{ u[$3] = 1 } END { for (i = 54321; i in u; i++); print i }' /etc/passwd)
useradd --no-create-home --uid "$uid" "imapfs$uid"
mkdir "$T/user"
chown "$uid" "$T/user"
AT_END="userdel imapfs$uid"
# The tree may stand where others have no access: they get a copy of what the tests need.
mkdir -p "$T/tree/tests" "$T/tree/build/tests"
cp -r "$TOP"/tests/lib "$TOP"/tests/mount_*.sh "$T/tree/tests"
find "$TOOLS" -maxdepth 1 -type f -perm -1 -exec cp {} "$T/tree/build/tests" \;
cp "$IMAPFS" "$T/tree/build"
chmod -R go+rX "$T/tree"
for test in mount_read mount_unmount mount_errors mount_tunnel; do
  say "$test"
  (cd "$T/tree" && env -u BUILD TMPDIR="$T/user" HOME="$T/user" \
    setpriv --reuid="$uid" --regid="$(id -g "imapfs$uid")" --clear-groups "tests/$test.sh")
done
