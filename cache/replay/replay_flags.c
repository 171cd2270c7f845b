/* SPDX-License-Identifier: MIT */
/*
 * UID STORE of what is to be added and of what is to be taken away, for many messages at once; then a FETCH of their
 * flags, which has the last word: some servers say OK and keep nothing, some keep a part (PERMANENTFLAGS), and what the
 * index has of them before the rows of the journal leave is what is shown afterwards, so nothing flickers.
 */
#include "cache/replay/replay_shift.h"

#include "cache/ask.h"
#include "cache/journal/words.h"
#include "cache/sync/posting.h"

typedef struct {
  Replay *replay;
  ImapConn *conn;
  JournalBatch *batch;
  ImapSeqset *uids;    /* all of them */
  ImapSeqset *asked;   /* of which no STORE was refused */
  ImapSeqset *ignored; /* that do not have the flags that they were to have */
  ImapSeqset *refused;
  GError *refusal;
  gboolean left_out; /* PERMANENTFLAGS say so */
  Posting *flags;
} Flagging;

static void flagging_clear(Flagging *flagging) {
  g_clear_pointer(&flagging->uids, imap_seqset_free);
  g_clear_pointer(&flagging->asked, imap_seqset_free);
  g_clear_pointer(&flagging->ignored, imap_seqset_free);
  g_clear_pointer(&flagging->refused, imap_seqset_free);
  g_clear_pointer(&flagging->flags, posting_free);
  g_clear_error(&flagging->refusal);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Flagging, flagging_clear)

/* ---- STORE -------------------------------------------------------------------------------------------- */

/* FALSE: the line is lost. */
static gboolean store(Flagging *flagging, gboolean add, GError **error) {
  const JournalFlags *wish = &flagging->batch->flags;
  g_auto(GStrv) keywords = words_split(add ? wish->add_keywords : wish->remove_keywords);
  const ImapFlagging change = {
      .add = add, .flags = add ? wish->add : wish->remove, .keywords = (const char *const *)keywords};
  g_auto(ImapEffect) effect = {0};
  g_autoptr(GError) failure = NULL;
  if (change.flags == 0 && !keywords[0])
    return TRUE;
  Account *account = replay_account(flagging->replay);
  if (!imap_store(flagging->conn, flagging->asked, &change, &effect, account->cancellable, &failure) &&
      imap_conn_failed(flagging->conn)) {
    g_propagate_error(error, g_steal_pointer(&failure));
    return FALSE;
  }
  if (effect.left_out || (effect.left_out_keywords && *effect.left_out_keywords))
    flagging->left_out = TRUE;
  if (!failure)
    return TRUE;
  flagging->refusal = flagging->refusal ? flagging->refusal : g_steal_pointer(&failure);
  imap_seqset_join(flagging->refused, effect.refused);
  imap_seqset_free(flagging->asked);
  flagging->asked = imap_seqset_copy(effect.done);
  return TRUE;
}

/* ---- what the server has then ------------------------------------------------------------------------- */

static gboolean is_as_wished(const JournalFlags *wish, const ImapMessage *message) {
  g_autofree char *has = words_join(message->keywords);
  return (message->flags & wish->add) == wish->add && (message->flags & wish->remove) == 0 &&
         words_include(has, wish->add_keywords) && !words_meet(has, wish->remove_keywords);
}

static gboolean note(const ImapMessage *message, gpointer data, GError **error) {
  Flagging *flagging = data;
  if (!(message->has & IMAP_HAS_FLAGS) || !imap_seqset_contains(flagging->uids, message->uid))
    return TRUE;
  if (!is_as_wished(&flagging->batch->flags, message))
    imap_seqset_add(flagging->ignored, message->uid, message->uid);
  return posting_add(flagging->flags, message, error);
}

static gboolean look(Flagging *flagging, GError **error) {
  Account *account = replay_account(flagging->replay);
  flagging->flags = posting_new(account, flagging->batch->source, POSTING_FLAGS, 0);
  return ask_fetch(account, flagging->conn, flagging->uids, IMAP_FETCH_FLAGS, note, flagging, error) &&
         posting_end(flagging->flags, NULL, error);
}

/* ---- settling ------------------------------------------------------------------------------------------- */

/* What was ignored or left out is undone like what was refused: shown is what the server has. */
static gboolean settle(Flagging *flagging, const JournalItem *item, GError **error) {
  g_autoptr(GError) silent = g_error_new(IMAP_ERROR, IMAP_ERROR_REFUSED, "the server %s these flags",
                                         flagging->left_out ? "does not keep all of" : "says OK and does not keep");
  if (imap_seqset_contains(flagging->refused, item->uid))
    return replay_refused(flagging->replay, item, flagging->refusal, error);
  if (!imap_seqset_contains(flagging->asked, item->uid))
    return replay_again(flagging->replay, item, error);
  if (imap_seqset_contains(flagging->ignored, item->uid))
    return replay_refused(flagging->replay, item, silent, error);
  return replay_done(flagging->replay, item, error);
}

static gboolean settle_all(Flagging *flagging, GError **error) {
  GArray *items = flagging->batch->items;
  for (guint i = 0; i < items->len; i++)
    if (!settle(flagging, &g_array_index(items, JournalItem, i), error))
      return FALSE;
  return TRUE;
}

gboolean replay_flags(Replay *replay, ImapConn *conn, JournalBatch *batch, GError **error) {
  g_auto(Flagging) flagging = {.replay = replay, .conn = conn, .batch = batch};
  g_auto(ImapMailbox) opened = {0};
  g_autoptr(GError) failure = NULL;
  flagging.uids = replay_uids(batch);
  flagging.asked = imap_seqset_copy(flagging.uids);
  flagging.ignored = imap_seqset_new();
  flagging.refused = imap_seqset_new();
  if (!replay_select(replay, conn, batch->source, &opened, &failure))
    return replay_refused_all(replay, conn, batch, g_steal_pointer(&failure), error);
  if (!replay_send(replay, batch, 0, 0, error))
    return FALSE;
  steps_one();
  if (!store(&flagging, TRUE, error) || !store(&flagging, FALSE, error))
    return FALSE;
  steps_one();
  /* Who will not tell has said OK all the same. */
  if (!look(&flagging, &failure) && (imap_conn_failed(conn) || failure->domain != IMAP_ERROR)) {
    g_propagate_error(error, g_steal_pointer(&failure));
    return FALSE;
  }
  return settle_all(&flagging, error);
}
