/* SPDX-License-Identifier: MIT */
#include "cache/replay/whereabouts.h"

#include <string.h>

#include "cache/tree/names.h"
#include "tests/box.h"
#include "tests/suite.h"

#define EXAMINE                                                                                                        \
  "C: @ EXAMINE \"box\"\nS: * 9 EXISTS\nS: * OK [UIDVALIDITY 7] x\nS: * OK [UIDNEXT 90] x\nS: @ OK [READ-ONLY]\n"
#define LISTING(items) ASK("20:4294967295", items)
#define WITH_IDS "(UID FLAGS INTERNALDATE RFC822.SIZE " FIELDS " EMAILID)"
/* One message of the mailbox that is looked at. */
#define SEEN_AS(uid, date, size, subject, more)                                                                        \
  "S: * 1 FETCH (UID " uid " FLAGS () INTERNALDATE \"" date " 00:00:00 +0000\" RFC822.SIZE " size more                 \
  " BODY[HEADER.FIELDS (DATE FROM SUBJECT MESSAGE-ID)] \"Subject: " subject "\")\n"
#define FIRST "01-Jan-2020" /* 1577836800 */
#define SECOND "02-Jan-2020"
#define JANUARY G_GINT64_CONSTANT(1577836800)

/* What we have: two messages of another mailbox. */
typedef struct {
  const char *subject; /* NULL: listed without header fields */
  gint64 internaldate;
  guint64 claim;
  const char *emailid;
} Known;

static const struct {
  const char *capabilities;
  Known known[2];
  const char *script, *found; /* UIDs; "~" behind one that is not sure */
} rows[] = {
    {"",
     {{"one", 0, 50, NULL}, {"two", 0, 50, NULL}},
     LISTING(ITEMS) SEEN_AS("20", FIRST, "50", "two", "") SEEN_AS("21", FIRST, "50", "one", ""),
     "21 20"},
    /* another size is another message */
    {"",
     {{"one", 0, 50, NULL}, {"two", 0, 51, NULL}},
     LISTING(ITEMS) SEEN_AS("20", FIRST, "50", "two", "") SEEN_AS("21", FIRST, "50", "one", ""),
     "21 0"},
    {"",
     {{"one", 0, IMAP_UNKNOWN_SIZE, NULL}, {"two", 0, 51, NULL}},
     LISTING(ITEMS) SEEN_AS("21", FIRST, "50", "one", ""),
     "21 0"},
    /* equal ones: each once */
    {"",
     {{"one", 0, 50, NULL}, {"one", 0, 50, NULL}},
     LISTING(ITEMS) SEEN_AS("20", FIRST, "50", "one", "") SEEN_AS("21", FIRST, "50", "one", ""),
     "20 21"},
    {"", {{"one", 0, 50, NULL}, {"one", 0, 50, NULL}}, LISTING(ITEMS) SEEN_AS("20", FIRST, "50", "one", ""), "20 0"},
    /* said twice is there once */
    {"",
     {{"one", 0, 50, NULL}, {"one", 0, 50, NULL}},
     LISTING(ITEMS) SEEN_AS("20", FIRST, "50", "one", "") SEEN_AS("20", FIRST, "50", "one", ""),
     "20 0"},
    /* below UIDNEXT, and what has a row (30), are others */
    {"",
     {{"one", 0, 50, NULL}, {"one", 0, 50, NULL}},
     LISTING(ITEMS) SEEN_AS("19", FIRST, "50", "one", "") SEEN_AS("30", FIRST, "50", "one", ""),
     "0 0"},
    /* names=uid: nothing but size and date */
    {"",
     {{NULL, JANUARY, 50, NULL}, {NULL, JANUARY + 86400, 50, NULL}},
     LISTING(ITEMS) SEEN_AS("20", SECOND, "50", "one", "") SEEN_AS("21", FIRST, "50", "two", ""),
     "21~ 20~"},
    {"",
     {{NULL, JANUARY, IMAP_UNKNOWN_SIZE, NULL}, {NULL, JANUARY, 51, NULL}},
     LISTING(ITEMS) SEEN_AS("20", FIRST, "50", "one", ""),
     "0 0"},
    /* EMAILID decides, where there is one */
    {"OBJECTID",
     {{NULL, 0, 1, "M1"}, {"two", 0, 50, "M2"}},
     LISTING(WITH_IDS) SEEN_AS("20", FIRST, "50", "two", " EMAILID (M1)") SEEN_AS("21", FIRST, "50", "two", ""),
     "20 21"},
    {"OBJECTID",
     {{"one", 0, 50, "M1"}, {"two", 0, 50, "M2"}},
     LISTING(WITH_IDS) SEEN_AS("20", FIRST, "50", "one", " EMAILID (M3)"),
     "0 0"},
};

