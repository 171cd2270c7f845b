/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>

#include "tests/session.h"
#include "tests/suite.h"

/* ---- messages ------------------------------------------------------------------------------------ */

typedef struct {
  const char *text; /* over and over */
  guint64 given, fails_at;
} Source;

static gboolean give(gpointer data, void *buffer, gsize len, gsize *ret_len, GError **error) {
  Source *source = data;
  gsize size = strlen(source->text), at = source->given % size;
  if (source->fails_at > 0 && source->given >= source->fails_at) {
    g_set_error_literal(error, IMAP_ERROR, IMAP_ERROR_LOCAL, "the disk is gone");
    return FALSE;
  }
  *ret_len = MIN(len, size - at);
  memcpy(buffer, source->text + at, *ret_len);
  source->given += *ret_len;
  return TRUE;
}

#define TEXT "A: b\r\n" /* 6 octets: one line */
#define MOST 130

typedef struct {
  Source sources[MOST];
  ImapAppend messages[MOST];
  ImapAppended results[MOST];
  guint n;
} Mail;

/* n messages of `size` octets in lines of 100. */
static Mail *mail_new(guint n, guint64 size) {
  static const char line[] = "X: 34567890123456789012345678901234567890123456789"
                             "012345678901234567890123456789012345678901234567\r\n";
  Mail *mail = g_new0(Mail, 1);
  mail->n = n;
  for (guint i = 0; i < n; i++) {
    mail->sources[i].text = size == 6 ? TEXT : line;
    mail->messages[i] = (ImapAppend){.internaldate = IMAP_UNKNOWN_DATE, .size = size, .source = &mail->sources[i]};
  }
  return mail;
}

static void mail_free(Mail *mail) {
  for (guint i = 0; i < mail->n; i++)
    imap_appended_clear(&mail->results[i]);
  g_free(mail);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Mail, mail_free)

/* The first n. */
static gboolean append_with(Session *s, const char *mailbox, Mail *mail, guint n, ImapReadFunc read, ImapMoreFunc more,
                            GCancellable *c, GError **error) {
  ImapAppends all = {mail->messages, mail->results, n};
  return imap_append(s->conn, mailbox, &all, read, more, mail, c, error);
}

static gboolean append(Session *s, Mail *mail, GError **error) {
  return append_with(s, "box", mail, mail->n, give, NULL, NULL, error);
}

/* "done 1/5" "refused TOOBIG 0+3" "unsent" "unknown", with commas. */
static char *describe(const Mail *mail) {
  static const char *const outcomes[] = {"unsent", "done", "refused", "unknown"};
  static const char *const codes[] = {
      [IMAP_ERROR_CONFIG] = "config",         [IMAP_ERROR_UNAVAILABLE] = "later", [IMAP_ERROR_REFUSED] = "refused",
      [IMAP_ERROR_PERMISSION] = "permission", [IMAP_ERROR_READONLY] = "readonly", [IMAP_ERROR_QUOTA] = "quota",
      [IMAP_ERROR_TOOBIG] = "toobig",         [IMAP_ERROR_GONE] = "gone",
  };
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < mail->n; i++) {
    const ImapAppended *result = &mail->results[i];
    g_string_append_printf(text, "%s%s", i > 0 ? "," : "", outcomes[result->outcome]);
    if (result->outcome == IMAP_APPEND_DONE)
      g_string_append_printf(text, " %u/%u", result->uidvalidity, result->uid);
    ck_assert((result->outcome == IMAP_APPEND_REFUSED) == (result->error != NULL));
    if (result->error != NULL)
      g_string_append_printf(text, " %s %u+%u", codes[result->error->code], result->first, result->n);
  }
  return g_string_free(text, FALSE);
}

/* Tags are counted with those of the login: ours begin with the third. */

/* ---- dialogues: two messages of 6 octets ------------------------------------------------------------ */

