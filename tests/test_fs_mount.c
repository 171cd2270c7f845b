/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fs/inode.h"
#include "tests/mock_mount.h"

static TestMount mount;
static gint64 inbox, work, hello;

#define TEXT "Subject: Hello\r\n\r\nHello, world.\r\n"

static void setup(void) {
  Cache *cache = mock_new();
  inbox = mock_folder(cache, 1, "INBOX");
  work = mock_folder(cache, inbox, "Work");
  hello = mock_message(cache, inbox, "2026-11-21_Ann_Hello.1.eml", TEXT);
  mock_message(cache, work, "2026-11-21_Bob_Plan.7.eml", "Subject: Plan\r\n\r\n");
  mount_start(&mount, cache, 15);
}

static void setup_read_only(void) {
  mount.read_only = TRUE;
  setup();
  mount.read_only = FALSE;
}

static void teardown(void) {
  mount_stop(&mount);
}

static struct stat stat_of(const char *path) {
  g_autofree char *full = mount_path(&mount, path);
  struct stat st;
  ck_assert_msg(lstat(full, &st) == 0, "%s: %s", path, g_strerror(errno));
  return st;
}

static int errno_of(const char *path) {
  g_autofree char *full = mount_path(&mount, path);
  struct stat st;
  return lstat(full, &st) == 0 ? 0 : errno;
}

START_TEST(reads_what_is_there) {
  int status;
  g_autofree char *path = mount_path(&mount, "INBOX/2026-11-21_Ann_Hello.1.eml");
  g_autofree char *text = mount_run(&status, ARGV("cat", path));
  ck_assert_int_eq(status, 0);
  ck_assert_str_eq(text, TEXT);
  g_autofree char *found = mount_run(&status, ARGV("grep", "-rlE", "Hello, w|Plan", mount.dir));
  ck_assert_int_eq(status, 0);
  ck_assert(strstr(found, "Ann_Hello") && strstr(found, "Bob_Plan"));
}
END_TEST

START_TEST(stat_shows_the_row) {
  struct stat st = stat_of("INBOX/2026-11-21_Ann_Hello.1.eml");
  ck_assert_uint_eq(st.st_ino, inode_number(1, CACHE_MESSAGE, hello));
  ck_assert_int_eq(st.st_size, strlen(TEXT));
  ck_assert_int_eq(st.st_blocks, 1);
  ck_assert_int_eq(st.st_mode, S_IFREG | 0600);
  ck_assert_int_eq(st.st_nlink, 1);
  ck_assert_uint_eq(st.st_uid, getuid());
  ck_assert_int_eq(st.st_mtim.tv_nsec, 123456789 + hello);
  st = stat_of("INBOX");
  ck_assert_uint_eq(st.st_ino, inode_number(1, CACHE_FOLDER, inbox));
  ck_assert_int_eq(st.st_mode, S_IFDIR | 0700);
  ck_assert_int_eq(st.st_nlink, 3);
  ck_assert_uint_eq(stat_of("").st_ino, 1);
  ck_assert_uint_eq(stat_of("INBOX/Work/../..").st_ino, 1);
  ck_assert_int_eq(errno_of("INBOX/nobody"), ENOENT);
  ck_assert_int_eq(errno_of("INBOX/2026-11-21_Ann_Hello.1.eml/x"), ENOTDIR);
}
END_TEST

START_TEST(unknown_names_are_asked_again) {
  guint before = mock_lookups(mount.cache);
  for (int i = 0; i < 3; i++)
    ck_assert_int_eq(errno_of("INBOX/later"), ENOENT);
  ck_assert_uint_eq(mock_lookups(mount.cache) - before, 4); /* and INBOX */
  mock_message(mount.cache, inbox, "later", "x");
  ck_assert_int_eq(errno_of("INBOX/later"), 0);
}
END_TEST

START_TEST(names_and_attributes_are_asked_once) {
  stat_of("INBOX/2026-11-21_Ann_Hello.1.eml");
  guint before = mock_lookups(mount.cache);
  for (int i = 0; i < 10; i++)
    stat_of("INBOX/2026-11-21_Ann_Hello.1.eml");
  ck_assert_uint_eq(mock_lookups(mount.cache), before);
}
END_TEST

