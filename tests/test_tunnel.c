/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "imap/error.h"
#include "imap/tunnel.h"
#include "tests/suite.h"

/* Reads until `len` octets, the end or an error. */
static ImapIo read_all(ImapStream *stream, char *data, gsize len, gsize *ret_len, GError **error) {
  gint64 deadline = g_get_monotonic_time() + 120 * G_USEC_PER_SEC;
  *ret_len = 0;
  while (*ret_len < len) {
    gsize n = 0;
    ImapIo io = imap_stream_read(stream, data + *ret_len, len - *ret_len, &n, error);
    if (io == IMAP_IO_OK)
      *ret_len += n;
    else if (io != IMAP_IO_WAIT || imap_stream_wait(stream, FALSE, -1, deadline, NULL, NULL) != IMAP_WAIT_READY)
      return io;
  }
  return IMAP_IO_OK;
}

static void check_no_child(void) {
  ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
  ck_assert_int_eq(errno, ECHILD);
}

START_TEST(test_echo) {
  g_autoptr(ImapStream) stream = imap_tunnel_new("cat", NULL);
  char back[6];
  gsize n = 0, got;
  ck_assert_ptr_nonnull(stream);
  ck_assert_int_eq(imap_stream_write(stream, "hello\n", 6, &n, NULL), IMAP_IO_OK);
  ck_assert_uint_eq(n, 6);
  ck_assert_int_eq(read_all(stream, back, 6, &got, NULL), IMAP_IO_OK);
  ck_assert_int_eq(memcmp(back, "hello\n", 6), 0);
  ck_assert_uint_eq(imap_stream_received(stream), 6);
  g_clear_pointer(&stream, imap_stream_free);
  check_no_child();
}
END_TEST

/* Quotes are honoured, but nothing is expanded and no shell is there to obey. */
START_TEST(test_no_shell) {
  g_autoptr(ImapStream) stream = imap_tunnel_new("printf '%s' 'a b' '$HOME' ';touch' /tmp/x", NULL);
  char text[64] = {0};
  gsize got;
  ck_assert_int_eq(read_all(stream, text, sizeof text - 1, &got, NULL), IMAP_IO_ERROR);
  ck_assert_str_eq(text, "a b$HOME;touch/tmp/x");
}
END_TEST

START_TEST(test_last_words) {
  g_autoptr(ImapStream) stream =
      imap_tunnel_new("sh -c 'echo first >&2; printf \"Permission\\033 denied.\\n\" >&2; exit 255'", NULL);
  g_autoptr(GError) error = NULL;
  char byte;
  gsize got;
  ck_assert_int_eq(read_all(stream, &byte, 1, &got, &error), IMAP_IO_ERROR);
  ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_NETWORK));
  ck_assert_ptr_nonnull(strstr(error->message, "denied."));
  ck_assert_ptr_null(strchr(error->message, '\033'));
  ck_assert_ptr_null(strstr(error->message, "first"));
}
END_TEST

/* A child that fills its stderr is not stuck, and one that ignores its end is ended. */
START_TEST(test_talkative) {
  g_autoptr(ImapStream) stream = imap_tunnel_new("sh -c 'head -c 300000 /dev/zero >&2; echo done'", NULL);
  char text[5];
  gsize got;
  ck_assert_int_eq(read_all(stream, text, 5, &got, NULL), IMAP_IO_OK);
  ck_assert_int_eq(memcmp(text, "done\n", 5), 0);
}
END_TEST

START_TEST(test_stubborn) {
  ImapStream *stream = imap_tunnel_new("sh -c 'trap \"\" TERM; echo up; while :; do sleep 1; done'", NULL);
  char text[3];
  gsize got;
  gint64 before = g_get_monotonic_time();
  ck_assert_int_eq(read_all(stream, text, 3, &got, NULL), IMAP_IO_OK);
  imap_stream_free(stream);
  ck_assert_int_lt(g_get_monotonic_time() - before, 60 * G_USEC_PER_SEC);
  check_no_child();
}
END_TEST

/* Writing to a child that is gone is an error and no signal. */
START_TEST(test_write_to_nobody) {
  g_autoptr(ImapStream) stream = imap_tunnel_new("true", NULL);
  char byte;
  gsize got = 0;
  ck_assert_int_eq(read_all(stream, &byte, 1, &got, NULL), IMAP_IO_ERROR);
  /* The kernel may close its stdout before its stdin. */
  struct pollfd pipe_end = {.fd = stream->out_fd};
  ck_assert_int_eq(poll(&pipe_end, 1, 10000), 1);
  ck_assert_int_eq(imap_stream_write(stream, "x", 1, &got, NULL), IMAP_IO_ERROR);
}
END_TEST

START_TEST(test_signals) {
  sigset_t all;
  char text[64] = {0};
  gsize got;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, NULL);
  signal(SIGHUP, SIG_IGN);
  g_autoptr(ImapStream) stream = imap_tunnel_new("grep -E 'SigBlk|SigIgn' /proc/self/status", NULL);
  read_all(stream, text, sizeof text - 1, &got, NULL);
  ck_assert_ptr_nonnull(strstr(text, "SigBlk:\t0000000000000000"));
  const char *ignored = strstr(text, "SigIgn:\t");
  ck_assert_ptr_nonnull(ignored);
  /* 32 and 33 are the C library's own: no program can set them, and env(1) hands them on ignored. */
  ck_assert_uint_eq(g_ascii_strtoull(ignored + strlen("SigIgn:\t"), NULL, 16) & ~G_GUINT64_CONSTANT(0x180000000), 0);
}
END_TEST

START_TEST(test_cannot_start) {
  static const char *const commands[] = {"/no/such/program", "unbalanced 'quote", ""};
  g_autoptr(GError) error = NULL;
  ck_assert_ptr_null(imap_tunnel_new(commands[_i], &error));
  ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_CONFIG));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("tunnel");
  TCase *tc = tcase_create("all");
  tcase_add_test(tc, test_echo);
  tcase_add_test(tc, test_no_shell);
  tcase_add_test(tc, test_last_words);
  tcase_add_test(tc, test_talkative);
  tcase_add_test(tc, test_stubborn);
  tcase_add_test(tc, test_write_to_nobody);
  tcase_add_test(tc, test_signals);
  tcase_add_loop_test(tc, test_cannot_start, 0, 3);
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
