/* SPDX-License-Identifier: MIT */
/*
 * mockimap: an IMAP server with one mailbox of made-up messages, for what no real server does on demand. Prints the
 * port it listens on; any user with any password is let in. Messages are made on the fly from their UIDs, so a million
 * of them costs nothing. `mockimap --print UID` writes one message as the server would send it.
 *
 *   --lie KIND      RFC822.SIZE is big, small, zero, or mixed (UID modulo 4: true, big, small, 0)
 *   --hostile       senders, subjects and folder names that nobody should trust
 *   --holes N       each N-th UID is missing, so that UID sets are long
 *   SIGUSR1         no octet of a body is sent any more, on any connection; SIGUSR2: they flow again
 *   SIGHUP          the messages of --expunge LOW:HIGH are gone
 *
 * One thread per connection, blocking; the state they share is three counters changed by signals only.
 */
#include "tests/lib/net.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define UIDVALIDITY 1700000000
#define BASE_CAPABILITIES "IMAP4rev1 LITERAL+ ESEARCH ID NAMESPACE UNSELECT CHILDREN"

typedef enum { TRUE_SIZE, BIG, SMALL, ZERO, MIXED } Lie;

typedef struct {
  guint messages, bytes, uidvalidity;
  guint holes, top; /* top is the highest UID; each holes-th is missing, 0: none */
  guint low, high;  /* low..high go at SIGHUP; high 0: none */
  Lie lie;
  gboolean hostile;
  const char *capabilities;
  int listener;
} Mock;

typedef struct {
  const Mock *mock;
  int fd;
  FILE *in, *out;
  gboolean selected, told; /* told: the client knows about the expunge */
} Client;

static volatile sig_atomic_t silent, expunged;

static void on_signal(int number) {
  if (number == SIGHUP)
    expunged = 1;
  else
    silent = number == SIGUSR1;
}

/* ---- messages ---------------------------------------------------------------------------------- */

static const char *const hostile_subjects[] = {"../../../../etc/passwd",
                                               "/absolute",
                                               "..",
                                               "a\r\n b\tc",
                                               "\033]0;owned\007\033[31mred",
                                               "\342\200\256fdp.exe",
                                               "\xff\xfe\x80 invalid",
                                               "=?UTF-8?B?Li4vLi4vLi4vZXRjL3Bhc3N3ZA==?=",
                                               "=?UTF-8?Q?line=0Abreak=00nul?=",
                                               "=?bogus?X?broken",
                                               "-rf *",
                                               "$(reboot) `reboot` ; reboot",
                                               "",
                                               ".",
                                               "%2e%2e%2f",
                                               "LONG"};

static void append_header(const Mock *mock, GString *out, guint uid) {
  const char *subject = hostile_subjects[uid % G_N_ELEMENTS(hostile_subjects)];
  g_string_append_printf(out, "Date: Wed, %02u Jan 2020 10:%02u:%02u +0000\r\n", uid / 3600 % 28 + 1, uid / 60 % 60,
                         uid % 60);
  if (!mock->hostile) {
    g_string_append_printf(out, "From: Sender %u <s%u@example.org>\r\nSubject: Message %u\r\n", uid % 100, uid % 100,
                           uid);
  } else {
    g_string_append_printf(out, "From: \"../%s\" <x@example.org>\r\nSubject: ", uid % 2 ? "\033[2J" : "-x");
    if (strcmp(subject, "LONG") != 0)
      g_string_append(out, subject);
    for (guint i = 0; strcmp(subject, "LONG") == 0 && i < 500; i++)
      g_string_append(out, "\xc3\xa4\xf0\x9f\x93\xa7");
    g_string_append(out, "\r\n");
  }
  g_string_append_printf(out, "Message-ID: <%u@mock>\r\n", uid);
}

static void append_message(const Mock *mock, GString *out, guint uid) {
  gsize start = out->len;
  append_header(mock, out, uid);
  g_string_append(out, "\r\n");
  while (out->len - start < mock->bytes)
    g_string_append_printf(out, "This is line %zu of message %u, which nobody wrote.\r\n", (out->len - start) / 48,
                           uid);
}

