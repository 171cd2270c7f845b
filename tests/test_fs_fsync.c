/* SPDX-License-Identifier: MIT */
/* Waiting for the server with fsync, and how writers end. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/killed.h"
#include "tests/mock_hello.h"

#define WAITERS 200

/* ---- fsync ------------------------------------------------------------------------------------------ */
static int write_and_fsync(const char *path) {
  int fd = open(path, O_CREAT | O_WRONLY, 0600);
  return fd < 0 || write(fd, HELLO, strlen(HELLO)) < 0 ? 254 : fsync(fd) == 0 ? 0 : errno;
}

static int only_fsync(const char *path) {
  int fd = open(path, O_RDONLY);
  return fd < 0 ? 254 : fsync(fd) == 0 ? 0 : errno;
}

static void ignore(int number) {
  (void)number;
}

static int fsync_with_alarm(const char *path) {
  struct sigaction action = {.sa_handler = ignore};
  struct itimerval often = {{0, 300000}, {0, 300000}}; /* the first may come before the call */
  sigaction(SIGALRM, &action, NULL);
  setitimer(ITIMER_REAL, &often, NULL);
  return only_fsync(path);
}

START_TEST(fsync_of_what_is_there) {
  ck_assert_int_eq(mount_child(write_and_fsync, path_new), 0);
  ck_assert_int_eq(mount_child(only_fsync, path_hello), 0);
}
END_TEST

START_TEST(fsync_waits_for_the_server) {
  mock_sending(mounted.cache, TRUE);
  GPid pid = mount_fork(write_and_fsync, path_new);
  mount_await_parked(&mounted, 1);
  gint64 row = mock_row(mounted.cache, inbox, "new.eml");
  g_autofree char *content = mock_content(mounted.cache, row);
  ck_assert_str_eq(content, HELLO); /* durable before it waits */
  mock_sent(mounted.cache, row);
  ck_assert_int_eq(mount_exit(pid), 0);
}
END_TEST

START_TEST(fsync_tells_of_failure) {
  mock_deny(mounted.cache, CACHE_ERROR_OFFLINE);
  ck_assert_int_eq(mount_child(only_fsync, path_hello), EHOSTUNREACH);
  mock_deny(mounted.cache, -1);
  mock_sending(mounted.cache, TRUE);
  GPid pid = mount_fork(only_fsync, path_hello);
  mount_await_parked(&mounted, 1);
  mock_deny(mounted.cache, CACHE_ERROR_QUOTA); /* what the server said is known when the news come */
  mock_sent(mounted.cache, hello);
  ck_assert_int_eq(mount_exit(pid), EDQUOT);
}
END_TEST

START_TEST(fsync_is_interrupted) {
  mock_sending(mounted.cache, TRUE);
  ck_assert_int_eq(mount_child(fsync_with_alarm, path_hello), EINTR);
  GPid pid = mount_fork(only_fsync, path_hello);
  mount_await_parked(&mounted, 1);
  kill(pid, SIGKILL);
  ck_assert(WIFSIGNALED(mount_reap(pid)));
  mount_await_parked(&mounted, 0);
}
END_TEST

/* Each has a file of its own, whose lock the kernel holds meanwhile. */
START_TEST(fsync_holds_up_nobody) {
  GPid pids[WAITERS];
  int status;
  mock_sending(mounted.cache, TRUE);
  for (int i = 0; i < WAITERS; i++) {
    g_autofree char *path = g_strdup_printf("%s.%d", path_new, i);
    pids[i] = mount_fork(write_and_fsync, path);
  }
  mount_await_parked(&mounted, WAITERS);
  gint64 begin = g_get_monotonic_time();
  g_autofree char *text = mount_run(&status, ARGV("cat", path_hello));
  ck_assert_str_eq(text, HELLO);
  g_free(mount_run(&status, ARGV("cp", path_hello, path_new)));
  ck_assert_int_eq(status, 0);
  g_free(mount_run(&status, ARGV("mv", path_new, path_hello)));
  ck_assert_int_eq(status, 0);
  g_free(mount_run(&status, ARGV("ls", "-lR", mounted.dir)));
  ck_assert_int_eq(status, 0);
  ck_assert_msg(mount_seconds(begin) < MOUNT_SOON, "%.1f s", mount_seconds(begin));
  for (int i = 0; i < WAITERS; i++) {
    g_autofree char *name = g_strdup_printf("new.eml.%d", i);
    mock_sent(mounted.cache, mock_row(mounted.cache, inbox, name));
    ck_assert_int_eq(mount_exit(pids[i]), 0);
  }
}
END_TEST

