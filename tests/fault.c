/* SPDX-License-Identifier: MIT */
/*
 * One thread accepts, and each connection has one that carries octets both ways with blocking writes: a client that
 * does not read holds up its own commands, which IMAP never notices. A chunk as read is cut where the fault lies. The
 * counters and the armed fault are shared; a connection takes its share of the total before it looks for the fault, so
 * that of several connections exactly one reaches the octet.
 *
 * Sockets are closed by the thread of their connection only. Who wants it to end shuts them down, which wakes it.
 */
#include "tests/fault.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK 16384

typedef struct {
  FaultRelay *relay;
  GThread *thread;
  int fd[2];      /* by direction of what is read from it: the client's, the server's */
  guint number;   /* as counted since the arming in which it was opened */
  guint round;    /* of arming, to which the next three belong */
  gboolean young; /* it was opened in this round */
  gboolean hit;
  guint64 passed[2];
  FaultFrames frames;
  gboolean dribbles[2], stalled, reset, over;
  gboolean closed; /* guarded by the relay's mutex */
} Conn;

struct _FaultRelay {
  int listener;
  guint16 port, target;
  GThread *thread;
  GMutex mutex; /* guards all below, and Conn.fd against being closed */
  GPtrArray *conns;
  Fault *fault; /* NULL: none */
  guint round;
  FaultSeen seen;
};

/* ---- what a server says ------------------------------------------------------------------------------------ */

void fault_frames_feed(FaultFrames *frames, guint8 octet) {
  if (frames->literal > 0) {
    frames->literal--;
    return;
  }
  frames->inside = TRUE;
  if (octet == '{') {
    frames->state = FAULT_DIGITS;
    frames->number = 0;
  } else if (frames->state == FAULT_DIGITS && g_ascii_isdigit(octet)) {
    frames->number = frames->number * 10 + octet - '0';
  } else if (frames->state == FAULT_DIGITS && octet == '}') {
    frames->state = FAULT_BRACE;
  } else if (octet == '\r' && frames->state == FAULT_BRACE) {
    frames->state = FAULT_CR;
  } else if (octet == '\n') {
    frames->inside = frames->state == FAULT_CR;
    frames->literal = frames->inside ? frames->number : 0;
    frames->state = FAULT_TEXT;
  } else {
    frames->state = FAULT_TEXT;
  }
}

/* ---- where it goes wrong ----------------------------------------------------------------------------------- */

/* Octets of this chunk before the fault; n + 1: none in it. `position` is what has passed before the chunk. */
static gsize distance(Conn *conn, const Fault *fault, FaultDirection direction, guint64 position, const guint8 *data,
                      gsize n) {
  if (fault->kind != FAULT_LINE && fault->kind != FAULT_TWICE)
    return fault->at >= position && fault->at - position < n ? (gsize)(fault->at - position) : n + 1;
  FaultFrames frames = conn->frames;
  gsize last = fault->kind == FAULT_LINE ? n + 1 : n; /* what is not here yet cannot be repeated */
  for (gsize i = 0; direction == FAULT_DOWN && i < last; i++) {
    if (!frames.inside && position + i >= fault->at)
      return i;
    if (i < n)
      fault_frames_feed(&frames, data[i]);
  }
  return n + 1;
}

static gboolean concerns(const Conn *conn, const Fault *fault, FaultDirection direction) {
  if (fault->direction != direction || conn->hit)
    return FALSE;
  return fault->connection <= 0 || (conn->young && conn->number == (guint)fault->connection);
}

/* It was armed anew: counting begins again. */
static void begin_round(Conn *conn, guint round) {
  if (conn->round == round)
    return;
  conn->round = round;
  conn->young = conn->hit = FALSE;
  conn->passed[FAULT_UP] = conn->passed[FAULT_DOWN] = 0;
}

/* Counts the chunk. What is to be done to it, or NULL; *ret_before octets of it pass first. */
static Fault *take(Conn *conn, FaultDirection direction, const guint8 *data, gsize n, gsize *ret_before) {
  FaultRelay *relay = conn->relay;
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&relay->mutex);
  Fault *fault = relay->fault;
  begin_round(conn, relay->round);
  guint64 total = relay->seen.octets[direction], own = conn->passed[direction];
  relay->seen.octets[direction] += n;
  conn->passed[direction] += n;
  if (!fault || !concerns(conn, fault, direction))
    return NULL;
  *ret_before = distance(conn, fault, direction, fault->connection == FAULT_ANY ? total : own, data, n);
  if (*ret_before > n)
    return NULL;
  relay->seen.fired++;
  conn->hit = TRUE;
  Fault *copy = g_memdup2(fault, sizeof *fault);
  copy->line = g_strdup(fault->line);
  if (fault->connection != FAULT_EACH)
    g_clear_pointer(&relay->fault, fault_free);
  return copy;
}

