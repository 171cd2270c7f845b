/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <errno.h>
#include <gio/gio.h>

#include "fs/inode.h"
#include "fs/reply.h"
#include "tests/suite.h"

/* The numbers users and scripts see. */
static const struct {
  CacheError code;
  int number;
} errors[] = {
    {CACHE_ERROR_OFFLINE, EHOSTUNREACH},
    {CACHE_ERROR_TIMEOUT, ETIMEDOUT},
    {CACHE_ERROR_LOGIN, EACCES},
    {CACHE_ERROR_TLS, EACCES},
    {CACHE_ERROR_CONFIG, EINVAL},
    {CACHE_ERROR_BUSY, EBUSY},
    {CACHE_ERROR_REFUSED, EPERM},
    {CACHE_ERROR_PERMISSION, EACCES},
    {CACHE_ERROR_READONLY, EROFS},
    {CACHE_ERROR_QUOTA, EDQUOT},
    {CACHE_ERROR_TOOBIG, EFBIG},
    {CACHE_ERROR_EXISTS, EEXIST},
    {CACHE_ERROR_GONE, ENOENT},
    {CACHE_ERROR_GARBAGE, EIO},
    {CACHE_ERROR_SPACE, ENOSPC},
    {CACHE_ERROR_LOCAL, EIO},
    {CACHE_ERROR_LOCKED, EBUSY},
    {CACHE_ERROR_CANCELLED, ENOTCONN},
    {CACHE_ERROR_INVALID, EINVAL},
    {CACHE_ERROR_NOT_EMPTY, ENOTEMPTY},
    {CACHE_ERROR_FOLDER, EISDIR},
    {CACHE_ERROR_NO_FOLDER, ENOTDIR},
    {CACHE_ERROR_CROSS, EXDEV},
    {CACHE_ERROR_PROTECTED, EPERM},
    {CACHE_ERROR_UNSUPPORTED, EOPNOTSUPP},
};

START_TEST(every_code_has_a_number) {
  ck_assert_uint_eq(G_N_ELEMENTS(errors), CACHE_ERROR_UNSUPPORTED + 1);
  for (gsize i = 0; i < G_N_ELEMENTS(errors); i++) {
    g_autoptr(GError) error = g_error_new(CACHE_ERROR, (gint)errors[i].code, "x");
    ck_assert_msg(reply_errno(error) == errors[i].number, "row %zu", i);
    ck_assert_msg(reply_answer(CACHE_FAILED, error) == errors[i].number, "row %zu", i);
  }
}
END_TEST

START_TEST(foreign_errors) {
  g_autoptr(GError) foreign = g_error_new(G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "x");
  g_autoptr(GError) unknown = g_error_new(CACHE_ERROR, CACHE_ERROR_UNSUPPORTED + 1, "x");
  g_autoptr(GError) negative = g_error_new(CACHE_ERROR, -1, "x");
  ck_assert_int_eq(reply_errno(foreign), EIO);
  ck_assert_int_eq(reply_errno(unknown), EIO);
  ck_assert_int_eq(reply_errno(negative), EIO);
  ck_assert_int_eq(reply_answer(CACHE_FAILED, NULL), EIO);
}
END_TEST

START_TEST(answers_and_outcomes) {
  ck_assert_int_eq(reply_answer(CACHE_READY, NULL), 0);
  ck_assert_int_eq(reply_answer(CACHE_STALE, NULL), 0);
  ck_assert_int_eq(reply_answer(CACHE_ABSENT, NULL), ENOENT);
  ck_assert_int_eq(reply_outcome(PARK_LATE), ETIMEDOUT);
  ck_assert_int_eq(reply_outcome(PARK_INTERRUPTED), EINTR);
  ck_assert_int_eq(reply_outcome(PARK_CLOSED), ENOTCONN);
}
END_TEST

/* ---- inode ------------------------------------------------------------------------------------------ */
START_TEST(numbers_and_back) {
  static const gint64 rows[] = {1, 2, 12345, (G_GINT64_CONSTANT(1) << 60) - 1};
  CacheKind kind;
  gint64 row;
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
    for (CacheKind k = CACHE_FOLDER; k <= CACHE_MESSAGE; k++) {
      guint64 number = inode_number(77, k, rows[i]);
      ck_assert(number > INODE_PARENT && number < G_MAXINT64);
      ck_assert(inode_parse(77, number, &kind, &row));
      ck_assert(kind == k && row == rows[i]);
    }
  ck_assert_uint_eq(inode_number(77, CACHE_FOLDER, 77), INODE_ROOT);
  ck_assert_uint_ne(inode_number(77, CACHE_MESSAGE, 77), INODE_ROOT);
  ck_assert(inode_parse(77, INODE_ROOT, &kind, &row) && kind == CACHE_FOLDER && row == 77);
}
END_TEST

START_TEST(numbers_of_nobody) {
  static const guint64 numbers[] = {0,
                                    INODE_PARENT,
                                    100,
                                    G_GUINT64_CONSTANT(1) << 60,
                                    G_GUINT64_CONSTANT(3) << 60 | 5,
                                    G_GUINT64_CONSTANT(7) << 60 | 5,
                                    G_MAXUINT64};
  CacheKind kind;
  gint64 row;
  for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++)
    ck_assert_msg(!inode_parse(77, numbers[i], &kind, &row), "row %zu", i);
}
END_TEST

START_TEST(attributes) {
  static const struct {
    guint64 size;
    gint64 blocks;
  } sizes[] = {{0, 0}, {1, 1}, {511, 1}, {512, 1}, {513, 2}, {G_MAXUINT64, G_MAXINT64 / 512 + 1}};
  struct stat st;
  CacheEntry entry = {.kind = CACHE_MESSAGE, .row = 5, .nlink = 1, .mtime = 1500000000, .ctime = -1};
  for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
    entry.size = sizes[i].size;
    inode_stat(1, &entry, 10, 20, &st);
    ck_assert_msg(st.st_blocks == sizes[i].blocks, "row %zu", i);
  }
  ck_assert(st.st_size == G_MAXINT64 && st.st_uid == 10 && st.st_gid == 20 && st.st_mode == (S_IFREG | 0600));
  ck_assert(st.st_mtim.tv_sec == 1 && st.st_mtim.tv_nsec == 500000000);
  ck_assert(st.st_ctim.tv_sec == -1 && st.st_ctim.tv_nsec == 999999999);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("fs/reply");
  TCase *tc = tcase_create("reply");
  tcase_add_test(tc, every_code_has_a_number);
  tcase_add_test(tc, foreign_errors);
  tcase_add_test(tc, answers_and_outcomes);
  suite_add_tcase(s, tc);
  tc = tcase_create("inode");
  tcase_add_test(tc, numbers_and_back);
  tcase_add_test(tc, numbers_of_nobody);
  tcase_add_test(tc, attributes);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) {
  return suite_run(suite());
}
