#!/bin/bash
# SPDX-License-Identifier: MIT
# dovecot.sh [-F] DIR: starts a private Dovecot on loopback with everything under DIR, as root or as any user, and
# returns when it answers; with -F it becomes that Dovecot. Mail is Maildir in DIR/mail/USER, every user has the password
# "secret" and may have $DOVECOT_CONNECTIONS at once. $DOVECOT_QUOTA: so many KiB for each; $DOVECOT_ACL: if not empty
# there are rights, from the files dovecot-acl of mailboxes and by SETACL; $DOVECOT_SENT, $DOVECOT_DRAFTS: there is a
# \Sent, a \Drafts. Leaves in DIR: port and tls_port (numbers), cert.pem (for localhost and 127.0.0.1), log,
# run/master.pid to end it by, and tunnel: "tunnel USER" is IMAP on standard input and output, already logged in, while
# the server runs.
set -eu

foreground=
[ "$1" != -F ] || { foreground=-F && shift; }
dir=$(realpath -m "$1")
export PATH=$PATH:/usr/sbin
mkdir -p "$dir/run" "$dir/mail" "$dir/state"
if [ ! -e "$dir/cert.pem" ]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout "$dir/key.pem" -out "$dir/cert.pem" \
    2>"$dir/openssl.log"
fi

user=$(id -un) group=$(id -gn) internal=$user login=$user
if [ "$(id -u)" = 0 ]; then # Dovecot serves no mail as root
  user=mail group=mail internal=dovecot login=dovenull
  chown -R "$user:$group" "$dir/mail"
  chmod 711 "$dir"
fi

plugins='' imap_plugins='' mailboxes=''
[ -z "${DOVECOT_QUOTA-}" ] || plugins+=" quota" imap_plugins+=" imap_quota"
[ -z "${DOVECOT_ACL-}" ] || plugins+=" acl" imap_plugins+=" imap_acl"
special() { # special NAME
  mailboxes+="  mailbox $1 {
    auto = create
    special_use = \\$1
  }
"
}
[ -z "${DOVECOT_SENT-}" ] || special Sent
[ -z "${DOVECOT_DRAFTS-}" ] || special Drafts

free_port() { # below those that the kernel gives to clients
  local port
  while port=$((10000 + RANDOM % 20000)); do
    grep -qi ":$(printf %04X $port) " /proc/net/tcp || break
  done
  echo $port
}

configure() { # configure PORT TLSPORT
  cat <<END
base_dir = $dir/run
state_dir = $dir/state
log_path = $dir/log
protocols = imap
listen = 127.0.0.1, 127.0.0.2
ssl = yes
ssl_cert = <$dir/cert.pem
ssl_key = <$dir/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256
auth_failure_delay = 0
mail_location = maildir:$dir/mail/%u
mail_uid = $(id -u "$user")
mail_gid = $(id -g "$user")
first_valid_uid = 1
default_internal_user = $internal
default_internal_group = $(id -gn "$internal")
default_login_user = $login
mail_max_userip_connections = ${DOVECOT_CONNECTIONS:-50}
mail_plugins = \$mail_plugins zlib$plugins
protocol imap {
  mail_plugins = \$mail_plugins imap_zlib$imap_plugins
}
plugin {
  quota = count:User quota
  quota_vsizes = yes
  quota_rule = *:storage=${DOVECOT_QUOTA:-0}K
  acl = vfile
}
passdb {
  driver = static
  args = password=secret
}
userdb {
  driver = static
  args = uid=$(id -u "$user") gid=$(id -g "$user") home=$dir/home/%u
}
service imap-login {
  inet_listener imap {
    port = $1
  }
  inet_listener imaps {
    port = $2
  }
  chroot =
}
service anvil {
  chroot =
  unix_listener anvil-auth-penalty { # no longer and longer waits after wrong passwords
    mode = 0
  }
}
namespace inbox {
  inbox = yes
  separator = /
$mailboxes
}
END
}

cat >"$dir/tunnel" <<END
#!/bin/sh
exec doveadm -c '$dir/dovecot.conf' exec imap -u "\$1"
END
chmod 755 "$dir/tunnel"

# Somebody else may take a port between our look and Dovecot's bind: then another one does.
for _ in 1 2 3 4 5; do
  port=$(free_port) tls_port=$(free_port)
  configure "$port" "$tls_port" >"$dir/dovecot.conf"
  echo "$tls_port" >"$dir/tls_port"
  echo "$port" >"$dir/port"
  [ -z "$foreground" ] || exec dovecot -F -c "$dir/dovecot.conf"
  ! dovecot -c "$dir/dovecot.conf" >"$dir/start" 2>&1 </dev/null || exit 0
done
cat "$dir/start" "$dir/log" >&2
exit 1
