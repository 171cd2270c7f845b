/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/cache.h"

/* The command line, as `imapfs` and as the helper of mount(8). */
typedef enum {
  OPTIONS_MOUNT,
  OPTIONS_HELP,
  OPTIONS_VERSION,
  OPTIONS_FAKE,
  OPTIONS_UNMOUNT, /* only mountpoint is set */
  OPTIONS_DRAIN,   /* of ours alone: send what an unmounted daemon left (fs/drain.h) */
} OptionsAction;

typedef struct {
  OptionsAction action;
  CacheConfig cache; /* its strings belong to the Options; secret, trace and mountpoint are not set */
  char *mountpoint;  /* as given */
  char *table;       /* source in the mount table */
  char *user;        /* of user=, used where SOURCE names none */
  char *root;        /* of root= */
  guint tls, names, compress, remove, brake, port, log_level;
  char *passfile, *password_command, *log_file;
  guint32 uid, gid;
  gboolean uid_given, gid_given, allow_other, allow_root, foreground, debug, sloppy;
  GString *kernel; /* options for libfuse, comma-separated */
  guint drain;     /* seconds */
  int drain_fd;    /* DRAIN: of the password that was typed; -1 */
} Options;

gboolean options_parse(Options *ret, int argc, char **argv, GError **error);
/* Whether it must ask for the password on the terminal, if there is one. */
gboolean options_need_prompt(const Options *options);
char *options_help(void); /* a new string */
void options_clear(Options *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)
