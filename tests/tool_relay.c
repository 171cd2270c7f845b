/* SPDX-License-Identifier: MIT */
/*
 * relay PORT: a long, narrow or broken line to 127.0.0.1:PORT. Prints the port it listens on.
 *
 * Each direction is one Link that all connections share. What is read from a socket takes its place on the link's
 * timeline: it starts when the link is free, occupies it for size/rate and arrives half a round trip later. So chunks
 * arrive in the order in which they were read, and a Link is a plain queue with one timer for its head. A connection
 * has at most --window octets under way, as a TCP window would; then it is not read until some have arrived. Of
 * --window, rate times half the round trip is the wire and the rest is the buffer before it.
 *
 * A connection opens one round trip after it was accepted: that is when a client behind a real line could send.
 *
 * Faults: SIGUSR1 stalls the line with all connections up, SIGUSR2 lets it go on, SIGHUP closes all connections;
 * --stall N stalls it after N octets downstream, --cut N closes all connections there (repeatable; N counts from the
 * start, over all connections). --totals FILE holds the octets that have arrived so far, "UP DOWN".
 */
#include "tests/lib/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define CHUNK 16384 /* 1.3 ms at 100 Mbit/s: how finely connections share the line */

typedef enum { UP, DOWN } Direction;

typedef struct Conn Conn;
typedef struct {
  Conn *conn;
  Direction side; /* UP: the client's socket, which is read into link[UP] */
  int fd;
  GQueue outbox; /* Chunks that have arrived and that the socket did not take yet */
  gsize under_way;
  gboolean ended; /* end of file read, or sent on */
  guint32 events; /* as told to epoll */
} Side;

struct Conn {
  Side side[2];
  gint64 opens;
  int shut; /* directions that have ended */
};

typedef struct {
  Side *to;
  gint64 due;
  gsize len, done; /* len 0: end of file */
  guint8 data[];
} Chunk;

typedef struct {
  GQueue chunks;
  gint64 free_at;
  guint64 arrived;
} Link;

typedef struct {
  int epoll, timer, signals, listener;
  guint16 target;
  gint64 rtt;     /* µs */
  gint64 rate;    /* octets per second, 0: unlimited */
  gint64 window;  /* octets */
  GArray *cuts;   /* guint64, ascending: still to come */
  gint64 stall;   /* octets downstream; -1: never */
  gboolean reset; /* cut by RST */
  gboolean stalled, quit;
  int totals; /* file, or -1 */
  Link link[2];
  GQueue opening; /* Conns not yet connected to the target, by time */
  GQueue conns;   /* all */
  gint64 accepted, refuse;
} Relay;

static void watch(Relay *relay, Side *side, guint32 events) {
  struct epoll_event event = {.events = events, .data.ptr = side};
  if (side->events != events && side->fd >= 0)
    epoll_ctl(relay->epoll, EPOLL_CTL_MOD, side->fd, &event);
  side->events = events;
}