static gsize claimed_size(const Mock *mock, guint uid, gsize size) {
  Lie lie = mock->lie == MIXED ? (Lie)(uid % 4) : mock->lie;
  switch (lie) {
  case BIG:
    return size + 1000;
  case SMALL:
    return size / 2;
  case ZERO:
    return 0;
  default:
    return size;
  }
}

/* ---- the mailbox --------------------------------------------------------------------------------- */

static gboolean exists(const Mock *mock, gboolean gone, guint uid) {
  return uid >= 1 && uid <= mock->top && !(mock->holes && uid % mock->holes == 0) &&
         !(gone && uid >= mock->low && uid <= mock->high);
}

/* Messages up to this UID, as long as none is expunged. */
static guint count_to(const Mock *mock, guint uid) {
  return mock->holes ? uid - uid / mock->holes : uid;
}

static guint gone_count(const Mock *mock, gboolean gone) {
  return gone && mock->high ? count_to(mock, mock->high) - count_to(mock, mock->low - 1) : 0;
}

static guint sequence(const Mock *mock, gboolean gone, guint uid) {
  return count_to(mock, uid) - (uid > mock->high ? gone_count(mock, gone) : 0);
}

static void print_uids(const Mock *mock, gboolean gone, FILE *out) {
  const char *comma = "";
  for (guint uid = 1, last; uid <= mock->top; uid = last + 1) {
    for (last = uid; exists(mock, gone, last) && exists(mock, gone, last + 1);)
      last++;
    if (!exists(mock, gone, uid))
      continue;
    fprintf(out, last > uid ? "%s%u:%u" : "%s%u", comma, uid, last);
    comma = ",";
  }
}

static void tell_expunged(Client *client) {
  if (!client->selected || !expunged || client->told)
    return;
  client->told = TRUE;
  for (guint i = gone_count(client->mock, TRUE); i > 0; i--)
    fprintf(client->out, "* %u EXPUNGE\r\n", client->mock->low);
}

/* ---- commands -------------------------------------------------------------------------------------- */

typedef struct {
  gboolean body, fields, size, date, flags;
} Items;

static void hold_while_silent(Client *client) {
  fflush(client->out);
  while (silent)
    usleep(20000);
}

static void fetch_one(Client *client, guint uid, Items items, GString *buffer) {
  const Mock *mock = client->mock;
  gboolean gone = client->told;
  FILE *out = client->out;
  if (items.body && silent)
    hold_while_silent(client);
  g_string_truncate(buffer, 0);
  append_message(mock, buffer, uid);
  fprintf(out, "* %u FETCH (UID %u", sequence(mock, gone, uid), uid);
  if (items.flags)
    fputs(uid % 3 ? " FLAGS (\\Seen)" : " FLAGS ()", out);
  if (items.date)
    fprintf(out, " INTERNALDATE \"%02u-Jan-2020 10:%02u:%02u +0000\"", uid / 3600 % 28 + 1, uid / 60 % 60, uid % 60);
  if (items.size)
    fprintf(out, " RFC822.SIZE %zu", claimed_size(mock, uid, buffer->len));
  if (items.body) {
    fprintf(out, " BODY[] {%zu}\r\n", buffer->len);
    fwrite(buffer->str, 1, buffer->len, out);
  }
  if (items.fields) {
    g_string_truncate(buffer, 0);
    append_header(mock, buffer, uid);
    fprintf(out, " BODY[HEADER.FIELDS (DATE FROM SUBJECT MESSAGE-ID)] {%zu}\r\n%s\r\n", buffer->len + 2, buffer->str);
  }
  fputs(")\r\n", out);
}