/* The server says nothing while it is sent a long message: as long as there is no trouble, that is no reason to give
 * up.
 */
START_TEST(fsync_is_patient_without_trouble) {
  mock_sending(mounted.cache, TRUE);
  mock_left(mounted.cache, 1, NULL);
  gint64 begin = g_get_monotonic_time();
  GPid pid = mount_fork(only_fsync, path_hello);
  mount_await_parked(&mounted, 1);
  while (mount_seconds(begin) < 2.5)
    g_usleep(10000);
  ck_assert_uint_eq(fs_waiting(mounted.fs), 1);
  mock_left(mounted.cache, 1, "the server is not there");
  ck_assert_int_eq(mount_exit(pid), ETIMEDOUT);
}
END_TEST

static int fsync_folder(const char *path) {
  int fd = open(path, O_RDONLY | O_DIRECTORY);
  return fd < 0 ? 254 : fsync(fd) == 0 ? 0 : errno;
}

START_TEST(folders_never_wait) {
  mock_sending(mounted.cache, TRUE);
  ck_assert_int_eq(mount_child(fsync_folder, mounted.dir), 0);
  mock_deny(mounted.cache, CACHE_ERROR_LOCAL);
  ck_assert_int_eq(mount_child(fsync_folder, mounted.dir), EIO);
}
END_TEST

/* ---- how writers end -------------------------------------------------------------------------------- */
static int leave_open(const char *path) {
  int fd = open(path, O_CREAT | O_WRONLY, 0600);
  return fd < 0 || write(fd, HELLO, strlen(HELLO)) < 0;
}

static int die(const char *path) {
  return leave_open(path) || kill(getpid(), SIGKILL) < 0 || pause();
}

static int die_of_pipe(const char *path) {
  signal(SIGPIPE, SIG_DFL);
  return leave_open(path) || raise(SIGPIPE);
}

static void *sleep_for_ever(void *data) {
  (void)data;
  for (;;)
    pause();
  return NULL;
}

/* The last thread to go closes the files, and the others are ended by the kernel as if by a signal. */
static int leave_among_threads(const char *path) {
  pthread_t thread;
  for (int i = 0; i < 8; i++)
    if (pthread_create(&thread, NULL, sleep_for_ever, NULL) != 0)
      return 1;
  return leave_open(path);
}

static int die_among_threads(const char *path) {
  signal(SIGTERM, SIG_DFL);
  return leave_among_threads(path) || kill(getpid(), SIGTERM) < 0 || pause();
}

static const struct {
  int (*writer)(const char *path);
  gboolean killed;
} ends[] = {
    {leave_open, FALSE}, {die, TRUE}, {die_of_pipe, TRUE}, {leave_among_threads, FALSE}, {die_among_threads, TRUE}};

START_TEST(writers_that_were_killed) {
  for (int round = 0; round < 10; round++) {
    gboolean killed;
    mount_child(ends[_i].writer, path_new);
    gint64 row = mock_row(mounted.cache, inbox, "new.eml"), begin = g_get_monotonic_time();
    ck_assert_int_gt(row, 0);
    while (mock_flushes(mounted.cache, row, &killed) == 0)
      ck_assert(mount_seconds(begin) < MOUNT_NEVER);
    ck_assert_msg(killed == ends[_i].killed, "round %d", round);
    ck_assert_int_eq(unlink(path_new), 0);
  }
}
END_TEST

