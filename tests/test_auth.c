/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>

#include "imap/sasl.h"
#include "tests/fake.h"
#include "tests/suite.h"

#define HELLO(capabilities) "S: * OK [CAPABILITY IMAP4rev1 " capabilities "] hello\n"
#define IN "S: @ OK in\nC: @ CAPABILITY\nS: * CAPABILITY IMAP4rev1\nS: @ OK\n"

typedef struct {
  const char *auth, *user, *secret, *script;
  int code; /* -1: it works */
  const char *words;
} Row;

static const Row rows[] = {
    /* LOGIN: quoted, and what cannot be quoted as a literal */
    {NULL, "ann", "secret", HELLO("") "C: @ LOGIN \"ann\" \"secret\"\n" IN, -1, NULL},
    {NULL, "a\"b\\c", "p\"w\\d", HELLO("") "C: @ LOGIN \"a\\\"b\\\\c\" \"p\\\"w\\\\d\"\n" IN, -1, NULL},
    {NULL, "ann", "gr\xc3\xbc\xc3\x9f", HELLO("") "C: @ LOGIN \"ann\" {6}\nS: +\nC: gr*\n" IN, -1, NULL},
    {NULL, "ann", "gr\xc3\xbc\xc3\x9f", HELLO("LITERAL+") "C: @ LOGIN \"ann\" {6+}\nC: gr*\n" IN, -1, NULL},
    {NULL, "ann", "gr\xc3\xbc\xc3\x9f", HELLO("") "C: @ LOGIN \"ann\" {6}\nS: @ NO no literals\n", IMAP_ERROR_AUTH,
     "no literals"},
    /* capabilities asked for where the greeting has none */
    {NULL, "ann", "secret",
     "S: * OK hello\nC: @ CAPABILITY\nS: * CAPABILITY IMAP4rev1 \nS: @ OK\nC: @ LOGIN \"ann\" \"secret\"\n" IN, -1,
     NULL},
    /* choice */
    {NULL, "ann", "secret", HELLO("AUTH=PLAIN AUTH=CRAM-MD5") "C: @ AUTHENTICATE PLAIN\nS: +\nC: AGFubgBzZWNyZXQ=\n" IN,
     -1, NULL},
    {NULL, "ann", "secret", HELLO("auth=plain sasl-ir") "C: @ AUTHENTICATE PLAIN AGFubgBzZWNyZXQ=\n" IN, -1, NULL},
    {NULL, "ann", "secret", HELLO("AUTH=PLAIN AUTH=XOAUTH2 LOGINDISABLED") "C: @ AUTHENTICATE PLAIN\nS: + \nC: ?*\n" IN,
     -1, NULL},
    {NULL, "ann", "secret", HELLO("LOGINDISABLED"), IMAP_ERROR_CONFIG, "no login method"},
    {"LOGIN", "ann", "secret", HELLO("LOGINDISABLED AUTH=PLAIN"), IMAP_ERROR_CONFIG, "does not offer"},
    {"CRAM-MD5", "ann", "secret", HELLO("AUTH=PLAIN"), IMAP_ERROR_CONFIG, "does not offer"},
    {"SCRAM-SHA-256-PLUS", "ann", "secret", HELLO("AUTH=SCRAM-SHA-256-PLUS"), IMAP_ERROR_CONFIG, "does not offer"},
    {"NONSENSE", "ann", "secret", HELLO("AUTH=NONSENSE"), IMAP_ERROR_CONFIG, "auth=NONSENSE"},
    /* RFC 2195 section 2 */
    {"CRAM-MD5", "tim", "tanstaaftanstaaf",
     HELLO("AUTH=CRAM-MD5") "C: @ AUTHENTICATE CRAM-MD5\n"
                            "S: + PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+\n"
                            "C: dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw\n" IN,
     -1, NULL},
    {"EXTERNAL", "ann", "", HELLO("AUTH=EXTERNAL SASL-IR") "C: @ AUTHENTICATE EXTERNAL =\n" IN, -1, NULL},
    /* OAuth; the failure is a challenge that wants an answer */
    {"XOAUTH2", "ann", "tok",
     HELLO("AUTH=XOAUTH2 SASL-IR") "C: @ AUTHENTICATE XOAUTH2 dXNlcj1hbm4BYXV0aD1CZWFyZXIgdG9rAQE=\n" IN, -1, NULL},
    {"XOAUTH2", "ann", "tok",
     HELLO("AUTH=XOAUTH2") "C: @ AUTHENTICATE XOAUTH2\nS: + \nC: dXNlcj1hbm4BYXV0aD1CZWFyZXIgdG9rAQE=\n"
                           "S: + eyJzdGF0dXMiOiI0MDEifQ==\nC: \nS: @ NO AUTHENTICATE failed.\n",
     IMAP_ERROR_AUTH, "{\"status\":\"401\"}"},
    {"OAUTHBEARER", "ann", "tok",
     HELLO("AUTH=OAUTHBEARER SASL-IR") "C: @ AUTHENTICATE OAUTHBEARER *\nS: + eyJzdGF0dXMiOiI0MDEifQ==\nC: AQ==\n"
                                       "S: @ NO [AUTHENTICATIONFAILED] no\n",
     IMAP_ERROR_AUTH, "401"},
    /* refusals */
    {NULL, "ann", "x", HELLO("") "C: @ LOGIN *\nS: @ NO [AUTHENTICATIONFAILED] Invalid credentials\n", IMAP_ERROR_AUTH,
     "Invalid credentials"},
    {NULL, "ann", "x", HELLO("") "C: @ LOGIN *\nS: @ NO\n", IMAP_ERROR_AUTH, "refused"},
    {NULL, "ann", "x", HELLO("") "C: @ LOGIN *\nS: @ NO [UNAVAILABLE] Temporary authentication failure\n",
     IMAP_ERROR_UNAVAILABLE, "Temporary"},
    {NULL, "ann", "x", HELLO("") "C: @ LOGIN *\nS: @ NO [ALERT] Too many simultaneous connections. (Failure)\n",
     IMAP_ERROR_UNAVAILABLE, "Too many"},
    {NULL, "ann", "x", HELLO("") "C: @ LOGIN *\nS: @ BAD Request is throttled. Suggested Backoff Time: 2999 ms\n",
     IMAP_ERROR_UNAVAILABLE, "throttled"},
    {NULL, "ann", "x", HELLO("") "C: @ LOGIN *\nS: * BYE bad guess\n", IMAP_ERROR_NETWORK, "bad guess"},
    {NULL, "ann", "x",
     HELLO("") "C: @ LOGIN *\nS: @ OK\nC: @ CAPABILITY\n"
               "S: @ BAD User is authenticated but not connected.\n",
     IMAP_ERROR_AUTH, "not connected"},
    /* a server that cannot prove itself, and one that does not even try */
    {"SCRAM-SHA-256", "ann", "x",
     HELLO("AUTH=SCRAM-SHA-256 SASL-IR") "C: @ AUTHENTICATE SCRAM-SHA-256 *\nS: @ OK come in\n", IMAP_ERROR_AUTH,
     "without the proof"},
    {"SCRAM-SHA-256", "ann", "x",
     HELLO("AUTH=SCRAM-SHA-256 SASL-IR") "C: @ AUTHENTICATE SCRAM-SHA-256 *\nS: + Z2FyYmFnZQ==\nC: \\*\nS: @ BAD so be "
                                         "it\n",
     IMAP_ERROR_AUTH, "SCRAM-SHA-256"},
    /* greetings */
    {NULL, "ann", "x", "S: * BYE Too many connections from your IP\n", IMAP_ERROR_UNAVAILABLE, "Too many"},
    {NULL, "ann", "x", "S: 220 mail.example ESMTP\n", IMAP_ERROR_PROTOCOL, ""},
    {NULL, "ann", "x", "half\n", IMAP_ERROR_NETWORK, "without a greeting"},
    {NULL, "ann", "x", "S: * PREAUTH hello\nC: @ CAPABILITY\nS: * CAPABILITY IMAP4rev1\nS: @ OK\n", -1, NULL},
    /* ID with the name and nothing else, and its refusal is no matter */
    {NULL, "ann", "x",
     HELLO("") "C: @ LOGIN *\nS: @ OK\nC: @ CAPABILITY\nS: * CAPABILITY IMAP4rev1 ID\nS: @ OK\n"
               "C: @ ID (\"name\" \"imapfs\")\nS: @ NO who cares\n",
     -1, NULL},
};

