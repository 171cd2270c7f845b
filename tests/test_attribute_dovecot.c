/* SPDX-License-Identifier: MIT */
/* Flags between us and another client, through a real server, by each way in which it can tell of them. */
#include <check.h>
#include <string.h>

#include "cache/cache.h"
#include "tests/dovecot.h"
#include "tests/suite.h"
#include "tests/tempdir.h"

#define SOON (30 * G_USEC_PER_SEC)

static Dovecot *dovecot;
static char *dir;
static CacheConfig config;
static Cache *cache;
static ImapPool *pool;
static ImapConn *other;
static gint64 inbox;

static const struct {
  const char *disable; /* comma-separated */
} ways[] = {
    {NULL},                            /* NOTIFY tells of flags, with CONDSTORE */
    {"NOTIFY"},                        /* IDLE does */
    {"NOTIFY,CONDSTORE,QRESYNC"},      /* IDLE tells that some moved */
    {"CONDSTORE,QRESYNC"},             /* NOTIFY tells nothing of them */
    {"NOTIFY,CONDSTORE,QRESYNC,IDLE"}, /* nobody tells anything */
};

static char *secret(gpointer data, GError **error) {
  (void)error;
  return g_strdup(data);
}

static void setup(void) {
  dovecot = dovecot_new(20);
  ck_assert_ptr_nonnull(dovecot);
}

static void teardown(void) {
  dovecot_free(dovecot);
}

/* A user for each way: what one test leaves is none of the next one's business. */
static void begin(guint way) {
  g_autoptr(GError) error = NULL;
  g_autofree char *user = g_strdup_printf("ann%u", way);
  for (guint i = 1; i <= 3; i++)
    dovecot_deliver(dovecot, user, "", i, 500);
  ImapConfig imap = dovecot_config(dovecot, user);
  dir = tempdir_new();
  config = (CacheConfig){.user = g_strdup(user),
                         .host = g_strdup("localhost"),
                         .port = imap.port,
                         .tls = CACHE_TLS_IMPLICIT,
                         .tls_ca = g_strdup(imap.tls_ca),
                         .disable = ways[way].disable ? g_strsplit(ways[way].disable, ",", -1) : NULL,
                         .connections = 3,
                         .timeout = 60,
                         .refresh = 1,
                         .secret = secret,
                         .secret_data = "secret",
                         .cache_dir = g_build_filename(dir, "cache", NULL),
                         .state_dir = g_build_filename(dir, "state", NULL),
                         .cache_size = 1 << 30,
                         .mountpoint = "/mnt/test"};
  imap.connections = 1;
  pool = imap_pool_new(&imap);
  other = imap_pool_lease(pool, IMAP_ROLE_PROMPT, NULL, &error);
  ck_assert_msg(other && imap_examine(other, "INBOX", FALSE, NULL, NULL, &error), "%s", error ? error->message : "");
  cache = cache_open(&config, &error);
  ck_assert_msg(cache && cache_start(cache, &error), "%s", error ? error->message : "");
}

static void end(void) {
  cache_free(cache);
  imap_pool_release(pool, other);
  imap_pool_free(pool);
  g_free(config.user);
  g_free(config.host);
  g_free(config.tls_ca);
  g_strfreev(config.disable);
  g_free(config.cache_dir);
  g_free(config.state_dir);
  tempdir_free(dir);
}

/* The first message, when the folder has been listed. */
static gint64 open_inbox(void) {
  CacheEntry entry;
  gsize n = 0;
  ck_assert_int_eq(cache_lookup(cache, cache_root(cache), "INBOX", &entry, NULL), CACHE_READY);
  inbox = entry.row;
  while (cache_open_folder(cache, inbox, NULL) == CACHE_WAIT) {
    g_auto(CacheEvent) event = {.fd = -1};
    ck_assert(cache_next_event(cache, &event));
  }
  ck_assert_int_eq(cache_list(cache, inbox, 0, 0, &entry, 1, &n, NULL), CACHE_READY);
  ck_assert_uint_eq(n, 1);
  return entry.row;
}

