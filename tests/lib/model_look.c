/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/model.h"

#define MOST_HANDLES 16

/* ---- reads through the mount ------------------------------------------------------------------------------ */

static gboolean is_network(int error) {
  return error == EHOSTUNREACH || error == ETIMEDOUT;
}

/* EPERM where Dovecot says "Mailbox was deleted under us" of the one that was made anew. */
static void expect_error(Model *model, const char *what, const char *path, int error) {
  gboolean renumbered = g_get_monotonic_time() - model->renumbered < model->patience * G_TIME_SPAN_SECOND;
  gboolean may_be =
      error == ENOENT || (is_network(error) && model->cut) || ((error == EBUSY || error == EPERM) && renumbered);
  if (!may_be)
    model_broken(model, "%s %s: %s", what, path, g_strerror(error));
}

/* Reads `len` octets from `at` on, as far as there are so many. FALSE: an error that may be. */
static gboolean check_read(Model *model, const char *path, int fd, guint32 serial, gsize at, gsize len, gboolean must) {
  g_autoptr(GString) text = letter_compose(serial);
  g_autofree char *got = g_malloc(len);
  ssize_t n = pread(fd, got, len, (off_t)at);
  model->n_looks++;
  if (n < 0) {
    if (must)
      model_broken(model, "%s could be read, and no longer: %s", path, g_strerror(errno));
    expect_error(model, "read", path, errno);
    return FALSE;
  }
  gsize expected = at < text->len ? MIN(len, text->len - at) : 0;
  if ((gsize)n != expected || memcmp(got, text->str + MIN(at, text->len), expected) != 0)
    model_broken(model, "%s (m-%u): %zd octets from %zu on are not the %zu that should be there", path, serial, n, at,
                 expected);
  return TRUE;
}

static void look_at_handle(Model *model) {
  guint which = random_below(&model->looks, model->handles->len);
  if (model->handles->len == 0)
    return;
  Handle *handle = &g_array_index(model->handles, Handle, which);
  guint64 size = model_size(model, handle->serial);
  if (check_read(model, "an open file", handle->fd, handle->serial, random_below(&model->looks, (guint)size + 10),
                 1 + random_below(&model->looks, 70000), handle->served))
    handle->served = TRUE;
  if (random_below(&model->looks, 4) == 0 || model->handles->len > MOST_HANDLES) {
    close(handle->fd);
    g_array_remove_index_fast(model->handles, which);
  }
}

static void look_at_letter(Model *model, const char *path, guint32 serial) {
  struct stat st;
  model->n_looks++;
  if (stat(path, &st) < 0) {
    expect_error(model, "stat", path, errno);
    return;
  }
  model_check_stat(model, path, serial, &st);
  if (random_below(&model->looks, 2) == 0)
    return;
  Handle handle = {.fd = open(path, O_RDONLY | O_CLOEXEC), .serial = serial};
  if (handle.fd < 0) {
    expect_error(model, "open", path, errno);
    return;
  }
  handle.served = check_read(model, path, handle.fd, serial, 0, 500000, FALSE);
  g_array_append_val(model->handles, handle);
  if (model->handles->len > MOST_HANDLES)
    look_at_handle(model);
}

/* One directory and a few of its letters. */
static void look_at_folder(Model *model) {
  const Folder *folder = &model->folders[random_below(&model->looks, MODEL_FOLDERS)];
  g_autofree char *path = g_build_filename(model->mountpoint, folder->name, NULL);
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
  DIR *dir = opendir(path);
  if (!dir) {
    expect_error(model, "opendir", path, errno);
    return;
  }
  g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
  errno = 0;
  for (struct dirent *entry; (entry = readdir(dir)); errno = 0) {
    guint32 serial = letter_serial(entry->d_name);
    if (serial == 0)
      continue;
    if (!g_hash_table_add(seen, GUINT_TO_POINTER(serial)))
      model_broken(model, "%s is seen twice in %s", entry->d_name, path);
    model_check_ino(model, entry->d_name, entry->d_ino, serial);
    g_ptr_array_add(names, g_build_filename(path, entry->d_name, NULL));
  }
  if (errno)
    expect_error(model, "readdir", path, errno);
  closedir(dir);
  for (guint n = MIN(names->len, 4); n > 0; n--) {
    const char *name = names->pdata[random_below(&model->looks, names->len)];
    look_at_letter(model, name, letter_serial(strrchr(name, '/')));
  }
}

void model_look(Model *model) {
  if (random_below(&model->looks, 3) == 0)
    look_at_handle(model);
  else
    look_at_folder(model);
}
