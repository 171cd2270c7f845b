/* SPDX-License-Identifier: MIT */
#pragma once

#include "fs/options.h"

/* All options there are, and how a value of each is read. For options.c. */
typedef enum {
  OPTION_TEXT,    /* char * */
  OPTION_PATH,    /* char *, made absolute, because the daemon runs in / */
  OPTION_LIST,    /* char **: may be given more than once */
  OPTION_NUMBER,  /* guint */
  OPTION_SIZE,    /* guint64, with K, M, G or T */
  OPTION_CHOICE,  /* guint: which word of `values` */
  OPTION_FLAG,    /* gboolean */
  OPTION_USER,    /* uid */
  OPTION_GROUP,   /* gid */
  OPTION_LOG,     /* a level or a file */
  OPTION_KERNEL,  /* for libfuse, as it is */
  OPTION_IGNORED, /* understood */
  OPTION_REFUSED, /* known, and not offered; help is the reason */
} OptionType;

typedef struct {
  const char *name;
  OptionType type;
  gsize offset;
  const char *values;   /* what -h shows behind '=' */
  const char *standard; /* the default as text; NULL: none */
  const char *help;
  guint64 min, max;
} Option;

const Option *option_find(const char *name);  /* or NULL */
const Option *option_at(gsize i);             /* the i-th, NULL after the last */
gboolean option_is_generic(const char *name); /* of mount(8), and of no concern here */

/* FALSE: no such value. */
gboolean option_set(const Option *option, Options *options, const char *value);
void option_set_flag(const Option *option, Options *options);

#define OPTION_TLS_BY_SOURCE 3         /* of Options.tls: not given */
#define OPTION_BRAKE_BY_MODE G_MAXUINT /* likewise of Options.brake */
