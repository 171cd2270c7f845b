/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <check.h>
#include <ifaddrs.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "imap/conn.h"
#include "imap/login.h"
#include "tests/dovecot.h"
#include "tests/fake.h"
#include "tests/suite.h"

/* ---- against Dovecot ------------------------------------------------------------------------------ */

static Dovecot *dovecot; /* one for the whole program */

static ImapConn *try_lease(const ImapConfig *config, ImapPool **ret_pool, GError **error) {
  *ret_pool = imap_pool_new(config);
  return imap_pool_lease(*ret_pool, IMAP_ROLE_PROMPT, NULL, error);
}

/* Logs in and proves it by listing. */
static void check_works(const ImapConfig *config) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) listings = NULL;
  ImapPool *pool;
  ImapConn *conn = try_lease(config, &pool, &error);
  ck_assert_msg(conn != NULL, "%s", error != NULL ? error->message : "no error");
  ck_assert_msg(imap_list(conn, FALSE, &listings, NULL, NULL, &error), "%s", error != NULL ? error->message : "");
  ck_assert_uint_ge(listings->len, 1);
  imap_pool_release(pool, conn);
  imap_pool_free(pool);
}

static void check_fails(const ImapConfig *config, ImapError code, const char *words) {
  g_autoptr(GError) error = NULL;
  ImapPool *pool;
  ImapConn *conn = try_lease(config, &pool, &error);
  ck_assert_ptr_null(conn);
  ck_assert_msg(error->code == (int)code && strstr(error->message, words) != NULL, "%d: %s", error->code,
                error->message);
  ck_assert_ptr_null(strchr(error->message, '\n'));
  imap_pool_free(pool);
}

static const struct {
  ImapTls tls;
  gboolean tunnel;
  const char *auth;
  ImapCompress compress;
} good[] = {
    {IMAP_TLS_IMPLICIT, FALSE, NULL, IMAP_COMPRESS_AUTO},
    {IMAP_TLS_IMPLICIT, FALSE, "PLAIN", IMAP_COMPRESS_OFF},
    {IMAP_TLS_IMPLICIT, FALSE, "LOGIN", IMAP_COMPRESS_OFF},
    {IMAP_TLS_IMPLICIT, FALSE, "CRAM-MD5", IMAP_COMPRESS_OFF},
    {IMAP_TLS_IMPLICIT, FALSE, "scram-sha-1", IMAP_COMPRESS_OFF},
    {IMAP_TLS_IMPLICIT, FALSE, "SCRAM-SHA-256", IMAP_COMPRESS_ON},
    {IMAP_TLS_STARTTLS, FALSE, NULL, IMAP_COMPRESS_ON},
    {IMAP_TLS_OFF, FALSE, NULL, IMAP_COMPRESS_ON},
    {IMAP_TLS_OFF, TRUE, NULL, IMAP_COMPRESS_ON},
};

START_TEST(test_good) {
  ImapConfig config = dovecot_config(dovecot, "ann");
  config.tls = good[_i].tls;
  if (config.tls != IMAP_TLS_IMPLICIT)
    config.port = dovecot_port(dovecot);
  config.tunnel = good[_i].tunnel ? (char *)dovecot_tunnel(dovecot, "ann") : NULL;
  config.auth = (char *)good[_i].auth;
  config.compress = good[_i].compress;
  check_works(&config);
}
END_TEST

static char *wrong(G_GNUC_UNUSED gpointer data, G_GNUC_UNUSED GCancellable *c, G_GNUC_UNUSED GError **error) {
  return g_strdup("wrong");
}

static char *none(G_GNUC_UNUSED gpointer data, G_GNUC_UNUSED GCancellable *c, GError **error) {
  g_set_error_literal(error, IMAP_ERROR, IMAP_ERROR_CONFIG, "there is no password");
  return NULL;
}

START_TEST(test_wrong_password) {
  static const char *const methods[] = {NULL, "PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1"};
  ImapConfig config = dovecot_config(dovecot, "ann");
  config.secret = wrong;
  config.auth = (char *)methods[_i];
  check_fails(&config, IMAP_ERROR_AUTH, "refused");
}
END_TEST

START_TEST(test_no_password) {
  ImapConfig config = dovecot_config(dovecot, "ann");
  config.secret = none;
  check_fails(&config, IMAP_ERROR_CONFIG, "there is no password");
}
END_TEST

