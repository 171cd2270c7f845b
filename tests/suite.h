/* SPDX-License-Identifier: MIT */
#pragma once

#include <check.h>

/*
 * Runs the suite and frees it; what to return from main(). The tests' $TMPDIR is a directory of this
 * program, removed at the end with whatever failed and killed tests have left there. Each test has five minutes, or
 * $CK_DEFAULT_TIMEOUT seconds.
 */
int suite_run(Suite *suite);
