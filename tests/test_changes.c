/* SPDX-License-Identifier: MIT */
/* What changes mail, on a real Dovecot: what it says it did, another session must see. */
#include <check.h>
#include <string.h>

#include "imap/imap.h"
#include "tests/dovecot.h"
#include "tests/suite.h"

static Dovecot *dovecot;

static void start(void) {
  dovecot = dovecot_new(20);
}

static void stop(void) {
  dovecot_free(dovecot);
}

typedef struct {
  ImapConfig config;
  ImapPool *pool;
  ImapConn *conn;
} Account;

/* A user of its own for each test. */
static Account account_new(const char *user, char **disable) {
  Account a = {.config = dovecot_config(dovecot, user)};
  GError *error = NULL;
  a.config.disable = disable;
  a.pool = imap_pool_new(&a.config);
  a.conn = imap_pool_lease(a.pool, IMAP_ROLE_PROMPT, NULL, &error);
  ck_assert_msg(a.conn != NULL, "%s", error != NULL ? error->message : "");
  return a;
}

static void account_clear(Account *a) {
  imap_pool_release(a->pool, a->conn);
  imap_pool_free(a->pool);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Account, account_clear)

/* What another session sees: it never shares ours. Returns the UIDVALIDITY. */
static guint32 look(const char *user, const char *mailbox, ImapSeqset **ret_uids) {
  g_auto(Account) other = account_new(user, NULL);
  g_auto(ImapMailbox) opening = {0};
  GError *error = NULL;
  ck_assert_msg(imap_examine_uids(other.conn, mailbox, TRUE, &opening, ret_uids, NULL, &error), "%s",
                error != NULL ? error->message : "");
  return opening.uidvalidity;
}

/* ---- APPEND ---------------------------------------------------------------------------------------- */

typedef struct {
  guint number;
  guint64 size, given;
} Source;

static const char header[] = "Subject: m%06u\r\n\r\n";
#define HEADER 20 /* octets of it */

/* The header, then lines of 64 octets that tell where they stand. */
static void content(const Source *source, guint64 at, char *buffer, gsize len) {
  char head[HEADER + 1], line[65];
  guint64 made = G_MAXUINT64;
  g_snprintf(head, sizeof head, header, source->number);
  for (gsize i = 0; i < len; i++, at++) {
    guint64 n = at < HEADER ? 0 : (at - HEADER) / 64;
    if (at >= HEADER && n != made)
      g_snprintf(line, sizeof line, "%08x %053u\r\n", (guint)(made = n), source->number);
    buffer[i] = at < HEADER ? head[at] : line[(at - HEADER) % 64];
  }
}

static gboolean give(gpointer data, void *buffer, gsize len, gsize *ret_len, G_GNUC_UNUSED GError **error) {
  Source *source = data;
  content(source, source->given, buffer, len);
  source->given += len;
  *ret_len = len;
  return TRUE;
}

typedef struct {
  guint n;
  Source *sources;
  ImapAppend *messages;
  ImapAppended *results;
} Mail;

/* `size` is made to end with a line. */
static Mail mail_new(guint n, guint64 size) {
  Mail mail = {n, g_new0(Source, n), g_new0(ImapAppend, n), g_new0(ImapAppended, n)};
  size = HEADER + (size + 63) / 64 * 64;
  for (guint i = 0; i < n; i++) {
    mail.sources[i] = (Source){.number = i, .size = size};
    mail.messages[i] = (ImapAppend){.internaldate = 837596665 + i, .size = size, .source = &mail.sources[i]};
  }
  return mail;
}

static void mail_clear(Mail *mail) {
  for (guint i = 0; i < mail->n; i++)
    imap_appended_clear(&mail->results[i]);
  g_free(mail->sources);
  g_free(mail->messages);
  g_free(mail->results);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Mail, mail_clear)

static void append(Account *a, const char *mailbox, Mail *mail) {
  GError *error = NULL;
  ImapAppends all = {mail->messages, mail->results, mail->n};
  ck_assert_msg(imap_append(a->conn, mailbox, &all, give, NULL, NULL, NULL, &error), "%s",
                error != NULL ? error->message : "");
  for (guint i = 0; i < mail->n; i++)
    ck_assert_msg(mail->results[i].outcome == IMAP_APPEND_DONE && mail->results[i].uid != 0, "message %u: %s", i,
                  mail->results[i].error != NULL ? mail->results[i].error->message : "");
}

typedef struct {
  guint64 at;
  const Source *source;
  gboolean differs;
} Comparison;

