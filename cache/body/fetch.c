/* SPDX-License-Identifier: MIT */
/*
 * Which lane does what: with three connections or more the prompt lane serves readers and the bulk lane what is read
 * ahead and what takes more than a second of line; with fewer one lane does all. Looking ahead has a thread of its own,
 * because it asks the index, and a reader should not wait for a guess about what it will do next.
 *
 * `expected` holds what was said to come next and has not been opened since. Only an open of one of those, or a read of
 * a body that is not here, tells anything about where a reader is heading: whoever reads what is cached costs neither a
 * message to that thread nor a look into the index.
 *
 * `resized` holds the rows whose size the kernel may know wrongly, from the moment the true one is in the index until
 * the kernel has asked for their attributes again. It is memory only: a new mount has a kernel that knows nothing.
 */
#include "cache/body/fetch.h"

#include "cache/body/ahead.h"
#include "cache/body/lane.h"

#define AHEAD_MOST (G_GUINT64_CONSTANT(32) << 20)
#define META_RATE "line_rate"

#define REPORT_ALL 64        /* expectations below which each open is reported */
#define REPORT_EVERY 8       /* else one of so many; less than ahead.c skips */
#define EXPECTED_MOST 100000 /* readers that went elsewhere leave their expectations behind */

typedef struct {
  gint64 row, mailbox; /* row 0: stop */
} Opened;

struct _Fetch {
  LaneShared shared;
  Pace pace, line;
  Wants *wants;
  Lane *lanes[2]; /* the second may be NULL */
  Ahead *ahead;
  GThread *looker;
  GAsyncQueue *opened;  /* Opened */
  GMutex mutex;         /* guards what follows; the counts are also read without it, to see that there is nothing */
  GHashTable *resized;  /* set of rows */
  GHashTable *expected; /* row -> Opened */
  gint n_resized, n_expected;
};

static void note_resized(gint64 row, gpointer data) {
  Fetch *fetch = data;
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&fetch->mutex);
  g_hash_table_add(fetch->resized, g_memdup2(&row, sizeof row));
  g_atomic_int_set(&fetch->n_resized, (gint)g_hash_table_size(fetch->resized));
}

void fetch_resized(Fetch *fetch, gint64 row) {
  note_resized(row, fetch);
}

gboolean fetch_is_resized(Fetch *fetch, gint64 row) {
  if (g_atomic_int_get(&fetch->n_resized) == 0)
    return FALSE;
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&fetch->mutex);
  return g_hash_table_contains(fetch->resized, &row);
}

void fetch_shown(Fetch *fetch, gint64 row) {
  if (g_atomic_int_get(&fetch->n_resized) == 0)
    return;
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&fetch->mutex);
  g_hash_table_remove(fetch->resized, &row);
  g_atomic_int_set(&fetch->n_resized, (gint)g_hash_table_size(fetch->resized));
}

static void recall_rate(Account *account) {
  g_autofree char *value = index_get_meta(account->index, META_RATE, NULL);
  if (value)
    imap_pool_set_rate(account->pool, g_ascii_strtoull(value, NULL, 10));
}

static void make_lanes(Fetch *fetch) {
  const WantsKinds all = WANTS_READER | WANTS_AHEAD;
  if (fetch->shared.account->config->connections < 3) {
    fetch->lanes[0] = lane_new(&fetch->shared, IMAP_ROLE_PROMPT, all);
    return;
  }
  fetch->lanes[0] = lane_new(&fetch->shared, IMAP_ROLE_PROMPT, WANTS_READER_SMALL);
  fetch->lanes[1] = lane_new(&fetch->shared, IMAP_ROLE_BULK, WANTS_READER_LARGE | WANTS_AHEAD);
}

