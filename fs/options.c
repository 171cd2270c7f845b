/* SPDX-License-Identifier: MIT */
/*
 * One table of all options: it parses them, holds their defaults and prints -h. An option that is not in it is an error
 * that names it.
 *
 * Options of mount(8) come along when we are started by mount or from fstab. Some are for the kernel, the others are
 * understood and ignored: the mount is always nosuid and nodev, and read-only as long as we cannot write.
 */
#include "fs/options.h"

#include <grp.h>
#include <pwd.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/fs.h"
#include "fs/source.h"

#define MAX_FILE G_GUINT64_CONSTANT(0x7fffffffffffffff)
#define TLS_BY_SOURCE 3

typedef enum {
  TEXT,    /* char * */
  PATH,    /* char *, made absolute, because the daemon runs in / */
  LIST,    /* char **: may be given more than once */
  NUMBER,  /* guint */
  SIZE,    /* guint64, with K, M, G or T */
  CHOICE,  /* guint: which word of `values` */
  FLAG,    /* gboolean */
  USER,    /* uid */
  GROUP,   /* gid */
  LOG,     /* a level or a file */
  KERNEL,  /* for libfuse, as it is */
  IGNORED, /* understood */
  REFUSED, /* known, and not offered; help is the reason */
} Type;

typedef struct {
  const char *name;
  Type type;
  gsize offset;
  const char *values;   /* what -h shows behind '=' */
  const char *standard; /* the default as text; NULL: none */
  const char *help;
  guint64 min, max;
} Option;

#define AT(field) offsetof(Options, field)

static const Option table[] = {
    {"user", TEXT, AT(user), "NAME", NULL, "the account, where SOURCE names none", 0, 0},
    {"port", NUMBER, AT(port), "N", NULL, "port of the server", 1, 65535},
    {"passfile", PATH, AT(passfile), "FILE", NULL, "first line is the password; only you may read the file", 0, 0},
    {"password_command", TEXT, AT(password_command), "COMMAND", NULL,
     "prints the password or token; run without a shell at each login", 0, 0},
    {"auth", TEXT, AT(cache.auth), "MECH", NULL, "this SASL mechanism, or LOGIN, and no other", 0, 0},
    {"tls", CHOICE, AT(tls), "implicit|starttls|off", NULL,
     "default: implicit, for imap:// starttls; off only to this machine", 0, 0},
    {"tls_ca", PATH, AT(cache.tls_ca), "FILE", NULL, "trust these certificates instead of the system's", 0, 0},
    {"tls_pin", TEXT, AT(cache.tls_pin), "sha256//BASE64", NULL, "and this public key only", 0, 0},
    {"tunnel", TEXT, AT(cache.tunnel), "COMMAND", NULL, "talk to this program instead of the network", 0, 0},
    {"disable", LIST, AT(cache.disable), "CAPABILITY", NULL, "do not use it; may be repeated", 0, 0},
    {"root", TEXT, AT(root), "FOLDER", NULL, "show this folder at the mount point", 0, 0},
    {"names", CHOICE, AT(names), "subject|uid", "subject", "how messages are called", 0, 0},
    {"hide", LIST, AT(cache.hide), "GLOB", NULL, "do not show these folders; may be repeated", 0, 0},
    {"subscribed", FLAG, AT(cache.subscribed), NULL, NULL, "show only subscribed folders", 0, 0},
    {"cache_dir", PATH, AT(cache.cache_dir), "DIR", NULL, "default: $XDG_CACHE_HOME/imapfs, or ~/.cache/imapfs", 0, 0},
    {"state_dir", PATH, AT(cache.state_dir), "DIR", NULL, "default: $XDG_STATE_HOME/imapfs, or ~/.local/state/imapfs",
     0, 0},
    {"cache_size", SIZE, AT(cache.cache_size), "SIZE", "1G", "messages kept on disk", 0, MAX_FILE},
    {"min_free", SIZE, AT(cache.min_free), "SIZE", "256M", "disk space left to others", 0, MAX_FILE},
    {"connections", NUMBER, AT(cache.connections), "N", "3", "at most so many to the server", 1, 3},
    {"timeout", NUMBER, AT(cache.timeout), "SECONDS", "15", "an error after so much silence", 1, 3600},
    {"refresh", NUMBER, AT(cache.refresh), "SECONDS", "15", "a listing older than this is checked when opened", 1,
     86400},
    {"compress", CHOICE, AT(compress), "auto|on|off", "auto", "compress what is read", 0, 0},
    {"log", LOG, AT(log_level), "LEVEL|FILE", "warning", "error, warning, info or debug; or a file, not syslog", 0, 0},
    {"uid", USER, AT(uid), "USER", NULL, "owner of the files; as root this implies allow_other", 0, 0},
    {"gid", GROUP, AT(gid), "GROUP", NULL, "group of the files", 0, 0},
    {"allow_other", FLAG, AT(allow_other), NULL, NULL, "let other users in, as far as the modes do", 0, 0},
    {"allow_root", FLAG, AT(allow_root), NULL, NULL, "let root in", 0, 0},
    {"ro", IGNORED, 0, NULL, NULL, "read-only; always so in this version", 0, 0},

    {"default_permissions", IGNORED, 0, NULL, NULL, NULL, 0, 0}, /* always */
    {"subtype", IGNORED, 0, "imapfs", NULL, NULL, 0, 0},
    {"exec", KERNEL, 0, NULL, NULL, NULL, 0, 0},
    {"noexec", KERNEL, 0, NULL, NULL, NULL, 0, 0},
    {"sync", KERNEL, 0, NULL, NULL, NULL, 0, 0},
    {"async", KERNEL, 0, NULL, NULL, NULL, 0, 0},
    {"atime", KERNEL, 0, NULL, NULL, NULL, 0, 0},
    {"noatime", KERNEL, 0, NULL, NULL, NULL, 0, 0},
    {"nodiratime", KERNEL, 0, NULL, NULL, NULL, 0, 0},
    {"max_read", KERNEL, 0, "N", NULL, NULL, 0, 0},
    {"auto_unmount", REFUSED, 0, NULL, NULL,
     "not offered: after a crash it would show an empty directory, and rsync --delete would believe it", 0, 0},
    {"remount", REFUSED, 0, NULL, NULL, "not possible: unmount it and mount it again", 0, 0},
    {"fsname", REFUSED, 0, "", NULL, "not offered: the mount table shows user@host:", 0, 0},
    {"nonempty", REFUSED, 0, NULL, NULL, "not offered: mount on an empty directory", 0, 0},
    {"direct_io", REFUSED, 0, NULL, NULL, "not offered: the kernel is told what changes", 0, 0},
    {"kernel_cache", IGNORED, 0, NULL, NULL, NULL, 0, 0}, /* always */
    {"password", REFUSED, 0, "", NULL, "not offered: others could read it; use passfile= or password_command=", 0, 0},
};

