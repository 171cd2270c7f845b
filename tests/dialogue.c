/* SPDX-License-Identifier: MIT */
#include "tests/dialogue.h"

#include <check.h>
#include <gio/gio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/dialogue_private.h"

void dialogue_broken(Dialogue *play, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *what = g_strdup_vprintf(format, args);
  va_end(args);
  g_autofree char *said = scripted_transcript(play->server);
  ck_abort_msg("%s:%u: %s: %s\n%s", play->path, play->at + 1, play->lines[play->at], what, said);
  abort();
}

static void on_log(const char *domain, GLogLevelFlags level, const char *message, gpointer data) {
  Dialogue *play = data;
  if (!(level & (G_LOG_LEVEL_WARNING | G_LOG_LEVEL_CRITICAL)))
    return;
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&play->mutex);
  g_ptr_array_add(play->warnings, g_strdup_printf("%s: %s", domain, message));
}

static gboolean matches_any(const GPtrArray *patterns, const char *warning) {
  for (guint i = 0; i < patterns->len; i++)
    if (g_pattern_match_simple(patterns->pdata[i], warning))
      return TRUE;
  return FALSE;
}

static void check_warnings(Dialogue *play) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&play->mutex);
  for (guint i = 0; i < play->warnings->len; i++)
    if (!matches_any(play->expected, play->warnings->pdata[i]))
      ck_abort_msg("%s: a warning: %s", play->path, (char *)play->warnings->pdata[i]);
  for (guint i = 0; i < play->expected->len; i++) {
    gboolean found = FALSE;
    for (guint j = 0; j < play->warnings->len; j++)
      found |= g_pattern_match_simple(play->expected->pdata[i], play->warnings->pdata[j]);
    if (!found)
      ck_abort_msg("%s: no warning like: %s", play->path, (char *)play->expected->pdata[i]);
  }
}

/* ---- the server's half ------------------------------------------------------------------------------------ */

static void do_capability(Dialogue *play, const char *args) {
  scripted_capability(play->server, args);
}

/* The indented lines below. */
static void do_rule(Dialogue *play, ScriptedKind kind, gboolean once, const char *pattern) {
  g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
  while (play->lines[play->at + 1] && play->lines[play->at + 1][0] == ' ')
    g_ptr_array_add(lines, g_strstrip(g_strdup(play->lines[++play->at])));
  g_ptr_array_add(lines, NULL);
  scripted_rule(play->server, kind, once, pattern, (char **)lines->pdata);
}

static void do_on(Dialogue *play, const char *args) {
  do_rule(play, SCRIPTED_ON, FALSE, args);
}

static void do_instead(Dialogue *play, const char *args) {
  do_rule(play, SCRIPTED_INSTEAD, FALSE, args);
}

static void do_once_on(Dialogue *play, const char *args) {
  do_rule(play, SCRIPTED_ON, TRUE, args);
}

static void do_once_instead(Dialogue *play, const char *args) {
  do_rule(play, SCRIPTED_INSTEAD, TRUE, args);
}

static void do_behave(Dialogue *play, G_GNUC_UNUSED const char *args) {
  scripted_behave(play->server);
}

static void do_push(Dialogue *play, const char *args) {
  scripted_push(play->server, args);
}

static void do_quiet(Dialogue *play, G_GNUC_UNUSED const char *args) {
  scripted_quiet(play->server);
}

static void do_cut(Dialogue *play, G_GNUC_UNUSED const char *args) {
  scripted_cut(play->server);
}

static void await_said(Dialogue *play, const char *pattern) {
  gint64 until = g_get_monotonic_time() + PATIENCE;
  char *rest;
  guint wanted = (guint)strtoul(pattern, &rest, 10), times;
  pattern = *rest == ' ' ? rest + 1 : rest;
  while ((times = scripted_said(play->server, pattern)) < MAX(wanted, 1)) {
    if (g_get_monotonic_time() > until)
      dialogue_broken(play, "it did %u times", times);
    reader_await_any(play->reader, g_get_monotonic_time() + A_MOMENT);
  }
}

static void never_said(Dialogue *play, const char *pattern) {
  guint times = scripted_said(play->server, pattern);
  if (times > 0)
    dialogue_broken(play, "it did, %u times", times);
}

static void do_scene(Dialogue *play, G_GNUC_UNUSED const char *args) {
  scripted_scene(play->server);
  play->removed = reader_removed(play->reader);
}

/* ---- the client's half: mounting ------------------------------------------------------------------------------ */

static void do_option(Dialogue *play, const char *args) {
  CacheConfig *config = reader_config(play->reader);
  g_auto(GStrv) words = g_strsplit(args, " ", 2);
  if (strcmp(words[0], "connections") == 0)
    config->connections = (guint)atoi(words[1]);
  else if (strcmp(words[0], "timeout") == 0)
    config->timeout = (guint)atoi(words[1]);
  else if (strcmp(words[0], "refresh") == 0)
    config->refresh = (guint)atoi(words[1]);
  else if (strcmp(words[0], "names") == 0)
    config->names_uid = strcmp(words[1], "uid") == 0;
  else if (strcmp(words[0], "disable") == 0)
    config->disable = play->disabled = g_strsplit(words[1], " ", -1);
  else
    dialogue_broken(play, "no such option");
}