START_TEST(test_long_user) {
  static const char *const methods[] = {"LOGIN", "PLAIN"};
  ImapConfig config = dovecot_config(dovecot, "ann.x@example.org");
  config.auth = (char *)methods[_i];
  check_works(&config);
}
END_TEST

START_TEST(test_untrusted) {
  static const struct {
    gboolean starttls, known_ca;
    char *pin;
    const char *words;
  } rows[] = {{FALSE, FALSE, NULL, "nobody vouches"},
              {TRUE, FALSE, NULL, "nobody vouches"},
              {FALSE, TRUE, "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "another key"},
              {TRUE, TRUE, "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "another key"}};
  ImapConfig config = dovecot_config(dovecot, "ann");
  if (rows[_i].starttls) {
    config.tls = IMAP_TLS_STARTTLS;
    config.port = dovecot_port(dovecot);
  }
  if (!rows[_i].known_ca)
    config.tls_ca = NULL;
  config.tls_pin = rows[_i].pin;
  check_fails(&config, IMAP_ERROR_TLS, rows[_i].words);
}
END_TEST

/* Whole bodies through every kind of line, the octets counted. */
static gboolean count_begin(gpointer data, guint64 size) {
  (void)data, (void)size;
  return TRUE;
}

static gboolean count_write(gpointer data, const void *octets, gsize len) {
  (void)octets;
  *(guint64 *)data += len;
  return TRUE;
}

static void count_end(gpointer data, gboolean whole) {
  (void)data;
  ck_assert(whole);
}

static void fetch_all(ImapConn *conn, guint *ret_messages, guint64 *ret_octets) {
  static const ImapSink sink = {count_begin, count_write, count_end};
  g_autoptr(ImapSeqset) uids = NULL;
  ck_assert(imap_examine(conn, "INBOX", TRUE, NULL, NULL, NULL));
  ck_assert(imap_uids(conn, &uids, NULL, NULL));
  ck_assert(imap_fetch_send(conn, uids, IMAP_FETCH_BODY, NULL, NULL));
  for (;;) {
    g_auto(ImapMessage) message = {0};
    ImapFetchResult result = imap_fetch_next(conn, &sink, ret_octets, &message, NULL, NULL);
    if (result == IMAP_FETCH_DONE)
      return;
    ck_assert_int_eq(result, IMAP_FETCH_MESSAGE);
    ck_assert(message.has & IMAP_HAS_BODY);
    (*ret_messages)++;
  }
}

START_TEST(test_bodies) {
  ImapConfig config = dovecot_config(dovecot, "bob");
  g_autoptr(GError) error = NULL;
  guint messages = 0;
  guint64 octets = 0;
  ImapPool *pool;
  for (guint i = 0; i < 40; i++)
    dovecot_deliver(dovecot, "bob", "", i, 50000);
  config.tls = good[_i].tls;
  if (config.tls != IMAP_TLS_IMPLICIT)
    config.port = dovecot_port(dovecot);
  config.tunnel = good[_i].tunnel ? (char *)dovecot_tunnel(dovecot, "bob") : NULL;
  config.compress = good[_i].compress;
  ImapConn *conn = try_lease(&config, &pool, &error);
  ck_assert_msg(conn != NULL, "%s", error != NULL ? error->message : "");
  fetch_all(conn, &messages, &octets);
  ck_assert_uint_eq(messages, 40);
  ck_assert_uint_ge(octets, 40 * 50000);
  ck_assert_uint_lt(octets, 40 * 50100);
  gboolean compressed = good[_i].compress == IMAP_COMPRESS_ON && !good[_i].tunnel;
  if (good[_i].compress != IMAP_COMPRESS_AUTO) /* on a busy machine even this line may seem far */
    ck_assert(compressed == (imap_conn_received(conn) < octets / 2));
  imap_pool_release(pool, conn);
  imap_pool_free(pool);
}
END_TEST

/* ---- against the fake: what a proper server would not do ----------------------------------------------- */

static const struct {
  ImapTls tls;
  const char *script;
  ImapError code;
  const char *words;
} bad[] = {
    {IMAP_TLS_STARTTLS, "S: * OK [CAPABILITY IMAP4rev1] no STARTTLS here\nC: @ STARTTLS\nS: @ BAD what\n",
     IMAP_ERROR_TLS, "refuses to encrypt"},
    {IMAP_TLS_STARTTLS, "S: * OK hi\nC: @ STARTTLS\nS: @ NO [PRIVACYREQUIRED] no\n", IMAP_ERROR_TLS,
     "refuses to encrypt"},
    {IMAP_TLS_STARTTLS, "S: * PREAUTH come in\n", IMAP_ERROR_TLS, "before the line is encrypted"},
    {IMAP_TLS_STARTTLS, "S: * OK hi\nC: @ STARTTLS\nS: * BYE no\n", IMAP_ERROR_NETWORK, "hung up"},
    {IMAP_TLS_IMPLICIT, "S: * OK plaintext on the TLS port\n", IMAP_ERROR_TLS, "right port"},
    {IMAP_TLS_OFF, "stall\n", IMAP_ERROR_TIMEOUT, "silent"},
    {IMAP_TLS_OFF, "R: * OK\nstall\n", IMAP_ERROR_TIMEOUT, "silent"},
    {IMAP_TLS_OFF, "R: HTTP/1.1 400 Bad Request\\r\\n\\r\\n\n", IMAP_ERROR_PROTOCOL, ""},
};

START_TEST(test_bad) {
  g_autoptr(Fake) fake = fake_new(bad[_i].script);
  ImapConfig config = fake_config(fake);
  config.tls = bad[_i].tls;
  config.timeout = 1;
  check_fails(&config, bad[_i].code, bad[_i].words);
}
END_TEST

/* Octets sent in one packet with the OK to STARTTLS would be read as if TLS had carried them. */
START_TEST(test_injection) {
  g_autoptr(Fake) fake = fake_new("S: * OK hi\nC: @ STARTTLS\nI: @ OK go\\r\\n* CAPABILITY IMAP4rev1 EVIL\\r\\n\n");
  ImapConfig config = fake_config(fake);
  config.tls = IMAP_TLS_STARTTLS;
  check_fails(&config, IMAP_ERROR_TLS, "in between");
}
END_TEST

START_TEST(test_plaintext_is_for_loopback) {
  struct ifaddrs *all, *found = NULL;
  ck_assert_int_eq(getifaddrs(&all), 0);
  for (struct ifaddrs *i = all; i != NULL; i = i->ifa_next)
    if (i->ifa_addr != NULL && i->ifa_addr->sa_family == AF_INET &&
        ntohl(((struct sockaddr_in *)i->ifa_addr)->sin_addr.s_addr) >> 24 != 127)
      found = i;
  if (found != NULL) { /* else this machine has no other address to try */
    struct sockaddr_in address = *(struct sockaddr_in *)found->ifa_addr;
    socklen_t len = sizeof address;
    char host[INET_ADDRSTRLEN];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_port = 0;
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, len), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    ImapConfig config = {.host = (char *)inet_ntop(AF_INET, &address.sin_addr, host, sizeof host),
                         .port = ntohs(address.sin_port),
                         .user = "ann",
                         .tls = IMAP_TLS_OFF,
                         .timeout = 5,
                         .connections = 1,
                         .secret = none};
    check_fails(&config, IMAP_ERROR_CONFIG, "tls=off");
    close(fd);
  }
  freeifaddrs(all);
}
END_TEST

/* ---- CAPABILITY, ID, ENABLE --------------------------------------------------------------------------------- */

#define GREETING "S: * OK hello\nC: @ CAPABILITY\nS: * CAPABILITY IMAP4rev1\nS: @ OK\n"
#define LOGIN(code) GREETING "C: @ LOGIN \"ann\" \"secret\"\nS: @ OK " code " in\n"
#define ASK "C: @ CAPABILITY\n"
#define ID "C: @ ID (\"name\" \"imapfs\")\n"
#define ENABLE "C: @ ENABLE QRESYNC\n"
#define TOLD                                                                                                           \
  "S: @3 OK\nS: * ID (\"name\" \"Cyrus IMAPD\" \"version\" \"v2.4.17\")\nS: @4 OK\nS: * ENABLED QRESYNC\nS: @5 OK\n"

static const struct {
  const char *script;
  ImapDelta delta;
  gboolean quirk;
} introductions[] = {
    /* all is known from the login: one round trip */
    {LOGIN("[CAPABILITY ID ENABLE QRESYNC]") ASK ID ENABLE "S: * CAPABILITY ID ENABLE QRESYNC LIST-EXTENDED\n" TOLD,
     IMAP_DELTA_QRESYNC, TRUE},
    /* nothing is known: two */
    {LOGIN("") ASK "S: * CAPABILITY ID ENABLE QRESYNC LIST-EXTENDED\nS: @3 OK\n" ID ENABLE
                   "S: * ID NIL\nS: @4 OK\nS: * ENABLED QRESYNC\nS: @5 OK\n",
     IMAP_DELTA_QRESYNC, FALSE},
    /* one of them, then the other, in either order */
    {LOGIN("[CAPABILITY ID]") ASK ID "S: * CAPABILITY ID ENABLE QRESYNC\nS: @3 OK\n" ENABLE
                                     "S: * ID NIL\nS: @4 OK\nS: * ENABLED QRESYNC\nS: @5 OK\n",
     IMAP_DELTA_QRESYNC, FALSE},
    {LOGIN("[CAPABILITY ENABLE QRESYNC]") ASK ENABLE "S: * CAPABILITY ID ENABLE QRESYNC LIST-EXTENDED\nS: @3 OK\n" ID
                                                     "S: * ENABLED QRESYNC\nS: @4 OK\nS: * ID (\"name\" "
                                                     "\"Cyrus\" \"version\" \"2.3\")\nS: @5 OK\n",
     IMAP_DELTA_QRESYNC, TRUE},
    /* what was said before the login does not last */
    {LOGIN("[CAPABILITY ENABLE QRESYNC]") ASK ENABLE "S: * CAPABILITY IMAP4rev1\nS: @3 OK\nS: @4 NO what\n",
     IMAP_DELTA_PLAIN, FALSE},
    /* neither is worth a login: mail.de says BAD to ID */
    {LOGIN("[CAPABILITY ID ENABLE QRESYNC]") ASK ID ENABLE "S: * CAPABILITY ID ENABLE QRESYNC LIST-EXTENDED\n"
                                                           "S: @3 OK\nS: @4 BAD what\nS: @5 NO\n",
     IMAP_DELTA_CONDSTORE, FALSE},
    {LOGIN("[CAPABILITY ID]") ASK ID "S: * CAPABILITY ID\nS: @3 OK\nS: * ID (\"name\n"
                                     "S: * ID name\nS: @4 OK\n",
     IMAP_DELTA_PLAIN, FALSE},
};

START_TEST(test_introduction) {
  g_autofree char *script = g_strconcat(introductions[_i].script, "C: @ NOOP\nS: @ OK\n", NULL);
  g_autoptr(Fake) fake = fake_new(script);
  ImapConfig config = fake_config(fake);
  g_autoptr(GError) error = NULL;
  ImapPool *pool;
  ImapConn *conn = try_lease(&config, &pool, &error);
  ck_assert_msg(conn != NULL, "row %d: %s", _i, error != NULL ? error->message : "");
  ck_assert_msg(imap_conn_delta(conn) == introductions[_i].delta, "row %d", _i);
  ck_assert_msg(imap_conn_has(conn, "LIST-EXTENDED") == (conn->quirks == 0 && strstr(script, "LIST-E")), "row %d", _i);
  ck_assert_msg((conn->quirks != 0) == introductions[_i].quirk, "row %d", _i);
  ck_assert(imap_noop(conn, NULL, NULL));
  /* What is distrusted later, as by an ID that came after ENABLE, is not used though it is switched on. */
  conn->quirks = imap_quirks_of_host("imap.mail.me.com");
  ck_assert_int_lt(imap_conn_delta(conn), IMAP_DELTA_QRESYNC);
  imap_conn_fail(conn);
  imap_pool_release(pool, conn);
  imap_pool_free(pool);
}
END_TEST

/* How a server greets says enough where it has no ID. */
START_TEST(test_greeting_quirk) {
  g_autoptr(Fake) fake = fake_new("S: * OK [CAPABILITY IMAP4rev1 IDLE] Courier-IMAP ready. Copyright\n"
                                  "C: @ LOGIN \"ann\" \"secret\"\nS: @ OK in\n"
                                  "C: @ CAPABILITY\nS: * CAPABILITY IMAP4rev1 IDLE UIDPLUS\nS: @ OK\n");
  ImapConfig config = fake_config(fake);
  g_autoptr(GError) error = NULL;
  ImapPool *pool;
  ImapConn *conn = try_lease(&config, &pool, &error);
  ck_assert_msg(conn != NULL, "%s", error != NULL ? error->message : "");
  ck_assert(!imap_conn_has(conn, "IDLE") && imap_conn_has(conn, "UIDPLUS"));
  imap_conn_fail(conn);
  imap_pool_release(pool, conn);
  imap_pool_free(pool);
}
END_TEST

/* iCloud's name and Dovecot's abilities: what the name forbids is not even switched on. */
START_TEST(test_host_quirk) {
  ImapConfig config = dovecot_config(dovecot, "ann");
  g_autoptr(GError) error = NULL;
  ImapPool *pool;
  config.host = "p42-imap.mail.me.com";
  config.tunnel = (char *)dovecot_tunnel(dovecot, "ann");
  ImapConn *conn = try_lease(&config, &pool, &error);
  ck_assert_msg(conn != NULL, "%s", error != NULL ? error->message : "");
  ck_assert_int_eq(conn->enabled, IMAP_DELTA_CONDSTORE);
  ck_assert_int_eq(imap_conn_delta(conn), IMAP_DELTA_CONDSTORE);
  ck_assert(!imap_conn_has(conn, "ESEARCH") && imap_conn_has(conn, "CONDSTORE"));
  imap_pool_release(pool, conn);
  imap_pool_free(pool);
}
END_TEST

/* ---- patience ---------------------------------------------------------------------------------------------- */

#define DRIPS 20

static ImapConn *open_within(guint patience, const ImapConfig *config, GError **error) {
  static atomic_llong heard;
  ImapConnSetup setup = {.config = config, .patience = patience, .heard = &heard};
  return imap_conn_open(&setup, NULL, error);
}

static gpointer drip(gpointer data) {
  for (int i = 0; i < DRIPS; i++) {
    g_usleep(100000); /* the passing of time is the subject here */
    fake_go(data);
  }
  return NULL;
}

/* Never silent, and never done. */
START_TEST(test_drip) {
  g_autoptr(GString) script = g_string_new("R: * OK \n");
  for (int i = 0; i < DRIPS; i++)
    g_string_append(script, "wait\nR: .\n");
  g_autoptr(Fake) fake = fake_new(script->str);
  ImapConfig config = fake_config(fake);
  g_autoptr(GError) error = NULL;
  GThread *thread = g_thread_new("drip", drip, fake);
  ck_assert_ptr_null(open_within(1, &config, &error));
  ck_assert_msg(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_TIMEOUT), "%s", error->message);
  ck_assert_ptr_nonnull(strstr(error->message, "too long"));
  g_thread_join(thread);
}
END_TEST

static gpointer answer_late(gpointer fake) {
  g_usleep(2100000); /* longer than `timeout` */
  fake_go(fake);
  return NULL;
}

/* Servers delay wrong passwords on purpose: a login may take longer than other answers. */
START_TEST(test_slow_refusal) {
  g_autoptr(Fake) fake = fake_new("S: * OK [CAPABILITY IMAP4rev1] hello\nC: @ LOGIN *\nwait\nS: @ NO wrong\n");
  ImapConfig config = fake_config(fake);
  g_autoptr(GError) error = NULL;
  config.timeout = 1;
  GThread *thread = g_thread_new("late", answer_late, fake);
  ck_assert_ptr_null(open_within(IMAP_TIMEOUT_LOGIN, &config, &error));
  ck_assert_msg(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_AUTH), "%s", error->message);
  g_thread_join(thread);
}
END_TEST

