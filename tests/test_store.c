/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>

#include "tests/session.h"
#include "tests/suite.h"

/* Tags are counted with those of the login: SELECT is the third, ours begin with the fourth. */
#define SELECT "C: @ SELECT \"box\"\nS: * OK [UIDVALIDITY 9] x\n"
#define OPEN SELECT "S: @ OK [READ-WRITE] open\n"

/* Opened for writing. */
static Session session_open(const char *capabilities, const char *dialogue) {
  g_autofree char *all = g_strconcat(OPEN, dialogue, NULL);
  Session s = session_new(capabilities, all);
  ck_assert(imap_examine(s.conn, "box", FALSE, NULL, NULL, NULL));
  return s;
}

static ImapSeqset *set_of(const char *text) {
  return *text ? imap_seqset_parse(text, strlen(text), 0) : imap_seqset_new();
}

static void describe_set(GString *into, const char *name, const ImapSeqset *set) {
  g_autofree char *text = imap_seqset_format(set);
  if (*text)
    g_string_append_printf(into, "%s%s %s", into->len > 0 ? " " : "", name, text);
}

static char *describe(const ImapEffect *effect) {
  GString *text = g_string_new(NULL);
  gsize n;
  describe_set(text, "done", effect->done);
  describe_set(text, "unnamed", effect->unnamed);
  describe_set(text, "refused", effect->refused);
  describe_set(text, "unknown", effect->unknown);
  describe_set(text, "told", effect->told);
  const ImapUidrun *runs = imap_uidmap_runs(effect->copies, &n);
  for (gsize i = 0; i < n; i++)
    g_string_append_printf(text, " %u>%u*%u", runs[i].from, runs[i].to, runs[i].n);
  if (effect->uidvalidity != 0)
    g_string_append_printf(text, " in %u", effect->uidvalidity);
  return g_string_free(text, FALSE);
}

typedef enum { STORE, COPY, MOVE, EXPUNGE } Deed;

static gboolean run(Session *s, Deed deed, const ImapSeqset *uids, ImapEffect *effect, GError **error) {
  ImapFlagging flagging = {.add = TRUE, .flags = IMAP_FLAG_SEEN};
  if (deed == STORE)
    return imap_store(s->conn, uids, &flagging, effect, NULL, error);
  if (deed == EXPUNGE)
    return imap_expunge(s->conn, uids, effect, NULL, error);
  return (deed == COPY ? imap_copy : imap_move)(s->conn, uids, "to", effect, NULL, error);
}

/* ---- dialogues, all about 1:3,7 -------------------------------------------------------------------- */

#define C_STORE "C: @ UID STORE 1:3,7 +FLAGS.SILENT (\\Seen)\n"
#define C_COPY "C: @ UID COPY 1:3,7 \"to\"\n"
#define C_MOVE "C: @ UID MOVE 1:3,7 \"to\"\n"
#define C_EXPUNGE "C: @ UID EXPUNGE 1:3,7\n"
#define OK_ -1
#define LOST -2