static void fetch(Client *client, const char *args) {
  const Mock *mock = client->mock;
  g_autoptr(GString) buffer = g_string_new(NULL);
  Items items = {strstr(args, "BODY.PEEK[]") || strstr(args, "BODY[]"), strstr(args, "HEADER.FIELDS") != NULL,
                 strstr(args, "RFC822.SIZE") != NULL, strstr(args, "INTERNALDATE") != NULL,
                 strstr(args, "FLAGS") != NULL};
  for (const char *at = args; g_ascii_isdigit(*at) || *at == '*';) {
    char *end;
    guint low = *at == '*' ? mock->top : (guint)strtoul(at, &end, 10), high = low;
    at = *at == '*' ? at + 1 : end;
    if (*at == ':') {
      at++;
      high = *at == '*' ? mock->top : (guint)strtoul(at, &end, 10);
      at = *at == '*' ? at + 1 : end;
    }
    for (guint uid = MIN(low, high), last = MIN(MAX(low, high), mock->top); uid <= last; uid++)
      if (exists(mock, client->told, uid))
        fetch_one(client, uid, items, buffer);
    if (*at == ',')
      at++;
  }
}

static void do_list(Client *client, const char *tag, const char *args) {
  static const char *const evil[] = {
      "\"..\"",       "\"a/../../b\"", "\"quo\\\"te\"",          "\"&bad\"",       "\"&AC8-slash\"",    "\"%s%n\"",
      "\"\xff\xfe\"", "\"-rf\"",       "\"gr\xc3\xbc\xc3\x9f\"", "{5}\r\na\nb\rc", "{8}\r\nesc\033[31m"};
  if (strstr(args, "\"\" \"\"")) {
    fputs("* LIST (\\Noselect) \"/\" \"\"\r\n", client->out);
  } else {
    fputs("* LIST (\\HasNoChildren) \"/\" INBOX\r\n", client->out);
    for (gsize i = 0; client->mock->hostile && i < G_N_ELEMENTS(evil); i++)
      fprintf(client->out, "* LIST (\\HasNoChildren) \"/\" %s\r\n", evil[i]);
  }
  fprintf(client->out, "%s OK done\r\n", tag);
}

static void do_select(Client *client, const char *tag, const char *args G_GNUC_UNUSED) {
  const Mock *mock = client->mock;
  client->selected = TRUE;
  client->told = expunged;
  fprintf(client->out,
          "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n* %u EXISTS\r\n* 0 RECENT\r\n"
          "* OK [UIDVALIDITY %u] ok\r\n* OK [UIDNEXT %u] ok\r\n* OK [PERMANENTFLAGS ()] ok\r\n"
          "%s OK [READ-ONLY] done\r\n",
          mock->messages - gone_count(mock, client->told), mock->uidvalidity, mock->top + 1, tag);
}

static void do_status(Client *client, const char *tag, const char *args) {
  const char *list = strrchr(args, '(');
  g_autofree char *name = g_strchomp(g_strndup(args, list ? (gsize)(list - args) : strlen(args)));
  fprintf(client->out, "* STATUS %s (MESSAGES %u UIDNEXT %u UIDVALIDITY %u UNSEEN 0)\r\n%s OK done\r\n", name,
          client->mock->messages - gone_count(client->mock, expunged), client->mock->top + 1, client->mock->uidvalidity,
          tag);
}

static void do_uid(Client *client, const char *tag, const char *args) {
  if (!client->selected) {
    fprintf(client->out, "%s BAD nothing selected\r\n", tag);
    return;
  }
  if (g_ascii_strncasecmp(args, "SEARCH RETURN", 13) == 0) {
    tell_expunged(client);
    fprintf(client->out, "* ESEARCH (TAG \"%s\") UID ALL ", tag);
    print_uids(client->mock, client->told, client->out);
    fputs("\r\n", client->out);
  } else if (g_ascii_strncasecmp(args, "SEARCH", 6) == 0) {
    guint low = 1, high = G_MAXUINT; /* "ALL", "UID 5:9" or "UID 5:*" */
    sscanf(args + 6, " UID %u:%u", &low, &high);
    tell_expunged(client);
    fputs("* SEARCH", client->out);
    for (guint uid = low; uid <= MIN(high, client->mock->top); uid++)
      if (exists(client->mock, client->told, uid))
        fprintf(client->out, " %u", uid);
    fputs("\r\n", client->out);
  } else if (g_ascii_strncasecmp(args, "FETCH ", 6) == 0) {
    fetch(client, args + 6);
  } else {
    fprintf(client->out, "%s NO [CANNOT] read-only\r\n", tag);
    return;
  }
  fprintf(client->out, "%s OK done\r\n", tag);
}

