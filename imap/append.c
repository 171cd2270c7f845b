/* SPDX-License-Identifier: MIT */
/*
 * APPEND, one message or many.
 *
 * A command is one message, or with MULTIAPPEND (RFC 3502) as many small ones as fit a batch. Several are under way
 * (`flight`, oldest first; the last may be `current`, not all of it sent), so that a far server is never waited for:
 *
 *   head {n+} octets head {n+} octets CRLF  head {n} ...
 *                                               └ waits for "+", hears meanwhile what became of those before
 *
 * Octets go from their source to the line in pieces of CHUNK, and between two of them we listen: a server that reads
 * nothing until its answers are read does not block us, and a refusal is heard in the middle of a literal. What was
 * announced must then still be sent: it is, if little is left, and else the connection is given up. A literal is asked
 * for by the server ("{n}") where refusing it late would be dear.
 *
 * While answers are due and nothing is left to be sent, `more` is asked now and then: a writer who is slower than the
 * line keeps it busy all the same.
 *
 * What is known of a command when the line is lost hangs on how far its last literal got into the stream: `end` is
 * compared with conn->sent. Short of that no server can have the message. Beyond it, nobody knows.
 */
#include <string.h>

#include "imap/append_plan.h"
#include "imap/change.h"

#define CHUNK (64 * 1024)              /* octets read at a time, and left to send of a refused literal */
#define SMALL_MINUS 4096               /* with LITERAL- (RFC 7888 section 5) */
#define WINDOW (4 * IMAP_APPEND_BATCH) /* octets under way: the line is busy while the server stores a batch */
#define BLIND (64 * 1024)              /* octets a call may send before any was accepted */
#define ASK (G_USEC_PER_SEC / 50)      /* from one question for more to the next */
#define ASK_MOST G_USEC_PER_SEC        /* after the last answer: a server that is silent is not waited for by halves */

typedef struct {
  guint tag;
  guint first, n; /* messages */
  guint64 octets;
  guint64 end; /* of its last literal, in conn->sent; 0: that has not been queued yet */
} Command;

typedef struct {
  ImapConn *conn;
  const char *mailbox;
  ImapAppends *all;
  guint next; /* of them: the first that was not begun */
  ImapReadFunc read;
  ImapMoreFunc more; /* or NULL */
  gpointer data;     /* for `more` */
  gint64 ask, ask_until;
  guint8 *buffer;
  GQueue *flight;   /* Command * */
  Command *current; /* the newest of them until all of it is queued */
  guint64 octets;   /* in flight */
  gboolean wanted;  /* "+" has come */
  gboolean proven;  /* the mailbox has accepted something, or there is little to lose */
  gboolean accepted;
  gboolean stopped; /* nothing more is to be begun */
  GCancellable *c;
} Work;

void imap_appended_clear(ImapAppended *appended) {
  g_clear_error(&appended->error);
  *appended = (ImapAppended){0};
}

/* ---- answers --------------------------------------------------------------------------------------- */

static void set_outcome(Work *work, const Command *command, ImapAppendOutcome outcome, const GError *error) {
  for (guint i = command->first; i < command->first + command->n; i++) {
    imap_appended_clear(&work->all->ret[i]);
    work->all->ret[i] = (ImapAppended){.outcome = outcome,
                                       .first = command->first,
                                       .n = command->n,
                                       .error = error != NULL ? g_error_copy(error) : NULL};
  }
}

/* Servers forget APPENDUID (Proton) or say it of something else: then nobody knows the UIDs, and that is all. */
static void take_uids(Work *work, const Command *command, const ImapEvent *final) {
  if (final->code != IMAP_CODE_APPENDUID || imap_uidmap_find(final->uidmap, command->n) == 0 ||
      imap_uidmap_find(final->uidmap, command->n + 1) != 0)
    return;
  for (guint i = 0; i < command->n; i++) {
    work->all->ret[command->first + i].uidvalidity = (guint32) final->number;
    work->all->ret[command->first + i].uid = imap_uidmap_find(final->uidmap, i + 1);
  }
}