START_TEST(readdirplus_saves_the_lookups) {
  g_autofree char *list = mount_run(NULL, ARGV("ls", "-lR", mount.dir));
  ck_assert(strstr(list, "Bob_Plan.7.eml"));
  ck_assert_uint_eq(mock_lookups(mount.cache), 0);
}
END_TEST

START_TEST(listing_order_and_numbers) {
  g_autofree char *path = mount_path(&mount, "INBOX");
  static const char *const expected[] = {".", "..", "Work", "2026-11-21_Ann_Hello.1.eml"};
  DIR *dir = opendir(path);
  for (int round = 0; round < 2; round++) {
    for (gsize i = 0; i < G_N_ELEMENTS(expected); i++) {
      struct dirent *entry = readdir(dir);
      ck_assert_str_eq(entry->d_name, expected[i]);
      ck_assert_int_eq(entry->d_type, i < 3 ? DT_DIR : DT_REG);
      if (i != 1)
        ck_assert_uint_eq(entry->d_ino, stat_of(i == 0   ? "INBOX"
                                                : i == 2 ? "INBOX/Work"
                                                         : "INBOX/2026-11-21_Ann_Hello.1.eml")
                                            .st_ino);
      else
        ck_assert_uint_eq(entry->d_ino, 1);
    }
    ck_assert_ptr_null(readdir(dir));
    rewinddir(dir);
  }
  closedir(dir);
}
END_TEST

/* What goes and comes during a listing shifts nothing. */
START_TEST(listing_survives_changes) {
  gint64 folder = mock_folder(mount.cache, 1, "Big");
  gint64 rows[1000];
  for (int i = 0; i < 1000; i++) {
    g_autofree char *name = g_strdup_printf("%04d.eml", i);
    rows[i] = mock_message(mount.cache, folder, name, "x");
  }
  g_autofree char *path = mount_path(&mount, "Big");
  DIR *dir = opendir(path);
  GHashTable *seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  struct dirent *entry;
  for (int n = 0; (entry = readdir(dir)); n++) {
    ck_assert_msg(g_hash_table_add(seen, g_strdup(entry->d_name)), "%s twice", entry->d_name);
    if (n == 100)
      for (int i = 0; i < 50; i++)
        mock_remove(mount.cache, rows[i]);
    if (n == 200)
      mock_message(mount.cache, folder, "new.eml", "x");
  }
  closedir(dir);
  for (int i = 50; i < 1000; i++) {
    g_autofree char *name = g_strdup_printf("%04d.eml", i);
    ck_assert_msg(g_hash_table_contains(seen, name), "%s is missing", name);
  }
  ck_assert(g_hash_table_contains(seen, "new.eml"));
  g_hash_table_unref(seen);
}
END_TEST

START_TEST(seekdir_finds_its_place) {
  gint64 folder = mock_folder(mount.cache, 1, "Many");
  mock_many(mount.cache, folder, 5000);
  g_autofree char *path = mount_path(&mount, "Many");
  DIR *dir = opendir(path);
  long place = 0;
  for (int i = 0; i < 3000; i++) {
    place = telldir(dir);
    ck_assert_ptr_nonnull(readdir(dir));
  }
  while (readdir(dir))
    ;
  seekdir(dir, place);
  ck_assert_str_eq(readdir(dir)->d_name, "0002998.eml");
  closedir(dir);
}
END_TEST

