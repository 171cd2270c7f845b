/* SPDX-License-Identifier: MIT */
/*
 *   MEMORY ──grows beyond DRAFT_MEMORY──▶ FILE ──freeze──▶ FIXED
 *     ▲                                    ▲                │
 *     └──────────few───── write, truncate ─┴────many────────┘
 *
 * What is not going to be kept is not copied: a truncation to nothing makes an empty MEMORY of any of them.
 */
#include "cache/draft/draft_bytes.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/error.h"

#define CHUNK 65536

void draft_bytes_init(DraftBytes *bytes, Spool *spool) {
  *bytes = (DraftBytes){.spool = spool, .memory = g_byte_array_new(), .fd = -1};
}

void draft_bytes_clear(DraftBytes *bytes) {
  if (bytes->memory)
    g_byte_array_unref(bytes->memory);
  if (bytes->fd >= 0)
    close(bytes->fd);
  *bytes = (DraftBytes){.fd = -1};
}

/* `made` in place of what is here. */
static void become(DraftBytes *bytes, DraftBytes *made) {
  draft_bytes_clear(bytes);
  *bytes = *made;
  *made = (DraftBytes){.fd = -1};
}

gboolean draft_bytes_fix(DraftBytes *bytes, int fd, GError **error) {
  struct stat st;
  if (fstat(fd, &st) != 0) {
    cache_error_errno(error, "cannot look at a body");
    close(fd);
    return FALSE;
  }
  DraftBytes made = {.spool = bytes->spool, .fd = fd, .fixed = TRUE, .size = (guint64)st.st_size};
  become(bytes, &made);
  return TRUE;
}

void draft_bytes_freeze(DraftBytes *bytes) {
  bytes->fixed = bytes->fd >= 0;
}

/* ---- reading ------------------------------------------------------------------------------------------------- */

gssize draft_bytes_read(const DraftBytes *bytes, void *buffer, gsize len, guint64 offset, GError **error) {
  if (offset >= bytes->size)
    return 0;
  len = (gsize)MIN((guint64)len, bytes->size - offset);
  if (bytes->fd < 0) {
    memcpy(buffer, bytes->memory->data + offset, len);
    return (gssize)len;
  }
  ssize_t n;
  do
    n = pread(bytes->fd, buffer, len, (off_t)offset);
  while (n < 0 && errno == EINTR);
  if (n < 0)
    cache_error_errno(error, "cannot read a draft");
  return n;
}

/* Calls `each` for all octets, in order. */
typedef gboolean (*Each)(const void *octets, gsize len, gpointer data, GError **error);
static gboolean each_chunk(const DraftBytes *bytes, Each each, gpointer data, GError **error) {
  if (bytes->fd < 0)
    return each(bytes->memory->data, bytes->memory->len, data, error);
  g_autofree char *chunk = g_malloc(CHUNK);
  for (guint64 at = 0; at < bytes->size;) {
    gssize n = draft_bytes_read(bytes, chunk, CHUNK, at, error);
    if (n == 0)
      g_set_error_literal(error, CACHE_ERROR, CACHE_ERROR_LOCAL, "a draft became shorter by itself");
    if (n <= 0 || !each(chunk, (gsize)n, data, error))
      return FALSE;
    at += (guint64)n;
  }
  return TRUE;
}

/* ---- changing ------------------------------------------------------------------------------------------------ */

static gboolean write_at(int fd, const char *octets, gsize len, guint64 offset, GError **error) {
  while (len) {
    ssize_t n = pwrite(fd, octets, len, (off_t)offset);
    if (n < 0 && errno != EINTR)
      return cache_error_errno(error, "cannot write a draft");
    octets += MAX(n, 0);
    offset += (guint64)MAX(n, 0);
    len -= (gsize)MAX(n, 0);
  }
  return TRUE;
}

/* Behind what is there. */
static gboolean append(const void *octets, gsize len, gpointer data, GError **error) {
  DraftBytes *bytes = data;
  if (bytes->fd < 0)
    g_byte_array_append(bytes->memory, octets, (guint)len);
  else if (!write_at(bytes->fd, octets, len, bytes->size, error))
    return FALSE;
  bytes->size += len;
  return TRUE;
}

/* An empty one that can hold so many. */
static gboolean begin(DraftBytes *ret, Spool *spool, guint64 size, GError **error) {
  draft_bytes_init(ret, spool);
  if (size <= DRAFT_MEMORY)
    return TRUE;
  g_clear_pointer(&ret->memory, g_byte_array_unref);
  ret->fd = spool_temp(spool, error);
  return ret->fd >= 0;
}

/* Where octets can be changed and so many have room; those beyond `keep` are not needed any more. */
static gboolean make_writable(DraftBytes *bytes, guint64 size, guint64 keep, GError **error) {
  if (!bytes->fixed && (bytes->fd >= 0 || size <= DRAFT_MEMORY))
    return TRUE;
  g_auto(DraftBytes) made = {.fd = -1};
  DraftBytes kept = *bytes;
  kept.size = MIN(kept.size, keep);
  if (!begin(&made, bytes->spool, MAX(size, kept.size), error))
    return FALSE;
  if (kept.fd < 0 ? !append(kept.memory->data, (gsize)kept.size, &made, error)
                  : !each_chunk(&kept, append, &made, error))
    return FALSE;
  become(bytes, &made);
  return TRUE;
}

