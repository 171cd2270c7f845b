/* SPDX-License-Identifier: MIT */
/*
 * A command about a set of UIDs: one line, or as many as the set needs, a few of them under way at once.
 *
 * Each UID goes from `left` into a part (a line under way) and from there into one of the sets of the effect. OK alone
 * says little: servers say it to UIDs that do not exist. What a COPY or MOVE has done is what its COPYUID codes name,
 * tagged or not, and however the command ended. So these are collected while it runs and have the last word.
 */
#include "imap/change_set.h"

#include <string.h>

#include "imap/change.h"
#include "imap/limits.h"

#define PARTS 8        /* commands under way */
#define ROOM_MIN 1000  /* octets for the set, whatever else stands in the line */
#define ROOM_FIXED 100 /* octets for tag, verb, blanks */

typedef struct {
  guint tag;
  ImapSeqset *uids;
  guint64 end; /* in conn->sent */
} Part;

typedef struct {
  ImapConn *conn;
  const ImapSetCommand *command;
  ImapSeqset *left;
  GQueue *flight; /* Part *, oldest first */
  ImapEffect *effect;
  gboolean contradiction; /* two COPYUIDs do not go together */
  GError *refusal;        /* the first one */
} Work;

static void replace(ImapSeqset **set, ImapSeqset *by) {
  imap_seqset_free(*set);
  *set = by;
}

/* ---- what the server says ------------------------------------------------------------------------ */

static void take_copyuid(Work *work, const ImapEvent *event) {
  ImapEffect *effect = work->effect;
  guint32 uidvalidity = (guint32)event->number;
  gboolean other = effect->uidvalidity != 0 && effect->uidvalidity != uidvalidity;
  effect->uidvalidity = uidvalidity;
  work->contradiction = work->contradiction || other || !imap_uidmap_append(effect->copies, event->uidmap);
}

/* Untagged responses come about anything; here matters only what is ours. */
static gboolean told(ImapEvent *event, gpointer data, G_GNUC_UNUSED GError **error) {
  Work *work = data;
  g_autoptr(ImapSeqset) ours = NULL;
  if (event->type == IMAP_EVENT_STATUS && event->code == IMAP_CODE_COPYUID && work->command->mailbox != NULL)
    take_copyuid(work, event);
  if (event->type == IMAP_EVENT_FETCH && work->command->suffix != NULL && (event->message.has & IMAP_HAS_UID)) {
    if (imap_seqset_contains(work->command->uids, event->message.uid))
      imap_seqset_add(work->effect->told, event->message.uid, event->message.uid);
  }
  if (event->type == IMAP_EVENT_VANISHED && work->command->suffix == NULL) {
    ours = imap_seqset_intersect(event->uids, work->command->uids);
    imap_seqset_join(work->effect->told, ours);
  }
  return TRUE;
}

/* Takes `refusal`; NULL for OK. */
static void conclude(Work *work, const ImapSeqset *uids, GError *refusal, ImapEvent *final) {
  told(final, work, NULL);
  imap_seqset_join(refusal == NULL ? work->effect->done : work->effect->refused, uids);
  if (refusal == NULL)
    return;
  imap_change_refine(refusal, final);
  if (work->refusal == NULL)
    work->refusal = refusal;
  else
    g_error_free(refusal);
}

static void part_free(gpointer data) {
  Part *part = data;
  imap_seqset_free(part->uids);
  g_free(part);
}

/* The answer to the oldest part. FALSE: the connection is lost. */
static gboolean await_part(Work *work, GCancellable *c, GError **error) {
  Part *part = g_queue_peek_head(work->flight);
  g_auto(ImapEvent) final = {0};
  g_autoptr(GError) failure = NULL;
  gboolean done = imap_conn_await(work->conn, part->tag, told, work, &final, c, &failure);
  if (!done && final.type != IMAP_EVENT_STATUS) {
    g_propagate_error(error, g_steal_pointer(&failure));
    return FALSE;
  }
  conclude(work, part->uids, g_steal_pointer(&failure), &final);
  part_free(g_queue_pop_head(work->flight));
  return TRUE;
}

static gboolean await_parts(Work *work, guint most, GCancellable *c, GError **error) {
  while (work->flight->length > most)
    if (!await_part(work, c, error))
      return FALSE;
  return TRUE;
}

/* COPYUID has the last word on what was copied. One that contradicts itself or another has none. */
static void settle_copies(Work *work) {
  ImapEffect *effect = work->effect;
  if (!imap_uidmap_settle(effect->copies, work->command->uids) || work->contradiction) {
    imap_uidmap_free(effect->copies);
    effect->copies = imap_uidmap_new();
    effect->uidvalidity = 0;
  }
  g_autoptr(ImapSeqset) named = imap_uidmap_sources(effect->copies);
  replace(&effect->unnamed, imap_seqset_subtract(effect->done, named));
  replace(&effect->refused, imap_seqset_subtract(effect->refused, named));
  replace(&effect->unknown, imap_seqset_subtract(effect->unknown, named));
  replace(&effect->done, g_steal_pointer(&named));
}

