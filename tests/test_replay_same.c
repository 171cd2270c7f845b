/* SPDX-License-Identifier: MIT */
/* Messages that are written anew though nobody has read them here: are they what the server has? */
#include <string.h>

#include "cache/journal/octets.h"
#include "tests/box.h"
#include "tests/suite.h"
#include "tests/uploads.h"

#define CAPABILITIES "LITERAL+ MULTIAPPEND UIDPLUS UNSELECT"
#define TEXT(letter) "Subject: " letter "\r\n\r\n" letter "\r\n"
#define SIZE 17 /* of those of one letter */
#define BODY(uid, letter)                                                                                              \
  "S: * 1 FETCH (UID " uid " BODY[] {17}\nR: Subject: " letter "\\r\\n\\r\\n" letter "\\r\\n\nS: )\n"
#define APPEND(letter) "C: @ APPEND \"box\" * {*+}\nC: Subject: " letter "\nC: \nC: " letter "\nC: \n"
#define EXAMINE OPEN("9", "7", "10")
#define BODIES(set) ASK(set, "(UID BODY.PEEK[])")

typedef struct {
  Uploads *u;
  IndexMessage old;
  const char *text;
  gint64 fresh; /* out */
} Rewrite;

static gboolean rewrite(IndexTxn *txn, gpointer data, GError **error) {
  Rewrite *self = data;
  g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
  IndexMessage fresh = {.internaldate = 1600000000, .mtime = 5, .ctime = 5};
  JournalContent content = {
      .state = JOURNAL_READY, .bytes = self->text, .size = strlen(self->text), .due = JOURNAL_NOW};
  gsize len = sizeof content.sha256;
  g_checksum_update(sum, (const guchar *)self->text, (gssize)content.size);
  g_checksum_get_digest(sum, content.sha256, &len);
  octets_fingerprint(self->text, content.size, content.fingerprint);
  if (!index_add_message(txn, &self->old, NULL, error) || !journal_replace(txn, self->old.row, &fresh, error))
    return FALSE;
  g_free(fresh.keywords);
  self->fresh = content.row = fresh.row;
  return journal_put(txn, &content, error);
}

/* A message of the server with this claim, of which a header may be known, is written anew. */
static Rewrite write_anew(Uploads *u, guint32 uid, guint64 claim, const char *header, const char *text) {
  Rewrite self = {.u = u,
                  .text = text,
                  .old = {.mailbox = u->box,
                          .folder = u->box,
                          .uid = uid,
                          .claim = claim,
                          .size = IMAP_UNKNOWN_SIZE,
                          .flags = IMAP_FLAG_SEEN,
                          .internaldate = 1500000000}};
  g_snprintf(self.old.name, sizeof self.old.name, "%u.eml", uid);
  if (header)
    octets_fingerprint(header, strlen(header), self.old.fingerprint);
  ck_assert(index_write(u->test->account.index, INDEX_JOURNAL, rewrite, &self, NULL));
  return self;
}

static void step(Uploads *u) {
  ck_assert(uploads_step(u, NULL));
}

static IndexMessage message_of(Uploads *u, gint64 row) {
  IndexMessage message = {0};
  ck_assert(index_get_message(u->test->account.index, row, &message, NULL));
  return message;
}

START_TEST(the_same_octets_are_not_sent) {
  g_autoptr(Uploads) u = uploads_new(CAPABILITIES, EXAMINE BODIES("4") BODY("4", "a") OK);
  Rewrite a = write_anew(u, 4, SIZE, _i == 0 ? NULL : TEXT("a"), TEXT("a"));
  step(u);
  ck_state(u, a.fresh, "4");
  ck_state(u, a.old.row, "gone");
  ck_assert(uploads_cached(u, a.fresh));
  ck_assert(!uploads_step(u, NULL));
  ck_assert(index_flush(u->test->account.index, NULL));
  g_auto(IndexMessage) message = message_of(u, a.fresh);
  ck_assert_str_eq(message.name, "4.eml");
  ck_assert_int_eq(message.folder, u->box);
  ck_assert_uint_eq(message.size, SIZE);
  ck_assert_uint_eq(message.flags, IMAP_FLAG_SEEN);
  ck_assert_int_eq(message.mtime, 5);
  ck_assert_int_eq(message.internaldate, 1500000000);
}
END_TEST

START_TEST(of_several_only_what_differs_is_sent) {
  g_autoptr(Uploads) u = uploads_new(CAPABILITIES, EXAMINE BODIES("4:6") BODY("5", "b") BODY("4", "a") BODY("6", "c")
                                                       OK APPEND("x") "S: @ OK [APPENDUID 7 10] done\n");
  Rewrite a = write_anew(u, 4, SIZE, NULL, TEXT("a")), b = write_anew(u, 5, SIZE, NULL, TEXT("x")),
          c = write_anew(u, 6, SIZE, NULL, TEXT("c"));
  step(u);
  ck_state(u, a.fresh, "4");
  ck_state(u, b.fresh, "confirmed 10");
  ck_state(u, c.fresh, "6");
  g_auto(IndexMessage) old = message_of(u, b.old.row);
  ck_assert_uint_eq(old.size, SIZE); /* it need not be fetched another time */
  ck_assert(!old.gone);
}
END_TEST

static const struct {
  guint64 claim;
  const char *header;
} others[] = {{99, NULL}, {IMAP_UNKNOWN_SIZE, NULL}, {SIZE, TEXT("b")}};

START_TEST(what_cannot_be_the_same_is_not_fetched) {
  g_autoptr(Uploads) u = uploads_new(CAPABILITIES, APPEND("a") "S: @ OK [APPENDUID 7 10] done\n");
  Rewrite a = write_anew(u, 4, others[_i].claim, others[_i].header, TEXT("a"));
  step(u);
  ck_state(u, a.fresh, "confirmed 10");
}
END_TEST

