#!/bin/bash
# SPDX-License-Identifier: MIT
# What people write mail with: each tool, as it is used, and then what the server has, message by message.
. "$(dirname "$0")/lib/mount.sh"
. "$TOP/tests/lib/other.sh"

start_dovecot
other 'CREATE Work' 'CREATE Archive' 'CREATE Trash (USE (\Trash))' 'CREATE Drafts (USE (\Drafts))'
export TRACE=$T/trace
mount_it
W=$M/Work S=$T/sources
mkdir "$S"

# ---- what a test needs
make_letters() { # make_letters DIRECTORY FIRST LAST: CR LF
  local n
  mkdir -p "$1"
  for ((n = $2; n <= $3; n++)); do
    letter "$n" >"$1/letter-$n.eml"
  done
}
plain() { # the octets of files, but for how lines end
  local file
  for file; do
    tr -d '\r' <"$file" | sha256sum
  done | sort
}
drained() {
  timeout 300 getfattr -n user.imapfs.drained "$M" >/dev/null 2>"$T/err" || fail "not drained: $(cat "$T/err")"
}
maildir_of() { # maildir_of FOLDER
  [ "$1" = INBOX ] && echo "$MAILDIR" || echo "$MAILDIR/.$1"
}
sums_of() { # sums_of FOLDER: of what the server has there, each message
  local files=()
  mapfile -d '' files < <(find "$(maildir_of "$1")"/cur "$(maildir_of "$1")"/new -type f -print0)
  plain "${files[@]}"
}
has() { # has FOLDER FILE...: the server has these there, each once, and nothing else
  local folder=$1
  shift
  drained
  plain "$@" >"$T/has.expected"
  # Dovecot moves files from new/ to cur/ while we look.
  for _ in 1 2 3; do
    sums_of "$folder" >"$T/has.got" 2>/dev/null
    ! cmp -s "$T/has.expected" "$T/has.got" || return 0
  done
  same "$folder on the server" "$T/has.expected" "$T/has.got"
}
uidnext() { # uidnext FOLDER
  : >"$T/said"
  other "STATUS $1 (UIDNEXT)"
  sed -n 's/.*UIDNEXT \([0-9]*\).*/\1/p' "$T/said"
}
sent_nothing() { # sent_nothing FOLDER UIDNEXT
  drained
  eq "UIDNEXT of $1" "$2" "$(uidnext "$1")"
}
emptied() { # emptied FOLDER: as a user does, and for good
  find "$M/$1" -mindepth 1 -delete
  drained
  find "$M/Trash" -mindepth 1 -delete
  has "$1"
}
inode() {
  stat -c %i "$1"
}
mtime() {
  stat -c %Y "$1"
}

