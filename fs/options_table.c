/* SPDX-License-Identifier: MIT */
/*
 * One row an option: how its value is read, where it goes, its default, and what -h says of it, in the order in which
 * -h says it. Those without help are for mount(8) and libfuse.
 */
#include "fs/options_table.h"

#include <stddef.h>

#define MAX_FILE G_GUINT64_CONSTANT(0x7fffffffffffffff)
#define AT(field) offsetof(Options, field)

static const Option table[] = {
    {"user", OPTION_TEXT, AT(user), "NAME", NULL, "the account, where SOURCE names none", 0, 0},
    {"port", OPTION_NUMBER, AT(port), "N", NULL, "port of the server", 1, 65535},
    {"passfile", OPTION_PATH, AT(passfile), "FILE", NULL, "first line is the password; only you may read the file", 0,
     0},
    {"password_command", OPTION_TEXT, AT(password_command), "COMMAND", NULL,
     "prints the password or token; run without a shell at each login", 0, 0},
    {"auth", OPTION_TEXT, AT(cache.auth), "MECH", NULL, "this SASL mechanism, or LOGIN, and no other", 0, 0},
    {"tls", OPTION_CHOICE, AT(tls), "implicit|starttls|off", NULL,
     "default: implicit, for imap:// starttls; off only to this machine", 0, 0},
    {"tls_ca", OPTION_PATH, AT(cache.tls_ca), "FILE", NULL, "trust these certificates instead of the system's", 0, 0},
    {"tls_pin", OPTION_TEXT, AT(cache.tls_pin), "sha256//BASE64", NULL, "and this public key only", 0, 0},
    {"tunnel", OPTION_TEXT, AT(cache.tunnel), "COMMAND", NULL, "talk to this program instead of the network", 0, 0},
    {"disable", OPTION_LIST, AT(cache.disable), "CAPABILITY", NULL, "do not use it; may be repeated", 0, 0},
    {"root", OPTION_TEXT, AT(root), "FOLDER", NULL, "show this folder at the mount point", 0, 0},
    {"names", OPTION_CHOICE, AT(names), "subject|uid", "subject", "how messages are called", 0, 0},
    {"hide", OPTION_LIST, AT(cache.hide), "GLOB", NULL, "do not show these folders; may be repeated", 0, 0},
    {"subscribed", OPTION_FLAG, AT(cache.subscribed), NULL, NULL, "show only subscribed folders", 0, 0},
    {"cache_dir", OPTION_PATH, AT(cache.cache_dir), "DIR", NULL, "default: $XDG_CACHE_HOME/imapfs, or ~/.cache/imapfs",
     0, 0},
    {"state_dir", OPTION_PATH, AT(cache.state_dir), "DIR", NULL,
     "default: $XDG_STATE_HOME/imapfs, or ~/.local/state/imapfs", 0, 0},
    {"cache_size", OPTION_SIZE, AT(cache.cache_size), "SIZE", "1G", "messages kept on disk", 0, MAX_FILE},
    {"min_free", OPTION_SIZE, AT(cache.min_free), "SIZE", "256M", "disk space left to others", 0, MAX_FILE},
    {"connections", OPTION_NUMBER, AT(cache.connections), "N", "3", "at most so many to the server", 1, 3},
    {"timeout", OPTION_NUMBER, AT(cache.timeout), "SECONDS", "15", "an error after so much silence", 1, 3600},
    {"refresh", OPTION_NUMBER, AT(cache.refresh), "SECONDS", "15", "a listing older than this is checked when opened",
     1, 86400},
    {"compress", OPTION_CHOICE, AT(compress), "auto|on|off", "auto", "compress what is read", 0, 0},
    {"log", OPTION_LOG, AT(log_level), "LEVEL|FILE", "warning", "error, warning, info or debug; or a file, not syslog",
     0, 0},
    {"delete", OPTION_CHOICE, AT(remove), "trash|expunge|mark|never", "trash", "what rm does to a message", 0, 0},
    {"trash", OPTION_TEXT, AT(cache.trash), "FOLDER", NULL, "the trash, where the server names none", 0, 0},
    {"brake", OPTION_NUMBER, AT(brake), "N", NULL,
     "at most so many removals in a minute; 0: no limit; default: 100 with delete=expunge, else 0", 0, 1000000},
    {"drain", OPTION_NUMBER, AT(drain), "SECONDS", "300", "after unmounting go on sending so long; 0: not", 0, 86400},
    {"uid", OPTION_USER, AT(uid), "USER", NULL, "owner of the files; as root this implies allow_other", 0, 0},
    {"gid", OPTION_GROUP, AT(gid), "GROUP", NULL, "group of the files", 0, 0},
    {"allow_other", OPTION_FLAG, AT(allow_other), NULL, NULL, "let other users in, as far as the modes do", 0, 0},
    {"allow_root", OPTION_FLAG, AT(allow_root), NULL, NULL, "let root in", 0, 0},
    {"ro", OPTION_FLAG, AT(cache.read_only), NULL, NULL, "read-only", 0, 0},

    {"default_permissions", OPTION_IGNORED, 0, NULL, NULL, NULL, 0, 0}, /* always */
    {"subtype", OPTION_IGNORED, 0, "imapfs", NULL, NULL, 0, 0},
    {"exec", OPTION_KERNEL, 0, NULL, NULL, NULL, 0, 0},
    {"noexec", OPTION_KERNEL, 0, NULL, NULL, NULL, 0, 0},
    {"sync", OPTION_KERNEL, 0, NULL, NULL, NULL, 0, 0},
    {"async", OPTION_KERNEL, 0, NULL, NULL, NULL, 0, 0},
    {"atime", OPTION_KERNEL, 0, NULL, NULL, NULL, 0, 0},
    {"noatime", OPTION_KERNEL, 0, NULL, NULL, NULL, 0, 0},
    {"nodiratime", OPTION_KERNEL, 0, NULL, NULL, NULL, 0, 0},
    {"max_read", OPTION_IGNORED, 0, "N", NULL, NULL, 0, 0},
    {"auto_unmount", OPTION_REFUSED, 0, NULL, NULL,
     "not offered: after a crash it would show an empty directory, and rsync --delete would believe it", 0, 0},
    {"remount", OPTION_REFUSED, 0, NULL, NULL, "not possible: unmount it and mount it again", 0, 0},
    {"fsname", OPTION_REFUSED, 0, "", NULL, "not offered: the mount table shows user@host:", 0, 0},
    {"nonempty", OPTION_REFUSED, 0, NULL, NULL, "not offered: mount on an empty directory", 0, 0},
    {"direct_io", OPTION_REFUSED, 0, NULL, NULL, "not offered: the kernel is told what changes", 0, 0},
    {"kernel_cache", OPTION_IGNORED, 0, NULL, NULL, NULL, 0, 0}, /* always */
    {"password", OPTION_REFUSED, 0, "", NULL,
     "not offered: others could read it; use passfile= or password_command=", 0, 0},
};

