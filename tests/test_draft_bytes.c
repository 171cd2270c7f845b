/* SPDX-License-Identifier: MIT */
#include "cache/draft/draft_bytes.h"

#include <check.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cache/cache.h"
#include "tests/suite.h"
#include "tests/tempdir.h"

static char *path;
static Spool *spool;
static DraftBytes bytes;
static GByteArray *model; /* what a file would hold */

static void setup(void) {
  path = tempdir_new();
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  spool = spool_open(fd, NULL);
  close(fd);
  ck_assert_ptr_nonnull(spool);
  draft_bytes_init(&bytes, spool);
  model = g_byte_array_new();
}

static void teardown(void) {
  draft_bytes_clear(&bytes);
  g_byte_array_unref(model);
  spool_close(spool);
  tempdir_free(path);
}

static void check_octets(void) {
  g_autofree char *found = g_malloc(model->len + 10);
  gsize at = 0;
  for (gssize n; (n = draft_bytes_read(&bytes, found + at, model->len + 10 - at, at, NULL)) != 0; at += (gsize)n)
    ck_assert_int_gt(n, 0);
  ck_assert_uint_eq(at, model->len);
  ck_assert_uint_eq(bytes.size, model->len);
  ck_assert(at == 0 || memcmp(found, model->data, at) == 0);
}

static void grow_model(gsize size) {
  gsize before = model->len;
  g_byte_array_set_size(model, (guint)size);
  if (size > before)
    memset(model->data + before, 0, size - before);
}

static void do_write(const void *octets, gsize len, guint64 offset) {
  g_autoptr(GError) error = NULL;
  ck_assert_msg(draft_bytes_write(&bytes, octets, len, offset, &error), "%s", error ? error->message : "");
  if (len && offset + len > model->len)
    grow_model(offset + len);
  if (len)
    memcpy(model->data + offset, octets, len);
}

static void do_truncate(guint64 size) {
  g_autoptr(GError) error = NULL;
  ck_assert_msg(draft_bytes_truncate(&bytes, size, &error), "%s", error ? error->message : "");
  grow_model(size);
}

START_TEST(octets_are_what_was_written) {
  do_write("hello", 5, 0);
  do_write("J", 1, 0);
  check_octets();
  do_write("far", 3, 100);
  check_octets();
  do_write("", 0, 500);
  check_octets();
  do_truncate(50);
  do_truncate(60);
  check_octets();
  do_truncate(0);
  check_octets();
  ck_assert_int_lt(bytes.fd, 0);
}
END_TEST

START_TEST(many_octets_move_to_a_file) {
  g_autofree char *text = g_strnfill(DRAFT_MEMORY, 'x');
  do_write(text, DRAFT_MEMORY, 0);
  ck_assert_int_lt(bytes.fd, 0);
  do_write("y", 1, DRAFT_MEMORY);
  ck_assert_int_ge(bytes.fd, 0);
  check_octets();
  do_write("z", 1, 10 * DRAFT_MEMORY);
  check_octets();
  do_truncate(7);
  check_octets();
  do_truncate(0);
  check_octets();
  do_truncate(2 * DRAFT_MEMORY);
  check_octets();
}
END_TEST

/* Offsets and sizes around the one where memory becomes a file. */
START_TEST(any_order_of_changes) {
  g_autoptr(GRand) rand = g_rand_new_with_seed((guint32)_i);
  g_autofree char *text = g_malloc(DRAFT_MEMORY);
  for (gsize i = 0; i < DRAFT_MEMORY; i++)
    text[i] = (char)g_rand_int(rand);
  for (int step = 0; step < 40; step++) {
    gsize at = (gsize)g_rand_int_range(rand, 0, 2 * DRAFT_MEMORY), len = (gsize)g_rand_int_range(rand, 0, DRAFT_MEMORY);
    switch (g_rand_int_range(rand, 0, 8)) {
    case 0:
      do_truncate(at);
      break;
    case 1:
      do_truncate(0);
      break;
    case 2:
      draft_bytes_freeze(&bytes);
      break;
    default:
      do_write(text, g_rand_boolean(rand) ? len : len / 1000, at);
    }
  }
  check_octets();
}
END_TEST