/* ---- carrying ---------------------------------------------------------------------------------------------- */

static void give(Conn *conn, FaultDirection direction, const void *data, gsize n) {
  const guint8 *at = data;
  while (n > 0 && !conn->over) {
    gssize sent = send(conn->fd[!direction], at, conn->dribbles[direction] ? 1 : n, MSG_NOSIGNAL);
    conn->over = sent < 0;
    at += MAX(sent, 0);
    n -= (gsize)MAX(sent, 0);
  }
}

/* The response that begins with these octets, or what is here of it. */
static gsize response_of(const guint8 *data, gsize n) {
  FaultFrames frames = {0};
  gsize len = 0;
  do {
    if (len == n)
      return n;
    fault_frames_feed(&frames, data[len++]);
  } while (frames.inside);
  return len;
}

static void spoil(Conn *conn, const Fault *fault, guint8 *data, gsize n) {
  g_autofree char *line = g_strconcat(fault->line ? fault->line : "", "\r\n", NULL);
  switch (fault->kind) {
  case FAULT_NONE:
    break;
  case FAULT_RESET:
    conn->reset = TRUE;
    G_GNUC_FALLTHROUGH;
  case FAULT_CLOSE:
    conn->over = TRUE;
    break;
  case FAULT_STALL:
    conn->stalled = TRUE;
    break;
  case FAULT_DRIBBLE:
    conn->dribbles[fault->direction] = TRUE;
    break;
  case FAULT_FLIP:
    data[0] ^= 0x10;
    break;
  case FAULT_NUL:
    give(conn, fault->direction, "", 1);
    break;
  case FAULT_LINE:
    give(conn, fault->direction, line, strlen(line));
    break;
  case FAULT_TWICE:
    give(conn, fault->direction, data, response_of(data, n));
    break;
  }
}

static void carry(Conn *conn, FaultDirection direction, guint8 *data, gsize n) {
  gsize before = n;
  g_autoptr(Fault) fault = take(conn, direction, data, n, &before);
  for (gsize i = 0; direction == FAULT_DOWN && i < n; i++)
    fault_frames_feed(&conn->frames, data[i]);
  before = fault ? before : n;
  give(conn, direction, data, before);
  if (fault && !conn->over)
    spoil(conn, fault, data + before, n - before);
  if (!conn->stalled)
    give(conn, direction, data + before, n - before);
}

static void move(Conn *conn, FaultDirection direction) {
  guint8 data[CHUNK];
  gssize n = recv(conn->fd[direction], data, sizeof data, 0);
  if (n > 0)
    carry(conn, direction, data, (gsize)n);
  else
    conn->over = TRUE;
}

/* A silent line is over when the client has gone. */
static void carry_all(Conn *conn) {
  carry(conn, FAULT_DOWN, (guint8[1]){0}, 0); /* a line before the greeting */
  while (!conn->over) {
    struct pollfd fds[] = {{.fd = conn->fd[FAULT_UP], .events = conn->stalled ? POLLRDHUP : POLLIN},
                           {.fd = conn->stalled ? -1 : conn->fd[FAULT_DOWN], .events = POLLIN}};
    poll(fds, 2, -1);
    if (conn->stalled)
      conn->over = fds[0].revents != 0;
    for (int i = 0; i < 2 && !conn->over && !conn->stalled; i++)
      if (fds[i].revents)
        move(conn, (FaultDirection)i);
  }
}

static int dial(guint16 port) {
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
    return fd;
  close(fd);
  return -1;
}

static void close_both(Conn *conn) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&conn->relay->mutex);
  for (int i = 0; i < 2; i++) {
    struct linger now = {.l_onoff = 1};
    if (conn->reset)
      setsockopt(conn->fd[i], SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(conn->fd[i]);
    conn->fd[i] = -1;
  }
  conn->closed = TRUE;
}

