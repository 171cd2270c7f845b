/* SPDX-License-Identifier: MIT */
/*
 * Octets whose page is whole, though no path from the root of their table leads to it any more: all pages of the file,
 * and of its WAL, are looked at for what has the shape of such a row (SQLite's file format, sections 1.6 and 2). Also
 * what was deleted long ago has; so the caller must know what he looks for, by its hash.
 *
 * The files are mapped, not read: nothing in them is believed, each offset is checked.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/index/salvage_private.h"

#define PAGE 4096u
#define LEAF 0x0d /* of a table */
#define HEADER 100u
#define WAL_HEADER 32u
#define FRAME (24u + PAGE)
#define LOCAL_MOST (PAGE - 35)
#define LOCAL_LEAST ((PAGE - 12) * 32 / 255 - 23)

typedef struct {
  const guint8 *octets;
  gsize len;
} File;

typedef struct {
  File db, wal;
  GHashTable *frames; /* page number -> the last one of it in the WAL */
  SalvageCarved each;
  gpointer data;
} Carve;

static File map_file(int dirfd, const char *name) {
  struct stat st;
  File file = {NULL, 0};
  int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0) {
    void *map = mmap(NULL, (gsize)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map != MAP_FAILED)
      file = (File){map, (gsize)st.st_size};
  }
  if (fd >= 0)
    close(fd);
  return file;
}

static void unmap_file(File *file) {
  if (file->octets)
    munmap((void *)file->octets, file->len);
}

static guint32 big32(const guint8 *p) {
  return (guint32)p[0] << 24 | (guint32)p[1] << 16 | (guint32)p[2] << 8 | p[3];
}

/* Frames of the WAL as it is now; those of an earlier one carry other salts. */
static void index_frames(Carve *carve) {
  const File *wal = &carve->wal;
  for (gsize at = WAL_HEADER; at + FRAME <= wal->len; at += FRAME)
    if (memcmp(wal->octets + at + 8, wal->octets + 16, 8) == 0)
      g_hash_table_insert(carve->frames, GUINT_TO_POINTER(big32(wal->octets + at)), (gpointer)(wal->octets + at + 24));
}

static const guint8 *page_of(const Carve *carve, guint32 number) {
  const guint8 *frame = g_hash_table_lookup(carve->frames, GUINT_TO_POINTER(number));
  if (frame)
    return frame;
  return number > 0 && (guint64)number * PAGE <= carve->db.len ? carve->db.octets + (gsize)(number - 1) * PAGE : NULL;
}

/* FALSE: it ends before. */
static gboolean read_varint(const guint8 **p, const guint8 *end, guint64 *ret) {
  guint64 value = 0;
  for (guint i = 0; i < 9 && *p < end; i++) {
    guint8 octet = *(*p)++;
    value = i < 8 ? value << 7 | (octet & 0x7f) : value << 8 | octet;
    if (i == 8 || !(octet & 0x80)) {
      *ret = value;
      return TRUE;
    }
  }
  return FALSE;
}

/* The whole payload of a cell, with its chain of overflow pages. NULL: it breaks off. */
static GByteArray *read_payload(const Carve *carve, const guint8 *p, const guint8 *end, gsize len) {
  gsize least = LOCAL_LEAST + (len - LOCAL_LEAST) % (PAGE - 4);
  gsize local = len <= LOCAL_MOST ? len : least <= LOCAL_MOST ? least : LOCAL_LEAST;
  if (local + (local < len ? 4 : 0) > (gsize)(end - p))
    return NULL;
  g_autoptr(GByteArray) payload = g_byte_array_append(g_byte_array_new(), p, (guint)local);
  guint32 next = local < len ? big32(p + local) : 0;
  while (payload->len < len) {
    const guint8 *page = page_of(carve, next);
    if (!page)
      return NULL;
    g_byte_array_append(payload, page + 4, (guint)MIN(len - payload->len, PAGE - 4));
    next = big32(page);
  }
  return g_steal_pointer(&payload);
}

/* A record of two columns: the row number, which is stored as NULL, and a blob. */
static void offer(const Carve *carve, gint64 row, const GByteArray *payload) {
  const guint8 *p = payload->data, *end = p + payload->len;
  guint64 header, first, second;
  if (!read_varint(&p, end, &header) || header > payload->len)
    return;
  end = payload->data + header;
  if (!read_varint(&p, end, &first) || !read_varint(&p, end, &second) || p != end || first != 0 || second < 12 ||
      second % 2 != 0 || (second - 12) / 2 != payload->len - header)
    return;
  carve->each(row, end, payload->len - header, carve->data);
}

static void look_at_cell(const Carve *carve, const guint8 *page, guint at) {
  const guint8 *p = page + at, *end = page + PAGE;
  guint64 len, row;
  if (at >= PAGE || !read_varint(&p, end, &len) || !read_varint(&p, end, &row) || len < 4 || len > SALVAGE_CARVE_MOST ||
      row == 0 || row > G_MAXINT64)
    return;
  if (!carve->each((gint64)row, NULL, 0, carve->data))
    return;
  g_autoptr(GByteArray) payload = read_payload(carve, p, end, len);
  if (payload)
    offer(carve, (gint64)row, payload);
}

static void look_at_page(const Carve *carve, const guint8 *page, guint skip) {
  if (page[skip] != LEAF)
    return;
  guint cells = (guint)page[skip + 3] << 8 | page[skip + 4];
  for (guint i = 0; i < cells && skip + 8 + 2 * i + 2 <= PAGE; i++) {
    const guint8 *pointer = page + skip + 8 + 2 * i;
    look_at_cell(carve, page, (guint)pointer[0] << 8 | pointer[1]);
  }
}

void salvage_carve(int dirfd, const char *name, SalvageCarved each, gpointer data) {
  g_autofree char *wal = g_strconcat(name, "-wal", NULL);
  Carve carve = {.db = map_file(dirfd, name), .wal = map_file(dirfd, wal), .each = each, .data = data};
  carve.frames = g_hash_table_new(g_direct_hash, g_direct_equal);
  index_frames(&carve);
  for (gsize at = 0; at + PAGE <= carve.db.len; at += PAGE)
    look_at_page(&carve, carve.db.octets + at, at == 0 ? HEADER : 0);
  for (gsize at = WAL_HEADER; at + FRAME <= carve.wal.len; at += FRAME)
    look_at_page(&carve, carve.wal.octets + at + 24, big32(carve.wal.octets + at) == 1 ? HEADER : 0);
  g_hash_table_unref(carve.frames);
  unmap_file(&carve.db);
  unmap_file(&carve.wal);
}
