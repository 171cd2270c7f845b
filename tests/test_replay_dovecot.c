/* SPDX-License-Identifier: MIT */
/* New messages go to a real server, by the thread that does it. */
#include <string.h>
#include <unistd.h>

#include "tests/dovecot.h"
#include "tests/suite.h"
#include "tests/uploads.h"

static Dovecot *dovecot; /* one for the whole program */

static void begin(void) {
  dovecot = dovecot_new(10);
}

static void end(void) {
  dovecot_free(dovecot);
}

static Uploads *start(const char *user, const char *disable) {
  ImapConfig config = dovecot_config(dovecot, user);
  char *without[] = {(char *)disable, NULL};
  config.disable = disable ? without : NULL;
  return uploads_on(&config, "INBOX");
}

/* The thread needs the only connection. */
static void run(Uploads *u) {
  g_autoptr(GError) error = NULL;
  imap_pool_release(u->test->account.pool, u->test->conn);
  u->test->conn = NULL;
  ck_assert(replay_await(u->replay, 0, CACHE_ALL, &error));
  replay_run(u->replay);
  for (gboolean done = FALSE; !done;) {
    g_auto(CacheEvent) event = {.fd = -1};
    ck_assert(cache_events_pop(u->test->account.events, &event));
    ck_assert_msg(event.error == NULL, "%s", event.error ? event.error->message : "");
    done = event.type == CACHE_EVENT_DONE && event.row == CACHE_ALL;
  }
  replay_stop(u->replay);
  uploads_reconnect(u);
  uploads_all(u); /* what is left to compare */
}

/* Octets of a message as the server has it. */
typedef struct {
  GString *text;
} Got;

static gboolean got_begin(gpointer data, guint64 size) {
  (void)size;
  g_string_truncate(((Got *)data)->text, 0);
  return TRUE;
}

static gboolean got_write(gpointer data, const void *octets, gsize len) {
  g_string_append_len(((Got *)data)->text, octets, (gssize)len);
  return TRUE;
}

static void got_end(gpointer data, gboolean whole) {
  (void)data;
  ck_assert(whole);
}

/* What is in the mailbox: "1 SUBJECT FLAGS, 2 ..." */
static char *look(const char *user) {
  static const ImapSink sink = {got_begin, got_write, got_end};
  ImapConfig config = dovecot_config(dovecot, user);
  g_autoptr(ImapPool) pool = imap_pool_new(&config);
  ImapConn *conn = imap_pool_lease(pool, IMAP_ROLE_PROMPT, NULL, NULL);
  g_autoptr(ImapSeqset) uids = NULL;
  g_autoptr(GString) all = g_string_new(NULL);
  Got got = {g_string_new(NULL)};
  ck_assert(conn && imap_examine(conn, "INBOX", TRUE, NULL, NULL, NULL) && imap_uids(conn, &uids, NULL, NULL));
  ck_assert(imap_seqset_empty(uids) || imap_fetch_send(conn, uids, IMAP_FETCH_BODY, NULL, NULL));
  while (imap_fetch_pending(conn) > 0) {
    g_auto(ImapMessage) message = {0};
    ImapFetchResult result = imap_fetch_next(conn, &sink, &got, &message, NULL, NULL);
    ck_assert_int_ne(result, IMAP_FETCH_FAILED);
    if (result == IMAP_FETCH_MESSAGE && (message.has & IMAP_HAS_BODY)) {
      g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_MD5, got.text->str, (gssize)got.text->len);
      sum[6] = '\0';
      g_string_append_printf(all, "%u %s\n", message.uid, sum);
    }
  }
  g_string_free(got.text, TRUE);
  imap_pool_release(pool, conn);
  return g_string_free(g_steal_pointer(&all), FALSE);
}

/* As look() says it. */
static void expect(GString *all, guint uid, const char *text) {
  g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_MD5, text, -1);
  sum[6] = '\0';
  g_string_append_printf(all, "%u %s\n", uid, sum);
}

static const char *const without[] = {NULL, "MULTIAPPEND", "UIDPLUS", "LITERAL+"};

START_TEST(a_hundred_go_in_order_and_stay_readable) {
  g_autofree char *user = g_strdup_printf("hundred%d", _i);
  g_autoptr(Uploads) u = start(user, without[_i]);
  g_autoptr(GString) wanted = g_string_new(NULL);
  gint64 rows[100];
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *name = g_strdup_printf("%u.eml", i);
    g_autofree char *text = g_strdup_printf("Subject: letter %u\r\nMessage-ID: <%u@x>\r\n\r\nhello %u\r\n", i, i, i);
    rows[i] = uploads_add(u, name, text, 0);
    expect(wanted, i + 1, text);
  }
  run(u);
  g_autofree char *there = look(user);
  ck_assert_str_eq(there, wanted->str);
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *uid = g_strdup_printf("%u", i + 1);
    ck_state(u, rows[i], uid);
    ck_assert(uploads_cached(u, rows[i]));
  }
}
END_TEST

START_TEST(a_large_one_comes_from_the_spool) {
  g_autoptr(Uploads) u = start("large", NULL);
  gint64 row = uploads_add_spooled(u, "large.eml", 3 << 20);
  run(u);
  ck_state(u, row, "1");
  ck_assert(uploads_cached(u, row));
  ck_assert_int_eq(spool_get(u->test->account.spool, row, NULL), -1);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("replay/dovecot");
  TCase *tests = tcase_create("dovecot");
  if (!dovecot_installed())
    return 0;
  tcase_add_unchecked_fixture(tests, begin, end);
  tcase_add_loop_test(tests, a_hundred_go_in_order_and_stay_readable, 0, G_N_ELEMENTS(without));
  tcase_add_test(tests, a_large_one_comes_from_the_spool);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
