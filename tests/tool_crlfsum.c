/* SPDX-License-Identifier: MIT */
/*
 * crlfsum [FILE...]: "SHA-256  FILE" of each, or of those whose names come on standard input, each ended by NUL, as it
 * would be with CR LF in place of every bare LF: a letter has one sum, whether it lies in a Maildir or on a mount.
 */
#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>

typedef struct {
  GChecksum *sum;
  char last; /* octet before the next */
} Sum;

static void add(Sum *sum, const char *octets, gsize len) {
  gsize done = 0;
  for (gsize i = 0; i < len; i++) {
    if (octets[i] == '\n' && (i > 0 ? octets[i - 1] : sum->last) != '\r') {
      g_checksum_update(sum->sum, (const guchar *)octets + done, (gssize)(i - done));
      g_checksum_update(sum->sum, (const guchar *)"\r", 1);
      done = i;
    }
  }
  g_checksum_update(sum->sum, (const guchar *)octets + done, (gssize)(len - done));
  if (len > 0)
    sum->last = octets[len - 1];
}

static gboolean print(const char *path) {
  static char octets[1 << 16];
  g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
  Sum sum = {.sum = checksum};
  FILE *file = fopen(path, "re");
  for (size_t n; file && (n = fread(octets, 1, sizeof octets, file)) > 0;)
    add(&sum, octets, n);
  gboolean ok = file && !ferror(file);
  if (ok)
    printf("%s  %s\n", g_checksum_get_string(checksum), path);
  else
    fprintf(stderr, "crlfsum: %s: %s\n", path, g_strerror(errno));
  if (file)
    fclose(file);
  return ok;
}

int main(int argc, char **argv) {
  gboolean ok = TRUE;
  g_autofree char *path = NULL;
  size_t size = 0;
  for (int i = 1; i < argc; i++)
    ok = print(argv[i]) && ok;
  while (argc == 1 && getdelim(&path, &size, '\0', stdin) > 0)
    ok = print(path) && ok;
  return ok ? 0 : 1;
}