#define HEAD "C: @ APPEND \"box\" {6+}\nC: A: b\n"
#define SYNC_HEAD "C: @ APPEND \"box\" {6}\nS: + go\nC: A: b\n"
#define MULTI HEAD "C:  {6+}\nC: A: b\nC: \n"

static const struct {
  const char *capabilities, *dialogue, *results;
  gboolean lost;
} dialogues[] = {
    /* pipelined, answered at the end */
    {"LITERAL+", HEAD "C: \n" HEAD "C: \nS: @3 OK [APPENDUID 7 11] a\nS: @4 OK [APPENDUID 7 12] b\n",
     "done 7/11,done 7/12", FALSE},
    {"LITERAL+", HEAD "C: \n" HEAD "C: \nS: @3 OK\nS: @4 NO [LIMIT] slower\n", "done 0/0,refused later 1+1", FALSE},
    {"LITERAL+", HEAD "C: \n" HEAD "C: \nS: @3 NO no\nS: @4 OK [APPENDUID 7 12] b\n", "refused refused 0+1,done 7/12",
     FALSE},
    {"LITERAL+", HEAD "C: \n" HEAD "C: \nS: @4 OK [APPENDUID 7 12] b\nS: @3 OK\n", "done 0/0,done 7/12", FALSE},
    {"LITERAL-", HEAD "C: \n" HEAD "C: \nS: * 2 EXISTS\nS: @3 OK\nS: @4 OK\n", "done 0/0,done 0/0", FALSE},
    /* bogus APPENDUIDs */
    {"LITERAL+", HEAD "C: \n" HEAD "C: \nS: @3 OK [APPENDUID 7 11:12] a\nS: @4 OK [APPENDUID 7 ] b\n",
     "done 0/0,done 0/0", FALSE},
    {"LITERAL+",
     HEAD "C: \n" HEAD "C: \nS: * OK [APPENDUID 7 5] x\nS: @3 OK [COPYUID 7 1 2] a\nS: @4 OK [APPENDUID 0 5] b\n",
     "done 0/0,done 0/0", FALSE},
    /* literals that must be wanted */
    {"", SYNC_HEAD "C: \nS: @ OK [APPENDUID 7 11]\n" SYNC_HEAD "C: \nS: * 3 EXISTS\nS: @ OK [APPENDUID 7 12]\n",
     "done 7/11,done 7/12", FALSE},
    {"", SYNC_HEAD "C: \nC: @ APPEND \"box\" {6}\nS: @3 OK\nS: + go\nC: A: b\nC: \nS: @4 OK\n", "done 0/0,done 0/0",
     FALSE},
    {"", "C: @ APPEND \"box\" {6}\nS: @ NO [TOOBIG] x\n" SYNC_HEAD "C: \nS: @ OK\n", "refused toobig 0+1,done 0/0",
     FALSE},
    {"", "C: @ APPEND \"box\" {6}\nS: @ NO [TRYCREATE] x\nC: @ NOOP\nS: @ OK\n", "refused gone 0+1,unsent", FALSE},
    {"", "C: @ APPEND \"box\" {6}\nS: @ NO [OVERQUOTA] x\nC: @ NOOP\nS: @ OK\n", "refused quota 0+1,unsent", FALSE},
    {"", "C: @ APPEND \"box\" {6}\nS: @ BAD what\n" SYNC_HEAD "C: \nS: @ OK\n", "refused refused 0+1,done 0/0", FALSE},
    {"", "C: @ APPEND \"box\" {6}\nS: @ OK really\n", "unknown,unsent", TRUE},
    {"", "C: @ APPEND \"box\" {6}\nS: x7 NO to whom\n", "unsent,unsent", TRUE},
    {"", "C: @ APPEND \"box\" {6}\nS: * BYE tired\n", "unsent,unsent", TRUE},
    /* MULTIAPPEND */
    {"LITERAL+ MULTIAPPEND", MULTI "S: @ OK [APPENDUID 7 11:12] a\n", "done 7/11,done 7/12", FALSE},
    {"LITERAL+ MULTIAPPEND", MULTI "S: @ OK [APPENDUID 7 12,11] a\n", "done 7/12,done 7/11", FALSE},
    {"LITERAL+ MULTIAPPEND", MULTI "S: @ OK [APPENDUID 7 11] a\n", "done 0/0,done 0/0", FALSE},
    {"LITERAL+ MULTIAPPEND", MULTI "S: @ OK [APPENDUID 7 11:13] a\n", "done 0/0,done 0/0", FALSE},
    {"LITERAL+ MULTIAPPEND", MULTI "S: @ OK\n", "done 0/0,done 0/0", FALSE},
    {"LITERAL+ MULTIAPPEND", MULTI "S: @ NO [OVERQUOTA] a\n", "refused quota 0+2,refused quota 0+2", FALSE},
    {"LITERAL+ MULTIAPPEND", MULTI "half\n", "unknown,unknown", TRUE},
    {"MULTIAPPEND", SYNC_HEAD "C:  {6}\nS: + go\nC: A: b\nC: \nS: @ OK [APPENDUID 7 11:12]\n", "done 7/11,done 7/12",
     FALSE},
    {"MULTIAPPEND", SYNC_HEAD "C:  {6}\nS: @ NO [TOOBIG] x\nC: @ NOOP\nS: @ OK\n",
     "refused toobig 0+2,refused toobig 0+2", FALSE},
    {"MULTIAPPEND", SYNC_HEAD "C:  {6}\nhalf\n", "unsent,unsent", TRUE},
    /* the line is lost */
    {"", "C: @ APPEND \"box\" {6}\nhalf\n", "unsent,unsent", TRUE},
    {"", SYNC_HEAD "C: \nhalf\n", "unknown,unsent", TRUE},
    {"", SYNC_HEAD "C: \nS: @ OK [APPENDUID 7 11]\nC: @ APPEND \"box\" {6}\nhalf\n", "done 7/11,unsent", TRUE},
    {"LITERAL+", HEAD "C: \n" HEAD "C: \nhalf\n", "unknown,unknown", TRUE},
    {"LITERAL+", HEAD "C: \n" HEAD "C: \nS: @3 OK\nhalf\n", "done 0/0,unknown", TRUE},
    {"LITERAL+", HEAD "C: \n" HEAD "C: \nS: * BYE\n", "unknown,unknown", TRUE},
    {"LITERAL+", HEAD "C: \n" HEAD "C: \nS: @3 OK\nR: ((((\\r\\n\n", "done 0/0,unknown", TRUE},
};

