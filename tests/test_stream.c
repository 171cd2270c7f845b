/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <check.h>
#include <gio/gio.h>
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

/* Knows one name, with the addresses that the test gives it. */
#define TEST_TYPE_RESOLVER (test_resolver_get_type())
G_DECLARE_FINAL_TYPE(TestResolver, test_resolver, TEST, RESOLVER, GResolver)
struct _TestResolver {
  GResolver parent;
  const char *addresses[2];
};
G_DEFINE_FINAL_TYPE(TestResolver, test_resolver, G_TYPE_RESOLVER)

static void free_addresses(gpointer list) {
  g_list_free_full(list, g_object_unref);
}

static void test_resolver_lookup(GResolver *resolver, G_GNUC_UNUSED const char *name, GCancellable *c,
                                 GAsyncReadyCallback callback, gpointer data) {
  TestResolver *self = TEST_RESOLVER(resolver);
  g_autoptr(GTask) task = g_task_new(resolver, c, callback, data);
  GList *list = NULL;
  for (gsize i = 0; i < G_N_ELEMENTS(self->addresses); i++)
    list = g_list_append(list, g_inet_address_new_from_string(self->addresses[i]));
  g_task_return_pointer(task, list, free_addresses);
}

static GList *test_resolver_finish(G_GNUC_UNUSED GResolver *resolver, GAsyncResult *result, GError **error) {
  return g_task_propagate_pointer(G_TASK(result), error);
}

static void test_resolver_class_init(TestResolverClass *class) {
  G_RESOLVER_CLASS(class)->lookup_by_name_async = test_resolver_lookup;
  G_RESOLVER_CLASS(class)->lookup_by_name_finish = test_resolver_finish;
}

static void test_resolver_init(G_GNUC_UNUSED TestResolver *self) {
}

/* A port of 127.0.0.2 that answers nothing: its queue is full. */
static void make_black_hole(guint16 port, int ret_fds[3]) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  ck_assert_int_eq(inet_pton(AF_INET, "127.0.0.2", &address.sin_addr), 1);
  ret_fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ck_assert_int_eq(bind(ret_fds[0], (struct sockaddr *)&address, sizeof address), 0);
  ck_assert_int_eq(listen(ret_fds[0], 0), 0);
  for (int i = 1; i < 3; i++) {
    ret_fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    G_GNUC_UNUSED int n = connect(ret_fds[i], (struct sockaddr *)&address, sizeof address);
  }
}

/* The first address leads nowhere, and says so or does not. */
START_TEST(test_second_address) {
  static const char *const first[] = {"::1", "127.0.0.2"};
  guint16 port;
  int fd = listen_on(AF_INET, &port), hole[3];
  make_black_hole(port, hole);
  g_autoptr(TestResolver) resolver = g_object_new(TEST_TYPE_RESOLVER, NULL);
  resolver->addresses[0] = first[_i];
  resolver->addresses[1] = "127.0.0.1";
  g_resolver_set_default(G_RESOLVER(resolver));
  g_autoptr(GError) error = NULL;
  g_autoptr(ImapStream) stream = imap_stream_connect("imap.example.com", port, 5, NULL, &error);
  ck_assert_msg(stream != NULL, "%s", error != NULL ? error->message : "");
  int client = accept(fd, NULL, NULL);
  ck_assert_int_ge(client, 0);
  close(client);
  close(fd);
  for (int i = 0; i < 3; i++)
    close(hole[i]);
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
  ck_assert_ptr_null(imap_stream_connect("127.0.0.1", port, 60, c, &error));
  ck_assert_msg(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_CANCELLED), "%s", error->message);
  ck_assert_int_lt(g_get_monotonic_time() - before, 30 * G_USEC_PER_SEC);
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
  tcase_add_loop_test(tc, test_connect, 0, 3);
  tcase_add_loop_test(tc, test_second_address, 0, 2);
  tcase_add_test(tc, test_nobody_listens);
  tcase_add_test(tc, test_unknown_host);
  tcase_add_test(tc, test_cancel_connect);
  tcase_add_test(tc, test_cancelled_before);
  tcase_add_test(tc, test_wait);
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
