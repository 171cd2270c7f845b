/* SPDX-License-Identifier: MIT */
#include <check.h>

#include "tests/session.h"
#include "tests/suite.h"

static const struct {
  const char *capabilities, *dialogue, *uids;
} searches[] = {
    {"ESEARCH", "C: @ UID SEARCH RETURN (ALL) ALL\nS: * ESEARCH (TAG \"x\") UID ALL 1:3,9\nS: @ OK\n", "1:3,9"},
    {"ESEARCH", /* iCloud */
     "C: @ UID SEARCH RETURN (ALL) ALL\nS: * ESEARCH (TAG \"x\") UID COUNT 3\nS: @ OK\n"
     "C: @ UID SEARCH ALL\nS: * SEARCH 4 5 6\nS: @ OK\n",
     "4:6"},
    {"ESEARCH", "C: @ UID SEARCH RETURN (ALL) ALL\nS: * SEARCH 3 1 2\nS: @ OK\n", "1:3"},
    {"ESEARCH", "C: @ UID SEARCH RETURN (ALL) ALL\nS: @ BAD what\nC: @ UID SEARCH ALL\nS: * SEARCH 4\nS: @ OK\n", "4"},
    {"ESEARCH", "C: @ UID SEARCH RETURN (ALL) ALL\nS: @ OK\nC: @ UID SEARCH ALL\nS: * SEARCH 4\nS: @ OK\n", "4"},
    {"", "C: @ UID SEARCH ALL\nS: * SEARCH 1 2\nS: * SEARCH 5\nS: @ OK\n", "1:2,5"},
    {"", "C: @ UID SEARCH ALL\nS: * SEARCH\nS: @ OK\n", ""},
    {"", "C: @ UID SEARCH ALL\nS: @ OK nothing said, with 3 messages there\n", NULL},
    {"", "C: @ UID SEARCH ALL\nS: @ NO not now\n", NULL},
};

START_TEST(test_uids) {
  g_autofree char *dialogue =
      g_strconcat("C: @ EXAMINE \"INBOX\"\nS: * 3 EXISTS\nS: @ OK\n", searches[_i].dialogue, NULL);
  g_auto(Session) s = session_new(searches[_i].capabilities, dialogue);
  g_autoptr(ImapSeqset) uids = NULL;
  g_autoptr(GError) error = NULL;
  ck_assert(imap_examine(s.conn, "INBOX", TRUE, NULL, NULL, NULL));
  gboolean done = imap_uids(s.conn, &uids, NULL, &error);
  ck_assert_msg(done == (searches[_i].uids != NULL), "row %d", _i);
  g_autofree char *text = done ? imap_seqset_format(uids) : NULL;
  ck_assert_msg(g_strcmp0(text, searches[_i].uids) == 0, "row %d: %s", _i, text);
  ck_assert(done == (error == NULL));
}
END_TEST

/* Where the server has no ESEARCH and the mailbox is so large that its UIDs may not fit into one answer. */
static const struct {
  const char *dialogue, *uids;
} large[] = {
    {"S: * 100001 EXISTS\nS: * OK [UIDNEXT 300001] x\nS: @ OK\n"
     "C: @ UID SEARCH UID 1:100000\nS: * SEARCH 1 2 3\nS: @ OK\n"
     "C: @ UID SEARCH UID 100001:200000\nS: * SEARCH\nS: @ OK\n"
     "C: @ UID SEARCH UID 200001:*\nS: * SEARCH 200001 300000 300001\nS: @ OK\n",
     "1:3,200001,300000:300001"},
    {"S: * 100000 EXISTS\nS: * OK [UIDNEXT 300001] x\nS: @ OK\nC: @ UID SEARCH ALL\nS: * SEARCH 7\nS: @ OK\n", "7"},
    /* Courier: no UIDNEXT. */
    {"S: * 100001 EXISTS\nS: @ OK\nC: @ UID FETCH 1:* (UID)\n"
     "S: * 1 FETCH (UID 3)\nS: * 3 FETCH (FLAGS ())\nS: * 2 FETCH (FLAGS () UID 5)\nS: @ OK\n",
     "3,5"},
    /* UIDs that are times. */
    {"S: * 100001 EXISTS\nS: * OK [UIDNEXT 1700000000] x\nS: @ OK\nC: @ UID FETCH 1:* (UID)\n"
     "S: * 1 FETCH (UID 1699999999)\nS: @ OK\n",
     "1699999999"},
    {"S: * 100001 EXISTS\nS: * OK [UIDNEXT 200001] x\nS: @ OK\n"
     "C: @ UID SEARCH UID 1:100000\nS: * SEARCH 1\nS: @ OK\n"
     "C: @ UID SEARCH UID 100001:*\nS: @ NO not now\n",
     NULL},
};

START_TEST(test_uids_of_a_large_mailbox) {
  g_autofree char *dialogue = g_strconcat("C: @ EXAMINE \"INBOX\"\n", large[_i].dialogue, NULL);
  g_auto(Session) s = session_new("", dialogue);
  g_autoptr(ImapSeqset) uids = NULL;
  ck_assert(imap_examine(s.conn, "INBOX", TRUE, NULL, NULL, NULL));
  ck_assert_msg(imap_uids(s.conn, &uids, NULL, NULL) == (large[_i].uids != NULL), "row %d", _i);
  g_autofree char *text = uids ? imap_seqset_format(uids) : NULL;
  ck_assert_msg(g_strcmp0(text, large[_i].uids) == 0, "row %d: %s", _i, text);
}
END_TEST

/* One small response for each message, and no end of them. */
START_TEST(test_more_uids_than_a_mailbox_has) {
  g_autoptr(GString) dialogue = g_string_new("C: @ EXAMINE \"INBOX\"\nS: * 100001 EXISTS\nS: @ OK\n"
                                             "C: @ UID FETCH 1:* (UID)\nR: ");
  for (guint i = 0; i <= IMAP_LIMIT_RANGES; i++)
    g_string_append_printf(dialogue, "* 1 FETCH (UID %u)\\r\\n", 2 * i + 1);
  g_string_append(dialogue, "\nS: @ OK\n");
  g_auto(Session) s = session_new("", dialogue->str);
  g_autoptr(ImapSeqset) uids = NULL;
  g_autoptr(GError) error = NULL;
  ck_assert(imap_examine(s.conn, "INBOX", TRUE, NULL, NULL, NULL));
  ck_assert(!imap_uids(s.conn, &uids, NULL, &error));
  ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_LIMIT));
  ck_assert(imap_conn_failed(s.conn));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("search");
  TCase *tc = tcase_create("all");
  tcase_add_loop_test(tc, test_uids, 0, G_N_ELEMENTS(searches));
  tcase_add_loop_test(tc, test_uids_of_a_large_mailbox, 0, G_N_ELEMENTS(large));
  tcase_add_test(tc, test_more_uids_than_a_mailbox_has);
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
