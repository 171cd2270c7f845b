/* SPDX-License-Identifier: MIT */
/*
 * What is left when a filesystem is unmounted is safe in the journal, and would wait there for the next mount. So that
 * it need not, the daemon ends as quickly as ever and starts itself once more, without a mount: same command line, a
 * session of its own, the password (where one was typed) through a pipe.
 *
 * That process is only a guest. It ends when all is sent, when its time is up, when a signal asks for it, when the
 * server cannot be reached, and at once when a new mount wants the account: that one finds the same journal. Where
 * such a mount was faster it finds the account locked, which is as good.
 */
#define G_LOG_DOMAIN "fs"
#include "fs/drain.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <unistd.h>

#define LOOK_MS 100
#define OFFLINE_MOST (20 * G_USEC_PER_SEC) /* of trouble in one piece, before it is left to the next mount */
#define SELF "/proc/self/exe"
#define SECRET_FD 3

gboolean drain_is_due(Cache *cache) {
  g_auto(CacheLeft) left = {0};
  g_autoptr(GError) error = NULL;
  CacheAnswer answer = cache_await_drained(cache, &left, &error);
  if (left.changes > 0)
    g_info("%" G_GUINT64_FORMAT " changes are not on the server yet%s%s", left.changes, left.trouble ? ": " : "",
           left.trouble ? left.trouble : "");
  return answer == CACHE_WAIT && left.changes > 0 && !left.trouble;
}

/* ---- starting it -------------------------------------------------------------------------------------- */

/* Our own command line, marked. The first switch may stand anywhere. */
static char **mark_arguments(char **argv, gboolean secret) {
  g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
  g_autofree char *mark = g_strdup_printf("--drain=%d", secret ? SECRET_FD : -1);
  g_strv_builder_add(builder, argv[0]);
  g_strv_builder_add(builder, mark);
  g_strv_builder_addv(builder, (const char **)argv + 1);
  return g_strv_builder_end(builder);
}

static void describe_files(posix_spawn_file_actions_t *actions, const char *directory, int secret) {
  posix_spawn_file_actions_init(actions);
  posix_spawn_file_actions_addchdir_np(actions, directory);
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
    posix_spawn_file_actions_addopen(actions, fd, "/dev/null", O_RDWR, 0);
  if (secret >= 0)
    posix_spawn_file_actions_adddup2(actions, secret, SECRET_FD);
}

static void describe_process(posix_spawnattr_t *attributes) {
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_init(attributes);
  posix_spawnattr_setsigmask(attributes, &none);
  posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
}

void drain_start(const Daemon *daemon) {
  int secret = secret_hand_on(daemon->secret);
  g_auto(GStrv) argv = mark_arguments(daemon->argv, secret >= 0);
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  pid_t pid;

  describe_files(&actions, daemon->directory, secret);
  describe_process(&attributes);
  int number = posix_spawn(&pid, SELF, &actions, &attributes, argv, environ);
  if (number)
    g_warning("what is not on the server yet waits for the next mount: %s", g_strerror(number));
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (secret >= 0)
    close(secret);
}

/* ---- being it ----------------------------------------------------------------------------------------- */

typedef struct {
  Cache *cache;
  sigset_t signals;
  gint64 until, well; /* monotonic µs: when its time is up; when there was no trouble last */
} Drain;

/* Nobody is there to be told. */
static gpointer drop_events(gpointer data) {
  CacheEvent event = {.fd = -1};
  while (cache_next_event(data, &event))
    cache_event_clear(&event);
  return NULL;
}

/* Why it ends; NULL: it goes on. */
static const char *reason_to_end(Drain *drain) {
  struct timespec look = {.tv_nsec = LOOK_MS * 1000000};
  g_auto(CacheLeft) left = {0};
  gint64 now = g_get_monotonic_time();
  if (cache_await_drained(drain->cache, &left, NULL) == CACHE_READY)
    return "all is on the server";
  if (!left.trouble)
    drain->well = now;
  if (now - drain->well > OFFLINE_MOST)
    return "the server cannot be reached";
  if (now > drain->until)
    return "its time is up";
  if (cache_is_wanted(drain->cache))
    return "a new mount takes over";
  return sigtimedwait(&drain->signals, NULL, &look) > 0 ? "a signal came" : NULL;
}

static void block_signals(sigset_t *set) {
  sigemptyset(set);
  sigaddset(set, SIGTERM);
  sigaddset(set, SIGINT);
  sigaddset(set, SIGHUP);
  pthread_sigmask(SIG_BLOCK, set, NULL);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
}

static void drain_until_end(const Daemon *daemon, Drain *drain) {
  const char *reason;
  drain->well = g_get_monotonic_time();
  drain->until = drain->well + (gint64)daemon->options->drain * G_USEC_PER_SEC;
  while (!(reason = reason_to_end(drain)))
    ;
  g_info("no more is sent: %s", reason);
}

int drain_run(const Daemon *daemon) {
  g_autoptr(GError) error = NULL;
  Drain drain = {0};
  block_signals(&drain.signals);
  log_to_syslog(daemon->log);
  if (chdir("/") == 0)
    drain.cache = daemon_start_cache(daemon, &error);
  if (!drain.cache) {
    g_info("what is left is not sent now: %s", error ? error->message : g_strerror(errno));
    return 0;
  }
  GThread *dropper = g_thread_new("events", drop_events, drain.cache);
  drain_until_end(daemon, &drain);
  secret_cancel(daemon->secret);
  cache_stop(drain.cache);
  g_thread_join(dropper);
  cache_free(drain.cache);
  return 0;
}
