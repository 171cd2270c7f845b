/* SPDX-License-Identifier: MIT */
#include "cache/sync/bell.h"

#include "tests/agenda.h"
#include "tests/index.h"
#include "tests/suite.h"

static CacheConfig config;
static Account account;
static Bell *bell;
static gint64 inbox, work;

/* "Inbox" and Work: 3 messages below UID 4, UIDVALIDITY 7, HIGHESTMODSEQ 9, listed. */
static gint64 add_listed(const char *raw, const char *name) {
  IndexMailbox mailbox = {.raw = (char *)raw,
                          .name = (char *)name,
                          .uidvalidity = 7,
                          .uidnext = 4,
                          .exists = 3,
                          .modseq = 9,
                          .listed = INDEX_LISTED};
  do_write(account.index, put_mailbox, &mailbox);
  do_write(account.index, set_state, &mailbox);
  return mailbox.row;
}

static void setup(void) {
  index_setup();
  agenda_setup();
  config = (CacheConfig){0};
  account = (Account){.config = &config, .index = open_index(NULL)};
  bell = bell_new(&account, agenda);
  inbox = add_listed("Inbox", "INBOX");
  work = add_listed("Work", "Work");
}

static void teardown(void) {
  bell_free(bell);
  index_close(account.index);
  agenda_teardown();
  index_teardown();
}

static guint queued(AgendaQueue queue) {
  g_auto(AgendaState) state = {0};
  agenda_look(agenda, &state);
  return state.queued[queue];
}

#define ALL(n, next, validity)                                                                                         \
  .has_messages = TRUE, .messages = n, .has_uidnext = TRUE, .uidnext = next, .has_uidvalidity = TRUE,                  \
  .uidvalidity = validity
#define MODSEQ(n) .has_modseq = TRUE, .modseq = n

static const struct {
  ImapStatus status;
  gboolean verified, news, said;
} cases[] = {
    {{.name = "Work", ALL(3, 4, 7)}, TRUE, FALSE, FALSE},
    {{.name = "Work", ALL(3, 4, 7), MODSEQ(9)}, TRUE, FALSE, FALSE},
    {{.name = "Work", ALL(4, 5, 7)}, FALSE, TRUE, TRUE},
    {{.name = "Work", ALL(2, 4, 7)}, FALSE, TRUE, TRUE},
    {{.name = "Work", ALL(3, 4, 8)}, FALSE, TRUE, TRUE},
    {{.name = "Work", ALL(3, 4, 7), MODSEQ(10)}, FALSE, TRUE, TRUE},
    {{.name = "Work", MODSEQ(10)}, FALSE, TRUE, FALSE}, /* flags: how many there are is not said */
    {{.name = "Work", MODSEQ(9)}, FALSE, FALSE, FALSE}, /* no news, and no proof */
    {{.name = NULL}, FALSE, FALSE, FALSE},
};

START_TEST(a_status_is_news_or_a_proof_or_neither) {
  bell_status(bell, &cases[_i].status);
  ck_assert_msg(agenda_verified_since(agenda, work, clock_now) == cases[_i].verified, "row %d", _i);
  ck_assert_msg(queued(AGENDA_NEWS) == (cases[_i].news ? 1 : 0), "row %d", _i);
  if (!cases[_i].news)
    return;
  AgendaTask news = task();
  ck_assert_int_eq(news.row, work);
  ck_assert_msg(news.said == cases[_i].said, "row %d", _i);
}
END_TEST

START_TEST(flags_of_a_huge_folder_are_left_to_the_clock) {
  g_auto(IndexMailbox) mailbox = {0};
  agenda_verified(agenda, work, clock_now, TRUE);
  bell_moved(bell, work, FALSE);
  ck_assert_int_eq(agenda_flags_due(agenda, work), AGENDA_FLAGS_KNOWN);
  ck_assert(index_get_mailbox(account.index, work, &mailbox, NULL));
  mailbox.exists = AGENDA_FLAGS_MOST + 1;
  do_write(account.index, set_state, &mailbox);
  bell_moved(bell, work, TRUE);
  ck_assert_int_eq(task().row, work);
  ck_assert_int_eq(agenda_flags_due(agenda, work), AGENDA_FLAGS_KNOWN);
  mailbox.exists--;
  do_write(account.index, set_state, &mailbox);
  bell_moved(bell, work, TRUE);
  ck_assert_int_eq(task().row, work);
  ck_assert_int_eq(agenda_flags_due(agenda, work), AGENDA_FLAGS_WANTED);
}
END_TEST

