/* SPDX-License-Identifier: MIT */
/*
 * readways read|pread|mmap|sendfile FILE: the file to stdout, in the ways in which programs read and none of which may
 * be misled by a wrong size. readways append FILE: exits 0 if octets could be appended.
 */
#include "tests/lib/net.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK 4096

static gsize size_of(int fd) {
  struct stat st;
  if (fstat(fd, &st) < 0)
    net_die("fstat: %s", g_strerror(errno));
  return (gsize)st.st_size;
}

static void by_read(int fd) {
  char buffer[CHUNK];
  ssize_t n;
  while ((n = read(fd, buffer, sizeof buffer)) > 0)
    net_write(STDOUT_FILENO, buffer, (gsize)n);
  if (n < 0)
    net_die("read: %s", g_strerror(errno));
}

static void by_pread(int fd) { /* exactly as much as fstat says, as archivers do */
  gsize size = size_of(fd), at = 0;
  char buffer[CHUNK];
  while (at < size) {
    ssize_t n = pread(fd, buffer, MIN(size - at, sizeof buffer), (off_t)at);
    if (n <= 0)
      net_die("pread at %zu of %zu: %s", at, size, n ? g_strerror(errno) : "end of file");
    net_write(STDOUT_FILENO, buffer, (gsize)n);
    at += (gsize)n;
  }
}

static void by_mmap(int fd) {
  gsize size = size_of(fd);
  void *data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (data == MAP_FAILED)
    net_die("mmap: %s", g_strerror(errno));
  net_write(STDOUT_FILENO, data, size);
  munmap(data, size);
}

static void by_sendfile(int fd) { /* without fstat: nothing but sendfile itself tells where the end is */
  int ends[2];
  ssize_t n;
  if (pipe(ends) < 0)
    net_die("pipe: %s", g_strerror(errno));
  while ((n = sendfile(ends[1], fd, NULL, CHUNK)) > 0) {
    char buffer[CHUNK];
    for (ssize_t m; n > 0; n -= m) {
      if ((m = read(ends[0], buffer, sizeof buffer)) <= 0)
        net_die("pipe: %s", g_strerror(errno));
      net_write(STDOUT_FILENO, buffer, (gsize)m);
    }
  }
  if (n < 0)
    net_die("sendfile: %s", g_strerror(errno));
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    void (*run)(int fd);
  } ways[] = {{"read", by_read}, {"pread", by_pread}, {"mmap", by_mmap}, {"sendfile", by_sendfile}};
  const GOptionEntry none[] = {{0}};
  net_options(&argc, &argv, none, "read|pread|mmap|sendfile|append FILE", 2);
  gboolean append = strcmp(argv[1], "append") == 0;
  int fd = open(argv[2], (append ? O_WRONLY | O_APPEND : O_RDONLY) | O_CLOEXEC);
  if (fd < 0)
    net_die("%s: %s", argv[2], g_strerror(errno));
  if (append)
    return write(fd, "x", 1) == 1 && close(fd) == 0 ? 0 : 1;
  for (gsize i = 0; i < G_N_ELEMENTS(ways); i++)
    if (strcmp(argv[1], ways[i].name) == 0)
      ways[i].run(fd);
  return 0;
}
