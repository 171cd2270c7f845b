/* SPDX-License-Identifier: MIT */
/*
 * The life of the daemon: index, login, mount, serve, end.
 *
 * It forks before there is any thread (a fork keeps only its own). The child reports over a pipe: nothing but a newline
 * when the mount answers, else the sentence for the user. Until then it keeps the terminal, so that a password command
 * can ask, and dies with its parent; then it goes into a session of its own. If nobody reads the report (Ctrl-C in the
 * last moment), it unmounts again. What is not on the server by the end is left to another process (fs/drain.h).
 */
#define G_LOG_DOMAIN "fs"
#include "fs/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/drain.h"
#include "fs/fs.h"
#include "fs/guard.h"

#define EXIT_MOUNT 32 /* of mount(8): the mount failed */
#define MOUNTED "\n"
#define REPORT_MOST 8192

static void trace(const char *line, gpointer data) {
  (void)data;
  g_debug("%s", line);
}

Cache *daemon_start_cache(const Daemon *daemon, GError **error) {
  CacheConfig *config = &daemon->options->cache;
  config->secret = secret_get;
  config->secret_data = daemon->secret;
  config->mountpoint = (char *)daemon->mountpoint;
  config->trace = daemon->options->debug ? trace : NULL;
  Cache *cache = cache_open(config, error);
  if (cache && !cache_start(cache, error)) {
    cache_stop(cache);
    g_clear_pointer(&cache, cache_free);
  }
  return cache;
}

static Fs *mount_cache(const Daemon *daemon, Cache *cache, GError **error) {
  const Options *options = daemon->options;
  g_autoptr(GString) kernel = g_string_new(options->kernel->str);
  if (options->allow_other || options->allow_root)
    g_string_append_printf(kernel, "%s%s", kernel->len ? "," : "", options->allow_other ? "allow_other" : "allow_root");
  FsConfig config = {
      .mountpoint = daemon->mountpoint,
      .source = options->table,
      .options = kernel->str,
      .uid = options->uid,
      .gid = options->gid,
      .timeout = options->cache.timeout,
      .read_only = options->cache.read_only,
      .trace = options->debug,
  };
  return fs_mount(&config, cache, error);
}

/* The reverse of all that, within two seconds. */
static void end(const Daemon *daemon, Guard *guard, Cache *cache, Fs *fs) {
  guard_ending(guard);
  if (fs)
    fs_unmount(fs);
  gboolean due = fs && daemon->options->drain > 0 && drain_is_due(cache);
  secret_cancel(daemon->secret);
  cache_stop(cache);
  if (fs)
    fs_free(fs);
  cache_free(cache);
  if (due)
    drain_start(daemon);
}

static gboolean leave_terminal(const Daemon *daemon) {
  int null = open("/dev/null", O_RDWR);
  log_to_syslog(daemon->log);
  setsid();
  if (null < 0)
    return FALSE;
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
    dup2(null, fd);
  if (null > STDERR_FILENO)
    close(null);
  return TRUE;
}

/* `report`: the pipe to the parent, or -1. */
static int serve(const Daemon *daemon, Guard *guard, int report, GError **error) {
  Cache *cache = daemon_start_cache(daemon, error);
  if (!cache)
    return EXIT_MOUNT;
  guard_mounting(guard);
  prctl(PR_SET_PDEATHSIG, 0); /* from here on dying would leave a dead mount */
  Fs *fs = mount_cache(daemon, cache, error);
  if (!fs) {
    end(daemon, guard, cache, NULL);
    return EXIT_MOUNT;
  }
  guard_serving(guard, fs);
  gboolean wanted = report < 0 || (leave_terminal(daemon) && write(report, MOUNTED, 1) == 1);
  if (report >= 0)
    close(report);
  if (wanted)
    fs_wait(fs);
  end(daemon, guard, cache, fs);
  return wanted ? 0 : EXIT_MOUNT;
}

static int run(const Daemon *daemon, int report, GError **error) {
  if (chdir("/") != 0)
    g_warning("chdir: %s", g_strerror(errno));
  Guard *guard = guard_new(daemon->mountpoint, report < 0);
  int status = serve(daemon, guard, report, error);
  guard_free(guard);
  return status;
}

int daemon_foreground(const Daemon *daemon) {
  g_autoptr(GError) error = NULL;
  int status = run(daemon, -1, &error);
  if (error)
    g_printerr("imapfs: %s\n", error->message);
  return status;
}

static int child(const Daemon *daemon, int report, pid_t parent) {
  g_autoptr(GError) error = NULL;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent)
    return EXIT_MOUNT;
  secret_keep(daemon->secret);
  int status = run(daemon, report, &error);
  if (error && write(report, error->message, strlen(error->message)) < 0)
    return EXIT_MOUNT;
  return status;
}

/* All that the child has to say. */
static char *read_report(int fd) {
  char buf[REPORT_MOST];
  gsize len = 0;
  gssize got;
  while (len < sizeof buf && ((got = read(fd, buf + len, sizeof buf - len)) > 0 || (got < 0 && errno == EINTR)))
    len += MAX(got, 0);
  return g_strndup(buf, len);
}

static int parent(const Daemon *daemon, int report, pid_t pid) {
  g_autofree char *text = read_report(report);
  struct stat st;
  int status;

  if (g_str_equal(text, MOUNTED)) {
    if (stat(daemon->mountpoint, &st) == 0)
      return 0;
    g_printerr("imapfs: %s does not answer: %s\n", daemon->mountpoint, g_strerror(errno));
    return EXIT_MOUNT;
  }
  waitpid(pid, &status, 0);
  g_printerr("imapfs: %s\n", *text ? text : "the daemon died before it had mounted");
  return EXIT_MOUNT;
}

int daemon_background(const Daemon *daemon) {
  int report[2];
  pid_t self = getpid();
  if (pipe2(report, O_CLOEXEC) != 0) {
    g_printerr("imapfs: %s\n", g_strerror(errno));
    return EXIT_MOUNT;
  }
  pid_t pid = fork();
  if (pid < 0)
    g_printerr("imapfs: cannot fork: %s\n", g_strerror(errno));
  close(report[pid == 0 ? 0 : 1]);
  int status = pid < 0 ? EXIT_MOUNT : pid == 0 ? child(daemon, report[1], self) : parent(daemon, report[0], pid);
  if (pid != 0)
    close(report[0]);
  return status;
}
