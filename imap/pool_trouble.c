/* SPDX-License-Identifier: MIT */
/*
 * Three reasons to keep away, in order of weight:
 *
 *   pause     the server asked for it, in an answer to whatever it was: nothing at all is begun before it ends
 *   refusals  logins that were refused: none is tried any more until the user says so
 *   back-off  the line: the last error is repeated until `next_try`, while connections that stand can be used
 *
 * A server that does not say for how long gets a few seconds, and twice as long each time it has to repeat itself soon
 * after. Sleep counts for a pause, so it is kept in CLOCK_BOOTTIME; a clock that is set does not.
 */
#include "imap/pool_trouble.h"

#include <time.h>

#define BACKOFF_FIRST G_USEC_PER_SEC
#define BACKOFF_LAST (300 * G_USEC_PER_SEC)
#define BACKOFF_TLS (60 * G_USEC_PER_SEC) /* a captive portal passes; a wrong certificate stays */
#define PAUSE_FIRST (5 * G_USEC_PER_SEC)
#define PAUSE_LAST (300 * G_USEC_PER_SEC)
#define PAUSE_MEMORY (600 * G_USEC_PER_SEC) /* a plea within this time of the last one is the same trouble */
/* Servers say five minutes; nobody means a day by a typing error. */
#define PAUSE_LONGEST (G_GINT64_CONSTANT(3600) * G_USEC_PER_SEC)

static gint64 boottime(void) {
  struct timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return (gint64)now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000;
}

void imap_trouble_clear(ImapTrouble *trouble) {
  g_clear_error(&trouble->last);
  g_clear_pointer(&trouble->plea, g_free);
}

/* ---- back-off and refusals --------------------------------------------------------------------------------- */

/* Between three quarters and all of the delay, so that many clients do not return as one. */
static gint64 jitter(gint64 delay) {
  return delay - g_random_int_range(0, (gint32)(delay / 4 / 1000) + 1) * (gint64)1000;
}

void imap_trouble_connected(ImapTrouble *trouble) {
  g_clear_error(&trouble->last);
  trouble->next_try = trouble->backoff = 0;
  trouble->refusals = 0;
}

void imap_trouble_failed(ImapTrouble *trouble, const GError *error) {
  if (error->code == IMAP_ERROR_CANCELLED)
    return;
  if (error->code == IMAP_ERROR_AUTH)
    trouble->refusals++;
  gint64 now = g_get_monotonic_time();
  gint64 first = error->code == IMAP_ERROR_TLS ? BACKOFF_TLS : BACKOFF_FIRST;
  /* Roles that fail together are one failure. */
  if (now >= trouble->next_try)
    trouble->backoff = CLAMP(trouble->backoff * 2, first, BACKOFF_LAST);
  trouble->next_try = now + jitter(trouble->backoff);
  g_clear_error(&trouble->last);
  trouble->last = g_error_copy(error);
}

static gboolean gave_up(const ImapTrouble *trouble) {
  return trouble->refusals >= IMAP_TROUBLE_REFUSALS;
}

static gboolean backing_off(const ImapTrouble *trouble) {
  return trouble->last != NULL && g_get_monotonic_time() < trouble->next_try;
}

/* ---- the pause --------------------------------------------------------------------------------------------- */

gboolean imap_trouble_paused(const ImapTrouble *trouble) {
  return trouble->plea != NULL && boottime() < trouble->plea_ends;
}

static void begin_pause(ImapTrouble *trouble, const char *text, gint64 ends, gint64 until) {
  g_autoptr(GDateTime) time = g_date_time_new_from_unix_local(until);
  g_autofree char *clock = time != NULL ? g_date_time_format(time, "%H:%M:%S") : g_strdup("later");
  g_free(trouble->plea);
  trouble->plea = g_strdup_printf("left alone until %s, as the server asked: %s", clock, text);
  trouble->plea_ends = ends;
}