START_TEST(test_dialogue) {
  g_auto(Session) s = session_new(dialogues[_i].capabilities, dialogues[_i].dialogue);
  g_autoptr(Mail) mail = mail_new(2, 6);
  g_autoptr(GError) error = NULL;
  gboolean done = append(&s, mail, &error);
  g_autofree char *results = describe(mail);
  ck_assert_msg(strcmp(results, dialogues[_i].results) == 0, "row %d: %s", _i, results);
  ck_assert_msg(done == !dialogues[_i].lost && done == (error == NULL), "row %d", _i);
  ck_assert(imap_conn_failed(s.conn) == dialogues[_i].lost);
  if (strstr(dialogues[_i].dialogue, "NOOP") != NULL)
    ck_assert(imap_noop(s.conn, NULL, NULL));
}
END_TEST

/* One or two messages, and one more at a time as often as somebody asks. What is given goes out before all that was
 * given earlier is answered. */
static const struct {
  guint n, given;
  const char *dialogue, *results;
  gboolean lost;
} growing[] = {
    {2, 3, HEAD "C: \n" HEAD "C: \nS: @3 OK\n" HEAD "C: \nS: @4 OK\nS: @5 OK\n", "done 0/0,done 0/0,done 0/0", FALSE},
    {1, 3, HEAD "C: \nS: @ OK\n" HEAD "C: \n" HEAD "C: \nS: @4 NO no\nS: @5 OK\n",
     "done 0/0,refused refused 1+1,done 0/0", FALSE},
    {1, 2, HEAD "C: \nS: @ OK\n" HEAD "C: \nhalf\n", "done 0/0,unknown", TRUE},
    /* nobody asks where nothing was accepted, or no more will be */
    {1, 2, HEAD "C: \nS: @ NO no\n", "refused refused 0+1", FALSE},
    {2, 3, HEAD "C: \n" HEAD "C: \nS: @3 NO [OVERQUOTA] x\nS: @4 OK\n", "refused quota 0+1,done 0/0", FALSE},
};