static void do_capability(Client *client, const char *tag, const char *args G_GNUC_UNUSED) {
  fprintf(client->out, "* CAPABILITY %s\r\n%s OK done\r\n", client->mock->capabilities, tag);
}

static void do_login(Client *client, const char *tag, const char *args G_GNUC_UNUSED) {
  fprintf(client->out, "%s OK [CAPABILITY %s] welcome\r\n", tag, client->mock->capabilities);
}

static void do_noop(Client *client, const char *tag, const char *args G_GNUC_UNUSED) {
  tell_expunged(client);
  fprintf(client->out, "%s OK done\r\n", tag);
}

static void do_unselect(Client *client, const char *tag, const char *args G_GNUC_UNUSED) {
  client->selected = FALSE;
  fprintf(client->out, "%s OK done\r\n", tag);
}

static void do_id(Client *client, const char *tag, const char *args G_GNUC_UNUSED) {
  fprintf(client->out, "* ID (\"name\" \"mockimap\")\r\n%s OK done\r\n", tag);
}

static void do_namespace(Client *client, const char *tag, const char *args G_GNUC_UNUSED) {
  fprintf(client->out, "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n%s OK done\r\n", tag);
}

static void do_logout(Client *client, const char *tag, const char *args G_GNUC_UNUSED) {
  fprintf(client->out, "* BYE\r\n%s OK done\r\n", tag);
  fflush(client->out);
  shutdown(client->fd, SHUT_RDWR);
}

static const struct {
  const char *name;
  void (*run)(Client *client, const char *tag, const char *args);
} commands[] = {{"CAPABILITY", do_capability}, {"LOGIN", do_login},    {"NOOP", do_noop},     {"CHECK", do_noop},
                {"ENABLE", do_noop},           {"ID", do_id},          {"LIST", do_list},     {"LSUB", do_list},
                {"NAMESPACE", do_namespace},   {"STATUS", do_status},  {"SELECT", do_select}, {"EXAMINE", do_select},
                {"UNSELECT", do_unselect},     {"CLOSE", do_unselect}, {"UID", do_uid},       {"LOGOUT", do_logout}};

static void obey(Client *client, char *line) {
  char *tag = strsep(&line, " "), *name = strsep(&line, " ");
  for (gsize i = 0; name && i < G_N_ELEMENTS(commands); i++)
    if (g_ascii_strcasecmp(name, commands[i].name) == 0) {
      commands[i].run(client, tag, line ? line : "");
      return;
    }
  fprintf(client->out, "%s BAD unknown command\r\n", tag);
}

/* Reads one command with its literals. NULL: the client has gone. */
static char *read_command(Client *client) {
  g_autoptr(GString) command = g_string_new(NULL);
  char line[16384];
  while (fgets(line, sizeof line, client->in)) {
    g_string_append(command, g_strchomp(line));
    char *brace = strrchr(command->str, '{');
    if (!brace || command->str[command->len - 1] != '}')
      return g_string_free(g_steal_pointer(&command), FALSE);
    gsize len = MIN(strtoul(brace + 1, NULL, 10), sizeof line - 1);
    if (command->str[command->len - 2] != '+')
      fputs("+ go on\r\n", client->out);
    fflush(client->out);
    if (fread(line, 1, len, client->in) != len)
      break;
    g_string_truncate(command, (gsize)(brace - command->str));
    g_string_append_printf(command, "\"%.*s\"", (int)len, line);
  }
  return NULL;
}

