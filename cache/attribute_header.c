/* SPDX-License-Identifier: MIT */
/*
 * Header fields are not in the index: a million messages would pay for what few ask. They are read from the octets of
 * the message wherever these are (a file that is being written, the journal, the cache), and fetched like any body
 * where they are nowhere.
 */
#include "cache/attribute.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cache/error.h"
#include "cache/tree/names_header.h"

#define HEADER_MAX (256 * 1024) /* of a message; what stands behind it is not looked for */
#define CHUNK 16384

/* With the empty line; 0: there is none yet. */
static gsize header_end(const char *octets, gsize len) {
  const char *end = octets + len;
  for (const char *p = octets; p < end && (p = memchr(p, '\n', (gsize)(end - p))); p++) {
    if (p + 1 < end && p[1] == '\n')
      return (gsize)(p + 2 - octets);
    if (p + 2 < end && p[1] == '\r' && p[2] == '\n')
      return (gsize)(p + 3 - octets);
  }
  return 0;
}

typedef gssize (*ReadAt)(gpointer source, void *buffer, gsize len, guint64 offset, GError **error);

static gboolean read_header(ReadAt read_at, gpointer source, GByteArray *ret, GError **error) {
  char chunk[CHUNK];
  while (ret->len < HEADER_MAX && header_end((const char *)ret->data, ret->len) == 0) {
    gssize n = read_at(source, chunk, sizeof chunk, ret->len, error);
    if (n < 0)
      return FALSE;
    if (n == 0)
      break;
    g_byte_array_append(ret, (const guint8 *)chunk, (guint)n);
  }
  gsize len = header_end((const char *)ret->data, ret->len);
  if (len != 0)
    g_byte_array_set_size(ret, (guint)len);
  return TRUE;
}

static gssize read_file(gpointer source, void *buffer, gsize len, guint64 offset, GError **error) {
  ssize_t n;
  do
    n = pread(*(int *)source, buffer, len, (off_t)offset);
  while (n < 0 && errno == EINTR);
  if (n < 0)
    cache_error_errno(error, "cannot read a message");
  return n;
}

static gssize read_draft(gpointer source, void *buffer, gsize len, guint64 offset, GError **error) {
  return cache_draft_read(source, buffer, len, offset, error);
}

static CacheAnswer header_of(Cache *cache, gint64 row, GByteArray *ret, GError **error) {
  g_autoptr(CacheDraft) draft = cache_draft_of(cache, row);
  if (draft)
    return read_header(read_draft, draft, ret, error) ? CACHE_READY : CACHE_FAILED;
  int fd = -1;
  CacheAnswer answer = cache_open_body(cache, row, CACHE_BODY_READ, &fd, error);
  if (answer == CACHE_READY && !read_header(read_file, &fd, ret, error))
    answer = CACHE_FAILED;
  if (fd >= 0)
    close(fd);
  return answer;
}

CacheAnswer attribute_header_field(Cache *cache, gint64 row, const char *field, char **ret, GError **error) {
  g_autoptr(GByteArray) header = g_byte_array_new();
  CacheAnswer answer = header_of(cache, row, header, error);
  if (answer != CACHE_READY)
    return answer;
  g_autofree char *text = header->len > 0 ? names_field((const char *)header->data, header->len, field) : NULL;
  return attribute_text(text, ret);
}
