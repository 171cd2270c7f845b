/* SPDX-License-Identifier: MIT */
/*
 * News for the kernel wait in one queue per directory (or per file, for its attributes), and a few threads take turns:
 * a queue is worked on by one thread at a time, in order. To forget a name the kernel takes the lock of its directory,
 * which a READDIR or a LOOKUP may hold for as long as a request waits. A directory that is stuck so holds up one thread
 * and no other directory.
 *
 * Rules of the kernel that were learnt the hard way: a name it does not hold is ENOENT, and then the directory itself
 * has not been touched, so the directory is always invalidated too; with an offset of -1 only attributes go and no lock
 * is taken; with offset 0 the pages go, which waits for pages being read.
 */
#define G_LOG_DOMAIN "fs"
#include "fs/notify.h"

#include <errno.h>
#include <string.h>

#include "fs/inode.h"

#define NOTIFY_THREADS 4

typedef struct {
  CacheEventType type;
  guint64 ino;
  char *name; /* REMOVED, MOVED */
} Notice;

typedef struct {
  guint64 ino;      /* of the directory, or of the file whose attributes changed */
  GQueue notices;   /* of Notice */
  gboolean changed; /* the directory itself is to be invalidated, after its notices */
} Line;

struct _Notify {
  struct fuse_session *fuse;
  gint64 root;
  Stale *stale;
  GThread *threads[NOTIFY_THREADS];

  GMutex mutex; /* guards all below */
  GCond wake;
  GHashTable *lines; /* &ino → Line */
  GQueue ready;      /* of Line: something to do and nobody at it */
  gboolean stopped;
};

static void notice_free(gpointer data) {
  Notice *notice = data;
  g_free(notice->name);
  g_free(notice);
}

static void line_free(gpointer data) {
  Line *line = data;
  g_queue_clear_full(&line->notices, notice_free);
  g_free(line);
}

/* Attributes and octets. A new size is of no use with old pages. */
static void tell_file(Notify *notify, guint64 ino) {
  guint mark = stale_telling(notify->stale, ino);
  fuse_lowlevel_notify_inval_inode(notify->fuse, ino, 0, 0);
  stale_told(notify->stale, ino, mark);
}

static void tell_directory(Notify *notify, guint64 ino) {
  fuse_lowlevel_notify_inval_inode(notify->fuse, ino, -1, 0);
}

static void tell_removed(Notify *notify, guint64 parent, const Notice *notice) {
  gsize len = strlen(notice->name);
  int result = fuse_lowlevel_notify_delete(notify->fuse, parent, notice->ino, notice->name, len);
  if (result != 0 && result != -ENOENT) /* a folder with mounts or open files below it */
    fuse_lowlevel_notify_inval_entry(notify->fuse, parent, notice->name, len);
  fuse_lowlevel_notify_inval_inode(notify->fuse, notice->ino, -1, 0); /* the link count */
}

/* notify_delete would mark the folder itself as dead, for everybody who stands in it, also under its new name. */
static void tell_moved(Notify *notify, guint64 parent, const Notice *notice) {
  fuse_lowlevel_notify_inval_entry(notify->fuse, parent, notice->name, strlen(notice->name));
}

/* Takes the next piece of work of a line. FALSE: none. */
static gboolean next_notice(Line *line, Notice **ret) {
  *ret = g_queue_pop_head(&line->notices);
  if (*ret)
    return TRUE;
  gboolean changed = line->changed;
  line->changed = FALSE;
  return changed;
}

static void tell(Notify *notify, guint64 ino, Notice *notice) {
  if (!notice)
    tell_directory(notify, ino);
  else if (notice->type == CACHE_EVENT_ATTR)
    tell_file(notify, ino);
  else if (notice->type == CACHE_EVENT_MOVED)
    tell_moved(notify, ino, notice);
  else
    tell_removed(notify, ino, notice);
}

