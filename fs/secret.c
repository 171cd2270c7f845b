/* SPDX-License-Identifier: MIT */
/*
 * The password stands only where it has to: never in argv, the environment, the mount table or the log. A typed one
 * lives in memory of its own that is neither swapped nor dumped; a file is read and a command run again for each login.
 * Only the first line counts. A file that others could read is refused. The command is split as a shell would, but run
 * without one.
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
    if (!await(fd, cancel, timeout_ms)) {
      g_set_error(error, FS_ERROR, FS_ERROR_GIVEN_UP, "waiting for the password was given up");
      return FALSE;
    }
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

/* How it ended; a failure of its own explains a missing password better than "empty". */
static void reap(GPid pid, GError **problem) {
  g_autoptr(GError) failed = NULL;
  int status;

  if (g_error_matches(*problem, FS_ERROR, FS_ERROR_GIVEN_UP))
    kill(pid, SIGKILL);
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR)
      return;
  if (g_error_matches(*problem, FS_ERROR, FS_ERROR_GIVEN_UP) || g_spawn_check_wait_status(status, &failed))
    return;
  g_clear_error(problem);
  *problem = g_steal_pointer(&failed);
}

static gboolean from_command(Secret *secret, char *page, GError **error) {
  g_auto(GStrv) argv = NULL;
  g_autoptr(GError) problem = NULL;
  GSpawnFlags flags = G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD;
  GPid pid;
  int out;

  if (!g_shell_parse_argv(secret->command, NULL, &argv, &problem) ||
      !g_spawn_async_with_pipes(NULL, argv, NULL, flags, unblock_signals, NULL, &pid, NULL, &out, NULL, &problem))
    return fail(error, "password_command: %s", problem->message);
  read_line(out, secret->cancel, SECRET_COMMAND_MS, page, &problem);
  close(out);
  reap(pid, &problem);
  return !problem || fail(error, "password_command: %s", problem->message);
}

/* ---- terminal --------------------------------------------------------------------------------------- */
static gboolean put(int tty, const char *text) {
  return write(tty, text, strlen(text)) == (gssize)strlen(text);
}

/* The echo is off before the question appears, so that nobody can type too early. */
static gboolean ask_quietly(int tty, int interrupt, const char *prompt, char *page, GError **error) {
  struct termios old, quiet;
  if (tcgetattr(tty, &old) != 0)
    return fail(error, "cannot ask for the password: %s", g_strerror(errno));
  quiet = old;
  quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
  quiet.c_lflag |= ICANON | ISIG;
  gboolean done = tcsetattr(tty, TCSAFLUSH, &quiet) == 0 && put(tty, prompt);
  if (!done)
    fail(error, "cannot ask for the password: %s", g_strerror(errno));
  done = done && read_line(tty, interrupt, -1, page, error);
  tcsetattr(tty, TCSAFLUSH, &old);
  put(tty, "\n");
  return done;
}

/* Signals are held back while the echo is off: Ctrl-C first puts the terminal right, and then is what it always is. */
static gboolean from_terminal(Secret *secret, const char *prompt, GError **error) {
  static const int held[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
  sigset_t signals, before;
  int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
  if (tty < 0)
    return fail(error, "no password, and no terminal to ask on: use passfile= or password_command=");

  sigemptyset(&signals);
  for (gsize i = 0; i < G_N_ELEMENTS(held); i++)
    sigaddset(&signals, held[i]);
  pthread_sigmask(SIG_BLOCK, &signals, &before);
  int interrupt = signalfd(-1, &signals, SFD_CLOEXEC);
  secret->typed = interrupt >= 0 && ask_quietly(tty, interrupt, prompt, secret->page, error);
  if (interrupt < 0)
    fail(error, "cannot ask for the password: %s", g_strerror(errno));
  else
    close(interrupt);
  close(tty);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return secret->typed;
}

Secret *secret_new(const char *passfile, const char *command, const char *prompt, GError **error) {
  g_autoptr(Secret) secret = g_new0(Secret, 1);
  secret->passfile = g_strdup(passfile);
  secret->command = g_strdup(command);
  secret->page = page_new();
  secret->cancel = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (prompt && !from_terminal(secret, prompt, error))
    return NULL;
  if (passfile && !from_file(secret, secret->page, error)) /* a mistake is told now, by a clear sentence */
    return NULL;
  if (!secret->typed)
    explicit_bzero(secret->page, SECRET_MOST); /* it is read again when it is needed */
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

/* A pipe holds a page, and forgets it when it is read. */
int secret_hand_on(Secret *secret) {
  int ends[2];
  gsize len = strlen(secret->page);
  if (!secret->typed || pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
    return -1;
  gboolean written = write(ends[1], secret->page, len) == (gssize)len;
  close(ends[1]);
  if (written)
    return ends[0];
  close(ends[0]);
  return -1;
}

gboolean secret_take(Secret *secret, int fd, GError **error) {
  secret->typed = read_line(fd, secret->cancel, SECRET_COMMAND_MS, secret->page, error);
  close(fd);
  return secret->typed;
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