Fetch *fetch_new(Account *account, Sync *sync) {
  Fetch *fetch = g_new0(Fetch, 1);
  pace_init(&fetch->pace);
  pace_init(&fetch->line);
  g_mutex_init(&fetch->mutex);
  fetch->wants = wants_new();
  fetch->resized = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
  fetch->expected = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
  fetch->opened = g_async_queue_new_full(g_free);
  /* More than a part of the cache read ahead would push out what nobody has read yet. */
  fetch->ahead = ahead_new(account->index, MIN(AHEAD_MOST, account->config->cache_size / 4));
  fetch->shared = (LaneShared){.account = account,
                               .sync = sync,
                               .wants = fetch->wants,
                               .pace = &fetch->pace,
                               .line = &fetch->line,
                               .resized = note_resized,
                               .data = fetch};
  recall_rate(account);
  make_lanes(fetch);
  return fetch;
}

static void wake_lanes(Fetch *fetch) {
  for (guint i = 0; i < G_N_ELEMENTS(fetch->lanes); i++)
    if (fetch->lanes[i])
      lane_wake(fetch->lanes[i]);
}

static gboolean is_large(Fetch *fetch, guint64 size) {
  return size > pace_large(&fetch->pace);
}

static Want want_of(Fetch *fetch, const IndexMessage *message) {
  guint64 size = message->size != IMAP_UNKNOWN_SIZE ? message->size : message->claim;
  if (size == IMAP_UNKNOWN_SIZE)
    size = 0;
  return (Want){.row = message->row,
                .mailbox = message->mailbox,
                .uid = message->uid,
                .size = size,
                .large = is_large(fetch, size)};
}

/* Its UID is being learnt again, because the server renumbered: there is nothing to ask for yet. */
static void fail_nameless(Fetch *fetch, gint64 row) {
  g_autoptr(GError) error =
      g_error_new_literal(IMAP_ERROR, IMAP_ERROR_UNAVAILABLE, "the server renumbered; the message is being looked for");
  account_tell_body(fetch->shared.account, row, -1, error);
}

void fetch_wait(Fetch *fetch, const IndexMessage *message) {
  if (message->uid == 0) {
    fail_nameless(fetch, message->row);
    return;
  }
  Want want = want_of(fetch, message);
  if (wants_wait(fetch->wants, &want))
    wake_lanes(fetch);
}

void fetch_leave(Fetch *fetch, gint64 row, gint64 since) {
  wants_leave(fetch->wants, row, since);
}

void fetch_settled(Fetch *fetch, gint64 row) {
  g_auto(IndexMessage) message = {0};
  if (wants_waiters(fetch->wants, row) > 0 && index_get_message(fetch->shared.account->index, row, &message, NULL) &&
      message.uid != 0 && wants_move(fetch->wants, row, message.mailbox, message.uid))
    wake_lanes(fetch);
}

guint fetch_readers(Fetch *fetch) {
  return wants_readers(fetch->wants);
}

/* ---- looking ahead -------------------------------------------------------------------------------------- */

static void tell_looker(Fetch *fetch, gint64 mailbox, gint64 row) {
  Opened opened = {.mailbox = mailbox, .row = row};
  g_async_queue_push(fetch->opened, g_memdup2(&opened, sizeof opened));
}

void fetch_opened(Fetch *fetch, gint64 row) {
  if (g_atomic_int_get(&fetch->n_expected) == 0)
    return;
  gint64 mailbox = 0;
  guint left = 0;
  {
    G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&fetch->mutex);
    Opened *expected = g_hash_table_lookup(fetch->expected, &row);
    mailbox = expected ? expected->mailbox : 0;
    g_hash_table_remove(fetch->expected, &row);
    left = g_hash_table_size(fetch->expected);
    g_atomic_int_set(&fetch->n_expected, (gint)left);
  }
  /* A track overlooks a few opens; with much ahead of the reader there is no hurry. */
  if (mailbox != 0 && (left < REPORT_ALL || left % REPORT_EVERY == 0))
    tell_looker(fetch, mailbox, row);
}

void fetch_missed(Fetch *fetch, const IndexMessage *message) {
  tell_looker(fetch, message->folder, message->row);
}

