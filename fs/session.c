/* SPDX-License-Identifier: MIT */
/*
 * /dev/fuse is read without blocking. A worker reads until there is nothing, and then sleeps in an epoll set of its own
 * that holds the device and an eventfd which means "stop". The device is in the set with EPOLLEXCLUSIVE: one request
 * wakes one worker, as if it slept in read(). When the kernel closes the connection (unmount, also a lazy one, once the
 * last file is closed) read says ENODEV, the first worker to see it tells session_wait(), and the others follow.
 */
#define G_LOG_DOMAIN "fs"
#include "fs/session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct _Session {
  struct fuse_session *fuse;
  int stop, ended; /* eventfds: once written they stay readable */
  gint stopping;   /* atomic: for workers that never get to sleep */
  SessionArrived arrived;
  gpointer arrived_data;
  GMutex order; /* of arrival: held while a request is read, which does not block */
  guint n;
  struct _Worker *workers;
};

typedef struct _Worker {
  Session *session;
  int set; /* epoll */
  GThread *thread;
} Worker;

static void ring(int fd) {
  guint64 one = 1;
  if (write(fd, &one, sizeof one) != sizeof one && errno != EAGAIN)
    g_warning("eventfd: %s", g_strerror(errno));
}

/* An epoll set of one worker; -1: errno. */
static int watch_fds(Session *session) {
  struct epoll_event device = {.events = EPOLLIN | EPOLLEXCLUSIVE}, stop = {.events = EPOLLIN};
  int set = epoll_create1(EPOLL_CLOEXEC);
  if (set < 0 || (epoll_ctl(set, EPOLL_CTL_ADD, fuse_session_fd(session->fuse), &device) == 0 &&
                  epoll_ctl(set, EPOLL_CTL_ADD, session->stop, &stop) == 0))
    return set;
  close(set);
  return -1;
}

static int receive(Session *session, struct fuse_buf *buf) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&session->order);
  int got = fuse_session_receive_buf(session->fuse, buf);
  if (got >= (int)sizeof(struct fuse_in_header))
    session->arrived(buf->mem, session->arrived_data);
  return got;
}

static gpointer work(gpointer data) {
  Worker *worker = data;
  Session *session = worker->session;
  struct fuse_buf buf = {0};
  struct epoll_event event;

  while (!fuse_session_exited(session->fuse) && !g_atomic_int_get(&session->stopping)) {
    int got = receive(session, &buf);
    if (got > 0)
      fuse_session_process_buf(session->fuse, &buf);
    else if (got == -EAGAIN)
      epoll_wait(worker->set, &event, 1, -1);
    else if (got != -EINTR)
      fuse_session_exit(session->fuse);
  }
  ring(session->ended);
  free(buf.mem);
  return NULL;
}

/* All that can go wrong, before there is a thread. */
static gboolean open_fds(Session *session) {
  int device = fuse_session_fd(session->fuse);
  session->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  session->ended = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (session->stop < 0 || session->ended < 0 || fcntl(device, F_SETFL, fcntl(device, F_GETFL) | O_NONBLOCK) != 0)
    return FALSE;
  for (guint i = 0; i < session->n; i++)
    if ((session->workers[i].set = watch_fds(session)) < 0)
      return FALSE;
  return TRUE;
}

Session *session_start(struct fuse_session *fuse, guint workers, SessionArrived arrived, gpointer data) {
  Session *session = g_new0(Session, 1);
  session->fuse = fuse;
  session->arrived = arrived;
  session->arrived_data = data;
  g_mutex_init(&session->order);
  session->n = workers;
  session->workers = g_new0(Worker, workers);
  for (guint i = 0; i < workers; i++)
    session->workers[i] = (Worker){.session = session, .set = -1};
  if (!open_fds(session)) {
    int number = errno;
    session_free(session);
    errno = number;
    return NULL;
  }
  for (guint i = 0; i < workers; i++)
    session->workers[i].thread = g_thread_new("fuse", work, &session->workers[i]);
  return session;
}

void session_wait(Session *session) {
  struct pollfd ended = {.fd = session->ended, .events = POLLIN};
  while (poll(&ended, 1, -1) != 1)
    ;
}

void session_quit(Session *session) {
  ring(session->ended);
}

void session_stop(Session *session) {
  g_atomic_int_set(&session->stopping, TRUE);
  ring(session->stop);
  for (guint i = 0; i < session->n; i++)
    g_thread_join(session->workers[i].thread);
}

static void close_fd(int fd) {
  if (fd >= 0)
    close(fd);
}

void session_free(Session *session) {
  for (guint i = 0; i < session->n; i++)
    close_fd(session->workers[i].set);
  close_fd(session->stop);
  close_fd(session->ended);
  g_mutex_clear(&session->order);
  g_free(session->workers);
  g_free(session);
}