typedef struct {
  Mail *mail;
  guint most;
} Growing;

static void grow(ImapAppends *all, gpointer data) {
  const Growing *growing_mail = data;
  Mail *mail = growing_mail->mail;
  ck_assert_uint_ge(all->n, 1);
  ck_assert(all->ret[0].outcome == IMAP_APPEND_DONE);
  if (all->n == growing_mail->most)
    return;
  /* Elsewhere. */
  memmove(mail->messages + MOST / 2, all->messages, all->n * sizeof *all->messages);
  memmove(mail->results + MOST / 2, all->ret, all->n * sizeof *all->ret);
  mail->messages[MOST / 2 + all->n] = mail->messages[MOST / 4];
  *all = (ImapAppends){mail->messages + MOST / 2, mail->results + MOST / 2, all->n + 1};
}

START_TEST(test_growing) {
  g_auto(Session) s = session_new("LITERAL+", growing[_i].dialogue);
  g_autoptr(Mail) mail = mail_new(MOST / 2, 6);
  g_autoptr(GError) error = NULL;
  Growing growing_mail = {mail, growing[_i].given};
  ImapAppends all = {mail->messages, mail->results, growing[_i].n};
  gboolean done = imap_append(s.conn, "box", &all, give, grow, &growing_mail, NULL, &error);
  memmove(mail->results, all.ret, all.n * sizeof *all.ret);
  mail->n = all.n;
  g_autofree char *results = describe(mail);
  ck_assert_msg(strcmp(results, growing[_i].results) == 0, "row %d: %s", _i, results);
  ck_assert_msg(done == !growing[_i].lost && done == (error == NULL), "row %d", _i);
}
END_TEST

/* What a refusal means, in codes and in words alone. */
static const struct {
  const char *answer;
  ImapError code;
} refusals[] = {
    {"NO [TOOBIG] x", IMAP_ERROR_TOOBIG},
    {"NO [OVERQUOTA] x", IMAP_ERROR_QUOTA},
    {"NO [OVERQUOTA] Account exceeded command or bandwidth limits", IMAP_ERROR_UNAVAILABLE},
    {"NO [TRYCREATE] x", IMAP_ERROR_GONE},
    {"NO [NONEXISTENT] x", IMAP_ERROR_GONE},
    {"NO [UNAVAILABLE] x", IMAP_ERROR_UNAVAILABLE},
    {"NO [INUSE] x", IMAP_ERROR_UNAVAILABLE},
    {"NO [SERVERBUG] x", IMAP_ERROR_UNAVAILABLE},
    {"NO [NOPERM] x", IMAP_ERROR_PERMISSION},
    {"NO [READ-ONLY] x", IMAP_ERROR_READONLY},
    {"NO [CANNOT] message not found", IMAP_ERROR_REFUSED},
    {"NO Message contains invalid header", IMAP_ERROR_REFUSED}, /* Cyrus */
    {"NO Message too large", IMAP_ERROR_TOOBIG},
    {"NO [ALERT] You exceeded your mail quota.", IMAP_ERROR_QUOTA}, /* Courier */
    {"NO Mailbox doesn't exist: box", IMAP_ERROR_GONE},
    {"NO Permission denied", IMAP_ERROR_PERMISSION},
    {"BAD Command Argument Error. 11", IMAP_ERROR_REFUSED}, /* Exchange */
    {"BAD Request is throttled. Suggested Backoff Time: 299961 milliseconds", IMAP_ERROR_UNAVAILABLE},
};

