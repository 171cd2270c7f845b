/* SPDX-License-Identifier: MIT */
#include "cache/replay/transfer.h"

#include <string.h>

#include "cache/tree/names.h"
#include "tests/box.h"
#include "tests/suite.h"

/* Messages 1, 2 and 3 of "box" go to "to", whose UIDVALIDITY is 5 and UIDNEXT 20. */
#define SELECT                                                                                                         \
  "C: @ SELECT \"box\"\nS: * 3 EXISTS\nS: * OK [UIDVALIDITY 7] x\nS: * OK [UIDNEXT 10] x\nS: @ OK [READ-WRITE] open\n"
#define MOVE "C: @ UID MOVE 1:3 \"to\"\n"
#define COPY(set) "C: @ UID COPY " set " \"to\"\n"
#define LOOK(set) ASK(set, "(UID FLAGS)")
#define THERE                                                                                                          \
  LEAVE "C: @ EXAMINE \"to\"\nS: * 9 EXISTS\nS: * OK [UIDVALIDITY 5] x\nS: * OK [UIDNEXT 29] x\n"                      \
        "S: @ OK [READ-ONLY]\n" ASK("20:4294967295", ITEMS)
#define FLAG_DELETED(set) "C: @ UID STORE " set " +FLAGS.SILENT (\\Deleted)\n"
#define EXPUNGE(set) "C: @ UID EXPUNGE " set "\n"
#define HAS(uid) "S: * 1 FETCH (UID " uid " FLAGS ())\n"
#define HAS_DELETED(uid) "S: * 1 FETCH (UID " uid " FLAGS (\\Deleted))\n"
#define DEAD "half\n"

#define ALL "UNSELECT UIDPLUS MOVE"
#define NO_MOVE "UNSELECT UIDPLUS"
#define NO_UIDPLUS "UNSELECT"

typedef struct {
  IndexMailbox source, target;
  gint64 rows[3];
} Setting;

static void add_message(IndexTxn *txn, Setting *setting, guint32 uid) {
  static const char *const headers[] = {"Subject: one", "Subject: two", "Subject: three"};
  IndexMessage message = {.mailbox = setting->source.row, .uid = uid, .claim = 50, .size = IMAP_UNKNOWN_SIZE};
  g_snprintf(message.name, sizeof message.name, "%u.eml", uid);
  names_fingerprint(headers[uid - 1], strlen(headers[uid - 1]), message.fingerprint);
  ck_assert(index_add_message(txn, &message, NULL, NULL));
  setting->rows[uid - 1] = message.row;
}

static gboolean write_setting(IndexTxn *txn, gpointer data, GError **error) {
  Setting *setting = data;
  setting->source.row = box;
  if (!index_set_state(txn, &setting->source, error) || !index_put_mailbox(txn, &setting->target, error) ||
      !index_set_state(txn, &setting->target, error))
    return FALSE;
  for (guint32 uid = 1; uid <= 3; uid++)
    add_message(txn, setting, uid);
  return TRUE;
}

static TestAccount *start(const char *capabilities, const char *script, Setting *ret) {
  g_autofree char *whole = g_strconcat(SELECT, script, NULL);
  TestAccount *test = box_start(capabilities, whole);
  *ret = (Setting){
      .source = {.raw = (char *)"box", .name = (char *)"box", .delimiter = '/', .uidvalidity = 7, .uidnext = 10},
      .target = {.raw = (char *)"to", .name = (char *)"to", .delimiter = '/', .uidvalidity = 5, .uidnext = 20}};
  ck_assert(index_write(test->account.index, INDEX_SYNC, write_setting, ret, NULL));
  return test;
}

