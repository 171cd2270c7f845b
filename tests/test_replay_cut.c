/* SPDX-License-Identifier: MIT */
/*
 * The line is cut at one octet after the other while messages are moved, removed and flagged on a real server, with
 * MOVE and without. However far it had come, in the end each letter is where it was to be, exactly once.
 */
#include <check.h>
#include <string.h>

#include "cache/sync/listing.h"
#include "cache/tree/tree.h"
#include "tests/dovecot.h"
#include "tests/fault.h"
#include "tests/replaying.h"
#include "tests/suite.h"

#define LETTERS 6
#define CUTS 12 /* of each direction, spread over all that is said */

static Dovecot *dovecot; /* one for the whole program */
static FaultRelay *relay;

static char *variants[][2] = {{NULL, NULL}, {"MOVE", NULL}};

static ImapConfig line_of(const char *user, guint16 port) {
  ImapConfig config = dovecot_config(dovecot, user);
  config.host = (char *)"127.0.0.1";
  config.tls = IMAP_TLS_OFF;
  config.port = port;
  return config;
}

static void update_tree(TestAccount *test) {
  g_auto(TreeNews) news = {0};
  ck_assert(tree_update(&test->account, test->conn, NULL, TRUE, &news, NULL));
}

static void list(TestAccount *test, gint64 folder) {
  g_autoptr(GError) error = NULL;
  ck_assert_msg(listing_first(&test->account, test->conn, folder, NULL, NULL, NULL, &error), "%s",
                error ? error->message : "");
}

static void make(TestAccount *test, const char *name) {
  g_autoptr(GError) error = NULL;
  gint64 row = 0;
  ck_assert_msg(tree_make(&test->account, test->conn, name, '/', 0, 0, &row, &error), "%s",
                error ? error->message : "");
}

static Replaying *mount(const char *user, guint variant) {
  ImapConfig config = line_of(user, fault_relay_port(relay));
  config.disable = variants[variant];
  for (guint i = 1; i <= LETTERS; i++)
    dovecot_deliver(dovecot, user, "", i, 300);
  TestAccount *test = test_account_on(&config);
  update_tree(test);
  make(test, "Other");
  make(test, "Trash");
  list(test, test_account_folder(test, "INBOX"));
  return replaying_on(test, "INBOX", "Other");
}

/* ---- what is where -------------------------------------------------------------------------------------------- */

/* "INBOX 5* 6" of each folder, "*" for flagged. */
static void describe(TestAccount *test, const char *path, GString *into) {
  IndexMessage messages[4 * LETTERS];
  gint64 folder = test_account_folder(test, path);
  list(test, folder);
  gssize n = index_messages(test->account.index, folder, 0, messages, G_N_ELEMENTS(messages), NULL);
  g_string_append_printf(into, "%s%s", into->len ? ", " : "", path);
  for (guint number = 1; number <= LETTERS; number++)
    for (gssize i = 0; i < n; i++) {
      g_autofree char *part = g_strdup_printf("message-%u.", number);
      if (strstr(messages[i].name, part))
        g_string_append_printf(into, " %u%s", number, messages[i].flags & IMAP_FLAG_FLAGGED ? "*" : "");
    }
  for (gssize i = 0; i < n; i++)
    index_message_clear(&messages[i]);
}

static char *on_server(const char *user) {
  ImapConfig config = line_of(user, dovecot_port(dovecot));
  g_autoptr(TestAccount) test = test_account_on(&config);
  GString *text = g_string_new(NULL);
  update_tree(test);
  describe(test, "INBOX", text);
  describe(test, "Other", text);
  describe(test, "Trash", text);
  return g_string_free(text, FALSE);
}

/* ---- a run ---------------------------------------------------------------------------------------------------- */

/* A server goes on with what it was told before the line was cut. */
static void wait_for_server(const char *user) {
  ImapConfig config = dovecot_config(dovecot, user);
  g_autofree char *dir = g_path_get_dirname(config.tls_ca);
  g_autofree char *command = g_strdup_printf("doveadm -c '%s/dovecot.conf' who -1 '%s'", dir, user);
  for (gboolean busy = TRUE; busy;) {
    g_autofree char *said = NULL;
    ck_assert(g_spawn_command_line_sync(command, &said, NULL, NULL, NULL));
    busy = strstr(said, user) != NULL;
  }
}

