/* SPDX-License-Identifier: MIT */
/*
 * The same changes by another client, seen with all that Dovecot has and with parts of it switched off: the index is
 * the same in the end. Then what renumbers: another UIDVALIDITY, a rename.
 */
#include <string.h>
#include <unistd.h>

#include "cache/sync/listing.h"
#include "cache/sync/resync.h"
#include "cache/tree/tree.h"
#include "tests/account.h"
#include "tests/dovecot.h"
#include "tests/suite.h"

#define MESSAGES 30

static Dovecot *dovecot; /* one for the whole program */

/* ---- the other client --------------------------------------------------------------------------------------- */

typedef struct {
  GSocketConnection *socket;
  GDataInputStream *from;
  GOutputStream *to;
} Other;

static char *answer(Other *other, const char *tag) {
  g_autoptr(GString) said = g_string_new(NULL);
  for (;;) {
    g_autoptr(GError) error = NULL;
    g_autofree char *line = g_data_input_stream_read_line(other->from, NULL, NULL, &error);
    ck_assert_msg(line != NULL, "%s", error ? error->message : "the other client was sent away");
    g_string_append_printf(said, "%s\n", line);
    if (g_str_has_prefix(line, tag)) {
      ck_assert_msg(strncmp(line + strlen(tag), "OK", 2) == 0, "%s", line);
      return g_string_free(g_steal_pointer(&said), FALSE);
    }
  }
}

static char *other_says(Other *other, const char *command) {
  g_autofree char *line = g_strdup_printf("x %s\r\n", command);
  ck_assert(g_output_stream_write_all(other->to, line, strlen(line), NULL, NULL, NULL));
  return answer(other, "x ");
}

static Other other_login(const char *user) {
  g_autoptr(GSocketClient) client = g_socket_client_new();
  g_autofree char *login = g_strdup_printf("LOGIN %s secret", user);
  Other other = {0};
  other.socket = g_socket_client_connect_to_host(client, "127.0.0.1", dovecot_port(dovecot), NULL, NULL);
  ck_assert(other.socket != NULL);
  other.from = g_data_input_stream_new(g_io_stream_get_input_stream(G_IO_STREAM(other.socket)));
  g_data_input_stream_set_newline_type(other.from, G_DATA_STREAM_NEWLINE_TYPE_CR_LF);
  other.to = g_io_stream_get_output_stream(G_IO_STREAM(other.socket));
  g_free(other_says(&other, login));
  return other;
}

static void other_clear(Other *other) {
  g_clear_object(&other->from);
  g_clear_object(&other->socket);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Other, other_clear)

/* Commands of one session, up to NULL. */
static void others(const char *user, const char *const *commands) {
  g_auto(Other) other = other_login(user);
  for (; *commands; commands++)
    g_free(other_says(&other, *commands));
}

static void doveadm(const char *user, const char *command) {
  ImapConfig config = dovecot_config(dovecot, user);
  g_autofree char *dir = g_path_get_dirname(config.tls_ca);
  g_autofree char *line = g_strdup_printf("doveadm -c '%s/dovecot.conf' %s", dir, command);
  int status = -1;
  ck_assert(g_spawn_command_line_sync(line, NULL, NULL, &status, NULL));
  ck_assert_msg(status == 0, "%s", line);
}

/* ---- ours ---------------------------------------------------------------------------------------------------- */

#define LETTER                                                                                                         \
  "Date: Sat, 21 Nov 2026 10:00:00 +0000\r\nFrom: Ann <ann@example.com>\r\nSubject: letter %u\r\n"                     \
  "Message-ID: <%u@example.com>\r\n\r\nThis is letter %u.\r\n"

static char *letter(guint number) {
  return g_strdup_printf(LETTER, number, number, number);
}

static void deliver(const char *user, const char *folder, guint n) {
  for (guint i = 1; i <= n; i++) {
    g_autofree char *text = letter(i);
    dovecot_deliver_text(dovecot, user, folder, i, text, strlen(text));
  }
}

