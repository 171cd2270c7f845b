/* SPDX-License-Identifier: MIT */
/*
 * libgsasl computes all mechanisms but the OAuth ones, which are one message; their failure arrives as a challenge too,
 * and wants an answer before the server says NO.
 */
#include "imap/sasl.h"

#include <gsasl.h>
#include <string.h>

#include "imap/login.h"
#include "imap/tls.h"

typedef enum { GSASL, XOAUTH2, OAUTHBEARER } Kind;

struct _ImapSasl {
  const char *mechanism, *secret;
  Kind kind;
  const ImapConfig *config;
  ImapStream *stream; /* or NULL: no channel binding */
  Gsasl *gsasl;
  Gsasl_session *session;
  gboolean proven, begun;
  char *detail;
};

void imap_secret_free(char *secret) {
  if (secret != NULL)
    explicit_bzero(secret, strlen(secret));
  g_free(secret);
}

void imap_sasl_free(ImapSasl *sasl) {
  if (sasl->session != NULL) {
    /* libgsasl frees its copy without wiping it. */
    char *copy = (char *)gsasl_property_fast(sasl->session, GSASL_PASSWORD);
    if (copy != NULL)
      explicit_bzero(copy, strlen(copy));
    gsasl_finish(sasl->session);
  }
  if (sasl->gsasl != NULL)
    gsasl_done(sasl->gsasl);
  g_free(sasl->detail);
  g_free(sasl);
}

gboolean imap_sasl_is_proven(const ImapSasl *sasl) {
  return sasl->proven;
}

const char *imap_sasl_detail(const ImapSasl *sasl) {
  return sasl->detail;
}

/* ---- libgsasl ------------------------------------------------------------------------------------------ */

static int gsasl_answer(Gsasl *gsasl, Gsasl_session *session, Gsasl_property property) {
  const ImapSasl *sasl = gsasl_callback_hook_get(gsasl);
  const ImapConfig *config = sasl->config;
  g_autofree char *binding = NULL;
  const char *value = NULL;
  if (property == GSASL_AUTHID)
    value = config->user;
  else if (property == GSASL_PASSWORD)
    value = sasl->secret;
  else if (property == GSASL_SERVICE)
    value = "imap";
  else if (property == GSASL_HOSTNAME)
    value = config->host;
  else if (sasl->stream != NULL && property == GSASL_CB_TLS_EXPORTER)
    value = binding = imap_tls_binding(sasl->stream, IMAP_TLS_EXPORTER);
  else if (sasl->stream != NULL && property == GSASL_CB_TLS_UNIQUE)
    value = binding = imap_tls_binding(sasl->stream, IMAP_TLS_UNIQUE);
  if (value == NULL)
    return GSASL_NO_CALLBACK;
  return gsasl_property_set(session, property, value);
}

static gboolean start_gsasl(ImapSasl *sasl, GError **error) {
  int rc = gsasl_init(&sasl->gsasl);
  if (rc == GSASL_OK) {
    gsasl_callback_set(sasl->gsasl, gsasl_answer);
    gsasl_callback_hook_set(sasl->gsasl, sasl);
    rc = gsasl_client_start(sasl->gsasl, sasl->mechanism, &sasl->session);
  }
  if (rc == GSASL_OK)
    return TRUE;
  g_set_error(error, IMAP_ERROR, IMAP_ERROR_CONFIG, "login by %s: %s", sasl->mechanism, gsasl_strerror(rc));
  return FALSE;
}

ImapSasl *imap_sasl_new(const char *mechanism, const ImapConfig *config, ImapStream *stream, const char *secret,
                        GError **error) {
  g_autoptr(ImapSasl) sasl = g_new0(ImapSasl, 1);
  *sasl = (ImapSasl){.mechanism = mechanism, .secret = secret, .config = config, .stream = stream};
  if (g_str_equal(mechanism, "XOAUTH2"))
    sasl->kind = XOAUTH2;
  else if (g_str_equal(mechanism, "OAUTHBEARER"))
    sasl->kind = OAUTHBEARER;
  else if (!start_gsasl(sasl, error))
    return NULL;
  return g_steal_pointer(&sasl);
}

/* ---- messages ------------------------------------------------------------------------------------------ */

char *imap_sasl_xoauth2(const char *user, const char *token) {
  return g_strdup_printf("user=%s\001auth=Bearer %s\001\001", user, token);
}

/* RFC 5801 section 4: "," and "=" are escaped in the name. */
static char *gs2_name(const char *user) {
  g_autoptr(GString) name = g_string_new(user);
  g_string_replace(name, "=", "=3D", 0);
  g_string_replace(name, ",", "=2C", 0);
  return g_string_free(g_steal_pointer(&name), FALSE);
}

char *imap_sasl_oauthbearer(const char *user, const char *host, guint port, const char *token) {
  g_autofree char *name = gs2_name(user);
  return g_strdup_printf("n,a=%s,\001host=%s\001port=%u\001auth=Bearer %s\001\001", name, host, port, token);
}

static char *oauth_message(const ImapSasl *sasl) {
  const ImapConfig *config = sasl->config;
  char *message = sasl->kind == XOAUTH2
                      ? imap_sasl_xoauth2(config->user, sasl->secret)
                      : imap_sasl_oauthbearer(config->user, config->host, imap_login_port(config), sasl->secret);
  char *encoded = g_base64_encode((const guchar *)message, strlen(message));
  imap_secret_free(message);
  return encoded;
}

/* The second challenge of an OAuth server is its refusal, in JSON. */
static char *oauth_refused(ImapSasl *sasl, const char *challenge) {
  gsize len = 0;
  g_autofree guchar *json = g_base64_decode(challenge, &len);
  g_free(sasl->detail);
  sasl->detail = imap_clean_text((const char *)json, (gssize)len);
  return g_strdup(sasl->kind == XOAUTH2 ? "" : "AQ==");
}

char *imap_sasl_respond(ImapSasl *sasl, const char *challenge, GError **error) {
  if (sasl->kind != GSASL) {
    char *response = sasl->begun ? oauth_refused(sasl, challenge) : oauth_message(sasl);
    sasl->begun = sasl->proven = TRUE;
    return response;
  }
  char *out = NULL;
  int rc = gsasl_step64(sasl->session, challenge, &out);
  sasl->proven = rc == GSASL_OK;
  if (rc != GSASL_OK && rc != GSASL_NEEDS_MORE) {
    g_set_error(error, IMAP_ERROR, IMAP_ERROR_AUTH, "login by %s failed: %s", sasl->mechanism, gsasl_strerror(rc));
    return NULL;
  }
  char *response = g_strdup(out != NULL ? out : "");
  if (out != NULL)
    explicit_bzero(out, strlen(out));
  gsasl_free(out);
  return response;
}
