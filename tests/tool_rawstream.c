/* SPDX-License-Identifier: MIT */
/*
 * rawstream HOST PORT USER MAILBOX: the floor for reading a mailbox. Logs in (password from stdin), opens the mailbox
 * read-only, sends one UID FETCH for all of it and reads the answer as fast as it comes, keeping nothing. Prints
 *   SECONDS OCTETS LINE
 * from sending the FETCH to its tagged OK: octets of the answer, and octets on the line (less, with --deflate).
 *
 * With --append DIRECTORY it is the floor for writing: all files there go in one APPEND of many messages (RFC 3502),
 * and the octets are those sent.
 */
#include "tests/lib/net.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define BUFFER (1u << 18)

typedef struct {
  int fd;
  gboolean deflate;
  z_stream in;
  guint8 line[BUFFER];  /* as read from the socket; in.next_in points into it */
  char text[BUFFER];    /* what it says */
  guint64 octets, wire; /* since the start */
} Stream;

static void fill(Stream *stream) {
  ssize_t n;
  do
    n = read(stream->fd, stream->line, sizeof stream->line);
  while (n < 0 && errno == EINTR);
  if (n <= 0)
    net_die("the server hung up");
  stream->wire += (guint64)n;
  stream->in.next_in = stream->line;
  stream->in.avail_in = (guint)n;
}

/* Some octets of the answer to stream->text + keep; at least one. */
static gsize next(Stream *stream, gsize keep) {
  gsize room = sizeof stream->text - keep, got = 0;
  while (got == 0) {
    if (stream->in.avail_in == 0 && !(stream->deflate && stream->in.avail_out == 0))
      fill(stream);
    stream->in.next_out = (guint8 *)stream->text + keep;
    stream->in.avail_out = (guint)room;
    if (stream->deflate) {
      int rc = inflate(&stream->in, Z_SYNC_FLUSH);
      if (rc != Z_OK && rc != Z_BUF_ERROR)
        net_die("broken deflate stream: %d", rc);
      got = room - stream->in.avail_out;
    } else {
      got = MIN(stream->in.avail_in, room);
      memcpy(stream->in.next_out, stream->in.next_in, got);
      stream->in.next_in += got;
      stream->in.avail_in -= (guint)got;
    }
  }
  stream->octets += got;
  return got;
}

/* Reads until a line begins with `tag`, which is none that could stand in a message. Dies unless it goes on " OK". */
static void await(Stream *stream, const char *tag) {
  g_autofree char *needle = g_strdup_printf("\n%s ", tag);
  gsize want = strlen(needle) + 2, have = 1;
  stream->text[0] = '\n';
  for (;;) {
    have += next(stream, have);
    char *at = memmem(stream->text, have, needle, want - 2);
    if (at && (gsize)(stream->text + have - at) >= want) {
      if (memcmp(at + want - 2, "OK", 2) != 0)
        net_die("refused: %.*s", (int)MIN(stream->text + have - at - 1, 200), at + 1);
      return;
    }
    gsize keep = MIN(have, want - 1);
    memmove(stream->text, stream->text + have - keep, keep);
    have = keep;
  }
}

