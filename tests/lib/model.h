/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>
#include <sys/stat.h>

#include "tests/lib/client.h"

/*
 * A model of an account, for tests/tool_model.c. At any time a file of the mount holds the octets of the letter its
 * name tells, or is an honest error; who could read from a file goes on to be able to; an inode number never means two
 * letters. When the mount has settled it shows exactly the model, each letter under the inode number it had before, and
 * no name of before. Where it is otherwise, the program ends and tells what happened.
 *
 * A letter is its serial number: name, octets and size follow from it.
 */
#define MODEL_DATE "01-Mar-2024 10:00:00 +0000"
#define MODEL_MTIME 1709287200 /* the same */
#define MODEL_FOLDERS 8

typedef struct {
  guint32 uid, serial;
  guint64 ino; /* 0: not known yet */
} Letter;

typedef struct {
  const char *name;
  gboolean exists;
  GArray *letters; /* Letter */
  gint64 touched;  /* real time, µs: settled after the last change of membership; 0: there is one, or it is new */
} Folder;

typedef struct {
  int fd;
  guint32 serial;
  gboolean served; /* has been read from */
} Handle;

typedef struct {
  guint64 state;
} Random;

typedef struct {
  const char *mountpoint, *conf;
  guint16 port;
  Client *client;
  Folder folders[MODEL_FOLDERS];
  Random changes, looks; /* apart: what is changed does not depend on what was seen */
  guint32 serial, uidvalidity;
  GHashTable *sizes; /* serial → octets */
  GHashTable *inos;  /* &ino → serial */
  GQueue gone;       /* char *, paths */
  GQueue log;        /* char * */
  GArray *handles;   /* Handle */
  gint relay, daemon, patience;
  gboolean cut;      /* since it settled last */
  gint64 renumbered; /* monotonic µs, when UIDs or names changed their meaning; nobody sees when that has settled */
  guint n_changes, n_looks, n_settles;
  gint64 slowest;
  glong rss_warm, rss_most, fds_most, threads_most;
} Model;

/* ---- letters ---- */
guint64 random_draw(Random *random);
guint random_below(Random *random, guint n); /* 0 where n is 0 */
GString *letter_compose(guint32 serial);
guint32 letter_serial(const char *name); /* 0: no letter of ours */
Letter *letter_find(const Folder *folder, guint32 serial);

/* ---- what happened ---- */
void model_note(Model *model, const char *format, ...) G_GNUC_PRINTF(2, 3);
void model_broken(Model *model, const char *format, ...) G_GNUC_PRINTF(2, 3) G_GNUC_NORETURN;

/* ---- the mount ---- */
void model_look(Model *model);   /* reads something */
void model_settle(Model *model); /* waits until it agrees */
guint64 model_size(Model *model, guint32 serial);
void model_check_ino(Model *model, const char *path, guint64 ino, guint32 serial);
void model_check_stat(Model *model, const char *path, guint32 serial, const struct stat *st);
void model_check_ceilings(Model *model, gboolean warm);