/* One flag more or less, and the exit code at the end of the line. */
#define STAT(name, flags, code)                                                                                        \
  "77 (" name ") R 1 77 1 0 -1 " flags " 1 2 3 4 5 6 7 8 20 0 1 0 100 0 0 18446744073709551615 0 0 0 0 0 0 0 0 0 0 0 " \
  "0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 " code "\n"

static const struct {
  const char *stat;
  gboolean ours, expected;
} stats[] = {
    {STAT("cat", "4195332", "9"), TRUE, TRUE},
    {STAT("cat", "4194308", "9"), TRUE, FALSE},
    {STAT("cat", "4195332", "0"), TRUE, FALSE},
    {STAT("cat", "4195332", "256"), TRUE, FALSE},
    {STAT("cat", "4195332", "139"), TRUE, TRUE},
    {STAT("cat", "4195332", "0"), FALSE, TRUE},
    {STAT("a) R (b", "4195332", "15"), TRUE, TRUE},
    {STAT("", "4195332", "15"), TRUE, TRUE},
    {"77 (cat) R 1 77 1 0 -1", TRUE, FALSE},
    {"77 (cat) R 1 77 1 0 -1 4195332", TRUE, FALSE},
    {"77 (cat", TRUE, FALSE},
    {"77 (cat)", TRUE, FALSE},
    {"", TRUE, FALSE},
};

START_TEST(what_proc_says) {
  for (gsize i = 0; i < G_N_ELEMENTS(stats); i++)
    ck_assert_msg(killed_parse(stats[i].stat, stats[i].ours) == stats[i].expected, "row %zu", i);
  ck_assert(!killed_is(getpid(), TRUE));
  ck_assert(!killed_is(0, TRUE));
  ck_assert(!killed_is(-1, TRUE));
}
END_TEST

/* What was written is kept when the mount ends under the writer, as what a killed one leaves. */
START_TEST(unmounted_under_a_writer) {
  gboolean killed;
  int fd = open(path_new, O_CREAT | O_WRONLY, 0600);
  ck_assert_int_ge(fd, 0);
  ck_assert_int_eq(write(fd, HELLO, strlen(HELLO)), strlen(HELLO));
  gint64 row = mock_row(mounted.cache, inbox, "new.eml");
  fs_unmount(mounted.fs);
  ck_assert_uint_eq(mock_flushes(mounted.cache, row, &killed), 1);
  ck_assert(killed);
  ck_assert(!mock_open(mounted.cache, row));
  g_autofree char *content = mock_content(mounted.cache, row);
  ck_assert_str_eq(content, HELLO);
  close(fd);
  cache_stop(mounted.cache);
  fs_free(mounted.fs);
  cache_free(mounted.cache);
  ck_assert_int_eq(rmdir(mounted.dir), 0);
  g_free(mounted.dir);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("fs/fsync");
  TCase *tests = mount_case(suite, "patient", hello_start, hello_stop);
  tcase_add_test(tests, fsync_of_what_is_there);
  tcase_add_test(tests, fsync_waits_for_the_server);
  tcase_add_test(tests, fsync_tells_of_failure);
  tcase_add_test(tests, fsync_is_interrupted);
  tcase_add_test(tests, fsync_holds_up_nobody);
  tcase_add_test(tests, folders_never_wait);
  tcase_add_loop_test(tests, writers_that_were_killed, 0, G_N_ELEMENTS(ends));
  tcase_add_test(tests, what_proc_says);
  tests = mount_case(suite, "hasty", hello_start_hasty, hello_stop);
  tcase_add_test(tests, fsync_is_patient_without_trouble);
  tests = mount_case(suite, "end", hello_start, NULL);
  tcase_add_test(tests, unmounted_under_a_writer);
  return mount_suite_run(suite);
}
