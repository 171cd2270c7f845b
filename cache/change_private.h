/* SPDX-License-Identifier: MIT */
#pragma once

/* What the files of change.c share: what becomes of names. Nobody else includes this. */
#include "cache/cache_private.h"
#include "cache/journal/journal.h"

/* A message where it is shown, and its NEW. */
typedef struct {
  gboolean there;
  gboolean unsent; /* a NEW that the server was not told of */
  IndexMessage message;
  JournalNew entry;
} Standing;
void standing_clear(Standing *standing);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Standing, standing_clear)

/* FALSE: the index fails. ret->there: there is one. In a job: as that has it. */
gboolean change_look(Index *index, gint64 folder, const char *name, Standing *ret, GError **error);
/* Nothing that a decision rests on has happened in between. */
gboolean change_is_same(const Standing *before, const Standing *now);

/* Who decided outside of a job what it does comes back when the world had changed by then; not for ever. */
#define CHANGE_TRIES 16

/* change_same.c: both have the same octets, once the lines of `fresh` end in CR LF; `raw`: they may not do so yet. */
gboolean change_same_octets(Cache *cache, const Standing *fresh, gboolean raw, const Standing *old, gboolean *ret,
                            GError **error);
/* The octets behind fd become the body of a message that the server has now. Where that fails it is fetched. */
void change_keep_body(Cache *cache, gint64 row, int fd);

/* A rename of a message. */
typedef struct {
  Cache *cache;
  gint64 folder, to_folder;
  const char *name, *to_name;
  guint flags;
  IndexMailbox from, to;
  Standing what, there;
  JournalState state, there_state; /* of what is new; there_state: of an exchange */
  gboolean same;                   /* octets: nothing is sent */
  gboolean nothing;                /* to do */
  gboolean stale, shown;           /* out, of the job */
} Rename;
void rename_clear(Rename *rename);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Rename, rename_clear)
static inline gboolean rename_within(const Rename *rename) {
  return rename->folder == rename->to_folder;
}
static inline gboolean rename_exchanges(const Rename *rename) {
  return (rename->flags & CACHE_RENAME_EXCHANGE) != 0;
}

/* change_decide.c: what may be done, and what it will be: fills in what follows `flags`. FALSE without an error: there
 * is no such message. */
gboolean change_decide(Rename *rename, GError **error);
