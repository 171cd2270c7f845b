/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "imap/error.h"
#include "imap/tls.h"
#include "tests/suite.h"

/* ---- certificates, made as needed -------------------------------------------------------------------- */

typedef struct {
  X509 *certificate;
  EVP_PKEY *key;
} Identity;

static void extend(X509 *certificate, int nid, const char *value) {
  X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
  ck_assert_ptr_nonnull(extension);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

/* Signed by `issuer`, or by itself. `names` as in subjectAltName; NULL: an authority. */
static Identity identity_new(const char *names, const Identity *issuer, long begins, long ends) {
  static long serial = 1;
  Identity id = {X509_new(), EVP_EC_gen("P-256")};
  X509_NAME *name = X509_get_subject_name(id.certificate);
  g_autofree char *common = names != NULL ? g_strdup("mail.example") : g_strdup_printf("authority %ld", serial);
  X509_set_version(id.certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(id.certificate), serial++);
  X509_gmtime_adj(X509_getm_notBefore(id.certificate), begins);
  X509_gmtime_adj(X509_getm_notAfter(id.certificate), ends);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const guchar *)common, -1, -1, 0);
  X509_set_issuer_name(id.certificate, issuer != NULL ? X509_get_subject_name(issuer->certificate) : name);
  X509_set_pubkey(id.certificate, id.key);
  if (names != NULL)
    extend(id.certificate, NID_subject_alt_name, names);
  else
    extend(id.certificate, NID_basic_constraints, "critical,CA:TRUE");
  X509_sign(id.certificate, issuer != NULL ? issuer->key : id.key, EVP_sha256());
  return id;
}

static void identity_clear(Identity *id) {
  X509_free(id->certificate);
  EVP_PKEY_free(id->key);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Identity, identity_clear)

static char *save(const Identity *id) {
  char *path = NULL;
  int fd = g_file_open_tmp("imapfs-ca-XXXXXX", &path, NULL);
  FILE *file = fdopen(fd, "w");
  PEM_write_X509(file, id->certificate);
  fclose(file);
  return path;
}

static char *pin_of(const Identity *id) {
  unsigned char *der = NULL;
  guchar digest[32];
  gsize len = sizeof digest;
  int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(id->certificate), &der);
  g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
  g_checksum_update(sum, der, n);
  g_checksum_get_digest(sum, digest, &len);
  OPENSSL_free(der);
  g_autofree char *base64 = g_base64_encode(digest, len);
  return g_strconcat("sha256//", base64, NULL);
}

/* ---- a server that says back what it hears ------------------------------------------------------------- */

typedef struct {
  int fd;
  const Identity *identity;
  int version;
} Server;

static gpointer serve(gpointer data) {
  Server *server = data;
  sigset_t pipe_signal;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe_signal, NULL); /* of this thread only: the client must not need it */
  SSL_CTX *context = SSL_CTX_new(TLS_server_method());
  SSL_CTX_use_certificate(context, server->identity->certificate);
  SSL_CTX_use_PrivateKey(context, server->identity->key);
  SSL_CTX_set_security_level(context, 0);
  SSL_CTX_set_min_proto_version(context, server->version);
  SSL_CTX_set_max_proto_version(context, server->version);
  SSL *ssl = SSL_new(context);
  SSL_set_fd(ssl, server->fd);
  char buffer[20000];
  int n = SSL_accept(ssl);
  while (n > 0 && (n = SSL_read(ssl, buffer, sizeof buffer)) > 0)
    n = SSL_write(ssl, buffer, n);
  SSL_free(ssl);
  SSL_CTX_free(context);
  close(server->fd);
  return NULL;
}

typedef struct {
  Server server;
  GThread *thread;
  ImapStream *stream;
  GError *error;
} Session;

static void session_open(Session *s, const ImapTlsPolicy *policy) {
  int fds[2];
  ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  g_unix_set_fd_nonblocking(fds[0], TRUE, NULL);
  s->server.fd = fds[1];
  s->thread = g_thread_new("server", serve, &s->server);
  s->stream = imap_tls_new(imap_stream_from_fd(fds[0]), policy, NULL, &s->error);
}

static void session_close(Session *s) {
  imap_stream_free(s->stream);
  g_thread_join(s->thread);
  g_clear_error(&s->error);
}