static const struct {
  Deed deed;
  const char *dialogue, *effect;
  int error; /* ImapError, OK_, or LOST with NETWORK */
} dialogues[] = {
    {STORE, C_STORE "S: @ OK\n", "done 1:3,7", OK_},
    {STORE,
     C_STORE "S: * 1 FETCH (UID 2 MODSEQ (5))\nS: * 2 FETCH (FLAGS ())\nS: * 9 FETCH (UID 9 FLAGS ())\nS: @ OK\n",
     "done 1:3,7 told 2", OK_},
    {STORE, C_STORE "S: @ NO [NOPERM] x\n", "refused 1:3,7", IMAP_ERROR_PERMISSION},
    {STORE, C_STORE "S: @ NO [READ-ONLY] x\n", "refused 1:3,7", IMAP_ERROR_READONLY},
    {STORE, C_STORE "S: @ BAD x\n", "refused 1:3,7", IMAP_ERROR_REFUSED},
    {STORE, C_STORE "half\n", "unknown 1:3,7", LOST},
    {STORE, C_STORE "S: * 1 FETCH (UID 2 FLAGS (\\Seen))\nhalf\n", "unknown 1:3,7 told 2", LOST},
    {EXPUNGE, C_EXPUNGE "S: * 3 EXPUNGE\nS: @ OK\n", "done 1:3,7", OK_},
    {EXPUNGE, C_EXPUNGE "S: * VANISHED 2:8,100\nS: @ OK\n", "done 1:3,7 told 2:3,7", OK_},
    {EXPUNGE, C_EXPUNGE "S: @ NO [LIMIT] x\n", "refused 1:3,7", IMAP_ERROR_UNAVAILABLE},
    {EXPUNGE, C_EXPUNGE "S: * BYE x\n", "unknown 1:3,7", LOST},

    {COPY, C_COPY "S: @ OK [COPYUID 5 1:3,7 11:14] x\n", "done 1:3,7 1>11*3 7>14*1 in 5", OK_},
    {COPY, C_COPY "S: @ OK [COPYUID 5 7,3,1:2 11:14] x\n", "done 1:3,7 1>13*2 3>12*1 7>11*1 in 5", OK_},
    {COPY, C_COPY "S: @ OK [COPYUID 5 1:2 11:12] x\n", "done 1:2 unnamed 3,7 1>11*2 in 5", OK_},
    {COPY, C_COPY "S: @ OK done\n", "unnamed 1:3,7", OK_},
    {COPY, C_COPY "S: @ OK [COPYUID 5  ] Outlook\n", "unnamed 1:3,7", OK_},
    {COPY, C_COPY "S: @ OK [COPYUID 5 1:3 11:12] x\n", "unnamed 1:3,7", OK_},
    {COPY, C_COPY "S: @ OK [COPYUID 5 1,1,2 11:13] x\n", "unnamed 1:3,7", OK_},
    {COPY, C_COPY "S: @ OK [COPYUID 5 100:103 11:14] x\n", "unnamed 1:3,7 in 5", OK_},
    {COPY, C_COPY "S: @ NO [TRYCREATE] x\n", "refused 1:3,7", IMAP_ERROR_GONE},
    {COPY, C_COPY "S: @ NO [OVERQUOTA] x\n", "refused 1:3,7", IMAP_ERROR_QUOTA},
    {COPY, C_COPY "S: @ NO [EXPUNGEISSUED] x\n", "refused 1:3,7", IMAP_ERROR_GONE},
    {COPY, C_COPY "half\n", "unknown 1:3,7", LOST},

    {MOVE, C_MOVE "S: * OK [COPYUID 5 1:3,7 11:14] x\nS: * VANISHED 1:3,7\nS: @ OK\n",
     "done 1:3,7 told 1:3,7 1>11*3 7>14*1 in 5", OK_},
    {MOVE, C_MOVE "S: * [COPYUID 5 1:3 11:13] home.pl\nS: * 1 EXPUNGE\nS: * OK [COPYUID 5 7 14]\nS: @ OK\n",
     "done 1:3,7 1>11*3 7>14*1 in 5", OK_},
    {MOVE, C_MOVE "S: * OK [COPYUID 5 1:3,7 11:14] x\nS: @ OK [COPYUID 5 1:3,7 11:14] again\n",
     "done 1:3,7 1>11*3 7>14*1 in 5", OK_},
    {MOVE, C_MOVE "S: @ OK [COPYUID 5 1 11] late\n", "done 1 unnamed 2:3,7 1>11*1 in 5", OK_},
    {MOVE, C_MOVE "S: * OK [COPYUID 5 1 11]\nS: * OK [COPYUID 5 2 11]\nS: @ OK\n", "unnamed 1:3,7", OK_},
    {MOVE, C_MOVE "S: * OK [COPYUID 5 1 11]\nS: * OK [COPYUID 6 2 12]\nS: @ OK\n", "unnamed 1:3,7", OK_},
    {MOVE, C_MOVE "S: * OK [COPYUID 5 1:2 11:12]\nS: @ NO [OVERQUOTA] half way\n", "done 1:2 refused 3,7 1>11*2 in 5",
     IMAP_ERROR_QUOTA},
    {MOVE, C_MOVE "S: * OK [COPYUID 5 1:2 11:12]\nhalf\n", "done 1:2 unknown 3,7 1>11*2 in 5", LOST},
    {MOVE, C_MOVE "S: @ OK nothing\n", "unnamed 1:3,7", OK_},
    {MOVE, C_MOVE "S: x NO whose\n", "unknown 1:3,7", IMAP_ERROR_PROTOCOL},
};

