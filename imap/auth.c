/* SPDX-License-Identifier: MIT */
/*
 * Authentication.
 *
 * One table says which mechanisms there are, in the order of preference. Without auth= the first one that
 * is automatic and offered is used, and only that: a second try with another one would double the refused
 * logins for which providers lock accounts out. By hand only: -PLUS, because servers and TLS libraries
 * disagree on the kind of channel binding and a mismatch looks like a wrong password; EXTERNAL, because
 * offering it says nothing about us. The line is TLS, a tunnel or loopback when we come here (login.c).
 *
 * A SASL exchange is a function from challenge to response. libgsasl computes all but the OAuth ones,
 * which are one message; their failure arrives as a challenge too, and wants an answer before the
 * server says NO.
 */
#include "imap/auth.h"

#include <gsasl.h>
#include <string.h>

#include "imap/limits.h"
#include "imap/login.h"
#include "imap/tls.h"

typedef enum { USE_LOGIN, USE_GSASL, USE_XOAUTH2, USE_OAUTHBEARER } How;

typedef struct {
  const char *name;
  How how;
  gboolean automatic;
  gboolean client_first; /* RFC 4959: the first message may stand in the command */
  gboolean binding;      /* needs TLS below */
  gboolean no_secret;
} Mechanism;

static const Mechanism mechanisms[] = {
    {"SCRAM-SHA-256-PLUS", USE_GSASL, .client_first = TRUE, .binding = TRUE},
    {"SCRAM-SHA-1-PLUS", USE_GSASL, .client_first = TRUE, .binding = TRUE},
    {"SCRAM-SHA-256", USE_GSASL, .automatic = TRUE, .client_first = TRUE},
    {"SCRAM-SHA-1", USE_GSASL, .automatic = TRUE, .client_first = TRUE},
    {"PLAIN", USE_GSASL, .automatic = TRUE, .client_first = TRUE},
    {"LOGIN", USE_LOGIN, .automatic = TRUE},
    {"CRAM-MD5", USE_GSASL, .automatic = TRUE},
    {"OAUTHBEARER", USE_OAUTHBEARER, .automatic = TRUE, .client_first = TRUE},
    {"XOAUTH2", USE_XOAUTH2, .automatic = TRUE, .client_first = TRUE},
    {"EXTERNAL", USE_GSASL, .client_first = TRUE, .no_secret = TRUE},
};

typedef struct {
  ImapConn *conn;
  const Mechanism *mechanism;
  char *secret;
  Gsasl *gsasl;
  Gsasl_session *session;
  gboolean proven; /* the mechanism has nothing more to say, and believes the server */
  gboolean begun;
  char *detail; /* what an OAuth server says is wrong, clean */
} Auth;

void imap_secret_free(char *secret) {
  if (secret != NULL)
    explicit_bzero(secret, strlen(secret));
  g_free(secret);
}

static void auth_clear(Auth *auth) {
  if (auth->session != NULL) {
    /* libgsasl frees its copy without wiping it. */
    char *copy = (char *)gsasl_property_fast(auth->session, GSASL_PASSWORD);
    if (copy != NULL)
      explicit_bzero(copy, strlen(copy));
    gsasl_finish(auth->session);
  }
  if (auth->gsasl != NULL)
    gsasl_done(auth->gsasl);
  imap_secret_free(auth->secret);
  g_free(auth->detail);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Auth, auth_clear)

/* ---- choice ------------------------------------------------------------------------------------ */

static gboolean is_offered(ImapConn *conn, const Mechanism *mechanism) {
  if (mechanism->how == USE_LOGIN)
    return !imap_conn_has(conn, "LOGINDISABLED");
  g_autofree char *capability = g_strconcat("AUTH=", mechanism->name, NULL);
  return imap_conn_has(conn, capability) && (!mechanism->binding || imap_tls_is(conn->stream));
}

