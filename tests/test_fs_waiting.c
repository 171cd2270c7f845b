/* SPDX-License-Identifier: MIT */
/* Requests that wait: nothing else stops, and each ends by its news, its deadline, an interrupt or the end. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/mock_mount.h"

#define READERS 200
#define TEXT "Subject: Slow\r\n\r\nIt took its time.\r\n"

static TestMount mount;
static gint64 inbox, here, away, claimed;
static char *path_here, *path_away, *path_claimed, *path_inbox;

static void start(guint timeout) {
  Cache *cache = mock_new();
  inbox = mock_folder(cache, 1, "INBOX");
  here = mock_message(cache, inbox, "here.eml", "here");
  away = mock_message(cache, inbox, "away.eml", TEXT);
  claimed = mock_message(cache, inbox, "claimed.eml", TEXT);
  mock_state(cache, away, MOCK_AWAY, 0);
  mock_state(cache, claimed, MOCK_CLAIMED, strlen(TEXT));
  mount_start(&mount, cache, timeout);
  path_here = mount_path(&mount, "INBOX/here.eml");
  path_away = mount_path(&mount, "INBOX/away.eml");
  path_claimed = mount_path(&mount, "INBOX/claimed.eml");
  path_inbox = mount_path(&mount, "INBOX");
}

static void start_patient(void) {
  start(60);
}

static void start_hasty(void) {
  start(1);
}

static void stop(void) {
  mount_stop(&mount);
  g_free(path_here);
  g_free(path_away);
  g_free(path_claimed);
  g_free(path_inbox);
}

/* `cat` of a path whose reading waits, with its output. */
typedef struct {
  GPid pid;
  int out;
} Reader;

static Reader read_slowly(const char *path) {
  Reader reader;
  reader.pid = mount_spawn(&reader.out, ARGV("cat", path));
  return reader;
}

static int finish(Reader *reader, char *ret, gsize size) {
  gsize len = 0;
  gssize got;
  while (ret && len < size - 1 && (got = read(reader->out, ret + len, size - 1 - len)) > 0)
    len += got;
  if (ret)
    ret[len] = '\0';
  close(reader->out);
  return mount_reap(reader->pid);
}

static void block(GPid *pids, guint n) {
  for (guint i = 0; i < n; i++)
    pids[i] = mount_spawn(NULL, ARGV("cat", i % 2 ? path_away : path_claimed));
  /* Readers of one file share a page lock in the kernel: one READ is parked for all of them. */
  mount_await_parked(&mount, n / 2 + 1);
}

START_TEST(others_go_on) {
  GPid pids[READERS];
  int status;
  block(pids, READERS);
  gint64 begin = g_get_monotonic_time();
  g_autofree char *text = mount_run(&status, ARGV("cat", path_here));
  ck_assert_str_eq(text, "here");
  g_free(mount_run(&status, ARGV("ls", "-lR", mount.dir)));
  ck_assert_int_eq(status, 0);
  ck_assert_msg(mount_seconds(begin) < MOUNT_SOON, "%.1f s", mount_seconds(begin));

  begin = g_get_monotonic_time();
  for (guint i = 0; i < READERS; i++)
    kill(pids[i], SIGINT);
  for (guint i = 0; i < READERS; i++) {
    status = mount_reap(pids[i]);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
  }
  ck_assert_msg(mount_seconds(begin) < MOUNT_SOON, "%.1f s", mount_seconds(begin));
  mount_await_parked(&mount, 0);
  ck_assert_uint_eq(mock_wanted(mount.cache, away), 0);
  ck_assert_uint_eq(mock_wanted(mount.cache, claimed), 0);
}
END_TEST

START_TEST(the_end_comes_at_once) {
  GPid pids[READERS];
  block(pids, READERS);
  gint64 begin = g_get_monotonic_time();
  fs_unmount(mount.fs);
  cache_stop(mount.cache);
  fs_free(mount.fs);
  cache_free(mount.cache);
  ck_assert_msg(mount_seconds(begin) < MOUNT_SOON, "%.1f s", mount_seconds(begin));
  for (guint i = 0; i < READERS; i++)
    ck_assert(WEXITSTATUS(mount_reap(pids[i])) == 1);
  ck_assert_int_eq(rmdir(mount.dir), 0);
  g_free(mount.dir);
}
END_TEST

