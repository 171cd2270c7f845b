#!/bin/bash
# SPDX-License-Identifier: MIT
# Whatever a stranger writes into a subject, and a server into a folder name: names stay names.
. "$(dirname "$0")/lib/mount.sh"

mock_sums 48 --hostile >"$T/expected"
start_mock --messages 48 --hostile
mount_it
find "$M" -mindepth 1 -print0 >"$T/all"
! LC_ALL=C tr '\0' '/' <"$T/all" | LC_ALL=C grep -qP '[\x01-\x1f\x7f]' || fail "a control character in a name"
! grep -qzP '\xe2\x80[\xaa-\xae]' "$T/all" || fail "a bidi mark in a name"
tr '\0' '\n' <"$T/all" | iconv -f UTF-8 -t UTF-8 >/dev/null || fail "a name is not UTF-8"
ls -f "$M/INBOX" | grep eml | sort >"$T/names"
eq "messages" 48 "$(wc -l <"$T/names")"
! grep -vE '^2020-01-[0-9]{2}_' "$T/names" || fail "a name begins otherwise"
! grep -P '[\s/$`;*"'"'"'|&<>()\\]' "$T/names" || fail "a name needs quoting"
[ "$(awk '{ print length }' "$T/names" | sort -n | tail -n 1)" -le 255 ] || fail "too long"
file_sums "$M/INBOX" >"$T/got"
same "bytes" "$T/expected" "$T/got"
eq "folders" 15 "$(find "$M" -mindepth 1 -type d | wc -l)"
eq "folders by name" "$(find "$M" -mindepth 1 -type d -printf '%i\n' | sort -u | wc -l)" \
  "$(find "$M" -mindepth 1 -type d -print0 | xargs -0 stat -c %i | sort -u | wc -l)"
[ "$(realpath "$M/..")" = "$T" ] || fail "a folder named .. took over"
