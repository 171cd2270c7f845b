/* SPDX-License-Identifier: MIT */
/*
 * OpenSSL upon any ImapStream, by way of a BIO of our own: so there is one place that reads sockets, no
 * SIGPIPE, and errors of the line keep their own words.
 *
 * Verification is OpenSSL's, made strict: names only from subjectAltName, no partial wildcards, no
 * renegotiation, no compression. The pin is compared after the handshake and before the first octet of
 * ours. The context belongs to the connection; nothing is shared or resumed, so that "unique" channel
 * bindings are what they say.
 */
#include "imap/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "imap/error.h"
#include "imap/limits.h"

#define READ_AHEAD (64 * 1024) /* octets that OpenSSL takes from the line at once: four records */

typedef struct {
  ImapStream stream;
  SSL_CTX *context;
  SSL *ssl;
  BIO_METHOD *method;
  GError *line; /* what broke below TLS, or NULL */
  gboolean ended;
} Tls;

/* ---- the BIO: OpenSSL's view of the layer below ------------------------------------------------- */

static int bio_read(BIO *bio, char *data, int len) {
  Tls *tls = BIO_get_data(bio);
  gsize n = 0;
  BIO_clear_retry_flags(bio);
  if (tls->line != NULL)
    return -1;
  ImapIo io = imap_stream_read(tls->stream.lower, data, (gsize)len, &n, &tls->line);
  if (io == IMAP_IO_OK)
    return (int)n;
  if (io == IMAP_IO_WAIT)
    BIO_set_retry_read(bio);
  tls->ended = tls->ended || io == IMAP_IO_EOF;
  return io == IMAP_IO_EOF ? 0 : -1;
}

static int bio_write(BIO *bio, const char *data, int len) {
  Tls *tls = BIO_get_data(bio);
  gsize n = 0;
  BIO_clear_retry_flags(bio);
  if (tls->line != NULL)
    return -1;
  ImapIo io = imap_stream_write(tls->stream.lower, data, (gsize)len, &n, &tls->line);
  if (io == IMAP_IO_WAIT)
    BIO_set_retry_write(bio);
  return io == IMAP_IO_OK ? (int)n : -1;
}

static long bio_ctrl(BIO *bio, int command, G_GNUC_UNUSED long number, G_GNUC_UNUSED void *pointer) {
  if (command == BIO_CTRL_EOF)
    return ((Tls *)BIO_get_data(bio))->ended;
  return command == BIO_CTRL_FLUSH;
}

static gboolean attach_bio(Tls *tls) {
  tls->method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "imapfs");
  BIO_meth_set_read(tls->method, bio_read);
  BIO_meth_set_write(tls->method, bio_write);
  BIO_meth_set_ctrl(tls->method, bio_ctrl);
  BIO *bio = BIO_new(tls->method);
  if (bio == NULL)
    return FALSE;
  BIO_set_data(bio, tls);
  BIO_set_init(bio, 1);
  SSL_set_bio(tls->ssl, bio, bio);
  return TRUE;
}

/* ---- errors ------------------------------------------------------------------------------------------ */

static const char *library_reason(void) {
  unsigned long code = ERR_peek_last_error();
  const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;
  return reason != NULL ? reason : "the peer gave up";
}

static gboolean fail(GError **error, ImapError code, const char *format, const char *host, const char *detail) {
  g_autofree char *head = g_strdup_printf("the TLS certificate of %s ", host);
  g_set_error(error, IMAP_ERROR, (gint)code, "%s%s%s", head, format, detail);
  return FALSE;
}

/* What the chain lacks, as a sentence that begins "the TLS certificate of HOST ". */
static const struct {
  long result;
  const char *sentence;
} verdicts[] = {
    {X509_V_ERR_CERT_HAS_EXPIRED, "has expired"},
    {X509_V_ERR_CERT_NOT_YET_VALID, "is not valid yet: is the clock right?"},
    {X509_V_ERR_HOSTNAME_MISMATCH, "is for another name"},
    {X509_V_ERR_IP_ADDRESS_MISMATCH, "is not for this IP address"},
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "is its own issuer, which nobody vouches for (see tls_ca=)"},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, "comes from an unknown issuer (see tls_ca=)"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, "comes from an unknown issuer (see tls_ca=)"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, "comes from an unknown issuer (see tls_ca=)"},
    {X509_V_ERR_CERT_SIGNATURE_FAILURE, "is not signed by the issuer it names"},
    {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, "comes from an unknown issuer (see tls_ca=)"},
};

