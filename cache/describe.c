/* SPDX-License-Identifier: MIT */
/* What goes on, in words. The line is never asked, and of the disk only the journal. */
#include "cache/cache_private.h"
#include "cache/journal/journal.h"
#include "cache/replay/replay.h"

static char *time_text(gint64 seconds) {
  g_autoptr(GDateTime) time = g_date_time_new_from_unix_local(seconds);
  return time ? g_date_time_format(time, "%F %T") : g_strdup("?");
}

static void describe_line(GString *text, const AgendaState *state, const char *pool) {
  g_autofree char *since = time_text(state->since);
  if (state->since == 0)
    g_string_append(text, "connecting for the first time");
  else
    g_string_append_printf(text, "%s since %s", state->online ? "online" : "offline", since);
  if (!state->online && state->why)
    g_string_append_printf(text, ": %s", state->why);
  g_string_append_printf(text, "\n%s\n", pool);
}

static void describe_push(GString *text, const AgendaState *state) {
  static const char *const kinds[] = {[AGENDA_PUSH_NONE] = "none",
                                      [AGENDA_PUSH_ASKED] = "none, one folder is asked about",
                                      [AGENDA_PUSH_FOLDER] = "one folder (IDLE)",
                                      [AGENDA_PUSH_ALL] = "all folders (NOTIFY)"};
  g_autofree char *since = time_text(state->push_since);
  g_string_append_printf(text, "push: %s", kinds[state->push]);
  if (state->push_row != 0)
    g_string_append_printf(text, ", number %" G_GINT64_FORMAT, state->push_row);
  if (state->push != AGENDA_PUSH_NONE)
    g_string_append_printf(text, ", since %s", since);
  g_string_append_c(text, '\n');
}

static void describe_folders(GString *text, const AgendaState *state) {
  g_string_append_printf(text, "folders: %u, listed %u; ", state->folders, state->listed);
  if (state->swept < 0)
    g_string_append(text, "not yet looked at\n");
  else
    g_string_append_printf(text, "all looked at %" G_GINT64_FORMAT " s ago\n", state->swept);
  g_string_append_printf(text, "to do: %u with news, %u to verify, %u to list\n", state->queued[AGENDA_NEWS],
                         state->queued[AGENDA_REFRESH] + state->queued[AGENDA_TREE], state->queued[AGENDA_FIRST]);
}

static void describe_changes(GString *text, Cache *cache) {
  g_autoptr(GError) error = NULL;
  g_autofree char *trouble = NULL;
  guint64 changes, bytes, refused;
  if (!journal_left(cache->account.index, &changes, &bytes, &error) ||
      !journal_refused(cache->account.index, &refused, &error)) {
    g_string_append_printf(text, "to be sent: %s\n", error ? error->message : "?");
    return;
  }
  g_string_append_printf(text, "to be sent: %" G_GUINT64_FORMAT " changes, %" G_GUINT64_FORMAT " bytes", changes,
                         bytes);
  if (changes > 0 && replay_trouble(cache->replay, &trouble))
    g_string_append_printf(text, ": %s", trouble);
  if (refused > 0)
    g_string_append_printf(text, "; refused, in lost+found: %" G_GUINT64_FORMAT, refused);
  g_string_append_c(text, '\n');
}

char *cache_describe(Cache *cache) {
  g_autoptr(GString) text = g_string_new(NULL);
  g_auto(AgendaState) state = {0};
  g_autofree char *pool = imap_pool_describe(cache->account.pool);
  g_autofree char *kept = g_format_size_full(body_store_bytes(cache->account.bodies), G_FORMAT_SIZE_LONG_FORMAT);
  sync_look(cache->sync, &state);
  describe_line(text, &state, pool);
  describe_push(text, &state);
  describe_folders(text, &state);
  describe_changes(text, cache);
  g_string_append_printf(text, "readers waiting for messages: %u\n", fetch_readers(cache->fetch));
  g_string_append_printf(text, "cached: %s of messages\n", kept);
  return g_string_free(g_steal_pointer(&text), FALSE);
}