static gpointer run(gpointer data) {
  Notify *notify = data;
  Notice *notice;

  g_mutex_lock(&notify->mutex);
  for (;;) {
    while (!notify->stopped && g_queue_is_empty(&notify->ready))
      g_cond_wait(&notify->wake, &notify->mutex);
    if (notify->stopped)
      break;
    Line *line = g_queue_pop_head(&notify->ready);
    while (!notify->stopped && next_notice(line, &notice)) {
      g_mutex_unlock(&notify->mutex);
      tell(notify, line->ino, notice);
      g_clear_pointer(&notice, notice_free);
      g_mutex_lock(&notify->mutex);
    }
    g_hash_table_remove(notify->lines, &line->ino);
  }
  g_mutex_unlock(&notify->mutex);
  return NULL;
}

Notify *notify_new(struct fuse_session *fuse, gint64 root, Stale *stale) {
  Notify *notify = g_new0(Notify, 1);
  notify->fuse = fuse;
  notify->root = root;
  notify->stale = stale;
  g_mutex_init(&notify->mutex);
  g_cond_init(&notify->wake);
  notify->lines = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, line_free);
  for (guint i = 0; i < NOTIFY_THREADS; i++)
    notify->threads[i] = g_thread_new("notify", run, notify);
  return notify;
}

/* With the mutex held. */
static Line *get_line(Notify *notify, guint64 ino) {
  Line *line = g_hash_table_lookup(notify->lines, &ino);
  if (!line) {
    line = g_new0(Line, 1);
    line->ino = ino;
    g_hash_table_insert(notify->lines, &line->ino, line);
    g_queue_push_tail(&notify->ready, line);
    g_cond_signal(&notify->wake);
  }
  return line;
}

static void add_notice(Line *line, CacheEventType type, guint64 ino, const char *name) {
  Notice *notice = g_new0(Notice, 1);
  notice->type = type;
  notice->ino = ino;
  notice->name = g_strdup(name);
  g_queue_push_tail(&line->notices, notice);
}

/* With the mutex held. One is as good as many. */
static void add_file(Notify *notify, guint64 ino) {
  Line *line = get_line(notify, ino);
  if (g_queue_is_empty(&line->notices))
    add_notice(line, CACHE_EVENT_ATTR, ino, NULL);
}

static void push_data(Notify *notify, guint64 ino, StaleState state) {
  stale_mark(notify->stale, ino, state);
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&notify->mutex);
  if (!notify->stopped)
    add_file(notify, ino);
}

void notify_data(Notify *notify, guint64 ino) {
  fuse_lowlevel_notify_inval_inode(notify->fuse, ino, -1, 0);
  push_data(notify, ino, STALE_SIZE);
}

void notify_push(Notify *notify, const CacheEvent *event) {
  CacheKind kind = event->type == CACHE_EVENT_CHANGED ? CACHE_FOLDER : event->kind;
  guint64 ino = inode_number(notify->root, kind, event->row);
  if (event->type == CACHE_EVENT_DATA) {
    push_data(notify, ino, STALE_PAGES);
    return;
  }
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&notify->mutex);

  if (notify->stopped)
    return;
  if (event->type == CACHE_EVENT_CHANGED)
    get_line(notify, ino)->changed = TRUE;
  else if (event->type != CACHE_EVENT_ATTR && event->parent > 0 && event->name) {
    Line *line = get_line(notify, inode_number(notify->root, CACHE_FOLDER, event->parent));
    add_notice(line, event->type, ino, event->name);
    line->changed = TRUE;
  } else if (event->type == CACHE_EVENT_ATTR) {
    add_file(notify, ino);
  }
}

void notify_stop(Notify *notify) {
  g_mutex_lock(&notify->mutex);
  notify->stopped = TRUE;
  g_cond_broadcast(&notify->wake);
  g_mutex_unlock(&notify->mutex);
  for (guint i = 0; i < NOTIFY_THREADS; i++)
    g_thread_join(notify->threads[i]);
}

void notify_free(Notify *notify) {
  g_queue_clear(&notify->ready);
  g_hash_table_unref(notify->lines);
  g_mutex_clear(&notify->mutex);
  g_cond_clear(&notify->wake);
  g_free(notify);
}