/* NULs where there is more now. */
static gboolean resize(DraftBytes *bytes, guint64 size, GError **error) {
  if (bytes->fd < 0) {
    g_byte_array_set_size(bytes->memory, (guint)size);
    if (size > bytes->size)
      memset(bytes->memory->data + bytes->size, 0, (gsize)(size - bytes->size));
  } else if (ftruncate(bytes->fd, (off_t)size) != 0) {
    return cache_error_errno(error, "cannot change the size of a draft");
  }
  bytes->size = size;
  return TRUE;
}

gboolean draft_bytes_write(DraftBytes *bytes, const void *octets, gsize len, guint64 offset, GError **error) {
  guint64 before = bytes->size, end = offset + len;
  if (len == 0)
    return TRUE;
  if (!make_writable(bytes, MAX(end, before), G_MAXUINT64, error) || (offset > before && !resize(bytes, offset, error)))
    return FALSE;
  if (bytes->fd >= 0) {
    if (write_at(bytes->fd, octets, len, offset, error)) {
      bytes->size = MAX(bytes->size, end);
      return TRUE;
    }
    resize(bytes, before, NULL);
    return FALSE;
  }
  if (end > bytes->size && !resize(bytes, end, error))
    return FALSE;
  memcpy(bytes->memory->data + offset, octets, len);
  return TRUE;
}

gboolean draft_bytes_truncate(DraftBytes *bytes, guint64 size, GError **error) {
  if (size == bytes->size)
    return TRUE;
  if (size == 0) {
    DraftBytes made;
    draft_bytes_init(&made, bytes->spool);
    become(bytes, &made);
    return TRUE;
  }
  return make_writable(bytes, size, size, error) && resize(bytes, size, error);
}

/* ---- before they are kept ------------------------------------------------------------------------------------ */

typedef struct {
  DraftBytes *to;
  guint8 last;
} Conversion;

static gboolean convert(const void *octets, gsize len, gpointer data, GError **error) {
  Conversion *conversion = data;
  g_autoptr(GByteArray) out = g_byte_array_sized_new((guint)MIN(len + len / 16, G_MAXUINT));
  octets_to_crlf(octets, len, &conversion->last, out);
  return append(out->data, out->len, conversion->to, error);
}

gboolean draft_bytes_to_crlf(DraftBytes *bytes, DraftBytes *ret_before, GError **error) {
  DraftDigest digest;
  g_auto(DraftBytes) made = {.fd = -1};
  if (!draft_bytes_digest(bytes, &digest, error))
    return FALSE;
  if (digest.octets.bare_lf == 0)
    return TRUE;
  Conversion conversion = {.to = &made};
  if (!begin(&made, bytes->spool, bytes->size + digest.octets.bare_lf, error) ||
      !each_chunk(bytes, convert, &conversion, error))
    return FALSE;
  if (ret_before) {
    *ret_before = *bytes;
    *bytes = (DraftBytes){.fd = -1};
  }
  become(bytes, &made);
  return TRUE;
}

typedef struct {
  Octets octets;
  EVP_MD_CTX *as_is, *crlf; /* crlf: from the first bare LF on */
  guint8 last;
} Digestion;

static gboolean digest_chunk(const void *octets, gsize len, gpointer data, G_GNUC_UNUSED GError **error) {
  Digestion *digestion = data;
  guint8 last = digestion->octets.last;
  octets_feed(&digestion->octets, octets, len);
  if (!digestion->crlf && digestion->octets.bare_lf > 0) {
    digestion->crlf = EVP_MD_CTX_new();
    EVP_MD_CTX_copy_ex(digestion->crlf, digestion->as_is);
  }
  if (digestion->crlf) {
    g_autoptr(GByteArray) out = g_byte_array_sized_new((guint)MIN(len + len / 16, G_MAXUINT));
    octets_to_crlf(octets, len, &last, out);
    EVP_DigestUpdate(digestion->crlf, out->data, out->len);
  }
  EVP_DigestUpdate(digestion->as_is, octets, len);
  return TRUE;
}

/* Of the four fields, which stand at the beginning. */
static gboolean fingerprint(const DraftBytes *bytes, guint8 ret[16], GError **error) {
  if (bytes->fd < 0) {
    octets_fingerprint(bytes->memory->data, bytes->memory->len, ret);
    return TRUE;
  }
  g_autofree char *head = g_malloc(DRAFT_MEMORY);
  gssize n = draft_bytes_read(bytes, head, DRAFT_MEMORY, 0, error);
  if (n >= 0)
    octets_fingerprint(head, (gsize)n, ret);
  return n >= 0;
}

gboolean draft_bytes_digest(const DraftBytes *bytes, DraftDigest *ret, GError **error) {
  Digestion digestion = {.as_is = EVP_MD_CTX_new()};
  octets_init(&digestion.octets);
  EVP_DigestInit_ex(digestion.as_is, EVP_sha256(), NULL);
  gboolean read = each_chunk(bytes, digest_chunk, &digestion, error) && fingerprint(bytes, ret->fingerprint, error);
  ret->octets = digestion.octets;
  EVP_DigestFinal_ex(digestion.as_is, ret->sha256, NULL);
  memcpy(ret->crlf_sha256, ret->sha256, sizeof ret->sha256);
  if (digestion.crlf)
    EVP_DigestFinal_ex(digestion.crlf, ret->crlf_sha256, NULL);
  EVP_MD_CTX_free(digestion.as_is);
  EVP_MD_CTX_free(digestion.crlf);
  return read;
}
