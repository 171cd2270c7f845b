/* SPDX-License-Identifier: MIT */
#include "tests/lib/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

void net_die(const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *text = g_strdup_vprintf(format, args);
  va_end(args);
  fprintf(stderr, "%s: %s\n", g_get_prgname(), text);
  exit(1);
}

int net_listen(guint16 port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  socklen_t len = sizeof address;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, 128) < 0 ||
      getsockname(fd, (struct sockaddr *)&address, &len) < 0)
    net_die("cannot listen on port %u: %s", port, g_strerror(errno));
  printf("%u\n", ntohs(address.sin_port));
  fflush(stdout);
  return fd;
}

int net_connect(const char *host, guint16 port) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
  g_autofree char *service = g_strdup_printf("%u", port);
  int fd = -1, on = 1;
  if (getaddrinfo(host, service, &hints, &list) != 0)
    net_die("no such host: %s", host);
  for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
    fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
    if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) < 0) {
      close(fd);
      fd = -1;
    }
  }
  freeaddrinfo(list);
  if (fd < 0)
    net_die("cannot connect to %s port %u: %s", host, port, g_strerror(errno));
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

void net_write(int fd, const void *data, gsize len) {
  const char *at = data;
  while (len > 0) {
    ssize_t n = write(fd, at, len);
    if (n < 0 && errno != EINTR)
      net_die("cannot write: %s", g_strerror(errno));
    if (n > 0) {
      at += n;
      len -= (gsize)n;
    }
  }
}

void net_options(int *argc, char ***argv, const GOptionEntry *entries, const char *usage, int n) {
  g_autoptr(GOptionContext) context = g_option_context_new(usage);
  g_autoptr(GError) error = NULL;
  g_option_context_add_main_entries(context, entries, NULL);
  if (!g_option_context_parse(context, argc, argv, &error))
    net_die("%s", error->message);
  if (*argc - 1 != n)
    net_die("usage: %s [OPTIONS] %s (--help tells more)", g_get_prgname(), usage);
}
