/* SPDX-License-Identifier: MIT */
/*
 * The line breaks at each octet of a short session in each way, and nothing that is read is ever wrong.
 *
 * A job is one fault in one session over a real Dovecot: mount, list, read, all of which may fail; then, with the fault
 * off and told to try again, the account is as it is on the server. Each way is swept at every FAULT_STEP-th octet (a
 * default that takes half a minute in all; 1 for every octet), over a first session, and over a second one, before
 * which mail has come and gone, so that it has a delta to learn. Faults count on the first connection of an account
 * that has only one; where `each` is said, on every connection until the fault is off.
 *
 * FAULT_ONE="down close 1234 1" FAULT_SESSION=first|second makes one job of that, and tells what happens in it.
 */
#include <check.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/place.h"
#include "tests/dovecot.h"
#include "tests/fault.h"
#include "tests/suite.h"
#include "tests/tempdir.h"
#include "tests/visit.h"

#define WORKERS 8 /* most of a job is waiting */
#define TRIES 5   /* looks after the fault is off, until all is well */
#define SLOW (30 * G_USEC_PER_SEC)
#define DEFAULT_STEP 397

typedef enum { FIRST, SECOND } Session;

/* A message as it is shown: what must never be otherwise. */
typedef struct {
  guint64 size;
  gint64 mtime;
  GBytes *octets; /* NULL: not known yet */
} Letter;

typedef struct {
  Session session;
  gboolean tls;
  Fault *fault;
  char *failure; /* NULL: all is well */
  guint errors, tries, fired;
  gint64 began, took;
  GMutex mutex;  /* guards what follows */
  GString *said; /* by both sides, and of us */
} Job;

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

/* Names end in ".UID.eml", and UIDs were given in the order of delivery. */
static void check_truth(void) {
  GHashTableIter iter;
  gpointer name, letter;
  g_hash_table_iter_init(&iter, now);
  ck_assert_uint_eq(g_hash_table_size(now), G_N_ELEMENTS(letters) - 1);
  while (g_hash_table_iter_next(&iter, &name, &letter)) {
    const char *dot = g_strrstr_len(name, (gssize)strlen(name) - 4, ".");
    guint uid = (guint)atoi(dot + 1);
    ck_assert(uid >= 1 && uid <= G_N_ELEMENTS(letters) && uid != 2);
    gsize len = 0;
    gconstpointer octets = g_bytes_get_data(((Letter *)letter)->octets, &len);
    ck_assert_uint_eq(len, strlen(letters[uid - 1]));
    ck_assert_mem_eq(octets, letters[uid - 1], len);
  }
}