static void store(guint flags, const char *keyword) {
  const char *keywords[] = {keyword, NULL};
  ImapFlagging flagging = {.add = TRUE, .flags = flags, .keywords = keywords};
  g_auto(ImapEffect) effect = {0};
  g_autoptr(ImapSeqset) uids = imap_seqset_new();
  g_autoptr(GError) error = NULL;
  imap_seqset_add(uids, 1, 1);
  ck_assert_msg(imap_store(other, uids, &flagging, &effect, NULL, &error), "%s", error ? error->message : "");
}

/* Nobody tells fs/ of flags: each question is asked anew. */
static void await_shown(gint64 row, const char *wanted) {
  gint64 until = g_get_monotonic_time() + SOON;
  g_autofree char *value = NULL;
  do {
    g_clear_pointer(&value, g_free);
    ck_assert_int_eq(cache_get_attribute(cache, CACHE_MESSAGE, row, "flags", &value, NULL), CACHE_READY);
    if (strcmp(value, wanted) == 0)
      return;
    g_usleep(20000);
  } while (g_get_monotonic_time() < until);
  ck_abort_msg("%s, not %s", value, wanted);
}

START_TEST(what_others_flag_shows) {
  begin((guint)_i);
  gint64 row = open_inbox();
  await_shown(row, "\\Seen"); /* as it was delivered */
  store(IMAP_FLAG_FLAGGED, "Work");
  await_shown(row, "\\Seen \\Flagged Work");
  store(IMAP_FLAG_ANSWERED, "Play");
  await_shown(row, "\\Seen \\Answered \\Flagged Play Work");
  end();
}
END_TEST

static guint fetch_flags(char ***ret_keywords) {
  g_autoptr(ImapSeqset) uids = imap_seqset_new();
  guint flags = 0;
  imap_seqset_add(uids, 1, 1);
  ck_assert(imap_fetch_send(other, uids, IMAP_FETCH_FLAGS, NULL, NULL));
  for (;;) {
    g_autoptr(GError) error = NULL;
    ImapMessage message = {0};
    ImapFetchResult result = imap_fetch_next(other, NULL, NULL, &message, NULL, &error);
    ck_assert_msg(!error, "%s", error ? error->message : "");
    if (result == IMAP_FETCH_DONE)
      return flags;
    if (result == IMAP_FETCH_MESSAGE && message.uid == 1 && (message.has & IMAP_HAS_FLAGS)) {
      flags = message.flags;
      g_strfreev(*ret_keywords);
      *ret_keywords = g_steal_pointer(&message.keywords);
    }
    if (result == IMAP_FETCH_MESSAGE)
      imap_message_clear(&message);
  }
}

START_TEST(what_we_flag_is_on_the_server) {
  begin((guint)_i);
  gint64 row = open_inbox();
  g_auto(GStrv) keywords = NULL;
  g_autoptr(GError) error = NULL;
  static const char list[] = "\\Answered Work";
  CacheAnswer answer = cache_set_attribute(cache, CACHE_MESSAGE, row, "flags", list, strlen(list), &error);
  ck_assert_msg(answer == CACHE_READY, "%s", error ? error->message : "");
  await_shown(row, list);
  while (cache_await_sent(cache, row, &error) == CACHE_WAIT) {
    g_auto(CacheEvent) event = {.fd = -1};
    ck_assert(cache_next_event(cache, &event));
  }
  ck_assert_msg(!error, "%s", error ? error->message : "");
  ck_assert(fetch_flags(&keywords) & IMAP_FLAG_ANSWERED);
  ck_assert(keywords && g_strv_contains((const char *const *)keywords, "Work"));
  await_shown(row, list);
  end();
}
END_TEST

int main(void) {
  if (!dovecot_installed())
    return 0;
  Suite *suite = suite_create("cache/attribute, and a real server");
  TCase *tests = tcase_create("flags");
  tcase_add_unchecked_fixture(tests, setup, teardown);
  tcase_add_loop_test(tests, what_others_flag_shows, 0, G_N_ELEMENTS(ways));
  tcase_add_loop_test(tests, what_we_flag_is_on_the_server, 0, 1);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