/* A body of the cache, or spool/ROW. */
START_TEST(a_file_of_others_is_never_changed) {
  static const gsize sizes[] = {100, 3 * DRAFT_MEMORY};
  for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
    g_autofree char *text = g_strnfill(sizes[i], 'x'), *found = g_malloc0(sizes[i] + 1);
    int fd = spool_temp(spool, NULL), theirs = dup(fd);
    ck_assert_int_eq(write(fd, text, sizes[i]), (gssize)sizes[i]);
    ck_assert(draft_bytes_fix(&bytes, fd, NULL));
    grow_model(sizes[i]);
    memset(model->data, 'x', sizes[i]);
    check_octets();
    do_write("y", 1, 50);
    do_write("z", 1, sizes[i] + 10);
    do_truncate(sizes[i] - 5);
    check_octets();
    draft_bytes_freeze(&bytes);
    do_truncate(10);
    check_octets();
    ck_assert_int_eq(pread(theirs, found, sizes[i], 0), (gssize)sizes[i]);
    ck_assert_str_eq(found, text);
    close(theirs);
    do_truncate(0);
  }
}
END_TEST

static void sha256(const void *data, gsize len, guint8 ret[32]) {
  EVP_Digest(data, len, ret, NULL, EVP_sha256(), NULL);
}

static void check_digest(void) {
  DraftDigest digest;
  guint8 sum[32], fingerprint[16];
  g_autoptr(GByteArray) crlf = g_byte_array_new();
  guint8 last = 0;
  ck_assert(draft_bytes_digest(&bytes, &digest, NULL));
  sha256(model->data, model->len, sum);
  ck_assert_mem_eq(digest.sha256, sum, 32);
  octets_fingerprint(model->data, model->len, fingerprint);
  ck_assert_mem_eq(digest.fingerprint, fingerprint, 16);
  ck_assert_uint_eq(digest.octets.size, model->len);
  octets_to_crlf(model->data, model->len, &last, crlf);
  ck_assert_uint_eq(digest.octets.bare_lf, crlf->len - model->len);
  sha256(crlf->data, crlf->len, sum);
  ck_assert_mem_eq(digest.crlf_sha256, sum, 32);
  ck_assert(draft_bytes_to_crlf(&bytes, NULL, NULL));
  g_byte_array_set_size(model, 0);
  g_byte_array_append(model, crlf->data, crlf->len);
  check_octets();
}

START_TEST(lines_are_ended_in_crlf) {
  const char *text = "Subject: x\r\n\r\nplain\r\n", *bare = "From: a\nSubject: b\n\nmixed\r\nlines\n";
  check_digest();
  do_write(text, strlen(text), 0);
  check_digest();
  do_truncate(0);
  do_write(bare, strlen(bare), 0);
  check_digest();
}
END_TEST

/* The conversion crosses from memory to a file, and the pieces of a file end anywhere. */
START_TEST(large_ones_are_ended_in_crlf) {
  g_autoptr(GString) text = g_string_new("Subject: x\n\n");
  for (guint i = 0; text->len < (_i ? 3 * DRAFT_MEMORY : DRAFT_MEMORY - 100); i++)
    g_string_append_printf(text, "line %u%s", i, i % 3 ? "\n" : "\r\n");
  do_write(text->str, text->len, 0);
  check_digest();
  ck_assert_int_ge(bytes.fd, 0);
}
END_TEST

START_TEST(what_was_there_survives_a_full_disk) {
  g_autoptr(GError) error = NULL;
  g_autofree char *text = g_strnfill(4 * DRAFT_MEMORY, 'x');
  do_write(text, DRAFT_MEMORY + 1, 0);
  signal(SIGXFSZ, SIG_IGN);
  struct rlimit limit, small;
  getrlimit(RLIMIT_FSIZE, &limit);
  small = (struct rlimit){.rlim_cur = 2 * DRAFT_MEMORY, .rlim_max = limit.rlim_max};
  ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
  ck_assert(!draft_bytes_write(&bytes, text, 4 * DRAFT_MEMORY, 10, &error));
  ck_assert_int_eq(error->domain, CACHE_ERROR);
  check_octets();
  g_clear_error(&error);
  ck_assert(!draft_bytes_write(&bytes, text, 10, 3 * DRAFT_MEMORY, &error));
  ck_assert_int_eq(error->domain, CACHE_ERROR);
  check_octets();
  ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
  do_write("y", 1, DRAFT_MEMORY);
  check_octets();
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/draft_bytes");
  TCase *tests = tcase_create("draft_bytes");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, octets_are_what_was_written);
  tcase_add_test(tests, many_octets_move_to_a_file);
  tcase_add_loop_test(tests, any_order_of_changes, 0, 20);
  tcase_add_test(tests, a_file_of_others_is_never_changed);
  tcase_add_test(tests, lines_are_ended_in_crlf);
  tcase_add_loop_test(tests, large_ones_are_ended_in_crlf, 0, 2);
  tcase_add_test(tests, what_was_there_survives_a_full_disk);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
