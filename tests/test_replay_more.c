/* SPDX-License-Identifier: MIT */
/* What is written while a batch is under way goes along with it: the line is not idle for want of an answer. */
#include "tests/box.h"
#include "tests/suite.h"
#include "tests/uploads.h"

#define TEXT(name) "Subject: " name "\r\n\r\n" name "\r\n"
#define LINES(name) "C: Subject: " name "\nC: \nC: " name "\n"
#define APPEND(name) "C: @ APPEND \"box\" * {*+}\n" LINES(name) "C: \n"
#define MULTI "LITERAL+ MULTIAPPEND UIDPLUS UNSELECT"
#define DONE(uid) "S: @ OK [APPENDUID 7 " uid "] done\n"
#define THERE(uid, name)                                                                                               \
  "S: * 1 FETCH (UID " uid " FLAGS () INTERNALDATE \"01-Jan-2020 00:00:00 +0000\" RFC822.SIZE 17"                      \
  " BODY[HEADER.FIELDS (DATE FROM SUBJECT MESSAGE-ID)] \"Subject: " name "\")\n"
#define LOOK(list)                                                                                                     \
  "C: @ EXAMINE \"box\"\nS: * 3 EXISTS\nS: * OK [UIDVALIDITY 7] x\nS: * OK [UIDNEXT 12] x\nS: @ OK\n" UIDS(list)

static gint64 add(Uploads *u, const char *letter, gint64 copy) {
  g_autofree char *name = g_strconcat(letter, ".eml", NULL);
  g_autofree char *text = g_strdup_printf(TEXT("%s"), letter, letter);
  return uploads_add(u, name, text, copy);
}

static gboolean send(Uploads *u, JournalBatch *batch) {
  return replay_do(u->replay, u->test->conn, batch, NULL);
}

START_TEST(what_comes_meanwhile_goes_along) {
  g_autoptr(Uploads) u = uploads_new(MULTI, APPEND("a") DONE("10") APPEND("b") DONE("11"));
  g_auto(JournalBatch) batch = {0};
  gint64 a = add(u, "a", 0);
  ck_assert(uploads_take(u, &batch));
  gint64 b = add(u, "b", 0);
  ck_assert(send(u, &batch));
  ck_assert_uint_eq(batch.items->len, 2);
  ck_state(u, a, "confirmed 10");
  ck_state(u, b, "confirmed 11");
}
END_TEST

START_TEST(its_lost_answer_is_looked_for_too) {
  g_autoptr(Uploads) u = uploads_new(MULTI, APPEND("a") DONE("10") APPEND("b") "half\nnext\n" FAKE_LOGIN(MULTI)
                                                LOOK("3 10 11") ASK("11", ITEMS) THERE("11", "b") OK);
  g_auto(JournalBatch) batch = {0};
  gint64 a = add(u, "a", 0);
  ck_assert(uploads_take(u, &batch));
  gint64 b = add(u, "b", 0);
  ck_assert(!send(u, &batch));
  uploads_reconnect(u);
  ck_state(u, a, "confirmed 10");
  ck_state(u, b, "unknown");
  ck_assert(uploads_step(u, NULL));
  ck_state(u, b, "confirmed 11");
}
END_TEST

START_TEST(what_is_refused_is_asked_for_no_more) {
  g_autoptr(Uploads) u = uploads_new(MULTI, APPEND("a") "S: @ NO [UNAVAILABLE] later\n");
  g_auto(JournalBatch) batch = {0};
  gint64 a = add(u, "a", 0);
  ck_assert(uploads_take(u, &batch));
  gint64 b = add(u, "b", 0);
  ck_assert(send(u, &batch));
  ck_state(u, a, "ready");
  ck_state(u, b, "ready");
}
END_TEST

/* Its octets may be anywhere, and the server may have them. */
START_TEST(a_copy_has_a_batch_of_its_own) {
  g_autoptr(Uploads) u = uploads_new(MULTI, APPEND("a") DONE("10"));
  g_auto(JournalBatch) batch = {0};
  gint64 a = add(u, "a", 0);
  ck_assert(uploads_take(u, &batch));
  gint64 b = add(u, "b", a);
  ck_assert(send(u, &batch));
  ck_state(u, a, "confirmed 10");
  ck_state(u, b, "ready");
}
END_TEST

/* Readers are let between. */
START_TEST(what_is_small_does_not_grow_large) {
  g_autoptr(Uploads) u = uploads_new(MULTI, APPEND("a") DONE("10"));
  g_auto(JournalBatch) batch = {0};
  add(u, "a", 0);
  ck_assert(uploads_take(u, &batch));
  gint64 large = uploads_add_spooled(u, "large.eml", REPLAY_BULK);
  ck_assert(send(u, &batch));
  ck_state(u, large, "ready");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("replay/more");
  TCase *tests = tcase_create("more");
  tcase_add_test(tests, what_comes_meanwhile_goes_along);
  tcase_add_test(tests, its_lost_answer_is_looked_for_too);
  tcase_add_test(tests, what_is_refused_is_asked_for_no_more);
  tcase_add_test(tests, a_copy_has_a_batch_of_its_own);
  tcase_add_test(tests, what_is_small_does_not_grow_large);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
