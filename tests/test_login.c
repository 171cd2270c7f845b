/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "imap/auth.h"
#include "tests/dovecot.h"
#include "tests/fake.h"

/* ---- against Dovecot ------------------------------------------------------------------------------ */

static Dovecot *dovecot; /* one for the whole program; the tests run without forks */

static ImapConn *try_lease(const ImapConfig *config, ImapPool **ret_pool, GError **error) {
  *ret_pool = imap_pool_new(config);
  return imap_pool_lease(*ret_pool, IMAP_ROLE_PROMPT, NULL, error);
}

/* Logs in and proves it by listing. */
static void check_works(const ImapConfig *config) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) listings = NULL;
  ImapPool *pool;
  ImapConn *conn = try_lease(config, &pool, &error);
  ck_assert_msg(conn != NULL, "%s", error != NULL ? error->message : "no error");
  ck_assert_msg(imap_list(conn, FALSE, &listings, NULL, NULL, &error), "%s", error != NULL ? error->message : "");
  ck_assert_uint_ge(listings->len, 1);
  imap_pool_release(pool, conn);
  imap_pool_free(pool);
}

G_GNUC_UNUSED static void check_fails(const ImapConfig *config, ImapError code, const char *words) {
  g_autoptr(GError) error = NULL;
  ImapPool *pool;
  ImapConn *conn = try_lease(config, &pool, &error);
  ck_assert_ptr_null(conn);
  ck_assert_msg(error->code == (int)code && strstr(error->message, words) != NULL, "%d: %s", error->code,
                error->message);
  ck_assert_ptr_null(strchr(error->message, '\n'));
  imap_pool_free(pool);
}

static const struct {
  ImapTls tls;
  gboolean tunnel;
  const char *auth;
  ImapCompress compress;
} good[] = {
    {IMAP_TLS_IMPLICIT, FALSE, NULL, IMAP_COMPRESS_AUTO},
    {IMAP_TLS_IMPLICIT, FALSE, "PLAIN", IMAP_COMPRESS_OFF},
    {IMAP_TLS_IMPLICIT, FALSE, "LOGIN", IMAP_COMPRESS_OFF},
    {IMAP_TLS_IMPLICIT, FALSE, "CRAM-MD5", IMAP_COMPRESS_OFF},
    {IMAP_TLS_IMPLICIT, FALSE, "scram-sha-1", IMAP_COMPRESS_OFF},
    {IMAP_TLS_IMPLICIT, FALSE, "SCRAM-SHA-256", IMAP_COMPRESS_ON},
    {IMAP_TLS_STARTTLS, FALSE, NULL, IMAP_COMPRESS_ON},
    {IMAP_TLS_OFF, FALSE, NULL, IMAP_COMPRESS_ON},
    {IMAP_TLS_OFF, TRUE, NULL, IMAP_COMPRESS_ON},
};

START_TEST(test_good) {
  ImapConfig config = dovecot_config(dovecot, "ann");
  config.tls = good[_i].tls;
  if (config.tls != IMAP_TLS_IMPLICIT)
    config.port = dovecot_port(dovecot);
  config.tunnel = good[_i].tunnel ? (char *)dovecot_tunnel(dovecot, "ann") : NULL;
  config.auth = (char *)good[_i].auth;
  config.compress = good[_i].compress;
  check_works(&config);
}
END_TEST

static void start_dovecot(void) {
  dovecot = dovecot_new(50);
}

static void stop_dovecot(void) {
  g_clear_pointer(&dovecot, dovecot_free);
}

int main(void) {
  if (!dovecot_installed())
    return 77;
  Suite *suite = suite_create("login");
  TCase *tc = tcase_create("dovecot");
  tcase_set_timeout(tc, 60);
  tcase_add_unchecked_fixture(tc, start_dovecot, stop_dovecot);
  tcase_add_loop_test(tc, test_good, 0, G_N_ELEMENTS(good));
  suite_add_tcase(suite, tc);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
