/* SPDX-License-Identifier: MIT */
/*
 * The password stands only where it has to: in one page of memory that is not swapped, dumped or inherited by a fork
 * unless it was typed; a file is read and a command run again for each login, so what they print is not kept at all.
 * Never in argv, the environment, the mount table or the log. Only the first line counts. A file that others could read
 * is refused. The command is split as a shell would but run without one.
 */
#define G_LOG_DOMAIN "fs"
#include "fs/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "fs/fs.h"

#define SECRET_MOST 65536        /* octets; OAuth tokens reach 4 kB */
#define SECRET_COMMAND_MS 120000 /* it may ask the user for the passphrase of a key */

struct _Secret {
  char *passfile, *command;
  char *page; /* SECRET_MOST octets: the typed password */
  gboolean typed;
  int cancel; /* eventfd */
};

static gboolean fail(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
static gboolean fail(GError **error, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *text = g_strdup_vprintf(format, args);
  va_end(args);
  g_set_error_literal(error, FS_ERROR, FS_ERROR_SECRET, text);
  return FALSE;
}

static char *page_new(void) {
  char *page = mmap(NULL, SECRET_MOST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED)
    g_error("no memory for a password");
  mlock(page, SECRET_MOST); /* a courtesy where the limit is low */
  madvise(page, SECRET_MOST, MADV_DONTDUMP);
  return page;
}

static void page_free(char *page) {
  explicit_bzero(page, SECRET_MOST);
  munmap(page, SECRET_MOST);
}

/* TRUE: readable (or at its end). FALSE: cancelled, or too late. */
static gboolean await(int fd, int cancel, int timeout_ms) {
  struct pollfd fds[] = {{.fd = fd, .events = POLLIN}, {.fd = cancel, .events = POLLIN}};
  int ready;
  do
    ready = poll(fds, 2, timeout_ms);
  while (ready < 0 && errno == EINTR);
  return ready > 0 && !fds[1].revents;
}

/* Reads the first line into the page. */
static gboolean read_line(int fd, int cancel, int timeout_ms, char *page, GError **error) {
  gsize len = 0;
  for (;;) {
    if (!await(fd, cancel, timeout_ms))
      return fail(error, "waiting for the password was given up");
    gssize got = read(fd, page + len, SECRET_MOST - len);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return fail(error, "reading the password: %s", g_strerror(errno));
    char *end = memchr(page + len, '\n', got);
    len += got;
    if (end || got == 0) {
      len = end ? (gsize)(end - page) : len;
      break;
    }
    if (len == SECRET_MOST)
      return fail(error, "the password is longer than %d octets", SECRET_MOST);
  }
  if (len > 0 && page[len - 1] == '\r')
    len--;
  if (len == SECRET_MOST)
    return fail(error, "the password is longer than %d octets", SECRET_MOST - 1);
  page[len] = '\0';
  if (len == 0 || strlen(page) != len)
    return fail(error, len == 0 ? "the password is empty" : "the password has a NUL in it");
  return TRUE;
}

/* ---- file ------------------------------------------------------------------------------------------- */
static gboolean from_file(Secret *secret, char *page, GError **error) {
  struct stat st;
  int fd = open(secret->passfile, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  gboolean done = FALSE;

  if (fd < 0 || fstat(fd, &st) != 0)
    fail(error, "passfile %s: %s", secret->passfile, g_strerror(errno));
  else if (S_ISREG(st.st_mode) && st.st_mode & 077)
    fail(error, "passfile %s can be read by others: chmod 600 it", secret->passfile);
  else if (st.st_uid != geteuid() && st.st_uid != 0)
    fail(error, "passfile %s belongs to somebody else", secret->passfile);
  else
    done = read_line(fd, secret->cancel, SECRET_COMMAND_MS, page, error);
  if (fd >= 0)
    close(fd);
  return done;
}

/* ---- command ---------------------------------------------------------------------------------------- */
/* In the child: our threads hold signals back, the command must not. */
static void unblock_signals(gpointer data) {
  sigset_t none;
  (void)data;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

static gboolean reap(GPid pid, gboolean give_up, GError **error) {
  int status;
  if (give_up)
    kill(pid, SIGKILL);
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR)
      return TRUE;
  return give_up || g_spawn_check_wait_status(status, error);
}

static gboolean from_command(Secret *secret, char *page, GError **error) {
  g_auto(GStrv) argv = NULL;
  g_autoptr(GError) problem = NULL;
  GPid pid;
  int out;

  if (!g_shell_parse_argv(secret->command, NULL, &argv, &problem) ||
      !g_spawn_async_with_pipes(NULL, argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, unblock_signals,
                                NULL, &pid, NULL, &out, NULL, &problem))
    return fail(error, "password_command: %s", problem->message);
  gboolean done = read_line(out, secret->cancel, SECRET_COMMAND_MS, page, &problem);
  close(out);
  if (!reap(pid, !done, done ? &problem : NULL))
    done = FALSE;
  return done || fail(error, "password_command: %s", problem->message);
}

/* ---- terminal --------------------------------------------------------------------------------------- */
/* Signals are held back while the echo is off: Ctrl-C first puts the terminal right, and then is what it always is. */
static gboolean ask_quietly(int tty, char *page, GError **error) {
  struct termios old, quiet;
  sigset_t signals, before;

  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGHUP);
  sigaddset(&signals, SIGQUIT);
  sigaddset(&signals, SIGTSTP);
  pthread_sigmask(SIG_BLOCK, &signals, &before);
  int interrupt = signalfd(-1, &signals, SFD_CLOEXEC);
  if (interrupt < 0 || tcgetattr(tty, &old) != 0) {
    fail(error, "cannot ask for the password: %s", g_strerror(errno));
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return FALSE;
  }
  quiet = old;
  quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
  quiet.c_lflag |= ICANON | ISIG;
  tcsetattr(tty, TCSAFLUSH, &quiet);
  gboolean done = read_line(tty, interrupt, -1, page, error);
  tcsetattr(tty, TCSAFLUSH, &old);
  if (write(tty, "\n", 1) < 0)
    g_debug("tty: %s", g_strerror(errno));
  close(interrupt);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return done;
}

static gboolean from_terminal(Secret *secret, const char *prompt, GError **error) {
  int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
  if (tty < 0)
    return fail(error, "no password, and no terminal to ask on: use passfile= or password_command=");
  gboolean done = write(tty, prompt, strlen(prompt)) >= 0;
  if (!done)
    fail(error, "cannot ask for the password: %s", g_strerror(errno));
  done = done && ask_quietly(tty, secret->page, error);
  close(tty);
  secret->typed = done;
  return done;
}

Secret *secret_new(const char *passfile, const char *command, const char *prompt, GError **error) {
  g_autoptr(Secret) secret = g_new0(Secret, 1);
  secret->passfile = g_strdup(passfile);
  secret->command = g_strdup(command);
  secret->page = page_new();
  secret->cancel = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (prompt && !from_terminal(secret, prompt, error))
    return NULL;
  return g_steal_pointer(&secret);
}

void secret_keep(Secret *secret) {
  mlock(secret->page, SECRET_MOST);
}

char *secret_get(gpointer data, GError **error) {
  Secret *secret = data;
  if (secret->typed)
    return g_strdup(secret->page);
  if (!secret->passfile && !secret->command) {
    fail(error, "a password is needed: use passfile= or password_command=");
    return NULL;
  }
  char *page = page_new();
  gboolean done = secret->passfile ? from_file(secret, page, error) : from_command(secret, page, error);
  char *copy = done ? g_strdup(page) : NULL;
  page_free(page);
  return copy;
}

void secret_cancel(Secret *secret) {
  eventfd_write(secret->cancel, 1);
}

void secret_free(Secret *secret) {
  page_free(secret->page);
  if (secret->cancel >= 0)
    close(secret->cancel);
  g_free(secret->passfile);
  g_free(secret->command);
  g_free(secret);
}