static void update_tree(TestAccount *test) {
  g_autoptr(GError) error = NULL;
  g_auto(TreeNews) news = {0};
  ck_assert_msg(tree_update(&test->account, test->conn, NULL, TRUE, &news, &error), "%s", error ? error->message : "");
}

static void list(TestAccount *test, gint64 folder) {
  g_autoptr(GError) error = NULL;
  ck_assert_msg(listing_first(&test->account, test->conn, folder, NULL, NULL, NULL, &error), "%s",
                error ? error->message : "");
}

static TestAccount *mount(const char *user, char **disable) {
  ImapConfig config = dovecot_config(dovecot, user);
  config.disable = disable;
  TestAccount *test = test_account_on(&config);
  update_tree(test);
  return test;
}

/* As the sync does it. */
static void visit(TestAccount *test, gint64 folder) {
  g_autoptr(GError) error = NULL;
  ResyncResult result = resync_run(&test->account, test->conn, folder, NULL, RESYNC_FLAGS_OLD, FALSE, &error);
  if (result == RESYNC_UNSURE) {
    imap_conn_fail(test->conn);
    test_account_lease(test);
    update_tree(test);
    result = resync_run(&test->account, test->conn, folder, NULL, RESYNC_FLAGS_OLD, TRUE, &error);
  }
  if (result == RESYNC_RELIST)
    list(test, folder);
  ck_assert_msg(result == RESYNC_DONE || result == RESYNC_RELIST, "%s", error ? error->message : "unsure still");
}

/* UID, flags, keywords and name of each message. */
static char *picture(TestAccount *test, gint64 folder) {
  g_autoptr(GString) text = g_string_new(NULL);
  IndexMessage messages[64];
  gssize n = index_messages(test->account.index, folder, 0, messages, G_N_ELEMENTS(messages), NULL);
  for (gssize i = 0; i < n; i++) {
    const char *keywords = messages[i].keywords;
    g_string_append_printf(text, "%u %u %s %s\n", messages[i].uid, messages[i].flags, keywords ? keywords : "",
                           messages[i].name);
    index_message_clear(&messages[i]);
  }
  return g_string_free(g_steal_pointer(&text), FALSE);
}

static const struct {
  const char *user;
  char *disable[5];
} modes[] = {
    {"all", {NULL}},
    {"noqresync", {(char *)"QRESYNC", NULL}},
    {"nocondstore", {(char *)"QRESYNC", (char *)"CONDSTORE", NULL}},
    {"noesearch", {(char *)"ESEARCH", NULL}},
    {"condstoreonly", {(char *)"QRESYNC", (char *)"ESEARCH", NULL}},
    {"nothing", {(char *)"QRESYNC", (char *)"CONDSTORE", (char *)"ESEARCH", (char *)"ENABLE", NULL}},
};

#define APPEND "APPEND INBOX (\\Seen) \"01-Jan-2026 10:00:00 +0000\" {%u+}\r\n%s"

static void append(const char *user, guint number) {
  g_autofree char *text = letter(number);
  g_autofree char *command = g_strdup_printf(APPEND, (guint)strlen(text), text);
  others(user, (const char *const[]){command, NULL});
}

/* Three visits: flags; all kinds at once; and a folder that comes to nothing. */
static char *live(TestAccount *test, const char *user, gint64 inbox) {
  g_autoptr(GString) pictures = g_string_new(NULL);
  static const char *const rounds[][8] = {
      {"SELECT INBOX", "UID STORE 3 +FLAGS (\\Flagged $Work)", "UID STORE 5:7 -FLAGS (\\Seen)", NULL},
      {"SELECT INBOX", "UID STORE 4,9 +FLAGS (\\Deleted)", "UID EXPUNGE 4,9", "UID STORE 8 FLAGS (\\Answered)", NULL},
      {"SELECT INBOX", "UID STORE 31 +FLAGS (\\Draft)", "UID STORE 30 +FLAGS (\\Deleted)", "UID EXPUNGE 30", NULL},
      {"SELECT INBOX", "UID STORE 1:20 +FLAGS (\\Deleted)", "UID EXPUNGE 1:20", NULL},
  };
  for (guint i = 0; i < G_N_ELEMENTS(rounds); i++) {
    others(user, rounds[i]);
    if (i == 1 || i == 2)
      append(user, 100 + i);
    visit(test, inbox);
    g_autofree char *text = picture(test, inbox);
    g_string_append_printf(pictures, "%u:\n%s", i, text);
  }
  return g_string_free(g_steal_pointer(&pictures), FALSE);
}

