/* SPDX-License-Identifier: MIT */
#include "tests/fake.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE 60000 /* ms for the client's next move; longer than any deadline in the tests */

struct _Fake {
  char **script;
  int listener, client, go, stop;
  guint16 port;
  gboolean split, far;
  GPtrArray *tags; /* of this connection */
  GString *input;
  char *failure; /* what the client did wrong, or NULL */
  GThread *thread;
};

/* TRUE when fd is readable; FALSE when the test is over or nothing happens. */
static gboolean await(Fake *fake, int fd) {
  struct pollfd fds[] = {{.fd = fd, .events = POLLIN}, {.fd = fake->stop, .events = POLLIN}};
  return poll(fds, 2, PATIENCE) > 0 && fds[0].revents != 0;
}

static gboolean fake_accept(Fake *fake) {
  int on = 1;
  if (fake->client >= 0)
    close(fake->client);
  g_ptr_array_set_size(fake->tags, 0);
  g_string_truncate(fake->input, 0);
  fake->client = await(fake, fake->listener) ? accept4(fake->listener, NULL, NULL, SOCK_CLOEXEC) : -1;
  setsockopt(fake->client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fake->client >= 0;
}

/* The client's next line without CR LF, or NULL at its end. */
static char *read_line(Fake *fake) {
  for (;;) {
    char *end = strstr(fake->input->str, "\r\n");
    if (end != NULL) {
      char *line = g_strndup(fake->input->str, (gsize)(end - fake->input->str));
      g_string_erase(fake->input, 0, end + 2 - fake->input->str);
      return line;
    }
    char data[4096];
    gssize n = await(fake, fake->client) ? recv(fake->client, data, sizeof data, 0) : 0;
    if (n <= 0)
      return NULL;
    g_string_append_len(fake->input, data, n);
  }
}

static gboolean expect(Fake *fake, const char *wanted) {
  g_autofree char *line = read_line(fake);
  const char *got = line != NULL ? line : "(end)";
  const char *blank = strchr(got, ' ');
  if (g_str_has_prefix(wanted, "@ ") && blank != NULL) {
    g_ptr_array_add(fake->tags, g_strndup(got, (gsize)(blank - got)));
    wanted += 2;
    got = blank + 1;
  }
  if (g_pattern_match_simple(wanted, got))
    return TRUE;
  fake->failure = g_strdup_printf("expected <%s>, the client said <%s>", wanted, got);
  return FALSE;
}

static void send_bytes(Fake *fake, const char *data, gsize len) {
  gsize step = fake->split ? 1 : len;
  for (gsize i = 0; i < len; i += step)
    if (send(fake->client, data + i, step, MSG_NOSIGNAL) != (gssize)step)
      return;
}

static void say(Fake *fake, const char *text) {
  g_autoptr(GString) line = g_string_new(NULL);
  if (text[0] != '@') {
    g_string_append(line, text);
  } else {
    char *rest = NULL;
    guint64 number = g_ascii_strtoull(text + 1, &rest, 10);
    guint index = number > 0 ? (guint)number - 1 : fake->tags->len - 1;
    g_string_append_printf(line, "%s%s", (char *)g_ptr_array_index(fake->tags, index), rest);
  }
  g_string_append(line, "\r\n");
  if (fake->far)
    g_usleep(5000);
  send_bytes(fake, line->str, line->len);
}

/* "@ " becomes the last tag; C escapes are allowed; it is all one packet. */
static void say_at_once(Fake *fake, const char *text) {
  g_autofree char *octets = g_strcompress(text + 1);
  g_autofree char *all = g_strconcat(g_ptr_array_index(fake->tags, fake->tags->len - 1), octets, NULL);
  send_bytes(fake, all, strlen(all));
}

static void say_raw(Fake *fake, const char *text) {
  g_autofree char *octets = g_strcompress(text);
  send_bytes(fake, octets, strlen(octets));
}

static gboolean stall(Fake *fake) {
  char data[256];
  while (await(fake, fake->client))
    if (recv(fake->client, data, sizeof data, 0) <= 0)
      break;
  return TRUE;
}

/* After the script: whoever logs out does not wait for an answer. */
static void see_off(Fake *fake) {
  gboolean leaves = FALSE;
  while (!leaves) {
    g_autofree char *line = read_line(fake);
    leaves = line == NULL || g_str_has_suffix(line, " LOGOUT");
  }
}

static gboolean step(Fake *fake, const char *line) {
  if (g_str_has_prefix(line, "C: "))
    return expect(fake, line + 3);
  if (g_str_has_prefix(line, "S: "))
    say(fake, line + 3);
  else if (g_str_has_prefix(line, "I: "))
    say_at_once(fake, line + 3);
  else if (g_str_has_prefix(line, "R: "))
    say_raw(fake, line + 3);
  else if (strcmp(line, "next") == 0)
    return fake_accept(fake);
  else if (strcmp(line, "half") == 0)
    return shutdown(fake->client, SHUT_WR) == 0;
  else if (strcmp(line, "stall") == 0)
    return stall(fake);
  else if (strcmp(line, "far") == 0)
    fake->far = TRUE;
  else if (strcmp(line, "split") == 0)
    fake->split = TRUE;
  else if (strcmp(line, "wait") == 0)
    return await(fake, fake->go) && eventfd_read(fake->go, &(eventfd_t){0}) == 0;
  else
    g_error("no such line in a script: %s", line);
  return TRUE;
}

static gpointer play(gpointer data) {
  Fake *fake = data;
  guint i = 0;
  gboolean going = fake_accept(fake);
  while (going && fake->script[i] != NULL)
    going = fake->script[i][0] == '\0' || step(fake, fake->script[i]) ? fake->script[++i] != NULL : FALSE;
  if (fake->script[i] != NULL && fake->failure == NULL)
    fake->failure = g_strdup_printf("the dialogue ended before <%s>", fake->script[i]);
  if (fake->client >= 0 && fake->failure == NULL)
    see_off(fake);
  if (fake->client >= 0)
    close(fake->client);
  return NULL;
}

/* Not g_strsplit(): its strstr() measures the whole rest each time under a sanitizer, and scripts may have 100 000
 * lines. */
static char **split_lines(const char *script) {
  GPtrArray *lines = g_ptr_array_new();
  for (const char *end; (end = strchr(script, '\n')) != NULL; script = end + 1)
    g_ptr_array_add(lines, g_strndup(script, (gsize)(end - script)));
  g_ptr_array_add(lines, g_strdup(script));
  g_ptr_array_add(lines, NULL);
  return (char **)g_ptr_array_free(lines, FALSE);
}

Fake *fake_new(const char *script) {
  Fake *fake = g_new0(Fake, 1);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof address;
  fake->script = split_lines(script);
  fake->tags = g_ptr_array_new_with_free_func(g_free);
  fake->input = g_string_new(NULL);
  fake->client = -1;
  fake->go = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
  fake->stop = eventfd(0, EFD_CLOEXEC);
  fake->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ck_assert_int_eq(bind(fake->listener, (struct sockaddr *)&address, len), 0);
  ck_assert_int_eq(listen(fake->listener, 5), 0);
  ck_assert_int_eq(getsockname(fake->listener, (struct sockaddr *)&address, &len), 0);
  fake->port = ntohs(address.sin_port);
  fake->thread = g_thread_new("fake", play, fake);
  return fake;
}

static void signal_event(int fd) {
  guint64 one = 1;
  ck_assert_int_eq(write(fd, &one, sizeof one), sizeof one);
}

void fake_go(Fake *fake) {
  signal_event(fake->go);
}

guint16 fake_port(const Fake *fake) {
  return fake->port;
}

static char *fake_secret(gpointer data, G_GNUC_UNUSED GCancellable *c, G_GNUC_UNUSED GError **error) {
  return g_strdup(data);
}

ImapConfig fake_config(const Fake *fake) {
  return (ImapConfig){.host = "127.0.0.1",
                      .port = fake->port,
                      .user = "ann",
                      .tls = IMAP_TLS_OFF,
                      .timeout = 30, /* no test waits for so long; a busy machine may be silent for a while */
                      .connections = 1,
                      .secret = fake_secret,
                      .secret_data = "secret"};
}

void fake_free(Fake *fake) {
  signal_event(fake->stop);
  g_thread_join(fake->thread);
  g_autofree char *failure = fake->failure;
  close(fake->listener);
  close(fake->go);
  close(fake->stop);
  g_strfreev(fake->script);
  g_ptr_array_unref(fake->tags);
  g_string_free(fake->input, TRUE);
  g_free(fake);
  if (failure != NULL)
    ck_abort_msg("%s", failure);
}
