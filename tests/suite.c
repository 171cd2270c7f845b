/* SPDX-License-Identifier: MIT */
#include "tests/suite.h"

#include <glib.h>

#include "tests/tempdir.h"

/* A test that hangs ends, and none fails because the machine is busy. Before main(): a TCase takes it when it is made.
 */
__attribute__((constructor)) static void be_patient(void) {
  g_setenv("CK_DEFAULT_TIMEOUT", "300", FALSE);
}

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
