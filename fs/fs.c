/* SPDX-License-Identifier: MIT */
/*
 * The mounted filesystem: what is agreed with the kernel, who runs, and in what order it ends.
 *
 *   workers (6)   read requests; ask the cache; reply or park              session.c, call.c
 *   park          deadlines and interrupts                                 park.c
 *   answerer      events of the cache → replies, notices                   answer.c
 *   notifiers (4) tell the kernel what to forget                           notify.c
 *
 * Attributes and names are valid until we say otherwise, and data too (EXPLICIT_INVAL_DATA, no AUTO_INVAL_DATA).
 * READDIRPLUS always, so that `ls -l` is one question per buffer. ASYNC_READ is off: with it a reader that handles
 * Ctrl-C would wait out its read-ahead. No WRITEBACK_CACHE: sizes and times are ours.
 *
 * The end: the park closes first and fails all that wait; the notifiers end while requests are still served, because
 * one of them may be waiting for a lock that a request holds; then the workers; then what is still open for writing is
 * kept; then the mount; then the caller stops the cache, which ends the answerer.
 */
#define G_LOG_DOMAIN "fs"
#include "fs/fs.h"

#include <errno.h>

#include "fs/answer.h"
#include "fs/attr.h"
#include "fs/call.h"
#include "fs/change.h"
#include "fs/dir.h"
#include "fs/file.h"
#include "fs/write.h"
#include "fs/xattr.h"

#define FS_WORKERS 6
#define FS_BACKGROUND 64 /* requests that the kernel sends without waiting: the default of 12 are soon used up */

G_DEFINE_QUARK(imapfs_fs_error_quark, fs_error)

static void do_init(void *userdata, struct fuse_conn_info *conn) {
  static const unsigned wanted = FUSE_CAP_READDIRPLUS | FUSE_CAP_EXPLICIT_INVAL_DATA | FUSE_CAP_EXPORT_SUPPORT |
                                 FUSE_CAP_SPLICE_WRITE | FUSE_CAP_ATOMIC_O_TRUNC;
  static const unsigned unwanted = FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_ASYNC_READ |
                                   FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_SPLICE_READ;
  (void)userdata;
  conn->want = (conn->want | (conn->capable & wanted)) & ~unwanted;
  conn->max_background = FS_BACKGROUND;
  conn->congestion_threshold = FS_BACKGROUND * 3 / 4;
}

static struct fuse_session *session_new(const FsConfig *config, Fs *fs) {
  struct fuse_lowlevel_ops ops = {.init = do_init};
  struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
  char *options = NULL;
  g_autofree char *fsname = g_strconcat("fsname=", config->source, NULL);

  dir_handlers(&ops);
  file_handlers(&ops);
  attr_handlers(&ops);
  write_handlers(&ops);
  change_handlers(&ops);
  xattr_handlers(&ops);
  /* Set-user-id files and devices from a mailbox: never. A comma in the source is escaped. */
  gboolean built = fuse_opt_add_opt(&options, "default_permissions,nosuid,nodev,subtype=imapfs") == 0 &&
                   (!config->read_only || fuse_opt_add_opt(&options, "ro") == 0) &&
                   fuse_opt_add_opt_escaped(&options, fsname) == 0 &&
                   (!config->options || !*config->options || fuse_opt_add_opt(&options, config->options) == 0) &&
                   fuse_opt_add_arg(&args, "imapfs") == 0 && fuse_opt_add_arg(&args, "-o") == 0 &&
                   fuse_opt_add_arg(&args, options) == 0;
  struct fuse_session *session = built ? fuse_session_new(&args, &ops, sizeof ops, fs) : NULL;
  free(options);
  fuse_opt_free_args(&args);
  return session;
}

static gint64 heard(gpointer data) {
  return cache_heard(data);
}

static Fs *fs_new(const FsConfig *config, Cache *cache) {
  Fs *fs = g_new0(Fs, 1);
  fs->cache = cache;
  fs->root = cache_root(cache);
  fs->uid = config->uid;
  fs->gid = config->gid;
  fs->timeout = (gint64)config->timeout * G_USEC_PER_SEC;
  fs->trace = config->trace;
  fs->read_only = config->read_only;
  g_mutex_init(&fs->mutex);
  g_cond_init(&fs->quiet);
  fs->stale = stale_new();
  fs->files = files_new();
  fs->park = park_new(heard, cache);
  return fs;
}

static void fs_discard(Fs *fs) {
  park_free(fs->park);
  files_free(fs->files);
  stale_free(fs->stale);
  g_clear_pointer(&fs->session, session_free);
  g_clear_pointer(&fs->fuse, fuse_session_destroy);
  g_mutex_clear(&fs->mutex);
  g_cond_clear(&fs->quiet);
  g_free(fs);
}

static void on_arrival(const struct fuse_in_header *request, gpointer data) {
  Fs *fs = data;
  if (request->opcode == FUSE_RELEASE)
    stale_expect(fs->stale, request->nodeid);
}

/* Before the workers start: they find all there. */
static gboolean fs_start(Fs *fs, const FsConfig *config, GError **error) {
  fs->fuse = session_new(config, fs);
  if (!fs->fuse || fuse_session_mount(fs->fuse, config->mountpoint) != 0) {
    g_set_error(error, FS_ERROR, FS_ERROR_MOUNT, "cannot mount on %s", config->mountpoint);
    return FALSE;
  }
  fs->notify = notify_new(fs->fuse, fs->root, fs->stale);
  fs->session = session_start(fs->fuse, FS_WORKERS, on_arrival, fs);
  if (!fs->session) {
    g_set_error(error, FS_ERROR, FS_ERROR_MOUNT, "cannot serve %s: %s", config->mountpoint, g_strerror(errno));
    fuse_session_unmount(fs->fuse);
    notify_stop(fs->notify);
    notify_free(fs->notify);
    return FALSE;
  }
  fs->answerer = g_thread_new("answer", answer_run, fs);
  return TRUE;
}

Fs *fs_mount(const FsConfig *config, Cache *cache, GError **error) {
  Fs *fs = fs_new(config, cache);
  if (fs_start(fs, config, error))
    return fs;
  park_close(fs->park);
  fs_discard(fs);
  return NULL;
}

void fs_wait(Fs *fs) {
  session_wait(fs->session);
}

void fs_retry(Fs *fs) {
  cache_retry(fs->cache);
}

void fs_describe(Fs *fs) {
  g_autofree char *text = cache_describe(fs->cache);
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  for (char **line = lines; *line; line++)
    if (**line)
      g_message("%s", *line);
  g_message("requests waiting: %u", fs_waiting(fs));
}

void fs_quit(Fs *fs) {
  session_quit(fs->session);
}

void fs_unmount(Fs *fs) {
  park_close(fs->park);
  notify_stop(fs->notify);
  session_stop(fs->session);
  call_await_quiet(fs); /* unmounting closes the device that they are answered on */
  files_close(fs->files);
  fuse_session_unmount(fs->fuse);
}

void fs_free(Fs *fs) {
  g_thread_join(fs->answerer);
  notify_free(fs->notify);
  fs_discard(fs);
}

guint fs_waiting(Fs *fs) {
  return park_waiting(fs->park);
}