static gboolean concerns_mailbox(const GError *refusal) {
  static const ImapError codes[] = {IMAP_ERROR_GONE, IMAP_ERROR_READONLY, IMAP_ERROR_PERMISSION, IMAP_ERROR_QUOTA,
                                    IMAP_ERROR_UNAVAILABLE};
  for (guint i = 0; i < G_N_ELEMENTS(codes); i++) {
    if (refusal->code == (gint)codes[i])
      return TRUE;
  }
  return FALSE;
}

/* FALSE: an OK to what the server does not have. It may mean anything. */
static gboolean conclude(Work *work, Command *command, const ImapEvent *final, GError **error) {
  g_autoptr(GError) refusal = imap_conn_refusal(work->conn, final);
  gboolean early = command == work->current;
  if (refusal != NULL)
    imap_change_refine(refusal, final);
  if (refusal != NULL)
    set_outcome(work, command, IMAP_APPEND_REFUSED, refusal);
  else
    set_outcome(work, command, early ? IMAP_APPEND_UNKNOWN : IMAP_APPEND_DONE, NULL);
  if (refusal == NULL && !early)
    take_uids(work, command, final);
  work->stopped = work->stopped || (refusal != NULL && concerns_mailbox(refusal));
  work->accepted = work->accepted || refusal == NULL;
  work->proven = work->proven || work->accepted;
  work->octets -= command->octets;
  work->ask_until = g_get_monotonic_time() + ASK_MOST;
  g_queue_remove(work->flight, command);
  g_free(command);
  if (!early)
    return TRUE;
  work->current = NULL;
  return refusal != NULL || imap_conn_lose(work->conn, error, IMAP_ERROR_PROTOCOL,
                                           "the server answered a command before it had all of it");
}

static gboolean take_event(Work *work, const ImapEvent *event, GError **error) {
  work->wanted = work->wanted || event->type == IMAP_EVENT_CONTINUE;
  if (event->type != IMAP_EVENT_STATUS || event->tag == NULL)
    return TRUE;
  guint tag = imap_conn_tag_number(work->conn, event->tag);
  for (GList *l = work->flight->head; l != NULL; l = l->next) {
    Command *command = l->data;
    if (command->tag == tag)
      return conclude(work, command, event, error);
  }
  return imap_conn_lose(work->conn, error, IMAP_ERROR_PROTOCOL, "the server answered a command that was not given");
}

static gboolean hear(Work *work, GError **error) {
  g_auto(ImapEvent) event = {0};
  return imap_conn_event(work->conn, &event, work->c, error) && take_event(work, &event, error);
}

/* Waits until no more than so many commands, and octets, are under way, those of `current` among them. */
static gboolean await_others(Work *work, guint commands, guint64 octets, GError **error) {
  while (work->flight->length > commands || (work->flight->length > 0 && work->octets > octets))
    if (!hear(work, error))
      return FALSE;
  return TRUE;
}

/* ---- sending ------------------------------------------------------------------------------------------ */

/* All that is queued, to the stream. */
static gboolean send_queued(Work *work, GError **error) {
  for (;;) {
    g_auto(ImapEvent) event = {0};
    gboolean heard;
    if (!imap_conn_pump(work->conn, &event, &heard, work->c, error))
      return FALSE;
    if (!heard)
      return TRUE;
    if (!take_event(work, &event, error))
      return FALSE;
  }
}

static gboolean must_be_wanted(const Work *work, guint64 size) {
  ImapLiterals literals = imap_conn_literals(work->conn);
  guint64 unasked = literals == IMAP_LITERAL_PLUS    ? IMAP_APPEND_SMALL
                    : literals == IMAP_LITERAL_MINUS ? SMALL_MINUS
                                                     : 0;
  return size > unasked || !work->proven;
}

