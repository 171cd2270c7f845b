#!/bin/bash
# SPDX-License-Identifier: MIT
# The daemon is killed at each step of a day's work (tests/lib/day.sh): in the end nothing is lost, doubled or otherwise
# than it would be. STEP=1 for all of the steps.
. "$(dirname "$0")/lib/mount.sh"
. "$(dirname "$0")/lib/other.sh"
. "$(dirname "$0")/lib/ledger.sh"
. "$(dirname "$0")/lib/day.sh"

STEP=${STEP:-6}

say "a day without trouble"
whole_day
say "killed at step $FIRST, $((FIRST + STEP)), ..."
all_steps
