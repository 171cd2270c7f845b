/* SPDX-License-Identifier: MIT */
/*
 * UID STORE, COPY, MOVE and EXPUNGE of a set of UIDs: one command, or as many as the set needs lines, a few of them
 * under way at once. There is no EXPUNGE and no CLOSE here, nor anywhere: they remove what others have flagged.
 *
 * Each UID goes from `left` into a part (a command under way) and from there into one of the sets of the effect. OK
 * alone says little: servers say it to UIDs that do not exist. What a COPY or MOVE has done is what its COPYUID codes
 * name, tagged or not, and however the command ended. So these are collected while it runs and have the last word.
 */
#include <string.h>

#include "imap/change.h"
#include "imap/flags.h"
#include "imap/limits.h"

#define PARTS 8        /* commands under way */
#define ROOM_MIN 1000  /* octets for the set, whatever else stands in the line */
#define ROOM_FIXED 100 /* octets for tag, verb, blanks */

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

typedef struct {
  guint tag;
  ImapSeqset *uids;
  guint64 end; /* in conn->sent */
} Part;

typedef struct {
  ImapConn *conn;
  Deed deed;
  const char *mailbox; /* target of COPY and MOVE; or NULL */
  const char *suffix;  /* of STORE; or NULL */
  const ImapSeqset *uids;
  ImapSeqset *left;
  GQueue *flight; /* Part *, oldest first */
  ImapEffect *effect;
  gboolean contradiction; /* two COPYUIDs do not go together */
  GError *refusal;        /* the first one */
} Work;

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

static gboolean tells_uids(const Work *work) {
  return work->deed == DEED_COPY || work->deed == DEED_MOVE;
}

static void join(ImapSeqset *into, const ImapSeqset *more) {
  gsize n;
  const ImapRange *ranges = imap_seqset_ranges(more, &n);
  for (gsize i = 0; i < n; i++)
    imap_seqset_add(into, ranges[i].first, ranges[i].last);
}

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
  if (event->type == IMAP_EVENT_STATUS && event->code == IMAP_CODE_COPYUID && tells_uids(work))
    take_copyuid(work, event);
  if (event->type == IMAP_EVENT_FETCH && work->deed == DEED_STORE && (event->message.has & IMAP_HAS_UID)) {
    if (imap_seqset_contains(work->uids, event->message.uid))
      imap_seqset_add(work->effect->told, event->message.uid, event->message.uid);
  }
  if (event->type == IMAP_EVENT_VANISHED && (work->deed == DEED_EXPUNGE || work->deed == DEED_MOVE)) {
    ours = imap_seqset_intersect(event->uids, work->uids);
    join(work->effect->told, ours);
  }
  return TRUE;
}

/* Takes `refusal`; NULL for OK. */
static void conclude(Work *work, const ImapSeqset *uids, GError *refusal, ImapEvent *final) {
  told(final, work, NULL);
  join(refusal == NULL ? work->effect->done : work->effect->refused, uids);
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
  if (!imap_uidmap_settle(effect->copies, work->uids) || work->contradiction) {
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
  gsize others = ROOM_FIXED + (work->suffix != NULL ? strlen(work->suffix) : 0);
  if (work->mailbox != NULL)
    others += MIN(2 * strlen(work->mailbox), 2 * IMAP_LIMIT_MAILBOX_NAME);
  return IMAP_LIMIT_COMMAND - MIN(others, IMAP_LIMIT_COMMAND - ROOM_MIN);
}

static ImapEncoder *encode(Work *work, const ImapSeqset *uids) {
  g_autofree char *set = imap_seqset_format(uids);
  ImapEncoder *encoder = imap_conn_command(work->conn);
  imap_encoder_raw(encoder, deeds[work->deed].verb);
  imap_encoder_raw(encoder, set);
  if (work->suffix != NULL)
    imap_encoder_raw(encoder, work->suffix);
  if (work->mailbox != NULL) {
    imap_encoder_raw(encoder, " ");
    imap_encoder_string(encoder, work->mailbox, strlen(work->mailbox));
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
      join(work->effect->unknown, part->uids);
  }
}

/* ---- what may be done ---------------------------------------------------------------------------------- */

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

/* Takes `effect` as initialised. */
static gboolean run(Work *work, GCancellable *c, GError **error) {
  ImapConn *conn = work->conn;
  if (!may_change(conn, work->deed, error))
    return FALSE;
  g_assert(g_queue_is_empty(conn->fetches));
  work->left = imap_seqset_copy(work->uids);
  work->flight = g_queue_new();
  guint usual = imap_change_be_patient(conn);
  g_autoptr(GError) loss = NULL;
  gboolean done = send_all(work, c, &loss);
  conn->silence = usual;
  conclude_unanswered(work);
  if (tells_uids(work))
    settle_copies(work);
  imap_seqset_free(work->left);
  g_queue_free(work->flight);
  if (done && work->refusal == NULL)
    return TRUE;
  g_propagate_error(error, done ? g_steal_pointer(&work->refusal) : g_steal_pointer(&loss));
  g_clear_error(&work->refusal);
  return FALSE;
}

/* ---- the four --------------------------------------------------------------------------------------------- */

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

gboolean imap_store(ImapConn *conn, const ImapSeqset *uids, const ImapFlagging *flagging, ImapEffect *ret,
                    GCancellable *c, GError **error) {
  effect_init(ret);
  if (!may_change(conn, DEED_STORE, error))
    return FALSE;
  g_autofree char *suffix = store_suffix(&conn->opening, flagging, ret);
  if (suffix == NULL)
    return TRUE;
  if (strlen(suffix) > IMAP_LIMIT_COMMAND - ROOM_FIXED - ROOM_MIN)
    return refuse(error, IMAP_ERROR_CONFIG, "these are too many keywords");
  Work work = {.conn = conn, .deed = DEED_STORE, .suffix = suffix, .uids = uids, .effect = ret};
  return run(&work, c, error);
}

gboolean imap_copy(ImapConn *conn, const ImapSeqset *uids, const char *mailbox, ImapEffect *ret, GCancellable *c,
                   GError **error) {
  Work work = {.conn = conn, .deed = DEED_COPY, .mailbox = mailbox, .uids = uids, .effect = ret};
  effect_init(ret);
  return run(&work, c, error);
}

gboolean imap_move(ImapConn *conn, const ImapSeqset *uids, const char *mailbox, ImapEffect *ret, GCancellable *c,
                   GError **error) {
  Work work = {.conn = conn, .deed = DEED_MOVE, .mailbox = mailbox, .uids = uids, .effect = ret};
  effect_init(ret);
  return run(&work, c, error);
}

gboolean imap_expunge(ImapConn *conn, const ImapSeqset *uids, ImapEffect *ret, GCancellable *c, GError **error) {
  Work work = {.conn = conn, .deed = DEED_EXPUNGE, .uids = uids, .effect = ret};
  effect_init(ret);
  return run(&work, c, error);
}