static void do_mount(Dialogue *play, const char *args) {
  g_autoptr(GError) error = NULL;
  gboolean mounted = reader_mount(play->reader, &error);
  if (!g_str_has_prefix(args, "fails ")) {
    if (!mounted)
      dialogue_broken(play, "%s", dialogue_text(error));
  } else if (!dialogue_is_kind(error, args + strlen("fails "))) {
    dialogue_broken(play, "%s", mounted ? "it does not fail" : dialogue_text(error));
  }
}

static void do_unmount(Dialogue *play, G_GNUC_UNUSED const char *args) {
  reader_unmount(play->reader);
}

static void do_remount(Dialogue *play, const char *args) {
  do_unmount(play, args);
  do_mount(play, args);
}

/* As the kernel tells it of each route; nobody may listen yet. */
static void do_network(Dialogue *play, G_GNUC_UNUSED const char *args) {
  GNetworkMonitor *monitor = g_network_monitor_get_default();
  guint listener = g_signal_lookup("network-changed", G_TYPE_NETWORK_MONITOR);
  while (!g_signal_has_handler_pending(monitor, listener, 0, FALSE))
    reader_await_any(play->reader, g_get_monotonic_time() + A_MOMENT);
  g_signal_emit_by_name(monitor, "network-changed", TRUE);
}

static void do_retry(Dialogue *play, G_GNUC_UNUSED const char *args) {
  cache_retry(reader_cache(play->reader));
}

static void do_warns(Dialogue *play, const char *args) {
  g_ptr_array_add(play->expected, g_strdup(args));
}

/* ---- playing ------------------------------------------------------------------------------------------- */

static const struct {
  const char *words;
  void (*run)(Dialogue *play, const char *args);
} steps[] = {{"capability", do_capability},
             {"on", do_on},
             {"instead of", do_instead},
             {"once on", do_once_on},
             {"once instead of", do_once_instead},
             {"behave", do_behave},
             {"push", do_push},
             {"quiet", do_quiet},
             {"cut", do_cut},
             {"says", await_said},
             {"never says", never_said},
             {"---", do_scene},
             {"option", do_option},
             {"mount", do_mount},
             {"unmount", do_unmount},
             {"remount", do_remount},
             {"network changes", do_network},
             {"retry", do_retry},
             {"list", dialogue_list},
             {"await", dialogue_await},
             {"shows", dialogue_shows},
             {"removed", dialogue_removed},
             {"read", dialogue_read},
             {"cached", dialogue_cached},
             {"same", dialogue_same},
             {"other", dialogue_other},
             {"warns", do_warns}};

static void step(Dialogue *play, const char *line) {
  g_autofree char *wrong = NULL;
  scripted_step(play->server);
  for (guint i = 0; i < G_N_ELEMENTS(steps); i++) {
    gsize len = strlen(steps[i].words);
    if (strncmp(line, steps[i].words, len) == 0 && (line[len] == '\0' || line[len] == ' ')) {
      steps[i].run(play, line + len + (line[len] == ' '));
      return;
    }
  }
  if (!scripted_change(play->server, line, &wrong))
    dialogue_broken(play, "%s", wrong ? wrong : "no such step");
}

void dialogue_play(const char *path) {
  Dialogue play = {.path = path};
  g_autofree char *text = NULL;
  ck_assert_msg(g_file_get_contents(path, &text, NULL, NULL), "%s is not here; run this from the top", path);
  play.lines = g_strsplit(text, "\n", -1);
  play.seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  play.expected = g_ptr_array_new_with_free_func(g_free);
  play.warnings = g_ptr_array_new_with_free_func(g_free);
  g_mutex_init(&play.mutex);
  /* Warnings are compared at the end, whatever G_DEBUG says. */
  g_log_set_always_fatal((GLogLevelFlags)G_LOG_FATAL_MASK);
  g_log_set_default_handler(on_log, &play);
  play.server = scripted_new();
  play.reader = reader_new(scripted_port(play.server));
  for (; play.lines[play.at]; play.at++)
    if (play.lines[play.at][0] != '\0' && play.lines[play.at][0] != '#')
      step(&play, play.lines[play.at]);
  reader_free(play.reader);
  scripted_free(play.server);
  g_log_set_default_handler(g_log_default_handler, NULL);
  check_warnings(&play);
  g_hash_table_unref(play.seen);
  g_ptr_array_unref(play.expected);
  g_ptr_array_unref(play.warnings);
  g_strfreev(play.lines);
  g_strfreev(play.disabled);
  g_mutex_clear(&play.mutex);
}