START_TEST(test_dialogue) {
  g_auto(Session) s = session_open("UIDPLUS MOVE", dialogues[_i].dialogue);
  g_autoptr(ImapSeqset) uids = set_of("1:3,7");
  g_auto(ImapEffect) effect = {0};
  g_autoptr(GError) error = NULL;
  int expected = dialogues[_i].error;
  gboolean done = run(&s, dialogues[_i].deed, uids, &effect, &error);
  g_autofree char *text = describe(&effect);
  ck_assert_msg(strcmp(text, dialogues[_i].effect) == 0, "row %d: %s", _i, text);
  ck_assert_msg(done == (expected == OK_) && done == (error == NULL), "row %d", _i);
  ck_assert_msg(done || error->code == (expected == LOST ? (int)IMAP_ERROR_NETWORK : expected), "row %d: %s", _i,
                error != NULL ? error->message : "");
  ck_assert(imap_conn_failed(s.conn) == (expected == LOST || expected == IMAP_ERROR_PROTOCOL));
}
END_TEST

/* ---- what may be done -------------------------------------------------------------------------------- */

/* Nothing is sent where the server might obey (or pretend to) although it should not. */
static const struct {
  gboolean examine;
  const char *opening;
} closed[] = {
    {TRUE, "C: @ EXAMINE \"box\"\nS: * OK [UIDVALIDITY 9] x\nS: @ OK [READ-WRITE] so it says\n"},
    {TRUE, "C: @ EXAMINE \"box\"\nS: * OK [UIDVALIDITY 9] x\nS: @ OK [READ-ONLY] x\n"},
    {FALSE, SELECT "S: @ OK [READ-ONLY] x\n"},
    {FALSE, SELECT "S: @ OK says nothing\n"},
    {FALSE, SELECT "S: * OK [READ-WRITE] x\nS: @ OK [READ-ONLY] x\n"},
    {FALSE, SELECT "S: * NO [UIDNOTSTICKY] x\nS: @ OK [READ-WRITE] x\n"},
    {FALSE, "C: @ SELECT \"box\"\nS: @ OK [READ-WRITE] no UIDVALIDITY\n"},
    {FALSE, "C: @ SELECT \"box\"\nS: @ NO [NOPERM] x\n"},
};

START_TEST(test_not_open) {
  g_autofree char *dialogue = g_strconcat(closed[_i].opening, "C: @ NOOP\nS: @ OK\n", NULL);
  g_auto(Session) s = session_new("UIDPLUS MOVE", dialogue);
  g_autoptr(ImapSeqset) uids = set_of("1");
  imap_examine(s.conn, "box", closed[_i].examine, NULL, NULL, NULL);
  for (Deed deed = STORE; deed <= EXPUNGE; deed++) {
    g_auto(ImapEffect) effect = {0};
    g_autoptr(GError) error = NULL;
    ck_assert_msg(!run(&s, deed, uids, &effect, &error), "row %d", _i);
    ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_READONLY));
    g_autofree char *text = describe(&effect);
    ck_assert_str_eq(text, "");
  }
  ck_assert(imap_noop(s.conn, NULL, NULL));
}
END_TEST

START_TEST(test_lacking) {
  g_auto(Session) s = session_open("", "C: @ NOOP\nS: @ OK\n");
  g_autoptr(ImapSeqset) uids = set_of("1");
  for (Deed deed = MOVE; deed <= EXPUNGE; deed++) {
    g_auto(ImapEffect) effect = {0};
    g_autoptr(GError) error = NULL;
    ck_assert(!run(&s, deed, uids, &effect, &error));
    ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_CONFIG));
  }
  ck_assert(imap_noop(s.conn, NULL, NULL));
}
END_TEST