static gboolean compare_begin(gpointer data, guint64 size) {
  Comparison *comparison = data;
  comparison->at = 0;
  comparison->differs = size != comparison->source->size;
  return TRUE;
}

static gboolean compare_write(gpointer data, const void *octets, gsize len) {
  Comparison *comparison = data;
  g_autofree char *expected = g_malloc(len);
  content(comparison->source, comparison->at, expected, len);
  comparison->differs = comparison->differs || memcmp(expected, octets, len) != 0;
  comparison->at += len;
  return TRUE;
}

static void compare_end(G_GNUC_UNUSED gpointer data, gboolean whole) {
  ck_assert(whole);
}

static const ImapSink compare = {.begin = compare_begin, .write = compare_write, .end = compare_end};

/* Each message where it was said to be, octet for octet, with its date and flags. */
static void assert_stored(const char *user, const char *mailbox, const Mail *mail) {
  g_autoptr(ImapSeqset) uids = NULL;
  guint32 uidvalidity = look(user, mailbox, &uids);
  g_auto(Account) other = account_new(user, NULL);
  ck_assert(imap_examine(other.conn, mailbox, TRUE, NULL, NULL, NULL));
  for (guint i = 0; i < mail->n; i++) {
    g_autoptr(ImapSeqset) one = imap_seqset_new();
    Comparison comparison = {.source = &mail->sources[i]};
    g_auto(ImapMessage) message = {0}, done = {0};
    ck_assert_uint_eq(mail->results[i].uidvalidity, uidvalidity);
    imap_seqset_add(one, mail->results[i].uid, mail->results[i].uid);
    ck_assert(imap_fetch_send(other.conn, one, IMAP_FETCH_BODY, NULL, NULL));
    ck_assert_int_eq(imap_fetch_next(other.conn, &compare, &comparison, &message, NULL, NULL), IMAP_FETCH_MESSAGE);
    ck_assert_int_eq(imap_fetch_next(other.conn, NULL, NULL, &done, NULL, NULL), IMAP_FETCH_DONE);
    ck_assert_msg(!comparison.differs && comparison.at == mail->sources[i].size, "message %u", i);
  }
}

static char *no_multiappend[] = {"MULTIAPPEND", NULL}, *no_literals[] = {"MULTIAPPEND", "LITERAL+", "LITERAL-", NULL};

static const struct {
  const char *user;
  char **disable;
} ways[] = {{"batches", NULL}, {"pipelined", no_multiappend}, {"wanted", no_literals}};

/* A hundred small ones, and one of 10 MB in the middle. */
START_TEST(test_append) {
  g_auto(Account) a = account_new(ways[_i].user, ways[_i].disable);
  g_auto(Mail) small = mail_new(100, 5000), large = mail_new(3, 100);
  large.messages[1].size = large.sources[1].size = HEADER + (10u << 20);
  append(&a, "INBOX", &small);
  append(&a, "INBOX", &large);
  ck_assert_uint_eq(small.results[99].n, ways[_i].disable == NULL ? 100 : 1);
  assert_stored(ways[_i].user, "INBOX", &small);
  assert_stored(ways[_i].user, "INBOX", &large);
  g_autoptr(ImapSeqset) uids = NULL;
  look(ways[_i].user, "INBOX", &uids);
  ck_assert_uint_eq(imap_seqset_count(uids), 103);
}
END_TEST

START_TEST(test_append_flags_and_dates) {
  static const char *const keywords[] = {"$Label1", NULL};
  g_auto(Account) a = account_new("flags", NULL);
  g_auto(Mail) mail = mail_new(2, 100);
  mail.messages[0].flags = IMAP_FLAG_SEEN | IMAP_FLAG_FLAGGED;
  mail.messages[0].keywords = keywords;
  append(&a, "INBOX", &mail);
  g_autoptr(ImapSeqset) uids = NULL;
  look("flags", "INBOX", &uids);
  ck_assert(imap_examine(a.conn, "INBOX", TRUE, NULL, NULL, NULL));
  ck_assert(imap_fetch_send(a.conn, uids, IMAP_FETCH_LISTING_BARE, NULL, NULL));
  for (guint i = 0; i < 2; i++) {
    g_auto(ImapMessage) message = {0};
    ck_assert_int_eq(imap_fetch_next(a.conn, NULL, NULL, &message, NULL, NULL), IMAP_FETCH_MESSAGE);
    ck_assert_int_eq(message.internaldate, 837596665 + i);
    ck_assert_uint_eq(message.flags & ~(guint)IMAP_FLAG_RECENT, i == 0 ? IMAP_FLAG_SEEN | IMAP_FLAG_FLAGGED : 0);
    ck_assert_str_eq(i == 0 ? message.keywords[0] : "$Label1", "$Label1");
    ck_assert_uint_eq(message.size, mail.sources[i].size);
  }
  g_auto(ImapMessage) none = {0};
  ck_assert_int_eq(imap_fetch_next(a.conn, NULL, NULL, &none, NULL, NULL), IMAP_FETCH_DONE);
}
END_TEST

