/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache/cache.h"
#include "cache/place.h"
#include "tests/suite.h"
#include "tests/tempdir.h"

static char *dir, *state, *cache;

static void shell(const char *what) {
  g_autofree char *command = g_strdup_printf("cd '%s' && %s", dir, what);
  ck_assert_msg(system(command) == 0, "%s", what);
}

static void setup(void) {
  dir = tempdir_new();
  state = g_build_filename(dir, "state", NULL);
  cache = g_build_filename(dir, "cache", NULL);
}

static void teardown(void) {
  tempdir_free(dir);
  g_free(state);
  g_free(cache);
}

static void open_place(Place *place) {
  g_autoptr(GError) error = NULL;
  ck_assert_msg(place_open(place, state, cache, "a@h", "/mnt/mail", &error), "%s", error ? error->message : "");
}

static void assert_refused(CacheError code, const char *text) {
  Place place;
  g_autoptr(GError) error = NULL;
  ck_assert(!place_open(&place, state, cache, "a@h", "/mnt/mail", &error));
  ck_assert_msg(g_error_matches(error, CACHE_ERROR, (gint)code), "%d: %s", error->code, error->message);
  ck_assert_msg(strstr(error->message, text) != NULL, "%s", error->message);
}

/* One run: opens all, and says how index and cache matched. */
static Place run_once(void) {
  g_auto(Place) place;
  open_place(&place);
  g_autoptr(GError) error = NULL;
  g_autoptr(Index) index = index_open(place.state_fd, NULL, &error);
  ck_assert_msg(index && place_match(&place, index, &error), "%s", error ? error->message : "");
  Place seen = {.distrust = place.distrust, .wiped = place.wiped, .older = place.older};
  return seen;
}

static void assert_run(gboolean distrust, gboolean wiped, gboolean older, const char *when) {
  Place seen = run_once();
  ck_assert_msg(seen.distrust == distrust && seen.wiped == wiped && seen.older == older,
                "%s: distrust %d wiped %d older %d", when, seen.distrust, seen.wiped, seen.older);
}

static gint64 last_row(void) {
  g_auto(Place) place;
  open_place(&place);
  g_autoptr(Index) index = index_open(place.state_fd, NULL, NULL);
  gint64 row = 0;
  ck_assert(index_last_row(index, &row, NULL));
  return row;
}

START_TEST(all_is_private_whatever_the_umask) {
  static const mode_t masks[] = {0, 077, 0777};
  mkdir(state, 0700);
  mkdir(cache, 0700);
  mode_t old = umask(masks[_i]);
  g_auto(Place) place;
  open_place(&place);
  umask(old);
  shell("test $(stat -c %a state/a@h) = 700 && test $(stat -c %a cache/a@h) = 700");
  shell("test -z \"$(find state/a@h cache/a@h -type f ! -perm 600)\"");
  shell("grep -q '^Signature: 8a477f597d28d172789f06886806bc55' cache/a@h/CACHEDIR.TAG");
  ck_assert(g_str_has_suffix(place.state_path, "/state/a@h"));
  ck_assert(g_str_has_suffix(place.cache_path, "/cache/a@h"));
}
END_TEST

START_TEST(the_second_is_told_where_the_first_is) {
  g_auto(Place) place;
  open_place(&place);
  g_autofree char *pid = g_strdup_printf("a@h is mounted at /mnt/mail already (pid %d)", (int)getpid());
  assert_refused(CACHE_ERROR_LOCKED, pid);
  place_close(&place);
  open_place(&place);
}
END_TEST

/* Who unmounts and mounts again meets the first one while it ends. */
static gpointer end_soon(gpointer place) {
  g_usleep(100 * 1000);
  place_close(place);
  return NULL;
}

START_TEST(one_that_is_ending_is_waited_for) {
  g_auto(Place) first, second;
  open_place(&first);
  GThread *ending = g_thread_new("ending", end_soon, &first);
  open_place(&second);
  g_thread_join(ending);
}
END_TEST

/* A process without a mount sees that it is in the way, and leaves. */
static gpointer leave_when_wanted(gpointer place) {
  while (!place_is_wanted(place))
    g_usleep(1000);
  place_close(place);
  return NULL;
}

START_TEST(a_guest_leaves_when_it_is_wanted) {
  g_auto(Place) guest, place;
  g_autoptr(GError) error = NULL;
  ck_assert(place_open(&guest, state, cache, "a@h", NULL, &error));
  ck_assert(!place_is_wanted(&guest));
  GThread *thread = g_thread_new("guest", leave_when_wanted, &guest);
  open_place(&place);
  g_thread_join(thread);
  ck_assert(!place_is_wanted(&place));
  Place second;
  ck_assert(!place_open(&second, state, cache, "a@h", NULL, &error)); /* at once: a guest waits for nobody */
  ck_assert(g_error_matches(error, CACHE_ERROR, CACHE_ERROR_LOCKED));
  ck_assert(!place_is_wanted(&place));
}
END_TEST

