/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include "imap/deflate.h"
#include "imap/error.h"
#include "tests/suite.h"

typedef struct {
  ImapStream *stream;
  int peer;
} Pair;

static Pair pair_new(void) {
  int fds[2];
  ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
  return (Pair){.stream = imap_deflate_new(imap_stream_from_fd(fds[0])), .peer = fds[1]};
}

static void pair_clear(Pair *pair) {
  imap_stream_free(pair->stream);
  close(pair->peer);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Pair, pair_clear)

static GByteArray *deflated(const void *data, gsize len) {
  GByteArray *out = g_byte_array_new();
  z_stream z = {0};
  ck_assert_int_eq(deflateInit2(&z, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
  g_byte_array_set_size(out, (guint)deflateBound(&z, len) + 64);
  z.next_in = (Bytef *)data;
  z.avail_in = (uInt)len;
  z.next_out = out->data;
  z.avail_out = out->len;
  ck_assert_int_eq(deflate(&z, Z_SYNC_FLUSH), Z_OK);
  g_byte_array_set_size(out, (guint)z.total_out);
  deflateEnd(&z);
  return out;
}

/* Compressible, but not constant. */
static GString *make_text(gsize len) {
  GString *text = g_string_sized_new(len + 64);
  while (text->len < len)
    g_string_append_printf(text, "line %" G_GSIZE_FORMAT " of the text\r\n", text->len * 7 % 10007);
  return text;
}

/* Reads all there is in portions of `portion`. */
static GString *drain(Pair *pair, gsize portion, ImapIo *ret_last, GError **error) {
  GString *got = g_string_new(NULL);
  g_autofree char *buffer = g_malloc(portion);
  gsize n;
  while ((*ret_last = imap_stream_read(pair->stream, buffer, portion, &n, error)) == IMAP_IO_OK) {
    ck_assert_uint_gt(n, 0);
    ck_assert_uint_le(n, portion);
    g_string_append_len(got, buffer, (gssize)n);
  }
  return got;
}

static const gsize portions[] = {1, 7, 4096, 1 << 20};

START_TEST(test_read) {
  g_auto(Pair) pair = pair_new();
  g_autoptr(GString) text = make_text(300000);
  g_autoptr(GByteArray) wire = deflated(text->str, text->len);
  g_autoptr(GString) got = g_string_new(NULL);
  ImapIo last = IMAP_IO_WAIT;
  for (guint i = 0; i < wire->len; i += 1000) { /* in pieces, so that it must wait in between */
    gsize n = MIN(1000, wire->len - i);
    ck_assert_int_eq(send(pair.peer, wire->data + i, n, 0), (gssize)n);
    GString *piece = drain(&pair, portions[_i], &last, NULL);
    ck_assert_int_eq(last, IMAP_IO_WAIT);
    g_string_append_len(got, piece->str, (gssize)piece->len);
    g_string_free(piece, TRUE);
  }
  ck_assert_uint_eq(got->len, text->len);
  ck_assert(g_string_equal(got, text));
  ck_assert_uint_eq(imap_stream_received(pair.stream), wire->len);
  shutdown(pair.peer, SHUT_WR);
  g_string_free(drain(&pair, 10, &last, NULL), TRUE);
  ck_assert_int_eq(last, IMAP_IO_EOF);
}
END_TEST

START_TEST(test_write) {
  g_auto(Pair) pair = pair_new();
  static const char *const commands[] = {"a NOOP\r\n", "b NOOP\r\n", "c LOGOUT\r\n"};
  z_stream z = {0};
  ck_assert_int_eq(inflateInit2(&z, -15), Z_OK);
  for (gsize i = 0; i < G_N_ELEMENTS(commands); i++) {
    char wire[256], text[256];
    gsize n = 0;
    ck_assert_int_eq(imap_stream_write(pair.stream, commands[i], strlen(commands[i]), &n, NULL), IMAP_IO_OK);
    ck_assert_uint_eq(n, strlen(commands[i]));
    ck_assert_int_eq(imap_stream_flush(pair.stream, NULL), IMAP_IO_OK);
    gssize len = recv(pair.peer, wire, sizeof wire, 0);
    z.next_in = (Bytef *)wire;
    z.avail_in = (uInt)len;
    z.next_out = (Bytef *)text;
    z.avail_out = sizeof text;
    ck_assert_int_eq(inflate(&z, Z_SYNC_FLUSH), Z_OK);
    /* A sync flush: the whole command is there at once. */
    ck_assert_uint_eq(sizeof text - z.avail_out, strlen(commands[i]));
    ck_assert_int_eq(memcmp(text, commands[i], strlen(commands[i])), 0);
  }
  inflateEnd(&z);
}
END_TEST

/* A peer that does not read: what was deflated waits, and nothing more is taken. */
START_TEST(test_write_blocked) {
  g_auto(Pair) pair = pair_new();
  g_autofree guint8 *noise = g_malloc(1 << 20);
  gsize n = 0, sent = 0;
  for (guint i = 0; i < 1 << 20; i++)
    noise[i] = (guint8)g_random_int();
  while (imap_stream_write(pair.stream, noise, 1 << 20, &n, NULL) == IMAP_IO_OK)
    sent += n;
  ck_assert_uint_gt(sent, 0);
  ck_assert_int_eq(imap_stream_flush(pair.stream, NULL), IMAP_IO_WAIT);
  char buffer[65536];
  while (imap_stream_flush(pair.stream, NULL) == IMAP_IO_WAIT)
    ck_assert_int_gt(recv(pair.peer, buffer, sizeof buffer, 0), 0);
}
END_TEST

START_TEST(test_garbage) {
  static const struct {
    const char *octets;
    gsize len;
  } rows[] = {{"* OK not compressed at all\r\n", 28}, {"\xff\xff\xff\xff", 4}, {"\x03\x00", 2}};
  g_auto(Pair) pair = pair_new();
  g_autoptr(GError) error = NULL;
  ImapIo last;
  ck_assert_int_eq(send(pair.peer, rows[_i].octets, rows[_i].len, 0), (gssize)rows[_i].len);
  g_string_free(drain(&pair, 100, &last, &error), TRUE);
  ck_assert_int_eq(last, IMAP_IO_ERROR);
  ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_PROTOCOL));
}
END_TEST

/* 64 MB of zeros in 64 kB: it comes out in portions, and never more than was asked for. */
START_TEST(test_bomb) {
  g_auto(Pair) pair = pair_new();
  g_autofree guint8 *zeros = g_malloc0(64 << 20);
  g_autoptr(GByteArray) wire = deflated(zeros, 64 << 20);
  gsize n = 0, total = 0, sent = 0;
  while (total < 64 << 20) {
    gssize out = sent < wire->len ? send(pair.peer, wire->data + sent, wire->len - sent, 0) : 0;
    sent += (gsize)MAX(out, 0);
    ImapIo io = imap_stream_read(pair.stream, zeros, 4096, &n, NULL);
    ck_assert_int_ne(io, IMAP_IO_ERROR);
    total += io == IMAP_IO_OK ? n : 0;
  }
  ck_assert_uint_eq(total, 64 << 20);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("deflate");
  TCase *tc = tcase_create("all");
  tcase_add_loop_test(tc, test_read, 0, G_N_ELEMENTS(portions));
  tcase_add_test(tc, test_write);
  tcase_add_test(tc, test_write_blocked);
  tcase_add_loop_test(tc, test_garbage, 0, 3);
  tcase_add_test(tc, test_bomb);
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