/* Of mount(8); with or without a value. */
static const char *const generic[] = {
    "rw",       "dev",        "nodev",    "suid",       "nosuid",      "auto",          "noauto",
    "user",     "nouser",     "users",    "nousers",    "owner",       "group",         "nofail",
    "_netdev",  "defaults",   "relatime", "norelatime", "strictatime", "nostrictatime", "diratime",
    "lazytime", "nolazytime", "dirsync",  "silent",     "loud",        "iversion",      "noiversion",
    "mand",     "nomand",     "comment",  "uhelper",    "helper",
};

static const char *const levels[] = {"error", "warning", "info", "debug"};

static gboolean fail(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
static gboolean fail(GError **error, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *text = g_strdup_vprintf(format, args);
  va_end(args);
  g_set_error_literal(error, FS_ERROR, FS_ERROR_USAGE, text);
  return FALSE;
}

/* ---- values ----------------------------------------------------------------------------------------- */
static void set_string(char **field, char *value) {
  g_free(*field);
  *field = value;
}

static void append(char ***list, const char *value) {
  guint n = *list ? g_strv_length(*list) : 0;
  *list = g_renew(char *, *list, n + 2);
  (*list)[n] = g_strdup(value);
  (*list)[n + 1] = NULL;
}

static gboolean parse_size(const char *value, guint64 max, guint64 *ret) {
  static const char units[] = "KMGT";
  char *end;
  guint64 number = g_ascii_strtoull(value, &end, 10);
  guint shift = 0;

  if (!g_ascii_isdigit(*value))
    return FALSE;
  if (*end) {
    const char *unit = strchr(units, g_ascii_toupper(*end));
    if (!unit || end[1])
      return FALSE;
    shift = 10 * (guint)(unit - units + 1);
  }
  if (number > max >> shift)
    return FALSE;
  *ret = number << shift;
  return TRUE;
}

static gboolean parse_choice(const char *values, const char *value, guint *ret) {
  g_auto(GStrv) words = g_strsplit(values, "|", -1);
  for (guint i = 0; words[i]; i++)
    if (g_str_equal(words[i], value)) {
      *ret = i;
      return TRUE;
    }
  return FALSE;
}

static gboolean parse_user(Options *ret, const char *value) {
  guint64 number;
  struct passwd *user = getpwnam(value);
  if (!user && !g_ascii_string_to_unsigned(value, 10, 0, G_MAXUINT32 - 1, &number, NULL))
    return FALSE;
  ret->uid = user ? user->pw_uid : (guint32)number;
  ret->uid_given = TRUE;
  return TRUE;
}

static gboolean parse_group(Options *ret, const char *value) {
  guint64 number;
  struct group *group = getgrnam(value);
  if (!group && !g_ascii_string_to_unsigned(value, 10, 0, G_MAXUINT32 - 1, &number, NULL))
    return FALSE;
  ret->gid = group ? group->gr_gid : (guint32)number;
  ret->gid_given = TRUE;
  return TRUE;
}

static gboolean parse_log(Options *ret, const char *value) {
  for (guint i = 0; i < G_N_ELEMENTS(levels); i++)
    if (g_str_equal(levels[i], value)) {
      ret->log_level = i;
      return TRUE;
    }
  if (!strchr(value, '/'))
    return FALSE;
  set_string(&ret->log_file, g_canonicalize_filename(value, NULL));
  return TRUE;
}

static gboolean parse_value(Options *ret, const Option *option, const char *value) {
  gpointer field = (char *)ret + option->offset;
  guint64 number;

  switch (option->type) {
  case TEXT:
    set_string(field, g_strdup(value));
    return *value != '\0';
  case PATH:
    set_string(field, g_canonicalize_filename(value, NULL));
    return *value != '\0';
  case LIST:
    append(field, value);
    return *value != '\0';
  case NUMBER:
    if (!g_ascii_string_to_unsigned(value, 10, option->min, option->max, &number, NULL))
      return FALSE;
    *(guint *)field = (guint)number;
    return TRUE;
  case SIZE:
    return parse_size(value, option->max, field);
  case CHOICE:
    return parse_choice(option->values, value, field);
  case USER:
    return parse_user(ret, value);
  case GROUP:
    return parse_group(ret, value);
  case LOG:
    return parse_log(ret, value);
  case KERNEL:
    g_string_append_printf(ret->kernel, "%s%s=%s", ret->kernel->len ? "," : "", option->name, value);
    return g_ascii_string_to_unsigned(value, 10, 4096, G_MAXINT32, &number, NULL);
  case FLAG:
  case IGNORED:
  case REFUSED:
    return TRUE;
  }
  g_assert_not_reached();
}

/* ---- one option ------------------------------------------------------------------------------------- */
static const Option *find(const char *name) {
  for (gsize i = 0; i < G_N_ELEMENTS(table); i++)
    if (g_str_equal(table[i].name, name))
      return &table[i];
  return NULL;
}

static gboolean is_generic(const char *name) {
  if (g_str_has_prefix(name, "x-") || g_str_has_prefix(name, "X-"))
    return TRUE;
  for (gsize i = 0; i < G_N_ELEMENTS(generic); i++)
    if (g_str_equal(generic[i], name))
      return TRUE;
  return FALSE;
}

static gboolean set_flag(Options *ret, const Option *option) {
  if (option->type == FLAG)
    *(gboolean *)((char *)ret + option->offset) = TRUE;
  else if (option->type == KERNEL)
    g_string_append_printf(ret->kernel, "%s%s", ret->kernel->len ? "," : "", option->name);
  return TRUE;
}

static gboolean apply(Options *ret, const char *text, GError **error) {
  const char *equals = strchr(text, '=');
  g_autofree char *name = equals ? g_strndup(text, equals - text) : g_strdup(text);
  const Option *option = find(name);

  if (*text == '\0' || (!equals && is_generic(name)) || (!option && is_generic(name)))
    return TRUE;
  if (!option)
    return ret->sloppy || fail(error, "unknown option '%s'; see imapfs -h", name);
  if (option->type == REFUSED)
    return fail(error, "option '%s' is %s", name, option->help);
  if (!option->values && equals)
    return fail(error, "option '%s' takes no value", name);
  if (option->values && !equals)
    return fail(error, "option '%s' needs a value: %s=%s", name, name, option->values);
  if (!equals)
    return set_flag(ret, option);
  for (const char *c = equals + 1; *c; c++)
    if (g_ascii_iscntrl(*c))
      return fail(error, "the value of '%s' has control characters", name);
  if (parse_value(ret, option, equals + 1))
    return TRUE;
  if (option->type == NUMBER)
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
  *ret = (Options){.tls = TLS_BY_SOURCE, .kernel = g_string_new(NULL)};
  for (gsize i = 0; i < G_N_ELEMENTS(table); i++)
    if (table[i].standard && !parse_value(ret, &table[i], table[i].standard))
      return fail(error, "%s: the default is wrong", table[i].name);
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
  case 'v':
    ret->verbose = TRUE;
    return TRUE;
  case 's':
    ret->sloppy = TRUE;
    return TRUE;
  case 'n':
  case 'r':
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
  if (source->tls == CACHE_TLS_IMPLICIT && ret->tls != TLS_BY_SOURCE && ret->tls != CACHE_TLS_IMPLICIT)
    return fail(error, "imaps:// means tls=implicit; write imap://");
  cache->user = source->user ? g_steal_pointer(&source->user) : g_strdup(ret->user);
  if (!cache->user)
    return fail(error, "SOURCE names no user: write user@host");
  cache->host = g_steal_pointer(&source->host);
  cache->port = source->port ? source->port : (guint16)ret->port;
  cache->tls = ret->tls != TLS_BY_SOURCE ? (CacheTls)ret->tls
               : source->tls >= 0        ? (CacheTls)source->tls
                                         : CACHE_TLS_IMPLICIT;
  cache->root = source->folder && *source->folder ? g_strdup(source->folder) : g_strdup(ret->root);
  cache->names_uid = ret->names == 1;
  cache->compress = (CacheCompress)ret->compress;
  ret->table = source->table ? g_steal_pointer(&source->table) : source_table(cache->user, cache->host, source->folder);
  return TRUE;
}

static gboolean parse_args(Options *ret, int argc, char **argv, GError **error) {
  g_autofree char *name = g_path_get_basename(argv[0] ? argv[0] : "imapfs");
  gboolean helper = g_str_has_prefix(name, "mount.");
  const char *switches = helper ? "o:fdhVvsnrwt:N:" : "o:fdhV";
  int c;

  optind = 0; /* glibc: start over */
  opterr = 0;
  if (helper) /* -s decides how unknown options are taken, wherever it stands */
    while ((c = getopt(argc, argv, switches)) != -1)
      ret->sloppy |= c == 's';
  optind = 0;
  while ((c = getopt(argc, argv, switches)) != -1) {
    if (c == '?')
      return fail(error, "bad usage at '-%c'; see imapfs -h", optopt);
    if (!parse_switch(ret, c, helper, error))
      return FALSE;
  }
  return TRUE;
}

gboolean options_parse(Options *ret, int argc, char **argv, GError **error) {
  g_auto(Options) options = {0};
  g_auto(Source) source = {0};

  if (!set_defaults(&options, error) || !parse_args(&options, argc, argv, error))
    return FALSE;
  if (options.action != OPTIONS_HELP && options.action != OPTIONS_VERSION) {
    if (argc - optind != 2)
      return fail(error, "usage: imapfs [-o OPTIONS] [-f] [-d] SOURCE MOUNTPOINT; see imapfs -h");
    if (!source_parse(argv[optind], &source, error) || !join_source(&options, &source, error) ||
        !check_owner(&options, error))
      return FALSE;
    options.mountpoint = g_strdup(argv[optind + 1]);
    if (options.passfile && options.password_command)
      return fail(error, "passfile= and password_command= exclude each other");
  }
  if (options.debug)
    options.log_level = G_N_ELEMENTS(levels) - 1;
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

char *options_help(void) {
  GString *text = g_string_new("usage: imapfs [-o OPTIONS] [-f] [-d] SOURCE MOUNTPOINT\n"
                               "Mounts the IMAP account SOURCE on the directory MOUNTPOINT.\n\n"
                               "SOURCE is imaps://user@host[:port][/folder], imap://... (STARTTLS),\n"
                               "or user@host:[/folder] as the mount table shows it.\n\n"
                               "  -f  stay in the foreground     -d  also trace requests and protocol\n"
                               "  -h  this help                  -V  versions\n\n"
                               "Options, after -o and separated by commas (a comma in a value is \\,):\n");
  for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
    const Option *option = &table[i];
    if (!option->help || option->type == REFUSED)
      continue;
    g_autofree char *left = g_strconcat(option->name, option->values ? "=" : NULL, option->values, NULL);
    g_string_append_printf(text, "  %-28s %s%s%s%s\n", left, option->help, option->standard ? " (" : "",
                           option->standard ? option->standard : "", option->standard ? ")" : "");
  }
  g_string_append(text, "\nThe options of mount(8) are understood as well. The mount is always nosuid, nodev,\n"
                        "default_permissions. Unmount with fusermount3 -u MOUNTPOINT.\n");
  return g_string_free(text, FALSE);
}

void options_clear(Options *options) {
  CacheConfig *cache = &options->cache;
  char **strings[] = {&options->mountpoint, &options->table,    &options->user,    &options->root,
                      &options->passfile,   &options->log_file, &cache->user,      &cache->host,
                      &cache->tls_ca,       &cache->tls_pin,    &cache->tunnel,    &cache->auth,
                      &cache->root,         &cache->cache_dir,  &cache->state_dir, &options->password_command};
  for (gsize i = 0; i < G_N_ELEMENTS(strings); i++)
    g_clear_pointer(strings[i], g_free);
  g_clear_pointer(&cache->disable, g_strfreev);
  g_clear_pointer(&cache->hide, g_strfreev);
  if (options->kernel)
    g_string_free(options->kernel, TRUE);
  options->kernel = NULL;
}
