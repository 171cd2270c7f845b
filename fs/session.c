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
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct _Session {
  struct fuse_session *fuse;
  int stop, ended; /* eventfds: once written they stay readable */
  gint stopping;   /* atomic: for workers that never get to sleep */
  GPtrArray *workers;
};

static void ring(int fd) {
  guint64 one = 1;
  if (write(fd, &one, sizeof one) != sizeof one && errno != EAGAIN)
    g_warning("eventfd: %s", g_strerror(errno));
}

static int watch_fds(Session *session) {
  struct epoll_event device = {.events = EPOLLIN | EPOLLEXCLUSIVE}, stop = {.events = EPOLLIN};
  int set = epoll_create1(EPOLL_CLOEXEC);
  if (set < 0 || epoll_ctl(set, EPOLL_CTL_ADD, fuse_session_fd(session->fuse), &device) != 0 ||
      epoll_ctl(set, EPOLL_CTL_ADD, session->stop, &stop) != 0)
    g_error("epoll: %s", g_strerror(errno));
  return set;
}

static gpointer work(gpointer data) {
  Session *session = data;
  struct fuse_buf buf = {0};
  struct epoll_event event;
  int set = watch_fds(session);

  while (!fuse_session_exited(session->fuse) && !g_atomic_int_get(&session->stopping)) {
    int got = fuse_session_receive_buf(session->fuse, &buf);
    if (got > 0)
      fuse_session_process_buf(session->fuse, &buf);
    else if (got == -EAGAIN)
      epoll_wait(set, &event, 1, -1);
    else if (got != -EINTR)
      fuse_session_exit(session->fuse);
  }
  ring(session->ended);
  free(buf.mem);
  close(set);
  return NULL;
}

Session *session_start(struct fuse_session *fuse, guint workers) {
  Session *session = g_new0(Session, 1);
  int fd = fuse_session_fd(fuse);
  session->fuse = fuse;
  session->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  session->ended = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (session->stop < 0 || session->ended < 0 || fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0)
    g_error("cannot serve the mount: %s", g_strerror(errno));
  session->workers = g_ptr_array_new();
  for (guint i = 0; i < workers; i++)
    g_ptr_array_add(session->workers, g_thread_new("fuse", work, session));
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
  for (guint i = 0; i < session->workers->len; i++)
    g_thread_join(g_ptr_array_index(session->workers, i));
  g_ptr_array_set_size(session->workers, 0);
}

void session_free(Session *session) {
  close(session->stop);
  close(session->ended);
  g_ptr_array_unref(session->workers);
  g_free(session);
}
