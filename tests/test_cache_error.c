/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <errno.h>
#include <gio/gio.h>

#include "cache/error.h"
#include "imap/imap.h"
#include "tests/suite.h"

static const struct {
  ImapError from;
  CacheError to;
} table[] = {
    {IMAP_ERROR_NETWORK, CACHE_ERROR_OFFLINE},
    {IMAP_ERROR_HOST, CACHE_ERROR_OFFLINE},
    {IMAP_ERROR_TIMEOUT, CACHE_ERROR_TIMEOUT},
    {IMAP_ERROR_TLS, CACHE_ERROR_TLS},
    {IMAP_ERROR_AUTH, CACHE_ERROR_LOGIN},
    {IMAP_ERROR_CONFIG, CACHE_ERROR_CONFIG},
    {IMAP_ERROR_UNAVAILABLE, CACHE_ERROR_BUSY},
    {IMAP_ERROR_REFUSED, CACHE_ERROR_REFUSED},
    {IMAP_ERROR_PERMISSION, CACHE_ERROR_PERMISSION},
    {IMAP_ERROR_READONLY, CACHE_ERROR_READONLY},
    {IMAP_ERROR_QUOTA, CACHE_ERROR_QUOTA},
    {IMAP_ERROR_TOOBIG, CACHE_ERROR_TOOBIG},
    {IMAP_ERROR_EXISTS, CACHE_ERROR_EXISTS},
    {IMAP_ERROR_GONE, CACHE_ERROR_GONE},
    {IMAP_ERROR_PROTOCOL, CACHE_ERROR_GARBAGE},
    {IMAP_ERROR_LIMIT, CACHE_ERROR_GARBAGE},
    {IMAP_ERROR_LOCAL, CACHE_ERROR_LOCAL},
    {IMAP_ERROR_CANCELLED, CACHE_ERROR_CANCELLED},
};

START_TEST(each_code_has_its_meaning) {
  g_autoptr(GError) error =
      cache_error_from_imap(g_error_new_literal(IMAP_ERROR, (gint)table[_i].from, "said the server"));
  ck_assert_msg(g_error_matches(error, CACHE_ERROR, (gint)table[_i].to), "row %d: %d", _i, error->code);
  ck_assert_str_eq(error->message, "said the server");
}
END_TEST

START_TEST(what_is_not_of_imap) {
  g_autoptr(GError) own = cache_error_from_imap(g_error_new_literal(CACHE_ERROR, CACHE_ERROR_SPACE, "full"));
  ck_assert(g_error_matches(own, CACHE_ERROR, CACHE_ERROR_SPACE));
  g_autoptr(GError) foreign = cache_error_from_imap(g_error_new_literal(G_IO_ERROR, G_IO_ERROR_FAILED, "odd"));
  ck_assert(g_error_matches(foreign, CACHE_ERROR, CACHE_ERROR_LOCAL));
  g_autoptr(GError) unknown = cache_error_from_imap(g_error_new_literal(IMAP_ERROR, 4711, "odd"));
  ck_assert(g_error_matches(unknown, CACHE_ERROR, CACHE_ERROR_LOCAL));
  ck_assert_ptr_null(cache_error_from_imap(NULL));
}
END_TEST

START_TEST(errno_keeps_what_matters) {
  g_autoptr(GError) full = NULL, other = NULL;
  errno = EDQUOT;
  ck_assert(!cache_error_errno(&full, "writing"));
  ck_assert(g_error_matches(full, CACHE_ERROR, CACHE_ERROR_SPACE));
  errno = EIO;
  ck_assert(!cache_error_errno(&other, "writing"));
  ck_assert(g_error_matches(other, CACHE_ERROR, CACHE_ERROR_LOCAL));
  ck_assert(g_str_has_prefix(other->message, "writing: "));
}
END_TEST

int main(void) {
  Suite *s = suite_create("cache_error");
  TCase *c = tcase_create("cache_error");
  tcase_add_loop_test(c, each_code_has_its_meaning, 0, G_N_ELEMENTS(table));
  tcase_add_test(c, what_is_not_of_imap);
  tcase_add_test(c, errno_keeps_what_matters);
  suite_add_tcase(s, c);
  return suite_run(s);
}
