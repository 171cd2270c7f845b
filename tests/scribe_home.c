/* SPDX-License-Identifier: MIT */
/* Where the sessions of tests/scribe.c live: one Dovecot, the mail that all of them begin with, and copies of it. */
#include "tests/scribe_private.h"

#include <check.h>
#include <string.h>

#include "cache/place.h"
#include "tests/dovecot.h"
#include "tests/tempdir.h"

static Dovecot *dovecot;
static char *dir, *server_dir, *tls_ca;

/* ---- letters ------------------------------------------------------------------------------------------------ */

char *scribe_letter(const char *subject, gsize size) {
  GString *text = g_string_new(NULL);
  g_string_append_printf(text,
                         "Date: Sat, 21 Nov 2026 10:00:00 +0000\r\nFrom: Ann <ann@example.com>\r\nSubject: %s\r\n"
                         "Message-ID: <%s@example.com>\r\n\r\n",
                         subject, subject);
  do
    g_string_append_printf(text, "* BYE %s\r\n)\r\na1 OK {3}\r\n", subject);
  while (text->len < size);
  return g_string_free(text, FALSE);
}

char *scribe_delivered(guint number) {
  g_autofree char *subject = g_strdup_printf("letter-%u", number);
  return scribe_letter(subject, 0);
}

static void deliver(const char *folder, guint number) {
  g_autofree char *text = scribe_delivered(number);
  dovecot_deliver_text(dovecot, "seed", folder, number, text, strlen(text));
}

/* ---- accounts ----------------------------------------------------------------------------------------------- */

static char *secret(gpointer data, G_GNUC_UNUSED GError **error) {
  return g_strdup(data);
}

Home *home_new(const char *user, const ScribeManner *manner, guint16 port) {
  Home *home = g_new0(Home, 1);
  home->place = g_build_filename(dir, user, NULL);
  home->user = g_strdup(user);
  home->config = (CacheConfig){.user = home->user,
                               .host = "localhost",
                               .port = port,
                               .tls = manner->tls ? CACHE_TLS_IMPLICIT : CACHE_TLS_OFF,
                               .tls_ca = tls_ca,
                               .disable = manner->disable,
                               .compress = CACHE_COMPRESS_OFF,
                               .connections = 1,
                               .timeout = 2,
                               .secret = secret,
                               .secret_data = "secret",
                               .cache_dir = g_build_filename(home->place, "cache", NULL),
                               .state_dir = g_build_filename(home->place, "state", NULL),
                               .cache_size = 1 << 20,
                               .mountpoint = "/mnt/test"};
  return home;
}

void home_free(Home *home) {
  g_free(home->config.cache_dir);
  g_free(home->config.state_dir);
  g_free(home->place);
  g_free(home->user);
  g_free(home);
}

static void copy(const char *from, const char *to) {
  g_autofree char *parent = g_path_get_dirname(to);
  const char *argv[] = {"cp", "-a", from, to, NULL};
  gint status = 0;
  g_mkdir_with_parents(parent, 0700);
  if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, &status, NULL) || status)
    g_error("no copy of %s", from);
}

static char *mail_of(const char *user) {
  return g_build_filename(server_dir, "mail", user, NULL);
}

char *home_mail(const Home *home) {
  return mail_of(home->user);
}

void home_sow(const Home *home) {
  static const char *const parts[] = {"state", "cache"};
  g_autofree char *seed_mail = mail_of("seed"), *mail = home_mail(home);
  g_autofree char *from = place_account("seed", "localhost", dovecot_port(dovecot));
  g_autofree char *to = place_account(home->user, "localhost", home->config.port);
  copy(seed_mail, mail);
  for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
    g_autofree char *source = g_build_filename(dir, "seed", parts[i], from, NULL);
    g_autofree char *target = g_build_filename(home->place, parts[i], to, NULL);
    copy(source, target);
  }
}

/* ---- before and after all ----------------------------------------------------------------------------------- */

guint16 scribe_port(gboolean tls) {
  return tls ? dovecot_config(dovecot, "seed").port : dovecot_port(dovecot);
}

/* What is copied is known by its octets. */
static void read_copied(Visit *visit, const GArray *entries) {
  for (guint i = 0; i < entries->len; i++) {
    const CacheEntry *listed = &g_array_index(entries, CacheEntry, i);
    g_autoptr(GBytes) octets = NULL;
    if (strstr(listed->name, "letter-6."))
      ck_assert_int_eq(visit_read(visit, listed, &octets, NULL), VISIT_OK);
  }
}

static void list_seed(void) {
  static const ScribeManner manner = {.name = "seed"};
  static const char *const folders[] = {"INBOX", "Work", "Trash"};
  g_autoptr(Home) home = home_new("seed", &manner, dovecot_port(dovecot));
  g_autoptr(GError) error = NULL;
  CacheEntry entry;
  g_autoptr(Visit) visit = visit_new(&home->config, &error);
  ck_assert_msg(visit != NULL, "%s", error ? error->message : "");
  Cache *cache = visit_cache(visit);
  for (gsize i = 0; i < G_N_ELEMENTS(folders); i++) {
    g_autoptr(GArray) entries = NULL;
    ck_assert_int_eq(cache_lookup(cache, cache_root(cache), folders[i], &entry, NULL), CACHE_READY);
    ck_assert_int_eq(visit_open_folder(visit, entry.row, NULL), VISIT_OK);
    ck_assert_int_eq(visit_list(visit, entry.row, &entries, NULL), VISIT_OK);
    read_copied(visit, entries);
  }
}

void scribe_setup(void) {
  g_log_set_always_fatal(G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL); /* warnings tell of faults, and these there are */
  dovecot = dovecot_new(100);
  dir = tempdir_new();
  tls_ca = g_strdup(dovecot_config(dovecot, "seed").tls_ca);
  server_dir = g_path_get_dirname(tls_ca);
  for (guint number = 1; number < TRASHED; number++)
    deliver("", number);
  deliver("Trash", TRASHED);
  deliver("Work", BYSTANDER);
  list_seed();
}

void scribe_teardown(void) {
  dovecot_free(dovecot);
  tempdir_free(dir);
  g_free(server_dir);
  g_free(tls_ca);
}