static gboolean handshake_failed(Tls *tls, const char *host, GError **error) {
  long result = SSL_get_verify_result(tls->ssl);
  for (gsize i = 0; i < G_N_ELEMENTS(verdicts); i++)
    if (verdicts[i].result == result)
      return fail(error, IMAP_ERROR_TLS, verdicts[i].sentence, host, "");
  if (result != X509_V_OK)
    return fail(error, IMAP_ERROR_TLS, "is not accepted: ", host, X509_verify_cert_error_string(result));
  if (tls->line != NULL)
    g_propagate_error(error, g_steal_pointer(&tls->line));
  else if (tls->ended)
    g_set_error(error, IMAP_ERROR, IMAP_ERROR_NETWORK, "%s closed the connection during the TLS handshake", host);
  else
    g_set_error(error, IMAP_ERROR, IMAP_ERROR_TLS, "no TLS with %s: %s (is it the right port?)", host,
                library_reason());
  return FALSE;
}

/* ---- policy -------------------------------------------------------------------------------------------- */

static gboolean load_authorities(Tls *tls, const char *ca, GError **error) {
  if (ca == NULL && SSL_CTX_set_default_verify_paths(tls->context) == 1)
    return TRUE;
  if (ca != NULL && SSL_CTX_load_verify_file(tls->context, ca) == 1)
    return TRUE;
  g_set_error(error, IMAP_ERROR, IMAP_ERROR_CONFIG, "%s%s cannot be read as PEM certificates",
              ca != NULL ? "tls_ca=" : "what OpenSSL is set up to trust", ca != NULL ? ca : "");
  return FALSE;
}

static gboolean name_peer(Tls *tls, const char *host) {
  X509_VERIFY_PARAM *param = SSL_get0_param(tls->ssl);
  X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  if (g_hostname_is_ip_address(host))
    return X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1;
  g_autofree char *ascii = g_hostname_to_ascii(host);
  return ascii != NULL && X509_VERIFY_PARAM_set1_host(param, ascii, 0) == 1 &&
         SSL_set_tlsext_host_name(tls->ssl, ascii) == 1;
}

static gboolean prepare(Tls *tls, const ImapTlsPolicy *policy, GError **error) {
  tls->context = SSL_CTX_new(TLS_client_method());
  if (tls->context == NULL) {
    g_set_error(error, IMAP_ERROR, IMAP_ERROR_LOCAL, "OpenSSL cannot be used: %s", library_reason());
    return FALSE;
  }
  SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION);
  SSL_CTX_set_options(tls->context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_mode(tls->context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(tls->context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER, NULL);
  SSL_CTX_set_read_ahead(tls->context, 1);
  SSL_CTX_set_default_read_buffer_len(tls->context, READ_AHEAD);
  if (!load_authorities(tls, policy->ca, error))
    return FALSE;
  tls->ssl = SSL_new(tls->context);
  if (tls->ssl != NULL && attach_bio(tls) && name_peer(tls, policy->host))
    return TRUE;
  g_set_error(error, IMAP_ERROR, IMAP_ERROR_CONFIG, "%s is not a host name that TLS can verify", policy->host);
  return FALSE;
}

static char *public_key_pin(Tls *tls) {
  X509 *certificate = SSL_get1_peer_certificate(tls->ssl);
  unsigned char *encoded = NULL;
  int len = certificate != NULL ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &encoded) : -1;
  X509_free(certificate);
  if (len <= 0)
    return NULL;
  guchar digest[32];
  gsize digest_len = sizeof digest;
  g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
  g_checksum_update(checksum, encoded, len);
  g_checksum_get_digest(checksum, digest, &digest_len);
  OPENSSL_free(encoded);
  g_autofree char *base64 = g_base64_encode(digest, digest_len);
  return g_strconcat("sha256//", base64, NULL);
}

static gboolean check_pin(Tls *tls, const ImapTlsPolicy *policy, GError **error) {
  g_autofree char *pin = policy->pin != NULL ? public_key_pin(tls) : NULL;
  if (policy->pin == NULL || g_strcmp0(pin, policy->pin) == 0)
    return TRUE;
  return fail(error, IMAP_ERROR_TLS, "has another key than tls_pin= says: ", policy->host, pin != NULL ? pin : "none");
}

static gboolean handshake(Tls *tls, const ImapTlsPolicy *policy, GCancellable *c, GError **error) {
  gint64 deadline = g_get_monotonic_time() + IMAP_TIMEOUT_CONNECT * G_USEC_PER_SEC;
  for (;;) {
    ERR_clear_error();
    int rc = SSL_connect(tls->ssl);
    if (rc == 1)
      return check_pin(tls, policy, error);
    int want = SSL_get_error(tls->ssl, rc);
    if (want != SSL_ERROR_WANT_READ && want != SSL_ERROR_WANT_WRITE)
      return handshake_failed(tls, policy->host, error);
    ImapWait wait = imap_stream_wait(tls->stream.lower, want == SSL_ERROR_WANT_WRITE, -1, deadline, c, error);
    if (wait == IMAP_WAIT_ERROR)
      return FALSE;
    if (wait == IMAP_WAIT_TIMEOUT) {
      g_set_error(error, IMAP_ERROR, IMAP_ERROR_TIMEOUT, "%s was silent during the TLS handshake", policy->host);
      return FALSE;
    }
  }
}

