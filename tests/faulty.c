/* SPDX-License-Identifier: MIT */
/*
 * The mailbox is delivered once and then only read, so that sessions can run side by side. The state of an account that
 * has seen the older half of it (the seed) is copied for each second session, under the name that it has for the port
 * of its line. What is true was found out on a good line, and checked against what was delivered.
 */
#include "tests/faulty.h"

#include <check.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/place.h"
#include "tests/tempdir.h"
#include "tests/visit.h"

#define TRIES 5                    /* looks after the fault is off, until all is well */
#define SLOW (30 * G_USEC_PER_SEC) /* remarkable */

/* A message as it is shown: what must never be otherwise. */
typedef struct {
  guint64 size;
  gint64 mtime;
  GBytes *octets; /* NULL: not known yet */
} Letter;

static Dovecot *dovecot;
static char *dir, *tls_ca;
static GHashTable *before, *now; /* name -> Letter, at the time of the seed and from then on */

/* ---- the mailbox ------------------------------------------------------------------------------------------- */

#define HEAD(n, subject)                                                                                               \
  "Date: Sat, 21 Nov 2026 10:00:0" n " +0000\r\nFrom: Ann <ann@example.com>\r\nSubject: " subject                      \
  "\r\nMessage-ID: <" n "@example.com>\r\n"

/* Bodies that look like what stands around them. None ends in a blank: one octet more before that could not be told
 * from the blank before a bracket that is forgiven to QQ (imap/parser.c). */
static const char *const letters[] = {
    HEAD("1", "nearly nothing") "\r\n",
    HEAD("2", "like a server") "\r\n* BYE all over\r\n* 3 EXPUNGE\r\na1 OK done\r\n{5}\r\n",
    HEAD("3", "like an end") "\r\nx)\r\na9 OK FETCH done\r\n* 1 FETCH (UID 1 BODY[] {3}\r\nabc)\r\n",
    HEAD("4",
         "=?UTF-8?Q?Gr=C3=BC=C3=9Fe?=") "Content-Type: text/plain; charset=UTF-8\r\n\r\n\xff\xc3\xbc \xe2\x82\xac\r\n",
    HEAD("5", "no line end") "\r\nends in a brace  )",
    HEAD("6", "comes later") "\r\nnews\r\n",
    HEAD("7", "comes later, too") "\r\n{4}\r\n+ go on\r\n",
};
#define OLD 5 /* so many are there from the start; the second goes */

static void deliver(guint from, guint to) {
  for (guint i = from; i < to; i++)
    dovecot_deliver_text(dovecot, "ann", "", i + 1, letters[i], strlen(letters[i]));
}

static void expunge_second(void) {
  g_autofree char *command = g_strdup_printf(
      "printf 'a SELECT INBOX\\r\\nb UID STORE 2 +FLAGS (\\\\Deleted)\\r\\nc UID STORE 3 +FLAGS (\\\\Flagged)\\r\\n"
      "d EXPUNGE\\r\\ne LOGOUT\\r\\n' | %s",
      dovecot_tunnel(dovecot, "ann"));
  const char *argv[] = {"sh", "-c", command, NULL};
  g_autofree char *said = NULL;
  ck_assert(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, &said,
                         NULL, NULL, NULL));
  ck_assert_msg(strstr(said, "d OK") != NULL, "%s", said);
}

/* ---- accounts ---------------------------------------------------------------------------------------------- */

static char *secret(gpointer data, G_GNUC_UNUSED GError **error) {
  return g_strdup(data);
}

/* `place` holds state and cache. */
static CacheConfig configure(const char *place, guint16 port, gboolean tls) {
  return (CacheConfig){.user = "ann",
                       .host = "localhost",
                       .port = port,
                       .tls = tls ? CACHE_TLS_IMPLICIT : CACHE_TLS_OFF,
                       .tls_ca = tls_ca,
                       .compress = CACHE_COMPRESS_OFF,
                       .connections = 1,
                       .timeout = 1,
                       .secret = secret,
                       .secret_data = "secret",
                       .cache_dir = g_build_filename(place, "cache", NULL),
                       .state_dir = g_build_filename(place, "state", NULL),
                       .cache_size = 1 << 20,
                       .mountpoint = "/mnt/test"};
}

static void unconfigure(CacheConfig *config) {
  g_free(config->cache_dir);
  g_free(config->state_dir);
}

