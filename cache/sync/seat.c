/* SPDX-License-Identifier: MIT */
/*
 * Taken and left by the thread that watches, asked by those that change folders. The index is asked without the lock,
 * so the seat may be another by then: that one was chosen later, and is right.
 */
#include "cache/sync/seat.h"

#include "cache/sync/listing.h"

struct _Seat {
  GMutex mutex; /* guards all below */
  gint64 row;   /* 0: nothing */
  char *raw;
  ImapMailbox opened;
  gboolean other; /* by then it was not the mailbox of the row */
};

/* With the mutex held, or the only one who knows it. */
static void clear(Seat *seat) {
  seat->row = 0;
  g_clear_pointer(&seat->raw, g_free);
  imap_mailbox_clear(&seat->opened);
}

Seat *seat_new(void) {
  Seat *seat = g_new0(Seat, 1);
  g_mutex_init(&seat->mutex);
  return seat;
}

void seat_free(Seat *seat) {
  if (!seat)
    return;
  clear(seat);
  g_mutex_clear(&seat->mutex);
  g_free(seat);
}

void seat_leave(Seat *seat) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&seat->mutex);
  clear(seat);
}

void seat_take(Seat *seat, const IndexMailbox *mailbox, ImapMailbox *opened) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&seat->mutex);
  clear(seat);
  seat->row = mailbox->row;
  seat->raw = g_strdup(mailbox->raw);
  seat->other = listing_identity(mailbox, opened) == LISTING_OTHER;
  seat->opened = *opened;
  *opened = (ImapMailbox){0};
}

static gint64 row_of(Seat *seat) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&seat->mutex);
  return seat->row;
}

/* One that is another mailbox each time it is opened is no better after another opening. */
static gboolean is_still(const Seat *seat, const IndexMailbox *mailbox) {
  return g_strcmp0(seat->raw, mailbox->raw) == 0 &&
         (seat->other || listing_identity(mailbox, &seat->opened) != LISTING_OTHER);
}

gboolean seat_is_right(Seat *seat, Index *index) {
  g_auto(IndexMailbox) mailbox = {0};
  gint64 row = row_of(seat);
  if (row == 0)
    return TRUE;
  gboolean found = index_get_mailbox(index, row, &mailbox, NULL);
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&seat->mutex);
  return seat->row != row || (found && is_still(seat, &mailbox));
}