static Transfer transfer_of(TestAccount *test, Setting *setting, const ImapMailbox *opened) {
  Transfer transfer = {.account = &test->account,
                       .conn = test->conn,
                       .source = &setting->source,
                       .opened = opened,
                       .target = &setting->target,
                       .uidvalidity = 5,
                       .uidnext = 20,
                       .n = 3};
  transfer.messages = g_new0(TransferMessage, 3);
  for (guint i = 0; i < 3; i++)
    transfer.messages[i] = (TransferMessage){.row = setting->rows[i], .uid = i + 1};
  return transfer;
}

/* "1>20 2? 3!" */
static char *describe(const Transfer *transfer) {
  static const char *const marks[] = {"=", ">", "+", "&", "-", "!", "?"};
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < transfer->n; i++) {
    const TransferMessage *message = &transfer->messages[i];
    g_string_append_printf(text, "%s%u%s", i > 0 ? " " : "", message->uid, marks[message->fate]);
    if (message->fate == TRANSFER_PLACED || message->fate == TRANSFER_LEFT || message->fate == TRANSFER_KEPT)
      g_string_append_printf(text, "%u", message->placed);
  }
  return g_string_free(text, FALSE);
}

#define FINE -1
#define LOST -2

static const struct {
  const char *capabilities, *script, *fates;
  int refusal; /* ImapError, FINE, or LOST: the line is */
} dialogues[] = {
    /* UID MOVE: COPYUID has the last word, and is believed as far as it can be true. */
    {ALL, MOVE "S: * OK [COPYUID 5 1:3 20:22] x\nS: @ OK\n", "1>20 2>21 3>22", FINE},
    {ALL, MOVE "S: @ OK [COPYUID 5 1:3 22,20,21] x\n", "1>22 2>20 3>21", FINE},
    {ALL, MOVE "S: * OK [COPYUID 5 1:2 20:21] x\nS: @ OK\n" LOOK("3") OK THERE OK, "1>20 2>21 3-", FINE},
    {ALL, MOVE "S: * OK [COPYUID 5 1:2 20:21] x\nS: @ OK\n" LOOK("3") OK THERE ROW("22", "three") OK, "1>20 2>21 3>22",
     FINE},
    {ALL, MOVE "S: @ OK done\n" LOOK("1:3") OK THERE ROW("20", "three") ROW("21", "one") ROW("22", "two") OK,
     "1>21 2>22 3>20", FINE},
    {ALL, MOVE "S: @ OK nothing was there\n" LOOK("1:3") OK THERE OK, "1- 2- 3-", FINE},
    /* of another mailbox; and a UID that was given out before: not believed, but looked for */
    {ALL, MOVE "S: @ OK [COPYUID 6 1:3 20:22] x\n" LOOK("1:3") OK THERE ROW("20", "one") ROW("21", "two") OK,
     "1>20 2>21 3-", FINE},
    {ALL, MOVE "S: @ OK [COPYUID 5 1:3 18:20] x\n" LOOK("1:2") OK THERE ROW("20", "three") ROW("21", "one") OK,
     "1>21 2- 3>20", FINE},
    /* what came there meanwhile is somebody else's; fetched again, so no other row may have it */
    {ALL, MOVE "S: @ OK\n" LOOK("1:3") OK THERE ROW("20", "four") ROW("21", "two") ROW("21", "two") OK, "1- 2>21 3-",
     FINE},

    /* It says OK and does nothing, or half of it: then copies are made of what is not there, and no second ones. */
    {ALL,
     MOVE "S: @ OK\n" LOOK("1:3") HAS("2") HAS("3") OK THERE ROW("20", "one") ROW("21", "two")
         OK SELECT COPY("3") "S: @ OK [COPYUID 5 3 22]\n" FLAG_DELETED("2:3") OK EXPUNGE("2:3") OK LOOK("2:3") OK,
     "1>20 2>21 3>22", FINE},
    {ALL,
     MOVE "S: @ BAD what\n" LOOK("1:3") HAS("1") HAS("2") HAS("3") OK THERE OK SELECT COPY(
         "1:3") "S: @ OK [COPYUID 5 1:3 20:22]\n" FLAG_DELETED("1:3") OK EXPUNGE("1:3") OK LOOK("1:3") OK,
     "1>20 2>21 3>22", FINE},

    /* Refused: what is done all the same counts. */
    {ALL, MOVE "S: * OK [COPYUID 5 1 20]\nS: @ NO [OVERQUOTA] full\n" LOOK("2:3") HAS("2") HAS("3") OK THERE OK,
     "1>20 2! 3!", IMAP_ERROR_QUOTA},
    {ALL, MOVE "S: @ NO [UNAVAILABLE] later\n" LOOK("1:3") HAS("3") OK THERE ROW("20", "two") OK, "1- 2>20 3!",
     IMAP_ERROR_UNAVAILABLE},

    /* The line: nobody knows, but what was told is. */
    {ALL, MOVE "S: * OK [COPYUID 5 1 20]\n" DEAD, "1>20 2? 3?", LOST},
    {ALL, MOVE "S: @ OK\n" LOOK("1:3") DEAD, "1? 2? 3?", LOST},
    {ALL, MOVE "S: @ OK\n" LOOK("1:3") "S: @ NO not now\n", "1? 2? 3?", FINE},

    /* UID COPY, look, STORE, UID EXPUNGE of exactly these. */
    {NO_MOVE, COPY("1:3") "S: @ OK [COPYUID 5 1:3 20:22]\n" FLAG_DELETED("1:3") OK EXPUNGE("1:3") OK LOOK("1:3") OK,
     "1>20 2>21 3>22", FINE},
    {NO_MOVE,
     COPY("1:3") "S: @ OK\n" LOOK("1:3") HAS("1") HAS("2") HAS("3") OK THERE ROW("20", "one") ROW("21", "two")
         ROW("22", "three") OK SELECT FLAG_DELETED("1:3") OK EXPUNGE("1:3") OK LOOK("1:3") OK,
     "1>20 2>21 3>22", FINE},
    /* fails in the middle: what was not copied is not touched */
    {NO_MOVE,
     COPY("1:3") "S: @ NO disk error\n" LOOK("1:3") HAS("1") HAS("2") HAS("3") OK THERE ROW("20", "one")
         OK SELECT FLAG_DELETED("1") OK EXPUNGE("1") OK LOOK("1") OK,
     "1>20 2! 3!", IMAP_ERROR_REFUSED},
    {NO_MOVE,
     COPY("1:3") "S: * OK [COPYUID 5 2 20]\nS: @ NO [OVERQUOTA] full\n" LOOK("1,3") HAS("1") HAS("3")
         OK THERE OK SELECT FLAG_DELETED("2") OK EXPUNGE("2") OK LOOK("2") OK,
     "1! 2>20 3!", IMAP_ERROR_QUOTA},
    /* says OK and does nothing */
    {NO_MOVE, COPY("1:3") "S: @ OK\n" LOOK("1:3") HAS("1") HAS("2") HAS("3") OK THERE OK, "1! 2! 3!",
     IMAP_ERROR_UNAVAILABLE},
    /* some were gone before */
    {NO_MOVE,
     COPY("1:3") "S: @ OK [COPYUID 5 1,3 20:21]\n" LOOK("2") OK THERE OK SELECT FLAG_DELETED("1,3") OK EXPUNGE("1,3")
         OK LOOK("1,3") OK,
     "1>20 2- 3>21", FINE},
    {NO_MOVE, COPY("1:3") DEAD, "1? 2? 3?", LOST},
    {NO_MOVE, COPY("1:3") "S: @ OK [COPYUID 5 1:3 20:22]\n" FLAG_DELETED("1:3") DEAD, "1? 2? 3?", LOST},
    {NO_MOVE, COPY("1:3") "S: @ OK [COPYUID 5 1:3 20:22]\n" FLAG_DELETED("1:3") OK EXPUNGE("1:3") DEAD, "1? 2? 3?",
     LOST},
    /* the second half is refused, or only said */
    {NO_MOVE,
     COPY("1:3") "S: @ OK [COPYUID 5 1:3 20:22]\n" FLAG_DELETED("1:3") "S: @ NO [NOPERM] no\n" LOOK("1:3") HAS("1")
         HAS("2") HAS("3") OK,
     "1&20 2&21 3&22", IMAP_ERROR_PERMISSION},
    {NO_MOVE,
     COPY("1:3") "S: @ OK [COPYUID 5 1:3 20:22]\n" FLAG_DELETED("1:3") "S: @ NO [INUSE] later\n" LOOK("1:3") HAS("1")
         HAS("2") HAS("3") OK,
     "1? 2? 3?", IMAP_ERROR_UNAVAILABLE},
    {NO_MOVE,
     COPY("1:3") "S: @ OK [COPYUID 5 1:3 20:22]\n" FLAG_DELETED("1:3") OK EXPUNGE("1:3") OK LOOK("1:3") HAS_DELETED("1")
         HAS("2") OK,
     "1+20 2&21 3>22", FINE},

    /* Without UIDPLUS the old ones stay, flagged. */
    {NO_UIDPLUS,
     COPY("1:3") "S: @ OK\n" LOOK("1:3") HAS("1") HAS("2") HAS("3") OK THERE ROW("20", "one") ROW("21", "two")
         ROW("22", "three") OK SELECT FLAG_DELETED("1:3") OK LOOK("1:3") HAS_DELETED("1") HAS_DELETED("2")
             HAS_DELETED("3") OK,
     "1+20 2+21 3+22", FINE},
};