/* What the visits leave behind, as text; and what it must be in any case. */
static char *one_way(const char *user, char **disable) {
  deliver(user, "", MESSAGES);
  g_autoptr(TestAccount) test = mount(user, disable);
  gint64 inbox = test_account_folder(test, "INBOX");
  list(test, inbox);
  g_autofree char *text = live(test, user, inbox);
  ck_assert_ptr_nonnull(strstr(text, "\n3 5 $Work "));
  ck_assert_ptr_nonnull(strstr(text, "\n8 2 "));
  ck_assert_ptr_nonnull(strstr(text, "\n31 17 "));
  ck_assert_int_eq(test->account.wrong_deltas[IMAP_DELTA_QRESYNC], 0);
  g_auto(IndexMailbox) mailbox = {0};
  g_auto(ImapStatus) status = {0};
  ck_assert(index_get_mailbox(test->account.index, inbox, &mailbox, NULL));
  ck_assert(imap_unselect(test->conn, NULL, NULL) && imap_status(test->conn, "INBOX", &status, NULL, NULL));
  ck_assert_msg(resync_same(&mailbox, &status), "%s: another visit would find something to do", user);
  return g_steal_pointer(&text);
}

START_TEST(every_way_leads_to_the_same_index) {
  g_autofree char *first = one_way(modes[0].user, (char **)modes[0].disable);
  for (guint i = 1; i < G_N_ELEMENTS(modes); i++) {
    g_autofree char *text = one_way(modes[i].user, (char **)modes[i].disable);
    ck_assert_msg(strcmp(text, first) == 0, "%s:\n%sinstead of\n%s", modes[i].user, text, first);
  }
}
END_TEST

/* ---- renumbering ----------------------------------------------------------------------------------------------- */

static void keep_bodies(TestAccount *test, gint64 folder, guint n) {
  for (guint uid = 1; uid <= n; uid++) {
    g_autofree char *text = letter(uid);
    g_auto(IndexMessage) message = {0};
    ck_assert(index_find_uid(test->account.index, folder, uid, &message, NULL));
    BodyTemp *temp = body_begin(test->account.bodies, NULL);
    ck_assert(temp && body_write(temp, text, strlen(text), NULL));
    IndexKey key;
    ck_assert(index_get_key(test->account.index, message.row, &key, NULL));
    close(body_commit(temp, &key, 0, NULL));
  }
  ck_assert(index_flush(test->account.index, NULL));
}

/* Row, name and body of each. */
static char *identities(TestAccount *test, gint64 folder) {
  g_autoptr(GString) text = g_string_new(NULL);
  IndexMessage messages[64];
  gssize n = index_messages(test->account.index, folder, 0, messages, G_N_ELEMENTS(messages), NULL);
  for (gssize i = 0; i < n; i++) {
    int fd = body_open(test->account.bodies, messages[i].row);
    g_string_append_printf(text, "%d %s %s\n", (int)messages[i].row, messages[i].name, fd < 0 ? "-" : "body");
    if (fd >= 0)
      close(fd);
    index_message_clear(&messages[i]);
  }
  return g_string_free(g_steal_pointer(&text), FALSE);
}