/* ---- commands -------------------------------------------------------------------------------------- */

/* Octets for the set. A name too long to be quoted goes as a literal, which does not count. */
static gsize room(const Work *work) {
  gsize others = ROOM_FIXED + (work->command->suffix != NULL ? strlen(work->command->suffix) : 0);
  if (work->command->mailbox != NULL)
    others += MIN(2 * strlen(work->command->mailbox), 2 * IMAP_LIMIT_MAILBOX_NAME);
  return IMAP_LIMIT_COMMAND - MIN(others, IMAP_LIMIT_COMMAND - ROOM_MIN);
}

static ImapEncoder *encode(Work *work, const ImapSeqset *uids) {
  g_autofree char *set = imap_seqset_format(uids);
  ImapEncoder *encoder = imap_conn_command(work->conn);
  imap_encoder_raw(encoder, work->command->verb);
  imap_encoder_raw(encoder, set);
  if (work->command->suffix != NULL)
    imap_encoder_raw(encoder, work->command->suffix);
  if (work->command->mailbox != NULL) {
    imap_encoder_raw(encoder, " ");
    imap_encoder_string(encoder, work->command->mailbox, strlen(work->command->mailbox));
  }
  return encoder;
}

/* The server did not want the name of the mailbox. */
static gboolean refused_early(Work *work, const ImapSeqset *uids, ImapEvent *final, GError **error) {
  if (imap_conn_tag_number(work->conn, final->tag) != work->conn->tag || final->condition == IMAP_OK)
    return imap_conn_lose(work->conn, error, IMAP_ERROR_PROTOCOL,
                          "the server answered a command before it had all of it");
  conclude(work, uids, imap_conn_refusal(work->conn, final), final);
  return TRUE;
}

static gboolean send_part(Work *work, GCancellable *c, GError **error) {
  ImapConn *conn = work->conn;
  g_autoptr(ImapSeqset) uids = imap_seqset_take(work->left, G_MAXUINT64, room(work));
  g_autoptr(ImapEncoder) encoder = encode(work, uids);
  g_auto(ImapEvent) early = {0};
  gboolean is_early;
  guint tag = conn->tag;
  /* A name that the server has to want is sent when no other answer is due. */
  if (imap_encoder_parts(encoder) > 0 && !await_parts(work, 0, c, error))
    return FALSE;
  if (!imap_conn_send(conn, g_steal_pointer(&encoder), &early, &is_early, c, error))
    return FALSE;
  if (is_early)
    return refused_early(work, uids, &early, error);
  Part *part = g_new0(Part, 1);
  *part = (Part){.tag = tag, .uids = g_steal_pointer(&uids), .end = conn->sent + conn->out->len};
  g_queue_push_tail(work->flight, part);
  imap_conn_push(conn);
  return TRUE;
}

static gboolean send_all(Work *work, GCancellable *c, GError **error) {
  while (!imap_seqset_empty(work->left) && work->refusal == NULL) {
    if (!await_parts(work, PARTS - 1, c, error))
      return FALSE;
    if (work->refusal == NULL && !send_part(work, c, error))
      return FALSE;
  }
  return await_parts(work, 0, c, error);
}

static void conclude_unanswered(Work *work) {
  for (Part *part; (part = g_queue_pop_head(work->flight)) != NULL; part_free(part)) {
    if (work->conn->sent >= part->end)
      imap_seqset_join(work->effect->unknown, part->uids);
  }
}

gboolean imap_change_set(ImapConn *conn, const ImapSetCommand *command, ImapEffect *effect, GCancellable *c,
                         GError **error) {
  g_assert(g_queue_is_empty(conn->fetches));
  g_autoptr(ImapSeqset) left = imap_seqset_copy(command->uids);
  g_autoptr(GQueue) flight = g_queue_new();
  g_autoptr(GError) loss = NULL, refusal = NULL;
  Work work = {.conn = conn, .command = command, .left = left, .flight = flight, .effect = effect};
  guint usual = imap_change_be_patient(conn);
  gboolean done = send_all(&work, c, &loss);
  conn->silence = usual;
  conclude_unanswered(&work);
  if (command->mailbox != NULL)
    settle_copies(&work);
  refusal = work.refusal;
  if (done && refusal == NULL)
    return TRUE;
  g_propagate_error(error, done ? g_steal_pointer(&refusal) : g_steal_pointer(&loss));
  return FALSE;
}
