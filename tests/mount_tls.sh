#!/bin/bash
# SPDX-License-Identifier: MIT
# TLS from the start and by STARTTLS, with a certificate of our own; a pin; a password from a command; every mechanism.
. "$(dirname "$0")/lib/mount.sh"

mailbox 5 --small
start_dovecot
ca=tls_ca=$T/dovecot/cert.pem
works() { # works OPTIONS SOURCE
  say "$*"
  timeout 300 "$IMAPFS" -o "$1" "$2" "$M"
  eq "messages" 5 "$(ls "$M/${3-INBOX}" | grep -c eml)"
  unmount
}
works "passfile=$T/pass,$ca" "imaps://alice@localhost:$TLS_PORT"
works "passfile=$T/pass,$ca" "imap://alice@localhost:$PORT"
works "passfile=$T/pass,$ca" "imaps://alice@localhost:$TLS_PORT/INBOX" ""
works "passfile=$T/pass,$ca,root=INBOX" "imaps://alice@localhost:$TLS_PORT" ""
works "password_command=cat $T/pass,$ca" "imaps://alice@localhost:$TLS_PORT"
pin=$(openssl x509 -in "$T/dovecot/cert.pem" -pubkey -noout | openssl pkey -pubin -outform der |
  openssl dgst -sha256 -binary | openssl enc -base64)
works "passfile=$T/pass,$ca,tls_pin=sha256//$pin" "imaps://alice@localhost:$TLS_PORT"
for mechanism in PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256; do
  works "passfile=$T/pass,$ca,auth=$mechanism" "imaps://alice@localhost:$TLS_PORT"
done
works "passfile=$T/pass,$ca,compress=on" "imaps://alice@localhost:$TLS_PORT"
works "passfile=$T/pass,$ca,connections=1" "imaps://alice@localhost:$TLS_PORT"
works "passfile=$T/pass,$ca,names=uid,connections=2" "imaps://alice@localhost:$TLS_PORT"