static void letter_free(gpointer data) {
  Letter *letter = data;
  g_clear_pointer(&letter->octets, g_bytes_unref);
  g_free(letter);
}

/* ---- what is true ------------------------------------------------------------------------------------------ */

/* A clean session: all is listed, and the first `read` are read. */
static GHashTable *look(const char *place, guint read) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GArray) entries = NULL;
  GHashTable *truth = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, letter_free);
  CacheConfig config = configure(place, dovecot_port(dovecot), FALSE);
  Visit *visit = visit_new(&config, &error);
  ck_assert_msg(visit != NULL, "%s", error ? error->message : "");
  ck_assert_int_eq(visit_open_folder(visit, visit_inbox(visit), &error), VISIT_OK);
  ck_assert_int_eq(visit_list(visit, visit_inbox(visit), &entries, &error), VISIT_OK);
  for (guint i = 0; i < entries->len; i++) {
    const CacheEntry *entry = &g_array_index(entries, CacheEntry, i);
    Letter *letter = g_new0(Letter, 1);
    *letter = (Letter){.size = entry->size, .mtime = entry->mtime};
    if (i < read)
      ck_assert_int_eq(visit_read(visit, entry, &letter->octets, &error), VISIT_OK);
    g_hash_table_insert(truth, g_strdup(entry->name), letter);
  }
  visit_free(visit);
  unconfigure(&config);
  return truth;
}

/* UIDs were given in the order of delivery. NULL: no such letter, or not any more. */
static const char *letter_of(guint uid) {
  return uid >= 1 && uid <= G_N_ELEMENTS(letters) && uid != 2 ? letters[uid - 1] : NULL;
}

/* Names end in ".UID.eml". */
static void check_truth(void) {
  GHashTableIter iter;
  gpointer name, letter;
  g_hash_table_iter_init(&iter, now);
  ck_assert_uint_eq(g_hash_table_size(now), G_N_ELEMENTS(letters) - 1);
  while (g_hash_table_iter_next(&iter, &name, &letter)) {
    const char *dot = g_strrstr_len(name, (gssize)strlen(name) - 4, ".");
    const char *sent = letter_of((guint)atoi(dot + 1));
    gsize len = 0;
    gconstpointer octets = g_bytes_get_data(((Letter *)letter)->octets, &len);
    ck_assert_ptr_nonnull(sent);
    ck_assert_uint_eq(len, strlen(sent));
    ck_assert_mem_eq(octets, sent, len);
  }
}

void faulty_setup(void) {
  g_log_set_always_fatal(G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL); /* warnings tell of faults, and these there are */
  dovecot = dovecot_new(100);
  dir = tempdir_new();
  tls_ca = g_strdup(dovecot_config(dovecot, "ann").tls_ca);
  g_autofree char *seed = g_build_filename(dir, "seed", NULL), *fresh = g_build_filename(dir, "fresh", NULL);
  deliver(0, OLD);
  before = look(seed, 2);
  deliver(OLD, G_N_ELEMENTS(letters));
  expunge_second();
  now = look(fresh, G_MAXUINT);
  check_truth();
}

guint16 faulty_port(gboolean tls) {
  return tls ? dovecot_config(dovecot, "ann").port : dovecot_port(dovecot);
}

void faulty_teardown(void) {
  dovecot_free(dovecot);
  tempdir_free(dir);
  g_free(tls_ca);
  g_hash_table_unref(before);
  g_hash_table_unref(now);
}

/* ---- one session ------------------------------------------------------------------------------------------- */

static gboolean wrong(Faulty *job, const char *format, ...) G_GNUC_PRINTF(2, 3);
static gboolean wrong(Faulty *job, const char *format, ...) {
  va_list args;
  va_start(args, format);
  if (!job->failure)
    job->failure = g_strdup_vprintf(format, args);
  va_end(args);
  return FALSE;
}

static gboolean fine(Faulty *job, VisitResult result, const char *what) {
  job->errors += result == VISIT_FAILED;
  if (result == VISIT_HANGS)
    wrong(job, "%s hangs", what);
  return result == VISIT_OK;
}