/* Of mount(8); with or without a value. */
static const char *const generic[] = {
    "rw",       "dev",        "nodev",    "suid",       "nosuid",      "auto",          "noauto",
    "user",     "nouser",     "users",    "nousers",    "owner",       "group",         "nofail",
    "_netdev",  "defaults",   "relatime", "norelatime", "strictatime", "nostrictatime", "diratime",
    "lazytime", "nolazytime", "dirsync",  "silent",     "loud",        "iversion",      "noiversion",
    "mand",     "nomand",     "comment",  "uhelper",    "helper",
};

const Option *option_find(const char *name) {
  for (gsize i = 0; i < G_N_ELEMENTS(table); i++)
    if (g_str_equal(table[i].name, name))
      return &table[i];
  return NULL;
}

gboolean option_is_generic(const char *name) {
  if (g_str_has_prefix(name, "x-") || g_str_has_prefix(name, "X-"))
    return TRUE;
  for (gsize i = 0; i < G_N_ELEMENTS(generic); i++)
    if (g_str_equal(generic[i], name))
      return TRUE;
  return FALSE;
}

const Option *option_at(gsize i) {
  return i < G_N_ELEMENTS(table) ? &table[i] : NULL;
}

char *options_help(void) {
  GString *text = g_string_new("usage: imapfs [-o OPTIONS] [-f] [-d] SOURCE MOUNTPOINT\n"
                               "       imapfs -u MOUNTPOINT\n"
                               "Mounts the IMAP account SOURCE on the directory MOUNTPOINT; or, with -u, waits until\n"
                               "all that was changed there is on the server, and unmounts it.\n\n"
                               "SOURCE is imaps://user@host[:port][/folder], imap://... (STARTTLS),\n"
                               "or user@host:[/folder] as the mount table shows it.\n\n"
                               "  -f  stay in the foreground     -d  also trace requests and protocol\n"
                               "  -h  this help                  -V  versions\n\n"
                               "Options, after -o and separated by commas (a comma in a value is \\,):\n");
  const Option *option;
  for (gsize i = 0; (option = option_at(i)); i++) {
    if (!option->help || option->type == OPTION_REFUSED)
      continue;
    g_autofree char *left = g_strconcat(option->name, option->values ? "=" : NULL, option->values, NULL);
    g_string_append_printf(text, "  %-28s %s%s%s%s\n", left, option->help, option->standard ? " (" : "",
                           option->standard ? option->standard : "", option->standard ? ")" : "");
  }
  g_string_append(text, "\nThe options of mount(8) are understood as well. The mount is always nosuid, nodev,\n"
                        "default_permissions. Unmount with imapfs -u MOUNTPOINT; umount(8) waits for nothing,\n"
                        "and the rest is sent afterwards (drain=).\n");
  return g_string_free(text, FALSE);
}