START_TEST(body_for_all_who_wait) {
  Reader readers[8];
  char text[100];
  for (int i = 0; i < 8; i++)
    readers[i] = read_slowly(i % 2 ? path_away : path_claimed);
  mount_await_parked(&mount, 5);
  mock_deliver(mount.cache, away);
  mock_deliver(mount.cache, claimed);
  for (int i = 0; i < 8; i++) {
    ck_assert_int_eq(finish(&readers[i], text, sizeof text), 0);
    ck_assert_str_eq(text, TEXT);
  }
}
END_TEST

/* The claim was too small, too large, or zero: every way of reading sees the exact octets. */
static const guint64 claims[] = {3, 5000, 0, sizeof TEXT - 1};

static int by_mmap(const char *path) {
  int fd = open(path, O_RDONLY);
  if (fd < 0 || lseek(fd, 0, SEEK_END) != (off_t)strlen(TEXT))
    return 1;
  char *map = mmap(NULL, strlen(TEXT), PROT_READ, MAP_PRIVATE, fd, 0);
  return map == MAP_FAILED || memcmp(map, TEXT, strlen(TEXT)) != 0;
}

static int by_sendfile(const char *path) {
  char buf[100];
  int in = open(path, O_RDONLY), out = memfd_create("out", 0);
  return sendfile(out, in, NULL, 10000) != (ssize_t)strlen(TEXT) ||
         pread(out, buf, sizeof buf, 0) != (ssize_t)strlen(TEXT);
}

/* How opening, reading or listing fails: an errno. */
static int by_open(const char *path) {
  return open(path, O_RDONLY) >= 0 ? 0 : errno;
}

static int by_read(const char *path) {
  char buf[10];
  int fd = open(path, O_RDONLY);
  return fd < 0 ? 254 : read(fd, buf, sizeof buf) >= 0 ? 0 : errno;
}

static int by_opendir(const char *path) {
  return opendir(path) ? 0 : errno;
}

static int by_lookup(const char *path) {
  return access(path, F_OK) == 0 ? 0 : errno;
}

/* What a shell says of the file at $0. */
static const char *const tools[] = {
    "exec cat \"$0\"",
    "tar -cf - \"$0\" 2>/dev/null | tar -xOf -",
    "copy=$(mktemp) && cp \"$0\" $copy && cat $copy && rm $copy",
    "grep -c time \"$0\" >/dev/null && dd if=\"$0\" bs=7 2>/dev/null",
};
static int (*const calls[])(const char *path) = {by_mmap, by_sendfile};
#define WAYS (G_N_ELEMENTS(tools) + G_N_ELEMENTS(calls))

static void deliver_when_asked(gint64 row) {
  mount_await_parked(&mount, 1);
  mock_deliver(mount.cache, row);
}

static void check_tool(const char *path, const char *script) {
  char text[100];
  Reader reader;
  reader.pid = mount_spawn(&reader.out, ARGV("sh", "-c", script, path));
  deliver_when_asked(claimed);
  ck_assert_msg(finish(&reader, text, sizeof text) == 0, "%s", script);
  ck_assert_msg(g_str_equal(text, TEXT), "%s: %s", script, text);
}

START_TEST(wrong_claims) {
  guint64 claim = claims[(gsize)_i / WAYS];
  gsize way = (gsize)_i % WAYS;
  mock_state(mount.cache, claimed, MOCK_CLAIMED, claim);
  if (claim) /* the kernel knows it */
    g_free(mount_run(NULL, ARGV("ls", "-l", path_inbox)));
  if (way < G_N_ELEMENTS(tools)) {
    check_tool(path_claimed, tools[way]);
    return;
  }
  GPid pid = mount_fork(calls[way - G_N_ELEMENTS(tools)], path_claimed);
  deliver_when_asked(claimed);
  ck_assert_int_eq(mount_exit(pid), 0);
}
END_TEST