START_TEST(every_write_is_refused) {
  g_autofree char *file = mount_path(&mount, "INBOX/2026-11-21_Ann_Hello.1.eml");
  g_autofree char *new = mount_path(&mount, "INBOX/new");
  static const int flags[] = {O_WRONLY, O_RDWR, O_WRONLY | O_APPEND, O_RDONLY | O_TRUNC};
  for (gsize i = 0; i < G_N_ELEMENTS(flags); i++) {
    ck_assert_int_eq(open(file, flags[i]), -1);
    ck_assert_msg(errno == EROFS, "flags %x: %s", flags[i], g_strerror(errno));
  }
#define REFUSED(call)                                                                                                  \
  ck_assert_int_eq((call), -1);                                                                                        \
  ck_assert_msg(errno == EROFS, #call ": %s", g_strerror(errno))
  REFUSED(open(new, O_CREAT | O_WRONLY, 0600));
  REFUSED(mkdir(new, 0700));
  REFUSED(unlink(file));
  REFUSED(rename(file, new));
  REFUSED(link(file, new));
  REFUSED(symlink("x", new));
  REFUSED(truncate(file, 0));
  REFUSED(chmod(file, 0644));
  REFUSED(utimensat(AT_FDCWD, file, NULL, 0));
  REFUSED(setxattr(file, "user.x", "y", 1, 0));
}
END_TEST

/* A read-only mount is a full disk. */
START_TEST(read_only_statfs) {
  struct statvfs st;
  ck_assert_int_eq(statvfs(mount.dir, &st), 0);
  ck_assert_uint_eq(st.f_namemax, 255);
  ck_assert_uint_eq(st.f_blocks, 3);
  ck_assert(st.f_bfree == 0 && st.f_favail == 0);
  ck_assert(st.f_flag & ST_RDONLY && st.f_flag & ST_NOSUID);
}
END_TEST

/* Without a quota there is room for everything; with one, what it leaves. */
START_TEST(statfs_shows_the_quota) {
  struct statvfs st;
  ck_assert_int_eq(statvfs(mount.dir, &st), 0);
  ck_assert(!(st.f_flag & ST_RDONLY));
  ck_assert_uint_ge(st.f_bavail * st.f_frsize, G_GUINT64_CONSTANT(1) << 39);
  ck_assert_uint_gt(st.f_favail, 1000000);
  ck_assert_uint_eq(st.f_blocks - st.f_bfree, 3);
  mock_space(mount.cache, &(CacheSpace){.total = 4096000, .left = 8192, .messages_total = 50, .messages_left = 7});
  ck_assert_int_eq(statvfs(mount.dir, &st), 0);
  ck_assert(st.f_blocks == 1000 && st.f_bavail == 2 && st.f_files == 50 && st.f_favail == 7);
  mock_space(mount.cache, &(CacheSpace){.total = 4096000});
  ck_assert_int_eq(statvfs(mount.dir, &st), 0);
  ck_assert(st.f_bavail == 0 && st.f_favail > 1000000);
}
END_TEST

START_TEST(mount_table) {
  g_autofree char *line = mount_run(NULL, ARGV("findmnt", "-n", "-o", "SOURCE,FSTYPE", mount.dir));
  ck_assert_str_eq(line, "alice@mail.example.com: fuse.imapfs\n");
}
END_TEST

/* An open file of a message that was expunged. */
START_TEST(gone_but_open) {
  g_autofree char *file = mount_path(&mount, "INBOX/2026-11-21_Ann_Hello.1.eml");
  struct stat st;
  char buf[100];
  int fd = open(file, O_RDONLY);
  ck_assert_int_ge(fd, 0);
  mock_remove(mount.cache, hello);
  gint64 start = g_get_monotonic_time();
  while (lstat(file, &st) == 0)
    ck_assert(mount_seconds(start) < MOUNT_NEVER);
  ck_assert_int_eq(errno, ENOENT);
  ck_assert_int_eq(fstat(fd, &st), 0);
  ck_assert_int_eq(st.st_nlink, 0);
  ck_assert_int_eq(st.st_size, strlen(TEXT));
  ck_assert_int_eq(read(fd, buf, sizeof buf), strlen(TEXT));
  close(fd);
}
END_TEST

/* What NFS asks for: the file of a number, whose name nobody has looked up. */
START_TEST(found_by_its_number) {
  guint64 number = inode_number(1, CACHE_MESSAGE, hello);
  guint32 words[] = {(guint32)(number >> 32), (guint32)number};
  g_autofree struct file_handle *handle = g_malloc0(sizeof *handle + MAX_HANDLE_SZ);
  char buf[100];
  int id, dir = open(mount.dir, O_RDONLY | O_DIRECTORY);
  g_autofree char *path = mount_path(&mount, "INBOX");
  handle->handle_bytes = MAX_HANDLE_SZ;
  ck_assert_int_eq(name_to_handle_at(AT_FDCWD, path, handle, &id, 0), 0);
  memcpy(handle->f_handle, words, sizeof words);
  int fd = open_by_handle_at(dir, handle, O_RDONLY);
  if (geteuid() != 0)
    ck_assert(fd < 0 && errno == EPERM);
  else
    ck_assert_int_eq(read(fd, buf, sizeof buf), strlen(TEXT));
  close(fd);
  close(dir);
}
END_TEST

/* Whoever stands in a folder that is renamed on the server goes on standing in it. */
START_TEST(renamed_under_a_shell) {
  g_autofree char *old = mount_path(&mount, "INBOX"), *new = mount_path(&mount, "Post");
  struct stat st;
  int fd = open(old, O_RDONLY | O_DIRECTORY);
  ck_assert_int_ge(fd, 0);
  ck_assert_int_eq(fstatat(fd, "2026-11-21_Ann_Hello.1.eml", &st, 0), 0);
  mock_rename(mount.cache, inbox, "Post");
  gint64 start = g_get_monotonic_time();
  while (lstat(old, &st) == 0)
    ck_assert(mount_seconds(start) < MOUNT_NEVER);
  ck_assert_int_eq(errno, ENOENT);
  ck_assert_int_eq(fstatat(fd, "2026-11-21_Ann_Hello.1.eml", &st, 0), 0);
  GDir *dir = g_dir_open(new, 0, NULL);
  ck_assert_ptr_nonnull(dir);
  ck_assert_ptr_nonnull(g_dir_read_name(dir));
  g_dir_close(dir);
  close(fd);
}
END_TEST

/* A new mtime of a directory is seen although the kernel held the old one for ever. */
START_TEST(changed_directory) {
  stat_of("INBOX");
  mock_touch(mount.cache, inbox, 42);
  gint64 start = g_get_monotonic_time();
  while (stat_of("INBOX").st_mtim.tv_nsec != 42)
    ck_assert(mount_seconds(start) < MOUNT_NEVER);
}
END_TEST

START_TEST(a_million_messages) {
  gint64 folder = mock_folder(mount.cache, 1, "Million");
  mock_many(mount.cache, folder, 1000000);
  g_autofree char *path = mount_path(&mount, "Million");
  DIR *dir = opendir(path);
  gsize n = 0;
  while (readdir(dir))
    n++;
  closedir(dir);
  ck_assert_uint_eq(n, 1000002);
}
END_TEST

START_TEST(unmount_by_somebody) {
  char *argv[] = {"umount", mount.dir, NULL};
  ck_assert(g_spawn_sync(NULL, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL));
  fs_wait(mount.fs); /* returns */
}
END_TEST

int main(void) {
  Suite *suite = suite_create("fs/mount");
  TCase *tests = mount_case(suite, "mount", setup, teardown);
  tcase_add_test(tests, reads_what_is_there);
  tcase_add_test(tests, stat_shows_the_row);
  tcase_add_test(tests, unknown_names_are_asked_again);
  tcase_add_test(tests, names_and_attributes_are_asked_once);
  tcase_add_test(tests, readdirplus_saves_the_lookups);
  tcase_add_test(tests, listing_order_and_numbers);
  tcase_add_test(tests, listing_survives_changes);
  tcase_add_test(tests, seekdir_finds_its_place);
  tcase_add_test(tests, statfs_shows_the_quota);
  tcase_add_test(tests, mount_table);
  tcase_add_test(tests, gone_but_open);
  tcase_add_test(tests, found_by_its_number);
  tcase_add_test(tests, renamed_under_a_shell);
  tcase_add_test(tests, changed_directory);
  tcase_add_test(tests, a_million_messages);
  tcase_add_test(tests, unmount_by_somebody);
  tests = mount_case(suite, "read-only", setup_read_only, teardown);
  tcase_add_test(tests, every_write_is_refused);
  tcase_add_test(tests, read_only_statfs);
  return mount_suite_run(suite);
}