START_TEST(one_directory_for_both_is_fine) {
  g_auto(Place) place;
  g_autoptr(GError) error = NULL;
  ck_assert_msg(place_open(&place, state, state, "a@h", "/mnt", &error), "%s", error ? error->message : "");
}
END_TEST

START_TEST(what_others_could_change_is_refused) {
  mkdir(state, 0700);
  shell("mkdir -m 770 state/a@h");
  assert_refused(CACHE_ERROR_CONFIG, "can be written by others");
  shell("rmdir state/a@h && ln -s / state/a@h");
  assert_refused(CACHE_ERROR_CONFIG, "symbolic link");
  shell("rm state/a@h && touch state/a@h");
  assert_refused(CACHE_ERROR_CONFIG, "must be a directory");
  shell("rm state/a@h && chmod 777 state");
  assert_refused(CACHE_ERROR_CONFIG, "can be written by others");
  shell("chmod 1777 state"); /* as /tmp */
  g_auto(Place) place;
  open_place(&place);
}
END_TEST

START_TEST(what_belongs_to_others_is_refused) {
  if (geteuid() != 0) {
    g_printerr("SKIP: only root can make a directory that belongs to somebody else\n");
    return;
  }
  mkdir(state, 0700);
  shell("mkdir -m 700 state/a@h && chown 1 state/a@h");
  assert_refused(CACHE_ERROR_CONFIG, "belongs to somebody else");
  shell("rmdir state/a@h && chown 1 state");
  assert_refused(CACHE_ERROR_CONFIG, "belongs to somebody else");
}
END_TEST

START_TEST(a_linked_lock_is_refused) {
  mkdir(state, 0700);
  shell("mkdir -m 700 state/a@h && ln -s ../../victim state/a@h/state.lock");
  assert_refused(CACHE_ERROR_LOCAL, "state.lock");
  shell("test ! -e victim");
}
END_TEST

START_TEST(a_linked_stamp_is_not_followed) {
  g_autofree char *victim = g_build_filename(dir, "victim", NULL);
  ck_assert(g_file_set_contents(victim, "precious", -1, NULL));
  assert_run(TRUE, FALSE, FALSE, "first");
  shell("ln -sf ../../victim cache/a@h/cache.stamp && ln -s ../../victim cache/a@h/cache.stamp.new");
  assert_run(TRUE, FALSE, FALSE, "linked");
  shell("test \"$(cat victim)\" = precious && test ! -L cache/a@h/cache.stamp");
}
END_TEST

static void in_child(void (*check)(void)) {
  pid_t pid = fork();
  ck_assert_int_ge(pid, 0);
  if (pid == 0) {
    check();
    _exit(0);
  }
  int status;
  ck_assert_int_eq(waitpid(pid, &status, 0), pid);
  ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", (guint)status);
}

static void check_xdg(void) {
  g_autofree char *home = g_build_filename(dir, "home", NULL);
  g_setenv("HOME", home, TRUE);
  g_unsetenv("XDG_STATE_HOME");
  g_setenv("XDG_CACHE_HOME", "relative/is/ignored", TRUE);
  Place place;
  ck_assert(place_open(&place, NULL, NULL, "a@h", "/mnt", NULL));
  ck_assert(g_str_has_suffix(place.state_path, "/home/.local/state/imapfs/a@h"));
  ck_assert(g_str_has_suffix(place.cache_path, "/home/.cache/imapfs/a@h"));
  place_close(&place);
  g_setenv("XDG_STATE_HOME", state, TRUE);
  ck_assert(place_open(&place, NULL, NULL, "a@h", "/mnt", NULL));
  ck_assert(g_str_has_suffix(place.state_path, "/state/imapfs/a@h"));
  place_close(&place);
}

START_TEST(the_places_of_xdg) {
  in_child(check_xdg);
}
END_TEST

START_TEST(the_usual_runs_match) {
  assert_run(TRUE, FALSE, FALSE, "first: nothing is known of the cache");
  assert_run(FALSE, FALSE, FALSE, "second");
  assert_run(FALSE, FALSE, FALSE, "third");
  ck_assert_int_eq(last_row(), 0);
}
END_TEST

START_TEST(after_a_boot_bodies_are_verified) {
  run_once();
  shell("sed -i 's/[^ ]*$/another-boot/' cache/a@h/cache.stamp");
  assert_run(TRUE, FALSE, FALSE, "another boot");
  assert_run(FALSE, FALSE, FALSE, "then");
}
END_TEST

START_TEST(a_restored_index_is_noticed) {
  run_once();
  shell("cp state/a@h/index.db yesterday");
  run_once();
  shell("cp yesterday state/a@h/index.db");
  assert_run(TRUE, FALSE, TRUE, "index restored");
  ck_assert_int_ge(last_row(), 1 << 26);
  assert_run(FALSE, FALSE, FALSE, "then");
}
END_TEST

START_TEST(a_restored_state_directory_is_noticed) {
  run_once();
  shell("cp -a state yesterday");
  run_once();
  shell("rm -rf state && mv yesterday state");
  assert_run(TRUE, FALSE, TRUE, "all of the state restored");
}
END_TEST

