/* SPDX-License-Identifier: MIT */
/*
 * A mailbox is delivered and listed once (the seed), and for each session copied with the state of the account that
 * knows it, under a user of its own. What a program was told to be done is noted in a tally, whatever the line made of
 * the rest; in the end the Maildir of that user is to say the same, and so is the account.
 */
#include "tests/scribe_private.h"

#include <string.h>

#include "tests/tally.h"

#define LOOKS 30                             /* at what the server has: it may still be busy with what it was told */
#define PATIENCE_BROKEN (4 * G_USEC_PER_SEC) /* until we say that the line is good again */
#define PATIENCE_GOOD (5 * G_USEC_PER_SEC)   /* until it is told so again, */
#define ROUNDS 20                            /* that often */
#define SLOW (10 * G_USEC_PER_SEC)           /* remarkable */

/* ---- a session ---------------------------------------------------------------------------------------------- */

typedef struct {
  Scribe *job;
  Home *home;
  Visit *visit;
  Cache *cache; /* of visit */
  Tally *due;
} Session;

static void wrong(Scribe *job, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void wrong(Scribe *job, const char *format, ...) {
  va_list args;
  va_start(args, format);
  if (!job->failure)
    job->failure = g_strdup_vprintf(format, args);
  va_end(args);
}

static void note(const char *line, gpointer data) {
  Scribe *job = data;
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&job->mutex);
  gint64 ms = (g_get_monotonic_time() - job->began) / 1000;
  g_string_append_printf(job->said, "%8" G_GINT64_FORMAT " ms  %.200s\n", ms, line);
}

static gboolean begin(Session *session) {
  g_autoptr(GError) error = NULL;
  session->visit = visit_new(&session->home->config, &error);
  if (!session->visit)
    note(error->message, session->job);
  else
    session->cache = visit_cache(session->visit);
  return session->visit != NULL;
}

static gint64 folder_of(Session *session, const char *name) {
  CacheEntry entry = {0};
  CacheAnswer answer = cache_lookup(session->cache, cache_root(session->cache), name, &entry, NULL);
  if (answer != CACHE_READY)
    wrong(session->job, "no folder %s", name);
  return answer == CACHE_READY ? entry.row : 0;
}

/* FALSE: it is not listed, which only a lie excuses. */
static gboolean find(Session *session, const char *folder, guint number, CacheEntry *ret) {
  g_autofree char *part = g_strdup_printf("letter-%u.", number);
  g_autoptr(GArray) entries = NULL;
  gint64 row = folder_of(session, folder);
  if (row == 0 || visit_list(session->visit, row, &entries, NULL) != VISIT_OK)
    return FALSE;
  for (guint i = 0; i < entries->len; i++) {
    *ret = g_array_index(entries, CacheEntry, i);
    if (strstr(ret->name, part))
      return TRUE;
  }
  if (session->job->fault->kind != FAULT_LINE)
    wrong(session->job, "letter %u is not in %s", number, folder);
  return FALSE;
}

/* As the Maildir calls it. */
static const char *dotted(const char *folder) {
  return g_str_equal(folder, "INBOX") ? "" : folder;
}

/* ---- what programs do --------------------------------------------------------------------------------------- */

static gboolean done(Session *session, CacheAnswer answer, const char *what, const GError *error) {
  if (answer != CACHE_READY)
    wrong(session->job, "%s: %d, %s", what, answer, error ? error->message : "no error");
  return answer == CACHE_READY;
}

/* Write and close; the draft is taken. */
static gboolean put(Session *session, CacheDraft *draft, const char *octets, gsize len, const char *what) {
  g_autoptr(GError) error = NULL;
  gboolean ok = cache_draft_write(draft, octets, len, 0, &error) && cache_draft_flush(draft, FALSE, &error);
  cache_draft_close(draft);
  return done(session, ok ? CACHE_READY : CACHE_FAILED, what, error);
}

static void create(Session *session, const char *folder, const char *subject, gsize size) {
  g_autofree char *octets = scribe_letter(subject, size), *name = g_strconcat(subject, ".eml", NULL);
  g_autoptr(GError) error = NULL;
  CacheEntry entry;
  CacheDraft *draft = NULL;
  CacheAnswer answer = cache_create(session->cache, folder_of(session, folder), name, &entry, &draft, &error);
  if (done(session, answer, name, error) && put(session, draft, octets, strlen(octets), name))
    tally_add(session->due, dotted(folder), octets, strlen(octets));
}

static void rewrite(Session *session, const char *folder, guint number, const char *subject) {
  g_autofree char *octets = scribe_letter(subject, 0), *old = scribe_delivered(number);
  g_autoptr(GError) error = NULL;
  CacheEntry entry;
  CacheDraft *draft = NULL;
  if (!find(session, folder, number, &entry) ||
      !done(session, cache_edit(session->cache, entry.row, TRUE, &draft, &error), "edit", error) ||
      !put(session, draft, octets, strlen(octets), "rewrite"))
    return;
  tally_add(session->due, dotted(folder), octets, strlen(octets));
  tally_take(session->due, dotted(folder), old, strlen(old));
  tally_add(session->due, "Trash", old, strlen(old));
}

