/* SPDX-License-Identifier: MIT */
/*
 * Someone's mail lies here, so nobody else may read it, nor lead us elsewhere. The parent that XDG or the user names is
 * taken as it is (homes can be symbolic links) unless a stranger could replace what stands in it; what we make below it
 * (imapfs/ACCOUNT) is opened step by step from a held fd, never through a link, and must be ours alone.
 *
 * One process per account: an flock on a file in each of the two directories, which holds pid and mount point for the
 * sentence that the second process says. An flock goes with the process, however that ends; as that takes a moment
 * after the mount has gone, who unmounts and mounts again finds us patient. Who waits says so by a file: a process
 * without a mount, that only sends what is left, then leaves at once.
 */
#include "cache/place.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/error.h"
#include "cache/place_private.h"

#define PATIENCE_MS 2500 /* an unmounted daemon ends within two seconds */
#define LOOK_MS 20

#define WANTED "wanted"
#define WANTED_S 10 /* an older one was left by somebody who was killed while he waited */
#define GUEST "-"   /* in place of the mount point */

static const char *const lock_names[] = {"state.lock", "cache.lock"};
static const char tag[] = "Signature: 8a477f597d28d172789f06886806bc55\n"
                          "# This directory holds copies of mail that imapfs can fetch again.\n";

static gboolean refuse(GError **error, const char *path, const char *why) {
  g_set_error(error, CACHE_ERROR, CACHE_ERROR_CONFIG, "%s %s", path, why);
  return FALSE;
}

static gboolean failed_on(GError **error, const char *what, const char *path) {
  g_autofree char *text = g_strdup_printf("cannot %s %s", what, path);
  return cache_error_errno(error, text);
}

/* ---- where ------------------------------------------------------------------------------------------ */
static char *home(void) {
  const char *set = g_getenv("HOME");
  if (set && g_path_is_absolute(set))
    return g_strdup(set);
  struct passwd entry, *found = NULL;
  char text[16384];
  if (getpwuid_r(geteuid(), &entry, text, sizeof text, &found) == 0 && found && g_path_is_absolute(found->pw_dir))
    return g_strdup(found->pw_dir);
  return NULL;
}

static char *xdg(const char *variable, const char *below_home, GError **error) {
  const char *set = g_getenv(variable);
  if (set && g_path_is_absolute(set)) /* a relative one is to be ignored: XDG base directories, "Basics" */
    return g_strdup(set);
  g_autofree char *at = home();
  if (at)
    return g_build_filename(at, below_home, NULL);
  g_set_error(error, CACHE_ERROR, CACHE_ERROR_CONFIG,
              "no home directory: neither HOME nor the password database names one; use state_dir= and cache_dir=");
  return NULL;
}

/* ---- directories ------------------------------------------------------------------------------------ */
/* The parent of ours. Nobody but root and us may be able to exchange what stands in it. */
static int open_base(const char *path, GError **error) {
  struct stat st;
  int fd = g_mkdir_with_parents(path, 0700) == 0 ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  if (fd < 0 || fstat(fd, &st) != 0) {
    failed_on(error, "open", path);
  } else if (st.st_uid != geteuid() && st.st_uid != 0) {
    refuse(error, path, "belongs to somebody else");
  } else if ((st.st_mode & 022) && !(st.st_mode & S_ISVTX)) {
    refuse(error, path, "can be written by others: run chmod go-w on it");
  } else {
    return fd;
  }
  if (fd >= 0)
    close(fd);
  return -1;
}

/* One directory of ours below an fd, made if need be. Closes `at`. */
static int open_own(int at, const char *name, const char *path, GError **error) {
  struct stat st;
  if (at < 0)
    return -1;
  gboolean made = mkdirat(at, name, 0700) == 0 && fchmodat(at, name, 0700, 0) == 0; /* whatever the umask */
  if (made)
    fsync(at);
  int fd = made || errno == EEXIST ? openat(at, name, PLACE_DIR_FLAGS) : -1;
  if (fd < 0 && (errno == ELOOP || errno == ENOTDIR)) {
    refuse(error, path, "must be a directory, and no symbolic link");
  } else if (fd < 0 || fstat(fd, &st) != 0) {
    failed_on(error, "open", path);
  } else if (st.st_uid != geteuid()) {
    refuse(error, path, "belongs to somebody else");
  } else if (st.st_mode & 022) {
    refuse(error, path, "can be written by others: look who did, then run chmod go-w on it");
  } else if (fchmod(fd, 0700) == 0) {
    close(at);
    return fd;
  } else {
    failed_on(error, "set the mode of", path);
  }
  close(at);
  if (fd >= 0)
    close(fd);
  return -1;
}

/* The directory of the account: BASE/ACCOUNT, or XDG/imapfs/ACCOUNT. */
static int open_account(const char *base, const char *variable, const char *below_home, const char *account,
                        char **ret_path, GError **error) {
  g_autofree char *parent = base ? g_strdup(base) : xdg(variable, below_home, error), *ours = NULL;
  if (!parent)
    return -1;
  int fd = open_base(parent, error);
  if (!base) {
    ours = g_build_filename(parent, "imapfs", NULL);
    fd = open_own(fd, "imapfs", ours, error);
  }
  *ret_path = g_build_filename(ours ? ours : parent, account, NULL);
  return open_own(fd, account, *ret_path, error);
}

