/* SPDX-License-Identifier: MIT */
/*
 * One table of all options (options_table.c) parses them and holds their defaults. An option that is not in it is an
 * error that names it.
 *
 * Options of mount(8) come along when we are started by mount or from fstab. Some are for the kernel, the others are
 * understood and ignored: the mount is always nosuid and nodev.
 */
#include "fs/options.h"

#include <getopt.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/fs.h"
#include "fs/log.h"
#include "fs/options_table.h"
#include "fs/source.h"

#define OPTION_BRAKE 100 /* removals in a minute, where they are for good */
#define OPTION_DRAIN 256 /* no letter: nobody types it */

static gboolean fail(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
static gboolean fail(GError **error, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *text = g_strdup_vprintf(format, args);
  va_end(args);
  g_set_error_literal(error, FS_ERROR, FS_ERROR_USAGE, text);
  return FALSE;
}

/* ---- one option ------------------------------------------------------------------------------------- */
static gboolean apply(Options *ret, const char *text, GError **error) {
  const char *equals = strchr(text, '=');
  g_autofree char *name = equals ? g_strndup(text, equals - text) : g_strdup(text);
  const Option *option = option_find(name);

  if (*text == '\0' || (!equals && option_is_generic(name)) || (!option && option_is_generic(name)))
    return TRUE;
  if (!option)
    return ret->sloppy || fail(error, "unknown option '%s'; see imapfs -h", name);
  if (option->type == OPTION_REFUSED)
    return fail(error, "option '%s' is %s", name, option->help);
  if (!option->values && equals)
    return fail(error, "option '%s' takes no value", name);
  if (option->values && !equals)
    return fail(error, "option '%s' needs a value: %s=%s", name, name, option->values);
  if (!equals) {
    option_set_flag(option, ret);
    return TRUE;
  }
  for (const char *c = equals + 1; *c; c++)
    if (g_ascii_iscntrl(*c))
      return fail(error, "the value of '%s' has control characters", name);
  if (option_set(option, ret, equals + 1))
    return TRUE;
  if (option->type == OPTION_NUMBER)
    return fail(error, "%s: '%s' is no number from %d to %d", name, equals + 1, (int)option->min, (int)option->max);
  return fail(error, "%s: '%s' is no %s", name, equals + 1, option->values);
}

/* "a,b\,c" is "a" and "b,c". */
static gboolean apply_list(Options *ret, const char *list, GError **error) {
  g_autoptr(GString) one = g_string_new(NULL);
  for (const char *c = list;; c++) {
    if (*c == '\\' && (c[1] == ',' || c[1] == '\\'))
      g_string_append_c(one, *++c);
    else if (*c && *c != ',')
      g_string_append_c(one, *c);
    else {
      if (!apply(ret, one->str, error))
        return FALSE;
      if (*c == '\0')
        return TRUE;
      g_string_truncate(one, 0);
    }
  }
}

/* ---- the command line ------------------------------------------------------------------------------- */
static gboolean set_defaults(Options *ret, GError **error) {
  *ret = (Options){
      .tls = OPTION_TLS_BY_SOURCE, .brake = OPTION_BRAKE_BY_MODE, .kernel = g_string_new(NULL), .drain_fd = -1};
  const Option *option;
  for (gsize i = 0; (option = option_at(i)); i++)
    if (option->standard && !option_set(option, ret, option->standard))
      return fail(error, "%s: the default is wrong", option->name);
  return TRUE;
}

static gboolean parse_switch(Options *ret, int c, gboolean helper, GError **error) {
  switch (c) {
  case 'o':
    return apply_list(ret, optarg, error);
  case 'f':
    if (helper)
      ret->action = OPTIONS_FAKE;
    ret->foreground = TRUE;
    return TRUE;
  case 'd':
    ret->foreground = ret->debug = TRUE;
    return TRUE;
  case 'h':
    ret->action = OPTIONS_HELP;
    return TRUE;
  case 'V':
    ret->action = OPTIONS_VERSION;
    return TRUE;
  case 'u':
    ret->action = OPTIONS_UNMOUNT;
    return TRUE;
  case OPTION_DRAIN:
    ret->action = OPTIONS_DRAIN;
    ret->drain_fd = atoi(optarg);
    return TRUE;
  case 'v':
    ret->log_level = MAX(ret->log_level, LOG_LEVEL_INFO);
    return TRUE;
  case 's':
    ret->sloppy = TRUE;
    return TRUE;
  case 'r':
    ret->cache.read_only = TRUE;
    return TRUE;
  case 'n':
  case 'w':
  case 't':
  case 'N':
    return TRUE;
  default:
    return fail(error, "bad usage; see imapfs -h");
  }
}

static gboolean check_owner(Options *ret, GError **error) {
  gboolean root = geteuid() == 0;
  if (ret->uid_given && !root && ret->uid != getuid())
    return fail(error, "only root may mount for another user (uid=)");
  if (ret->uid_given && root && ret->uid != 0 && !ret->allow_root)
    ret->allow_other = TRUE; /* or the kernel would keep the owner out; the modes keep the others out */
  if (ret->allow_other && ret->allow_root)
    return fail(error, "allow_other and allow_root exclude each other");
  struct passwd *user = ret->uid_given ? getpwuid(ret->uid) : NULL;
  if (!ret->uid_given)
    ret->uid = getuid();
  if (!ret->gid_given)
    ret->gid = user ? user->pw_gid : getgid();
  return TRUE;
}

/* What SOURCE says and what options say must agree. */
static gboolean join_source(Options *ret, Source *source, GError **error) {
  CacheConfig *cache = &ret->cache;

  if (source->port && ret->port && source->port != ret->port)
    return fail(error, "SOURCE and port= name different ports");
  if (source->folder && ret->root && !g_str_equal(source->folder, ret->root))
    return fail(error, "SOURCE and root= name different folders");
  if (source->tls == CACHE_TLS_IMPLICIT && ret->tls != OPTION_TLS_BY_SOURCE && ret->tls != CACHE_TLS_IMPLICIT)
    return fail(error, "imaps:// means tls=implicit; write imap://");
  cache->user = source->user ? g_steal_pointer(&source->user) : g_strdup(ret->user);
  if (!cache->user)
    return fail(error, "SOURCE names no user: write user@host");
  cache->host = g_steal_pointer(&source->host);
  cache->port = source->port ? source->port : (guint16)ret->port;
  cache->tls = ret->tls != OPTION_TLS_BY_SOURCE ? (CacheTls)ret->tls
               : source->tls >= 0               ? (CacheTls)source->tls
                                                : CACHE_TLS_IMPLICIT;
  cache->root = source->folder && *source->folder ? g_strdup(source->folder) : g_strdup(ret->root);
  cache->names_uid = ret->names == 1;
  cache->compress = (CacheCompress)ret->compress;
  cache->remove = (CacheDelete)ret->remove;
  cache->brake = ret->brake != OPTION_BRAKE_BY_MODE      ? ret->brake
                 : cache->remove == CACHE_DELETE_EXPUNGE ? OPTION_BRAKE
                                                         : 0;
  ret->table = source->table ? g_steal_pointer(&source->table) : source_table(cache->user, cache->host, source->folder);
  return TRUE;
}

/* One of the command line, or '?' after which *bad names it. */
static int next_switch(int argc, char **argv, gboolean helper, char **bad) {
  static const struct option words[] = {{"help", no_argument, NULL, 'h'},
                                        {"version", no_argument, NULL, 'V'},
                                        {"drain", required_argument, NULL, OPTION_DRAIN},
                                        {0}};
  int c = getopt_long(argc, argv, helper ? "o:fdhVvsnrwt:N:" : "o:fduhV", words, NULL);
  if (c == '?')
    *bad = optopt ? g_strdup_printf("-%c", optopt) : g_strdup(argv[optind - 1]);
  return c;
}

static gboolean parse_args(Options *ret, int argc, char **argv, GError **error) {
  g_autofree char *name = g_path_get_basename(argv[0] ? argv[0] : "imapfs");
  gboolean helper = g_str_has_prefix(name, "mount.");
  g_autofree char *bad = NULL;
  int c;

  optind = 0; /* glibc: start over */
  opterr = 0;
  if (helper) /* -s decides how unknown options are taken, wherever it stands */
    while ((c = next_switch(argc, argv, helper, &bad)) != -1 && !bad)
      ret->sloppy |= c == 's';
  optind = 0;
  while (!bad && (c = next_switch(argc, argv, helper, &bad)) != -1 && !bad)
    if (!parse_switch(ret, c, helper, error))
      return FALSE;
  if (bad)
    return fail(error, "bad usage at '%s'; see imapfs -h", bad);
  return TRUE;
}

/* What stands on the command line beside the switches. */
static gboolean parse_operands(Options *ret, int n, char **operands, GError **error) {
  g_auto(Source) source = {0};
  if (ret->action == OPTIONS_HELP || ret->action == OPTIONS_VERSION)
    return TRUE;
  if (ret->action == OPTIONS_UNMOUNT) {
    ret->mountpoint = g_strdup(operands[0]);
    return n == 1 || fail(error, "usage: imapfs -u MOUNTPOINT; see imapfs -h");
  }
  if (n != 2)
    return fail(error, "usage: imapfs [-o OPTIONS] [-f] [-d] SOURCE MOUNTPOINT; see imapfs -h");
  ret->mountpoint = g_strdup(operands[1]);
  if (!source_parse(operands[0], &source, error) || !join_source(ret, &source, error) || !check_owner(ret, error))
    return FALSE;
  return !ret->passfile || !ret->password_command || fail(error, "passfile= and password_command= exclude each other");
}

gboolean options_parse(Options *ret, int argc, char **argv, GError **error) {
  g_auto(Options) options = {0};

  if (!set_defaults(&options, error) || !parse_args(&options, argc, argv, error) ||
      !parse_operands(&options, argc - optind, argv + optind, error))
    return FALSE;
  if (options.debug)
    options.log_level = LOG_LEVEL_DEBUG;
  *ret = options;
  options = (Options){0};
  return TRUE;
}

gboolean options_need_prompt(const Options *options) {
  static const char *const without[] = {"EXTERNAL", "GSSAPI", "ANONYMOUS"};
  const char *auth = options->cache.auth;
  for (gsize i = 0; auth && i < G_N_ELEMENTS(without); i++)
    if (g_ascii_strcasecmp(auth, without[i]) == 0)
      return FALSE;
  return !options->passfile && !options->password_command && !options->cache.tunnel;
}

void options_clear(Options *options) {
  CacheConfig *cache = &options->cache;
  char **strings[] = {&options->mountpoint,
                      &options->table,
                      &options->user,
                      &options->root,
                      &options->passfile,
                      &options->log_file,
                      &cache->user,
                      &cache->host,
                      &cache->tls_ca,
                      &cache->tls_pin,
                      &cache->tunnel,
                      &cache->auth,
                      &cache->root,
                      &cache->trash,
                      &cache->cache_dir,
                      &cache->state_dir,
                      &options->password_command};
  for (gsize i = 0; i < G_N_ELEMENTS(strings); i++)
    g_clear_pointer(strings[i], g_free);
  g_clear_pointer(&cache->disable, g_strfreev);
  g_clear_pointer(&cache->hide, g_strfreev);
  if (options->kernel)
    g_string_free(options->kernel, TRUE);
  options->kernel = NULL;
}