START_TEST(an_index_used_twice_is_noticed) {
  run_once();
  shell("cp -a state copy");
  run_once();
  shell("mv state first && mv copy state && cp first/a@h/state.stamp state/a@h/state.stamp");
  g_autofree char *other = g_build_filename(dir, "elsewhere", NULL);
  Place place;
  ck_assert(place_open(&place, state, other, "a@h", "/mnt", NULL));
  Index *index = index_open(place.state_fd, NULL, NULL);
  ck_assert(place_match(&place, index, NULL));
  ck_assert(place.older); /* state.stamp is of the other branch */
  index_close(index);
  place_close(&place);
  assert_run(TRUE, FALSE, FALSE, "the cache is of an earlier start");
}
END_TEST

START_TEST(a_foreign_cache_is_emptied) {
  run_once();
  shell("mkdir -p cache/a@h/bodies/01 && touch cache/a@h/bodies/01/1 && sed -i 's/^..../0000/' cache/a@h/cache.stamp");
  assert_run(TRUE, TRUE, FALSE, "another id");
  shell("test ! -e cache/a@h/bodies && test -e cache/a@h/CACHEDIR.TAG");
  assert_run(FALSE, FALSE, FALSE, "then");
}
END_TEST

START_TEST(a_deleted_cache_is_no_news) {
  run_once();
  shell("rm -rf cache");
  assert_run(TRUE, FALSE, FALSE, "cache deleted");
}
END_TEST

START_TEST(a_lost_index_never_repeats_a_row) {
  run_once();
  shell("mkdir -p cache/a@h/bodies/01 && touch cache/a@h/bodies/01/1 && rm state/a@h/index.db");
  assert_run(TRUE, TRUE, TRUE, "index lost");
  gint64 first = last_row();
  ck_assert_int_ge(first, 1 << 26);
  shell("rm state/a@h/index.db");
  assert_run(TRUE, FALSE, TRUE, "index lost again");
  ck_assert_int_gt(last_row(), first);
}
END_TEST

static const struct {
  const char *user, *host;
  guint port;
  const char *name;
} accounts[] = {
    {"alice", "mail.example.com", 0, "alice@mail.example.com"},
    {"alice", "Mail.Example.COM", 1143, "alice@mail.example.com:1143"},
    {"alice@example.org", "h", 0, "alice@example.org@h"},
    {"a/../b", "h", 0, "a%2F..%2Fb@h"},
    {"..", "h", 0, "%2E.@h"},
    {"50%", "h", 0, "50%25@h"},
    {"a b\n\xff", "h", 0, "a%20b%0A%FF@h"},
    {"a", "::1", 993, "a@%3A%3A1:993"},
};

START_TEST(an_account_is_a_file_name) {
  g_autofree char *name = place_account(accounts[_i].user, accounts[_i].host, accounts[_i].port);
  ck_assert_str_eq(name, accounts[_i].name);
}
END_TEST

START_TEST(long_accounts_stay_apart) {
  char user[2][400];
  memset(user, 'u', sizeof user);
  user[0][399] = user[1][399] = '\0';
  user[1][398] = 'v';
  g_autofree char *one = place_account(user[0], "h", 0), *two = place_account(user[1], "h", 0);
  ck_assert_uint_eq(strlen(one), 255);
  ck_assert_str_ne(one, two);
}
END_TEST

int main(void) {
  Suite *s = suite_create("place");
  TCase *c = tcase_create("place");
  tcase_add_checked_fixture(c, setup, teardown);
  tcase_add_loop_test(c, all_is_private_whatever_the_umask, 0, 3);
  tcase_add_test(c, the_second_is_told_where_the_first_is);
  tcase_add_test(c, one_that_is_ending_is_waited_for);
  tcase_add_test(c, a_guest_leaves_when_it_is_wanted);
  tcase_add_test(c, one_directory_for_both_is_fine);
  tcase_add_test(c, what_others_could_change_is_refused);
  tcase_add_test(c, what_belongs_to_others_is_refused);
  tcase_add_test(c, a_linked_lock_is_refused);
  tcase_add_test(c, a_linked_stamp_is_not_followed);
  tcase_add_test(c, the_places_of_xdg);
  tcase_add_test(c, the_usual_runs_match);
  tcase_add_test(c, after_a_boot_bodies_are_verified);
  tcase_add_test(c, a_restored_index_is_noticed);
  tcase_add_test(c, a_restored_state_directory_is_noticed);
  tcase_add_test(c, an_index_used_twice_is_noticed);
  tcase_add_test(c, a_foreign_cache_is_emptied);
  tcase_add_test(c, a_deleted_cache_is_no_news);
  tcase_add_test(c, a_lost_index_never_repeats_a_row);
  tcase_add_loop_test(c, an_account_is_a_file_name, 0, G_N_ELEMENTS(accounts));
  tcase_add_test(c, long_accounts_stay_apart);
  suite_add_tcase(s, c);
  return suite_run(s);
}