/* ---- the layer -------------------------------------------------------------------------------------------- */

/* What a call that moved nothing means. */
static ImapIo blocked(Tls *tls, int rc, gboolean *ret_other_way, GError **error) {
  int want = SSL_get_error(tls->ssl, rc);
  *ret_other_way = want == SSL_ERROR_WANT_WRITE;
  if (want == SSL_ERROR_WANT_READ || want == SSL_ERROR_WANT_WRITE)
    return IMAP_IO_WAIT;
  /* The end without close_notify is told from a whole answer by the framer. */
  if (want == SSL_ERROR_ZERO_RETURN || tls->ended)
    return IMAP_IO_EOF;
  if (tls->line != NULL)
    g_propagate_error(error, g_error_copy(tls->line));
  else
    g_set_error(error, IMAP_ERROR, IMAP_ERROR_NETWORK, "the TLS connection broke: %s", library_reason());
  return IMAP_IO_ERROR;
}

static ImapIo tls_read(ImapStream *stream, void *data, gsize len, gsize *ret_len, GError **error) {
  Tls *tls = (Tls *)stream;
  gsize total = 0, n;
  ERR_clear_error();
  while (total < len && SSL_read_ex(tls->ssl, (guint8 *)data + total, len - total, &n) == 1)
    total += n;
  *ret_len = total;
  /* With something in hand, the reason for stopping will be found again by the next call. */
  return total > 0 ? IMAP_IO_OK : blocked(tls, 0, &stream->read_wants_write, error);
}

static ImapIo tls_write(ImapStream *stream, const void *data, gsize len, gsize *ret_len, GError **error) {
  Tls *tls = (Tls *)stream;
  gboolean for_write;
  ERR_clear_error();
  if (SSL_write_ex(tls->ssl, data, len, ret_len) == 1)
    return IMAP_IO_OK;
  ImapIo io = blocked(tls, 0, &for_write, error);
  if (io == IMAP_IO_EOF)
    g_set_error_literal(error, IMAP_ERROR, IMAP_ERROR_NETWORK, "the server closed the TLS connection");
  return io == IMAP_IO_EOF ? IMAP_IO_ERROR : io;
}

static void tls_free(ImapStream *stream) {
  Tls *tls = (Tls *)stream;
  if (tls->ssl != NULL && SSL_is_init_finished(tls->ssl))
    SSL_shutdown(tls->ssl);
  SSL_free(tls->ssl);
  SSL_CTX_free(tls->context);
  BIO_meth_free(tls->method);
  g_clear_error(&tls->line);
  ERR_clear_error();
}

static const ImapStreamClass tls_class = {.read = tls_read, .write = tls_write, .free = tls_free};

ImapStream *imap_tls_new(ImapStream *lower, const ImapTlsPolicy *policy, GCancellable *c, GError **error) {
  Tls *tls = g_new0(Tls, 1);
  tls->stream = (ImapStream){.class = &tls_class, .lower = lower, .in_fd = -1, .out_fd = -1, .side_fd = -1};
  if (prepare(tls, policy, error) && handshake(tls, policy, c, error))
    return &tls->stream;
  imap_stream_free(&tls->stream);
  return NULL;
}

static Tls *find(ImapStream *stream) {
  while (stream != NULL && stream->class != &tls_class)
    stream = stream->lower;
  return (Tls *)stream;
}

gboolean imap_tls_is(const ImapStream *stream) {
  return find((ImapStream *)stream) != NULL;
}

char *imap_tls_binding(ImapStream *stream, ImapTlsBinding kind) {
  static const char label[] = "EXPORTER-Channel-Binding";
  Tls *tls = find(stream);
  guint8 data[64];
  gsize len = 32;
  if (tls == NULL || (SSL_version(tls->ssl) >= TLS1_3_VERSION) != (kind == IMAP_TLS_EXPORTER))
    return NULL;
  if (kind == IMAP_TLS_UNIQUE)
    len = SSL_get_finished(tls->ssl, data, sizeof data);
  else if (SSL_export_keying_material(tls->ssl, data, len, label, sizeof label - 1, (const guint8 *)"", 0, 1) != 1)
    return NULL;
  return g_base64_encode(data, MIN(len, sizeof data));
}
