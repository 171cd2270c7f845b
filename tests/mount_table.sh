#!/bin/bash
# SPDX-License-Identifier: MIT
# mount(8), fstab and the mount table after make install. Needs root, as mount does. mount(8) looks for helpers in /sbin
# and for programs in the system's PATH only, so the installation is laid over these, in a mount namespace of our own.
if [ "$(id -u)" != 0 ]; then
  echo "only root can mount from a table"
  exit 77
fi
if [ -z "${OWN_NAMESPACE:-}" ]; then
  OWN_NAMESPACE=1 exec unshare --mount --propagation private "$0"
fi
. "$(dirname "$0")/lib/mount.sh"

mailbox 5 --small
start_dovecot
say "make install"
make -s -C "$TOP" install DESTDIR="$T/dest" PREFIX=/usr/local SAN="${SAN:-}"
[ -e "$T/dest/usr/local/share/man/man1/imapfs.1" ] || fail "no man page"
mount --bind "$T/dest/usr/local/bin" /usr/local/bin
mount -t overlay overlay -o "lowerdir=$T/dest/sbin:$(realpath /sbin)" "$(realpath /sbin)"
[ "$(realpath /sbin/mount.imapfs)" = /usr/local/bin/imapfs ] || fail "mount.imapfs is not imapfs"
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

say "mount -t imapfs"
mount -t imapfs "$source_" "$M" -o "$options,rw,noauto,user,x-systemd.automount"
check
mount -f -t imapfs "$source_" "$M" -o "$options"
/sbin/mount.imapfs "$source_" "$M" -f -n -s -v -o "rw,$options"
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
