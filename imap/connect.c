/* SPDX-License-Identifier: MIT */
/*
 * imap_stream_connect(): a name to an established TCP connection, within one deadline.
 *
 * Resolving runs in GIO's own thread and is awaited on a private main context, since getaddrinfo()
 * can neither be cancelled nor bounded. Connecting follows RFC 8305 in its simple form: addresses of
 * the two families alternate, and the next attempt starts a quarter of a second after the last one,
 * or at once when it failed, so a black hole for IPv6 costs 250 ms and not 15 s.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "imap/error.h"
#include "imap/limits.h"
#include "imap/stream.h"

#define STAGGER (250 * 1000) /* µs between attempts: RFC 8305 section 8 */
#define ATTEMPTS 16          /* addresses of one name that are tried */
#define KEEPALIVE_IDLE 60    /* seconds; NATs of mobile networks forget a connection after 4 to 5 minutes */
#define KEEPALIVE_INTERVAL 15
#define UNSENT (128 * 1024) /* octets the kernel keeps for a slow line: a server cannot answer what it has not seen */

/* ---- name ------------------------------------------------------------------------------------ */

typedef struct {
  GCancellable *inner; /* of the lookup alone: cancelled by the caller's or by the deadline */
  GList *addresses;
  GError *error;
  gboolean done, timed_out;
} Lookup;

static void lookup_done(GObject *source, GAsyncResult *result, gpointer data) {
  Lookup *lookup = data;
  lookup->addresses = g_resolver_lookup_by_name_finish(G_RESOLVER(source), result, &lookup->error);
  lookup->done = TRUE;
}

static gboolean lookup_timeout(gpointer data) {
  Lookup *lookup = data;
  lookup->timed_out = TRUE;
  g_cancellable_cancel(lookup->inner);
  return G_SOURCE_REMOVE;
}

static gboolean lookup_cancelled(G_GNUC_UNUSED GCancellable *c, gpointer data) {
  g_cancellable_cancel(((Lookup *)data)->inner);
  return G_SOURCE_REMOVE;
}

static void attach(GSource *source, GSourceFunc func, Lookup *lookup, GMainContext *context) {
  g_source_set_callback(source, func, lookup, NULL);
  g_source_attach(source, context);
}

static void detach(GSource *source) {
  if (source == NULL)
    return;
  g_source_destroy(source);
  g_source_unref(source);
}

static void lookup_run(Lookup *lookup, const char *host, gint64 deadline, GCancellable *c) {
  g_autoptr(GMainContext) context = g_main_context_new();
  g_autoptr(GResolver) resolver = g_resolver_get_default();
  gint64 left = MAX(deadline - g_get_monotonic_time(), 0);
  GSource *timer = g_timeout_source_new((guint)(left / 1000));
  GSource *cancel = c != NULL ? g_cancellable_source_new(c) : NULL;
  g_main_context_push_thread_default(context);
  attach(timer, lookup_timeout, lookup, context);
  if (cancel != NULL)
    attach(cancel, G_SOURCE_FUNC(lookup_cancelled), lookup, context);
  g_resolver_lookup_by_name_async(resolver, host, lookup->inner, lookup_done, lookup);
  while (!lookup->done)
    g_main_context_iteration(context, TRUE);
  detach(timer);
  detach(cancel);
  g_main_context_pop_thread_default(context);
}

/* A list of GInetAddress, never empty on success. */
static GList *resolve(const char *host, gint64 deadline, GCancellable *c, GError **error) {
  g_autoptr(GCancellable) inner = g_cancellable_new();
  Lookup lookup = {.inner = inner};
  lookup_run(&lookup, host, deadline, c);
  if (lookup.addresses != NULL) {
    g_clear_error(&lookup.error);
    return lookup.addresses;
  }
  if (g_cancellable_is_cancelled(c))
    g_set_error_literal(error, IMAP_ERROR, IMAP_ERROR_CANCELLED, "cancelled");
  else if (lookup.timed_out)
    g_set_error(error, IMAP_ERROR, IMAP_ERROR_HOST, "looking up the host %s took too long", host);
  else
    g_set_error(error, IMAP_ERROR, IMAP_ERROR_HOST, "the host %s is not known: %s", host,
                lookup.error != NULL ? lookup.error->message : "no address");
  g_clear_error(&lookup.error);
  return NULL;
}

/* ---- attempts -------------------------------------------------------------------------------- */

typedef struct {
  GSocketAddress *queue[ATTEMPTS]; /* families in turn */
  guint queued, started;
  struct pollfd open[ATTEMPTS + 1]; /* -1: failed; the last one is the cancellable */
  int last_errno;
} Race;