static char *slowly(G_GNUC_UNUSED gpointer data, G_GNUC_UNUSED GCancellable *c, G_GNUC_UNUSED GError **error) {
  g_usleep(3200000); /* longer than the server is given */
  return g_strdup("secret");
}

START_TEST(test_slow_user) {
  g_autoptr(Fake) fake = fake_new(FAKE_LOGIN(""));
  ImapConfig config = fake_config(fake);
  g_autoptr(GError) error = NULL;
  config.secret = slowly;
  ImapConn *conn = open_within(3, &config, &error);
  ck_assert_msg(conn != NULL, "%s", error != NULL ? error->message : "");
  ck_assert_int_eq(conn->deadline, 0);
  imap_conn_close(conn, FALSE);
}
END_TEST

/* ---- compress=auto ---------------------------------------------------------------------------------------- */

#define SQUEEZE "C: @ COMPRESS DEFLATE\nS: @ NO not today\n"

static const struct {
  gboolean far;
  guint64 rate;
  guint connections;
  ImapRole role;
  ImapCompress compress;
  gboolean expected;
} choices[] = {
    {FALSE, 0, 3, IMAP_ROLE_BULK, IMAP_COMPRESS_ON, TRUE}, /* near or far */
    {TRUE, 0, 3, IMAP_ROLE_BULK, IMAP_COMPRESS_AUTO, TRUE},
    {TRUE, 0, 3, IMAP_ROLE_PROMPT, IMAP_COMPRESS_AUTO, TRUE},
    {TRUE, 0, 3, IMAP_ROLE_WATCH, IMAP_COMPRESS_AUTO, FALSE},
    {TRUE, 0, 1, IMAP_ROLE_WATCH, IMAP_COMPRESS_AUTO, TRUE},
    {TRUE, 0, 3, IMAP_ROLE_BULK, IMAP_COMPRESS_OFF, FALSE},
    {TRUE, 12500000, 3, IMAP_ROLE_BULK, IMAP_COMPRESS_AUTO, TRUE}, /* 100 Mbit/s */
    {TRUE, 110000000, 3, IMAP_ROLE_BULK, IMAP_COMPRESS_AUTO, FALSE},
};

