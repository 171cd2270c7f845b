/* SPDX-License-Identifier: MIT */
/*
 * The inode number is the identity: kind in bits 60 to 62, the row of the index below. Rows are never used twice, and
 * survive moves, renames, eviction, a remount and a UIDVALIDITY change; so the number of a message is the same for
 * ever, the kernel's lookup counts need no table here, and FORGET frees nothing. Programs keep these numbers: borg and
 * restic decide by them what to read again, and a number that came to mean another letter would make a backup wrong.
 *
 * The folder at the mount point is 1, because the kernel says so, whatever its row (and with root= that may be any
 * folder). 0 means "no inode" to the kernel; the sign bit stays free because these numbers are also the cookies of
 * readdir, which are off_t. Kinds 3 to 7 are for what is to come.
 */
#include "fs/inode.h"

#define KIND_SHIFT 60
#define ROW_MASK ((G_GUINT64_CONSTANT(1) << KIND_SHIFT) - 1)
#define SECOND G_GINT64_CONSTANT(1000000000)

guint64 inode_number(gint64 root, CacheKind kind, gint64 row) {
  g_assert(row > 0 && ((guint64)row & ~ROW_MASK) == 0);
  if (kind == CACHE_FOLDER && row == root)
    return INODE_ROOT;
  return ((guint64)kind << KIND_SHIFT) | (guint64)row;
}

gboolean inode_parse(gint64 root, guint64 number, CacheKind *ret_kind, gint64 *ret_row) {
  guint64 kind = number >> KIND_SHIFT;
  gint64 row = number & ROW_MASK;

  if (number == INODE_ROOT) {
    *ret_kind = CACHE_FOLDER;
    *ret_row = root;
    return TRUE;
  }
  if ((kind != CACHE_FOLDER && kind != CACHE_MESSAGE) || row == 0)
    return FALSE;
  *ret_kind = (CacheKind)kind;
  *ret_row = row;
  return TRUE;
}

static struct timespec moment(gint64 ns) {
  gint64 rest = ns % SECOND;
  if (rest < 0) /* before 1970: tv_nsec counts forward all the same */
    rest += SECOND;
  return (struct timespec){.tv_sec = (ns - rest) / SECOND, .tv_nsec = rest};
}

void inode_stat(gint64 root, const CacheEntry *entry, guint32 uid, guint32 gid, struct stat *ret) {
  gboolean folder = entry->kind == CACHE_FOLDER;
  *ret = (struct stat){
      .st_ino = inode_number(root, entry->kind, entry->row),
      .st_mode = folder ? S_IFDIR | 0700 : S_IFREG | 0600,
      .st_nlink = entry->nlink,
      .st_uid = uid,
      .st_gid = gid,
      .st_size = folder ? 0 : (off_t)MIN(entry->size, (guint64)G_MAXINT64),
      .st_blksize = 128 * 1024,
      .st_mtim = moment(entry->mtime),
      .st_ctim = moment(entry->ctime),
  };
  ret->st_atim = ret->st_mtim;
  /* Never 0 for a file with content: GNU tar would take it for one great hole and not read it. */
  ret->st_blocks = ret->st_size / 512 + (ret->st_size % 512 != 0);
}
