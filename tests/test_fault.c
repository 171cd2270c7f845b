/* SPDX-License-Identifier: MIT */
/* The relay that breaks lines for other tests, between two sockets of this one. */
#include "tests/fault.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/suite.h"

static int listener;
static FaultRelay *relay;

static struct sockaddr_in local(guint16 port) {
  return (struct sockaddr_in){
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void setup(void) {
  struct sockaddr_in address = local(0);
  socklen_t len = sizeof address;
  listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, len), 0);
  ck_assert_int_eq(listen(listener, 8), 0);
  ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &len), 0);
  relay = fault_relay_new(ntohs(address.sin_port));
}

static void teardown(void) {
  fault_relay_free(relay);
  close(listener);
}

typedef struct {
  int client, server;
} Line;

static Line line_open(void) {
  struct sockaddr_in address = local(fault_relay_port(relay));
  Line line = {.client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  ck_assert_int_eq(connect(line.client, (struct sockaddr *)&address, sizeof address), 0);
  line.server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  ck_assert_int_ge(line.server, 0);
  return line;
}

static void line_close(Line line) {
  close(line.client);
  close(line.server);
}

static void arm(const char *text) {
  g_autoptr(Fault) fault = fault_parse(text);
  ck_assert_ptr_nonnull(fault);
  fault_relay_arm(relay, fault);
}

static void say(int fd, const char *text) {
  ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (int)strlen(text));
}

/* Reads that many octets, or until there are no more. */
static char *hear(int fd, gsize n) {
  GString *text = g_string_new(NULL);
  char octet;
  while (text->len < n && recv(fd, &octet, 1, 0) == 1)
    g_string_append_c(text, octet);
  return g_string_free(text, FALSE);
}

static void check_heard(int fd, const char *expected) {
  g_autofree char *text = hear(fd, strlen(expected));
  ck_assert_str_eq(text, expected);
}

static void check_over(int fd) {
  char octet;
  ck_assert_int_eq(recv(fd, &octet, 1, 0), 0);
}

static void check_silent(int fd) {
  struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
  ck_assert_int_eq(poll(&poll_fd, 1, 100), 0);
}

/* ---- framing ------------------------------------------------------------------------------------------------- */

static const struct {
  const char *text, *starts; /* '^' under each octet that begins a response */
} frames[] = {
    {"* OK\r\n* 1 EXISTS\r\n", "^     ^           "},
    {"* A {4}\r\n\r\n* )\r\n+ go\r\n", "^               ^     "},
    {"* {3}\r\na{9 {1}\r\n}\r\n* B\r\n", "^                  ^    "},
    {"* {0}\r\n)\r\n* B\r\n", "^         ^    "},
    {"* {x3}\r\n* 3}\r\n* {3\r\n* B", "^       ^     ^     ^  "},
};

START_TEST(test_frames) {
  FaultFrames at = {0};
  for (gsize i = 0; frames[_i].text[i] != '\0'; i++) {
    ck_assert_msg(!at.inside == (frames[_i].starts[i] == '^'), "octet %zu of %s", i, frames[_i].text);
    fault_frames_feed(&at, (guint8)frames[_i].text[i]);
  }
}
END_TEST

static const char *const words[] = {"down close 0 any",
                                    "up reset 12 each",
                                    "down stall 7 2",
                                    "up dribble 1 any",
                                    "down flip 3 1",
                                    "down nul 9 any",
                                    "down line 80 each * 1 FETCH (X)"};

START_TEST(test_words) {
  g_autoptr(Fault) fault = fault_parse(words[_i]);
  ck_assert_ptr_nonnull(fault);
  g_autofree char *text = fault_print(fault);
  ck_assert_str_eq(text, words[_i]);
}
END_TEST

static const char *const nonsense[] = {"",          "down",           "down close",       "left close 1 any",
                                       "up burn 1", "up close x any", "down line 80 any", "up close 1 any more"};

START_TEST(test_nonsense) {
  ck_assert_ptr_null(fault_parse(nonsense[_i]));
}
END_TEST

/* ---- faults -------------------------------------------------------------------------------------------------- */

START_TEST(test_none) {
  Line line = line_open();
  say(line.client, "a1 NOOP\r\n");
  check_heard(line.server, "a1 NOOP\r\n");
  say(line.server, "a1 OK\r\n");
  check_heard(line.client, "a1 OK\r\n");
  FaultSeen seen = fault_relay_seen(relay);
  ck_assert_uint_eq(seen.octets[FAULT_UP], 9);
  ck_assert_uint_eq(seen.octets[FAULT_DOWN], 7);
  ck_assert_uint_eq(seen.connections, 1);
  ck_assert_uint_eq(seen.fired, 0);
  shutdown(line.server, SHUT_WR);
  check_over(line.client);
  line_close(line);
}
END_TEST

START_TEST(test_close) {
  arm("down close 3 any");
  Line line = line_open();
  say(line.server, "12");
  say(line.server, "3456");
  check_heard(line.client, "123");
  check_over(line.client);
  ck_assert_uint_eq(fault_relay_seen(relay).fired, 1);
  line_close(line);
  line = line_open(); /* once is enough */
  say(line.server, "123456");
  check_heard(line.client, "123456");
  line_close(line);
}
END_TEST