static gsize transfer(ImapStream *stream, gboolean out, char *data, gsize len) {
  gsize done = 0;
  gint64 deadline = g_get_monotonic_time() + 120 * G_USEC_PER_SEC;
  while (done < len) {
    gsize n = 0;
    ImapIo io = out ? imap_stream_write(stream, data + done, len - done, &n, NULL)
                    : imap_stream_read(stream, data + done, len - done, &n, NULL);
    if (io == IMAP_IO_OK)
      done += n;
    else if (io != IMAP_IO_WAIT || imap_stream_wait(stream, out, -1, deadline, NULL, NULL) != IMAP_WAIT_READY)
      break;
  }
  return done;
}

/* What is written comes back. */
static void check_echo(ImapStream *stream) {
  g_autofree char *text = g_strnfill(15000, 'x');
  char back[15000];
  ck_assert_uint_eq(transfer(stream, TRUE, text, sizeof back), sizeof back);
  ck_assert_uint_eq(transfer(stream, FALSE, back, sizeof back), sizeof back);
  ck_assert_int_eq(memcmp(text, back, sizeof back), 0);
  ck_assert_uint_gt(imap_stream_received(stream), sizeof back);
}

/* ---- rows -------------------------------------------------------------------------------------------------- */

#define DAY (24 * 3600)
enum { NO_PIN, RIGHT_PIN, WRONG_PIN };

static const struct {
  const char *host, *names;
  long begins, ends;
  gboolean known; /* the client trusts the issuer */
  int pin, version;
  int code; /* -1: it works */
  const char *words;
} rows[] = {
    {"mail.example", "DNS:mail.example", -DAY, DAY, TRUE, NO_PIN, TLS1_3_VERSION, -1, NULL},
    {"mail.example", "DNS:mail.example", -DAY, DAY, TRUE, NO_PIN, TLS1_2_VERSION, -1, NULL},
    {"a.mail.example", "DNS:*.mail.example", -DAY, DAY, TRUE, NO_PIN, TLS1_3_VERSION, -1, NULL},
    {"mail.example", "DNS:mail.example", -DAY, DAY, TRUE, RIGHT_PIN, TLS1_3_VERSION, -1, NULL},
    {"192.0.2.7", "IP:192.0.2.7", -DAY, DAY, TRUE, NO_PIN, TLS1_3_VERSION, -1, NULL},
    {"2001:db8::7", "IP:2001:db8::7", -DAY, DAY, TRUE, NO_PIN, TLS1_3_VERSION, -1, NULL},
    {"mail.example", "DNS:mail.example", -DAY, DAY, TRUE, WRONG_PIN, TLS1_3_VERSION, IMAP_ERROR_TLS, "another key"},
    {"mail.example", "DNS:mail.example", -DAY, DAY, FALSE, NO_PIN, TLS1_3_VERSION, IMAP_ERROR_TLS, "unknown issuer"},
    {"mail.example", "DNS:mail.example", -DAY, DAY, FALSE, RIGHT_PIN, TLS1_3_VERSION, IMAP_ERROR_TLS, "unknown issuer"},
    {"mail.example", "DNS:mail.example", -9 * DAY, -DAY, TRUE, NO_PIN, TLS1_3_VERSION, IMAP_ERROR_TLS, "has expired"},
    {"mail.example", "DNS:mail.example", DAY, 9 * DAY, TRUE, NO_PIN, TLS1_3_VERSION, IMAP_ERROR_TLS, "not valid yet"},
    {"evil.example", "DNS:mail.example", -DAY, DAY, TRUE, NO_PIN, TLS1_3_VERSION, IMAP_ERROR_TLS, "another name"},
    {"mail.example", "DNS:other.example", -DAY, DAY, TRUE, NO_PIN, TLS1_2_VERSION, IMAP_ERROR_TLS, "another name"},
    {"mail.example", "IP:192.0.2.7", -DAY, DAY, TRUE, NO_PIN, TLS1_3_VERSION, IMAP_ERROR_TLS, "another name"},
    {"192.0.2.8", "IP:192.0.2.7", -DAY, DAY, TRUE, NO_PIN, TLS1_3_VERSION, IMAP_ERROR_TLS, "not for this IP"},
    {"192.0.2.8", "DNS:192.0.2.8", -DAY, DAY, TRUE, NO_PIN, TLS1_3_VERSION, IMAP_ERROR_TLS, "not for this IP"},
    {"mail.example", "DNS:mail.example", -DAY, DAY, TRUE, NO_PIN, TLS1_1_VERSION, IMAP_ERROR_TLS, "no TLS with"},
};