/* Each is a message there is or was, and those that never went are there. */
static gboolean listing_is_possible(Faulty *job, const GArray *entries) {
  guint stayed = 0, known = 0;
  for (guint i = 0; i < entries->len; i++) {
    const CacheEntry *entry = &g_array_index(entries, CacheEntry, i);
    Letter *new = g_hash_table_lookup(now, entry->name), *old = g_hash_table_lookup(before, entry->name);
    Letter *letter = new ? new : job->session == FAULTY_SECOND ? old : NULL;
    if (!letter)
      return wrong(job, "there is no %s", entry->name);
    if (entry->shown && entry->size != letter->size)
      return wrong(job, "%s is said to have %" G_GUINT64_FORMAT " octets", entry->name, entry->size);
    if (entry->mtime != letter->mtime)
      return wrong(job, "the time of %s is wrong", entry->name);
    stayed += new &&old;
    known += new != NULL;
  }
  if (job->session == FAULTY_SECOND && stayed != OLD - 1)
    return wrong(job, "%u of %d that stayed are listed", stayed, OLD - 1);
  /* A first listing is whole or none. An EXPUNGE of somebody's in between it may believe. */
  if (job->session == FAULTY_FIRST && known != g_hash_table_size(now) && job->fault->kind != FAULT_LINE)
    return wrong(job, "part of a folder is listed: %u", known);
  return TRUE;
}

/* How many can be read; each must be what it was. */
static guint read_all(Faulty *job, Visit *visit, const GArray *entries) {
  guint got = 0;
  for (guint i = 0; i < entries->len && !job->failure; i++) {
    const CacheEntry *entry = &g_array_index(entries, CacheEntry, i);
    g_autoptr(GBytes) octets = NULL;
    Letter *letter = g_hash_table_lookup(now, entry->name);
    if (!fine(job, visit_read(visit, entry, &octets, NULL), entry->name))
      continue;
    if (letter && !g_bytes_equal(octets, letter->octets))
      wrong(job, "%s is not what it was: '%.*s'", entry->name, (int)g_bytes_get_size(octets),
            (const char *)g_bytes_get_data(octets, NULL));
    got++;
  }
  return got;
}

/* ls -l; cat of all there is */
static void walk(Faulty *job, Visit *visit) {
  g_autoptr(GArray) entries = NULL;
  gint64 inbox = visit_inbox(visit);
  if (!inbox)
    wrong(job, "no INBOX");
  else if (fine(job, visit_open_folder(visit, inbox, NULL), "opendir") || !job->failure)
    fine(job, visit_list(visit, inbox, &entries, NULL), "readdir");
  if (entries && listing_is_possible(job, entries))
    read_all(job, visit, entries);
}

static gboolean is_all_there(const GArray *entries) {
  guint known = 0;
  for (guint i = 0; i < entries->len; i++)
    known += g_hash_table_contains(now, g_array_index(entries, CacheEntry, i).name);
  return known == entries->len && known == g_hash_table_size(now);
}

static void note(const char *line, gpointer data) {
  Faulty *job = data;
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&job->mutex);
  gint64 ms = (g_get_monotonic_time() - job->began) / 1000;
  g_string_append_printf(job->said, "%8" G_GINT64_FORMAT " ms  %.200s\n", ms, line);
}

static gboolean is_recovered(Faulty *job, Visit *visit) {
  g_autoptr(GArray) entries = NULL;
  gint64 inbox = visit_inbox(visit);
  if (!fine(job, visit_open_folder(visit, inbox, NULL), "opendir afterwards") ||
      !fine(job, visit_list(visit, inbox, &entries, NULL), "readdir afterwards"))
    return FALSE;
  return is_all_there(entries) && listing_is_possible(job, entries) && read_all(job, visit, entries) == entries->len;
}

/* The line is good again, and we are told. On a machine that is busy a second of silence may still be met. */
static void recover(Faulty *job, Visit *visit) {
  guint errors = job->errors;
  cache_retry(visit_cache(visit));
  for (job->tries = 1; !is_recovered(job, visit) && !job->failure; job->tries++) {
    if (job->tries == TRIES)
      wrong(job, "not all of it is there after %d looks", TRIES);
    g_usleep(job->tries * 100000);
  }
  job->errors = errors;
}

static Visit *mount_again(Faulty *job, const CacheConfig *config) {
  Visit *visit = NULL;
  for (guint i = 0; i < TRIES && !visit; i++) {
    g_autoptr(GError) error = NULL;
    visit = visit_new(config, &error);
    if (!visit)
      note(error->message, job);
  }
  if (!visit)
    wrong(job, "no mount on a good line");
  return visit;
}

