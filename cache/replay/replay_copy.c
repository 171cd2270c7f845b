/* SPDX-License-Identifier: MIT */
/*
 * COPYUID says what has which UID now. Where it is silent although OK was said, the message may be there, or what was
 * to be copied was gone: then it is UNKNOWN, and looked for. Whatever is surely not there is left to APPEND; and that
 * is what was refused alone. Of several, servers have been seen to say NO after the half: so the target is looked into.
 */
#include "cache/replay/replay_copy.h"

#include "cache/replay/replay_look.h"

typedef struct {
  Replay *replay;
  ImapConn *conn;
  const ReplayTarget *target;
  gint64 source; /* mailbox, which is not claimed: */
  guint32 uidvalidity;
  ImapSeqset *uids; /* there */
  GPtrArray *items; /* JournalItem; each has another uid: */
  GArray *sources;  /* guint32 */
} Copies;

static void copies_clear(Copies *copies) {
  imap_seqset_free(copies->uids);
  g_ptr_array_unref(copies->items);
  g_array_unref(copies->sources);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Copies, copies_clear)

/* What the server has of the message that it is a copy of. */
static gboolean find_source(Account *account, const JournalItem *item, IndexKey *ret) {
  return item->copy != 0 && index_get_key(account->index, item->copy, ret, NULL);
}

gboolean replay_copy_has_source(Account *account, const JournalItem *item) {
  IndexKey key = {0};
  return find_source(account, item, &key);
}

static void take(Copies *copies, const JournalBatch *batch, guint *i) {
  for (; *i < batch->items->len; (*i)++) {
    JournalItem *item = &g_array_index(batch->items, JournalItem, *i);
    IndexKey key = {0};
    if (!find_source(replay_account(copies->replay), item, &key) ||
        (copies->items->len > 0 && (copies->source != key.mailbox || copies->uidvalidity != key.uidvalidity)) ||
        imap_seqset_contains(copies->uids, key.uid))
      return;
    copies->source = key.mailbox;
    copies->uidvalidity = key.uidvalidity;
    imap_seqset_add(copies->uids, key.uid, key.uid);
    g_ptr_array_add(copies->items, item);
    g_array_append_val(copies->sources, key.uid);
  }
}

/* A number that was given out before is that of another message. */
static gboolean is_true(const Copies *copies, const ImapEffect *effect, guint32 placed) {
  return effect->uidvalidity != copies->target->uidvalidity || placed >= copies->target->uidnext;
}

static gboolean settle(const Copies *copies, guint i, const ImapEffect *effect, GPtrArray *rest, GError **error) {
  const JournalItem *item = copies->items->pdata[i];
  guint32 uid = g_array_index(copies->sources, guint32, i);
  guint32 placed = effect->uidvalidity != 0 ? imap_uidmap_find(effect->copies, uid) : 0;
  if (placed != 0 && is_true(copies, effect, placed))
    return replay_placed(copies->replay, item, copies->target->row, effect->uidvalidity, placed, error);
  if (placed != 0 || imap_seqset_contains(effect->unknown, uid) ||
      (imap_seqset_contains(effect->unnamed, uid) && effect->uidvalidity == 0))
    return replay_unknown(copies->replay, item, error);
  g_ptr_array_add(rest, (gpointer)item);
  return TRUE;
}

/* Those that are there after all are settled; the others go into `rest`. What was placed before is committed first, or
 * it would be found for another that is equal. */
static gboolean look_for(const Copies *copies, const GPtrArray *undone, gboolean doubtful, GPtrArray *rest,
                         GError **error) {
  const ReplayTarget *target = copies->target;
  guint32 uidvalidity = 0;
  g_autoptr(GError) failed = NULL;
  g_autofree ReplaySought *sought = g_new0(ReplaySought, undone->len + 1);
  for (guint i = 0; i < undone->len; i++)
    sought[i].item = undone->pdata[i];
  gboolean looks = doubtful && undone->len > 0;
  if (looks && !replay_settle(copies->replay, error))
    return FALSE;
  gboolean looked =
      !looks || replay_look_for(replay_account(copies->replay), copies->conn, target->row, target->uidvalidity,
                                target->uidnext, sought, undone->len, &uidvalidity, &failed);
  for (guint i = 0; i < undone->len; i++) {
    const JournalItem *item = sought[i].item;
    if (looked && sought[i].uid == 0)
      g_ptr_array_add(rest, (gpointer)item);
    else if (!(looked ? replay_placed(copies->replay, item, target->row, uidvalidity, sought[i].uid, error)
                      : replay_unknown(copies->replay, item, error)))
      return FALSE;
  }
  return TRUE;
}

static gboolean copy(const Copies *copies, GPtrArray *rest, GError **error) {
  g_auto(ImapEffect) effect = {0};
  g_autoptr(GError) failed = NULL;
  GCancellable *c = replay_account(copies->replay)->cancellable;
  steps_one();
  gboolean ok = imap_copy(copies->conn, copies->uids, copies->target->raw, &effect, c, &failed);
  steps_one();
  g_autoptr(GPtrArray) undone = g_ptr_array_new();
  for (guint i = 0; i < copies->items->len; i++)
    if (!settle(copies, i, &effect, undone, error))
      return FALSE;
  if (!imap_conn_failed(copies->conn) && !look_for(copies, undone, !ok && copies->items->len > 1, rest, error))
    return FALSE;
  if (ok || !imap_conn_failed(copies->conn))
    return TRUE;
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

static gboolean select_and_copy(const Copies *copies, GPtrArray *rest, GError **error) {
  g_autoptr(GError) failed = NULL;
  g_auto(ImapMailbox) opened = {0};
  if (replay_select(copies->replay, copies->conn, copies->source, &opened, &failed) &&
      opened.uidvalidity == copies->uidvalidity)
    return copy(copies, rest, error);
  if (failed && imap_conn_failed(copies->conn)) {
    g_propagate_error(error, g_steal_pointer(&failed));
    return FALSE;
  }
  for (guint i = 0; i < copies->items->len; i++)
    g_ptr_array_add(rest, copies->items->pdata[i]);
  return TRUE;
}

gboolean replay_copy(Replay *replay, ImapConn *conn, JournalBatch *batch, const ReplayTarget *target, guint *i,
                     GPtrArray *rest, GError **error) {
  g_auto(Copies) copies = {.replay = replay,
                           .conn = conn,
                           .target = target,
                           .uids = imap_seqset_new(),
                           .items = g_ptr_array_new(),
                           .sources = g_array_new(FALSE, FALSE, sizeof(guint32))};
  take(&copies, batch, i);
  return copies.items->len == 0 || select_and_copy(&copies, rest, error);
}
