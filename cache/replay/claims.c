/* SPDX-License-Identifier: MIT */
/*
 * A set of mailboxes that are held, and a list of those who wait to take some. Who tries is turned away also where
 * somebody waits to take it: who changes mail goes before who looks at it, and a folder that is looked at again and
 * again cannot keep him out. Each that was turned away is told once, when the mailbox is neither held nor waited for.
 */
#include "cache/replay/claims.h"

typedef struct {
  gint64 mailbox, other;
} Taker;

struct _Claims {
  void (*freed)(gint64 mailbox, gpointer data);
  gpointer data;
  GMutex mutex; /* guards all below */
  GCond cond;
  GHashTable *held;   /* gint64 */
  GHashTable *wanted; /* gint64: tried in vain */
  GList *takers;      /* Taker */
};

Claims *claims_new(void (*freed)(gint64 mailbox, gpointer data), gpointer data) {
  Claims *claims = g_new0(Claims, 1);
  claims->freed = freed;
  claims->data = data;
  claims->held = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
  claims->wanted = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
  g_mutex_init(&claims->mutex);
  g_cond_init(&claims->cond);
  return claims;
}

void claims_free(Claims *claims) {
  if (!claims)
    return;
  g_hash_table_unref(claims->held);
  g_hash_table_unref(claims->wanted);
  g_cond_clear(&claims->cond);
  g_mutex_clear(&claims->mutex);
  g_free(claims);
}

/* ---- with the mutex held ------------------------------------------------------------------------------------ */

static gboolean is_held(Claims *claims, gint64 mailbox) {
  return mailbox != 0 && g_hash_table_contains(claims->held, &mailbox);
}

static gboolean is_awaited(Claims *claims, gint64 mailbox) {
  for (const GList *link = claims->takers; link; link = link->next) {
    const Taker *taker = link->data;
    if (taker->mailbox == mailbox || taker->other == mailbox)
      return TRUE;
  }
  return FALSE;
}

static void add(GHashTable *set, gint64 mailbox) {
  if (mailbox != 0)
    g_hash_table_add(set, g_memdup2(&mailbox, sizeof mailbox));
}

/* The mailbox, where somebody is to be told that it is free; else 0. */
static gint64 take_news(Claims *claims, gint64 mailbox) {
  gboolean is_free = !is_held(claims, mailbox) && !is_awaited(claims, mailbox);
  return is_free && g_hash_table_remove(claims->wanted, &mailbox) ? mailbox : 0;
}

/* ---- without ------------------------------------------------------------------------------------------------ */

static void tell(Claims *claims, gint64 mailbox, gint64 other) {
  if (mailbox != 0 && claims->freed)
    claims->freed(mailbox, claims->data);
  if (other != 0 && other != mailbox && claims->freed)
    claims->freed(other, claims->data);
}

gboolean claims_try(Claims *claims, gint64 mailbox) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&claims->mutex);
  gboolean is_free = !is_held(claims, mailbox) && !is_awaited(claims, mailbox);
  add(is_free ? claims->held : claims->wanted, mailbox);
  return is_free;
}

gboolean claims_contended(Claims *claims, gint64 mailbox) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&claims->mutex);
  return is_awaited(claims, mailbox);
}

static void on_cancelled(GCancellable *cancellable, gpointer data) {
  Claims *claims = data;
  (void)cancellable;
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&claims->mutex);
  g_cond_broadcast(&claims->cond);
}

/* TRUE: they are ours. *news: who is to be told where they are not, and never will be. */
static gboolean wait_and_take(Claims *claims, Taker *taker, GCancellable *cancellable, Taker *news) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&claims->mutex);
  claims->takers = g_list_append(claims->takers, taker);
  while (!g_cancellable_is_cancelled(cancellable) && (is_held(claims, taker->mailbox) || is_held(claims, taker->other)))
    g_cond_wait(&claims->cond, &claims->mutex);
  claims->takers = g_list_remove(claims->takers, taker);
  gboolean taken = !g_cancellable_is_cancelled(cancellable);
  if (taken) {
    add(claims->held, taker->mailbox);
    add(claims->held, taker->other);
  } else {
    *news = (Taker){take_news(claims, taker->mailbox), take_news(claims, taker->other)};
  }
  return taken;
}

gboolean claims_take(Claims *claims, gint64 mailbox, gint64 other, GCancellable *cancellable) {
  Taker taker = {mailbox, other == mailbox ? 0 : other}, news = {0};
  gulong handler = cancellable ? g_cancellable_connect(cancellable, G_CALLBACK(on_cancelled), claims, NULL) : 0;
  gboolean taken = wait_and_take(claims, &taker, cancellable, &news);
  if (handler != 0)
    g_cancellable_disconnect(cancellable, handler);
  tell(claims, news.mailbox, news.other);
  return taken;
}

static Taker release(Claims *claims, gint64 mailbox, gint64 other) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&claims->mutex);
  g_hash_table_remove(claims->held, &mailbox);
  g_hash_table_remove(claims->held, &other);
  g_cond_broadcast(&claims->cond);
  return (Taker){take_news(claims, mailbox), take_news(claims, other)};
}

void claims_release(Claims *claims, gint64 mailbox, gint64 other) {
  Taker news = release(claims, mailbox, other);
  tell(claims, news.mailbox, news.other);
}
