/* SPDX-License-Identifier: MIT */
/*
 * What all commands that change something have in common: a server may take its time, and a refusal has to say as much
 * as it can, because it ends in the errno of somebody's write.
 */
#include "imap/change.h"

#include <string.h>

/* Times the usual silence: with 15 s a minute. Who gives up too early has to look what was done. */
#define PATIENCE 4

/* What servers say without a code, or with one that nobody knows: lower case, the first that is found counts. Only a
 * refusal of a change is read so. */
static const struct {
  const char *words;
  ImapError error;
} phrases[] = {
    {"t exist", IMAP_ERROR_GONE}, /* does not, doesn't */
    {"no such", IMAP_ERROR_GONE},          {"nonexistent", IMAP_ERROR_GONE},
    {"unknown mailbox", IMAP_ERROR_GONE},  {"not found", IMAP_ERROR_GONE},
    {"exists", IMAP_ERROR_EXISTS}, /* Mailbox already exists; RENAME failed: File exists (Courier) */
    {"quota", IMAP_ERROR_QUOTA},           {"too large", IMAP_ERROR_TOOBIG},
    {"too big", IMAP_ERROR_TOOBIG},        {"message size", IMAP_ERROR_TOOBIG},
    {"read-only", IMAP_ERROR_READONLY},    {"read only", IMAP_ERROR_READONLY},
    {"permission", IMAP_ERROR_PERMISSION}, {"access denied", IMAP_ERROR_PERMISSION},
};

static ImapError meaning(const char *text) {
  for (guint i = 0; text != NULL && i < G_N_ELEMENTS(phrases); i++) {
    if (strcasestr(text, phrases[i].words))
      return phrases[i].error;
  }
  return IMAP_ERROR_REFUSED;
}

void imap_change_refine(GError *refusal, const ImapEvent *final) {
  gboolean coded = final->code != IMAP_CODE_NONE && final->code != IMAP_CODE_UNKNOWN && final->code != IMAP_CODE_ALERT;
  if (refusal->code == IMAP_ERROR_PROTOCOL)
    refusal->code = IMAP_ERROR_REFUSED;
  else if (refusal->code == IMAP_ERROR_REFUSED && !coded)
    refusal->code = (gint)meaning(final->text);
}

guint imap_change_be_patient(ImapConn *conn) {
  guint usual = conn->silence;
  conn->silence = PATIENCE * usual;
  return usual;
}

ImapEncoder *imap_change_encode(ImapConn *conn, const char *verb, const char *mailbox) {
  ImapEncoder *encoder = imap_conn_command(conn);
  imap_encoder_raw(encoder, verb);
  imap_encoder_raw(encoder, " ");
  imap_encoder_string(encoder, mailbox, strlen(mailbox));
  return encoder;
}

static gboolean conclude(gboolean done, ImapEvent *final, GError *failure, ImapEvent *ret_final, GError **error) {
  if (!done && final->type == IMAP_EVENT_STATUS)
    imap_change_refine(failure, final);
  if (!done)
    g_propagate_error(error, failure);
  if (ret_final != NULL) {
    *ret_final = *final;
    *final = (ImapEvent){0};
  }
  return done;
}

gboolean imap_change_run(ImapConn *conn, ImapEncoder *encoder, ImapEventFunc func, gpointer data, ImapEvent *ret_final,
                         GCancellable *c, GError **error) {
  g_auto(ImapEvent) final = {0};
  GError *failure = NULL;
  guint usual = imap_change_be_patient(conn);
  gboolean done = imap_conn_run(conn, encoder, func, data, &final, c, &failure);
  conn->silence = usual;
  return conclude(done, &final, failure, ret_final, error);
}

gboolean imap_change_await(ImapConn *conn, guint tag, ImapEvent *ret_final, GCancellable *c, GError **error) {
  g_auto(ImapEvent) final = {0};
  GError *failure = NULL;
  guint usual = imap_change_be_patient(conn);
  gboolean done = imap_conn_await(conn, tag, NULL, NULL, &final, c, &failure);
  conn->silence = usual;
  return conclude(done, &final, failure, ret_final, error);
}