static char *secret(gpointer data, G_GNUC_UNUSED GCancellable *c, G_GNUC_UNUSED GError **error) {
  return g_strdup(((const Row *)data)->secret);
}

/* No line of the trace may hold a secret, plain or in base64. */
static void check_trace(const char *line, gpointer data) {
  const Row *row = data;
  g_autofree char *base64 = g_base64_encode((const guchar *)row->secret, strlen(row->secret));
  if (strlen(row->secret) > 3)
    ck_assert_msg(strstr(line, row->secret) == NULL && strstr(line, base64) == NULL, "trace: %s", line);
  if (strstr(line, " AUTHENTICATE ") != NULL)
    ck_assert_msg(g_str_has_suffix(line, "***") || strchr(strstr(line, "AUTHENTICATE ") + 13, ' ') == NULL, "%s", line);
}

START_TEST(test_row) {
  const Row *row = &rows[_i];
  g_autoptr(GString) script = g_string_new(row->script);
  g_string_replace(script, "\\*", "?", 0);
  g_autoptr(Fake) fake = fake_new(script->str);
  ImapConfig config = fake_config(fake);
  g_autoptr(GError) error = NULL;
  config.auth = (char *)row->auth;
  config.user = (char *)row->user;
  config.secret = secret;
  config.secret_data = (gpointer)row;
  config.trace = check_trace;
  config.trace_data = (gpointer)row;
  config.compress = IMAP_COMPRESS_OFF;
  ImapPool *pool = imap_pool_new(&config);
  ImapConn *conn = imap_pool_lease(pool, IMAP_ROLE_PROMPT, NULL, &error);
  if (row->code < 0)
    ck_assert_msg(conn != NULL, "row %d: %s", _i, error != NULL ? error->message : "");
  else
    ck_assert_msg(conn == NULL && error->code == row->code && strstr(error->message, row->words) != NULL,
                  "row %d: %d %s", _i, error != NULL ? error->code : -1, error != NULL ? error->message : "works");
  if (conn != NULL) {
    imap_conn_fail(conn);
    imap_pool_release(pool, conn);
  }
  imap_pool_free(pool);
}
END_TEST

START_TEST(test_messages) {
  g_autofree char *x = imap_sasl_xoauth2("ann@example.com", "ya29.tok");
  g_autofree char *o = imap_sasl_oauthbearer("a,n=n@example.com", "server.example.com", 143, "vF9dft4qmT");
  ck_assert_str_eq(x, "user=ann@example.com\001auth=Bearer ya29.tok\001\001");
  ck_assert_str_eq(
      o, "n,a=a=2Cn=3Dn@example.com,\001host=server.example.com\001port=143\001auth=Bearer vF9dft4qmT\001\001");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("auth");
  TCase *tc = tcase_create("all");
  tcase_add_loop_test(tc, test_row, 0, G_N_ELEMENTS(rows));
  tcase_add_test(tc, test_messages);
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
