/* SPDX-License-Identifier: MIT */
/*
 * What servers say that Dovecot does not, one file each in tests/dialogues/, against the whole line cache -> imap.
 * "test_dialogues FILE..." plays only these.
 */
#include <glib.h>
#include <string.h>

#include "tests/dialogue.h"
#include "tests/suite.h"

#define FOLDER "tests/dialogues"

static GPtrArray *paths;

static gint by_name(gconstpointer a, gconstpointer b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

START_TEST(dialogue) {
  dialogue_play(paths->pdata[_i]);
}
END_TEST

static void find_all(void) {
  g_autoptr(GDir) dir = g_dir_open(FOLDER, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name(dir));)
    if (g_str_has_suffix(name, ".txt"))
      g_ptr_array_add(paths, g_build_filename(FOLDER, name, NULL));
  g_ptr_array_sort(paths, by_name);
}

START_TEST(dialogues_are_here) {
  ck_assert_msg(paths->len > 0, "%s is not here; run this from the top of the source", FOLDER);
}
END_TEST

int main(int argc, char **argv) {
  paths = g_ptr_array_new_with_free_func(g_free);
  for (int i = 1; i < argc; i++)
    g_ptr_array_add(paths, g_strdup(argv[i]));
  if (paths->len == 0)
    find_all();
  Suite *suite = suite_create("dialogues");
  TCase *tests = tcase_create("files");
  tcase_add_test(tests, dialogues_are_here);
  tcase_add_loop_test(tests, dialogue, 0, (int)paths->len);
  suite_add_tcase(suite, tests);
  int failed = suite_run(suite);
  g_ptr_array_unref(paths);
  return failed;
}