START_TEST(test_append_to_nowhere) {
  g_auto(Account) a = account_new("nowhere", ways[_i].disable);
  g_auto(Mail) mail = mail_new(20, 5000);
  ImapAppends all = {mail.messages, mail.results, mail.n};
  ck_assert(imap_append(a.conn, "missing", &all, give, NULL, NULL, NULL, NULL));
  ck_assert(g_error_matches(mail.results[0].error, IMAP_ERROR, IMAP_ERROR_GONE));
  for (guint i = 0; i < mail.n; i++)
    ck_assert(mail.results[i].outcome == IMAP_APPEND_UNSENT || mail.results[i].outcome == IMAP_APPEND_REFUSED);
  ck_assert_uint_eq(mail.sources[0].given, 0); /* it was not asked for */
  ck_assert(imap_noop(a.conn, NULL, NULL));
}
END_TEST

/* ---- STORE, COPY, MOVE, EXPUNGE ------------------------------------------------------------------------- */

/* Every second UID of 2000, so that nothing is a range. */
static ImapSeqset *odd_uids(void) {
  ImapSeqset *set = imap_seqset_new();
  for (guint i = 1; i < 2000; i += 2)
    imap_seqset_add(set, i, i);
  return set;
}

/* An account with 2000 messages in INBOX, which is open for writing, and an empty "to". */
static Account account_full(const char *user) {
  Account a = account_new(user, NULL);
  g_auto(Mail) mail = mail_new(2000, 100);
  ck_assert(imap_create(a.conn, "to", 0, NULL, NULL, NULL));
  append(&a, "INBOX", &mail);
  ck_assert(imap_examine(a.conn, "INBOX", FALSE, NULL, NULL, NULL));
  return a;
}

static guint count(const char *user, const char *mailbox) {
  g_autoptr(ImapSeqset) uids = NULL;
  look(user, mailbox, &uids);
  return (guint)imap_seqset_count(uids);
}

START_TEST(test_move) {
  g_auto(Account) a = account_full("move");
  g_autoptr(ImapSeqset) odd = odd_uids(), left = NULL;
  g_auto(ImapEffect) effect = {0};
  ck_assert(imap_move(a.conn, odd, "to", &effect, NULL, NULL));
  ck_assert(imap_seqset_equal(effect.done, odd));
  ck_assert_uint_eq(imap_uidmap_find(effect.copies, 1), 1);
  ck_assert_uint_eq(imap_uidmap_find(effect.copies, 1999), 1000);
  look("move", "INBOX", &left);
  ck_assert_uint_eq(imap_seqset_count(left), 1000);
  ck_assert(!imap_seqset_contains(left, 1) && imap_seqset_contains(left, 2));
  ck_assert_uint_eq(count("move", "to"), 1000);
  /* once more: they are gone, and OK says nothing of that */
  g_auto(ImapEffect) again = {0};
  ck_assert(imap_move(a.conn, odd, "to", &again, NULL, NULL));
  ck_assert(imap_seqset_equal(again.unnamed, odd));
  ck_assert_uint_eq(again.uidvalidity, 0);
}
END_TEST

START_TEST(test_copy) {
  g_auto(Account) a = account_full("copy");
  g_autoptr(ImapSeqset) odd = odd_uids();
  g_auto(ImapEffect) effect = {0}, missing = {0};
  g_autoptr(GError) error = NULL;
  ck_assert(imap_copy(a.conn, odd, "to", &effect, NULL, NULL));
  ck_assert(imap_seqset_equal(effect.done, odd));
  ck_assert_uint_eq(count("copy", "to"), 1000);
  ck_assert_uint_eq(count("copy", "INBOX"), 2000);
  ck_assert(!imap_copy(a.conn, odd, "missing", &missing, NULL, &error));
  ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_GONE));
  ck_assert(!imap_conn_failed(a.conn));
}
END_TEST