gboolean imap_trouble_pause(ImapTrouble *trouble, const char *text, gint64 delay, gint64 *ret_until) {
  gint64 now = boottime();
  gboolean already = imap_trouble_paused(trouble);
  if (delay == 0 && already)
    return FALSE; /* several connections were told at once */
  if (delay == 0) {
    gboolean soon = now < trouble->plea_ends + PAUSE_MEMORY;
    trouble->delay = soon ? CLAMP(trouble->delay * 2, PAUSE_FIRST, PAUSE_LAST) : PAUSE_FIRST;
    delay = trouble->delay;
  }
  delay = MIN(delay, PAUSE_LONGEST);
  if (already && now + delay < trouble->plea_ends + G_USEC_PER_SEC)
    return FALSE;
  *ret_until = (g_get_real_time() + delay + G_USEC_PER_SEC - 1) / G_USEC_PER_SEC;
  begin_pause(trouble, text, now + delay, *ret_until);
  return TRUE;
}

void imap_trouble_restore_pause(ImapTrouble *trouble, gint64 until) {
  gint64 seconds = CLAMP(until - g_get_real_time() / G_USEC_PER_SEC, 0, PAUSE_LONGEST / G_USEC_PER_SEC);
  if (seconds > 0)
    begin_pause(trouble, "that was before this start", boottime() + seconds * G_USEC_PER_SEC, until);
}

gboolean imap_trouble_pause_over(ImapTrouble *trouble) {
  if (trouble->plea == NULL || imap_trouble_paused(trouble))
    return FALSE;
  g_clear_pointer(&trouble->plea, g_free);
  return TRUE;
}

/* ---- all together ------------------------------------------------------------------------------------------ */

GError *imap_trouble_error(const ImapTrouble *trouble, gboolean connected) {
  if (imap_trouble_paused(trouble))
    return g_error_new_literal(IMAP_ERROR, IMAP_ERROR_UNAVAILABLE, trouble->plea);
  if (!connected && trouble->last != NULL && (gave_up(trouble) || backing_off(trouble)))
    return g_error_copy(trouble->last);
  return NULL;
}

gint64 imap_trouble_next_try(const ImapTrouble *trouble) {
  if (gave_up(trouble))
    return G_MAXINT64;
  gint64 next = backing_off(trouble) ? trouble->next_try : 0;
  if (imap_trouble_paused(trouble))
    next = MAX(next, g_get_monotonic_time() + trouble->plea_ends - boottime());
  return next;
}

void imap_trouble_forget(ImapTrouble *trouble) {
  imap_trouble_connected(trouble);
  /* The end and the delay stay: if the server has to repeat itself, it is soon after. */
  trouble->plea_ends = MIN(trouble->plea_ends, boottime());
}

void imap_trouble_reset(ImapTrouble *trouble) {
  if (trouble->last != NULL && trouble->last->code != IMAP_ERROR_AUTH && trouble->last->code != IMAP_ERROR_UNAVAILABLE)
    trouble->next_try = trouble->backoff = 0;
}

gboolean imap_trouble_hurry(ImapTrouble *trouble) {
  static const int down[] = {IMAP_ERROR_NETWORK, IMAP_ERROR_HOST, IMAP_ERROR_TIMEOUT};
  for (guint i = 0; trouble->last != NULL && i < G_N_ELEMENTS(down); i++)
    if (trouble->last->code == down[i]) {
      trouble->next_try = 0;
      return TRUE;
    }
  return FALSE;
}

char *imap_trouble_describe(const ImapTrouble *trouble) {
  if (imap_trouble_paused(trouble))
    return g_strdup(trouble->plea);
  if (trouble->last == NULL)
    return NULL;
  if (gave_up(trouble))
    return g_strdup_printf("no more tries until told: %s", trouble->last->message);
  gint64 left = MAX(trouble->next_try - g_get_monotonic_time(), 0);
  return g_strdup_printf("next try in %d s: %s", (int)((left + G_USEC_PER_SEC - 1) / G_USEC_PER_SEC),
                         trouble->last->message);
}