static gpointer serve(gpointer data) {
  Client *client = data;
  client->in = fdopen(client->fd, "r");
  client->out = fdopen(dup(client->fd), "w");
  setvbuf(client->out, NULL, _IOFBF, 1 << 18);
  fprintf(client->out, "* OK [CAPABILITY %s] mock ready\r\n", client->mock->capabilities);
  fflush(client->out);
  for (char *line; (line = read_command(client)); g_free(line)) {
    obey(client, line);
    fflush(client->out);
  }
  fclose(client->in);
  fclose(client->out);
  g_free(client);
  return NULL;
}

static void accept_all(const Mock *mock) {
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  for (gsize i = 0; i < 3; i++)
    sigaction(((const int[]){SIGUSR1, SIGUSR2, SIGHUP})[i], &action, NULL);
  signal(SIGPIPE, SIG_IGN);
  for (;;) {
    int fd = accept4(mock->listener, NULL, NULL, SOCK_CLOEXEC), one = 1;
    if (fd < 0)
      continue;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    Client *client = g_new0(Client, 1);
    client->mock = mock;
    client->fd = fd;
    g_thread_unref(g_thread_new("client", serve, client));
  }
}

static Lie parse_lie(const char *name) {
  static const char *const names[] = {"none", "big", "small", "zero", "mixed"};
  for (gsize i = 0; name && i < G_N_ELEMENTS(names); i++)
    if (strcmp(name, names[i]) == 0)
      return (Lie)i;
  if (name)
    net_die("--lie big|small|zero|mixed");
  return TRUE_SIZE;
}

int main(int argc, char **argv) {
  int messages = 100, bytes = 700, port = 0, print = 0, holes = 0, uidvalidity = UIDVALIDITY;
  g_autofree char *lie = NULL, *range = NULL, *capabilities = NULL;
  Mock mock = {0};
  const GOptionEntry entries[] = {
      {"listen", 0, 0, G_OPTION_ARG_INT, &port, "Port to listen on (any)", "PORT"},
      {"messages", 0, 0, G_OPTION_ARG_INT, &messages, "Messages in INBOX (100)", "N"},
      {"bytes", 0, 0, G_OPTION_ARG_INT, &bytes, "About the size of each (700)", "N"},
      {"holes", 0, 0, G_OPTION_ARG_INT, &holes, "Each N-th UID is missing", "N"},
      {"uidvalidity", 0, 0, G_OPTION_ARG_INT, &uidvalidity, "Of INBOX", "N"},
      {"lie", 0, 0, G_OPTION_ARG_STRING, &lie, "What RFC822.SIZE says", "big|small|zero|mixed"},
      {"hostile", 0, 0, G_OPTION_ARG_NONE, &mock.hostile, "Nasty names", NULL},
      {"expunge", 0, 0, G_OPTION_ARG_STRING, &range, "UIDs that are expunged at SIGHUP", "LOW:HIGH"},
      {"capability", 0, 0, G_OPTION_ARG_STRING, &capabilities, "In place of " BASE_CAPABILITIES, "LIST"},
      {"print", 0, 0, G_OPTION_ARG_INT, &print, "Write this message to stdout and end", "UID"},
      {0}};
  net_options(&argc, &argv, entries, "", 0);
  mock.messages = (guint)messages;
  mock.bytes = (guint)bytes;
  mock.holes = (guint)holes;
  mock.uidvalidity = (guint)uidvalidity;
  if (holes == 1 || holes < 0)
    net_die("--holes N: at least 2");
  mock.top = mock.holes && mock.messages ? mock.messages + (mock.messages - 1) / (mock.holes - 1) : mock.messages;
  mock.lie = parse_lie(lie);
  mock.capabilities = capabilities ? capabilities : BASE_CAPABILITIES;
  if (range && sscanf(range, "%u:%u", &mock.low, &mock.high) != 2)
    net_die("--expunge LOW:HIGH");
  if (print) {
    g_autoptr(GString) text = g_string_new(NULL);
    append_message(&mock, text, (guint)print);
    net_write(STDOUT_FILENO, text->str, text->len);
    return 0;
  }
  mock.listener = net_listen((guint16)port);
  accept_all(&mock);
}