static void duplicate(Session *session, const char *folder, guint number, const char *to) {
  g_autofree char *octets = scribe_delivered(number);
  g_autoptr(GError) error = NULL;
  CacheEntry entry, copied;
  CacheDraft *draft = NULL;
  guint64 size = 0;
  if (!find(session, folder, number, &entry) ||
      !done(session, cache_create(session->cache, folder_of(session, to), "copy.eml", &copied, &draft, &error), "copy",
            error))
    return;
  CacheAnswer answer = cache_draft_copy(draft, entry.row, &size, &error);
  if (answer == CACHE_READY && !cache_draft_flush(draft, FALSE, &error))
    answer = CACHE_FAILED;
  cache_draft_close(draft);
  if (done(session, answer, "copy", error))
    tally_add(session->due, dotted(to), octets, strlen(octets));
}

static void shift(Session *session, const char *folder, guint number, const char *to) {
  g_autofree char *octets = scribe_delivered(number);
  g_autoptr(GError) error = NULL;
  gint64 ticket = 0;
  CacheEntry entry;
  if (!find(session, folder, number, &entry) ||
      !done(session,
            cache_rename(session->cache, entry.parent, entry.name, folder_of(session, to), entry.name, 0, &ticket,
                         &error),
            "move", error))
    return;
  tally_take(session->due, dotted(folder), octets, strlen(octets));
  tally_add(session->due, dotted(to), octets, strlen(octets));
}

static void flag(Session *session, const char *folder, guint number) {
  g_autofree char *octets = scribe_delivered(number);
  g_autoptr(GError) error = NULL;
  CacheEntry entry;
  if (find(session, folder, number, &entry) &&
      done(session, cache_set_attribute(session->cache, CACHE_MESSAGE, entry.row, "flagged", "1", 1, &error), "flag",
           error))
    tally_flag(session->due, dotted(folder), octets, strlen(octets));
}

static void discard(Session *session, const char *folder, guint number) {
  g_autofree char *octets = scribe_delivered(number);
  g_autoptr(GError) error = NULL;
  CacheEntry entry;
  if (!find(session, folder, number, &entry) ||
      !done(session, cache_remove(session->cache, entry.parent, entry.name, &error), "rm", error))
    return;
  tally_take(session->due, dotted(folder), octets, strlen(octets));
  if (!g_str_equal(folder, "Trash"))
    tally_add(session->due, "Trash", octets, strlen(octets));
}

static void write_all(Session *session) {
  create(session, "Work", "one", 0);
  create(session, "Work", "two", 0);
  create(session, "Work", "three", 0);
  create(session, "INBOX", "large", session->job->manner->large);
  shift(session, "INBOX", 1, "Work");
  shift(session, "INBOX", 2, "Work");
  flag(session, "INBOX", 3);
  discard(session, "INBOX", 4);
  rewrite(session, "INBOX", 5, "anew");
  duplicate(session, "INBOX", 6, "Work");
  discard(session, "Trash", TRASHED);
}

/* ---- what has become of it ---------------------------------------------------------------------------------- */

static gboolean add_shown(Session *session, const char *name, Tally *shown) {
  g_autoptr(GArray) entries = NULL;
  gint64 folder = folder_of(session, name);
  if (visit_open_folder(session->visit, folder, NULL) != VISIT_OK ||
      visit_list(session->visit, folder, &entries, NULL) != VISIT_OK)
    return FALSE;
  for (guint i = 0; i < entries->len; i++) {
    const CacheEntry *entry = &g_array_index(entries, CacheEntry, i);
    g_autoptr(GBytes) octets = NULL;
    g_autofree char *flagged = NULL;
    gsize len = 0;
    if (visit_read(session->visit, entry, &octets, NULL) != VISIT_OK)
      return FALSE;
    const char *data = g_bytes_get_data(octets, &len);
    tally_add(shown, dotted(name), data, len);
    cache_get_attribute(session->cache, CACHE_MESSAGE, entry->row, "flagged", &flagged, NULL);
    if (g_strcmp0(flagged, "1") == 0)
      tally_flag(shown, dotted(name), data, len);
  }
  return TRUE;
}

/* NULL: it is shown as it is due. */
static char *compare_shown(Session *session) {
  g_autoptr(Tally) shown = tally_new();
  CacheEntry entry;
  if (!add_shown(session, "INBOX", shown) || !add_shown(session, "Work", shown) || !add_shown(session, "Trash", shown))
    return g_strdup("not all of it can be listed and read");
  if (cache_lookup(session->cache, cache_root(session->cache), "lost+found", &entry, NULL) == CACHE_READY)
    return g_strdup("something is in lost+found");
  return tally_compare(session->due, shown);
}

static char *compare_server(Session *session) {
  g_autoptr(Tally) there = tally_new();
  g_autoptr(GError) error = NULL;
  g_autofree char *mail = home_mail(session->home);
  gboolean marks = session->job->manner->marks;
  return tally_maildir(there, mail, marks, &error) ? tally_compare(session->due, there) : g_strdup(error->message);
}