START_TEST(test_empty_set) {
  g_auto(Session) s = session_open("UIDPLUS MOVE", "C: @ NOOP\nS: @ OK\n");
  g_autoptr(ImapSeqset) uids = set_of("");
  for (Deed deed = STORE; deed <= EXPUNGE; deed++) {
    g_auto(ImapEffect) effect = {0};
    ck_assert(run(&s, deed, uids, &effect, NULL));
  }
  ck_assert(imap_noop(s.conn, NULL, NULL));
}
END_TEST

/* ---- flags ---------------------------------------------------------------------------------------------- */

#define ALL (IMAP_FLAG_SEEN | IMAP_FLAG_FLAGGED | IMAP_FLAG_DELETED | IMAP_FLAG_RECENT)

static const struct {
  const char *permanent; /* untagged response */
  gboolean add;
  const char *sent; /* NULL: nothing */
  guint left_out;
  const char *left_out_keywords;
} flaggings[] = {
    {"* 1 EXISTS", TRUE, "+FLAGS.SILENT (\\Seen \\Flagged \\Deleted $a new)", IMAP_FLAG_RECENT, "b)ad"},
    {"* 1 EXISTS", FALSE, "-FLAGS.SILENT (\\Seen \\Flagged \\Deleted $a new)", IMAP_FLAG_RECENT, "b)ad"},
    {"* OK [PERMANENTFLAGS (\\Seen \\Flagged \\Deleted \\Draft \\*)] x", TRUE,
     "+FLAGS.SILENT (\\Seen \\Flagged \\Deleted $a new)", IMAP_FLAG_RECENT, "b)ad"},
    {"* OK [PERMANENTFLAGS (\\Seen $A)] x", TRUE, "+FLAGS.SILENT (\\Seen $a)",
     IMAP_FLAG_FLAGGED | IMAP_FLAG_DELETED | IMAP_FLAG_RECENT, "b)ad,new"},
    {"* OK [PERMANENTFLAGS (new)] x", FALSE, "-FLAGS.SILENT (new)", ALL, "$a,b)ad"},
    {"* OK [PERMANENTFLAGS ()] x", TRUE, NULL, ALL, "$a,b)ad,new"},
    {"* OK [PERMANENTFLAGS (\\Recent)] x", TRUE, NULL, ALL, "$a,b)ad,new"},
};

START_TEST(test_flags) {
  static const char *const keywords[] = {"$a", "b)ad", "new", NULL};
  g_autoptr(GString) script = g_string_new(SELECT);
  g_string_append_printf(script, "S: %s\nS: @ OK [READ-WRITE] x\n", flaggings[_i].permanent);
  if (flaggings[_i].sent != NULL)
    g_string_append_printf(script, "C: @ UID STORE 5 %s\nS: @ OK\n", flaggings[_i].sent);
  g_string_append(script, "C: @ NOOP\nS: @ OK\n");
  g_auto(Session) s = session_new("", script->str);
  g_autoptr(ImapSeqset) uids = set_of("5");
  ImapFlagging flagging = {.add = flaggings[_i].add, .flags = ALL, .keywords = keywords};
  g_auto(ImapEffect) effect = {0};
  ck_assert(imap_examine(s.conn, "box", FALSE, NULL, NULL, NULL));
  ck_assert(imap_store(s.conn, uids, &flagging, &effect, NULL, NULL));
  g_autofree char *left_out = g_strjoinv(",", effect.left_out_keywords);
  ck_assert_msg(effect.left_out == flaggings[_i].left_out, "row %d: %x", _i, effect.left_out);
  ck_assert_msg(strcmp(left_out, flaggings[_i].left_out_keywords) == 0, "row %d: %s", _i, left_out);
  ck_assert(imap_seqset_empty(effect.done) == (flaggings[_i].sent == NULL));
  ck_assert(imap_noop(s.conn, NULL, NULL));
}
END_TEST

START_TEST(test_too_many_keywords) {
  g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
  g_autofree char *keyword = g_strnfill(250, 'k');
  for (guint i = 0; i < 30; i++)
    g_strv_builder_add(builder, keyword);
  g_auto(GStrv) keywords = g_strv_builder_end(builder);
  g_auto(Session) s = session_open("", "C: @ NOOP\nS: @ OK\n");
  g_autoptr(ImapSeqset) uids = set_of("5");
  ImapFlagging flagging = {.add = TRUE, .keywords = (const char *const *)keywords};
  g_auto(ImapEffect) effect = {0};
  g_autoptr(GError) error = NULL;
  ck_assert(!imap_store(s.conn, uids, &flagging, &effect, NULL, &error));
  ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_CONFIG));
  ck_assert(imap_noop(s.conn, NULL, NULL));
}
END_TEST

