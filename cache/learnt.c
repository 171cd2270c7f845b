/* SPDX-License-Identifier: MIT */
/*
 * A quota that was heard counts down by what we add, until it is heard again. It may fall behind what others do: one
 * that leaves room costs a refusal by the server at worst, and one that leaves none is not believed for long.
 */
#include "cache/learnt.h"

#define RIGHTS_EVERY (G_GINT64_CONSTANT(3600) * G_USEC_PER_SEC)
#define QUIET (5 * G_USEC_PER_SEC)
#define QUOTA_EVERY (120 * G_USEC_PER_SEC)
#define WAITING_FOR (2 * G_USEC_PER_SEC)
#define QUOTA_AGAIN (5 * G_USEC_PER_SEC) /* after it changed, or while it is used up */

typedef struct {
  ImapQuota quota;
  gint64 told;      /* monotonic */
  gboolean changed; /* by us, since */
} Root;

typedef struct {
  gint64 mailbox;
  gint64 rights;  /* monotonic: when they were asked for; 0: never */
  gint64 stirred; /* monotonic; 0: never */
  gint64 until;   /* monotonic: put off; 0: it is not */
  Root *root;     /* or NULL */
} Entry;

struct _Learnt {
  gint64 (*now)(void);
  GMutex mutex; /* guards all below */
  GHashTable *entries;
  GPtrArray *roots;
  const Root *last;
  guint64 waiting;
  gint64 waiting_told; /* monotonic; 0: never */
};

Learnt *learnt_new(gint64 (*now)(void)) {
  Learnt *learnt = g_new0(Learnt, 1);
  learnt->now = now ? now : g_get_monotonic_time;
  learnt->entries = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
  learnt->roots = g_ptr_array_new_with_free_func(g_free);
  g_mutex_init(&learnt->mutex);
  return learnt;
}

void learnt_free(Learnt *learnt) {
  if (!learnt)
    return;
  g_hash_table_unref(learnt->entries);
  g_ptr_array_unref(learnt->roots);
  g_mutex_clear(&learnt->mutex);
  g_free(learnt);
}

/* With the mutex held. */
static Entry *entry_of(Learnt *learnt, gint64 mailbox) {
  Entry *entry = g_hash_table_lookup(learnt->entries, &mailbox);
  if (entry)
    return entry;
  entry = g_new0(Entry, 1);
  entry->mailbox = mailbox;
  g_hash_table_insert(learnt->entries, &entry->mailbox, entry);
  return entry;
}

/* ---- rights ------------------------------------------------------------------------------------------------- */

gboolean learnt_rights_due(Learnt *learnt, gint64 mailbox) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&learnt->mutex);
  const Entry *entry = entry_of(learnt, mailbox);
  return entry->rights == 0 || learnt->now() - entry->rights >= RIGHTS_EVERY;
}

void learnt_rights_asked(Learnt *learnt, gint64 mailbox) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&learnt->mutex);
  Entry *entry = entry_of(learnt, mailbox);
  entry->rights = learnt->now();
  entry->until = 0;
}

void learnt_rights_doubted(Learnt *learnt, gint64 mailbox) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&learnt->mutex);
  entry_of(learnt, mailbox)->rights = 0;
}

/* ---- what is put off --------------------------------------------------------------------------------------- */

void learnt_stirred(Learnt *learnt, gint64 mailbox) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&learnt->mutex);
  entry_of(learnt, mailbox)->stirred = learnt->now();
}

gboolean learnt_is_quiet(Learnt *learnt, gint64 mailbox) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&learnt->mutex);
  const Entry *entry = entry_of(learnt, mailbox);
  return entry->stirred == 0 || learnt->now() - entry->stirred >= QUIET;
}

void learnt_put_off(Learnt *learnt, gint64 mailbox) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&learnt->mutex);
  entry_of(learnt, mailbox)->until = learnt->now() + QUIET;
}

/* With the mutex held. */
static Entry *first_put_off(Learnt *learnt) {
  Entry *first = NULL;
  GHashTableIter iter;
  gpointer value;
  g_hash_table_iter_init(&iter, learnt->entries);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    Entry *entry = value;
    if (entry->until != 0 && (!first || entry->until < first->until))
      first = entry;
  }
  return first;
}

gint64 learnt_put_off_until(Learnt *learnt) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&learnt->mutex);
  const Entry *first = first_put_off(learnt);
  return first ? first->until : 0;
}

gint64 learnt_take(Learnt *learnt) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&learnt->mutex);
  Entry *first = first_put_off(learnt);
  if (!first || first->until > learnt->now())
    return 0;
  first->until = 0;
  return first->mailbox;
}

/* ---- quota --------------------------------------------------------------------------------------------------- */

static gboolean is_used_up(const ImapQuota *quota) {
  return (quota->has_storage && quota->storage >= quota->storage_limit) ||
         (quota->has_messages && quota->messages >= quota->messages_limit);
}

static gboolean same_root(const ImapQuota *a, const ImapQuota *b) {
  return a->has_storage == b->has_storage && a->has_messages == b->has_messages &&
         a->storage_limit == b->storage_limit && a->messages_limit == b->messages_limit;
}

static Root *root_of(Learnt *learnt, const ImapQuota *quota) {
  for (guint i = 0; i < learnt->roots->len; i++) {
    Root *root = learnt->roots->pdata[i];
    if (same_root(&root->quota, quota))
      return root;
  }
  Root *root = g_new0(Root, 1);
  g_ptr_array_add(learnt->roots, root);
  return root;
}

gboolean learnt_quota_due(Learnt *learnt, gint64 mailbox) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&learnt->mutex);
  const Root *root = entry_of(learnt, mailbox)->root;
  if (!root)
    return TRUE;
  gboolean soon = root->changed || is_used_up(&root->quota);
  return learnt->now() - root->told >= (soon ? QUOTA_AGAIN : QUOTA_EVERY);
}

void learnt_quota_told(Learnt *learnt, gint64 mailbox, const ImapQuota *quota) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&learnt->mutex);
  Root *root = root_of(learnt, quota);
  *root = (Root){.quota = *quota, .told = learnt->now()};
  entry_of(learnt, mailbox)->root = root;
  learnt->last = root;
}

void learnt_quota_spent(Learnt *learnt, gint64 mailbox, guint64 octets, guint64 messages) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&learnt->mutex);
  Root *root = entry_of(learnt, mailbox)->root;
  if (!root)
    return;
  root->changed = TRUE;
  root->quota.storage += MIN(octets, G_MAXUINT64 - root->quota.storage);
  root->quota.messages += MIN(messages, G_MAXUINT64 - root->quota.messages);
}

void learnt_quota(Learnt *learnt, gint64 mailbox, ImapQuota *ret) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&learnt->mutex);
  const Root *root = entry_of(learnt, mailbox)->root;
  *ret = root ? root->quota : (ImapQuota){0};
}

void learnt_last_quota(Learnt *learnt, ImapQuota *ret) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&learnt->mutex);
  *ret = learnt->last ? learnt->last->quota : (ImapQuota){0};
}

gboolean learnt_waiting(Learnt *learnt, guint64 *ret) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&learnt->mutex);
  *ret = learnt->waiting;
  return learnt->waiting_told != 0 && learnt->now() - learnt->waiting_told < WAITING_FOR;
}

void learnt_waiting_told(Learnt *learnt, guint64 octets) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&learnt->mutex);
  learnt->waiting = octets;
  learnt->waiting_told = learnt->now();
}