/* The name may be a literal that the server has to want: then no other answer must be due. */
static ImapEncoder *begin(Work *work, Command *command, GError **error) {
  g_autoptr(ImapEncoder) encoder = imap_change_encode(work->conn, "APPEND", work->mailbox);
  command->tag = work->conn->tag;
  return imap_encoder_parts(encoder) == 0 || await_others(work, 1, G_MAXUINT64, error) ? g_steal_pointer(&encoder)
                                                                                       : NULL;
}

/* Up to the octets of message i: TRUE also where the server refused, and there is no current command any more. */
static gboolean announce(Work *work, guint i, GError **error) {
  gboolean waits = must_be_wanted(work, work->all->messages[i].size), is_early;
  g_auto(ImapEvent) early = {0};
  ImapEncoder *encoder =
      i == work->current->first ? begin(work, work->current, error) : imap_encoder_new(IMAP_LITERAL_SYNC);
  if (encoder == NULL)
    return FALSE;
  imap_append_encode(encoder, &work->all->messages[i], waits);
  work->wanted = FALSE;
  if (!imap_conn_send(work->conn, encoder, &early, &is_early, work->c, error))
    return FALSE;
  if (is_early)
    return take_event(work, &early, error);
  while (waits && !work->wanted && work->current != NULL)
    if (!hear(work, error))
      return FALSE;
  work->proven = work->proven || (waits && work->wanted);
  return TRUE;
}

/* Refused in the middle: the rest was promised, and a server may read it as it likes. */
static gboolean is_too_late(Work *work, guint64 left, GError **error) {
  if (work->current != NULL || left <= CHUNK)
    return FALSE;
  imap_conn_lose(work->conn, error, IMAP_ERROR_NETWORK, "the server refused a message in the middle of it");
  return TRUE;
}

static gboolean send_octets(Work *work, const ImapAppend *message, GError **error) {
  for (guint64 left = message->size; left > 0;) {
    gsize n = 0;
    if (!work->read(message->source, work->buffer, (gsize)MIN(left, CHUNK), &n, error))
      return FALSE;
    if (n == 0) {
      g_set_error_literal(error, IMAP_ERROR, IMAP_ERROR_LOCAL, "a message is shorter than was said");
      return FALSE;
    }
    imap_conn_write(work->conn, work->buffer, n);
    left -= n;
    if ((work->conn->out->len >= CHUNK && !send_queued(work, error)) || is_too_late(work, left, error))
      return FALSE;
  }
  return TRUE;
}

/* FALSE: the connection must be given up. */
static gboolean send_messages(Work *work, GError **error) {
  guint first = work->current->first, n = work->current->n;
  for (guint i = first; i < first + n && work->current != NULL; i++) {
    if (!announce(work, i, error))
      return FALSE;
    if (work->current == NULL)
      return TRUE; /* refused in place of "+": that was the end of the line */
    if (!send_octets(work, &work->all->messages[i], error))
      return FALSE;
  }
  if (work->current != NULL)
    work->current->end = work->conn->sent + work->conn->out->len;
  imap_conn_write(work->conn, "\r\n", 2);
  work->current = NULL;
  return TRUE;
}

/* ---- commands ------------------------------------------------------------------------------------------- */

static Command *plan(Work *work) {
  Command *command = g_new0(Command, 1);
  command->first = work->next;
  command->n = imap_append_batch(work->all->messages + work->next, work->all->n - work->next,
                                 imap_conn_has(work->conn, "MULTIAPPEND"), &command->octets);
  return command;
}

/* Whose own fault it is stays behind. */
static gboolean set_aside(Work *work, guint i) {
  g_autoptr(GError) bad = imap_append_objection(&work->all->messages[i]);
  Command alone = {.first = i, .n = 1};
  if (bad != NULL)
    set_outcome(work, &alone, IMAP_APPEND_REFUSED, bad);
  return bad != NULL;
}