static void session(Faulty *job, FaultRelay *relay, const char *place) {
  CacheConfig config = configure(place, fault_relay_port(relay), job->tls);
  g_autoptr(GError) error = NULL;
  config.trace = note;
  config.trace_data = job;
  fault_relay_arm(relay, job->fault);
  Visit *visit = visit_new(&config, &error);
  if (visit)
    walk(job, visit);
  else
    job->errors++;
  note(visit ? "the fault is off" : error->message, job);
  job->fired = fault_relay_seen(relay).fired;
  fault_relay_disarm(relay);
  if (!visit)
    visit = mount_again(job, &config);
  if (visit && !job->failure)
    recover(job, visit);
  visit_free(visit);
  unconfigure(&config);
}

/* The places of the seed, under the name that they have for this port. */
static void sow(const char *place, guint16 port) {
  static const char *const parts[] = {"state", "cache"};
  g_autofree char *from = place_account("ann", "localhost", dovecot_port(dovecot));
  g_autofree char *to = place_account("ann", "localhost", port);
  for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
    g_autofree char *source = g_build_filename(dir, "seed", parts[i], from, NULL);
    g_autofree char *parent = g_build_filename(place, parts[i], NULL), *target = g_build_filename(parent, to, NULL);
    const char *argv[] = {"cp", "-a", source, target, NULL};
    g_mkdir_with_parents(parent, 0700);
    if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL))
      g_error("no cp");
  }
}

/* What was said is kept, and told in the end. */
static gboolean is_remarkable(const Faulty *job) {
  return job->failure || job->took > SLOW || g_getenv("FAULT_ONE");
}

void faulty_run(Faulty *job, FaultRelay *relay) {
  char *place = tempdir_new();
  job->began = g_get_monotonic_time();
  if (job->session == FAULTY_SECOND)
    sow(place, fault_relay_port(relay));
  session(job, relay, place);
  job->took = g_get_monotonic_time() - job->began;
  if (!is_remarkable(job))
    g_string_truncate(job->said, 0);
  tempdir_free(place);
}

void faulty_free(gpointer data) {
  Faulty *job = data;
  fault_free(job->fault);
  g_free(job->failure);
  g_string_free(job->said, TRUE);
  g_mutex_clear(&job->mutex);
  g_free(job);
}

Faulty *faulty_new(FaultySession which, gboolean tls, const Fault *fault) {
  Faulty *job = g_new0(Faulty, 1);
  g_autofree char *text = fault_print(fault);
  job->session = which;
  job->tls = tls;
  job->fault = fault_parse(text);
  job->said = g_string_new(NULL);
  g_mutex_init(&job->mutex);
  return job;
}

typedef struct {
  FaultRelay *relay;
  FaultyLength length;
} Ruler;

/* The first command after the login. */
static void note_login(const char *line, gpointer data) {
  Ruler *ruler = data;
  if (ruler->length.login.connections == 0 && strstr(line, " CAPABILITY") && strstr(line, "C: "))
    ruler->length.login = fault_relay_seen(ruler->relay);
}

FaultyLength faulty_measure(FaultySession which, gboolean tls) {
  g_autoptr(FaultRelay) relay = fault_relay_new(faulty_port(tls));
  Ruler ruler = {.relay = relay};
  char *place = tempdir_new();
  Faulty job = {.session = which, .tls = tls, .fault = &(Fault){.kind = FAULT_NONE}};
  if (which == FAULTY_SECOND)
    sow(place, fault_relay_port(relay));
  CacheConfig config = configure(place, fault_relay_port(relay), tls);
  config.trace = note_login;
  config.trace_data = &ruler;
  Visit *visit = visit_new(&config, NULL);
  ck_assert_ptr_nonnull(visit);
  walk(&job, visit);
  ruler.length.all = fault_relay_seen(relay);
  visit_free(visit);
  unconfigure(&config);
  tempdir_free(place);
  ck_assert_msg(job.failure == NULL && job.errors == 0, "%s", job.failure);
  ck_assert_uint_eq(ruler.length.all.connections, 1);
  ck_assert_uint_gt(ruler.length.login.octets[FAULT_DOWN], 0);
  return ruler.length;
}
