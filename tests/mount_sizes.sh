#!/bin/bash
# SPDX-License-Identifier: MIT
# RFC822.SIZE is a claim: whether it is too big, too small or 0, every way of reading ends exactly where the message does.
. "$(dirname "$0")/lib/mount.sh"

mock_sums 40 --bytes 9000 >"$T/expected"
start_mock --messages 40 --bytes 9000 --lie mixed
fresh() { # a mount that has seen nothing yet
  unmounted || unmount
  rm -rf "$XDG_STATE_HOME" "$XDG_CACHE_HOME"
  mount_it
  ls "$M/INBOX" >/dev/null
}
copied() { # copied DIRECTORY
  file_sums "$1" >"$T/got"
  same "bytes" "$T/expected" "$T/got"
}
each() { # each COMMAND...: reads a file to stdout
  local file
  fresh
  rm -rf "$T/out" && mkdir "$T/out"
  for file in "$M"/INBOX/*.eml; do
    "$@" "$file" >"$T/out/${file##*/}"
  done
  copied "$T/out"
}

say "no size of 0 is ever shown"
fresh
eq "empty files" 0 "$(find "$M/INBOX" -type f -size 0 | wc -l)"

say "cat, sendfile, mmap"
each cat
for way in sendfile mmap read pread; do
  say "$way"
  each "$TOOLS/readways" "$way"
done

say "cp, tar, rsync, grep"
fresh
cp -a "$M/INBOX" "$T/cp"
copied "$T/cp"
fresh
tar -C "$M/INBOX" -cf - . | tar -C "$T" --one-top-level=tar -xf -
copied "$T/tar"
fresh
rsync -a "$M/INBOX/" "$T/rsync"
copied "$T/rsync"
fresh
eq "grep" "$(grep -rc line "$T/cp" | sed 's/.*://' | paste -sd+ | bc)" \
  "$(grep -rc line "$M/INBOX" | sed 's/.*://' | paste -sd+ | bc)"

say "an append goes to the end"
fresh
for file in "$M"/INBOX/*.eml; do
  "$TOOLS/readways" append "$file" || fail "no append to $file"
  tail -c +$(($(stat -c %s "$T/cp/${file##*/}") + 1)) "$file" >"$T/appended"
  eq "octets appended to ${file##*/}" 1 "$(stat -c %s "$T/appended")"
  head -c -1 "$file" | cmp - "$T/cp/${file##*/}" || fail "what was there before"
done
say "sizes are right once a file was opened"
fresh
cat "$M"/INBOX/*.eml >/dev/null
for file in "$M"/INBOX/*.eml; do
  eq "size of ${file##*/}" "$(stat -c %s "$T/cp/${file##*/}")" "$(stat -c %s "$file")"
done