static gboolean send_command(Work *work, Command *command, GError **error) {
  set_outcome(work, command, IMAP_APPEND_UNSENT, NULL);
  g_queue_push_tail(work->flight, command);
  work->octets += command->octets;
  work->current = command;
  return send_messages(work, error);
}

static gboolean send_rest(Work *work, GError **error) {
  while (work->next < work->all->n && !work->stopped) {
    if (set_aside(work, work->next)) {
      work->next++;
      continue;
    }
    g_autofree Command *command = plan(work);
    work->next += command->n;
    if (!await_others(work, G_MAXUINT, WINDOW - MIN(command->octets, WINDOW), error))
      return FALSE;
    if (!work->stopped && !send_command(work, g_steal_pointer(&command), error))
      return FALSE;
  }
  return TRUE;
}

static void begin_outcomes(ImapAppends *all, guint from) {
  for (guint i = from; i < all->n; i++)
    all->ret[i] = (ImapAppended){.outcome = IMAP_APPEND_UNSENT, .first = i, .n = 1};
}

static gboolean may_ask(const Work *work) {
  return work->more != NULL && work->accepted && !work->stopped;
}

/* TRUE: there are more. */
static gboolean ask_for_more(Work *work) {
  guint n = work->all->n;
  work->more(work->all, work->data);
  begin_outcomes(work->all, n);
  work->ask = g_get_monotonic_time() + ASK;
  return work->all->n > n;
}

/* One answer, or that it is time to ask. */
static gboolean listen_or_ask(Work *work, GError **error) {
  g_auto(ImapEvent) event = {0};
  if (!may_ask(work) || g_get_monotonic_time() >= work->ask_until)
    return hear(work, error);
  switch (imap_conn_listen(work->conn, work->ask, &event, work->c, error)) {
  case IMAP_HEARD_FAILURE:
    return FALSE;
  case IMAP_HEARD_EVENT:
    return take_event(work, &event, error);
  default:
    ask_for_more(work);
    return TRUE;
  }
}

static gboolean append_all(Work *work, GError **error) {
  for (;;) {
    if (!send_rest(work, error))
      return FALSE;
    if (work->flight->length > 0 && !listen_or_ask(work, error))
      return FALSE;
    if (work->flight->length == 0 && (work->stopped || work->next == work->all->n) &&
        !(may_ask(work) && ask_for_more(work)))
      return TRUE;
  }
}

/* A source that failed is no reason to forget what the server still has to say of the others. */
static void await_rest(Work *work) {
  if (!work->conn->failed)
    await_others(work, work->current != NULL, G_MAXUINT64, NULL);
}

static void conclude_unanswered(Work *work) {
  for (Command *command; (command = g_queue_pop_head(work->flight)) != NULL; g_free(command)) {
    gboolean sent = command->end > 0 && work->conn->sent >= command->end;
    set_outcome(work, command, sent ? IMAP_APPEND_UNKNOWN : IMAP_APPEND_UNSENT, NULL);
  }
}

gboolean imap_append(ImapConn *conn, const char *mailbox, ImapAppends *all, ImapReadFunc read, ImapMoreFunc more,
                     gpointer data, GCancellable *c, GError **error) {
  g_assert(g_queue_is_empty(conn->fetches));
  g_autoptr(GQueue) flight = g_queue_new();
  g_autofree guint8 *buffer = g_malloc(CHUNK);
  Work work = {.conn = conn,
               .mailbox = mailbox,
               .all = all,
               .read = read,
               .more = more,
               .data = data,
               .buffer = buffer,
               .flight = flight,
               .c = c};
  guint usual = imap_change_be_patient(conn);
  guint64 octets = 0;
  begin_outcomes(all, 0);
  for (guint i = 0; i < all->n; i++)
    octets += all->messages[i].size;
  work.proven = octets <= BLIND;
  gboolean done = append_all(&work, error);
  if (!done)
    await_rest(&work);
  conn->failed = conn->failed || !done;
  conclude_unanswered(&work);
  conn->silence = usual;
  return done;
}
