/* SPDX-License-Identifier: MIT */
/*
 * A child on three pipes. (Pipes and not a socketpair: Dovecot's imap refuses to be given a socket it
 * does not know.) The child gets default signals and an empty signal mask, for ours are the daemon's.
 *
 * Closing the pipes is the polite way to end a child; it has GRACE to follow, then it is terminated and at
 * last killed, and in every case reaped.
 */
#include "imap/tunnel.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "imap/error.h"
#include "imap/limits.h"

#define GRACE 300 /* ms for the child to end by itself, and again after SIGTERM */

typedef struct {
  ImapStream stream;
  GPid pid;
  GString *words; /* the line on its stderr that is not yet complete, or the last one that is */
  gboolean complete;
} Tunnel;

/* ---- its stderr -------------------------------------------------------------------------------- */

static void tunnel_says(Tunnel *tunnel, const char *data, gsize len) {
  for (gsize i = 0; i < len; i++) {
    if (tunnel->complete)
      g_string_truncate(tunnel->words, 0);
    tunnel->complete = data[i] == '\n';
    if (tunnel->complete && tunnel->words->len > 0) {
      g_autofree char *clean = imap_clean_text(tunnel->words->str, (gssize)tunnel->words->len);
      g_log("imap", G_LOG_LEVEL_INFO, "tunnel: %s", clean);
    } else if (!tunnel->complete && tunnel->words->len < IMAP_LIMIT_TEXT) {
      g_string_append_c(tunnel->words, data[i]);
    }
  }
}

static void tunnel_side(ImapStream *stream) {
  char data[1024];
  gssize n = 1;
  while (stream->side_fd >= 0 && n > 0) {
    n = read(stream->side_fd, data, sizeof data);
    if (n > 0)
      tunnel_says((Tunnel *)stream, data, (gsize)n);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
      close(stream->side_fd);
      stream->side_fd = -1;
    }
  }
}

/* ---- its stdin and stdout ------------------------------------------------------------------------ */

static ImapIo ended(Tunnel *tunnel, GError **error) {
  tunnel_side(&tunnel->stream);
  g_autofree char *last = imap_clean_text(tunnel->words->str, (gssize)tunnel->words->len);
  g_set_error(error, IMAP_ERROR, IMAP_ERROR_NETWORK, "the tunnel ended%s%s", last[0] != '\0' ? ": " : "", last);
  return IMAP_IO_ERROR;
}

static ImapIo tunnel_read(ImapStream *stream, void *data, gsize len, gsize *ret_len, GError **error) {
  gssize n;
  do
    n = read(stream->in_fd, data, len);
  while (n < 0 && errno == EINTR);
  if (n > 0) {
    stream->received += (gsize)n;
    *ret_len = (gsize)n;
    return IMAP_IO_OK;
  }
  if (n < 0 && errno == EAGAIN)
    return IMAP_IO_WAIT;
  return ended((Tunnel *)stream, error);
}

/* A pipe has no MSG_NOSIGNAL: the signal is held back, and taken if it came. */
static gssize write_quietly(int fd, const void *data, gsize len) {
  static const struct timespec at_once = {0};
  sigset_t pipe_signal, before, pending;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  sigpending(&pending);
  pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
  gssize n = write(fd, data, len);
  int failure = errno;
  if (n < 0 && failure == EPIPE && !sigismember(&pending, SIGPIPE))
    sigtimedwait(&pipe_signal, NULL, &at_once);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  errno = failure;
  return n;
}

static ImapIo tunnel_write(ImapStream *stream, const void *data, gsize len, gsize *ret_len, GError **error) {
  gssize n = write_quietly(stream->out_fd, data, len);
  if (n >= 0) {
    *ret_len = (gsize)n;
    return IMAP_IO_OK;
  }
  if (errno == EAGAIN || errno == EINTR)
    return IMAP_IO_WAIT;
  return ended((Tunnel *)stream, error);
}

/* ---- life ------------------------------------------------------------------------------------------ */

static gboolean gone_within(Tunnel *tunnel, int pidfd, int ms) {
  struct pollfd pfd = {.fd = pidfd, .events = POLLIN};
  int ready;
  do
    ready = poll(&pfd, 1, ms);
  while (ready < 0 && errno == EINTR);
  return waitpid(tunnel->pid, NULL, WNOHANG) == tunnel->pid;
}

static void reap(Tunnel *tunnel) {
  int pidfd = (int)syscall(SYS_pidfd_open, tunnel->pid, 0);
  gboolean gone = pidfd >= 0 && gone_within(tunnel, pidfd, GRACE);
  if (!gone) {
    kill(tunnel->pid, SIGTERM);
    gone = pidfd >= 0 && gone_within(tunnel, pidfd, GRACE);
  }
  if (!gone) {
    kill(tunnel->pid, SIGKILL);
    while (waitpid(tunnel->pid, NULL, 0) < 0 && errno == EINTR)
      ;
  }
  if (pidfd >= 0)
    close(pidfd);
}

static void tunnel_free(ImapStream *stream) {
  Tunnel *tunnel = (Tunnel *)stream;
  close(stream->out_fd);
  close(stream->in_fd);
  tunnel_side(stream);
  reap(tunnel);
  tunnel_side(stream);
  if (stream->side_fd >= 0)
    close(stream->side_fd);
  g_string_free(tunnel->words, TRUE);
}

static const ImapStreamClass tunnel_class = {
    .read = tunnel_read, .write = tunnel_write, .side = tunnel_side, .free = tunnel_free};

/* Between fork and exec: nothing but async-signal-safe calls. */
static void child_setup(G_GNUC_UNUSED gpointer data) {
  sigset_t none;
  sigemptyset(&none);
  for (int number = 1; number < NSIG; number++)
    signal(number, SIG_DFL);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

ImapStream *imap_tunnel_new(const char *command, GError **error) {
  g_autoptr(GError) failure = NULL;
  g_auto(GStrv) argv = NULL;
  int in, out, side;
  GPid pid;
  if (!g_shell_parse_argv(command, NULL, &argv, &failure) ||
      !g_spawn_async_with_pipes(NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_SEARCH_PATH, child_setup, NULL,
                                &pid, &out, &in, &side, &failure)) {
    g_set_error(error, IMAP_ERROR, IMAP_ERROR_CONFIG, "tunnel=%s cannot be started: %s", command, failure->message);
    return NULL;
  }
  int fds[] = {in, out, side};
  for (gsize i = 0; i < G_N_ELEMENTS(fds); i++) {
    fcntl(fds[i], F_SETFD, FD_CLOEXEC);
    g_unix_set_fd_nonblocking(fds[i], TRUE, NULL);
  }
  Tunnel *tunnel = g_new0(Tunnel, 1);
  tunnel->stream = (ImapStream){.class = &tunnel_class, .in_fd = in, .out_fd = out, .side_fd = side};
  tunnel->pid = pid;
  tunnel->words = g_string_new(NULL);
  return &tunnel->stream;
}
