/* SPDX-License-Identifier: MIT */
/*
 * What is asked for next. A lane keeps to one mailbox while it can, because to change means to let the line run dry;
 * but readers that keep on coming there may overtake the first in line only so often.
 *
 * One message that a server cannot send may cost all that were asked for with it (a NO, or BYE). So those asked for in
 * vain are asked for again a few at a time, and those among them that fail again, one by one.
 */
#include "cache/body/wants_private.h"

#define OVERTAKES 32
#define DOUBTFUL 20 /* of them are asked for at a time */

static WantsEntry *first_in(GQueue *line, WantsKinds kinds, gint64 mailbox) {
  for (GList *link = line->head; link; link = link->next) {
    WantsEntry *entry = link->data;
    if (wants_suits(entry, kinds) && (mailbox == 0 || entry->want.mailbox == mailbox))
      return entry;
  }
  return NULL;
}

static WantsEntry *first_waiting(Wants *wants, WantsKinds kinds, gint64 mailbox) {
  WantsEntry *head = first_in(&wants->waiting, kinds, 0);
  if (!head || mailbox == 0 || head->want.mailbox == mailbox)
    return head;
  return head->overtaken < OVERTAKES ? first_in(&wants->waiting, kinds, mailbox) : NULL;
}

static WantsEntry *first(Wants *wants, WantsKinds kinds, gint64 mailbox) {
  WantsEntry *entry = NULL;
  if (kinds & WANTS_READER)
    entry = first_waiting(wants, kinds, mailbox);
  /* A reader in another folder must not wait until all of this one is read ahead. */
  gboolean elsewhere = !entry && mailbox != 0 && first_in(&wants->waiting, kinds, 0);
  if (!entry && !elsewhere && (kinds & WANTS_AHEAD))
    entry = first_in(&wants->ahead, kinds, mailbox);
  return entry;
}

static void ask(Wants *wants, WantsEntry *entry, WantsKinds kinds, GArray *ret) {
  WantsEntry *head = entry->waiters > 0 ? first_in(&wants->waiting, kinds, 0) : entry;
  head->overtaken += head != entry;
  wants_leave_line(entry);
  entry->asked = TRUE;
  wants->outstanding += entry->want.size;
  g_array_append_val(ret, entry->want);
}

/* How many like this may be asked for at once. */
static guint company(const WantsEntry *entry, guint n) {
  if (entry->want.tries > 0 || entry->want.large)
    return 1;
  return entry->want.doubtful ? MIN(n, DOUBTFUL) : n;
}

static gboolean goes_with(const WantsEntry *first, const WantsEntry *entry) {
  return !first || (company(entry, 2) > 1 && entry->want.doubtful == first->want.doubtful);
}

guint wants_take(Wants *wants, WantsKinds kinds, gint64 mailbox, guint64 bytes, guint n, GArray *ret) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&wants->mutex);
  gboolean in_flight = mailbox != 0;
  WantsEntry *head = NULL;
  guint taken = 0;
  guint64 sum = 0;
  while (taken < n) {
    WantsEntry *entry = first(wants, kinds, mailbox);
    if (!entry || (entry->want.doubtful && in_flight) || !goes_with(head, entry) ||
        (head && sum + entry->want.size > bytes))
      break;
    n = company(entry, n);
    mailbox = entry->want.mailbox;
    sum += entry->want.size;
    taken++;
    ask(wants, entry, kinds, ret);
    entry->alone = FALSE;
    head = head ? head : entry;
  }
  if (taken == 1)
    head->alone = TRUE;
  return taken;
}

gboolean wants_await(Wants *wants, WantsKinds kinds) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&wants->mutex);
  while (!wants->closed && !first(wants, kinds, 0))
    g_cond_wait(&wants->cond, &wants->mutex);
  return !wants->closed;
}
