#!/bin/bash
# SPDX-License-Identifier: MIT
# What cannot work says so in one sentence, exits non-zero and leaves no mount behind.
. "$(dirname "$0")/lib/mount.sh"

mailbox 3 --small
start_dovecot
echo wrong >"$T/wrong"
cp "$T/pass" "$T/open"
chmod 600 "$T/wrong"
chmod 644 "$T/open"
mkdir "$T/full"
touch "$T/full/file"
: >"$T/file"
local_=tls=off,passfile=$T/pass
url=imap://alice@127.0.0.1:$PORT
no() { # no TEXT OPTIONS SOURCE [MOUNTPOINT]
  refused "$1" "$IMAPFS" -o "$2" "$3" "${4:-$M}"
  unmounted "${4:-$M}" || fail "mounted all the same"
  ! (daemon "${4:-$M}") 2>/dev/null || fail "a daemon stays"
}
no 'password|login|authenti' "tls=off,passfile=$T/wrong" "$url"
no 'no.such.host.invalid' "passfile=$T/pass" imaps://alice@no.such.host.invalid
no 'refused|connect' "$local_" imap://alice@127.0.0.1:1
no 'certificate|TLS' "passfile=$T/pass" "imaps://alice@localhost:$TLS_PORT"
no 'certificate|TLS|name' "passfile=$T/pass,tls_ca=$T/dovecot/cert.pem" "imaps://alice@127.0.0.2:$TLS_PORT"
no 'pin' "passfile=$T/pass,tls_ca=$T/dovecot/cert.pem,tls_pin=sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" \
  "imaps://alice@localhost:$TLS_PORT"
no 'empty' "$local_" "$url" "$T/full"
no 'directory' "$local_" "$url" "$T/file"
no 'No such file|not exist' "$local_" "$url" "$T/nowhere"
no 'colour' "$local_,colour=green" "$url"
no 'timeout' "$local_,timeout=soon" "$url"
no 'others|permission|mode' "tls=off,passfile=$T/open" "$url"
no 'passfile|nothing|No such' "tls=off,passfile=$T/none" "$url"
no 'password' tls=off "$url"
mount_it
say "a second mount of the same account says where it is mounted"
mkdir "$T/second"
refused "$M" "$IMAPFS" -o "$local_" "$url" "$T/second"
unmounted "$T/second" || fail "mounted twice"
