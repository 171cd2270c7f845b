/* SPDX-License-Identifier: MIT */
#include "cache/sync/rematch.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cache/sync/listing.h"
#include "tests/box.h"
#include "tests/suite.h"

#define TWO OPEN("2", "7", "3") UIDS("1 2") ASK("1:2", ITEMS) ROW("1", "a") ROW("2", "b") OK UIDS("1 2")
/* The same two under another UIDVALIDITY, up to where their bodies are to be proven. */
#define AGAIN                                                                                                          \
  LEAVE OPEN("2", "8", "13") UIDS("11 12") ASK("11:12", ITEMS) ROW("11", "a") ROW("12", "b") OK UIDS("11 12")
#define PROVE(set) "C: @ UID FETCH " set " (UID BODY.PEEK[HEADER])\n"
#define SAYS(uid, header) "S: * 1 FETCH (UID " uid " BODY[HEADER] {" header
#define LETTER_1 "Subject: a\r\nX-Copy: 1\r\n\r\nThis is letter 1.\r\n"
#define LETTER_2 "Subject: b\r\nX-Copy: 1\r\n\r\nThis is letter 2.\r\n"
#define HEADER_1 SAYS("11", "25}\nR: Subject: a\\r\\nX-Copy: 1\\r\\n\\r\\n)\\r\\n\n")
#define HEADER_2 SAYS("12", "25}\nR: Subject: b\\r\\nX-Copy: 1\\r\\n\\r\\n)\\r\\n\n")
#define OTHER_2 SAYS("12", "25}\nR: Subject: b\\r\\nX-Copy: 2\\r\\n\\r\\n)\\r\\n\n")

static void put(TestAccount *test, gint64 row, const char *text) {
  g_autoptr(GError) error = NULL;
  BodyTemp *temp = body_begin(test->account.bodies, &error);
  ck_assert(temp && body_write(temp, text, strlen(text), &error));
  IndexKey key;
  ck_assert(index_get_key(test->account.index, row, &key, &error));
  close(body_commit(temp, &key, 0, &error));
}

/* "": none. */
static char *get(TestAccount *test, gint64 row) {
  char octets[256];
  int fd = body_open(test->account.bodies, row);
  ssize_t n = fd < 0 ? 0 : pread(fd, octets, sizeof octets, 0);
  if (fd >= 0)
    close(fd);
  return g_strndup(octets, (gsize)MAX(n, 0));
}

static void ck_body(TestAccount *test, gint64 row, const char *text) {
  g_autofree char *have = get(test, row);
  ck_assert_str_eq(have, text);
  ck_assert_int_eq(body_present(test->account.bodies, row), *text != '\0');
}

static TestAccount *two(const char *capabilities, const char *listing, const char *then) {
  g_autofree char *script = g_strconcat(listing, then, NULL);
  TestAccount *test = box_start(capabilities, script);
  box_list(test);
  put(test, box_row(test, 1), LETTER_1);
  put(test, box_row(test, 2), LETTER_2);
  ck_assert(index_flush(test->account.index, NULL));
  return test;
}