START_TEST(test_compress) {
  g_autofree char *script = g_strconcat(choices[_i].far ? "far\n" : "", FAKE_LOGIN("COMPRESS=DEFLATE"),
                                        choices[_i].expected ? SQUEEZE : "", "C: @ NOOP\nS: @ OK\n", NULL);
  g_autoptr(Fake) fake = fake_new(script);
  ImapConfig config = fake_config(fake);
  g_autoptr(GError) error = NULL;
  config.compress = choices[_i].compress;
  config.connections = choices[_i].connections;
  ImapPool *pool = imap_pool_new(&config);
  imap_pool_set_rate(pool, choices[_i].rate);
  ImapConn *conn = imap_pool_lease(pool, choices[_i].role, NULL, &error);
  ck_assert_msg(conn != NULL, "row %d: %s", _i, error != NULL ? error->message : "");
  ck_assert_msg(imap_noop(conn, NULL, &error), "row %d: %s", _i, error != NULL ? error->message : "");
  imap_conn_fail(conn);
  imap_pool_release(pool, conn);
  imap_pool_free(pool);
}
END_TEST

START_TEST(test_what_is_far) {
  static const struct {
    guint64 rate;
    gint64 rtt;
    gboolean expected;
  } lines[] = {{0, 1, FALSE},          {0, 2999, FALSE},        {0, 3000, TRUE},         {12500000, 999, FALSE},
               {12500000, 1000, TRUE}, {12500000, 50000, TRUE}, {20000000, 1000, FALSE}, {110000000, 50000, FALSE}};
  ImapConfig config = {.compress = IMAP_COMPRESS_AUTO};
  for (guint i = 0; i < G_N_ELEMENTS(lines); i++) {
    ImapConnSetup setup = {.config = &config, .rate = lines[i].rate, .may_compress = TRUE};
    ck_assert_msg(imap_login_compresses(&setup, lines[i].rtt) == lines[i].expected, "line %u", i);
    setup.may_compress = FALSE;
    ck_assert(!imap_login_compresses(&setup, lines[i].rtt));
  }
}
END_TEST

