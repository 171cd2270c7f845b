/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>

#include "tests/dovecot.h"
#include "tests/suite.h"
#include "tests/watcher.h"

typedef struct {
  Dovecot *dovecot;
  Watcher watcher;
  ImapPool *other_pool;
  ImapConn *other; /* another client */
} Real;

static void real_new(Real *real, char **disable) {
  *real = (Real){.dovecot = dovecot_new(10)};
  ImapConfig config = dovecot_config(real->dovecot, "ann");
  g_autoptr(GError) error = NULL;
  real->other_pool = imap_pool_new(&config);
  real->other = imap_pool_lease(real->other_pool, IMAP_ROLE_PROMPT, NULL, &error);
  ck_assert_msg(real->other != NULL, "%s", error != NULL ? error->message : "");
  ck_assert(imap_conn_simple(real->other, "CREATE Work", NULL, NULL, NULL, NULL));
  config.disable = disable;
  watcher_start(&real->watcher, &config);
  real->watcher.conn->watch.test_interval = 40 * G_USEC_PER_SEC; /* a busy machine has time enough */
}

static void real_clear(Real *real) {
  imap_pool_release(real->other_pool, real->other);
  imap_pool_free(real->other_pool);
  imap_conn_fail(real->watcher.conn);
  imap_pool_release(real->watcher.pool, real->watcher.conn);
  imap_pool_free(real->watcher.pool);
  g_string_free(real->watcher.census, TRUE);
  dovecot_free(real->dovecot);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Real, real_clear)

static void append_by_other(Real *real, const char *mailbox) {
  static const char message[] = "From: a@b\r\nSubject: x\r\n\r\nhi\r\n";
  g_autoptr(GError) error = NULL;
  ImapEncoder *encoder = imap_conn_command(real->other);
  imap_encoder_raw(encoder, "APPEND ");
  imap_encoder_string(encoder, mailbox, strlen(mailbox));
  imap_encoder_raw(encoder, " ");
  imap_encoder_string(encoder, message, sizeof message - 1);
  ck_assert_msg(imap_conn_run(real->other, encoder, NULL, NULL, NULL, NULL, &error), "%s",
                error != NULL ? error->message : "");
}

/* Not by a NOOP, which would be DEAF. */
static ImapNewsType pushed(Real *real, ImapNews *ret) {
  return watcher_next_until(&real->watcher, G_MAXINT64, ret);
}

START_TEST(test_dovecot_notify) {
  g_auto(Real) real;
  real_new(&real, NULL);
  ck_assert(watcher_notify(&real.watcher));
  ck_assert(strstr(real.watcher.census->str, "Work ") != NULL);
  append_by_other(&real, "Work");
  g_auto(ImapNews) arrived = {0};
  ck_assert_int_eq(pushed(&real, &arrived), IMAP_NEWS_STATUS);
  ck_assert_str_eq(arrived.status.name, "Work");
  ck_assert_uint_eq(arrived.status.messages, 1);
  ck_assert(arrived.status.has_modseq);
  ck_assert(imap_conn_simple(real.other, "RENAME Work Play", NULL, NULL, NULL, NULL));
  g_auto(ImapNews) renamed = {0};
  while (pushed(&real, &renamed) == IMAP_NEWS_STATUS) /* perhaps once more of what has arrived */
    imap_news_clear(&renamed);
  ck_assert_pstr_eq(renamed.listing.name, "Play");
  ck_assert_pstr_eq(renamed.listing.oldname, "Work");
  watcher_end(&real.watcher);
}
END_TEST

START_TEST(test_dovecot_idle) {
  static char *disable[] = {(char *)"NOTIFY", NULL};
  g_auto(Real) real;
  g_autoptr(GError) error = NULL;
  g_auto(ImapMailbox) opening = {0};
  g_auto(ImapNews) news = {0};
  real_new(&real, disable);
  ck_assert(!watcher_notify(&real.watcher));
  ck_assert_msg(imap_watch_idle(real.watcher.conn, "Work", TRUE, &opening, NULL, &error), "%s",
                error != NULL ? error->message : "");
  ck_assert_uint_eq(opening.exists, 0);
  append_by_other(&real, "Work");
  ck_assert_int_eq(pushed(&real, &news), IMAP_NEWS_MAILBOX);
  watcher_end(&real.watcher);
}
END_TEST

int main(void) {
  if (!dovecot_installed())
    return 77;
  Suite *suite = suite_create("watch_dovecot");
  TCase *tc = tcase_create("all");
  tcase_add_test(tc, test_dovecot_notify);
  tcase_add_test(tc, test_dovecot_idle);
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