/* As after a kill: what the index and the disk have, and nothing from memory. */
static void restart(TestAccount *test) {
  g_autofree char *cache = g_build_filename(test->dir, "cache", NULL);
  int fd = open(test->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  body_store_close(test->account.bodies);
  index_close(test->account.index);
  test->account.index = index_open(fd, NULL, NULL);
  test->account.bodies = body_store_open(cache, test->account.index, 1 << 30, 0, FALSE, NULL);
  ck_assert(test->account.index && test->account.bodies);
  close(fd);
}

START_TEST(a_body_is_kept_where_the_whole_header_agrees) {
  g_autoptr(TestAccount) test = two("UNSELECT", TWO, AGAIN PROVE("11:12") HEADER_1 OTHER_2 OK);
  gint64 one = box_row(test, 1), two_ = box_row(test, 2);
  int open_before = body_open(test->account.bodies, two_);
  box_list(test);
  ck_uids(test, "11:12");
  ck_assert_int_eq(box_row(test, 11), one);
  ck_assert_int_eq(box_row(test, 12), two_);
  ck_body(test, one, LETTER_1);
  ck_body(test, two_, "");
  char octets[256];
  ck_assert_int_eq(pread(open_before, octets, sizeof octets, 0), strlen(LETTER_2)); /* whoever has it open reads on */
  close(open_before);
  restart(test);
  ck_body(test, one, LETTER_1);
  ck_body(test, two_, "");
}
END_TEST

START_TEST(what_the_server_does_not_answer_is_not_proven) {
  g_autoptr(TestAccount) test = two("UNSELECT", TWO, AGAIN PROVE("11:12") HEADER_1 "S: @ NO not all of them\n");
  gint64 one = box_row(test, 1), two_ = box_row(test, 2);
  box_list(test);
  ck_body(test, one, LETTER_1);
  ck_body(test, two_, "");
}
END_TEST

/* The line breaks between the match and the proof; then the process, too. */
START_TEST(without_proof_no_body_is_served) {
  g_autoptr(TestAccount) test = two("UNSELECT", TWO,
                                    AGAIN PROVE("11:12") "next\n" FAKE_LOGIN("UNSELECT") OPEN("2", "8", "13")
                                        UIDS("11 12") PROVE("11:12") HEADER_1 HEADER_2 OK);
  gint64 one = box_row(test, 1), two_ = box_row(test, 2);
  ck_assert(!listing_first(&test->account, test->conn, box, NULL, NULL, NULL, NULL));
  ck_assert_int_eq(box_row(test, 11), one);
  ck_body(test, one, "");
  ck_body(test, two_, "");
  restart(test);
  ck_body(test, one, "");
  ck_body(test, two_, "");
  test_account_lease(test);
  box_list(test);
  ck_body(test, one, LETTER_1);
  ck_body(test, two_, LETTER_2);
  restart(test);
  ck_body(test, one, LETTER_1);
}
END_TEST

/* Until its UID is known again a message is the file that it was. */
START_TEST(what_is_not_matched_yet_is_read_as_before) {
  g_autoptr(TestAccount) test =
      two("UNSELECT", TWO,
          LEAVE OPEN("2", "8", "13") UIDS("11 12") ASK("11:12", ITEMS) "next\n" FAKE_LOGIN("UNSELECT")
              OPEN("1", "8", "14") UIDS("11") ASK("11", ITEMS) ROW("11", "a") OK UIDS("11") PROVE("11") HEADER_1 OK);
  gint64 one = box_row(test, 1), two_ = box_row(test, 2);
  ck_assert(!listing_first(&test->account, test->conn, box, NULL, NULL, NULL, NULL));
  restart(test);
  ck_body(test, one, LETTER_1);
  ck_body(test, two_, LETTER_2);
  test_account_lease(test);
  box_list(test);
  ck_uids(test, "11");
  ck_body(test, one, LETTER_1);
  g_auto(IndexMessage) gone = {0};
  ck_assert(index_get_message(test->account.index, two_, &gone, NULL));
  ck_assert(gone.gone);
}
END_TEST

START_TEST(a_body_that_comes_anew_needs_no_proof) {
  g_autoptr(TestAccount) test = two("UNSELECT", TWO, AGAIN PROVE("11:12") "half\n");
  gint64 one = box_row(test, 1);
  ck_assert(!listing_first(&test->account, test->conn, box, NULL, NULL, NULL, NULL));
  put(test, one, "as it is now\r\n");
  ck_body(test, one, "as it is now\r\n");
  ck_assert(index_flush(test->account.index, NULL));
  restart(test);
  ck_body(test, one, "as it is now\r\n");
}
END_TEST

#define ID_ITEMS "(UID FLAGS INTERNALDATE RFC822.SIZE " FIELDS " EMAILID)"
#define ID_ROW(uid, subject, id)                                                                                       \
  "S: * 1 FETCH (UID " uid " FLAGS (\\Seen) INTERNALDATE \"01-Jan-2020 00:00:00 +0000\" RFC822.SIZE 50 EMAILID (" id   \
  ") BODY[HEADER.FIELDS (DATE FROM SUBJECT MESSAGE-ID)] \"Subject: " subject "\")\n"

/* Two that look alike, told apart by their ids; nothing has to be fetched. */
START_TEST(an_emailid_is_proof) {
  g_autoptr(TestAccount) test = two("UNSELECT OBJECTID",
                                    OPEN("2", "7", "3") UIDS("1 2") ASK("1:2", ID_ITEMS) ID_ROW("1", "same", "M1")
                                        ID_ROW("2", "same", "M2") OK UIDS("1 2"),
                                    LEAVE OPEN("2", "8", "13") UIDS("11 12") ASK("11:12", ID_ITEMS)
                                        ID_ROW("11", "same", "M2") ID_ROW("12", "same", "M1") OK UIDS("11 12"));
  gint64 one = box_row(test, 1), two_ = box_row(test, 2);
  box_list(test);
  ck_assert_int_eq(box_row(test, 12), one);
  ck_assert_int_eq(box_row(test, 11), two_);
  ck_body(test, one, LETTER_1);
  ck_body(test, two_, LETTER_2);
}
END_TEST

#define UNSTABLE                                                                                                       \
  "C: @ EXAMINE \"box\"\nS: * 2 EXISTS\nS: * OK [UIDVALIDITY 9] x\nS: * OK [UIDNOTSTICKY] x\nS: * OK [UIDNEXT 3] x\n"  \
  "S: @ OK\n" UIDS("1 2")

/* What UIDs mean lasts as long as a session: so do bodies. Names stay. */
START_TEST(without_sticky_uids_no_body_survives) {
  g_autoptr(TestAccount) test = two("UNSELECT", UNSTABLE ASK("1:2", ITEMS) ROW("1", "a") ROW("2", "b") OK UIDS("1 2"),
                                    LEAVE UNSTABLE ASK("1:2", ITEMS) ROW("2", "a") ROW("1", "b") OK UIDS("1 2"));
  gint64 one = box_row(test, 1), two_ = box_row(test, 2);
  g_auto(IndexMailbox) mailbox = {0};
  ck_assert(index_get_mailbox(test->account.index, box, &mailbox, NULL));
  ck_assert_uint_eq(mailbox.uidvalidity, 0);
  ck_body(test, one, LETTER_1);
  box_list(test);
  ck_assert_int_eq(box_row(test, 2), one);
  ck_body(test, one, "");
  put(test, two_, LETTER_2);
  ck_assert(index_flush(test->account.index, NULL));
  restart(test);
  ck_body(test, two_, "");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/rematch");
  TCase *tests = tcase_create("rematch");
  tcase_add_test(tests, a_body_is_kept_where_the_whole_header_agrees);
  tcase_add_test(tests, what_the_server_does_not_answer_is_not_proven);
  tcase_add_test(tests, without_proof_no_body_is_served);
  tcase_add_test(tests, what_is_not_matched_yet_is_read_as_before);
  tcase_add_test(tests, a_body_that_comes_anew_needs_no_proof);
  tcase_add_test(tests, an_emailid_is_proof);
  tcase_add_test(tests, without_sticky_uids_no_body_survives);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
