#!/bin/bash
# SPDX-License-Identifier: MIT
# mount(8), fstab and the mount table; make install. Needs root, as mount does.
. "$(dirname "$0")/lib/mount.sh"

if [ "$(id -u)" != 0 ]; then
  echo "only root can mount from a table"
  exit 77
fi
mailbox 5 --small
start_dovecot
PATH=$BUILD:$PATH
source_=imap://alice@127.0.0.1:$PORT
options=tls=off,passfile=$T/pass
table() {
  awk -v m="$M" '$2 == m { print $1, $3 }' /proc/self/mounts
}
check() {
  eq "messages" 5 "$(ls "$M/INBOX" | grep -c eml)"
  eq "mount table" "alice@127.0.0.1: fuse.imapfs" "$(table)"
  ! grep " $M " /proc/self/mountinfo | grep -qE 'secret|passfile|password' || fail "a secret in the mount table"
  ! tr '\0' ' ' <"/proc/$(daemon)/environ" | grep -q secret || fail "a secret in the environment"
  unmount
}

say "mount -t fuse.imapfs"
mount -t fuse.imapfs "$source_" "$M" -o "$options,rw,noexec,nodev,nosuid,nofail,_netdev"
check

say "make install, mount.imapfs"
make -s -C "$TOP" install DESTDIR="$T/dest" PREFIX=/usr SAN="${SAN:-}" >/dev/null
[ -x "$T/dest/usr/bin/imapfs" ] && [ -e "$T/dest/usr/share/man/man1/imapfs.1" ] || fail "not installed"
[ -L "$T/dest/sbin/mount.imapfs" ] || fail "no mount.imapfs"
ln -s "$T/dest/usr/bin/imapfs" "$T/mount.imapfs"
"$T/mount.imapfs" "$source_" "$M" -n -s -o "rw,noauto,user,x-systemd.automount,$options"
check
"$T/mount.imapfs" "$source_" "$M" -f -o "rw,$options"
unmounted || fail "-f is to fake only"

say "fstab"
cat >"$T/fstab" <<END
alice@127.0.0.1: $M fuse.imapfs $options,port=$PORT,nofail,_netdev 0 0
END
if mount --fstab "$T/fstab" "$M" 2>"$T/err"; then
  eq "messages" 5 "$(ls "$M/INBOX" | grep -c eml)"
  mount --fstab "$T/fstab" -a -v -t fuse.imapfs >"$T/out" 2>&1 || :
  grep -q 'already mounted' "$T/out" || fail "$(cat "$T/out")"
  eq "mounts" 1 "$(grep -c " $M " /proc/self/mounts)"
  check
else
  fail "fstab: $(cat "$T/err")"
fi

say "root mounts for a user"
chmod 755 "$T"
user=nobody
mount_it "uid=$(id -u $user),gid=$(id -g $user)"
eq "owner" "$user" "$(stat -c %U "$M/INBOX")"
eq "messages" 5 "$(setpriv --reuid=$user --regid="$(id -g $user)" --clear-groups ls "$M/INBOX" | grep -c eml)"
! setpriv --reuid=mail --regid=mail --clear-groups ls "$M/INBOX" 2>/dev/null || fail "another user may read"
