/* SPDX-License-Identifier: MIT */
#include "tests/lane.h"

#include <check.h>
#include <string.h>
#include <unistd.h>

#include "cache/tree/names.h"

static gboolean fill(IndexTxn *txn, gpointer data, GError **error) {
  Bench *bench = data;
  IndexMailbox mailbox = {.raw = (char *)"box", .name = (char *)"box", .uidvalidity = 7, .listed = INDEX_LISTED};
  if (!index_put_mailbox(txn, &mailbox, error))
    return FALSE;
  bench->box = mailbox.row;
  for (guint32 uid = 1; uid <= 3; uid++) {
    IndexMessage message = {.mailbox = mailbox.row, .uid = uid, .claim = 19, .size = IMAP_UNKNOWN_SIZE};
    g_autofree char *header = g_strdup_printf("Subject: %u\r\n\r\n", uid);
    names_fingerprint(header, strlen(header), message.fingerprint);
    g_snprintf(message.name, sizeof message.name, "%u.eml", uid);
    if (!index_add_message(txn, &message, NULL, error))
      return FALSE;
    bench->rows[uid] = message.row;
  }
  return TRUE;
}

static void resized(gint64 row, gpointer data) {
  ((Bench *)data)->resized = row;
}

void bench_start(Bench *bench, const char *script) {
  bench->test = test_account_new("UNSELECT", script);
  Account *account = &bench->test->account;
  ck_assert(index_write(account->index, INDEX_SYNC, fill, bench, NULL));
  imap_pool_release(account->pool, g_steal_pointer(&bench->test->conn));
  pace_init(&bench->pace);
  pace_init(&bench->line);
  bench->shared = (LaneShared){.account = account,
                               .sync = sync_new(account),
                               .wants = wants_new(),
                               .pace = &bench->pace,
                               .line = &bench->line,
                               .resized = resized,
                               .data = bench};
  bench->lane = lane_new(&bench->shared, IMAP_ROLE_PROMPT, WANTS_READER | WANTS_AHEAD);
}

void bench_clear(Bench *bench) {
  wants_close(bench->shared.wants);
  g_cancellable_cancel(bench->test->account.cancellable);
  lane_join(bench->lane);
  lane_free(bench->lane);
  sync_free(bench->shared.sync);
  wants_free(bench->shared.wants);
  pace_clear(&bench->pace);
  pace_clear(&bench->line);
  g_cancellable_reset(bench->test->account.cancellable);
  bench->test->conn = NULL;
  test_account_free(bench->test);
}

void wait_for(Bench *bench, guint32 uid) {
  Want want = {.row = bench->rows[uid], .mailbox = bench->box, .uid = uid, .size = 19};
  wants_wait(bench->shared.wants, &want);
}

CacheEvent next_body(Bench *bench) {
  for (;;) {
    CacheEvent event;
    ck_assert(cache_events_pop(bench->test->account.events, &event));
    if (event.type == CACHE_EVENT_BODY)
      return event;
    cache_event_clear(&event);
  }
}

void ck_body(Bench *bench, guint32 uid, const char *text) {
  g_auto(CacheEvent) event = next_body(bench);
  char octets[100] = "";
  ck_assert_msg(!event.error, "%s", event.error ? event.error->message : "");
  ck_assert_int_eq(event.row, bench->rows[uid]);
  ck_assert_int_ge(event.fd, 0);
  ck_assert(pread(event.fd, octets, sizeof octets - 1, 0) >= 0);
  ck_assert_str_eq(octets, text);
}

void ck_failure(Bench *bench, guint32 uid, CacheError code) {
  g_auto(CacheEvent) event = next_body(bench);
  ck_assert_int_eq(event.row, bench->rows[uid]);
  ck_assert_int_eq(event.fd, -1);
  ck_assert_ptr_nonnull(event.error);
  ck_assert_msg(g_error_matches(event.error, CACHE_ERROR, (int)code), "%d: %s", event.error->code,
                event.error->message);
}