START_TEST(test_store_and_expunge) {
  g_auto(Account) a = account_full("expunge");
  g_autoptr(ImapSeqset) odd = odd_uids(), rest = imap_seqset_new(), left = NULL;
  ImapFlagging deleted = {.add = TRUE, .flags = IMAP_FLAG_DELETED};
  g_auto(ImapEffect) marked = {0}, expunged = {0};
  ck_assert(imap_store(a.conn, odd, &deleted, &marked, NULL, NULL));
  ck_assert(imap_seqset_equal(marked.done, odd));
  /* of those flagged only the named ones go: 1 to 99 */
  imap_seqset_add(rest, 1, 100);
  ck_assert(imap_expunge(a.conn, rest, &expunged, NULL, NULL));
  look("expunge", "INBOX", &left);
  ck_assert_uint_eq(imap_seqset_count(left), 1950);
  ck_assert(!imap_seqset_contains(left, 99) && imap_seqset_contains(left, 100) && imap_seqset_contains(left, 101));
}
END_TEST

/* Dovecot really moves out of a mailbox that was only EXAMINEd; we do not ask it to. */
START_TEST(test_examined) {
  g_auto(Account) a = account_new("examined", NULL);
  g_auto(Mail) mail = mail_new(1, 100);
  g_autoptr(ImapSeqset) one = imap_seqset_new();
  g_auto(ImapEffect) effect = {0};
  g_autoptr(GError) error = NULL;
  append(&a, "INBOX", &mail);
  imap_seqset_add(one, 1, 1);
  ck_assert(imap_create(a.conn, "to", 0, NULL, NULL, NULL));
  ck_assert(imap_examine(a.conn, "INBOX", TRUE, NULL, NULL, NULL));
  ck_assert(!imap_move(a.conn, one, "to", &effect, NULL, &error));
  ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_READONLY));
  ck_assert_uint_eq(count("examined", "INBOX"), 1);
}
END_TEST

/* ---- folders ------------------------------------------------------------------------------------------------ */

static gboolean is_listed(ImapConn *conn, const char *name) {
  g_autoptr(GPtrArray) listings = NULL;
  gboolean found = FALSE;
  ck_assert(imap_list(conn, FALSE, &listings, NULL, NULL, NULL));
  for (guint i = 0; i < listings->len; i++)
    found = found || strcmp(((ImapListing *)g_ptr_array_index(listings, i))->name, name) == 0;
  return found;
}

START_TEST(test_folders) {
  static const char *const names[] = {"plain", "Pers\xc3\xb6nlich/\xe2\x98\x83 \xf0\x9f\x90\xaa", "a \"quoted\" name",
                                      "back\\slash & more"};
  g_auto(Account) a = account_new("folders", NULL);
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autofree char *name = imap_utf7_encode(names[i]), *other = g_strconcat(name, "2", NULL);
    g_autoptr(GError) error = NULL, missing = NULL;
    ck_assert(imap_create(a.conn, name, 0, NULL, NULL, NULL));
    ck_assert_msg(is_listed(a.conn, name), "%s", names[i]);
    ck_assert(!imap_create(a.conn, name, 0, NULL, NULL, &error));
    ck_assert_msg(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_EXISTS), "%s", error->message);
    ck_assert(imap_subscribe(a.conn, name, TRUE, NULL, NULL));
    ck_assert(imap_examine(a.conn, name, TRUE, NULL, NULL, NULL));
    ck_assert(imap_rename(a.conn, name, other, NULL, NULL));
    ck_assert(!is_listed(a.conn, name) && is_listed(a.conn, other));
    ck_assert(imap_delete(a.conn, other, NULL, NULL));
    ck_assert(!is_listed(a.conn, other));
    ck_assert(!imap_delete(a.conn, other, NULL, &missing));
    ck_assert_msg(g_error_matches(missing, IMAP_ERROR, IMAP_ERROR_GONE), "%s", missing->message);
  }
}
END_TEST

int main(void) {
  if (!dovecot_installed())
    return 0;
  TCase *tc = tcase_create("changes");
  tcase_add_unchecked_fixture(tc, start, stop);
  tcase_add_loop_test(tc, test_append, 0, G_N_ELEMENTS(ways));
  tcase_add_test(tc, test_append_flags_and_dates);
  tcase_add_loop_test(tc, test_append_to_nowhere, 0, G_N_ELEMENTS(ways));
  tcase_add_test(tc, test_move);
  tcase_add_test(tc, test_copy);
  tcase_add_test(tc, test_store_and_expunge);
  tcase_add_test(tc, test_examined);
  tcase_add_test(tc, test_folders);
  Suite *suite = suite_create("changes");
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