/* ---- sets that need many lines ------------------------------------------------------------------------------ */

/* Every second UID: nothing can be said as a range. */
static ImapSeqset *holes(guint n) {
  ImapSeqset *set = imap_seqset_new();
  for (guint i = 1; i <= n; i++)
    imap_seqset_add(set, 1000000 + 2 * i, 1000000 + 2 * i);
  return set;
}

/* The parts in which they go. */
static GPtrArray *parts_of(const ImapSeqset *set) {
  g_autoptr(ImapSeqset) left = imap_seqset_copy(set);
  GPtrArray *parts = g_ptr_array_new_with_free_func(g_free);
  const gsize room = IMAP_LIMIT_COMMAND - 100 - strlen("to") * 2;
  while (!imap_seqset_empty(left)) {
    g_autoptr(ImapSeqset) part = imap_seqset_take(left, G_MAXUINT64, room);
    g_ptr_array_add(parts, imap_seqset_format(part));
  }
  return parts;
}

static void script_parts(GString *script, GPtrArray *parts, guint from, guint to) {
  for (guint i = from; i < to; i++)
    g_string_append_printf(script, "C: @ UID COPY %s \"to\"\n", (char *)g_ptr_array_index(parts, i));
}

/* Eight parts are under way before the first is answered. */
START_TEST(test_many_parts) {
  g_autoptr(ImapSeqset) uids = holes(10000);
  g_autoptr(GPtrArray) parts = parts_of(uids);
  g_autoptr(GString) script = g_string_new(NULL);
  ck_assert_uint_eq(parts->len, 11);
  script_parts(script, parts, 0, 8);
  for (guint i = 0; i < 8; i++)
    g_string_append_printf(script, "S: @%u OK\n", i + 4);
  script_parts(script, parts, 8, 11);
  for (guint i = 8; i < 11; i++)
    g_string_append_printf(script, "S: @%u OK\n", i + 4);
  g_auto(Session) s = session_open("", script->str);
  g_auto(ImapEffect) effect = {0};
  ck_assert(imap_copy(s.conn, uids, "to", &effect, NULL, NULL));
  ck_assert(imap_seqset_equal(effect.unnamed, uids));
}
END_TEST

static ImapSeqset *union_of(GPtrArray *parts, guint from, guint to) {
  g_autoptr(GString) text = g_string_new(NULL);
  for (guint i = from; i < to; i++)
    g_string_append_printf(text, "%s%s", i > from ? "," : "", (char *)g_ptr_array_index(parts, i));
  return set_of(text->str);
}

/* The second of eleven is refused: what is under way is heard, and the last three are never begun. Of those under way
 * the fate of two is not known in the end. */
START_TEST(test_part_refused) {
  g_autoptr(ImapSeqset) uids = holes(10000);
  g_autoptr(GPtrArray) parts = parts_of(uids);
  g_autoptr(GString) script = g_string_new(NULL);
  script_parts(script, parts, 0, 8);
  g_string_append(script, "S: @4 NO [OVERQUOTA] x\n");
  for (guint i = 1; i < 6; i++)
    g_string_append_printf(script, "S: @%u %s\n", i + 4, i == 3 ? "NO [LIMIT] x" : "OK");
  g_string_append(script, "half\n");
  g_auto(Session) s = session_open("", script->str);
  g_auto(ImapEffect) effect = {0};
  g_autoptr(GError) error = NULL;
  ck_assert(!imap_copy(s.conn, uids, "to", &effect, NULL, &error));
  ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_NETWORK));
  g_autoptr(ImapSeqset) unknown = union_of(parts, 6, 8), first = union_of(parts, 0, 1), fourth = union_of(parts, 3, 4);
  g_autoptr(ImapSeqset) well = union_of(parts, 0, 6), some = imap_seqset_subtract(well, first);
  g_autoptr(ImapSeqset) unnamed = imap_seqset_subtract(some, fourth), refused = imap_seqset_subtract(well, unnamed);
  ck_assert(imap_seqset_equal(effect.unknown, unknown));
  ck_assert(imap_seqset_equal(effect.unnamed, unnamed));
  ck_assert(imap_seqset_equal(effect.refused, refused));
}
END_TEST

