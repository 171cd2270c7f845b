# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Sourced: the other client of $WHO, else alice, who goes to Dovecot by itself and not through the mount or a relay.

other() { # other COMMAND...: over one connection, one after the other; untagged lines go to $T/said, NO and BAD fail
  local fd command line n=0
  exec {fd}<>"/dev/tcp/127.0.0.1/$(cat "$T/dovecot/port")"
  for command in "LOGIN ${WHO:-alice} secret" "$@"; do
    n=$((n + 1))
    printf '%d %s\r\n' $n "$command" >&"$fd"
    while IFS= read -r -t 60 line <&"$fd" || fail "the server hung up on: $command"; do
      case $line in
        "$n OK"*) break ;;
        "$n "*) fail "$command: $line" ;;
        *) printf "%s\n" "${line%$'\r'}" >>"$T/said" ;;
      esac
    done
  done
  exec {fd}>&-
}

# Message N of a test: its file is called 2024-03-01_Push_Letter-N.UID.eml.
letter() { # letter N
  printf '%s\r\n' "From: Push <push@example.com>" "Subject: Letter $1" "Message-ID: <letter-$1@example.com>" \
    "Date: Fri, 01 Mar 2024 10:00:00 +0000" "" "This is letter $1, and no other." "$(seq -s ' ' "$1" "$(($1 + 300))")"
}
name_of() { # name_of N UID
  echo "2024-03-01_Push_Letter-$1.$2.eml"
}
append() { # append FOLDER N...: appends letters
  local folder=$1 n text commands=()
  shift
  for n; do
    text=$(letter "$n" && echo .)
    text=${text%.}
    commands+=("APPEND \"$folder\" \"01-Mar-2024 10:00:00 +0000\" {${#text}+}"$'\r\n'"$text")
  done
  other "${commands[@]}"
}