START_TEST(test_refusal) {
  g_autofree char *dialogue = g_strconcat(HEAD "C: \nS: @ ", refusals[_i].answer, "\n", NULL);
  g_auto(Session) s = session_new("LITERAL+", dialogue);
  g_autoptr(Mail) mail = mail_new(1, 6);
  ck_assert(append(&s, mail, NULL));
  ck_assert_msg(mail->results[0].outcome == IMAP_APPEND_REFUSED, "row %d", _i);
  ck_assert_msg(mail->results[0].error->code == (int)refusals[_i].code, "row %d: %d", _i, mail->results[0].error->code);
}
END_TEST

/* ---- what goes out -------------------------------------------------------------------------------------- */

START_TEST(test_flags_and_date) {
  static const char *const keywords[] = {"$Label1", "no keyword", NULL};
  g_auto(Session) s = session_new("LITERAL+ MULTIAPPEND",
                                  "C: @ APPEND \"box\" (\\Seen \\Draft $Label1) \"17-Jul-1996 09:44:25 +0000\" {6+}\n"
                                  "C: A: b\n"
                                  "C:  \"01-Jan-1970 00:00:00 +0000\" {6+}\nC: A: b\n"
                                  "C:  \"01-Jan-1970 00:00:00 +0000\" {6+}\nC: A: b\n"
                                  "C:  (\\Flagged) {6+}\nC: A: b\n"
                                  "C: \nS: @ OK\n");
  g_autoptr(Mail) mail = mail_new(4, 6);
  mail->messages[0].flags = IMAP_FLAG_SEEN | IMAP_FLAG_DRAFT | IMAP_FLAG_RECENT;
  mail->messages[0].keywords = keywords;
  mail->messages[0].internaldate = 837596665;
  mail->messages[1].internaldate = 0;
  mail->messages[2].internaldate = -86400;
  mail->messages[3].flags = IMAP_FLAG_FLAGGED;
  ck_assert(append(&s, mail, NULL));
}
END_TEST

/* The name has to be wanted too, and is asked for when nothing else is due. */
START_TEST(test_literal_name) {
  g_auto(Session) s = session_new("", "C: @ APPEND {2}\nS: + name\nC: \xc3\xa4 {6}\nS: + mail\nC: A: b\nC: \nS: @ OK\n"
                                      "C: @ APPEND {2}\nS: @ NO [NONEXISTENT] no such\n");
  g_autoptr(Mail) mail = mail_new(2, 6);
  ck_assert(append_with(&s, "\xc3\xa4", mail, 2, give, NULL, NULL, NULL));
  g_autofree char *results = describe(mail);
  ck_assert_str_eq(results, "done 0/0,refused gone 1+1");
}
END_TEST

/* An empty literal would cancel a MULTIAPPEND, too many keywords are no line: these stay, the others go. */
START_TEST(test_what_cannot_be_sent) {
  g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
  g_autofree char *keyword = g_strnfill(200, 'k');
  for (guint i = 0; i < 25; i++)
    g_strv_builder_add(builder, keyword);
  g_auto(GStrv) keywords = g_strv_builder_end(builder);
  g_auto(Session) s = session_new("LITERAL+ MULTIAPPEND", SYNC_HEAD "C: \n" HEAD "C: \nS: @3 OK\nS: @4 OK\n");
  g_autoptr(Mail) mail = mail_new(5, 6);
  mail->messages[0].size = 0;
  mail->messages[2].keywords = (const char *const *)keywords;
  mail->messages[4].size = IMAP_LIMIT_BODY + 1;
  ck_assert(append(&s, mail, NULL));
  g_autofree char *results = describe(mail);
  ck_assert_str_eq(results, "refused config 0+1,done 0/0,refused config 2+1,done 0/0,refused toobig 4+1");
}
END_TEST