static void command(Stream *stream, const char *tag, const char *text) {
  g_autofree char *line = g_strdup_printf("%s %s\r\n", tag, text);
  guint8 packed[1024];
  if (!stream->deflate) {
    net_write(stream->fd, line, strlen(line));
    return;
  }
  z_stream out = {.next_in = (guint8 *)line, .avail_in = (guint)strlen(line)};
  out.next_out = packed;
  out.avail_out = sizeof packed;
  if (deflateInit2(&out, 1, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK || deflate(&out, Z_SYNC_FLUSH) != Z_OK)
    net_die("cannot deflate");
  net_write(stream->fd, packed, sizeof packed - out.avail_out);
  deflateEnd(&out);
}

static void run(Stream *stream, const char *text) {
  command(stream, "raw-0e5f", text);
  await(stream, "raw-0e5f");
}

static void login(Stream *stream, const char *user, const char *mailbox, gboolean compress) {
  char password[256] = "";
  if (!fgets(password, sizeof password, stdin))
    net_die("no password on standard input");
  password[strcspn(password, "\r\n")] = '\0';
  g_autofree char *log_in = g_strdup_printf("LOGIN \"%s\" \"%s\"", user, password);
  g_autofree char *examine = g_strdup_printf("EXAMINE \"%s\"", mailbox);
  await(stream, "*");
  run(stream, log_in);
  if (compress) {
    run(stream, "COMPRESS DEFLATE");
    stream->deflate = TRUE;
    stream->in.avail_in = 0;
    stream->in.avail_out = 1;
    if (inflateInit2(&stream->in, -15) != Z_OK)
      net_die("cannot inflate");
  }
  run(stream, examine);
}

static void print_took(gint64 start, guint64 octets, guint64 wire) {
  printf("%.3f %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT "\n",
         (double)(g_get_monotonic_time() - start) / G_USEC_PER_SEC, octets, wire);
}

static void append(Stream *stream, const char *mailbox, const char *directory) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GDir) dir = g_dir_open(directory, 0, &error);
  g_autoptr(GString) all = g_string_new(NULL);
  if (!dir)
    net_die("%s", error->message);
  g_string_printf(all, "raw-0e5f APPEND \"%s\"", mailbox);
  for (const char *name; (name = g_dir_read_name(dir));) {
    g_autofree char *path = g_build_filename(directory, name, NULL), *octets = NULL;
    gsize len = 0;
    if (!g_file_get_contents(path, &octets, &len, &error))
      net_die("%s", error->message);
    g_string_append_printf(all, " {%zu+}\r\n", len);
    g_string_append_len(all, octets, (gssize)len);
  }
  g_string_append(all, "\r\n");
  gint64 start = g_get_monotonic_time();
  net_write(stream->fd, all->str, all->len);
  await(stream, "raw-0e5f");
  print_took(start, all->len, all->len);
}

int main(int argc, char **argv) {
  g_autofree char *directory = NULL;
  gboolean compress = FALSE, listing = FALSE, uids = FALSE;
  gint from = 1;
  const GOptionEntry entries[] = {
      {"deflate", 0, 0, G_OPTION_ARG_NONE, &compress, "COMPRESS=DEFLATE", NULL},
      {"listing", 0, 0, G_OPTION_ARG_NONE, &listing, "What a directory shows, in place of the bodies", NULL},
      {"from", 0, 0, G_OPTION_ARG_INT, &from, "Begin with this message (1)", "UID"},
      {"append", 0, 0, G_OPTION_ARG_FILENAME, &directory, "Append the files there in place of reading", "DIRECTORY"},
      {"uids", 0, 0, G_OPTION_ARG_NONE, &uids, "UID SEARCH ALL only", NULL},
      {0}};
  net_options(&argc, &argv, entries, "HOST PORT USER MAILBOX", 4);
  g_autofree Stream *stream = g_new0(Stream, 1);
  stream->fd = net_connect(argv[1], (guint16)g_ascii_strtoull(argv[2], NULL, 10));
  login(stream, argv[3], argv[4], compress && !directory);
  if (directory) {
    append(stream, argv[4], directory);
    return 0;
  }
  g_autofree char *fetch =
      g_strdup_printf("UID FETCH %d:* (UID %s)", from,
                      listing ? "FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (DATE FROM SUBJECT MESSAGE-ID)]"
                              : "BODY.PEEK[]");
  guint64 octets = stream->octets, wire = stream->wire;
  gint64 start = g_get_monotonic_time();
  run(stream, uids ? "UID SEARCH RETURN (ALL) ALL" : fetch);
  print_took(start, stream->octets - octets, stream->wire - wire);
  return 0;
}
