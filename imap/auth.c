/* SPDX-License-Identifier: MIT */
/*
 * Authentication.
 *
 * One table says which mechanisms there are, in the order of preference. Without auth= the first one that is automatic
 * and offered is used, and only that: a second try with another one would double the refused logins for which providers
 * lock accounts out. By hand only: -PLUS, because servers and TLS libraries disagree on the kind of channel binding and
 * a mismatch looks like a wrong password; EXTERNAL, because offering it says nothing about us. The line is TLS, a
 * tunnel or loopback when we come here (login.c).
 *
 * What is said in an exchange is computed by sasl.c; here it is sent.
 */
#include "imap/auth.h"

#include <string.h>

#include "imap/limits.h"
#include "imap/sasl.h"
#include "imap/tls.h"

typedef struct {
  const char *name;
  gboolean command; /* LOGIN: no SASL */
  gboolean automatic;
  gboolean client_first; /* RFC 4959: the first message may stand in the command */
  gboolean binding;      /* needs TLS below */
  gboolean no_secret;
} Mechanism;

static const Mechanism mechanisms[] = {
    {"SCRAM-SHA-256-PLUS", .client_first = TRUE, .binding = TRUE},
    {"SCRAM-SHA-1-PLUS", .client_first = TRUE, .binding = TRUE},
    {"SCRAM-SHA-256", .automatic = TRUE, .client_first = TRUE},
    {"SCRAM-SHA-1", .automatic = TRUE, .client_first = TRUE},
    {"PLAIN", .automatic = TRUE, .client_first = TRUE},
    {"LOGIN", .command = TRUE, .automatic = TRUE},
    {"CRAM-MD5", .automatic = TRUE},
    {"OAUTHBEARER", .automatic = TRUE, .client_first = TRUE},
    {"XOAUTH2", .automatic = TRUE, .client_first = TRUE},
    {"EXTERNAL", .client_first = TRUE, .no_secret = TRUE},
};

typedef struct {
  ImapConn *conn;
  const Mechanism *mechanism;
  char *secret;
  ImapSasl *sasl;
} Auth;

static void auth_clear(Auth *auth) {
  g_clear_pointer(&auth->sasl, imap_sasl_free);
  imap_secret_free(auth->secret);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Auth, auth_clear)

/* ---- choice ------------------------------------------------------------------------------------ */

static gboolean is_offered(ImapConn *conn, const Mechanism *mechanism) {
  if (mechanism->command)
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

/* ---- refusals ------------------------------------------------------------------------------------ */

static gboolean refused(const Auth *auth, GError *refusal, GError **error) {
  g_autoptr(GError) reason = refusal;
  if (auth->conn->failed && reason->code != IMAP_ERROR_AUTH) {
    g_propagate_error(error, g_steal_pointer(&reason));
    return FALSE;
  }
  const char *detail = auth->sasl != NULL ? imap_sasl_detail(auth->sasl) : NULL;
  gboolean later = imap_conn_means_later(reason);
  g_set_error(error, IMAP_ERROR, later ? IMAP_ERROR_UNAVAILABLE : IMAP_ERROR_AUTH, "%s; %s%s%s",
              later ? "nobody is let in just now" : "the login was refused", reason->message, detail != NULL ? " " : "",
              detail != NULL ? detail : "");
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
  if (!imap_sasl_is_proven(auth->sasl))
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
    char *response = imap_sasl_respond(auth->sasl, event.text != NULL ? g_strstrip(event.text) : "", error);
    if (response == NULL) {
      give_up(auth, c);
      return FALSE;
    }
    send_response(auth, response);
  }
}

/* The command line, with the first message in it where the server takes that and it is short enough. */
static gboolean send_authenticate(Auth *auth, GError **error) {
  ImapConn *conn = auth->conn;
  g_autofree char *line = g_strdup_printf("%s%u AUTHENTICATE %s", conn->prefix, ++conn->tag, auth->mechanism->name);
  char *initial = NULL;
  conn->responses = 0;
  if (auth->mechanism->client_first && imap_conn_has(conn, "SASL-IR") &&
      strlen(auth->secret) < IMAP_LIMIT_COMMAND / 2) {
    initial = imap_sasl_respond(auth->sasl, "", error);
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
  ImapStream *stream = auth->mechanism->binding ? auth->conn->stream : NULL;
  auth->sasl = imap_sasl_new(auth->mechanism->name, auth->conn->setup.config, stream, auth->secret, error);
  if (auth->sasl == NULL)
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
  gboolean done = auth.mechanism->command ? login_command(&auth, c, error) : sasl(&auth, c, error);
  conn->silence = silence;
  return done;
}