static void script_lines(GString *script, guint n) {
  for (guint i = 0; i < n; i++)
    g_string_append(script, "C: X: *\n");
}

/* The first literal of much is asked for; what is large is asked for and goes alone; a batch ends at its limits. */
START_TEST(test_batches) {
  g_autoptr(GString) script = g_string_new("C: @ APPEND \"box\" {1000}\nS: + go\n");
  script_lines(script, 10);
  g_string_append(script, "C: \nC: @ APPEND \"box\" {65600}\nS: @3 OK [APPENDUID 1 1]\nS: + go\n");
  script_lines(script, 656);
  g_string_append(script, "C: \n");
  for (guint i = 0; i < 102; i++) {
    g_string_append(script, i % 100 == 0 ? "C: @ APPEND \"box\" {1000+}\n" : "C:  {1000+}\n");
    script_lines(script, 10);
    if (i % 100 == 99 || i == 101)
      g_string_append(script, "C: \n");
  }
  g_string_append(script, "S: @4 OK [APPENDUID 1 2]\nS: @5 OK [APPENDUID 1 3:102]\nS: @6 OK [APPENDUID 1 103:104]\n");
  g_auto(Session) s = session_new("LITERAL+ MULTIAPPEND", script->str);
  g_autoptr(Mail) mail = mail_new(104, 1000);
  mail->messages[1].size = 65600;
  g_autoptr(GError) error = NULL;
  ck_assert_msg(append(&s, mail, &error), "%s", error != NULL ? error->message : "");
  for (guint i = 0; i < 104; i++)
    ck_assert_uint_eq(mail->results[i].uid, i + 1);
  ck_assert_uint_eq(mail->results[50].first, 2);
  ck_assert_uint_eq(mail->results[50].n, 100);
}
END_TEST

/* 17 of 64000 octets are more than a megabyte. */
START_TEST(test_batch_octets) {
  g_autoptr(GString) script = g_string_new(NULL);
  for (guint i = 0; i < 18; i++) {
    g_string_append(script, i == 0    ? "C: @ APPEND \"box\" {64000}\nS: + go\n"
                            : i == 16 ? "C: @ APPEND \"box\" {64000+}\n"
                                      : "C:  {64000+}\n");
    script_lines(script, 640);
    if (i == 15 || i == 17)
      g_string_append(script, "C: \n");
  }
  g_string_append(script, "S: @3 OK\nS: @4 OK\n");
  g_auto(Session) s = session_new("LITERAL+ MULTIAPPEND", script->str);
  g_autoptr(Mail) mail = mail_new(18, 64000);
  ck_assert(append(&s, mail, NULL));
  ck_assert_uint_eq(mail->results[15].n, 16);
  ck_assert_uint_eq(mail->results[16].n, 2);
}
END_TEST

/* LITERAL- ends at 4096. */
START_TEST(test_literal_minus) {
  g_autoptr(GString) script = g_string_new("C: @ APPEND \"box\" {4000+}\n");
  script_lines(script, 40);
  g_string_append(script, "C: \nC: @ APPEND \"box\" {4100}\nS: + go\n");
  script_lines(script, 41);
  g_string_append(script, "C: \nS: @3 OK\nS: @4 OK\n");
  g_auto(Session) s = session_new("LITERAL-", script->str);
  g_autoptr(Mail) mail = mail_new(2, 4000);
  mail->messages[1].size = 4100;
  ck_assert(append(&s, mail, NULL));
}
END_TEST