make_letters "$S" 1 9
L=("$S"/*.eml)

say "cp, and cp -p"
cp "${L[@]}" "$W/"
diff -r "$S" "$W"
before=$(inode "$W/letter-1.eml")
has Work "${L[@]}"
eq "inode after the upload" "$before" "$(inode "$W/letter-1.eml")"
diff -r "$S" "$W"
emptied Work
touch -d '2003-04-05 06:07:08' "${L[@]}"
cp -p "${L[@]}" "$W/"
eq "mtime" "$(mtime "$S/letter-3.eml")" "$(mtime "$W/letter-3.eml")"
has Work "${L[@]}"
eq "mtime" "$(mtime "$S/letter-3.eml")" "$(mtime "$W/letter-3.eml")"
: >"$T/said"
other 'EXAMINE Work' 'FETCH 1:* (INTERNALDATE)'
eq "INTERNALDATE" 9 "$(grep -c '"05-Apr-2003 06:07:08 +0000"' "$T/said")"
emptied Work

say "python's shutil"
python3 - "$W" "${L[@]}" <<'END'
import shutil, sys
for name in sys.argv[2:]:
    shutil.copy2(name, sys.argv[1])
END
eq "mtime" "$(mtime "$S/letter-3.eml")" "$(mtime "$W/letter-3.eml")"
has Work "${L[@]}"

say "mv within the mount, and back"
before=$(inode "$W/letter-1.eml")
mv "$W"/*.eml "$M/Archive/"
eq "inode" "$before" "$(inode "$M/Archive/letter-1.eml")"
[ -z "$(ls -A "$W")" ] || fail "they are still there"
has Archive "${L[@]}"
has Work
mv "$M/Archive/letter-1.eml" "$M/Archive/renamed.eml"
mv "$M/Archive/renamed.eml" "$W/letter-1.eml"
eq "inode" "$before" "$(inode "$W/letter-1.eml")"
has Work "${L[0]}"
mv "$M/Archive"/*.eml "$W"
has Work "${L[@]}"
emptied Work

say "mv from another filesystem, and to it"
mkdir "$T/more" && cp -p "${L[@]}" "$T/more/"
mv "$T/more"/*.eml "$W/"
[ -z "$(ls -A "$T/more")" ] || fail "mv left its sources"
has Work "${L[@]}"
mv "$W"/*.eml "$T/more/"
diff -r "$S" "$T/more"
has Work
emptied Trash

say "mv over a message"
cp "$S/letter-1.eml" "$S/letter-2.eml" "$W/"
drained
mv -f "$W/letter-1.eml" "$W/letter-2.eml"
same "octets" "$S/letter-1.eml" "$W/letter-2.eml"
has Work "$S/letter-1.eml"
emptied Work

say "rsync: the second time it transfers nothing"
rsync -a --stats "$S/" "$W/" >"$T/stats"
has Work "${L[@]}"
next=$(uidnext Work)
rsync -a --stats "$S/" "$W/" >"$T/stats"
eq "files transferred" 0 "$(sed -n 's/Number of regular files transferred: //p' "$T/stats")"
rsync -ac --stats "$S/" "$W/" >"$T/stats"
eq "files transferred by checksum" 0 "$(sed -n 's/Number of regular files transferred: //p' "$T/stats")"
sent_nothing Work "$next"

say "rsync: LF is sent once, though rsync comes again"
mkdir "$T/lf"
for file in "${L[@]}"; do
  tr -d '\r' <"$file" >"$T/lf/${file##*/}"
done
for _ in 1 2 3; do
  rsync -a "$T/lf/" "$W/"
  sent_nothing Work "$next"
done
eq "names" 9 "$(find "$W" -type f | wc -l)"

say "... also with raw 8-bit headers, which some servers alter"
mkdir "$T/eight" "$M/Eight"
printf 'From: ann@example.com\nSubject: Gr\xc3\xbc\xc3\x9fe \xff\nMessage-ID: <eight@x>\n\nBody\n' >"$T/eight/eight.eml"
is_cached() { # is_cached FILE: its body is here, and nobody has read it
  [ -n "$(find "$XDG_CACHE_HOME" -path '*/bodies/*' -name $(($(inode "$1") & 0xfffffffffffffff)))" ]
}
rsync -a "$T/eight/" "$M/Eight/"
has Eight "$T/eight/eight.eml"
wait_until 20 is_cached "$M/Eight/eight.eml"
next=$(uidnext Eight)
for _ in 1 2; do
  rsync -a "$T/eight/" "$M/Eight/"
  sent_nothing Eight "$next"
done
emptied Eight
rmdir "$M/Eight"
next=$(uidnext Work)