static void race_fill(Race *race, GList *addresses, guint16 port) {
  GSocketFamily want = g_inet_address_get_family(addresses->data);
  g_autoptr(GList) rest = g_list_copy(addresses);
  while (rest != NULL && race->queued < ATTEMPTS) {
    GList *pick = rest;
    for (GList *l = rest; l != NULL; l = l->next)
      if (g_inet_address_get_family(l->data) == want) {
        pick = l;
        break;
      }
    want = g_inet_address_get_family(pick->data) == G_SOCKET_FAMILY_IPV6 ? G_SOCKET_FAMILY_IPV4 : G_SOCKET_FAMILY_IPV6;
    race->queue[race->queued++] = g_inet_socket_address_new(pick->data, port);
    rest = g_list_delete_link(rest, pick);
  }
}

static void race_clear(Race *race) {
  for (guint i = 0; i < race->started; i++)
    if (race->open[i].fd >= 0)
      close(race->open[i].fd);
  for (guint i = 0; i < race->queued; i++)
    g_object_unref(race->queue[i]);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Race, race_clear)

static void race_start_next(Race *race) {
  GSocketAddress *address = race->queue[race->started];
  struct sockaddr_storage native = {0};
  gssize len = g_socket_address_get_native_size(address);
  struct pollfd *slot = &race->open[race->started++];
  *slot = (struct pollfd){.fd = -1, .events = POLLOUT};
  if (!g_socket_address_to_native(address, &native, sizeof native, NULL))
    return;
  slot->fd = socket(native.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (slot->fd >= 0 && (connect(slot->fd, (struct sockaddr *)&native, (socklen_t)len) == 0 || errno == EINPROGRESS))
    return;
  race->last_errno = errno;
  if (slot->fd >= 0)
    close(slot->fd);
  slot->fd = -1;
}

/* The first socket that is connected, taken out of the race, or -1. */
static int race_winner(Race *race) {
  for (guint i = 0; i < race->started; i++) {
    struct pollfd *slot = &race->open[i];
    int failure = 0;
    socklen_t len = sizeof failure;
    if (slot->fd < 0 || slot->revents == 0)
      continue;
    if (getsockopt(slot->fd, SOL_SOCKET, SO_ERROR, &failure, &len) == 0 && failure == 0) {
      int fd = slot->fd;
      slot->fd = -1;
      return fd;
    }
    race->last_errno = failure;
    close(slot->fd);
    slot->fd = -1;
  }
  return -1;
}

static gboolean race_running(const Race *race) {
  for (guint i = 0; i < race->started; i++)
    if (race->open[i].fd >= 0)
      return TRUE;
  return FALSE;
}

static int race_run(Race *race, int cancel_fd, gint64 deadline) {
  gint64 next_start = 0;
  for (;;) {
    gint64 now = g_get_monotonic_time();
    if (race->started < race->queued && (now >= next_start || !race_running(race))) {
      race_start_next(race);
      next_start = now + STAGGER;
    }
    if (!race_running(race) && race->started == race->queued)
      return -1;
    gint64 until = race->started < race->queued ? MIN(deadline, next_start) : deadline;
    race->open[race->started] = (struct pollfd){.fd = cancel_fd, .events = POLLIN};
    poll(race->open, race->started + 1, (int)(MAX(until - now, 0) / 1000 + 1));
    int fd = race_winner(race);
    if (fd >= 0)
      return fd;
    if (race->open[race->started].revents != 0 || g_get_monotonic_time() >= deadline) {
      race->last_errno = ETIMEDOUT;
      return -1;
    }
  }
}

static void tune(int fd, guint silence) {
  int on = 1, idle = KEEPALIVE_IDLE, interval = KEEPALIVE_INTERVAL;
  unsigned unacked = silence * 1000, unsent = UNSENT;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
  setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacked, sizeof unacked);
}

ImapStream *imap_stream_connect(const char *host, guint16 port, guint silence, GCancellable *c, GError **error) {
  gint64 deadline = g_get_monotonic_time() + IMAP_TIMEOUT_CONNECT * G_USEC_PER_SEC;
  g_autolist(GInetAddress) addresses = resolve(host, deadline, c, error);
  if (addresses == NULL)
    return NULL;
  g_auto(Race) race = {0};
  race_fill(&race, addresses, port);
  GPollFD cancel = {.fd = -1};
  gboolean has_cancel = c != NULL && g_cancellable_make_pollfd(c, &cancel);
  deadline = g_get_monotonic_time() + IMAP_TIMEOUT_CONNECT * G_USEC_PER_SEC;
  int fd = race_run(&race, has_cancel ? cancel.fd : -1, deadline);
  if (has_cancel)
    g_cancellable_release_fd(c);
  if (fd >= 0) {
    tune(fd, silence);
    return imap_stream_from_fd(fd);
  }
  if (g_cancellable_is_cancelled(c))
    g_set_error_literal(error, IMAP_ERROR, IMAP_ERROR_CANCELLED, "cancelled");
  else
    g_set_error(error, IMAP_ERROR, race.last_errno == ETIMEDOUT ? IMAP_ERROR_TIMEOUT : IMAP_ERROR_NETWORK,
                "cannot connect to %s port %u: %s", host, port, g_strerror(race.last_errno));
  return NULL;
}