static const Mechanism *choose(ImapConn *conn, GError **error) {
  const char *wish = conn->setup.config->auth;
  gboolean known = wish == NULL;
  for (gsize i = 0; i < G_N_ELEMENTS(mechanisms); i++) {
    const Mechanism *m = &mechanisms[i];
    gboolean wanted = wish != NULL ? g_ascii_strcasecmp(wish, m->name) == 0 : m->automatic;
    known = known || wanted;
    if (wanted && is_offered(conn, m))
      return m;
  }
  if (!known)
    g_set_error(error, IMAP_ERROR, IMAP_ERROR_CONFIG, "auth=%s is not a login method that imapfs knows", wish);
  else if (wish != NULL)
    g_set_error(error, IMAP_ERROR, IMAP_ERROR_CONFIG, "%s does not offer to log in by %s", conn->setup.config->host,
                wish);
  else
    g_set_error(error, IMAP_ERROR, IMAP_ERROR_CONFIG, "%s offers no login method that imapfs knows",
                conn->setup.config->host);
  return NULL;
}

/* ---- messages ----------------------------------------------------------------------------------- */

char *imap_auth_xoauth2(const char *user, const char *token) {
  return g_strdup_printf("user=%s\001auth=Bearer %s\001\001", user, token);
}

/* RFC 5801 section 4: "," and "=" are escaped in the name. */
static char *gs2_name(const char *user) {
  g_autoptr(GString) name = g_string_new(user);
  g_string_replace(name, "=", "=3D", 0);
  g_string_replace(name, ",", "=2C", 0);
  return g_string_free(g_steal_pointer(&name), FALSE);
}

char *imap_auth_oauthbearer(const char *user, const char *host, guint port, const char *token) {
  g_autofree char *name = gs2_name(user);
  return g_strdup_printf("n,a=%s,\001host=%s\001port=%u\001auth=Bearer %s\001\001", name, host, port, token);
}

static int gsasl_answer(Gsasl *gsasl, Gsasl_session *session, Gsasl_property property) {
  const Auth *auth = gsasl_callback_hook_get(gsasl);
  const ImapConfig *config = auth->conn->setup.config;
  g_autofree char *binding = NULL;
  const char *value = NULL;
  if (property == GSASL_AUTHID)
    value = config->user;
  else if (property == GSASL_PASSWORD)
    value = auth->secret;
  else if (property == GSASL_SERVICE)
    value = "imap";
  else if (property == GSASL_HOSTNAME)
    value = config->host;
  else if (auth->mechanism->binding && property == GSASL_CB_TLS_EXPORTER)
    value = binding = imap_tls_binding(auth->conn->stream, IMAP_TLS_EXPORTER);
  else if (auth->mechanism->binding && property == GSASL_CB_TLS_UNIQUE)
    value = binding = imap_tls_binding(auth->conn->stream, IMAP_TLS_UNIQUE);
  if (value == NULL)
    return GSASL_NO_CALLBACK;
  return gsasl_property_set(session, property, value);
}

static char *oauth_message(const Auth *auth) {
  const ImapConfig *config = auth->conn->setup.config;
  char *message = auth->mechanism->how == USE_XOAUTH2
                      ? imap_auth_xoauth2(config->user, auth->secret)
                      : imap_auth_oauthbearer(config->user, config->host, imap_login_port(config), auth->secret);
  char *encoded = g_base64_encode((const guchar *)message, strlen(message));
  imap_secret_free(message);
  return encoded;
}

/* The second challenge of an OAuth server is its refusal, in JSON. */
static char *oauth_refused(Auth *auth, const char *challenge) {
  gsize len = 0;
  g_autofree guchar *json = g_base64_decode(challenge, &len);
  g_free(auth->detail);
  auth->detail = imap_clean_text((const char *)json, (gssize)len);
  return g_strdup(auth->mechanism->how == USE_XOAUTH2 ? "" : "AQ==");
}

