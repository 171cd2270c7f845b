/* SPDX-License-Identifier: MIT */
#include "tests/dovecot.h"

#include <arpa/inet.h>
#include <check.h>
#include <glib/gstdio.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/tempdir.h"

struct _Dovecot {
  char *dir, *ca, *tunnel;
  guint16 port, tls_port;
  GPid pid;
};

/* 0: not known yet. */
static guint16 port_in(const char *dir, const char *name) {
  g_autofree char *path = g_build_filename(dir, name, NULL);
  g_autofree char *text = NULL;
  return g_file_get_contents(path, &text, NULL, NULL) ? (guint16)g_ascii_strtoull(text, NULL, 10) : 0;
}

/* Nothing tells when Dovecot listens, so connecting is tried until it greets. */
static gboolean greets(guint16 port) {
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  char byte;
  gboolean up = connect(fd, (struct sockaddr *)&address, sizeof address) == 0 && recv(fd, &byte, 1, 0) == 1;
  close(fd);
  return up;
}

static gboolean wait_until_up(Dovecot *dovecot) {
  for (guint i = 0; i < 200; i++) {
    dovecot->port = port_in(dovecot->dir, "port");
    if (dovecot->port != 0 && greets(dovecot->port)) {
      dovecot->tls_port = port_in(dovecot->dir, "tls_port");
      return TRUE;
    }
    if (waitpid(dovecot->pid, NULL, WNOHANG) == dovecot->pid) {
      dovecot->pid = 0;
      return FALSE;
    }
    g_usleep(50000);
  }
  return FALSE;
}

static char *secret(gpointer data, G_GNUC_UNUSED GCancellable *c, G_GNUC_UNUSED GError **error) {
  return g_strdup(data);
}

gboolean dovecot_installed(void) {
  g_autofree char *binary = g_find_program_in_path("doveadm");
  if (binary == NULL)
    printf("SKIP: Dovecot is not installed\n");
  return binary != NULL;
}

/* A test that is killed must not leave a server behind. */
static void end_with_parent(G_GNUC_UNUSED gpointer data) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
}

Dovecot *dovecot_new(guint max_connections) {
  Dovecot *dovecot = g_new0(Dovecot, 1);
  dovecot->dir = tempdir_new();
  dovecot->ca = g_build_filename(dovecot->dir, "cert.pem", NULL);
  g_autofree char *limit = g_strdup_printf("%u", max_connections);
  char *argv[] = {"tests/lib/dovecot.sh", "-F", dovecot->dir, NULL};
  g_auto(GStrv) env = g_environ_setenv(g_get_environ(), "DOVECOT_CONNECTIONS", limit, TRUE);
  ck_assert(g_spawn_async(NULL, argv, env, G_SPAWN_DO_NOT_REAP_CHILD, end_with_parent, NULL, &dovecot->pid, NULL));
  ck_assert_msg(wait_until_up(dovecot), "Dovecot did not start; see %s/log", dovecot->dir);
  return dovecot;
}

void dovecot_free(Dovecot *dovecot) {
  if (dovecot == NULL)
    return;
  if (dovecot->pid != 0) {
    kill(dovecot->pid, SIGTERM);
    waitpid(dovecot->pid, NULL, 0);
  }
  tempdir_free(dovecot->dir);
  g_free(dovecot->ca);
  g_free(dovecot->tunnel);
  g_free(dovecot);
}

ImapConfig dovecot_config(Dovecot *dovecot, const char *user) {
  return (ImapConfig){.host = "localhost",
                      .port = dovecot->tls_port,
                      .user = (char *)user,
                      .tls = IMAP_TLS_IMPLICIT,
                      .tls_ca = dovecot->ca,
                      .timeout = 60,
                      .connections = 3,
                      .secret = secret,
                      .secret_data = "secret"};
}

guint16 dovecot_port(Dovecot *dovecot) {
  return dovecot->port;
}

const char *dovecot_tunnel(Dovecot *dovecot, const char *user) {
  g_free(dovecot->tunnel);
  dovecot->tunnel = g_strdup_printf("'%s/tunnel' '%s'", dovecot->dir, user);
  return dovecot->tunnel;
}

/* Directories and files belong to whom the server reads them as. */
static void make_dir(const char *path) {
  struct passwd *mail = getuid() == 0 ? getpwnam("mail") : NULL;
  if (g_mkdir(path, 0700) == 0 && mail != NULL)
    ck_assert_int_eq(chown(path, mail->pw_uid, mail->pw_gid), 0);
}

static char *make_message(guint number, gsize size) {
  g_autoptr(GString) text = g_string_sized_new(size + 256);
  g_string_append_printf(text,
                         "Date: Sat, 21 Nov 2026 10:00:00 +0000\r\nFrom: Ann <ann@example.com>\r\n"
                         "Subject: message %u\r\nMessage-ID: <%u@example.com>\r\n\r\n",
                         number, number);
  while (text->len < size)
    g_string_append_printf(text, "Line %" G_GSIZE_FORMAT " of message %u.\r\n", text->len, number);
  return g_string_free(g_steal_pointer(&text), FALSE);
}

void dovecot_deliver_text(Dovecot *dovecot, const char *user, const char *folder, guint number, const char *text,
                          gsize len) {
  static const char *const parts[] = {"", "cur", "new", "tmp"};
  g_autofree char *sub = folder[0] != '\0' ? g_strconcat(".", folder, NULL) : g_strdup("");
  g_autofree char *home = g_build_filename(dovecot->dir, "mail", user, NULL);
  g_autofree char *base = g_build_filename(home, sub, NULL);
  make_dir(home);
  for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
    g_autofree char *dir = g_build_filename(base, parts[i], NULL);
    make_dir(dir);
  }
  g_autofree char *file = g_strdup_printf("%s/cur/%u.M%u.test:2,S", base, 1700000000 + number, number);
  ck_assert(g_file_set_contents_full(file, text, (gssize)len, G_FILE_SET_CONTENTS_NONE, 0644, NULL));
}

void dovecot_write(Dovecot *dovecot, const char *user, const char *folder, const char *name, const char *text) {
  g_autofree char *sub = folder[0] != '\0' ? g_strconcat(".", folder, NULL) : g_strdup("");
  g_autofree char *file = g_build_filename(dovecot->dir, "mail", user, sub, name, NULL);
  ck_assert(g_file_set_contents_full(file, text, -1, G_FILE_SET_CONTENTS_NONE, 0644, NULL));
}

void dovecot_deliver(Dovecot *dovecot, const char *user, const char *folder, guint number, gsize size) {
  g_autofree char *text = make_message(number, size);
  dovecot_deliver_text(dovecot, user, folder, number, text, strlen(text));
}