START_TEST(test_reset) {
  arm("up reset 3 any");
  Line line = line_open();
  say(line.client, "123456");
  g_autofree char *text = hear(line.server, 6);
  ck_assert_int_eq(errno, ECONNRESET);
  ck_assert(g_str_has_prefix("123", text));
  line_close(line);
}
END_TEST

START_TEST(test_stall) {
  arm("down stall 3 any");
  Line line = line_open();
  say(line.server, "123456");
  check_heard(line.client, "123");
  check_silent(line.client);
  say(line.client, "hello?");
  check_silent(line.server);
  close(line.client);
  check_over(line.server);
  close(line.server);
}
END_TEST

START_TEST(test_octets) {
  static const struct {
    const char *fault, *said, *heard;
  } rows[] = {{"down dribble 2 any", "12345", "12345"}, {"down flip 2 any", "12345", "12#45"}};
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    arm(rows[i].fault);
    Line line = line_open();
    say(line.server, rows[i].said);
    check_heard(line.client, rows[i].heard);
    line_close(line);
  }
}
END_TEST

START_TEST(test_nul) {
  arm("down nul 2 any");
  Line line = line_open();
  say(line.server, "12345");
  g_autofree char *text = hear(line.client, 6);
  ck_assert_mem_eq(text, "12\000345", 6);
  line_close(line);
}
END_TEST

START_TEST(test_line) {
  Line line;
  static const struct {
    const char *fault, *heard;
  } rows[] = {{"down line 0 any * BYE", "* BYE\r\n* {4}\r\n\r\n* )\r\na1 OK\r\n"},
              {"down line 1 any * BYE", "* {4}\r\n\r\n* )\r\n* BYE\r\na1 OK\r\n"},
              {"down line 14 any * BYE", "* {4}\r\n\r\n* )\r\n* BYE\r\na1 OK\r\n"},
              {"down line 15 any * BYE", "* {4}\r\n\r\n* )\r\na1 OK\r\n* BYE\r\n"},
              {"down twice 0", "* {4}\r\n\r\n* )\r\n* {4}\r\n\r\n* )\r\na1 OK\r\n"},
              {"down twice 1", "* {4}\r\n\r\n* )\r\na1 OK\r\na1 OK\r\n"}};
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    arm(rows[i].fault);
    line = line_open();
    say(line.server, "* {4}\r\n\r\n* )\r\na1 OK\r\n");
    check_heard(line.client, rows[i].heard);
    line_close(line);
  }
}
END_TEST

/* ---- which connection ---------------------------------------------------------------------------------------- */

START_TEST(test_nth) {
  arm("down close 1 2");
  Line first = line_open(), second = line_open();
  say(second.server, "12");
  check_heard(second.client, "1");
  check_over(second.client);
  say(first.server, "12");
  check_heard(first.client, "12");
  arm("down nul 1 1"); /* neither is the first of those that come now */
  say(first.server, "3456");
  check_heard(first.client, "3456");
  line_close(first);
  line_close(second);
}
END_TEST

START_TEST(test_any) {
  arm("down close 3 any");
  Line first = line_open(), second = line_open();
  say(first.server, "12");
  check_heard(first.client, "12");
  say(second.server, "34");
  check_heard(second.client, "3");
  check_over(second.client);
  line_close(first);
  line_close(second);
}
END_TEST

START_TEST(test_each) {
  arm("down line 0 each * BYE");
  for (int i = 0; i < 3; i++) {
    Line line = line_open();
    check_heard(line.client, "* BYE\r\n");
    say(line.server, "* OK\r\n* OK\r\n");
    check_heard(line.client, "* OK\r\n* OK\r\n");
    line_close(line);
  }
  ck_assert_uint_eq(fault_relay_seen(relay).fired, 3);
  fault_relay_disarm(relay);
  Line line = line_open();
  say(line.server, "* OK\r\n");
  check_heard(line.client, "* OK\r\n");
  line_close(line);
}
END_TEST

/* Counted from the arming, also on a line that is open. */
START_TEST(test_armed_again) {
  Line line = line_open();
  say(line.server, "12345");
  check_heard(line.client, "12345");
  arm("down close 2 each");
  say(line.server, "6789");
  check_heard(line.client, "67");
  check_over(line.client);
  line_close(line);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("fault");
  TCase *tests = tcase_create("relay");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_loop_test(tests, test_frames, 0, G_N_ELEMENTS(frames));
  tcase_add_loop_test(tests, test_words, 0, G_N_ELEMENTS(words));
  tcase_add_loop_test(tests, test_nonsense, 0, G_N_ELEMENTS(nonsense));
  tcase_add_test(tests, test_none);
  tcase_add_test(tests, test_close);
  tcase_add_test(tests, test_reset);
  tcase_add_test(tests, test_stall);
  tcase_add_test(tests, test_octets);
  tcase_add_test(tests, test_nul);
  tcase_add_test(tests, test_line);
  tcase_add_test(tests, test_nth);
  tcase_add_test(tests, test_any);
  tcase_add_test(tests, test_each);
  tcase_add_test(tests, test_armed_again);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
