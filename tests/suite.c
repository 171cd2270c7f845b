/* SPDX-License-Identifier: MIT */
#include "tests/suite.h"

#include <glib.h>

#include "tests/tempdir.h"

int suite_run(Suite *suite) {
  char *dir = tempdir_new();
  g_setenv("TMPDIR", dir, TRUE);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  tempdir_free(dir);
  return failed != 0;
}
