/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <check.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "imap/error.h"
#include "imap/stream.h"
#include "tests/suite.h"

static int listen_on(int family, guint16 *ret_port) {
  struct sockaddr_storage address = {.ss_family = (sa_family_t)family};
  socklen_t len = family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
  int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (family == AF_INET)
    ((struct sockaddr_in *)&address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  else
    ((struct sockaddr_in6 *)&address)->sin6_addr = in6addr_loopback;
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, 5) != 0) {
    close(fd);
    return -1;
  }
  ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
  *ret_port = ntohs(((struct sockaddr_in *)&address)->sin_port);
  return fd;
}

START_TEST(test_connect) {
  static const struct {
    int family;
    const char *host;
  } rows[] = {{AF_INET, "127.0.0.1"}, {AF_INET, "localhost"}, {AF_INET6, "::1"}};
  guint16 port;
  int fd = listen_on(rows[_i].family, &port);
  if (fd < 0)
    return; /* no IPv6 on this machine */
  g_autoptr(GError) error = NULL;
  g_autoptr(ImapStream) stream = imap_stream_connect(rows[_i].host, port, 5, NULL, &error);
  ck_assert_msg(stream != NULL, "%s", error != NULL ? error->message : "");
  ck_assert(imap_stream_is_loopback(stream));
  close(fd);
}
END_TEST

START_TEST(test_nobody_listens) {
  guint16 port;
  g_autoptr(GError) error = NULL;
  close(listen_on(AF_INET, &port));
  ck_assert_ptr_null(imap_stream_connect("127.0.0.1", port, 5, NULL, &error));
  ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_NETWORK));
  ck_assert_ptr_nonnull(strstr(error->message, "127.0.0.1"));
}
END_TEST

START_TEST(test_unknown_host) {
  g_autoptr(GError) error = NULL;
  ck_assert_ptr_null(imap_stream_connect("no-such-host.invalid", 993, 5, NULL, &error));
  ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_HOST));
}
END_TEST

static gpointer cancel_soon(gpointer data) {
  g_usleep(20000); /* the cancellation should meet the wait; either order must pass */
  g_cancellable_cancel(data);
  return NULL;
}

/* A listener whose queue is full answers no SYN: that connection can only be cancelled. */
START_TEST(test_cancel_connect) {
  guint16 port;
  int fd = listen_on(AF_INET, &port), fillers[64];
  ck_assert_int_eq(listen(fd, 0), 0);
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  for (gsize i = 0; i < G_N_ELEMENTS(fillers); i++) {
    fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    G_GNUC_UNUSED int rc = connect(fillers[i], (struct sockaddr *)&address, sizeof address);
  }
  g_autoptr(GCancellable) c = g_cancellable_new();
  g_autoptr(GError) error = NULL;
  GThread *thread = g_thread_new("cancel", cancel_soon, c);
  gint64 before = g_get_monotonic_time();
  ck_assert_ptr_null(imap_stream_connect("127.0.0.1", port, 5, c, &error));
  ck_assert_msg(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_CANCELLED), "%s", error->message);
  ck_assert_int_lt(g_get_monotonic_time() - before, 2 * G_USEC_PER_SEC);
  g_thread_join(thread);
  for (gsize i = 0; i < G_N_ELEMENTS(fillers); i++)
    close(fillers[i]);
  close(fd);
}
END_TEST

START_TEST(test_cancelled_before) {
  g_autoptr(GCancellable) c = g_cancellable_new();
  g_autoptr(GError) error = NULL;
  g_cancellable_cancel(c);
  ck_assert_ptr_null(imap_stream_connect("localhost", 1, 5, c, &error));
  ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_CANCELLED));
}
END_TEST

START_TEST(test_wait) {
  int fds[2], wake = eventfd(0, EFD_CLOEXEC);
  guint64 one = 1;
  gint64 far = g_get_monotonic_time() + 30 * G_USEC_PER_SEC;
  g_autoptr(GCancellable) c = g_cancellable_new();
  g_autoptr(GError) error = NULL;
  char byte;
  gsize n;
  ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
  g_autoptr(ImapStream) stream = imap_stream_from_fd(fds[0]);
  ck_assert_int_eq(imap_stream_read(stream, &byte, 1, &n, NULL), IMAP_IO_WAIT);
  ck_assert_int_eq(imap_stream_wait(stream, FALSE, wake, g_get_monotonic_time(), c, NULL), IMAP_WAIT_TIMEOUT);
  ck_assert_int_eq(imap_stream_wait(stream, TRUE, wake, far, c, NULL), IMAP_WAIT_READY);
  ck_assert_int_eq(write(wake, &one, sizeof one), sizeof one);
  ck_assert_int_eq(imap_stream_wait(stream, FALSE, wake, far, c, NULL), IMAP_WAIT_WOKEN);
  ck_assert_int_eq(send(fds[1], "x", 1, 0), 1);
  ck_assert_int_eq(imap_stream_wait(stream, FALSE, -1, far, c, NULL), IMAP_WAIT_READY);
  ck_assert_int_eq(imap_stream_read(stream, &byte, 1, &n, NULL), IMAP_IO_OK);
  ck_assert_uint_eq(imap_stream_received(stream), 1);
  g_cancellable_cancel(c);
  ck_assert_int_eq(imap_stream_wait(stream, FALSE, -1, far, c, &error), IMAP_WAIT_ERROR);
  ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_CANCELLED));
  close(fds[1]);
  ck_assert_int_eq(imap_stream_read(stream, &byte, 1, &n, NULL), IMAP_IO_EOF);
  ck_assert_int_eq(imap_stream_write(stream, "x", 1, &n, NULL), IMAP_IO_ERROR);
  close(wake);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("stream");
  TCase *tc = tcase_create("all");
  tcase_set_timeout(tc, 60);
  tcase_add_loop_test(tc, test_connect, 0, 3);
  tcase_add_test(tc, test_nobody_listens);
  tcase_add_test(tc, test_unknown_host);
  tcase_add_test(tc, test_cancel_connect);
  tcase_add_test(tc, test_cancelled_before);
  tcase_add_test(tc, test_wait);
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
