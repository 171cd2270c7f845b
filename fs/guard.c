/* SPDX-License-Identifier: MIT */
/*
 *   STARTING ──▶ MOUNTING ──▶ SERVING ──▶ ENDING
 *
 * A signal while STARTING (a slow login) exits on the spot; while MOUNTING it is remembered; while SERVING it asks the
 * filesystem to end, and the clock starts. If the clock runs out, a disk or a lock does not let go: then the mount is
 * detached, so that nobody finds a dead one, and the process exits. All that matters has been made durable before; the
 * index survives that.
 *
 * SIGHUP and SIGUSR1 end nothing: they are news from the user, and a question.
 */
#define G_LOG_DOMAIN "fs"
#include "fs/guard.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define GUARD_END_MS 1900

typedef enum { STARTING, MOUNTING, SERVING, ENDING } State;

struct _Guard {
  const char *mountpoint;
  gboolean hangup;   /* SIGHUP ends it too; else it means: try again */
  int signals, wake; /* signalfd; eventfd: the state changed */
  GThread *thread;

  GMutex mutex; /* guards all below */
  State state;
  Fs *fs;
  gboolean asked;  /* a signal came */
  gint64 deadline; /* monotonic µs; 0: none */
  gboolean done;
};

/* With the mutex held. */
static void on_signal(Guard *guard) {
  if (guard->state == STARTING)
    _exit(1);
  guard->asked = TRUE;
  if (guard->state == SERVING)
    fs_quit(guard->fs);
  if (guard->state != MOUNTING && !guard->deadline)
    guard->deadline = g_get_monotonic_time() + GUARD_END_MS * 1000;
}

/* Milliseconds until the clock runs out, or -1; it may have run out. */
static int time_left(Guard *guard) {
  if (!guard->deadline)
    return -1;
  gint64 left = guard->deadline - g_get_monotonic_time();
  return left <= 0 ? 0 : (int)(left / 1000) + 1;
}

/* Not an end, but news from the user: the password is right again, the network is back. */
static void on_hangup(Guard *guard) {
  if (guard->state == SERVING)
    fs_retry(guard->fs);
}

/* Only asked for: it ends nothing, and before there is a mount it says nothing. */
static void on_question(Guard *guard) {
  if (guard->state == SERVING)
    fs_describe(guard->fs);
}

/* `number`: of the signal that came, or 0. */
static gboolean step(Guard *guard, guint number, int *ret_timeout) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&guard->mutex);
  if (guard->done)
    return FALSE;
  if (number == SIGUSR1)
    on_question(guard);
  else if (number == SIGHUP && !guard->hangup)
    on_hangup(guard);
  else if (number)
    on_signal(guard);
  *ret_timeout = time_left(guard);
  if (*ret_timeout != 0)
    return TRUE;
  umount2(guard->mountpoint, MNT_DETACH);
  _exit(1);
}

static gpointer run(gpointer data) {
  Guard *guard = data;
  struct pollfd fds[] = {{.fd = guard->signals, .events = POLLIN}, {.fd = guard->wake, .events = POLLIN}};
  struct signalfd_siginfo info;
  eventfd_t count;
  int timeout = -1;

  for (;;) {
    int ready = poll(fds, 2, timeout);
    gboolean signalled = ready > 0 && fds[0].revents && read(guard->signals, &info, sizeof info) == sizeof info;
    if (ready > 0 && fds[1].revents)
      eventfd_read(guard->wake, &count);
    if (!step(guard, signalled ? info.ssi_signo : 0, &timeout))
      return NULL;
  }
}

Guard *guard_new(const char *mountpoint, gboolean hangup) {
  Guard *guard = g_new0(Guard, 1);
  sigset_t set;

  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  sigaddset(&set, SIGUSR1);
  guard->hangup = hangup;
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN); /* a write over the limit (ulimit -f) fails, and that is told */
  pthread_sigmask(SIG_BLOCK, &set, NULL);
  guard->mountpoint = mountpoint;
  guard->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  guard->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  g_mutex_init(&guard->mutex);
  guard->thread = g_thread_new("guard", run, guard);
  return guard;
}

void guard_mounting(Guard *guard) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&guard->mutex);
  guard->state = MOUNTING;
}

void guard_serving(Guard *guard, Fs *fs) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&guard->mutex);
  guard->state = SERVING;
  guard->fs = fs;
  if (guard->asked)
    fs_quit(fs);
}

void guard_ending(Guard *guard) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&guard->mutex);
  guard->state = ENDING;
  guard->fs = NULL;
  if (!guard->deadline)
    guard->deadline = g_get_monotonic_time() + GUARD_END_MS * 1000;
  eventfd_write(guard->wake, 1);
}

void guard_free(Guard *guard) {
  g_mutex_lock(&guard->mutex);
  guard->done = TRUE;
  g_mutex_unlock(&guard->mutex);
  eventfd_write(guard->wake, 1);
  g_thread_join(guard->thread);
  close(guard->signals);
  close(guard->wake);
  g_mutex_clear(&guard->mutex);
  g_free(guard);
}
