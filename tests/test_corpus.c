/* SPDX-License-Identifier: MIT */
#include <check.h>

/*
 * The fuzz targets as a test: every seed, every beginning of it, and every seed with one octet
 * changed, so that what a fuzzer found once stays found.
 */
#define LLVMFuzzerTestOneInput fuzz_framer
#include "tests/fuzz_framer.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_response
#include "tests/fuzz_response.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_seqset
#include "tests/fuzz_seqset.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_utf7
#include "tests/fuzz_utf7.c"
#include "tests/suite.h"
#undef LLVMFuzzerTestOneInput

static const struct {
  const char *name;
  int (*run)(const uint8_t *data, size_t size);
} targets[] = {{"framer", fuzz_framer}, {"response", fuzz_response}, {"seqset", fuzz_seqset}, {"utf7", fuzz_utf7}};

static void run_variations(int (*run)(const uint8_t *data, size_t size), uint8_t *data, gsize size) {
  static const uint8_t octets[] = {0, '\n', '\r', ' ', '"', '(', ')', '\\', ']', '{', '9', 0xff};
  for (gsize len = 0; len <= size; len++)
    run(data, len);
  for (gsize i = 0; i < size; i++) {
    uint8_t old = data[i];
    for (guint j = 0; j < G_N_ELEMENTS(octets); j++) {
      data[i] = octets[j];
      run(data, size);
    }
    data[i] = old;
  }
}

START_TEST(replay) {
  g_autofree char *folder = g_build_filename("tests/corpus", targets[_i].name, NULL);
  g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
  ck_assert_msg(dir != NULL, "%s is not here; run this from the top of the source", folder);
  int seeds = 0;
  for (const char *name; (name = g_dir_read_name(dir)); seeds++) {
    g_autofree char *path = g_build_filename(folder, name, NULL), *data = NULL;
    gsize size;
    ck_assert(g_file_get_contents(path, &data, &size, NULL));
    run_variations(targets[_i].run, (uint8_t *)data, size);
  }
  ck_assert_int_gt(seeds, 0);
}
END_TEST

int main(void) {
  TCase *tcase = tcase_create("corpus");
  tcase_add_loop_test(tcase, replay, 0, G_N_ELEMENTS(targets));
  Suite *suite = suite_create("corpus");
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