START_TEST(test_dialogue) {
  Setting setting;
  g_autoptr(TestAccount) test = start(dialogues[_i].capabilities, dialogues[_i].script, &setting);
  g_auto(ImapMailbox) opened = {0};
  g_autoptr(GError) error = NULL;
  int refusal = dialogues[_i].refusal;
  ck_assert(imap_examine(test->conn, "box", FALSE, &opened, NULL, NULL));
  g_auto(Transfer) transfer = transfer_of(test, &setting, &opened);
  gboolean alive = transfer_run(&transfer, &error);
  g_autofree char *fates = describe(&transfer);
  ck_assert_msg(strcmp(fates, dialogues[_i].fates) == 0, "row %d: %s", _i, fates);
  ck_assert_msg(alive == (refusal != LOST) && alive == (error == NULL), "row %d", _i);
  ck_assert_msg(alive != imap_conn_failed(test->conn), "row %d", _i);
  ck_assert_msg(refusal < 0 || g_error_matches(transfer.refusal, IMAP_ERROR, refusal), "row %d: %s", _i,
                transfer.refusal ? transfer.refusal->message : "no refusal");
  ck_assert_msg(refusal != FINE || !transfer.refusal, "row %d", _i);
}
END_TEST

/* Where nothing can be flagged \Deleted, a copy would only double what is there. */
START_TEST(test_nothing_can_be_removed) {
  Setting setting;
  g_autoptr(TestAccount) test = start(NO_MOVE, "", &setting);
  g_auto(ImapMailbox) opened = {0};
  ck_assert(imap_examine(test->conn, "box", FALSE, &opened, NULL, NULL));
  opened.limited = TRUE;
  opened.permanent = IMAP_FLAG_SEEN;
  g_auto(Transfer) transfer = transfer_of(test, &setting, &opened);
  ck_assert(transfer_run(&transfer, NULL));
  g_autofree char *fates = describe(&transfer);
  ck_assert_str_eq(fates, "1! 2! 3!");
  ck_assert(g_error_matches(transfer.refusal, IMAP_ERROR, IMAP_ERROR_PERMISSION));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("transfer");
  TCase *tcase = tcase_create("transfer");
  tcase_add_loop_test(tcase, test_dialogue, 0, G_N_ELEMENTS(dialogues));
  tcase_add_test(tcase, test_nothing_can_be_removed);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
