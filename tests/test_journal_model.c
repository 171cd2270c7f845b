/* SPDX-License-Identifier: MIT */
/*
 * Random changes and a random server, against a model that knows only where each message was put last. Whatever is
 * refused, cut off or restarted: after each step the overlay is what the rows say, and in the end every message that
 * was not removed is on the server, or in lost+found, once.
 */
#include <string.h>

#include "tests/journal.h"
#include "tests/suite.h"

#define MESSAGES 24
#define STEPS 250

typedef struct {
  gint64 row, folder; /* folder 0: removed */
  char name[32];
} Model;

static Model model[4 * STEPS];
static guint n_model, names;
static guint32 uid;
static GRand *chance;
static gboolean refuses;

static gint64 any_folder(void) {
  return g_rand_boolean(chance) ? journal_test.inbox : journal_test.archive;
}

static Model *any_shown(void) {
  for (guint tries = 0; tries < 50; tries++) {
    Model *one = &model[g_rand_int_range(chance, 0, (gint)n_model)];
    if (one->folder != 0)
      return one;
  }
  return NULL;
}

/* Where a server refuses what is shown is the journal's affair: it is asked. */
static void learn(void) {
  for (guint i = 0; i < n_model; i++) {
    g_auto(IndexMessage) message = {0};
    gboolean there = index_get_message(journal_test.index, model[i].row, &message, NULL) && !message.gone;
    model[i].folder = there ? message.folder : 0;
    g_strlcpy(model[i].name, message.name, sizeof model[i].name);
  }
}

static void add(gint64 row, gint64 folder, const char *name) {
  Model one = {.row = row, .folder = folder};
  g_strlcpy(one.name, name, sizeof one.name);
  model[n_model++] = one;
}

static void create(void) {
  char name[32];
  gint64 folder = any_folder();
  g_snprintf(name, sizeof name, "n%u", names++);
  add(journal_upload(folder, name), folder, name);
}

static void rename_one(gboolean over) {
  Model *one = any_shown(), *there = over ? any_shown() : NULL;
  if (!one || one == there || (there && there->folder == journal_test.lost))
    return;
  gint64 folder = there ? there->folder : any_folder();
  char name[32];
  g_snprintf(name, sizeof name, "n%u", names++);
  if (there)
    g_strlcpy(name, there->name, sizeof name);
  journal_mv(one->row, folder, name, there ? there->row : 0);
  if (there)
    there->folder = 0;
  one->folder = folder;
  g_strlcpy(one->name, name, sizeof one->name);
}

static void remove_one(void) {
  Model *one = any_shown();
  if (!one)
    return;
  journal_rm(one->row);
  one->folder = 0;
}

static void rewrite(void) {
  Model *one = any_shown();
  if (!one || one->folder == journal_test.lost)
    return;
  JournalNew entry = {0};
  if (journal_get_new(journal_test.index, one->row, &entry, NULL)) {
    journal_new_clear(&entry);
    return;
  }
  gint64 fresh = journal_rewrite(one->row);
  journal_fill(fresh, JOURNAL_READY, JOURNAL_NOW);
  add(fresh, one->folder, one->name);
  one->folder = 0;
}

static void flag(void) {
  Model *one = any_shown();
  guint bits = 1u << g_rand_int_range(chance, 0, 3);
  if (one)
    journal_set(one->row, g_rand_boolean(chance) ? bits : 0, g_rand_boolean(chance) ? bits << 1 : 0, NULL, NULL);
}

static void user(void) {
  switch (g_rand_int_range(chance, 0, 8)) {
  case 0:
  case 1:
    if (n_model < MESSAGES || g_rand_boolean(chance))
      create();
    return;
  case 2:
    remove_one();
    return;
  case 3:
    rewrite();
    return;
  case 4:
    flag();
    return;
  case 5:
    rename_one(TRUE);
    return;
  default:
    rename_one(FALSE);
  }
}

/* ---- the server ------------------------------------------------------------------------------------------------ */

static void say_yes(const JournalBatch *batch, const JournalItem *item) {
  if (batch->state == JOURNAL_CONFIRMED)
    journal_end(item->seq, TRUE);
  else if (batch->op == JOURNAL_NEW || batch->op == JOURNAL_MOVE)
    journal_place(item->seq, batch->target, ++uid);
  else
    journal_end(item->seq, FALSE);
}

static void say_no(const JournalBatch *batch, const JournalItem *item) {
  if (batch->state == JOURNAL_CONFIRMED)
    return;
  if (g_rand_int_range(chance, 0, 3) == 0)
    journal_no(item->seq);
  else
    journal_again(item->seq, JOURNAL_NOW);
  learn();
}

