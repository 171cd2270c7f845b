/* SPDX-License-Identifier: MIT */
/*
 * One thread accepts, one per connection reads; one mutex is held while a command is answered or a change is made, also
 * while the answer is sent: it is short, and the socket takes it.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/scripted_private.h"

#define BEFORE 20 /* lines of a transcript before the step it is about, and in all */
#define SHOWN 70

static void rule_free(gpointer data) {
  ScriptedRule *rule = data;
  g_free(rule->pattern);
  g_strfreev(rule->lines);
  g_free(rule);
}

static void session_free(gpointer data) {
  Session *session = data;
  close(session->fd);
  g_string_free(session->out, TRUE);
  g_string_free(session->input, TRUE);
  g_array_unref(session->view);
  g_free(session->tag);
  g_free(session->idle);
  g_free(session);
}

/* ---- threads ------------------------------------------------------------------------------------------- */

/* The next command, without CR LF, or NULL at the end. Without the lock. */
static char *read_command(Session *session) {
  for (char *end; !(end = strstr(session->input->str, "\r\n"));) {
    char data[4096];
    gssize n = recv(session->fd, data, sizeof data, 0);
    if (n <= 0)
      return NULL;
    g_string_append_len(session->input, data, n);
  }
  gsize len = strcspn(session->input->str, "\r");
  char *command = g_strndup(session->input->str, len);
  g_string_erase(session->input, 0, (gssize)len + 2);
  return command;
}

static void serve_command(Session *session, const char *line) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&session->server->mutex);
  const char *blank = strchr(line, ' ');
  g_free(session->tag);
  if (session->idle) {
    session->tag = g_steal_pointer(&session->idle);
    session_obey(session, line); /* DONE */
    return;
  }
  session->tag = g_strndup(line, blank ? (gsize)(blank - line) : strlen(line));
  session_obey(session, blank ? blank + 1 : "");
}

static gpointer session_main(gpointer data) {
  Session *session = data;
  for (char *line; (line = read_command(session)); g_free(line))
    serve_command(session, line);
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&session->server->mutex);
  session_note(session, '-', "the connection ends");
  session->closed = TRUE;
  shutdown(session->fd, SHUT_RDWR);
  return NULL;
}

static void welcome(Scripted *server, int fd) {
  int on = 1;
  guint living = 1;
  Session *session = g_new0(Session, 1);
  session->server = server;
  session->fd = fd;
  session->out = g_string_new(NULL);
  session->input = g_string_new(NULL);
  session->tag = g_strdup("*");
  session->view = g_array_new(FALSE, FALSE, sizeof(guint32));
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&server->mutex);
  for (guint i = 0; i < server->sessions->len; i++)
    living += !((Session *)server->sessions->pdata[i])->closed;
  g_ptr_array_add(server->sessions, session);
  session->number = server->sessions->len;
  g_autofree char *command = g_strdup_printf("CONNECT %u", living);
  session_obey(session, command);
  session->thread = g_thread_new("session", session_main, session);
}

static gpointer accept_main(gpointer data) {
  Scripted *server = data;
  for (int fd; (fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0;)
    welcome(server, fd);
  return NULL;
}

Scripted *scripted_new(void) {
  Scripted *server = g_new0(Scripted, 1);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof address;
  g_mutex_init(&server->mutex);
  server->boxes = boxes_new();
  server->capability = g_strdup("IMAP4rev1");
  server->sessions = g_ptr_array_new_with_free_func(session_free);
  server->rules = g_ptr_array_new_with_free_func(rule_free);
  server->log = g_ptr_array_new_with_free_func(g_free);
  server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(server->listener, (struct sockaddr *)&address, len) != 0 || listen(server->listener, 8) != 0 ||
      getsockname(server->listener, (struct sockaddr *)&address, &len) != 0)
    g_error("no port to listen on");
  server->port = ntohs(address.sin_port);
  server->thread = g_thread_new("accept", accept_main, server);
  return server;
}

void scripted_free(Scripted *server) {
  shutdown(server->listener, SHUT_RDWR);
  g_thread_join(server->thread);
  close(server->listener);
  scripted_cut(server);
  for (guint i = 0; i < server->sessions->len; i++)
    g_thread_join(((Session *)server->sessions->pdata[i])->thread);
  g_ptr_array_unref(server->sessions);
  g_ptr_array_unref(server->rules);
  g_ptr_array_unref(server->log);
  boxes_free(server->boxes);
  g_free(server->capability);
  g_mutex_clear(&server->mutex);
  g_free(server);
}

guint16 scripted_port(const Scripted *server) {
  return server->port;
}

/* ---- what a dialogue tells it ------------------------------------------------------------------------------ */

void scripted_capability(Scripted *server, const char *words) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&server->mutex);
  g_free(server->capability);
  server->capability = g_strdup(words);
}

void scripted_rule(Scripted *server, ScriptedKind kind, gboolean once, const char *pattern, char **lines) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&server->mutex);
  ScriptedRule *rule = g_new0(ScriptedRule, 1);
  *rule = (ScriptedRule){.kind = kind, .once = once, .pattern = g_strdup(pattern), .lines = g_strdupv(lines)};
  g_ptr_array_add(server->rules, rule);
}

void scripted_behave(Scripted *server) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&server->mutex);
  g_ptr_array_set_size(server->rules, 0);
  server->quiet = FALSE;
}

gboolean scripted_change(Scripted *server, const char *line, char **ret_wrong) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&server->mutex);
  g_autofree char *name = boxes_change(server->boxes, line, ret_wrong);
  if (name)
    server_tell(server, name);
  return name != NULL;
}

void scripted_push(Scripted *server, const char *line) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&server->mutex);
  for (guint i = 0; i < server->sessions->len; i++) {
    Session *session = server->sessions->pdata[i];
    if (!session->idle && !session->notify)
      continue;
    session_put(session, line);
    session_flush(session);
  }
}

void scripted_quiet(Scripted *server) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&server->mutex);
  server->quiet = TRUE;
}

void scripted_cut(Scripted *server) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&server->mutex);
  for (guint i = 0; i < server->sessions->len; i++)
    shutdown(((Session *)server->sessions->pdata[i])->fd, SHUT_RDWR);
}

guint scripted_said(Scripted *server, const char *pattern) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&server->mutex);
  guint n = 0;
  for (guint i = server->scene; i < server->log->len; i++) {
    const char *command = strstr(server->log->pdata[i], "< ");
    n += command && command == strchr(server->log->pdata[i], '<') && g_pattern_match_simple(pattern, command + 2);
  }
  return n;
}

void scripted_scene(Scripted *server) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&server->mutex);
  server->scene = server->log->len;
}

void scripted_step(Scripted *server) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&server->mutex);
  server->step = server->log->len;
}

char *scripted_transcript(Scripted *server) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&server->mutex);
  GString *text = g_string_new(NULL);
  guint first = server->step > BEFORE ? server->step - BEFORE : 0;
  for (guint i = first; i < MIN(server->log->len, first + SHOWN); i++)
    g_string_append_printf(text, "%s  %s\n", i == server->step ? "  then\n" : "", (char *)server->log->pdata[i]);
  return g_string_free(text, FALSE);
}