/* A name that must be wanted is sent alone; refusing it refuses the messages. */
START_TEST(test_literal_name) {
  g_auto(Session) s = session_open("", "C: @ UID COPY 5 {2}\nS: + go\nC: \xc3\xa4\nS: @ OK [COPYUID 1 5 6] x\n"
                                       "C: @ UID COPY 7 {2}\nS: @ NO [TRYCREATE] none\n"
                                       "C: @ UID COPY 8 {2}\nS: @ OK what\n");
  static const char *const effects[] = {"done 5 5>6*1 in 1", "refused 7", ""};
  for (guint i = 0; i < 3; i++) {
    g_autoptr(ImapSeqset) uids = set_of(i == 0 ? "5" : i == 1 ? "7" : "8");
    g_auto(ImapEffect) effect = {0};
    ck_assert(imap_copy(s.conn, uids, "\xc3\xa4", &effect, NULL, NULL) == (i == 0));
    g_autofree char *text = describe(&effect);
    ck_assert_str_eq(text, effects[i]);
  }
  ck_assert(imap_conn_failed(s.conn));
}
END_TEST

/* Whatever else becomes of this program: EXPUNGE and CLOSE, which remove what others have flagged, are in no command
 * that it could send. What may stand in quotes is the response, and UID EXPUNGE. */
START_TEST(test_never) {
  static const char *const folders[] = {"imap", "cache", "fs"};
  g_autoptr(GRegex) strings = g_regex_new("\"(?:[^\"\\\\\\n]|\\\\.)*\"", 0, 0, NULL);
  g_autoptr(GRegex) never = g_regex_new("\\b(EXPUNGE|CLOSE)\\b", G_REGEX_CASELESS, 0, NULL);
  guint seen = 0;
  for (guint i = 0; i < G_N_ELEMENTS(folders); i++) {
    g_autoptr(GDir) dir = g_dir_open(folders[i], 0, NULL);
    ck_assert_msg(dir != NULL, "%s is not here; run this from the top of the source", folders[i]);
    for (const char *name; (name = g_dir_read_name(dir)) != NULL;) {
      g_autofree char *path = g_build_filename(folders[i], name, NULL), *text = NULL;
      g_autoptr(GMatchInfo) match = NULL;
      if (!g_str_has_suffix(name, ".c") || !g_file_get_contents(path, &text, NULL, NULL))
        continue;
      for (g_regex_match(strings, text, 0, &match); g_match_info_matches(match); g_match_info_next(match, NULL)) {
        g_autofree char *string = g_match_info_fetch(match, 0);
        gboolean fine = strcmp(string, "\"UID EXPUNGE \"") == 0 ||
                        (strcmp(string, "\"EXPUNGE\"") == 0 && strcmp(path, "imap/response.c") == 0);
        gboolean option = strcmp(path, "fs/options_table.c") == 0; /* delete=expunge */
        seen += fine;
        ck_assert_msg(fine || option || !g_regex_match(never, string, 0, NULL), "%s: %s", path, string);
      }
    }
  }
  ck_assert_uint_eq(seen, 2);
}
END_TEST

int main(void) {
  TCase *tc = tcase_create("store");
  tcase_add_loop_test(tc, test_dialogue, 0, G_N_ELEMENTS(dialogues));
  tcase_add_loop_test(tc, test_not_open, 0, G_N_ELEMENTS(closed));
  tcase_add_test(tc, test_lacking);
  tcase_add_test(tc, test_empty_set);
  tcase_add_loop_test(tc, test_flags, 0, G_N_ELEMENTS(flaggings));
  tcase_add_test(tc, test_too_many_keywords);
  tcase_add_test(tc, test_many_parts);
  tcase_add_test(tc, test_part_refused);
  tcase_add_test(tc, test_literal_name);
  tcase_add_test(tc, test_never);
  Suite *suite = suite_create("store");
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