static gboolean serve(gboolean disturbed) {
  g_auto(JournalBatch) batch = {0};
  if (!journal_take(&batch, 1 + (guint)g_rand_int_range(chance, 0, 5)))
    return FALSE;
  if (batch.state == JOURNAL_READY)
    journal_sent(&batch);
  /* A user does something while it is under way. */
  if (disturbed)
    user();
  if (disturbed && g_rand_int_range(chance, 0, 10) == 0) {
    journal_reopen();
    return TRUE;
  }
  for (guint i = 0; i < batch.items->len; i++)
    if (refuses && disturbed && g_rand_int_range(chance, 0, 4) == 0)
      say_no(&batch, journal_item(&batch, i));
    else
      say_yes(&batch, journal_item(&batch, i));
  return TRUE;
}

/* ---- the truth ------------------------------------------------------------------------------------------------- */

static void check_rows(void) {
  static const char *const none[] = {
      "SELECT count(*) FROM message AS m WHERE gone = 0 AND folder IS NOT CASE WHEN EXISTS (SELECT 1 FROM journal"
      " WHERE message = m.row AND op = 3) THEN NULL ELSE ifnull((SELECT target FROM journal WHERE message = m.row"
      " AND op IN (1, 2) ORDER BY seq DESC LIMIT 1), mailbox) END",
      "SELECT count(*) FROM journal AS j LEFT JOIN message AS m ON m.row = j.message WHERE ifnull(m.gone, 1) > 0",
      "SELECT count(*) FROM journal AS j JOIN message AS m ON m.row = j.message WHERE j.mailbox <> m.mailbox",
      "SELECT count(*) FROM octets AS o WHERE NOT EXISTS (SELECT 1 FROM journal WHERE message = o.message AND op = 1)",
      ("SELECT count(*) FROM journal AS j WHERE op = 2 AND state = 1 AND target = mailbox AND seq ="
       " (SELECT min(seq) FROM journal WHERE message = j.message AND op IN (1, 2))"),
      "SELECT count(*) FROM journal WHERE op = 4 AND state = 1 AND flags_add = 0 AND flags_remove = 0",
  };
  for (guint i = 0; i < G_N_ELEMENTS(none); i++)
    ck_assert_msg(journal_count(none[i]) == 0, "%s", none[i]);
}

static void check_shown(void) {
  for (guint i = 0; i < n_model; i++) {
    gint64 folder = journal_folder(model[i].row);
    ck_assert_msg(MAX(folder, 0) == model[i].folder, "message %" G_GINT64_FORMAT " stands in %" G_GINT64_FORMAT,
                  model[i].row, folder);
    if (folder > 0)
      ck_assert_int_eq(journal_at(folder, model[i].name), model[i].row);
  }
}

static void check_end(void) {
  gint64 shown = 0;
  for (guint i = 0; i < n_model; i++)
    shown += model[i].folder != 0;
  ck_assert_int_eq(journal_count("SELECT count(*) FROM message WHERE gone = 0"), shown);
  ck_assert_int_eq(journal_count("SELECT count(*) FROM journal WHERE state <> 5"), 0);
  ck_assert_int_eq(journal_count("SELECT count(*) FROM message WHERE gone = 0 AND uid IS NULL AND folder <> 4"), 0);
}

static void play(guint32 seed, gboolean with_refusals) {
  chance = g_rand_new_with_seed(seed);
  refuses = with_refusals;
  n_model = names = 0;
  uid = 1000;
  ck_assert_int_eq(journal_test.lost, 4);
  for (guint32 i = 1; i <= 8; i++) {
    char name[32];
    g_snprintf(name, sizeof name, "s%u", i);
    add(journal_server(journal_test.inbox, i, name), journal_test.inbox, name);
  }
  for (guint step = 0; step < STEPS; step++) {
    if (g_rand_int_range(chance, 0, 3) == 0)
      serve(TRUE);
    else
      user();
    check_rows();
    check_shown();
  }
  while (serve(FALSE))
    check_rows();
  check_shown();
  check_end();
  g_rand_free(chance);
}

START_TEST(what_is_shown_is_what_was_done) {
  play((guint32)_i, FALSE);
}
END_TEST

START_TEST(refusals_lose_nothing) {
  play((guint32)_i, TRUE);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/journal: a model");
  TCase *tests = tcase_create("model");
  tcase_add_checked_fixture(tests, journal_setup, journal_teardown);
  tcase_add_loop_test(tests, what_is_shown_is_what_was_done, 0, 6);
  tcase_add_loop_test(tests, refusals_lose_nothing, 100, 106);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