START_TEST(test_row) {
  g_auto(Identity) authority = identity_new(NULL, NULL, -DAY, DAY);
  g_auto(Identity) stranger = identity_new(NULL, NULL, -DAY, DAY);
  g_auto(Identity) leaf = identity_new(rows[_i].names, &authority, rows[_i].begins, rows[_i].ends);
  g_autofree char *ca = save(rows[_i].known ? &authority : &stranger);
  g_autofree char *pin = rows[_i].pin == NO_PIN ? NULL : pin_of(rows[_i].pin == RIGHT_PIN ? &leaf : &stranger);
  ImapTlsPolicy policy = {.host = rows[_i].host, .ca = ca, .pin = pin};
  Session s = {.server = {.identity = &leaf, .version = rows[_i].version}};
  session_open(&s, &policy);
  if (rows[_i].code < 0) {
    ck_assert_msg(s.stream != NULL, "row %d: %s", _i, s.error != NULL ? s.error->message : "");
    check_echo(s.stream);
  } else {
    ck_assert_msg(s.stream == NULL, "row %d", _i);
    ck_assert_msg(s.error->code == rows[_i].code && strstr(s.error->message, rows[_i].words) != NULL, "row %d: %d %s",
                  _i, s.error->code, s.error->message);
  }
  session_close(&s);
  g_unlink(ca);
}
END_TEST

/* tls-exporter is for TLS 1.3, tls-unique for 1.2; there is never both. */
START_TEST(test_binding) {
  g_auto(Identity) leaf = identity_new("DNS:mail.example", NULL, -DAY, DAY);
  g_autofree char *ca = save(&leaf);
  ImapTlsPolicy policy = {.host = "mail.example", .ca = ca};
  Session s = {.server = {.identity = &leaf, .version = _i == 0 ? TLS1_3_VERSION : TLS1_2_VERSION}};
  session_open(&s, &policy);
  ck_assert_msg(s.stream != NULL, "%s", s.error != NULL ? s.error->message : "");
  g_autofree char *exporter = imap_tls_binding(s.stream, IMAP_TLS_EXPORTER);
  g_autofree char *unique = imap_tls_binding(s.stream, IMAP_TLS_UNIQUE);
  ck_assert_int_eq(exporter != NULL, _i == 0);
  ck_assert_int_eq(unique != NULL, _i == 1);
  ck_assert(imap_tls_is(s.stream));
  session_close(&s);
  g_unlink(ca);
}
END_TEST

/* A server on the wrong port, one that hangs up, and a file that is no certificate. */
START_TEST(test_no_tls) {
  static const char *const says[] = {"* OK hello\r\n", NULL};
  int fds[2];
  g_autoptr(GError) error = NULL;
  ImapTlsPolicy policy = {.host = "mail.example"};
  ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
  if (says[_i] != NULL)
    ck_assert_int_eq(send(fds[1], says[_i], strlen(says[_i]), 0), (gssize)strlen(says[_i]));
  else
    shutdown(fds[1], SHUT_WR);
  ck_assert_ptr_null(imap_tls_new(imap_stream_from_fd(fds[0]), &policy, NULL, &error));
  ck_assert_int_eq(error->code, says[_i] != NULL ? IMAP_ERROR_TLS : IMAP_ERROR_NETWORK);
  close(fds[1]);
}
END_TEST

START_TEST(test_bad_ca) {
  int fds[2];
  g_autoptr(GError) error = NULL;
  ImapTlsPolicy policy = {.host = "mail.example", .ca = "/dev/null"};
  ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
  ck_assert_ptr_null(imap_tls_new(imap_stream_from_fd(fds[0]), &policy, NULL, &error));
  ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_CONFIG));
  close(fds[1]);
}
END_TEST

START_TEST(test_cancelled) {
  int fds[2];
  g_autoptr(GError) error = NULL;
  g_autoptr(GCancellable) c = g_cancellable_new();
  ImapTlsPolicy policy = {.host = "mail.example"};
  ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
  g_cancellable_cancel(c);
  ck_assert_ptr_null(imap_tls_new(imap_stream_from_fd(fds[0]), &policy, c, &error));
  ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_CANCELLED));
  close(fds[1]);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("tls");
  TCase *tc = tcase_create("all");
  tcase_add_loop_test(tc, test_row, 0, G_N_ELEMENTS(rows));
  tcase_add_loop_test(tc, test_binding, 0, 2);
  tcase_add_loop_test(tc, test_no_tls, 0, 2);
  tcase_add_test(tc, test_bad_ca);
  tcase_add_test(tc, test_cancelled);
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
