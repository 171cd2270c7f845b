/* SPDX-License-Identifier: MIT */
/*
 * A Track is one guess: "somebody reads this folder in this order". It holds the messages that would come next, and how
 * far they have been wanted:
 *
 *   next[0 .. wanted)   wanted already, not yet opened
 *   next[wanted .. n)   known to follow
 *
 * An open that is one of the first SKIP of `next` confirms the track: what lies before it is dropped (cached files may
 * be skipped by the reader), the window doubles, and next messages are wanted until the window is full. A row that no
 * track expects begins a new one in each order, over the least recently confirmed; a track is believed from the second
 * confirmed open on, so a random `cat` costs two index queries and no mail.
 *
 * Several readers have several tracks; both orders often agree, and wanting twice is harmless.
 */
#include "cache/body/ahead.h"

#define TRACKS 12
#define SKIP 24
#define KNOWN 512      /* messages known to follow, fetched from the index at once */
#define KNOWN_FIRST 32 /* the same for a guess that nothing has confirmed */
#define WINDOW_FIRST (128u << 10)
#define UNKNOWN_SIZE_GUESS (32u << 10)

typedef struct {
  gint64 mailbox, last; /* mailbox 0: unused */
  IndexOrder order;
  GArray *next; /* IndexNext */
  guint wanted;
  guint64 wanted_bytes, window;
  guint64 used;
} Track;

struct _Ahead {
  Index *index;
  guint64 most;
  guint64 clock;
  Track tracks[TRACKS];
};

Ahead *ahead_new(Index *index, guint64 most) {
  Ahead *ahead = g_new0(Ahead, 1);
  ahead->index = index;
  ahead->most = most;
  for (guint i = 0; i < TRACKS; i++)
    ahead->tracks[i].next = g_array_new(FALSE, FALSE, sizeof(IndexNext));
  return ahead;
}

void ahead_free(Ahead *ahead) {
  if (!ahead)
    return;
  for (guint i = 0; i < TRACKS; i++)
    g_array_unref(ahead->tracks[i].next);
  g_free(ahead);
}

static guint64 weight(const IndexNext *next) {
  return next->size ? next->size : UNKNOWN_SIZE_GUESS;
}

/* Learns what follows the last message known (or opened). */
static void learn(Ahead *ahead, Track *track, guint n) {
  guint have = track->next->len;
  gint64 after = have ? g_array_index(track->next, IndexNext, have - 1).row : track->last;
  g_array_set_size(track->next, have + n);
  IndexNext *room = &g_array_index(track->next, IndexNext, have);
  gssize found = index_following(ahead->index, track->mailbox, after, track->order, FALSE, room, n, NULL);
  g_array_set_size(track->next, have + (guint)MAX(found, 0));
}

static void drop_passed(Track *track, guint n) {
  for (guint i = 0; i < MIN(n, track->wanted); i++)
    track->wanted_bytes -= weight(&g_array_index(track->next, IndexNext, i));
  track->wanted -= MIN(n, track->wanted);
  g_array_remove_range(track->next, 0, n);
}

static gboolean want_one(Ahead *ahead, Track *track, GArray *ret) {
  if (track->wanted == track->next->len)
    learn(ahead, track, KNOWN);
  if (track->wanted == track->next->len)
    return FALSE;
  IndexNext next = g_array_index(track->next, IndexNext, track->wanted);
  if (track->wanted_bytes + weight(&next) > track->window && track->wanted > 0)
    return FALSE;
  track->wanted++;
  track->wanted_bytes += weight(&next);
  g_array_append_val(ret, next);
  return TRUE;
}

static void confirm(Ahead *ahead, Track *track, guint at, GArray *ret) {
  track->last = g_array_index(track->next, IndexNext, at).row;
  track->used = ++ahead->clock;
  drop_passed(track, at + 1);
  track->window = MIN(MAX(track->window * 2, WINDOW_FIRST), ahead->most);
  while (track->window > 0 && want_one(ahead, track, ret))
    ;
}

static gboolean expects(const Track *track, gint64 mailbox, gint64 row, guint *ret_at) {
  if (track->mailbox != mailbox)
    return FALSE;
  for (guint i = 0; i < MIN(track->next->len, SKIP); i++)
    if (g_array_index(track->next, IndexNext, i).row == row) {
      *ret_at = i;
      return TRUE;
    }
  return FALSE;
}

static Track *least_used(Ahead *ahead) {
  Track *least = &ahead->tracks[0];
  for (guint i = 1; i < TRACKS; i++)
    if (ahead->tracks[i].used < least->used)
      least = &ahead->tracks[i];
  return least;
}

static void begin(Ahead *ahead, gint64 mailbox, gint64 row, IndexOrder order) {
  Track *track = least_used(ahead);
  g_array_set_size(track->next, 0);
  *track = (Track){.mailbox = mailbox, .last = row, .order = order, .next = track->next, .used = ++ahead->clock};
  learn(ahead, track, KNOWN_FIRST);
}

void ahead_opened(Ahead *ahead, gint64 mailbox, gint64 row, GArray *ret) {
  gboolean known = FALSE;
  for (guint i = 0; i < TRACKS; i++) {
    Track *track = &ahead->tracks[i];
    guint at = 0;
    /* The same file read again, or by a second reader, is no reason to begin anew. */
    known |= track->mailbox == mailbox && track->last == row;
    if (expects(track, mailbox, row, &at)) {
      confirm(ahead, track, at, ret);
      known = TRUE;
    }
  }
  if (known)
    return;
  begin(ahead, mailbox, row, INDEX_BY_ROW);
  begin(ahead, mailbox, row, INDEX_BY_NAME);
}
