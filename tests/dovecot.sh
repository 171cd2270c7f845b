#!/bin/sh
# SPDX-License-Identifier: MIT
# dovecot.sh DIR PORT TLSPORT: a private Dovecot on loopback, in the foreground until it is killed.
# Any user with the password "secret" has a Maildir in DIR/mail/USER. Works as root and as anybody.
# DIR/cert.pem is its certificate (for localhost and 127.0.0.1) and its own authority.
# DIR/tunnel runs the same server pre-authenticated for the user in $1, on standard input and output.
set -eu
dir=$1 port=$2 tlsport=$3
export PATH="$PATH:/usr/sbin"
mkdir -p "$dir/run" "$dir/state" "$dir/mail" "$dir/home"

if [ "$(id -u)" = 0 ]; then
  uid=$(id -u mail) gid=$(id -g mail) internal=dovecot login=dovenull
  as="setpriv --reuid=$uid --regid=$gid --clear-groups"
  chmod 755 "$dir"
  chown -R "$uid:$gid" "$dir/mail" "$dir/home"
else
  uid=$(id -u) gid=$(id -g) internal=$(id -un) login=$(id -un)
  as=
fi

[ -f "$dir/cert.pem" ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
  -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1 \
  -keyout "$dir/key.pem" -out "$dir/cert.pem" 2>"$dir/openssl.log"

cat >"$dir/tunnel.conf" <<END
base_dir = $dir/tunnel-run
log_path = /dev/stderr
protocols = imap
ssl = no
mail_location = maildir:$dir/mail/%u
mail_plugins = zlib
protocol imap {
  mail_plugins = zlib imap_zlib
}
END

cat >"$dir/tunnel" <<END
#!/bin/sh
exec $as env HOME=$dir/home USER=\$1 doveadm -c $dir/tunnel.conf exec imap
END
chmod 755 "$dir/tunnel"

cat >"$dir/dovecot.conf" <<END
base_dir = $dir/run
state_dir = $dir/state
log_path = $dir/log
protocols = imap
listen = 127.0.0.1
ssl = yes
ssl_cert = <$dir/cert.pem
ssl_key = <$dir/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256
auth_failure_delay = 0
default_internal_user = $internal
default_internal_group = $(id -gn "$internal")
default_login_user = $login
first_valid_uid = 1
mail_location = maildir:$dir/mail/%u
mail_max_userip_connections = ${DOVECOT_CONNECTIONS:-50}
mail_plugins = zlib
protocol imap {
  mail_plugins = zlib imap_zlib
}
passdb {
  driver = static
  args = password=secret
}
userdb {
  driver = static
  args = uid=$uid gid=$gid home=$dir/home/%u
}
service imap-login {
  chroot =
  inet_listener imap {
    port = $port
  }
  inet_listener imaps {
    port = $tlsport
  }
}
service anvil {
  chroot =
}
namespace inbox {
  inbox = yes
  separator = /
  mailbox Drafts {
    special_use = \\Drafts
    auto = subscribe
  }
  mailbox Sent {
    special_use = \\Sent
    auto = subscribe
  }
  mailbox Trash {
    special_use = \\Trash
    auto = subscribe
  }
}
END
exec dovecot -F -c "$dir/dovecot.conf"