static void expect(Session *session, char *(*compare)(Session *session), const char *what) {
  g_autofree char *found = NULL;
  for (guint i = 0; i < LOOKS && (found = compare(session)); i++) {
    note(found, session->job);
    if (i + 1 < LOOKS)
      g_clear_pointer(&found, g_free);
    g_usleep(i * 20000);
    cache_retry(session->cache);
  }
  if (found)
    wrong(session->job, "%s:\n%s", what, found);
}

/* ---- the course of it --------------------------------------------------------------------------------------- */

static void restart(Session *session, FaultRelay *relay) {
  g_clear_pointer(&session->visit, visit_free);
  note("it is begun anew", session->job);
  fault_relay_disarm(relay);
  for (guint i = 0; i < 5 && !session->visit; i++)
    begin(session);
  if (!session->visit)
    wrong(session->job, "it cannot be begun anew on a good line");
}

/* Whatever the line does meanwhile. */
static void settle(Session *session, FaultRelay *relay) {
  Scribe *job = session->job;
  g_autoptr(GError) error = NULL;
  gint64 until = g_get_monotonic_time() + PATIENCE_BROKEN;
  gboolean drained = FALSE;
  while (!drained && g_get_monotonic_time() < until && !(job->manner->restarts && fault_relay_seen(relay).fired))
    drained = visit_drain(session->visit, G_USEC_PER_SEC / 50, NULL) == VISIT_OK;
  job->all = fault_relay_seen(relay);
  job->fired = job->all.fired;
  if (job->manner->restarts && job->fired > 0)
    restart(session, relay);
  fault_relay_disarm(relay);
  if (!session->visit)
    return;
  note(drained ? "all is sent" : "the line is good", job);
  drained = FALSE;
  for (guint i = 0; i < ROUNDS && !drained; i++) {
    g_clear_error(&error);
    cache_retry(session->cache); /* a busy machine is taken for a line that is lost */
    drained = visit_drain(session->visit, PATIENCE_GOOD, &error) == VISIT_OK;
  }
  if (!drained) {
    g_autofree char *state = cache_describe(session->cache);
    wrong(job, "not all is sent on a good line: %s\n%s", error ? error->message : "it takes too long", state);
  }
}

/* Where somebody says that a letter was expunged, it need not be where it was to go, nor be removed. */
static void doubt(Tally *due, const Fault *fault) {
  for (guint number = 1; fault->kind == FAULT_LINE && strstr(fault->line, "EXPUNGE") && number <= BYSTANDER; number++) {
    g_autofree char *octets = scribe_delivered(number);
    tally_doubt(due, octets, strlen(octets), number == TRASHED);
  }
}

static void expect_at_first(Tally *due) {
  for (guint number = 1; number <= BYSTANDER; number++) {
    g_autofree char *octets = scribe_delivered(number);
    tally_add(due, number == TRASHED ? "Trash" : number == BYSTANDER ? "Work" : "", octets, strlen(octets));
  }
}

static void run(Session *session, FaultRelay *relay) {
  if (!begin(session)) /* an account that is known opens without a line, unless what it hears is no IMAP */
    restart(session, relay);
  session->job->login = fault_relay_seen(relay);
  if (session->visit)
    write_all(session);
  if (session->visit && !session->job->failure)
    settle(session, relay);
  if (session->job->failure)
    return;
  doubt(session->due, session->job->fault);
  expect(session, compare_server, "on the server");
  if (!session->job->failure)
    expect(session, compare_shown, "in the account");
}

static gboolean is_remarkable(const Scribe *job) {
  return job->failure || job->took > SLOW || g_getenv("FAULT_ONE");
}

static char *next_user(void) {
  static gint users; /* atomic */
  return g_strdup_printf("ann%d", g_atomic_int_add(&users, 1));
}

void scribe_run(Scribe *job, FaultRelay *relay) {
  g_autofree char *user = next_user();
  g_autoptr(Home) home = home_new(user, job->manner, fault_relay_port(relay));
  g_autoptr(Tally) due = tally_new();
  Session session = {.job = job, .home = home, .due = due};
  home->config.trace = note;
  home->config.trace_data = job;
  home_sow(home);
  expect_at_first(due);
  fault_relay_arm(relay, job->fault);
  job->began = g_get_monotonic_time();
  run(&session, relay);
  job->took = g_get_monotonic_time() - job->began;
  g_clear_pointer(&session.visit, visit_free);
  if (!is_remarkable(job))
    g_string_truncate(job->said, 0);
}

void scribe_free(gpointer data) {
  Scribe *job = data;
  fault_free(job->fault);
  g_free(job->failure);
  g_string_free(job->said, TRUE);
  g_mutex_clear(&job->mutex);
  g_free(job);
}

Scribe *scribe_new(const ScribeManner *manner, const Fault *fault) {
  Scribe *job = g_new0(Scribe, 1);
  g_autofree char *text = fault_print(fault);
  job->manner = manner;
  job->fault = fault_parse(text);
  job->said = g_string_new(NULL);
  g_mutex_init(&job->mutex);
  return job;
}
