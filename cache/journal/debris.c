/* SPDX-License-Identifier: MIT */
/*
 * What is taken for debris is a choice between two mistakes: a half-written file that is sent as mail, or mail that
 * stays here. So a pattern stands below only where some program is known to make such names by itself, and where hardly
 * anybody would give one to a letter he keeps: no `*.bak`, `*.orig`, `*.save`, which are asked for, and no random names
 * that could be words. borg, restic, tar and cp write under the name that is meant.
 */
#include "cache/journal/debris.h"

#include <string.h>

#include "imap/imap.h"

/* Globs: `*` stands for any octets, `?` for one. */
static const char *const patterns[] = {
    ".*",                /* rsync .x.XXXXXX, vim .x.swp, GLib .goutputstream-X, .nfsX, .~lock.x#, ._x, .DS_Store, ... */
    "*~",                /* vim, emacs, joe, cp --backup */
    "~$*",               /* Microsoft Office */
    "#*#",               /* emacs */
    "*.sw?",             /* vim with a 'directory' that hides nothing */
    "*.tmp",             /* nearly everybody */
    "*.temp",            /* likewise */
    "*.part",            /* KDE, Firefox */
    "*.partial",         /* rclone */
    "*.filepart",        /* WinSCP */
    "*.crdownload",      /* Chromium */
    "*.download",        /* Safari */
    "*.opdownload",      /* Opera */
    "*.goutputstream-*", /* GLib */
    "*___jb_tmp___",     /* JetBrains */
    "*___jb_old___",     /* likewise */
};

/* In any case of letters: they come from systems that do not tell them apart. */
static const char *const names[] = {
    "4913", /* vim tries whether it can write */
    "Thumbs.db", "ehthumbs.db", "desktop.ini", "$RECYCLE.BIN",         "System Volume Information",
    "@eaDir",    "__MACOSX",    "Icon\r",      "Network Trash Folder", "Temporary Items",
};

/* A prefix and so many letters and digits: mkstemp(). */
static const struct {
  const char *prefix;
  gsize random;
} temps[] = {
    {"sed", 6},   /* sed -i */
    {"tmp.", 10}, /* mktemp */
    {"tmp", 8},   /* python's tempfile */
};

static gboolean is_random(const char *name, const char *prefix, gsize random) {
  gsize n = strlen(prefix);
  if (strncmp(name, prefix, n) != 0 || strlen(name) != n + random)
    return FALSE;
  for (const char *p = name + n; *p; p++)
    if (!g_ascii_isalnum(*p) && *p != '_')
      return FALSE;
  return TRUE;
}

/* Octet by octet: a name need not be UTF-8, and GLib's patterns end the program where it is not. */
static gboolean matches(const char *pattern, const char *name) {
  const char *star = NULL, *retry = NULL;
  while (*name) {
    if (*pattern == '*') {
      star = pattern++;
      retry = name;
    } else if (*pattern == '?' || *pattern == *name) {
      pattern++;
      name++;
    } else if (star) {
      pattern = star + 1;
      name = ++retry;
    } else {
      return FALSE;
    }
  }
  pattern += strspn(pattern, "*");
  return *pattern == '\0';
}

gboolean debris_name(const char *name) {
  for (guint i = 0; i < G_N_ELEMENTS(patterns); i++)
    if (matches(patterns[i], name))
      return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS(names); i++)
    if (g_ascii_strcasecmp(names[i], name) == 0)
      return TRUE;
  for (guint i = 0; i < G_N_ELEMENTS(temps); i++)
    if (is_random(name, temps[i].prefix, temps[i].random))
      return TRUE;
  return FALSE;
}

/* As the trash specification of freedesktop.org has it. */
gboolean debris_is_desktop_trash(const char *name) {
  if (!g_str_has_prefix(name, ".Trash"))
    return FALSE;
  const char *rest = name + strlen(".Trash");
  if (*rest == '\0' || strcmp(rest, "es") == 0) /* .Trashes: macOS */
    return TRUE;
  return *rest == '-' && rest[1] && strspn(rest + 1, "0123456789") == strlen(rest + 1);
}

/* ---- Maildir ------------------------------------------------------------------------------------------------- */

/* The letters after the last ":2,"; "!" and ";" stand for the colon where file systems cannot have one. Dovecot's
 * keywords are the small letters. NULL: there are none. */
static const char *maildir_letters(const char *name) {
  const char *comma = strrchr(name, ',');
  if (!comma || comma - name < 3 || comma[-1] != '2' || !strchr(":!;", comma[-2]))
    return NULL;
  for (const char *p = comma + 1; *p; p++)
    if (!g_ascii_isalpha(*p))
      return NULL;
  return comma + 1;
}

static const struct {
  char letter;
  guint flag;
} maildir_flags[] = {
    {'D', IMAP_FLAG_DRAFT},
    {'F', IMAP_FLAG_FLAGGED},
    {'R', IMAP_FLAG_ANSWERED},
    {'S', IMAP_FLAG_SEEN},
};

guint debris_maildir_flags(const char *name) {
  const char *letters = maildir_letters(name);
  guint flags = 0;
  for (guint i = 0; letters && i < G_N_ELEMENTS(maildir_flags); i++)
    if (strchr(letters, maildir_flags[i].letter))
      flags |= maildir_flags[i].flag;
  return flags;
}

gboolean debris_maildir_passed(const char *name) {
  const char *letters = maildir_letters(name);
  return letters && strchr(letters, 'P');
}