START_TEST(inbox_is_one_in_any_case) {
  static const char *const names[] = {"INBOX", "inbox", "Inbox"};
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    g_auto(IndexMailbox) found = {0};
    ck_assert(bell_find(bell, names[i], &found));
    ck_assert_int_eq(found.row, inbox);
  }
  g_auto(IndexMailbox) none = {0};
  ck_assert(!bell_find(bell, "work", &none));
}
END_TEST

START_TEST(a_renamed_folder_is_found_under_its_new_name_only) {
  g_auto(IndexMailbox) mailbox = {0}, none = {0}, found = {0};
  ck_assert(bell_find(bell, "Work", &mailbox));
  g_free(mailbox.raw);
  mailbox.raw = g_strdup("Play");
  do_write(account.index, put_mailbox, &mailbox);
  ck_assert(!bell_find(bell, "Work", &none));
  ck_assert(bell_find(bell, "Play", &found));
  ck_assert_int_eq(found.row, work);
}
END_TEST

/* One sweep for each unknown name: not every time that it is told of. */
START_TEST(an_unknown_name_is_looked_for_once) {
  ImapStatus unknown = {.name = "New", ALL(1, 2, 7)};
  bell_status(bell, &unknown);
  ck_assert(task().sweep);
  agenda_swept(agenda, TRUE);
  bell_status(bell, &unknown);
  ck_assert(!has_work(next_task));
}
END_TEST

START_TEST(a_new_connection_looks_for_it_again) {
  ImapStatus unknown = {.name = "New", ALL(1, 2, 7)};
  bell_status(bell, &unknown);
  agenda_swept(agenda, TRUE);
  bell_begin(bell);
  bell_status(bell, &unknown);
  ck_assert(task().sweep);
}
END_TEST

START_TEST(what_is_not_subscribed_is_no_news) {
  config.subscribed = TRUE;
  ImapStatus unknown = {.name = "New", ALL(1, 2, 7)};
  bell_status(bell, &unknown);
  ck_assert(!has_work(next_task));
}
END_TEST

START_TEST(each_renumbering_begins_again_once) {
  ImapStatus same = {.name = "Work", ALL(3, 4, 7)}, other = {.name = "Work", ALL(3, 4, 8)},
             third = {.name = "Work", ALL(3, 4, 9)};
  ck_assert(!bell_must_begin_again(bell, &same));
  ck_assert(bell_must_begin_again(bell, &other));
  ck_assert(!bell_must_begin_again(bell, &other));
  ck_assert(bell_must_begin_again(bell, &third));
}
END_TEST

START_TEST(a_folder_that_is_not_told_of_is_missed) {
  ImapStatus told[] = {{.name = "INBOX"}, {.name = "Work"}};
  g_autoptr(GPtrArray) all = g_ptr_array_new();
  g_ptr_array_add(all, &told[0]);
  ck_assert(bell_lacks_one(bell, all));
  g_ptr_array_add(all, &told[1]);
  ck_assert(!bell_lacks_one(bell, all));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/bell");
  TCase *tests = tcase_create("all");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_loop_test(tests, a_status_is_news_or_a_proof_or_neither, 0, G_N_ELEMENTS(cases));
  tcase_add_test(tests, flags_of_a_huge_folder_are_left_to_the_clock);
  tcase_add_test(tests, inbox_is_one_in_any_case);
  tcase_add_test(tests, a_renamed_folder_is_found_under_its_new_name_only);
  tcase_add_test(tests, an_unknown_name_is_looked_for_once);
  tcase_add_test(tests, a_new_connection_looks_for_it_again);
  tcase_add_test(tests, what_is_not_subscribed_is_no_news);
  tcase_add_test(tests, each_renumbering_begins_again_once);
  tcase_add_test(tests, a_folder_that_is_not_told_of_is_missed);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
