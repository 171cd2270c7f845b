# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Sourced: a ledger of all that was ever accepted, in $LEDGER, else $T/ledger. At the end each letter, octet for octet
# (a bare LF counts as CR LF), is in exactly one place:
#
#   live    in a folder of the server other than the trash, or in lost+found
#   trash   in the trash, or flagged \Deleted
#
# and nothing else is there. A letter is its octets: those of a test differ, or are counted. Folders of the server are
# read from the Maildir $MAILDIR, lost+found through the mount $M.

ledger_file() {
  echo "${LEDGER:-$T/ledger}"
}
ledger_sums() { # ledger_sums: "SHA-256 NAME" of the files that are named on standard input, each ended by NUL
  "$TOOLS/crlfsum" | sed 's/  / /'
}
ledger_write() { # ledger_write PLACE FILE...
  local place=$1
  shift
  printf '%s\0' "$@" | ledger_sums | sed "s|^|$place |" >>"$(ledger_file)"
}

# ---- what happened; FILE is a copy of the octets outside the mount
ledger_accept() { # ledger_accept FILE...: the mount has taken it
  ledger_write live "$@"
}
ledger_remove() { # ledger_remove FILE...: the user removed it, or wrote over it
  ledger_write trash "$@"
}
ledger_expunge() { # ledger_expunge FILE...: and then from the trash, too
  ledger_write none "$@"
}
ledger_maybe() { # ledger_maybe FILE...: it was cut off, so there is one or none
  ledger_write maybe "$@"
}
ledger_maybe_remove() { # ledger_maybe_remove FILE...: likewise, so it is in one of the two places
  ledger_write either "$@"
}
ledger_open() { # all that is on the server now was accepted at some time
  ledger_server | awk '{ print "live", $2, $3 } $1 == "trash" { print }' >"$(ledger_file)"
}

# ---- what is there
ledger_look() {
  find "$MAILDIR" -path '*/cur/*' -type f -print0 -o -path '*/new/*' -type f -print0 | ledger_sums |
    awk '{ print ($2 ~ /\/\.Trash\/|:2,[A-Za-z]*T/) ? "trash" : "live", $0 }'
}
ledger_server() { # "PLACE SHA-256 FILE" of each letter on the server, which may be moving them from new/ to cur/
  local before now
  now=$(ledger_look 2>&1)
  until [ "${before-none}" = "$now" ]; do
    before=$now
    now=$(ledger_look 2>&1)
  done
  [ -z "$now" ] || echo "$now"
}
ledger_lost() { # the same of lost+found
  [ ! -d "$M/lost+found" ] || find "$M/lost+found" -type f -print0 | ledger_sums | sed 's/^/live /'
}
ledger_check() { # ledger_check [WHAT]: fails with all that is lost, doubled, misplaced or unknown
  : >>"$(ledger_file)"
  { ledger_server && ledger_lost; } >"$(ledger_file).there"
  awk '
    function complain(what, sum) { print what ": " name[sum] (seen[sum] == "" ? "" : ", found as" seen[sum]) }
    FILENAME == ARGV[1] {
      if ($1 == "live") due[$2]++
      if ($1 == "trash") { due[$2]--; gone[$2]++ }
      if ($1 == "none") gone[$2]--
      if ($1 == "maybe") maybe[$2]++
      if ($1 == "either") { due[$2]--; either[$2]++ }
      name[$2] = $3
      next
    }
    { $1 == "live" ? live[$2]++ : trash[$2]++; seen[$2] = seen[$2] " " $3 }
    END {
      for (sum in name) {
        all = live[sum] + trash[sum]
        least = due[sum] + gone[sum] + either[sum]
        if (all < least) complain("lost", sum)
        else if (all > least + maybe[sum]) complain("doubled", sum)
        else if (live[sum] < due[sum]) complain("lost, but for the trash", sum)
        else if (trash[sum] < gone[sum]) complain("removed, and back", sum)
      }
      for (sum in seen) if (!(sum in name)) complain("unknown", sum)
    }' "$(ledger_file)" "$(ledger_file).there" >"$(ledger_file).wrong"
  [ ! -s "$(ledger_file).wrong" ] || fail "the ledger${1:+, $1}: $(cat "$(ledger_file).wrong")"
}