/* The response in base64, to be wiped, or NULL when the mechanism gives up. */
static char *respond(Auth *auth, const char *challenge, GError **error) {
  if (auth->mechanism->how != USE_GSASL) {
    char *response = auth->begun ? oauth_refused(auth, challenge) : oauth_message(auth);
    auth->begun = auth->proven = TRUE;
    return response;
  }
  char *out = NULL;
  int rc = gsasl_step64(auth->session, challenge, &out);
  auth->proven = rc == GSASL_OK;
  if (rc != GSASL_OK && rc != GSASL_NEEDS_MORE) {
    g_set_error(error, IMAP_ERROR, IMAP_ERROR_AUTH, "login by %s failed: %s", auth->mechanism->name,
                gsasl_strerror(rc));
    return NULL;
  }
  char *response = g_strdup(out != NULL ? out : "");
  if (out != NULL)
    explicit_bzero(out, strlen(out));
  gsasl_free(out);
  return response;
}

/* ---- refusals ------------------------------------------------------------------------------------ */

static gboolean refused(const Auth *auth, GError *refusal, GError **error) {
  g_autoptr(GError) reason = refusal;
  if (auth->conn->failed && reason->code != IMAP_ERROR_AUTH) {
    g_propagate_error(error, g_steal_pointer(&reason));
    return FALSE;
  }
  gboolean later = imap_conn_means_later(reason);
  g_set_error(error, IMAP_ERROR, later ? IMAP_ERROR_UNAVAILABLE : IMAP_ERROR_AUTH, "%s; %s%s%s",
              later ? "nobody is let in just now" : "the login was refused", reason->message,
              auth->detail != NULL ? " " : "", auth->detail != NULL ? auth->detail : "");
  return FALSE;
}

/* ---- exchange ------------------------------------------------------------------------------------- */

static gboolean login_command(Auth *auth, GCancellable *c, GError **error) {
  ImapConn *conn = auth->conn;
  const char *user = conn->setup.config->user;
  ImapEncoder *encoder = imap_conn_command(conn);
  imap_encoder_raw(encoder, "LOGIN ");
  imap_encoder_string(encoder, user, strlen(user));
  imap_encoder_raw(encoder, " ");
  imap_encoder_secret(encoder, auth->secret, strlen(auth->secret));
  GError *refusal = NULL;
  if (imap_conn_run(conn, encoder, NULL, NULL, NULL, c, &refusal))
    return TRUE;
  return refused(auth, refusal, error);
}

static void send_response(Auth *auth, char *response) {
  imap_conn_trace(auth->conn, 'C', response[0] != '\0' ? "***" : "");
  imap_conn_write(auth->conn, response, strlen(response));
  imap_conn_write(auth->conn, "\r\n", 2);
  imap_secret_free(response);
}

/* "*" ends the exchange; the server's BAD follows. */
static void give_up(Auth *auth, GCancellable *c) {
  imap_conn_trace(auth->conn, 'C', "*");
  imap_conn_write(auth->conn, "*\r\n", 3);
  imap_conn_await(auth->conn, auth->conn->tag, NULL, NULL, NULL, c, NULL);
}

static gboolean finish(Auth *auth, const ImapEvent *final, GError **error) {
  if (imap_conn_tag_number(auth->conn, final->tag) != auth->conn->tag)
    return imap_conn_lose(auth->conn, error, IMAP_ERROR_PROTOCOL, "the server answered a command that was not given");
  GError *refusal = imap_conn_refusal(auth->conn, final);
  if (refusal != NULL)
    return refused(auth, refusal, error);
  if (!auth->proven)
    return imap_conn_lose(auth->conn, error, IMAP_ERROR_AUTH,
                          "the server accepted the login without the proof that %s demands of it",
                          auth->mechanism->name);
  return TRUE;
}