/* ---- locks ------------------------------------------------------------------------------------------ */
static gboolean say_locked(int fd, const char *account, GError **error) {
  char text[4200] = "";
  ssize_t n = pread(fd, text, sizeof text - 1, 0);
  g_auto(GStrv) lines = g_strsplit(n > 0 ? text : "", "\n", 3);
  if (g_strv_length(lines) < 2) {
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_LOCKED, "%s is in use by another imapfs", account);
    return FALSE;
  }
  g_autofree char *pid = imap_clean_text(lines[0], -1), *where = imap_clean_text(lines[1], -1);
  if (g_str_equal(where, GUEST)) {
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_LOCKED, "%s is in use: what was changed is still being sent (pid %s)",
                account, pid);
    return FALSE;
  }
  g_set_error(error, CACHE_ERROR, CACHE_ERROR_LOCKED, "%s is mounted at %s already (pid %s)", account, where, pid);
  return FALSE;
}

static void say_wanted(int at) {
  int fd = openat(at, WANTED, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd >= 0) {
    futimens(fd, NULL);
    close(fd);
  }
}

gboolean place_is_wanted(const Place *place) {
  struct stat st;
  return fstatat(place->state_fd, WANTED, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
         ABS(g_get_real_time() / G_USEC_PER_SEC - st.st_mtim.tv_sec) <= WANTED_S;
}

/* flock() knows no deadline. */
static gboolean lock_patiently(int at, int fd, gboolean guest) {
  gboolean locked = flock(fd, LOCK_EX | LOCK_NB) == 0;
  if (locked || guest || errno != EWOULDBLOCK)
    return locked;
  say_wanted(at);
  for (int waited = 0; !locked && errno == EWOULDBLOCK && waited < PATIENCE_MS; waited += LOOK_MS) {
    g_usleep(LOOK_MS * 1000);
    locked = flock(fd, LOCK_EX | LOCK_NB) == 0;
  }
  int number = errno;
  unlinkat(at, WANTED, 0);
  errno = number;
  return locked;
}

static gboolean lock_place(int at, const char *name, const char *account, const char *mountpoint, int *ret,
                           GError **error) {
  int fd = openat(at, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0)
    return failed_on(error, "open", name);
  if (!lock_patiently(at, fd, mountpoint == NULL)) {
    errno == EWOULDBLOCK ? say_locked(fd, account, error) : failed_on(error, "lock", name);
    close(fd);
    return FALSE;
  }
  *ret = fd;
  g_autofree char *text = g_strdup_printf("%d\n%s\n", (int)getpid(), mountpoint ? mountpoint : GUEST);
  gsize len = strlen(text);
  if (fchmod(fd, 0600) != 0 || ftruncate(fd, 0) != 0 || pwrite(fd, text, len, 0) != (ssize_t)len)
    return failed_on(error, "write", name);
  return TRUE;
}

static gboolean write_tag(int at, GError **error) {
  int fd = openat(at, "CACHEDIR.TAG", O_WRONLY | O_CREAT | O_NOFOLLOW | O_TRUNC | O_CLOEXEC, 0600);
  gboolean written = fd >= 0 && fchmod(fd, 0600) == 0 && write(fd, tag, sizeof tag - 1) == (ssize_t)sizeof tag - 1;
  if (!written)
    failed_on(error, "write", "CACHEDIR.TAG");
  if (fd >= 0)
    close(fd);
  return written;
}

/* ---- the place -------------------------------------------------------------------------------------- */
static gboolean open_both(Place *place, const char *state_base, const char *cache_base, const char *account,
                          GError **error) {
  place->state_fd = open_account(state_base, "XDG_STATE_HOME", ".local/state", account, &place->state_path, error);
  if (place->state_fd < 0)
    return FALSE;
  place->cache_fd = open_account(cache_base, "XDG_CACHE_HOME", ".cache", account, &place->cache_path, error);
  return place->cache_fd >= 0;
}

gboolean place_open(Place *ret, const char *state_base, const char *cache_base, const char *account,
                    const char *mountpoint, GError **error) {
  g_auto(Place) place = {.state_fd = -1, .cache_fd = -1, .lock_fd = {-1, -1}};
  if (!open_both(&place, state_base, cache_base, account, error))
    return FALSE;
  for (int i = 0; i < 2; i++)
    if (!lock_place(i ? place.cache_fd : place.state_fd, lock_names[i], account, mountpoint, &place.lock_fd[i], error))
      return FALSE;
  if (!write_tag(place.cache_fd, error))
    return FALSE;
  place.distrust = !place_same_boot(&place);
  *ret = place;
  place = (Place){.state_fd = -1, .cache_fd = -1, .lock_fd = {-1, -1}};
  return TRUE;
}

void place_close(Place *place) {
  int *fds[] = {&place->lock_fd[0], &place->lock_fd[1], &place->state_fd, &place->cache_fd};
  for (guint i = 0; i < G_N_ELEMENTS(fds); i++) {
    if (*fds[i] >= 0)
      close(*fds[i]);
    *fds[i] = -1;
  }
  g_clear_pointer(&place->state_path, g_free);
  g_clear_pointer(&place->cache_path, g_free);
}

/* ---- the name of an account -------------------------------------------------------------------------- */
static void escape(GString *to, const char *text) {
  for (const char *p = text; *p; p++)
    if (g_ascii_isalnum(*p) || strchr("-_+@", *p) || (*p == '.' && to->len))
      g_string_append_c(to, *p);
    else
      g_string_append_printf(to, "%%%02X", (guchar)*p);
}

char *place_account(const char *user, const char *host, guint port) {
  g_autoptr(GString) name = g_string_new(NULL);
  g_autofree char *lower = g_ascii_strdown(host, -1);
  escape(name, user);
  g_string_append_c(name, '@');
  escape(name, lower);
  if (port)
    g_string_append_printf(name, ":%u", port);
  if (name->len > 255) {
    g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, name->str, (gssize)name->len);
    g_string_truncate(name, 255 - 33);
    g_string_append_printf(name, "~%.32s", sum);
  }
  return g_string_free(g_steal_pointer(&name), FALSE);
}