static void expect(Fetch *fetch, const GArray *next, gint64 mailbox) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&fetch->mutex);
  if (g_hash_table_size(fetch->expected) > EXPECTED_MOST)
    g_hash_table_remove_all(fetch->expected);
  for (guint i = 0; i < next->len; i++) {
    Opened *one = g_new(Opened, 1);
    *one = (Opened){.row = g_array_index(next, IndexNext, i).row, .mailbox = mailbox};
    g_hash_table_replace(fetch->expected, &one->row, one);
  }
  g_atomic_int_set(&fetch->n_expected, (gint)g_hash_table_size(fetch->expected));
}

static void look(Fetch *fetch, const Opened *opened) {
  g_autoptr(GArray) next = g_array_new(FALSE, FALSE, sizeof(IndexNext));
  ahead_opened(fetch->ahead, opened->mailbox, opened->row, next);
  expect(fetch, next, opened->mailbox);
  BodyStore *bodies = fetch->shared.account->bodies;
  for (guint i = 0; i < next->len; i++) {
    const IndexNext *one = &g_array_index(next, IndexNext, i);
    Want want = {.row = one->row, .mailbox = one->mailbox, .uid = one->uid, .size = one->size};
    want.large = is_large(fetch, want.size);
    if (want.uid != 0 && !body_present(bodies, one->row))
      wants_ahead(fetch->wants, &want);
  }
}

static gpointer looker_main(gpointer data) {
  Fetch *fetch = data;
  for (;;) {
    g_autofree Opened *opened = g_async_queue_pop(fetch->opened);
    if (opened->row == 0)
      return NULL;
    look(fetch, opened);
  }
}

/* ---- start and end ---------------------------------------------------------------------------------------- */

void fetch_run(Fetch *fetch) {
  if (fetch->looker)
    return;
  fetch->looker = g_thread_new("ahead", looker_main, fetch);
  for (guint i = 0; i < G_N_ELEMENTS(fetch->lanes); i++)
    if (fetch->lanes[i])
      lane_run(fetch->lanes[i]);
}

static gboolean write_rate(IndexTxn *txn, gpointer data, GError **error) {
  g_autofree char *value = g_strdup_printf("%" G_GUINT64_FORMAT, *(guint64 *)data);
  return index_set_meta(txn, META_RATE, value, error);
}

/* What compress=auto will decide by next time. */
static void remember_rate(Fetch *fetch) {
  guint64 rate = pace_rate(&fetch->line);
  g_autoptr(GError) error = NULL;
  if (rate > 0 && !index_write(fetch->shared.account->index, INDEX_SYNC, write_rate, &rate, &error))
    g_info("cannot remember the line's rate: %s", error->message);
}

static void fail_rest(Fetch *fetch) {
  g_autoptr(GError) error = g_error_new_literal(IMAP_ERROR, IMAP_ERROR_CANCELLED, "unmounting");
  g_autoptr(GArray) rows = wants_give_up(fetch->wants, WANTS_READER);
  for (guint i = 0; i < rows->len; i++)
    account_tell_body(fetch->shared.account, g_array_index(rows, gint64, i), -1, error);
}

void fetch_stop(Fetch *fetch) {
  wants_close(fetch->wants);
  wake_lanes(fetch);
  for (guint i = 0; i < G_N_ELEMENTS(fetch->lanes); i++)
    if (fetch->lanes[i])
      lane_join(fetch->lanes[i]);
  if (fetch->looker)
    g_async_queue_push_front(fetch->opened, g_new0(Opened, 1)); /* ahead of all that was opened */
  g_clear_pointer(&fetch->looker, g_thread_join);
  fail_rest(fetch);
  remember_rate(fetch);
}

void fetch_free(Fetch *fetch) {
  if (!fetch)
    return;
  for (guint i = 0; i < G_N_ELEMENTS(fetch->lanes); i++)
    lane_free(fetch->lanes[i]);
  g_async_queue_unref(fetch->opened);
  ahead_free(fetch->ahead);
  wants_free(fetch->wants);
  g_hash_table_unref(fetch->resized);
  g_hash_table_unref(fetch->expected);
  g_mutex_clear(&fetch->mutex);
  pace_clear(&fetch->pace);
  pace_clear(&fetch->line);
  g_free(fetch);
}