/* After a refusal that concerns the mailbox nothing more is sent. */
START_TEST(test_stops) {
  g_auto(Session) s =
      session_new("LITERAL+", "C: @ APPEND \"box\" {64000}\nS: @ NO [TRYCREATE] none\nC: @ NOOP\nS: @ OK\n");
  g_autoptr(Mail) mail = mail_new(3, 64000);
  ck_assert(append(&s, mail, NULL));
  g_autofree char *results = describe(mail);
  ck_assert_str_eq(results, "refused gone 0+1,unsent,unsent");
  ck_assert_uint_eq(mail->sources[0].given + mail->sources[1].given, 0);
  ck_assert(imap_noop(s.conn, NULL, NULL));
}
END_TEST

/* ---- in the middle of a literal ----------------------------------------------------------------------------- */

#define LARGE (64u << 20) /* more than all buffers between us hold */

static const struct {
  const char *answer, *results;
} middles[] = {
    {"S: @ NO [OVERQUOTA] the disk is full\nstall\n", "refused quota 0+1,unsent"},
    {"S: @ OK [APPENDUID 1 5] thank you\nstall\n", "unknown,unsent"},
    {"S: * BYE\nstall\n", "unsent,unsent"},
    {"half\nstall\n", "unsent,unsent"},
    {"R: ((((\\r\\n\nstall\n", "unsent,unsent"},
};

/* The client must notice before it has sent all; the fake reads no more until then. */
START_TEST(test_middle) {
  g_autofree char *dialogue =
      g_strdup_printf("C: @ APPEND \"box\" {%u}\nS: + go\nC: X: *\n%s", LARGE, middles[_i].answer);
  g_auto(Session) s = session_new("LITERAL+", dialogue);
  g_autoptr(Mail) mail = mail_new(2, LARGE);
  g_autoptr(GError) error = NULL;
  ck_assert(!append(&s, mail, &error));
  ck_assert_ptr_nonnull(error);
  g_autofree char *results = describe(mail);
  ck_assert_msg(strcmp(results, middles[_i].results) == 0, "row %d: %s", _i, results);
  ck_assert(imap_conn_failed(s.conn));
  ck_assert_uint_lt(mail->sources[0].given, LARGE);
}
END_TEST

/* What is small is sent to its end, as was promised, and the session goes on. */
START_TEST(test_middle_of_a_small_one) {
  g_auto(Session) s =
      session_new("", "C: @ APPEND \"box\" {300}\nS: + go\nC: X: *\nS: @ NO [TOOBIG] x\nC: X: *\nC: X: *\nC: \n"
                      "C: @ NOOP\nS: @ OK\n");
  g_autoptr(Mail) mail = mail_new(1, 300);
  ck_assert(append(&s, mail, NULL));
  g_autofree char *results = describe(mail);
  ck_assert_str_eq(results, "refused toobig 0+1");
  ck_assert(imap_noop(s.conn, NULL, NULL));
}
END_TEST

/* Of a batch that is refused early, only the message under way is sent to its end. */
START_TEST(test_middle_of_a_batch) {
  g_autoptr(GString) script = g_string_new("C: @ APPEND \"box\" {64000}\nS: + go\n");
  script_lines(script, 640);
  g_string_append(script, "C:  {64000*\nS: @ NO [CANNOT] x\n");
  g_auto(Session) s = session_new("MULTIAPPEND", script->str);
  g_autoptr(Mail) mail = mail_new(3, 64000);
  ck_assert(append(&s, mail, NULL));
  g_autofree char *results = describe(mail);
  ck_assert_str_eq(results, "refused refused 0+3,refused refused 0+3,refused refused 0+3");
  ck_assert_uint_eq(mail->sources[2].given, 0);
}
END_TEST

START_TEST(test_source_fails) {
  g_autoptr(GString) script = g_string_new("C: @ APPEND \"box\" {600}\nS: + go\n");
  script_lines(script, 6);
  g_string_append(script, "C: \nC: @ APPEND \"box\" {600}\nS: + go\nC: X: *\nS: @3 OK [APPENDUID 1 5] x\n");
  g_auto(Session) s = session_new("", script->str);
  g_autoptr(Mail) mail = mail_new(3, 600);
  g_autoptr(GError) error = NULL;
  mail->sources[1].fails_at = 300;
  ck_assert(!append(&s, mail, &error));
  ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_LOCAL));
  ck_assert(imap_conn_failed(s.conn));
  g_autofree char *results = describe(mail);
  ck_assert_str_eq(results, "done 1/5,unsent,unsent");
}
END_TEST

