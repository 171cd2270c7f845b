/* SPDX-License-Identifier: MIT */
#define G_LOG_DOMAIN "fs"
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <fuse_lowlevel.h>

#include "fs/daemon.h"
#include "fs/drain.h"
#include "fs/mountpoint.h"
#include "fs/unmount.h"
#include "fs/version.h"

#define EXIT_USAGE 1

/* Passwords and letters stay out of core files, and other processes of the user stay out of our memory. Each open file
 * is a descriptor of ours, too: as many as we may. */
static void prepare(void) {
  struct rlimit none = {0, 0}, files;
  setrlimit(RLIMIT_CORE, &none);
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  prctl(PR_SET_DUMPABLE, 0);
  umask(077);
}

/* GLib would put a '?' for each letter that the C locale lacks, and we keep to that locale, so that names do not depend
 * on one. */
static void print_as_is(const char *text) {
  fputs(text, stderr);
}

static int tell(Options *options) {
  if (options->action == OPTIONS_HELP) {
    g_autofree char *help = options_help();
    printf("%s", help);
  } else if (options->action == OPTIONS_VERSION) {
    printf("imapfs %s\nlibfuse %s\nGLib %u.%u.%u\n", IMAPFS_VERSION, fuse_pkgversion(), glib_major_version,
           glib_minor_version, glib_micro_version);
  }
  return 0;
}

static Secret *ask_secret(const Options *options, GError **error) {
  const CacheConfig *account = &options->cache;
  g_autofree char *prompt = g_strdup_printf("Password of %s at %s: ", account->user, account->host);
  gboolean asks = options->action == OPTIONS_MOUNT && options_need_prompt(options);
  g_autoptr(Secret) secret = secret_new(options->passfile, options->password_command, asks ? prompt : NULL, error);
  if (secret && options->drain_fd >= 0 && !secret_take(secret, options->drain_fd, error))
    return NULL;
  return g_steal_pointer(&secret);
}

static int run(const Daemon *daemon) {
  if (daemon->options->action == OPTIONS_DRAIN)
    return drain_run(daemon);
  return daemon->options->foreground ? daemon_foreground(daemon) : daemon_background(daemon);
}

static int start(Options *options, char **argv, GError **error) {
  gboolean drains = options->action == OPTIONS_DRAIN;
  g_autofree char *directory = g_get_current_dir();
  g_autofree char *mountpoint = drains ? NULL : mountpoint_check(options->mountpoint, error);
  Log *log = mountpoint || drains ? log_new(options->log_file, (LogLevel)options->log_level, error) : NULL;
  g_autoptr(Secret) secret = log ? ask_secret(options, error) : NULL;
  if (!secret)
    return EXIT_USAGE;
  Daemon daemon = {
      .options = options, .mountpoint = mountpoint, .secret = secret, .log = log, .argv = argv, .directory = directory};
  return run(&daemon);
}

static int leave(const Options *options, GError **error) {
  return unmount_drained(options->mountpoint, error) ? 0 : EXIT_USAGE;
}

int main(int argc, char **argv) {
  g_auto(Options) options = {0};
  g_autoptr(GError) error = NULL;
  int status = EXIT_USAGE;

  g_set_printerr_handler(print_as_is);
  /* GLib makes its C locale at the first number, which may then pass for wrong: let it be one that nobody reads. */
  g_ascii_strtoull("0", NULL, 10);
  if (options_parse(&options, argc, argv, &error)) {
    prepare();
    status = options.action == OPTIONS_UNMOUNT                                    ? leave(&options, &error)
             : options.action == OPTIONS_MOUNT || options.action == OPTIONS_DRAIN ? start(&options, argv, &error)
                                                                                  : tell(&options);
  }
  if (error)
    g_printerr("imapfs: %s\n", error->message);
  return status;
}
