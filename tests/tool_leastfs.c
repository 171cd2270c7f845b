/* SPDX-License-Identifier: MIT */
/*
 * leastfs DIRECTORY MOUNTPOINT: the floor for a FUSE filesystem of files on disk. Serves the regular files of one
 * directory: names and attributes from memory, OPEN by openat(), READ by splice, unlimited timeouts, the page cache
 * kept, several threads, no database, no network. Stays in front; SIGTERM ends it.
 */
#include "tests/lib/net.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOREVER (365 * 86400.0)

typedef struct {
  char *name;
  struct stat st;
} File;

typedef struct {
  int dir;
  GArray *files; /* File by name; its inode is its index + 2 */
  GHashTable *by_name;
  struct stat root;
} Least;

static Least *least(fuse_req_t req) {
  return fuse_req_userdata(req);
}

static File *file_of(fuse_req_t req, fuse_ino_t ino) {
  return &g_array_index(least(req)->files, File, ino - 2);
}

static struct fuse_entry_param entry_of(const File *file) {
  return (struct fuse_entry_param){
      .ino = file->st.st_ino, .attr = file->st, .attr_timeout = FOREVER, .entry_timeout = FOREVER};
}

static void least_init(void *data G_GNUC_UNUSED, struct fuse_conn_info *conn) {
  conn->want |= conn->capable & (FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE | FUSE_CAP_READDIRPLUS);
  conn->want &= ~(unsigned)(FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_AUTO_INVAL_DATA);
}

static void least_lookup(fuse_req_t req, fuse_ino_t parent G_GNUC_UNUSED, const char *name) {
  gpointer index;
  if (!g_hash_table_lookup_extended(least(req)->by_name, name, NULL, &index)) {
    fuse_reply_err(req, ENOENT);
    return;
  }
  struct fuse_entry_param entry = entry_of(&g_array_index(least(req)->files, File, GPOINTER_TO_UINT(index)));
  fuse_reply_entry(req, &entry);
}

static void least_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info G_GNUC_UNUSED) {
  fuse_reply_attr(req, ino == FUSE_ROOT_ID ? &least(req)->root : &file_of(req, ino)->st, FOREVER);
}

static void least_opendir(fuse_req_t req, fuse_ino_t ino G_GNUC_UNUSED, struct fuse_file_info *info) {
  info->cache_readdir = info->keep_cache = 1;
  fuse_reply_open(req, info);
}

static void list(fuse_req_t req, size_t size, off_t offset, gboolean plus) {
  g_autofree char *buffer = g_malloc(size);
  GArray *files = least(req)->files;
  size_t used = 0;
  for (guint i = (guint)offset; i < files->len; i++) {
    const File *file = &g_array_index(files, File, i);
    struct fuse_entry_param entry = entry_of(file);
    size_t need = plus ? fuse_add_direntry_plus(req, buffer + used, size - used, file->name, &entry, (off_t)i + 1)
                       : fuse_add_direntry(req, buffer + used, size - used, file->name, &file->st, (off_t)i + 1);
    if (need > size - used)
      break;
    used += need;
  }
  fuse_reply_buf(req, buffer, used);
}

static void least_readdir(fuse_req_t req, fuse_ino_t ino G_GNUC_UNUSED, size_t size, off_t offset,
                          struct fuse_file_info *info G_GNUC_UNUSED) {
  list(req, size, offset, FALSE);
}

static void least_readdirplus(fuse_req_t req, fuse_ino_t ino G_GNUC_UNUSED, size_t size, off_t offset,
                              struct fuse_file_info *info G_GNUC_UNUSED) {
  list(req, size, offset, TRUE);
}

static void least_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info) {
  int fd = openat(least(req)->dir, file_of(req, ino)->name, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    fuse_reply_err(req, errno);
    return;
  }
  info->fh = (guint64)fd;
  info->keep_cache = info->noflush = 1;
  if (fuse_reply_open(req, info) == -ENOENT)
    close(fd);
}

static void least_read(fuse_req_t req, fuse_ino_t ino G_GNUC_UNUSED, size_t size, off_t offset,
                       struct fuse_file_info *info) {
  struct fuse_bufvec data = FUSE_BUFVEC_INIT(size);
  data.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
  data.buf[0].fd = (int)info->fh;
  data.buf[0].pos = offset;
  fuse_reply_data(req, &data, FUSE_BUF_SPLICE_MOVE);
}

static void least_release(fuse_req_t req, fuse_ino_t ino G_GNUC_UNUSED, struct fuse_file_info *info) {
  close((int)info->fh);
  fuse_reply_err(req, 0);
}

static gint by_name(gconstpointer a, gconstpointer b) {
  return strcmp(((const File *)a)->name, ((const File *)b)->name);
}

static void scan(Least *fs, const char *path) {
  fs->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *dir = fs->dir < 0 ? NULL : fdopendir(dup(fs->dir));
  if (!dir)
    net_die("%s: %s", path, g_strerror(errno));
  fs->files = g_array_new(FALSE, FALSE, sizeof(File));
  for (struct dirent *d; (d = readdir(dir));) {
    File file;
    if (fstatat(fs->dir, d->d_name, &file.st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(file.st.st_mode))
      continue;
    file.name = g_strdup(d->d_name);
    g_array_append_val(fs->files, file);
  }
  closedir(dir);
  g_array_sort(fs->files, by_name);
  fs->by_name = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < fs->files->len; i++) {
    File *file = &g_array_index(fs->files, File, i);
    file->st.st_ino = i + 2;
    g_hash_table_insert(fs->by_name, file->name, GUINT_TO_POINTER(i));
  }
  fs->root = (struct stat){.st_ino = FUSE_ROOT_ID, .st_mode = S_IFDIR | 0755, .st_nlink = 2};
}

int main(int argc, char **argv) {
  const struct fuse_lowlevel_ops ops = {.init = least_init,
                                        .lookup = least_lookup,
                                        .getattr = least_getattr,
                                        .opendir = least_opendir,
                                        .readdir = least_readdir,
                                        .readdirplus = least_readdirplus,
                                        .open = least_open,
                                        .read = least_read,
                                        .release = least_release};
  const GOptionEntry none[] = {{0}};
  char *fuse_argv[] = {argv[0], "-ofsname=leastfs,subtype=leastfs,default_permissions", NULL};
  struct fuse_args args = FUSE_ARGS_INIT(2, fuse_argv);
  Least fs;
  net_options(&argc, &argv, none, "DIRECTORY MOUNTPOINT", 2);
  scan(&fs, argv[1]);
  struct fuse_session *session = fuse_session_new(&args, &ops, sizeof ops, &fs);
  if (!session || fuse_set_signal_handlers(session) != 0 || fuse_session_mount(session, argv[2]) != 0)
    net_die("cannot mount on %s", argv[2]);
  struct fuse_loop_config *config = fuse_loop_cfg_create();
  fuse_loop_cfg_set_clone_fd(config, 0);
  int rc = fuse_session_loop_mt(session, config);
  fuse_loop_cfg_destroy(config);
  fuse_session_unmount(session);
  fuse_remove_signal_handlers(session);
  fuse_session_destroy(session);
  return rc < 0;
}