static gboolean give_nothing(G_GNUC_UNUSED gpointer data, G_GNUC_UNUSED void *buffer, G_GNUC_UNUSED gsize len,
                             gsize *ret_len, G_GNUC_UNUSED GError **error) {
  *ret_len = 0;
  return TRUE;
}

START_TEST(test_source_is_short) {
  g_auto(Session) s = session_new("LITERAL+", "");
  g_autoptr(Mail) mail = mail_new(1, 6);
  g_autoptr(GError) error = NULL;
  ck_assert(!append_with(&s, "box", mail, 1, give_nothing, NULL, NULL, &error));
  ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_LOCAL));
  ck_assert_uint_eq(mail->results[0].outcome, IMAP_APPEND_UNSENT);
}
END_TEST

/* A server that reads nothing until we have read what it says. */
START_TEST(test_no_deadlock) {
  const guint lines = (6u << 20) / 100;
  g_autoptr(GString) script = g_string_new(NULL);
  g_autofree char *noise = g_strnfill(1000, 'n');
  g_string_append_printf(script, "C: @ APPEND \"box\" {%u}\nS: + go\n", lines * 100);
  for (guint i = 0; i < 6 << 10; i++)
    g_string_append_printf(script, "S: * OK %s\n", noise);
  script_lines(script, lines);
  g_string_append(script, "C: \nS: @ OK [APPENDUID 1 5] x\n");
  g_auto(Session) s = session_new("LITERAL+", script->str);
  g_autoptr(Mail) mail = mail_new(1, lines * 100);
  g_autoptr(GError) error = NULL;
  ck_assert_msg(append(&s, mail, &error), "%s", error != NULL ? error->message : "");
  ck_assert_uint_eq(mail->results[0].uid, 5);
}
END_TEST

START_TEST(test_cancelled) {
  g_auto(Session) s = session_new("LITERAL+", "");
  g_autoptr(Mail) mail = mail_new(1, 6);
  g_autoptr(GCancellable) c = g_cancellable_new();
  g_autoptr(GError) error = NULL;
  g_cancellable_cancel(c);
  ck_assert(!append_with(&s, "box", mail, 1, give, NULL, c, &error));
  ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_CANCELLED));
  ck_assert(imap_conn_failed(s.conn));
}
END_TEST

int main(void) {
  TCase *tc = tcase_create("append");
  tcase_add_loop_test(tc, test_dialogue, 0, G_N_ELEMENTS(dialogues));
  tcase_add_loop_test(tc, test_growing, 0, G_N_ELEMENTS(growing));
  tcase_add_loop_test(tc, test_refusal, 0, G_N_ELEMENTS(refusals));
  tcase_add_test(tc, test_flags_and_date);
  tcase_add_test(tc, test_literal_name);
  tcase_add_test(tc, test_what_cannot_be_sent);
  tcase_add_test(tc, test_batches);
  tcase_add_test(tc, test_batch_octets);
  tcase_add_test(tc, test_literal_minus);
  tcase_add_test(tc, test_stops);
  tcase_add_loop_test(tc, test_middle, 0, G_N_ELEMENTS(middles));
  tcase_add_test(tc, test_middle_of_a_small_one);
  tcase_add_test(tc, test_middle_of_a_batch);
  tcase_add_test(tc, test_source_fails);
  tcase_add_test(tc, test_source_is_short);
  tcase_add_test(tc, test_no_deadlock);
  tcase_add_test(tc, test_cancelled);
  Suite *suite = suite_create("append");
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
