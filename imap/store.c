/* SPDX-License-Identifier: MIT */
/*
 * UID STORE, COPY, MOVE and EXPUNGE: what may be sent, and where. There is no EXPUNGE and no CLOSE here, nor anywhere:
 * they remove what others have flagged. Nothing is sent that a server could take for more than it should be: see deeds
 * and may_change().
 */
#include <string.h>

#include "imap/change_set.h"
#include "imap/flags.h"
#include "imap/limits.h"

#define SUFFIX_MAX 6000 /* octets: leaves a set room in IMAP_LIMIT_COMMAND */

typedef enum { DEED_STORE, DEED_COPY, DEED_MOVE, DEED_EXPUNGE } Deed;

static const struct {
  const char *verb;
  const char *capability; /* without which it cannot be done; or NULL */
  const char *lacking;
} deeds[] = {
    [DEED_STORE] = {"UID STORE ", NULL, NULL},
    [DEED_COPY] = {"UID COPY ", NULL, NULL},
    [DEED_MOVE] = {"UID MOVE ", "MOVE", "the server cannot move messages, only copy them (no MOVE)"},
    [DEED_EXPUNGE] = {"UID EXPUNGE ", "UIDPLUS", "the server cannot remove single messages (no UIDPLUS)"},
};

void imap_effect_clear(ImapEffect *effect) {
  g_clear_pointer(&effect->done, imap_seqset_free);
  g_clear_pointer(&effect->unnamed, imap_seqset_free);
  g_clear_pointer(&effect->refused, imap_seqset_free);
  g_clear_pointer(&effect->unknown, imap_seqset_free);
  g_clear_pointer(&effect->told, imap_seqset_free);
  g_clear_pointer(&effect->copies, imap_uidmap_free);
  g_clear_pointer(&effect->left_out_keywords, g_strfreev);
  *effect = (ImapEffect){0};
}

static void effect_init(ImapEffect *effect) {
  *effect = (ImapEffect){.done = imap_seqset_new(),
                         .unnamed = imap_seqset_new(),
                         .refused = imap_seqset_new(),
                         .unknown = imap_seqset_new(),
                         .told = imap_seqset_new(),
                         .copies = imap_uidmap_new()};
}

/* ---- what may be done ------------------------------------------------------------------------------ */

static gboolean refuse(GError **error, ImapError code, const char *why) {
  g_set_error_literal(error, IMAP_ERROR, (gint)code, why);
  return FALSE;
}

static gboolean may_change(ImapConn *conn, Deed deed, GError **error) {
  const ImapMailbox *opening = &conn->opening;
  if (conn->selected == NULL || conn->examined || opening->read_only || !opening->read_write)
    return refuse(error, IMAP_ERROR_READONLY, "the folder is not open for writing");
  if (opening->uidvalidity == 0 || !opening->sticky)
    return refuse(error, IMAP_ERROR_READONLY, "the server gives the messages of this folder no lasting numbers");
  if (deeds[deed].capability != NULL && !imap_conn_has(conn, deeds[deed].capability))
    return refuse(error, IMAP_ERROR_CONFIG, deeds[deed].lacking);
  return TRUE;
}

/* ---- the four -------------------------------------------------------------------------------------- */

static gboolean can_keep(const ImapMailbox *mailbox, const char *keyword) {
  if (!imap_keyword_valid(keyword))
    return FALSE;
  if (!mailbox->limited || mailbox->any_keyword)
    return TRUE;
  for (char **known = mailbox->keywords; known != NULL && *known != NULL; known++) {
    if (g_ascii_strcasecmp(*known, keyword) == 0)
      return TRUE;
  }
  return FALSE;
}

/* " +FLAGS.SILENT (...)", with what cannot be changed left out; NULL if that is all. */
static char *store_suffix(const ImapMailbox *mailbox, const ImapFlagging *flagging, ImapEffect *effect) {
  g_autoptr(GStrvBuilder) kept = g_strv_builder_new(), left_out = g_strv_builder_new();
  guint lasting = mailbox->limited ? mailbox->permanent & ~(guint)IMAP_FLAG_RECENT : IMAP_FLAG_RECENT - 1;
  for (const char *const *word = flagging->keywords; word != NULL && *word != NULL; word++)
    g_strv_builder_add(can_keep(mailbox, *word) ? kept : left_out, *word);
  g_auto(GStrv) keywords = g_strv_builder_end(kept);
  effect->left_out_keywords = g_strv_builder_end(left_out);
  effect->left_out = flagging->flags & ~lasting;
  g_autofree char *list = imap_flags_format(flagging->flags & lasting, (const char *const *)keywords);
  return strcmp(list, "()") != 0 ? g_strconcat(flagging->add ? " +" : " -", "FLAGS.SILENT ", list, NULL) : NULL;
}

static gboolean run(ImapConn *conn, Deed deed, const ImapSetCommand *command, ImapEffect *effect, GCancellable *c,
                    GError **error) {
  ImapSetCommand complete = *command;
  complete.verb = deeds[deed].verb;
  return may_change(conn, deed, error) && imap_change_set(conn, &complete, effect, c, error);
}

gboolean imap_store(ImapConn *conn, const ImapSeqset *uids, const ImapFlagging *flagging, ImapEffect *ret,
                    GCancellable *c, GError **error) {
  effect_init(ret);
  if (!may_change(conn, DEED_STORE, error))
    return FALSE;
  g_autofree char *suffix = store_suffix(&conn->opening, flagging, ret);
  if (suffix == NULL)
    return TRUE;
  if (strlen(suffix) > SUFFIX_MAX)
    return refuse(error, IMAP_ERROR_CONFIG, "these are too many keywords");
  ImapSetCommand command = {.suffix = suffix, .uids = uids};
  return run(conn, DEED_STORE, &command, ret, c, error);
}

gboolean imap_copy(ImapConn *conn, const ImapSeqset *uids, const char *mailbox, ImapEffect *ret, GCancellable *c,
                   GError **error) {
  ImapSetCommand command = {.mailbox = mailbox, .uids = uids};
  effect_init(ret);
  return run(conn, DEED_COPY, &command, ret, c, error);
}

gboolean imap_move(ImapConn *conn, const ImapSeqset *uids, const char *mailbox, ImapEffect *ret, GCancellable *c,
                   GError **error) {
  ImapSetCommand command = {.mailbox = mailbox, .uids = uids};
  effect_init(ret);
  return run(conn, DEED_MOVE, &command, ret, c, error);
}

gboolean imap_expunge(ImapConn *conn, const ImapSeqset *uids, ImapEffect *ret, GCancellable *c, GError **error) {
  ImapSetCommand command = {.uids = uids};
  effect_init(ret);
  return run(conn, DEED_EXPUNGE, &command, ret, c, error);
}