static void add(Relay *relay, int fd, void *data, guint32 events) {
  struct epoll_event event = {.events = events, .data.ptr = data};
  if (epoll_ctl(relay->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
    net_die("epoll: %s", g_strerror(errno));
}

static void update(Relay *relay, Side *side) {
  gboolean reads = !side->ended && side->under_way < (gsize)relay->window && !relay->stalled && !side->conn->opens;
  watch(relay, side, (reads ? EPOLLIN : 0) | (g_queue_is_empty(&side->outbox) ? 0 : EPOLLOUT));
}

static void close_side(Relay *relay, Side *side, gboolean reset) {
  struct linger now = {.l_onoff = 1};
  if (side->fd < 0)
    return;
  if (reset)
    setsockopt(side->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  epoll_ctl(relay->epoll, EPOLL_CTL_DEL, side->fd, NULL);
  close(side->fd);
  side->fd = -1;
  g_queue_clear_full(&side->outbox, g_free);
}

static void drop(Relay *relay, Conn *conn, gboolean reset) {
  for (int i = 0; i < 2; i++) {
    for (GList *l = relay->link[i].chunks.head, *next; l; l = next) {
      next = l->next;
      if (((Chunk *)l->data)->to->conn == conn) {
        g_free(l->data);
        g_queue_delete_link(&relay->link[i].chunks, l);
      }
    }
    close_side(relay, &conn->side[i], reset);
  }
  g_queue_remove(&relay->opening, conn);
  g_queue_remove(&relay->conns, conn);
  g_free(conn);
}

/* Writes what has arrived. FALSE: the connection is gone. */
static gboolean flush(Relay *relay, Side *to) {
  Side *from = &to->conn->side[!to->side];
  Chunk *chunk;
  while ((chunk = g_queue_peek_head(&to->outbox))) {
    ssize_t n =
        chunk->len ? send(to->fd, chunk->data + chunk->done, chunk->len - chunk->done, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
    if (n < 0 && errno == EAGAIN)
      break;
    if (n < 0 || (!chunk->len && ++to->conn->shut == 2)) {
      drop(relay, to->conn, FALSE);
      return FALSE;
    }
    if (!chunk->len)
      shutdown(to->fd, SHUT_WR);
    chunk->done += (gsize)n;
    from->under_way -= (gsize)n;
    if (chunk->done == chunk->len)
      g_free(g_queue_pop_head(&to->outbox));
  }
  update(relay, to);
  update(relay, from);
  return TRUE;
}

static void take(Relay *relay, Side *from) {
  Link *link = &relay->link[from->side];
  g_autofree Chunk *chunk = g_malloc(sizeof *chunk + CHUNK);
  ssize_t n = recv(from->fd, chunk->data, CHUNK, MSG_DONTWAIT);
  if (n < 0 && errno == EAGAIN)
    return;
  if (n < 0) {
    drop(relay, from->conn, TRUE);
    return;
  }
  gint64 now = g_get_monotonic_time();
  link->free_at = MAX(now, link->free_at) + (relay->rate ? n * G_USEC_PER_SEC / relay->rate : 0);
  chunk->to = &from->conn->side[!from->side];
  chunk->due = link->free_at + relay->rtt / 2;
  chunk->len = (gsize)n;
  chunk->done = 0;
  from->under_way += (gsize)n;
  from->ended = n == 0;
  g_queue_push_tail(&link->chunks, g_steal_pointer(&chunk));
  update(relay, from);
}

static void cut_all(Relay *relay) {
  while (!g_queue_is_empty(&relay->conns))
    drop(relay, g_queue_peek_head(&relay->conns), relay->reset);
}

/* How much of a chunk of `len` octets still arrives; *ret_cut: the line is cut after that. */
static gsize survives(Relay *relay, guint64 arrived, gsize len, gboolean *ret_cut) {
  guint64 cut = relay->cuts->len ? g_array_index(relay->cuts, guint64, 0) : G_MAXUINT64;
  *ret_cut = arrived + len >= cut;
  if (*ret_cut) {
    g_array_remove_index(relay->cuts, 0);
    return (gsize)(MAX(cut, arrived) - arrived);
  }
  if (relay->stall >= 0 && arrived + len >= (guint64)relay->stall) {
    relay->stall = -1;
    relay->stalled = TRUE;
  }
  return len;
}

static void write_totals(Relay *relay) {
  char text[64]; /* of one length, so that it is always whole */
  int len = g_snprintf(text, sizeof text, "%020" G_GUINT64_FORMAT " %020" G_GUINT64_FORMAT "\n",
                       relay->link[UP].arrived, relay->link[DOWN].arrived);
  if (pwrite(relay->totals, text, (gsize)len, 0) != len)
    net_die("cannot write totals: %s", g_strerror(errno));
}

static void arrive(Relay *relay, Direction direction, gint64 now) {
  Link *link = &relay->link[direction];
  Chunk *chunk;
  while (!relay->stalled && (chunk = g_queue_peek_head(&link->chunks)) && chunk->due <= now) {
    gboolean cut = FALSE;
    g_queue_pop_head(&link->chunks);
    if (direction == DOWN && chunk->len)
      chunk->len = survives(relay, link->arrived, chunk->len, &cut);
    link->arrived += chunk->len;
    if (relay->totals >= 0)
      write_totals(relay);
    g_queue_push_tail(&chunk->to->outbox, chunk);
    flush(relay, chunk->to);
    if (cut)
      cut_all(relay);
  }
}

static void open_due(Relay *relay, gint64 now) {
  Conn *conn;
  while (!relay->stalled && (conn = g_queue_peek_head(&relay->opening)) && conn->opens <= now) {
    int one = 1, buffer = 1 << 18; /* what waits before the line shall wait at the sender */
    Side *server = &conn->side[DOWN];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(relay->target)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(server->fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    if (connect(server->fd, (struct sockaddr *)&address, sizeof address) < 0) {
      close(server->fd);
      server->fd = -1;
      drop(relay, conn, TRUE);
      continue;
    }
    setsockopt(server->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    g_queue_pop_head(&relay->opening);
    conn->opens = 0;
    add(relay, server->fd, server, 0);
    update(relay, server);
    update(relay, &conn->side[UP]);
  }
}

static void welcome(Relay *relay) {
  int fd = accept4(relay->listener, NULL, NULL, SOCK_CLOEXEC), one = 1;
  if (fd < 0)
    return;
  if (++relay->accepted == relay->refuse) {
    close(fd);
    return;
  }
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  Conn *conn = g_new0(Conn, 1);
  for (int i = 0; i < 2; i++)
    conn->side[i] = (Side){.conn = conn, .side = (Direction)i, .fd = -1};
  conn->side[UP].fd = fd;
  conn->opens = g_get_monotonic_time() + MAX(relay->rtt, 1);
  add(relay, fd, &conn->side[UP], 0);
  g_queue_push_tail(&relay->conns, conn);
  g_queue_push_tail(&relay->opening, conn);
}

static void stall(Relay *relay, gboolean stalled) {
  relay->stalled = stalled;
  for (GList *l = relay->conns.head; l; l = l->next) {
    update(relay, &((Conn *)l->data)->side[UP]);
    update(relay, &((Conn *)l->data)->side[DOWN]);
  }
}

static void signalled(Relay *relay) {
  struct signalfd_siginfo info;
  if (read(relay->signals, &info, sizeof info) != sizeof info)
    return;
  if (info.ssi_signo == SIGHUP)
    cut_all(relay);
  else if (info.ssi_signo == SIGUSR1 || info.ssi_signo == SIGUSR2)
    stall(relay, info.ssi_signo == SIGUSR1);
  else
    relay->quit = TRUE;
}

/* Sets the timer for what comes first. */
static void arm(Relay *relay) {
  gint64 due = G_MAXINT64;
  for (int i = 0; i < 2; i++)
    if (!g_queue_is_empty(&relay->link[i].chunks))
      due = MIN(due, ((Chunk *)g_queue_peek_head(&relay->link[i].chunks))->due);
  if (!g_queue_is_empty(&relay->opening))
    due = MIN(due, ((Conn *)g_queue_peek_head(&relay->opening))->opens);
  if (due == G_MAXINT64 || relay->stalled)
    due = 0; /* disarms */
  struct itimerspec spec = {.it_value = {due / G_USEC_PER_SEC, due % G_USEC_PER_SEC * 1000}};
  timerfd_settime(relay->timer, TFD_TIMER_ABSTIME, &spec, NULL);
}

static void ready(Relay *relay, Side *side, guint32 events) {
  if (events & EPOLLERR)
    drop(relay, side->conn, TRUE);
  else if (events & EPOLLIN)
    take(relay, side);
  else if (events & EPOLLOUT)
    flush(relay, side);
  else
    epoll_ctl(relay->epoll, EPOLL_CTL_DEL, side->fd, NULL); /* hung up, and its end is still under way */
}

static void serve(Relay *relay) {
  while (!relay->quit) {
    struct epoll_event event; /* one at a time: handling it may free what the next one points to */
    guint64 expirations;
    arm(relay);
    if (epoll_wait(relay->epoll, &event, 1, -1) < 1)
      continue;
    if (event.data.ptr == &relay->listener)
      welcome(relay);
    else if (event.data.ptr == &relay->signals)
      signalled(relay);
    else if (event.data.ptr != &relay->timer)
      ready(relay, event.data.ptr, event.events);
    else if (read(relay->timer, &expirations, sizeof expirations) < 0)
      continue;
    gint64 now = g_get_monotonic_time();
    arrive(relay, UP, now);
    arrive(relay, DOWN, now);
    open_due(relay, now);
    if (relay->stalled)
      stall(relay, TRUE);
  }
}

static void start(Relay *relay, guint16 port) {
  sigset_t set;
  sigemptyset(&set);
  for (gsize i = 0; i < 5; i++)
    sigaddset(&set, (const int[]){SIGUSR1, SIGUSR2, SIGHUP, SIGTERM, SIGINT}[i]);
  sigprocmask(SIG_BLOCK, &set, NULL);
  relay->epoll = epoll_create1(EPOLL_CLOEXEC);
  relay->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
  relay->signals = signalfd(-1, &set, SFD_CLOEXEC);
  relay->listener = net_listen(port);
  add(relay, relay->timer, &relay->timer, EPOLLIN);
  add(relay, relay->signals, &relay->signals, EPOLLIN);
  add(relay, relay->listener, &relay->listener, EPOLLIN);
}

static gint by_value(gconstpointer a, gconstpointer b) {
  guint64 x = *(const guint64 *)a, y = *(const guint64 *)b;
  return (x > y) - (x < y);
}

static void add_cut(GArray *cuts, const char *text) {
  guint64 value = g_ascii_strtoull(text, NULL, 10);
  g_array_append_val(cuts, value);
}

int main(int argc, char **argv) {
  int port = 0, rtt = 0, mbit = 0;
  g_auto(GStrv) cuts = NULL;
  g_autofree char *totals = NULL;
  Relay relay = {.window = 1 << 20, .stall = -1, .totals = -1};
  const GOptionEntry entries[] = {
      {"listen", 0, 0, G_OPTION_ARG_INT, &port, "Port to listen on (any)", "PORT"},
      {"rtt", 0, 0, G_OPTION_ARG_INT, &rtt, "Round trip in milliseconds (0)", "MS"},
      {"rate", 0, 0, G_OPTION_ARG_INT, &mbit, "Rate of each direction in Mbit/s (unlimited)", "MBIT"},
      {"window", 0, 0, G_OPTION_ARG_INT64, &relay.window, "Octets of a connection under way (1 MiB)", "N"},
      {"cut", 0, 0, G_OPTION_ARG_STRING_ARRAY, &cuts, "Close all connections after N octets downstream", "N"},
      {"reset", 0, 0, G_OPTION_ARG_NONE, &relay.reset, "Cut by RST", NULL},
      {"refuse", 0, 0, G_OPTION_ARG_INT64, &relay.refuse, "Close the K-th connection at once", "K"},
      {"stall", 0, 0, G_OPTION_ARG_INT64, &relay.stall, "Fall silent after N octets downstream", "N"},
      {"totals", 0, 0, G_OPTION_ARG_FILENAME, &totals, "Keep octets up and down in this file", "FILE"},
      {0}};
  net_options(&argc, &argv, entries, "PORT", 1);
  if (totals && (relay.totals = open(totals, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)) < 0)
    net_die("%s: %s", totals, g_strerror(errno));
  relay.target = (guint16)g_ascii_strtoull(argv[1], NULL, 10);
  relay.rtt = rtt * G_GINT64_CONSTANT(1000);
  relay.rate = mbit * G_GINT64_CONSTANT(125000);
  relay.cuts = g_array_new(FALSE, FALSE, sizeof(guint64));
  for (guint i = 0; cuts && cuts[i]; i++)
    add_cut(relay.cuts, cuts[i]);
  g_array_sort(relay.cuts, by_value);
  start(&relay, (guint16)port);
  serve(&relay);
  cut_all(&relay);
  g_array_unref(relay.cuts);
  return 0;
}