static void start_dovecot(void) {
  dovecot = dovecot_new(50);
}

static void stop_dovecot(void) {
  g_clear_pointer(&dovecot, dovecot_free);
}

int main(void) {
  Suite *suite = suite_create("login");
  TCase *fake = tcase_create("fake");
  tcase_add_loop_test(fake, test_bad, 0, G_N_ELEMENTS(bad));
  tcase_add_test(fake, test_injection);
  tcase_add_test(fake, test_plaintext_is_for_loopback);
  tcase_add_loop_test(fake, test_introduction, 0, G_N_ELEMENTS(introductions));
  tcase_add_test(fake, test_drip);
  tcase_add_test(fake, test_slow_refusal);
  tcase_add_test(fake, test_slow_user);
  tcase_add_test(fake, test_what_is_far);
  tcase_add_loop_test(fake, test_compress, 0, G_N_ELEMENTS(choices));
  suite_add_tcase(suite, fake);
  TCase *tc = tcase_create("dovecot");
  tcase_add_unchecked_fixture(tc, start_dovecot, stop_dovecot);
  tcase_add_loop_test(tc, test_good, 0, G_N_ELEMENTS(good));
  tcase_add_loop_test(tc, test_wrong_password, 0, 5);
  tcase_add_test(tc, test_greeting_quirk);
  tcase_add_test(tc, test_host_quirk);
  tcase_add_test(tc, test_no_password);
  tcase_add_loop_test(tc, test_long_user, 0, 2);
  tcase_add_loop_test(tc, test_untrusted, 0, 4);
  tcase_add_loop_test(tc, test_bodies, 0, G_N_ELEMENTS(good));
  if (dovecot_installed())
    suite_add_tcase(suite, tc);
  return suite_run(suite);
}
