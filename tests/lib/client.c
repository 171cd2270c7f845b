/* SPDX-License-Identifier: MIT */
#include "tests/lib/client.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/lib/net.h"

#define PATIENCE 120 /* seconds */
#define TRIES 20

struct Client {
  guint16 port;
  int fd;
  guint tag;
  GString *said, *sent;
};

/* Position after the tagged answer in what was said, 0 where it is not there yet. */
static gsize answered(const Client *client, const char *tag) {
  const char *at = client->said->str;
  while (at && strncmp(at, tag, strlen(tag)) != 0)
    at = (at = strstr(at, "\r\n")) ? at + 2 : NULL;
  return at && strstr(at, "\r\n") ? (gsize)(at - client->said->str) : 0;
}

/* The tagged answer. */
static const char *talk_once(Client *client) {
  g_autofree char *tag = g_strdup_printf("a%u ", ++client->tag);
  char buffer[4096];
  gsize at;
  g_string_truncate(client->said, 0);
  g_string_append(client->said, "\r\n"); /* so that 0 is never a position */
  net_write(client->fd, tag, strlen(tag));
  net_write(client->fd, client->sent->str, client->sent->len);
  while (!(at = answered(client, tag))) {
    ssize_t n = read(client->fd, buffer, sizeof buffer);
    if (n <= 0)
      net_die("the server does not answer: %s", client->sent->str);
    g_string_append_len(client->said, buffer, n);
  }
  return client->said->str + at + strlen(tag);
}

static const char *talk(Client *client) {
  const char *answer = talk_once(client);
  if (!g_str_has_prefix(answer, "OK"))
    net_die("%.80s: %s", client->sent->str, answer);
  return client->said->str;
}

const char *client_run(Client *client, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_string_vprintf(client->sent, format, args);
  va_end(args);
  g_string_append(client->sent, "\r\n");
  return talk(client);
}

guint32 client_append(Client *client, const char *mailbox, const char *date, const GString *message) {
  guint32 uid = 0;
  g_string_printf(client->sent, "APPEND \"%s\" \"%s\" {%zu+}\r\n", mailbox, date, message->len);
  g_string_append_len(client->sent, message->str, (gssize)message->len);
  g_string_append(client->sent, "\r\n");
  const char *code = strstr(talk(client), "[APPENDUID ");
  if (!code || sscanf(code, "[APPENDUID %*u %u]", &uid) != 1)
    net_die("no APPENDUID: %s", client->said->str);
  return uid;
}

static void log_in(Client *client) {
  struct timeval patience = {.tv_sec = PATIENCE};
  client->fd = net_connect("127.0.0.1", client->port);
  setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  client_run(client, "LOGIN alice secret");
}

void client_delete(Client *client, const char *mailbox) {
  for (guint i = 0; i < TRIES; i++) {
    g_string_printf(client->sent, "DELETE \"%s\"\r\n", mailbox);
    const char *answer = talk_once(client);
    if (g_str_has_prefix(answer, "OK") || strstr(answer, "doesn't exist"))
      return;
    close(client->fd);
    log_in(client);
  }
  net_die("%s cannot be deleted", mailbox);
}

Client *client_new(guint16 port) {
  Client *client = g_new0(Client, 1);
  client->port = port;
  client->said = g_string_new(NULL);
  client->sent = g_string_new(NULL);
  log_in(client);
  return client;
}

void client_free(Client *client) {
  close(client->fd);
  g_string_free(client->said, TRUE);
  g_string_free(client->sent, TRUE);
  g_free(client);
}