START_TEST(another_uidvalidity_keeps_rows_and_bodies) {
  deliver("bump", "", 8);
  g_autoptr(TestAccount) test = mount("bump", NULL);
  gint64 inbox = test_account_folder(test, "INBOX");
  list(test, inbox);
  keep_bodies(test, inbox, 8);
  g_autofree char *before = identities(test, inbox);
  ck_assert_ptr_null(strstr(before, " -\n"));
  doveadm("bump", "mailbox update -u bump --uid-validity 4711 INBOX");
  visit(test, inbox);
  g_auto(IndexMailbox) mailbox = {0};
  ck_assert(index_get_mailbox(test->account.index, inbox, &mailbox, NULL));
  ck_assert_uint_eq(mailbox.uidvalidity, 4711);
  g_autofree char *after = identities(test, inbox);
  ck_assert_str_eq(after, before);
}
END_TEST

START_TEST(a_rename_that_renumbers_keeps_rows_and_bodies) {
  deliver("move", "", 1);
  deliver("move", "Old", 8);
  deliver("move", "Old.sub", 2);
  g_autoptr(TestAccount) test = mount("move", NULL);
  gint64 old = test_account_folder(test, "Old"), sub = test_account_folder(test, "Old/sub");
  list(test, old);
  list(test, sub);
  keep_bodies(test, old, 8);
  g_autofree char *before = identities(test, old), *before_sub = identities(test, sub);
  others("move", (const char *const[]){"RENAME Old New", NULL});
  doveadm("move", "mailbox update -u move --uid-validity 4712 New");
  update_tree(test);
  ck_assert_int_eq(test_account_folder(test, "New"), old);
  ck_assert_int_eq(test_account_folder(test, "New/sub"), sub);
  visit(test, old);
  visit(test, sub);
  g_autofree char *after = identities(test, old), *after_sub = identities(test, sub);
  ck_assert_str_eq(after, before);
  ck_assert_str_eq(after_sub, before_sub);
}
END_TEST

/* By LIST-STATUS: Dovecot keeps the UIDVALIDITY of what it renames. */
START_TEST(swapped_folders_keep_their_rows) {
  deliver("swap", "", 1);
  deliver("swap", "a", 3);
  deliver("swap", "b", 5);
  g_autoptr(TestAccount) test = mount("swap", NULL);
  gint64 a = test_account_folder(test, "a"), b = test_account_folder(test, "b");
  list(test, a);
  list(test, b);
  g_autofree char *in_a = identities(test, a), *in_b = identities(test, b);
  others("swap", (const char *const[]){"RENAME a tmp", "RENAME b a", "RENAME tmp b", NULL});
  update_tree(test);
  ck_assert_int_eq(test_account_folder(test, "a"), b);
  ck_assert_int_eq(test_account_folder(test, "b"), a);
  visit(test, a);
  visit(test, b);
  g_autofree char *now_a = identities(test, a), *now_b = identities(test, b);
  ck_assert_str_eq(now_a, in_a);
  ck_assert_str_eq(now_b, in_b);
}
END_TEST

START_TEST(a_folder_made_anew_shows_what_is_in_it_now) {
  deliver("anew", "", 1);
  deliver("anew", "box", 5);
  g_autoptr(TestAccount) test = mount("anew", NULL);
  gint64 box = test_account_folder(test, "box");
  list(test, box);
  keep_bodies(test, box, 5);
  others("anew", (const char *const[]){"DELETE box", "CREATE box", NULL});
  visit(test, box);
  g_autofree char *empty = identities(test, test_account_folder(test, "box"));
  ck_assert_str_eq(empty, "");
}
END_TEST

static void start_dovecot(void) {
  dovecot = dovecot_new(50);
}

static void stop_dovecot(void) {
  dovecot_free(dovecot);
}

int main(void) {
  if (!dovecot_installed())
    return 0;
  Suite *suite = suite_create("cache/resync: Dovecot");
  TCase *tests = tcase_create("dovecot");
  tcase_add_unchecked_fixture(tests, start_dovecot, stop_dovecot);
  tcase_add_test(tests, every_way_leads_to_the_same_index);
  tcase_add_test(tests, another_uidvalidity_keeps_rows_and_bodies);
  tcase_add_test(tests, a_rename_that_renumbers_keeps_rows_and_bodies);
  tcase_add_test(tests, swapped_folders_keep_their_rows);
  tcase_add_test(tests, a_folder_made_anew_shows_what_is_in_it_now);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