static void setup(void) {
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

static void teardown(void) {
  dovecot_free(dovecot);
  tempdir_free(dir);
  g_free(tls_ca);
  g_hash_table_unref(before);
  g_hash_table_unref(now);
}

/* ---- one job ----------------------------------------------------------------------------------------------- */

static gboolean wrong(Job *job, const char *format, ...) G_GNUC_PRINTF(2, 3);
static gboolean wrong(Job *job, const char *format, ...) {
  va_list args;
  va_start(args, format);
  if (!job->failure)
    job->failure = g_strdup_vprintf(format, args);
  va_end(args);
  return FALSE;
}

static gboolean fine(Job *job, VisitResult result, const char *what) {
  job->errors += result == VISIT_FAILED;
  if (result == VISIT_HANGS)
    wrong(job, "%s hangs", what);
  return result == VISIT_OK;
}

/* Each is a message there is or was, and those that never went are there. */
static gboolean listing_is_possible(Job *job, const GArray *entries) {
  guint stayed = 0, known = 0;
  for (guint i = 0; i < entries->len; i++) {
    const CacheEntry *entry = &g_array_index(entries, CacheEntry, i);
    Letter *new = g_hash_table_lookup(now, entry->name), *old = g_hash_table_lookup(before, entry->name);
    Letter *letter = new ? new : job->session == SECOND ? old : NULL;
    if (!letter)
      return wrong(job, "there is no %s", entry->name);
    if (entry->shown && entry->size != letter->size)
      return wrong(job, "%s is said to have %" G_GUINT64_FORMAT " octets", entry->name, entry->size);
    if (entry->mtime != letter->mtime)
      return wrong(job, "the time of %s is wrong", entry->name);
    stayed += new &&old;
    known += new != NULL;
  }
  if (job->session == SECOND && stayed != OLD - 1)
    return wrong(job, "%u of %d that stayed are listed", stayed, OLD - 1);
  /* A first listing is whole or none. An EXPUNGE of somebody's in between it may believe. */
  if (job->session == FIRST && known != g_hash_table_size(now) && job->fault->kind != FAULT_LINE)
    return wrong(job, "part of a folder is listed: %u", known);
  return TRUE;
}

/* How many can be read; each must be what it was. */
static guint read_all(Job *job, Visit *visit, const GArray *entries) {
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
static void walk(Job *job, Visit *visit) {
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
  Job *job = data;
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&job->mutex);
  gint64 ms = (g_get_monotonic_time() - job->began) / 1000;
  g_string_append_printf(job->said, "%8" G_GINT64_FORMAT " ms  %.200s\n", ms, line);
}

static gboolean is_recovered(Job *job, Visit *visit) {
  g_autoptr(GArray) entries = NULL;
  gint64 inbox = visit_inbox(visit);
  if (!fine(job, visit_open_folder(visit, inbox, NULL), "opendir afterwards") ||
      !fine(job, visit_list(visit, inbox, &entries, NULL), "readdir afterwards"))
    return FALSE;
  return is_all_there(entries) && listing_is_possible(job, entries) && read_all(job, visit, entries) == entries->len;
}

/* The line is good again, and we are told. On a machine that is busy a second of silence may still be met. */
static void recover(Job *job, Visit *visit) {
  guint errors = job->errors;
  cache_retry(visit_cache(visit));
  for (job->tries = 1; !is_recovered(job, visit) && !job->failure; job->tries++) {
    if (job->tries == TRIES)
      wrong(job, "not all of it is there after %d looks", TRIES);
    g_usleep(job->tries * 100000);
  }
  job->errors = errors;
}

static Visit *mount_again(Job *job, const CacheConfig *config) {
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

static void session(Job *job, FaultRelay *relay, const char *place) {
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
static gboolean is_remarkable(const Job *job) {
  return job->failure || job->took > SLOW || g_getenv("FAULT_ONE");
}

static void run_job(Job *job, FaultRelay *relay) {
  char *place = tempdir_new();
  job->began = g_get_monotonic_time();
  if (job->session == SECOND)
    sow(place, fault_relay_port(relay));
  session(job, relay, place);
  job->took = g_get_monotonic_time() - job->began;
  if (!is_remarkable(job))
    g_string_truncate(job->said, 0);
  tempdir_free(place);
}

/* ---- many -------------------------------------------------------------------------------------------------- */

static void job_free(gpointer data) {
  Job *job = data;
  fault_free(job->fault);
  g_free(job->failure);
  g_string_free(job->said, TRUE);
  g_mutex_clear(&job->mutex);
  g_free(job);
}

static Job *job_new(Session which, gboolean tls, const Fault *fault) {
  Job *job = g_new0(Job, 1);
  g_autofree char *text = fault_print(fault);
  job->session = which;
  job->tls = tls;
  job->fault = fault_parse(text);
  job->said = g_string_new(NULL);
  g_mutex_init(&job->mutex);
  return job;
}

static gpointer work(gpointer data) {
  GPtrArray *jobs = ((gpointer *)data)[0];
  gint *next = ((gpointer *)data)[1];
  g_autoptr(FaultRelay) plain = fault_relay_new(dovecot_port(dovecot));
  g_autoptr(FaultRelay) tls = fault_relay_new(dovecot_config(dovecot, "ann").port);
  for (gint i; (i = g_atomic_int_add(next, 1)) < (gint)jobs->len;) {
    Job *job = jobs->pdata[i];
    run_job(job, job->tls ? tls : plain);
  }
  return NULL;
}

static void run_all(GPtrArray *jobs) {
  gint next = 0;
  gpointer data[] = {jobs, &next};
  GThread *threads[WORKERS];
  for (guint i = 0; i < WORKERS; i++)
    threads[i] = g_thread_new("worker", work, data);
  for (guint i = 0; i < WORKERS; i++)
    g_thread_join(threads[i]);
}

/* ---- the sweep --------------------------------------------------------------------------------------------- */

typedef struct {
  Fault fault;
  gboolean tls, plain; /* where it is tried */
  guint coarse;        /* this many steps are one */
} Way;

static const Way ways[] = {
    {{FAULT_CLOSE, FAULT_DOWN, 0, 1, NULL}, TRUE, TRUE, 1},
    {{FAULT_RESET, FAULT_DOWN, 0, 1, NULL}, FALSE, TRUE, 2},
    {{FAULT_STALL, FAULT_DOWN, 0, 1, NULL}, TRUE, TRUE, 2},
    {{FAULT_DRIBBLE, FAULT_DOWN, 0, 1, NULL}, TRUE, TRUE, 4},
    {{FAULT_FLIP, FAULT_DOWN, 0, 1, NULL}, TRUE, FALSE, 1},
    {{FAULT_NUL, FAULT_DOWN, 0, 1, NULL}, TRUE, TRUE, 1},
    {{FAULT_CLOSE, FAULT_UP, 0, 1, NULL}, FALSE, TRUE, 1},
    {{FAULT_RESET, FAULT_UP, 0, 1, NULL}, FALSE, TRUE, 2},
    {{FAULT_STALL, FAULT_UP, 0, 1, NULL}, FALSE, TRUE, 2},
    {{FAULT_DRIBBLE, FAULT_UP, 0, 1, NULL}, FALSE, TRUE, 2},
    {{FAULT_NUL, FAULT_UP, 0, 1, NULL}, FALSE, TRUE, 1},
    {{FAULT_FLIP, FAULT_UP, 0, 1, NULL}, TRUE, FALSE, 1},
    {{FAULT_LINE, FAULT_DOWN, 0, 1, "* BYE fault"}, FALSE, TRUE, 1},
    {{FAULT_LINE, FAULT_DOWN, 0, 1, "* 1 EXPUNGE"}, FALSE, TRUE, 1},
    {{FAULT_LINE, FAULT_DOWN, 0, 1, "* 9 EXISTS"}, FALSE, TRUE, 1},
    {{FAULT_LINE, FAULT_DOWN, 0, 1, "* 0 EXISTS"}, FALSE, TRUE, 1},
    {{FAULT_LINE, FAULT_DOWN, 0, 1, "* 3 FETCH (FLAGS (\\Seen))"}, FALSE, TRUE, 1},
    {{FAULT_LINE, FAULT_DOWN, 0, 1, "* OK [ALERT] mind the gap"}, FALSE, TRUE, 2},
    {{FAULT_CLOSE, FAULT_DOWN, 0, FAULT_EACH, NULL}, FALSE, TRUE, 4},
    {{FAULT_STALL, FAULT_DOWN, 0, FAULT_EACH, NULL}, FALSE, TRUE, 8},
    {{FAULT_LINE, FAULT_DOWN, 0, FAULT_EACH, "* BYE fault"}, FALSE, TRUE, 4},
};

static guint64 step_of(void) {
  const char *text = g_getenv("FAULT_STEP");
  guint64 step = text ? g_ascii_strtoull(text, NULL, 10) : 0;
  return step > 0 ? step : DEFAULT_STEP;
}

/* An undisturbed session, in octets by direction. */
typedef struct {
  FaultRelay *relay;
  FaultSeen login, all;
} Length;

/* The first command after the login. */
static void note_login(const char *line, gpointer data) {
  Length *length = data;
  if (length->login.connections == 0 && strstr(line, " CAPABILITY") && strstr(line, "C: "))
    length->login = fault_relay_seen(length->relay);
}

static Length measure(Session which, gboolean tls) {
  g_autoptr(FaultRelay) relay = fault_relay_new(tls ? dovecot_config(dovecot, "ann").port : dovecot_port(dovecot));
  Length length = {.relay = relay};
  char *place = tempdir_new();
  Job job = {.session = which, .tls = tls, .fault = &(Fault){.kind = FAULT_NONE}};
  if (which == SECOND)
    sow(place, fault_relay_port(relay));
  CacheConfig config = configure(place, fault_relay_port(relay), tls);
  config.trace = note_login;
  config.trace_data = &length;
  Visit *visit = visit_new(&config, NULL);
  ck_assert_ptr_nonnull(visit);
  walk(&job, visit);
  length.all = fault_relay_seen(relay);
  visit_free(visit);
  unconfigure(&config);
  tempdir_free(place);
  ck_assert_msg(job.failure == NULL && job.errors == 0, "%s", job.failure);
  ck_assert_uint_eq(length.all.connections, 1);
  ck_assert_uint_gt(length.login.octets[FAULT_DOWN], 0);
  return length;
}

/* A server that falls silent in the login is given a minute, which is too long for more than the full sweep. */
static guint64 first_octet(const Way *way, const Length *length, guint64 stride) {
  gsize i = (gsize)(way - ways);
  gboolean skips = way->fault.kind == FAULT_STALL && stride > 1;
  /* Each way begins elsewhere, so that together they meet more octets. */
  return (skips ? length->login.octets[way->fault.direction] : 0) + i * 37 % stride;
}

static GPtrArray *plan(Session which, gboolean tls) {
  GPtrArray *jobs = g_ptr_array_new_with_free_func(job_free);
  const char *one = g_getenv("FAULT_ONE");
  guint64 step = step_of();
  Length length = measure(which, tls);
  for (const Way *way = ways; way < ways + G_N_ELEMENTS(ways) && !one; way++) {
    Fault fault = way->fault;
    guint64 stride = step == 1 ? 1 : step * way->coarse;
    if (!(tls ? way->tls : way->plain))
      continue;
    for (fault.at = first_octet(way, &length, stride); fault.at < length.all.octets[fault.direction];
         fault.at += stride)
      g_ptr_array_add(jobs, job_new(which, tls, &fault));
  }
  g_autoptr(Fault) wanted = one ? fault_parse(one) : NULL;
  if (wanted)
    g_ptr_array_add(jobs, job_new(which, tls, wanted));
  printf("%" G_GUINT64_FORMAT " octets up, %" G_GUINT64_FORMAT " down: %u jobs\n", length.all.octets[FAULT_UP],
         length.all.octets[FAULT_DOWN], jobs->len);
  return jobs;
}

static void report(GPtrArray *jobs) {
  guint failed = 0, told = 0, errors = 0, tries = 0, fired = 0;
  gint64 took = 0;
  for (guint i = 0; i < jobs->len; i++) {
    Job *job = jobs->pdata[i];
    g_autofree char *fault = fault_print(job->fault);
    errors += job->errors > 0;
    fired += job->fired > 0;
    tries = MAX(tries, job->tries);
    took = MAX(took, job->took);
    failed += job->failure != NULL;
    if (is_remarkable(job) && told++ < 20)
      printf("FAULT_ONE='%s' FAULT_SESSION=%s%s: %s, %u errors, %u looks, %d ms\n%s", fault,
             job->session == FIRST ? "first" : "second", job->tls ? "-tls" : "", job->failure ? job->failure : "well",
             job->errors, job->tries, (int)(job->took / 1000), job->said->str);
  }
  printf("%u faults in %u sessions, %u of which met an error; at most %u looks, the longest took %d ms\n", fired,
         jobs->len, errors, tries, (int)(took / 1000));
  fflush(stdout); /* a failed assertion does not */
  ck_assert_msg(failed == 0, "%u of %u sessions went wrong", failed, jobs->len);
}

static const struct {
  const char *name;
  Session session;
  gboolean tls;
} sessions[] = {
    {"first", FIRST, FALSE}, {"second", SECOND, FALSE}, {"first-tls", FIRST, TRUE}, {"second-tls", SECOND, TRUE}};

START_TEST(nothing_is_ever_wrong) {
  const char *only = g_getenv("FAULT_SESSION");
  if (only && !g_str_equal(only, sessions[_i].name))
    return;
  g_autoptr(GPtrArray) jobs = plan(sessions[_i].session, sessions[_i].tls);
  run_all(jobs);
  report(jobs);
}
END_TEST

int main(void) {
  if (!dovecot_installed())
    return 77;
  Suite *suite = suite_create("sweep");
  TCase *tests = tcase_create("dovecot");
  tcase_set_timeout(tests, step_of() < DEFAULT_STEP ? 36000 : 200);
  tcase_add_unchecked_fixture(tests, setup, teardown);
  tcase_add_loop_test(tests, nothing_is_ever_wrong, 0, G_N_ELEMENTS(sessions));
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
