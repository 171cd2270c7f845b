/* SPDX-License-Identifier: MIT */
/*
 * A wait does not notice that the machine slept, so the clocks are compared every LOOK_EVERY. GNetworkMonitor speaks of
 * routes, several times for one change of network: SETTLE after the first word it is told, once.
 */
#include "cache/sync/network.h"

#include <gio/gio.h>
#include <time.h>

#define LOOK_EVERY 5 /* seconds */
#define SETTLE 1
#define SUSPENDED (2 * G_USEC_PER_SEC)

struct _Network {
  NetworkFunc func;
  gpointer data;
  gint64 slept;
  gint pending; /* atomic: a change will be told */
  gint stop;    /* atomic */
  GMainContext *context;
  GThread *thread;
};

gint64 network_slept(void) {
  struct timespec boot, monotonic;
  clock_gettime(CLOCK_BOOTTIME, &boot);
  clock_gettime(CLOCK_MONOTONIC, &monotonic);
  return (gint64)(boot.tv_sec - monotonic.tv_sec) * G_USEC_PER_SEC + (boot.tv_nsec - monotonic.tv_nsec) / 1000;
}

gboolean network_has_slept(gint64 *slept, gint64 now) {
  gboolean has = now - *slept > SUSPENDED;
  *slept = now;
  return has;
}

static gboolean look(gpointer data) {
  Network *network = data;
  if (network_has_slept(&network->slept, network_slept()))
    network->func(NETWORK_RESUMED, network->data);
  return G_SOURCE_CONTINUE;
}

static gboolean tell_change(gpointer data) {
  Network *network = data;
  g_atomic_int_set(&network->pending, FALSE);
  network->func(NETWORK_CHANGED, network->data);
  return G_SOURCE_REMOVE;
}

static void after(Network *network, guint seconds, GSourceFunc func) {
  g_autoptr(GSource) source = g_timeout_source_new_seconds(seconds);
  g_source_set_callback(source, func, network, NULL);
  g_source_attach(source, network->context);
}

/* In whichever thread the monitor speaks. */
static void changed(GNetworkMonitor *monitor, gboolean available, gpointer data) {
  Network *network = data;
  (void)monitor;
  (void)available;
  if (g_atomic_int_compare_and_exchange(&network->pending, FALSE, TRUE))
    after(network, SETTLE, tell_change);
}

static gpointer network_main(gpointer data) {
  Network *network = data;
  g_main_context_push_thread_default(network->context);
  GNetworkMonitor *monitor = g_network_monitor_get_default(); /* speaks in the context of who asks first */
  gulong handler = g_signal_connect(monitor, "network-changed", G_CALLBACK(changed), network);
  after(network, LOOK_EVERY, look);
  while (!g_atomic_int_get(&network->stop))
    g_main_context_iteration(network->context, TRUE);
  g_signal_handler_disconnect(monitor, handler);
  g_main_context_pop_thread_default(network->context);
  return NULL;
}

Network *network_new(NetworkFunc func, gpointer data) {
  Network *network = g_new0(Network, 1);
  network->func = func;
  network->data = data;
  network->slept = network_slept();
  network->context = g_main_context_new();
  network->thread = g_thread_new("network", network_main, network);
  return network;
}

void network_free(Network *network) {
  if (!network)
    return;
  g_atomic_int_set(&network->stop, TRUE);
  g_main_context_wakeup(network->context);
  g_thread_join(network->thread);
  g_main_context_unref(network->context);
  g_free(network);
}