say "rsync: --delete, --backup, --partial-dir, --delay-updates, --inplace"
letter 20 >"$S/letter-20.eml" && rm "$S/letter-1.eml" && letter 30 >"$S/letter-2.eml"
L=("$S"/*.eml)
rsync -a --delete "$S/" "$W/"
has Work "${L[@]}"
letter 31 >"$S/letter-2.eml"
rsync -a --backup "$S/" "$W/"
same "backup" <(letter 30) "$W/letter-2.eml~"
has Work "${L[@]}" <(letter 30)
rm "$W"/*~
letter 32 >"$S/letter-2.eml"
rsync -a --backup --backup-dir=.old "$S/" "$W/"
same "backup" <(letter 31) "$W/.old/letter-2.eml"
has Work "${L[@]}"
rm -r "$W/.old"
letter 33 >"$S/letter-2.eml"
rsync -a --partial --partial-dir=.partial "$S/" "$W/"
has Work "${L[@]}"
letter 34 >"$S/letter-2.eml"
rsync -a --delay-updates "$S/" "$W/"
has Work "${L[@]}"
letter 35 >"$S/letter-2.eml"
rsync -a --inplace "$S/" "$W/"
has Work "${L[@]}"
eq "names" "$(cd "$S" && ls)" "$(ls -A "$W")"

say "rsync: cut off, and once more"
emptied Work
next=$(uidnext Work)
{ cat "$S/letter-2.eml" && head -c 3000000 /dev/zero | tr '\0' x | fold -w 70; } >"$S/large.eml"
L=("$S"/*.eml)
rsync -a --bwlimit=1000 "$S/large.eml" "$W/" &
pid=$!
wait_until 20 sh -c "find '$W' -name '.large*' -size +200k | grep -q ."
kill -9 $pid $(pgrep -P $pid) || :
wait $pid || :
sent_nothing Work "$next"
rsync -a "$S/" "$W/"
has Work "${L[@]}"
emptied Work
rm "$S/large.eml"
L=("$S"/*.eml)

say "tar x, install, cat >, >>"
tar -C "$S" -cf "$T/a.tar" . && tar -C "$W" -xf "$T/a.tar"
has Work "${L[@]}"
eq "mtime" "$(mtime "$S/letter-4.eml")" "$(mtime "$W/letter-4.eml")"
emptied Work
install -m 640 "${L[@]}" "$W/"
has Work "${L[@]}"
emptied Work
cat "$S/letter-3.eml" >"$W/catted.eml"
(head -n 5 && cat) <"$S/letter-4.eml" >"$W/twice.eml"
head -n 4 "$S/letter-5.eml" >"$W/more.eml"
tail -n +5 "$S/letter-5.eml" >>"$W/more.eml"
has Work "$S"/letter-[345].eml
say "... at its end, when the server has it"
echo "P. S." >>"$W/more.eml"
{ cat "$S/letter-5.eml" && echo "P. S."; } >"$T/more.eml"
has Work "$S"/letter-[34].eml "$T/more.eml"
same "octets" <(tr -d '\r' <"$T/more.eml") <(tr -d '\r' <"$W/more.eml")
emptied Work

say "a writer that is killed half way"
next=$(uidnext Work)
mkfifo "$T/fifo"
for signal in KILL TERM HUP; do
  cat "$T/fifo" >"$W/half-$signal.eml" &
  pid=$!
  exec 7>"$T/fifo"
  cat "$S/letter-3.eml" >&7
  wait_until 10 test -s "$W/half-$signal.eml"
  kill -$signal $pid
  wait $pid || :
  exec 7>&-
done
sent_nothing Work "$next"
rm "$W"/half-*.eml

say "sed -i"
cp "$S/letter-3.eml" "$W/draft.eml"
sed -i 's/no other/NO OTHER/' "$W/draft.eml"
sed 's/no other/NO OTHER/' "$S/letter-3.eml" >"$T/edited.eml"
has Work "$T/edited.eml"
sed -i 's/NO OTHER/no other/' "$W/draft.eml"
has Work "$S/letter-3.eml"
sed -i 's/nothing at all/x/' "$W/draft.eml"
has Work "$S/letter-3.eml"

say "vim"
edit() { # edit OPTIONS COMMAND: vim spares what is below /tmp its backups
  vim -u NONE -i NONE -es -c "set backupskip= $1" -c "$2" -c wq "$W/draft.eml" </dev/null >"$T/out" 2>&1 ||
    fail "vim with $1: $(cat "$T/out")"
}
edit "" '%s/no other/NO OTHER/'
has Work "$T/edited.eml"
for backup in yes no auto; do
  edit "backup backupcopy=$backup" '%s/NO OTHER/no other/'
  # A copy is debris. What was renamed is a mail that is called so.
  if [ $backup = yes ]; then
    has Work "$S/letter-3.eml"
  else
    has Work "$S/letter-3.eml" "$T/edited.eml"
  fi
  same "backup" <(tr -d '\r' <"$T/edited.eml") <(tr -d '\r' <"$W/draft.eml~")
  rm "$W/draft.eml~"
  has Work "$S/letter-3.eml"
  edit "nobackup backupcopy=$backup" '%s/no other/NO OTHER/'
  has Work "$T/edited.eml"
  [ ! -e "$W/draft.eml~" ] || fail "a backup that was not asked for"
done
mkdir "$W/.backup"
edit "backup backupcopy=no backupdir=$W/.backup" '%s/NO OTHER/no other/'
has Work "$S/letter-3.eml"
rm -r "$W/.backup"
edit "patchmode=.orig" '%s/no other/NO OTHER/'
[ -e "$W/draft.eml.orig" ] || fail "no original"
rm "$W/draft.eml.orig"
has Work "$T/edited.eml"
eq "names" draft.eml "$(ls -A "$W")"

say "nano"
for options in "" -B; do
  { sleep 1 && printf 'X' && sleep 0.5 && printf '\x0f' && sleep 0.5 && printf '\r' && sleep 0.5 && printf '\x18'; } |
    TERM=xterm timeout 30 script -qec "nano -I $options '$W/draft.eml'" /dev/null >"$T/out" 2>&1 || fail "nano: $(cat "$T/out")"
  rm -f "$W/draft.eml~"
done
{ printf XX && cat "$T/edited.eml"; } >"$T/nano.eml"
has Work "$T/nano.eml"
eq "names" draft.eml "$(ls -A "$W")"
emptied Work

say "files that python's mailbox made, with their flags"
python3 - "$T/box" "${L[@]}" <<'END'
import mailbox, sys
box = mailbox.Maildir(sys.argv[1])
for name in sys.argv[2:]:
    with open(name, 'rb') as file:
        message = mailbox.MaildirMessage(file.read().replace(b'\r\n', b'\n'))
    message.set_subdir('cur')
    message.set_flags('FS')
    box.add(message)
END
cp "$T/box/cur"/* "$W/"
has Work "${L[@]}"
: >"$T/said"
other 'EXAMINE Work' 'FETCH 1:* (FLAGS)'
eq "flags" "${#L[@]}" "$(grep -c 'FETCH (FLAGS (.*Flagged.*Seen' "$T/said")"

say "a file manager"
emptied Work
gio copy --preserve "${L[@]}" "$W/"
eq "mtime" "$(mtime "$S/letter-4.eml")" "$(mtime "$W/letter-4.eml")"
has Work "${L[@]}"
gio move "$W/letter-3.eml" "$M/Archive/"
has Archive "$S/letter-3.eml"
gio move "$M/Archive/letter-3.eml" "$W/"
gio rename "$W/letter-3.eml" letter-three.eml >/dev/null
gio rename "$W/letter-three.eml" letter-3.eml >/dev/null
has Work "${L[@]}"
! gio trash "$W/letter-3.eml" 2>"$T/err" || fail "there is a trash of the desktop's own"
refused 'not permitted' mkdir "$M/.Trash-$(id -u)"
has Work "${L[@]}"
gio remove "$W/letter-3.eml"
[ ! -e "$W/letter-3.eml" ] || fail "it is still there"
has Trash "$S/letter-3.eml"
emptied Trash

say "rm -rf, find -delete"
find "$W" -type f -delete
has Work
cp "${L[@]}" "$W/"
rm -rf "${W:?}"/*
has Work
mkdir "$M/Gone" && cp "${L[@]}" "$M/Gone/" && mkdir "$M/Gone/deep" && cp "${L[0]}" "$M/Gone/deep/"
drained
rm -rf "$M/Gone"
drained
[ ! -e "$(maildir_of Gone)" ] && [ ! -e "$(maildir_of Gone.deep)" ] || fail "the server still has the folder"
emptied Trash

say "borg and restic: the second backup fetches nothing"
cp "${L[@]}" "$W/" && mkdir "$M/Restored"
drained
unmount
rm -rf "$XDG_CACHE_HOME"
mount_it
export BORG_BASE_DIR=$T/borg.base BORG_RELOCATED_REPO_ACCESS_IS_OK=yes BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes
export RESTIC_PASSWORD=secret RESTIC_REPOSITORY=$T/restic RESTIC_CACHE_DIR=$T/restic.cache
borg init -e none "$T/borg"
(cd "$M" && borg create "$T/borg::one" Work)
restic -q init
(cd "$M" && restic -q backup Work)
unmount
rm -rf "$XDG_CACHE_HOME"
mount_it
(cd "$M" && restic -q backup Work)
[ -z "$(find "$XDG_CACHE_HOME" -path '*/bodies/*' -type f)" ] || fail "restic fetched bodies for nothing"
(cd "$M" && borg create "$T/borg::two" Work)
# borg never trusts the file that was the newest.
eq "bodies fetched" 1 "$(find "$XDG_CACHE_HOME" -path '*/bodies/*' -type f | wc -l)"

say "... and they restore into the mount"
(cd "$M/Restored" && borg extract --strip-components 1 "$T/borg::two")
has Restored "${L[@]}"
emptied Restored
restic -q restore latest --target "$M/Restored"
has Restored.Work "${L[@]}"
diff -r "$W" "$M/Restored/Work"
eq "mtime" "$(mtime "$W/letter-4.eml")" "$(mtime "$M/Restored/Work/letter-4.eml")"
