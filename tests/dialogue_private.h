/* SPDX-License-Identifier: MIT */
#pragma once

#include "tests/reader.h"
#include "tests/scripted.h"

#define PATIENCE (10 * G_USEC_PER_SEC)
#define A_MOMENT (G_USEC_PER_SEC / 20)

typedef struct {
  const char *path;
  char **lines;
  guint at; /* the line that is played */
  Scripted *server;
  Reader *reader;
  GHashTable *seen; /* "INBOX/3" -> CacheEntry: how it was seen first */
  char **disabled;  /* option disable, or NULL */
  guint removed;    /* events before this scene */
  GPtrArray *expected;
  GMutex mutex; /* guards warnings */
  GPtrArray *warnings;
} Dialogue;

/* Ends the test. */
G_GNUC_NORETURN void dialogue_broken(Dialogue *play, const char *format, ...) G_GNUC_PRINTF(2, 3);
const char *dialogue_text(const GError *error);
gboolean dialogue_is_kind(const GError *error, const char *kind); /* "BUSY": CACHE_ERROR_BUSY */

/* Steps; `args` is what stands behind the word. */
void dialogue_list(Dialogue *play, const char *args);
void dialogue_await(Dialogue *play, const char *args);
void dialogue_shows(Dialogue *play, const char *args);
void dialogue_removed(Dialogue *play, const char *args);
void dialogue_read(Dialogue *play, const char *args);
void dialogue_cached(Dialogue *play, const char *args);
void dialogue_same(Dialogue *play, const char *args);
void dialogue_other(Dialogue *play, const char *args);