START_TEST(deadline_is_silence) {
  Reader reader = read_slowly(path_away);
  char text[100];
  mount_await_parked(&mount, 1);
  gint64 begin = g_get_monotonic_time();
  mock_hear(mount.cache, 2500); /* a long answer that moves */
  int status = finish(&reader, text, sizeof text);
  ck_assert_int_eq(WEXITSTATUS(status), 1);
  ck_assert(mount_seconds(begin) > 3);
  ck_assert_uint_eq(mock_wanted(mount.cache, away), 0);
  guint waits = mock_waits(mount.cache, away);
  ck_assert_int_eq(mount_child(by_read, path_away), ETIMEDOUT);
  ck_assert_msg(mock_waits(mount.cache, away) == waits + 1, "the kernel's second READ waited, too");
  ck_assert_int_eq(mount_child(by_open, path_claimed), ETIMEDOUT);
}
END_TEST

static void fail_when_asked(CacheKind kind, gint64 row) {
  mount_await_parked(&mount, 1);
  mock_fail(mount.cache, kind, row, CACHE_ERROR_OFFLINE);
}

START_TEST(failure_is_told) {
  GPid pid = mount_fork(by_read, path_away);
  fail_when_asked(CACHE_MESSAGE, away);
  ck_assert_int_eq(mount_exit(pid), EHOSTUNREACH);

  pid = mount_fork(by_open, path_claimed);
  fail_when_asked(CACHE_MESSAGE, claimed);
  ck_assert_int_eq(mount_exit(pid), EHOSTUNREACH);

  mock_listed(mount.cache, inbox, CACHE_WAIT);
  pid = mount_fork(by_opendir, path_inbox);
  fail_when_asked(CACHE_FOLDER, inbox);
  ck_assert_int_eq(mount_exit(pid), EHOSTUNREACH);
}
END_TEST

static void list_when_asked(void) {
  mount_await_parked(&mount, 1);
  mock_deliver_listing(mount.cache, inbox);
}

START_TEST(first_listing_is_awaited) {
  g_autofree char *none = mount_path(&mount, "INBOX/none");
  mock_listed(mount.cache, inbox, CACHE_WAIT);
  GPid pid = mount_fork(by_opendir, path_inbox);
  list_when_asked();
  ck_assert_int_eq(mount_exit(pid), 0);

  mock_listed(mount.cache, inbox, CACHE_WAIT); /* a name in it, too */
  pid = mount_fork(by_lookup, none);
  list_when_asked();
  ck_assert_int_eq(mount_exit(pid), ENOENT);
}
END_TEST

/* It waits for a second at most, and a busy machine may not look in time. */
static void await_parked_or_end(GPid pid) {
  siginfo_t info = {0};
  while (fs_waiting(mount.fs) == 0 && waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == 0)
    g_usleep(1000);
}

START_TEST(fresh_news_are_awaited_a_second) {
  mock_listed(mount.cache, inbox, CACHE_STALE);
  gint64 begin = g_get_monotonic_time();
  ck_assert_int_eq(mount_child(by_opendir, path_inbox), 0);
  ck_assert_msg(mount_seconds(begin) > 0.9 && mount_seconds(begin) < MOUNT_SOON, "%.1f s", mount_seconds(begin));

  GPid pid;
  do { /* or until they come; soon, but for a busy machine */
    mock_listed(mount.cache, inbox, CACHE_STALE);
    begin = g_get_monotonic_time();
    pid = mount_fork(by_opendir, path_inbox);
    await_parked_or_end(pid);
    mock_deliver_listing(mount.cache, inbox);
    ck_assert_int_eq(mount_exit(pid), 0);
  } while (mount_seconds(begin) > 0.9);

  mock_listed(mount.cache, inbox, CACHE_STALE); /* their failure does not matter */
  pid = mount_fork(by_opendir, path_inbox);
  await_parked_or_end(pid);
  mock_fail(mount.cache, CACHE_FOLDER, inbox, CACHE_ERROR_OFFLINE);
  ck_assert_int_eq(mount_exit(pid), 0);
}
END_TEST

static void ignore(int signal) {
  (void)signal;
}

static int with_alarm(const char *path, int (*function)(const char *)) {
  struct sigaction action = {.sa_handler = ignore};
  struct itimerval often = {{0, 300000}, {0, 300000}}; /* the first may come before the call */
  sigaction(SIGALRM, &action, NULL);
  setitimer(ITIMER_REAL, &often, NULL);
  return function(path);
}

static int read_with_alarm(const char *path) {
  return with_alarm(path, by_read);
}