static gboolean converse(Auth *auth, GCancellable *c, GError **error) {
  for (;;) {
    g_auto(ImapEvent) event = {0};
    if (!imap_conn_event(auth->conn, &event, c, error))
      return FALSE;
    if (event.type == IMAP_EVENT_STATUS && event.tag != NULL)
      return finish(auth, &event, error);
    if (event.type != IMAP_EVENT_CONTINUE)
      continue;
    char *response = respond(auth, event.text != NULL ? g_strstrip(event.text) : "", error);
    if (response == NULL) {
      give_up(auth, c);
      return FALSE;
    }
    send_response(auth, response);
  }
}

static gboolean start_gsasl(Auth *auth, GError **error) {
  int rc = gsasl_init(&auth->gsasl);
  if (rc == GSASL_OK) {
    gsasl_callback_set(auth->gsasl, gsasl_answer);
    gsasl_callback_hook_set(auth->gsasl, auth);
    rc = gsasl_client_start(auth->gsasl, auth->mechanism->name, &auth->session);
  }
  if (rc == GSASL_OK)
    return TRUE;
  g_set_error(error, IMAP_ERROR, IMAP_ERROR_CONFIG, "login by %s: %s", auth->mechanism->name, gsasl_strerror(rc));
  return FALSE;
}

/* The command line, with the first message in it where the server takes that and it is short enough. */
static gboolean send_authenticate(Auth *auth, GError **error) {
  ImapConn *conn = auth->conn;
  g_autofree char *line = g_strdup_printf("%s%u AUTHENTICATE %s", conn->prefix, ++conn->tag, auth->mechanism->name);
  char *initial = NULL;
  conn->responses = 0;
  if (auth->mechanism->client_first && imap_conn_has(conn, "SASL-IR") &&
      strlen(auth->secret) < IMAP_LIMIT_COMMAND / 2) {
    initial = respond(auth, "", error);
    if (initial == NULL)
      return FALSE;
  }
  g_autofree char *trace = g_strconcat(line, initial != NULL ? " ***" : NULL, NULL);
  imap_conn_trace(conn, 'C', trace);
  imap_conn_write(conn, line, strlen(line));
  if (initial != NULL) {
    imap_conn_write(conn, " ", 1);
    imap_conn_write(conn, initial[0] != '\0' ? initial : "=", MAX(strlen(initial), 1));
  }
  imap_secret_free(initial);
  imap_conn_write(conn, "\r\n", 2);
  return TRUE;
}

static gboolean sasl(Auth *auth, GCancellable *c, GError **error) {
  if (auth->mechanism->how == USE_GSASL && !start_gsasl(auth, error))
    return FALSE;
  auth->conn->quiet = TRUE;
  gboolean done = send_authenticate(auth, error) && converse(auth, c, error);
  auth->conn->quiet = FALSE;
  return done;
}

/* The user may have to type it: the server is not to blame for the time that takes. */
static char *ask_secret(ImapConn *conn, GCancellable *c, GError **error) {
  const ImapConfig *config = conn->setup.config;
  gint64 asked = g_get_monotonic_time();
  char *secret = config->secret(config->secret_data, c, error);
  conn->deadline += g_get_monotonic_time() - asked;
  return secret;
}

gboolean imap_auth(ImapConn *conn, GCancellable *c, GError **error) {
  g_auto(Auth) auth = {.conn = conn, .mechanism = choose(conn, error)};
  if (auth.mechanism == NULL)
    return FALSE;
  auth.secret = auth.mechanism->no_secret ? g_strdup("") : ask_secret(conn, c, error);
  if (auth.secret == NULL)
    return FALSE;
  guint silence = conn->silence;
  conn->silence = MAX(silence, IMAP_TIMEOUT_LOGIN);
  gboolean done = auth.mechanism->how == USE_LOGIN ? login_command(&auth, c, error) : sasl(&auth, c, error);
  conn->silence = silence;
  return done;
}