static const char *const answers[] = {
    EXAMINE BODIES("4") "S: @ NO not now\n",
    EXAMINE BODIES("4") OK,
    EXAMINE BODIES("4") "S: * 1 FETCH (UID 4 BODY[] NIL)\n" OK,
    EXAMINE BODIES("4") BODY("3", "a") OK,
    OPEN("9", "8", "10"),
};

START_TEST(what_cannot_be_had_is_sent) {
  g_autofree char *script = g_strconcat(answers[_i], APPEND("a") "S: @ OK [APPENDUID 7 10] done\n", NULL);
  g_autoptr(Uploads) u = uploads_new(CAPABILITIES, script);
  Rewrite a = write_anew(u, 4, SIZE, NULL, TEXT("a"));
  step(u);
  ck_state(u, a.fresh, "confirmed 10");
}
END_TEST

/* It may be this message that kills the server's process. */
START_TEST(a_line_that_is_lost_over_it_is_lost_once) {
  g_autoptr(Uploads) u = uploads_new(CAPABILITIES, EXAMINE BODIES("4") "half\nnext\n" FAKE_LOGIN(CAPABILITIES)
                                                       APPEND("a") "S: @ OK [APPENDUID 7 10] done\n");
  gboolean alive = TRUE;
  Rewrite a = write_anew(u, 4, SIZE, NULL, TEXT("a"));
  ck_assert(uploads_step(u, &alive) && !alive);
  ck_state(u, a.fresh, "ready");
  uploads_reconnect(u);
  step(u);
  ck_state(u, a.fresh, "confirmed 10");
}
END_TEST

static gboolean flag_fresh(IndexTxn *txn, gpointer row, GError **error) {
  JournalFlags flags = {.add = IMAP_FLAG_FLAGGED, .remove = IMAP_FLAG_SEEN, .add_keywords = "work"};
  return journal_flag(txn, *(gint64 *)row, &flags, error);
}

/* A restore sets them after the octets. */
START_TEST(flags_that_were_given_meanwhile_are_set) {
  g_autofree char *keywords = NULL;
  guint flags = 0;
  g_autoptr(Uploads) u = uploads_new(CAPABILITIES, EXAMINE BODIES("4") BODY("4", "a") OK);
  Rewrite a = write_anew(u, 4, SIZE, NULL, TEXT("a"));
  ck_assert(index_write(u->test->account.index, INDEX_JOURNAL, flag_fresh, &a.fresh, NULL));
  step(u);
  ck_state(u, a.fresh, "4");
  ck_assert(journal_flags(u->test->account.index, a.fresh, &flags, &keywords, NULL));
  ck_assert_uint_eq(flags, IMAP_FLAG_FLAGGED);
  ck_assert_str_eq(keywords, "work");
  ck_assert_uint_eq(uploads_left(u), 1);
}
END_TEST

static gboolean edit(IndexTxn *txn, gpointer data, GError **error) {
  const Rewrite *a = data;
  JournalItem item = {.replaces = a->old.row, .row = a->fresh, .edition = 1000};
  return journal_unchanged(txn, &item, error);
}

START_TEST(what_was_edited_meanwhile_is_looked_at_anew) {
  g_autoptr(GError) error = NULL;
  g_autoptr(Uploads) u = uploads_new(CAPABILITIES, "");
  Rewrite a = write_anew(u, 4, SIZE, NULL, TEXT("a"));
  ck_assert(!index_write(u->test->account.index, INDEX_JOURNAL, edit, &a, &error));
  ck_assert(g_error_matches(error, CACHE_ERROR, CACHE_ERROR_BUSY));
  ck_state(u, a.fresh, "ready");
}
END_TEST

/* The server said OK to it, and shows no such message: the old one does not go. */
START_TEST(what_is_not_there_replaces_nothing) {
  g_autoptr(Uploads) u =
      uploads_new(CAPABILITIES, APPEND("a") "S: @ OK [APPENDUID 7 10] done\n"
                                            "C: @ SELECT \"box\"\nS: * 3 EXISTS\nS: * OK [UIDVALIDITY 7] x\n"
                                            "S: * OK [UIDNEXT 10] x\nS: @ OK [READ-WRITE] open\n" ASK("10", ITEMS) OK);
  Rewrite a = write_anew(u, 4, 99, NULL, TEXT("a"));
  uploads_all(u);
  ck_state(u, a.fresh, "10"); /* the next delta ends it */
  g_auto(IndexMessage) old = message_of(u, a.old.row);
  ck_assert_int_eq(old.folder, u->box);
  ck_assert_str_eq(old.name, "4~2.eml");
  g_autofree char *events = test_account_events(u->test);
  g_autofree char *shown = g_strdup_printf("CHANGED %d\n", (int)u->box);
  ck_assert_msg(strstr(events, shown) != NULL, "%s", events);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("replay: the same octets");
  TCase *tests = tcase_create("same");
  tcase_set_timeout(tests, 60);
  tcase_add_loop_test(tests, the_same_octets_are_not_sent, 0, 2);
  tcase_add_test(tests, of_several_only_what_differs_is_sent);
  tcase_add_loop_test(tests, what_cannot_be_the_same_is_not_fetched, 0, G_N_ELEMENTS(others));
  tcase_add_loop_test(tests, what_cannot_be_had_is_sent, 0, G_N_ELEMENTS(answers));
  tcase_add_test(tests, a_line_that_is_lost_over_it_is_lost_once);
  tcase_add_test(tests, flags_that_were_given_meanwhile_are_set);
  tcase_add_test(tests, what_was_edited_meanwhile_is_looked_at_anew);
  tcase_add_test(tests, what_is_not_there_replaces_nothing);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