static int open_with_alarm(const char *path) {
  return with_alarm(path, by_open);
}

/* A program that handles the signal gets EINTR at once, from read (also under read-ahead) and from open. */
START_TEST(handled_signal) {
  gint64 begin = g_get_monotonic_time();
  ck_assert_int_eq(mount_child(read_with_alarm, path_away), EINTR);
  ck_assert_int_eq(mount_child(open_with_alarm, path_claimed), EINTR);
  ck_assert(mount_seconds(begin) < MOUNT_SOON);
  mount_await_parked(&mount, 0);
}
END_TEST

START_TEST(busy_umount_changes_nothing) {
  Reader reader = read_slowly(path_away);
  char text[100];
  int status;
  mount_await_parked(&mount, 1);
  gint64 begin = g_get_monotonic_time();
  g_free(mount_run(&status, ARGV("umount", mount.dir)));
  ck_assert_int_ne(status, 0);
  g_free(mount_run(&status, ARGV("fusermount3", "-u", mount.dir)));
  ck_assert_int_ne(status, 0);
  ck_assert(mount_seconds(begin) < MOUNT_SOON);
  g_autofree char *other = mount_run(&status, ARGV("cat", path_here));
  ck_assert_str_eq(other, "here");
  mock_deliver(mount.cache, away);
  ck_assert_int_eq(finish(&reader, text, sizeof text), 0);
  ck_assert_str_eq(text, TEXT);
}
END_TEST

START_TEST(lazy_umount) {
  Reader reader = read_slowly(path_away);
  char text[100];
  int status;
  mount_await_parked(&mount, 1);
  g_free(mount_run(&status, ARGV("fusermount3", "-uz", mount.dir)));
  ck_assert_int_eq(status, 0);
  mock_deliver(mount.cache, away);
  ck_assert_int_eq(finish(&reader, text, sizeof text), 0); /* whoever was in may finish */
  ck_assert_str_eq(text, TEXT);
  fs_wait(mount.fs); /* and then it is over */
}
END_TEST

/* The kernel forgets and asks again, all the time. */
static gpointer drop_caches(gpointer data) {
  int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);
  while (!g_atomic_int_get((gint *)data))
    if (write(fd, "2\n", 2) != 2)
      break;
  close(fd);
  return NULL;
}

START_TEST(forgetful_kernel) {
  gint over = 0;
  int status;
  if (access("/proc/sys/vm/drop_caches", W_OK) != 0) {
    g_printerr("SKIP: dropping the kernel's caches takes root\n");
    return;
  }
  for (int i = 0; i < 300; i++) {
    g_autofree char *name = g_strdup_printf("%03d.eml", i);
    mock_message(mount.cache, inbox, name, TEXT);
  }
  mock_deliver(mount.cache, away);
  mock_deliver(mount.cache, claimed);
  GThread *dropper = g_thread_new("drop", drop_caches, &over);
  for (int round = 0; round < 5; round++) {
    g_autofree char *count = mount_run(&status, ARGV("sh", "-c", "grep -rl Slow \"$0\" | wc -l", mount.dir));
    ck_assert_str_eq(count, "302\n");
  }
  g_atomic_int_set(&over, 1);
  g_thread_join(dropper);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("fs/waiting");
  TCase *tests = mount_case(suite, "patient", start_patient, stop);
  tcase_add_test(tests, others_go_on);
  tcase_add_test(tests, body_for_all_who_wait);
  tcase_add_loop_test(tests, wrong_claims, 0, (int)(WAYS * G_N_ELEMENTS(claims)));
  tcase_add_test(tests, failure_is_told);
  tcase_add_test(tests, first_listing_is_awaited);
  tcase_add_test(tests, fresh_news_are_awaited_a_second);
  tcase_add_test(tests, handled_signal);
  tcase_add_test(tests, busy_umount_changes_nothing);
  tcase_add_test(tests, lazy_umount);
  tcase_add_test(tests, forgetful_kernel);
  tests = mount_case(suite, "hasty", start_hasty, stop);
  tcase_add_test(tests, deadline_is_silence);
  tests = mount_case(suite, "end", start_patient, NULL);
  tcase_add_test(tests, the_end_comes_at_once);
  return mount_suite_run(suite);
}