typedef struct {
  const Known *known;
  gint64 rows[2];
} Setting;

static gboolean add(IndexTxn *txn, gint64 mailbox, guint32 uid, const Known *known, gint64 *ret_row, GError **error) {
  IndexMessage message = {.mailbox = mailbox,
                          .uid = uid,
                          .internaldate = known->internaldate,
                          .claim = known->claim,
                          .size = IMAP_UNKNOWN_SIZE,
                          .emailid = g_strdup(known->emailid)};
  g_autofree char *header = g_strdup_printf("Subject: %s", known->subject);
  g_snprintf(message.name, sizeof message.name, "%u.eml", uid);
  if (known->subject)
    names_fingerprint(header, strlen(header), message.fingerprint);
  gboolean ok = index_add_message(txn, &message, NULL, error);
  *ret_row = message.row;
  index_message_clear(&message);
  return ok;
}

static gboolean write_setting(IndexTxn *txn, gpointer data, GError **error) {
  Setting *setting = data;
  IndexMailbox from = {.raw = (char *)"from", .name = (char *)"from", .delimiter = '/'};
  gint64 other = 0;
  if (!index_put_mailbox(txn, &from, error) || !add(txn, box, 30, &(Known){.claim = 50}, &other, error))
    return FALSE;
  for (guint32 i = 0; i < 2; i++)
    if (!add(txn, from.row, i + 1, &setting->known[i], &setting->rows[i], error))
      return FALSE;
  return TRUE;
}

START_TEST(test_there) {
  Setting setting = {.known = rows[_i].known};
  g_autofree char *script = g_strconcat(EXAMINE, rows[_i].script, OK, NULL);
  g_autoptr(TestAccount) test = box_start(rows[_i].capabilities, script);
  g_auto(IndexMailbox) mailbox = {0};
  g_autoptr(GError) error = NULL;
  g_autoptr(GString) found = g_string_new(NULL);
  ck_assert(index_write(test->account.index, INDEX_SYNC, write_setting, &setting, NULL));
  ck_assert(index_get_mailbox(test->account.index, box, &mailbox, NULL));
  WhereaboutsSought sought[2] = {{.row = setting.rows[0]}, {.row = setting.rows[1]}};
  ck_assert_msg(whereabouts_there(&test->account, test->conn, &mailbox, 20, sought, 2, &error), "%s",
                error ? error->message : "");
  for (guint i = 0; i < 2; i++)
    g_string_append_printf(found, "%s%u%s", i ? " " : "", sought[i].found,
                           sought[i].found && !sought[i].sure ? "~" : "");
  ck_assert_msg(strcmp(found->str, rows[_i].found) == 0, "row %d: %s", _i, found->str);
}
END_TEST

START_TEST(test_here) {
  g_autoptr(TestAccount) test =
      box_start("", EXAMINE ASK("1:3", "(UID FLAGS)") FLAG("1", "\\Seen") FLAG("3", "\\deleted \\Seen")
                        FLAG("9", "\\Deleted") "S: * 1 FETCH (FLAGS (\\Deleted))\n" OK);
  g_autoptr(ImapSeqset) uids = imap_seqset_parse("1:3", 3, 0);
  g_auto(Whereabouts) left = {0};
  ck_assert(imap_examine(test->conn, "box", TRUE, NULL, NULL, NULL));
  ck_assert(whereabouts_here(&test->account, test->conn, uids, &left, NULL));
  g_autofree char *here = imap_seqset_format(left.here), *deleted = imap_seqset_format(left.deleted);
  ck_assert_str_eq(here, "1,3");
  ck_assert_str_eq(deleted, "3");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("whereabouts");
  TCase *tcase = tcase_create("whereabouts");
  tcase_add_loop_test(tcase, test_there, 0, G_N_ELEMENTS(rows));
  tcase_add_test(tcase, test_here);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