static void reconnect(Replaying *r, const char *user) {
  imap_conn_fail(r->test->conn);
  imap_pool_release(r->test->account.pool, g_steal_pointer(&r->test->conn));
  wait_for_server(user);
  imap_pool_retry(r->test->account.pool);
  test_account_lease(r->test);
}

static void run(Replaying *r, const char *user) {
  const JournalFlags wish = {.add = IMAP_FLAG_FLAGGED};
  replaying_move(r, 1, 2);
  replaying_remove(r, 3, 4);
  replaying_flag(r, 5, 5, &wish);
  gboolean alive = TRUE;
  for (guint steps = 0; replaying_step(r, &alive); steps++) {
    ck_assert_uint_lt(steps, 30);
    if (!alive)
      reconnect(r, user);
  }
}

/* How much is said where nothing goes wrong, by direction. */
static FaultSeen measure(guint variant, FaultDirection direction) {
  const Fault none = {.kind = FAULT_NONE};
  g_autofree char *user = g_strdup_printf("measured%u.%u", variant, (guint)direction);
  g_autoptr(Replaying) r = mount(user, variant);
  fault_relay_arm(relay, &none);
  run(r, user);
  return fault_relay_seen(relay);
}

static void cut_at(guint variant, FaultDirection direction, guint64 at) {
  const Fault fault = {.kind = FAULT_CLOSE, .direction = direction, .at = at, .connection = FAULT_ANY};
  g_autofree char *user = g_strdup_printf("cut%u.%u.%u", variant, (guint)direction, (guint)at);
  g_autoptr(Replaying) r = mount(user, variant);
  fault_relay_arm(relay, &fault);
  run(r, user);
  fault_relay_disarm(relay);
  g_autofree char *places = replaying_places(r), *there = on_server(user);
  g_autofree char *shown = replaying_shown(r, r->to);
  ck_assert_msg(strcmp(there, "INBOX 5* 6, Other 1 2, Trash 3 4") == 0, "%s: %s", user, there);
  ck_assert_msg(strstr(places, "gone") == NULL && strchr(places, '@') == NULL, "%s: %s", user, places);
  ck_assert_uint_eq(replaying_left(r), 0);
  ck_assert_ptr_nonnull(strstr(shown, "message-1."));
  ck_assert_ptr_nonnull(strstr(shown, "message-2."));
}

static void sweep(guint variant, FaultDirection direction) {
  FaultSeen seen = measure(variant, direction);
  guint64 length = seen.octets[direction];
  ck_assert_uint_gt(length, 4 * CUTS);
  for (guint i = 0; i < CUTS; i++)
    cut_at(variant, direction, i * length / CUTS + i % 3);
}

START_TEST(test_up) {
  sweep((guint)_i, FAULT_UP);
}
END_TEST

START_TEST(test_down) {
  sweep((guint)_i, FAULT_DOWN);
}
END_TEST

/* Its threads are those of the process that a test runs in. */
static void start_relay(void) {
  relay = fault_relay_new(dovecot_port(dovecot));
}

static void stop_relay(void) {
  g_clear_pointer(&relay, fault_relay_free);
}

static void start_dovecot(void) {
  dovecot = dovecot_new(50);
}

static void stop_dovecot(void) {
  g_clear_pointer(&dovecot, dovecot_free);
}

int main(void) {
  Suite *suite = suite_create("replay, cut");
  TCase *tcase = tcase_create("cut");
  tcase_add_unchecked_fixture(tcase, start_dovecot, stop_dovecot);
  tcase_add_checked_fixture(tcase, start_relay, stop_relay);
  if (dovecot_installed()) {
    tcase_add_loop_test(tcase, test_up, 0, G_N_ELEMENTS(variants));
    tcase_add_loop_test(tcase, test_down, 0, G_N_ELEMENTS(variants));
  }
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