static gpointer serve(gpointer data) {
  Conn *conn = data;
  int on = 1;
  conn->over = conn->fd[FAULT_DOWN] < 0;
  for (int i = 0; i < 2; i++)
    setsockopt(conn->fd[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  carry_all(conn);
  close_both(conn);
  return NULL;
}

/* With the lock held. A thread that has ended keeps its stack until it is joined. */
static void reap(FaultRelay *relay) {
  for (guint i = relay->conns->len; i-- > 0;) {
    Conn *conn = relay->conns->pdata[i];
    if (conn->closed) {
      g_thread_join(conn->thread);
      g_ptr_array_remove_index_fast(relay->conns, i);
    }
  }
}

static void welcome(FaultRelay *relay, int fd) {
  Conn *conn = g_new0(Conn, 1);
  conn->relay = relay;
  conn->fd[FAULT_UP] = fd;
  conn->fd[FAULT_DOWN] = dial(relay->target);
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&relay->mutex);
  reap(relay);
  conn->round = relay->round;
  conn->young = TRUE;
  conn->number = ++relay->seen.connections;
  conn->thread = g_thread_new("fault", serve, conn);
  g_ptr_array_add(relay->conns, conn);
}

static gpointer accept_all(gpointer data) {
  FaultRelay *relay = data;
  for (int fd; (fd = accept4(relay->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0 || errno == ECONNABORTED;)
    if (fd >= 0)
      welcome(relay, fd);
  return NULL;
}

/* ---- the relay --------------------------------------------------------------------------------------------- */

FaultRelay *fault_relay_new(guint16 target) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof address;
  FaultRelay *relay = g_new0(FaultRelay, 1);
  relay->target = target;
  relay->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(relay->listener, (struct sockaddr *)&address, len) < 0 || listen(relay->listener, 128) < 0 ||
      getsockname(relay->listener, (struct sockaddr *)&address, &len) < 0)
    g_error("the fault relay cannot listen");
  relay->port = ntohs(address.sin_port);
  relay->conns = g_ptr_array_new_with_free_func(g_free);
  g_mutex_init(&relay->mutex);
  relay->thread = g_thread_new("fault-accept", accept_all, relay);
  return relay;
}

guint16 fault_relay_port(const FaultRelay *relay) {
  return relay->port;
}

static void shut_down(FaultRelay *relay) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&relay->mutex);
  for (guint i = 0; i < relay->conns->len; i++)
    for (int side = 0; side < 2; side++)
      shutdown(((Conn *)relay->conns->pdata[i])->fd[side], SHUT_RDWR);
}

void fault_relay_free(FaultRelay *relay) {
  if (!relay)
    return;
  shutdown(relay->listener, SHUT_RDWR);
  g_thread_join(relay->thread);
  close(relay->listener);
  shut_down(relay);
  for (guint i = 0; i < relay->conns->len; i++)
    g_thread_join(((Conn *)relay->conns->pdata[i])->thread);
  g_ptr_array_unref(relay->conns);
  fault_free(relay->fault);
  g_mutex_clear(&relay->mutex);
  g_free(relay);
}

void fault_relay_arm(FaultRelay *relay, const Fault *fault) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&relay->mutex);
  g_clear_pointer(&relay->fault, fault_free);
  relay->fault = g_memdup2(fault, sizeof *fault);
  relay->fault->line = g_strdup(fault->line);
  relay->round++;
  relay->seen = (FaultSeen){0};
}

void fault_relay_disarm(FaultRelay *relay) {
  fault_relay_arm(relay, &(Fault){.kind = FAULT_NONE, .at = G_MAXUINT64});
}

FaultSeen fault_relay_seen(FaultRelay *relay) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&relay->mutex);
  return relay->seen;
}

/* ---- in words ---------------------------------------------------------------------------------------------- */

static const char *const kinds[] = {"off", "close", "reset", "stall", "dribble", "flip", "nul", "line", "twice"};
static const char *const directions[] = {"up", "down"};

static int index_of(const char *word, const char *const *words, gsize n) {
  for (gsize i = 0; i < n; i++)
    if (g_str_equal(word, words[i]))
      return (int)i;
  return -1;
}

Fault *fault_parse(const char *text) {
  g_auto(GStrv) words = g_strsplit(text, " ", 5);
  guint n = g_strv_length(words);
  if (n < 3)
    return NULL;
  int direction = index_of(words[0], directions, G_N_ELEMENTS(directions));
  int kind = index_of(words[1], kinds, G_N_ELEMENTS(kinds));
  if (direction < 0 || kind < 0 || !g_ascii_isdigit(words[2][0]) || (kind == FAULT_LINE) != (n == 5))
    return NULL;
  const char *which = n > 3 ? words[3] : "any";
  Fault *fault = g_new0(Fault, 1);
  fault->direction = (FaultDirection)direction;
  fault->kind = (FaultKind)kind;
  fault->at = g_ascii_strtoull(words[2], NULL, 10);
  fault->connection = g_str_equal(which, "any")    ? FAULT_ANY
                      : g_str_equal(which, "each") ? FAULT_EACH
                                                   : (int)g_ascii_strtoll(which, NULL, 10);
  fault->line = g_strdup(n > 4 ? words[4] : NULL);
  return fault;
}

char *fault_print(const Fault *fault) {
  g_autofree char *number = g_strdup_printf("%d", fault->connection);
  const char *which = fault->connection == FAULT_ANY ? "any" : fault->connection == FAULT_EACH ? "each" : number;
  return g_strdup_printf("%s %s %" G_GUINT64_FORMAT " %s%s%s", directions[fault->direction], kinds[fault->kind],
                         fault->at, which, fault->line ? " " : "", fault->line ? fault->line : "");
}

void fault_free(Fault *fault) {
  if (!fault)
    return;
  g_free(fault->line);
  g_free(fault);
}
