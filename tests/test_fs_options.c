/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>
#include <unistd.h>

#include "fs/log.h"
#include "fs/options.h"
#include "fs/source.h"
#include "tests/suite.h"

static const struct {
  const char *text, *user, *host, *folder, *table;
  guint16 port;
  int tls;
} sources[] = {
    {"imaps://alice@mail.example.com", "alice", "mail.example.com", NULL, NULL, 0, CACHE_TLS_IMPLICIT},
    {"imaps://alice@mail.example.com/", "alice", "mail.example.com", NULL, NULL, 0, CACHE_TLS_IMPLICIT},
    {"IMAP://alice@mail:1143/INBOX", "alice", "mail", "INBOX", NULL, 1143, CACHE_TLS_STARTTLS},
    {"imaps://alice%40example.org@imap.host/A%20b/c%25d/", "alice@example.org", "imap.host", "A b/c%d", NULL, 0,
     CACHE_TLS_IMPLICIT},
    {"imaps://alice@example.org@imap.host", "alice@example.org", "imap.host", NULL, NULL, 0, CACHE_TLS_IMPLICIT},
    {"imaps://a@[::1]:993/x@y", "a", "::1", "x@y", NULL, 993, CACHE_TLS_IMPLICIT},
    {"imaps://a@[fe80::1]", "a", "fe80::1", NULL, NULL, 0, CACHE_TLS_IMPLICIT},
    {"imaps://mail.example.com/INBOX", NULL, "mail.example.com", "INBOX", NULL, 0, CACHE_TLS_IMPLICIT},
    {"alice@mail.example.com:", "alice", "mail.example.com", NULL, "alice@mail.example.com:", 0, -1},
    {"alice@mail.example.com:/", "alice", "mail.example.com", NULL, "alice@mail.example.com:/", 0, -1},
    {"alice@example.org@imap.host:/A b/c%20d", "alice@example.org", "imap.host", "A b/c%20d",
     "alice@example.org@imap.host:/A b/c%20d", 0, -1},
    {"alice%example.org@imap.host:", "alice%example.org", "imap.host", NULL, "alice%example.org@imap.host:", 0, -1},
    {"a@h:/x@y:/z", "a", "h", "x@y:/z", "a@h:/x@y:/z", 0, -1},
    {"a/admin@[::1]:/INBOX", "a/admin", "::1", "INBOX", "a/admin@[::1]:/INBOX", 0, -1},
    {"mail.example.com:", NULL, "mail.example.com", NULL, "mail.example.com:", 0, -1},
};

START_TEST(source_is_read) {
  for (gsize i = 0; i < G_N_ELEMENTS(sources); i++) {
    g_auto(Source) source = {0};
    g_autoptr(GError) error = NULL;
    ck_assert_msg(source_parse(sources[i].text, &source, &error), "row %zu: %s", i, error ? error->message : "");
    ck_assert_msg(g_strcmp0(source.user, sources[i].user) == 0, "row %zu: user %s", i, source.user);
    ck_assert_msg(g_strcmp0(source.host, sources[i].host) == 0, "row %zu: host %s", i, source.host);
    ck_assert_msg(g_strcmp0(source.folder, sources[i].folder) == 0, "row %zu: folder %s", i, source.folder);
    ck_assert_msg(g_strcmp0(source.table, sources[i].table) == 0, "row %zu: table %s", i, source.table);
    ck_assert_msg(source.port == sources[i].port && source.tls == sources[i].tls, "row %zu", i);
  }
}
END_TEST

static const char *const bad_sources[] = {
    "",        "alice",        "alice@host",         "imaps://",         "imaps://alice@",    "imaps://a:secret@host",
    "@host:",  "a@:",          "imaps://@host",      "imaps://a@h:0",    "imaps://a@h:65536", "imaps://a@h:x",
    "a@-oX:",  "imaps://a@-o", "imaps://a%0d%0ab@h", "imaps://a%zz@h",   "imaps://a%00b@h",   "imaps://a%ff@h",
    "a@h:993", "a\rb@h:",      "imaps://a@::1",      "imaps://a@h/x%0a", "a@h\xff:/\xff",     "https://a@h",
};

START_TEST(bad_source_is_refused) {
  for (gsize i = 0; i < G_N_ELEMENTS(bad_sources); i++) {
    g_auto(Source) source = {0};
    g_autoptr(GError) error = NULL;
    ck_assert_msg(!source_parse(bad_sources[i], &source, &error), "row %zu: %s", i, bad_sources[i]);
    ck_assert_msg(error && !strstr(error->message, "secret"), "row %zu", i);
  }
}
END_TEST

START_TEST(table_spelling) {
  g_autofree char *plain = source_table("alice", "mail", NULL), *folder = source_table("a,b", "::1", "A b");
  ck_assert_str_eq(plain, "alice@mail:");
  ck_assert_str_eq(folder, "a,b@[::1]:/A b");
}
END_TEST

/* ---- the command line ------------------------------------------------------------------------------- */
static gboolean parse(Options *ret, GError **error, const char *line) {
  g_auto(GStrv) argv = NULL;
  int argc;
  ck_assert(g_shell_parse_argv(line, &argc, &argv, NULL));
  return options_parse(ret, argc, argv, error);
}

static void parse_ok(Options *ret, const char *line) {
  g_autoptr(GError) error = NULL;
  ck_assert_msg(parse(ret, &error, line), "%s: %s", line, error ? error->message : "");
}

START_TEST(defaults) {
  g_auto(Options) o = {0};
  parse_ok(&o, "imapfs imaps://alice@mail.example.com mnt");
  ck_assert_int_eq(o.action, OPTIONS_MOUNT);
  ck_assert_str_eq(o.table, "alice@mail.example.com:");
  ck_assert_str_eq(o.mountpoint, "mnt");
  ck_assert(o.cache.tls == CACHE_TLS_IMPLICIT && o.cache.port == 0 && o.cache.compress == CACHE_COMPRESS_AUTO);
  ck_assert(o.cache.connections == 3 && o.cache.timeout == 15 && o.cache.refresh == 15);
  ck_assert(o.cache.cache_size == 1 << 30 && o.cache.min_free == 256 << 20);
  ck_assert(!o.cache.names_uid && !o.cache.subscribed && !o.cache.root && !o.cache.hide && !o.foreground);
  ck_assert(o.uid == getuid() && o.gid == getgid() && !o.allow_other && o.log_level == LOG_LEVEL_WARNING);
  ck_assert(options_need_prompt(&o));
}
END_TEST

START_TEST(all_options) {
  g_auto(Options) o = {0};
  parse_ok(&o, "imapfs -d imap://mail/Work mnt -o user=alice,passfile=/p,tls=off,tls_ca=/ca,tls_pin=sha256//x -o "
               "'port=1143,names=uid,hide=Spam*,hide=A\\,B,subscribed,cache_dir=/c,state_dir=/s,cache_size=10K' -o "
               "min_free=2t,connections=1,timeout=60,refresh=300,compress=off,auth=PLAIN,disable=IDLE,disable=QRESYNC "
               "-o 'tunnel=ssh host imap,log=/tmp/x,log=info,noexec'");
  ck_assert(o.foreground && o.debug && o.log_level == LOG_LEVEL_DEBUG);
  ck_assert_str_eq(o.cache.user, "alice");
  ck_assert_str_eq(o.cache.root, "Work");
  ck_assert_str_eq(o.table, "alice@mail:/Work");
  ck_assert(o.cache.port == 1143 && o.cache.tls == CACHE_TLS_OFF && o.cache.names_uid && o.cache.subscribed);
  ck_assert_str_eq(o.cache.hide[0], "Spam*");
  ck_assert_str_eq(o.cache.hide[1], "A,B");
  ck_assert_ptr_null(o.cache.hide[2]);
  ck_assert_str_eq(o.cache.disable[1], "QRESYNC");
  ck_assert(o.cache.cache_size == 10240 && o.cache.min_free == G_GUINT64_CONSTANT(2) << 40);
  ck_assert(o.cache.connections == 1 && o.cache.timeout == 60 && o.cache.refresh == 300);
  ck_assert(o.cache.compress == CACHE_COMPRESS_OFF);
  ck_assert_str_eq(o.cache.auth, "PLAIN");
  ck_assert_str_eq(o.cache.tunnel, "ssh host imap");
  ck_assert_str_eq(o.cache.tls_pin, "sha256//x");
  ck_assert_str_eq(o.log_file, "/tmp/x");
  ck_assert_str_eq(o.kernel->str, "noexec");
  ck_assert(!options_need_prompt(&o));
}
END_TEST

static const struct {
  const char *options;
  gboolean read_only;
  CacheDelete remove;
  guint brake;
  const char *trash;
} changes[] = {
    {"rw", FALSE, CACHE_DELETE_TRASH, 0, NULL},
    {"ro", TRUE, CACHE_DELETE_TRASH, 0, NULL},
    {"ro,rw", TRUE, CACHE_DELETE_TRASH, 0, NULL},
    {"delete=trash,trash=Old/Bin,brake=7", FALSE, CACHE_DELETE_TRASH, 7, "Old/Bin"},
    {"delete=expunge", FALSE, CACHE_DELETE_EXPUNGE, 100, NULL},
    {"brake=0,delete=expunge", FALSE, CACHE_DELETE_EXPUNGE, 0, NULL},
    {"delete=mark", FALSE, CACHE_DELETE_MARK, 0, NULL},
    {"delete=never", FALSE, CACHE_DELETE_NEVER, 0, NULL},
};

START_TEST(options_of_changing) {
  for (gsize i = 0; i < G_N_ELEMENTS(changes); i++) {
    g_auto(Options) o = {0};
    g_autofree char *line = g_strdup_printf("imapfs a@h: mnt -o %s", changes[i].options);
    parse_ok(&o, line);
    ck_assert_msg(o.cache.read_only == changes[i].read_only && o.cache.remove == changes[i].remove, "row %zu", i);
    ck_assert_msg(o.cache.brake == changes[i].brake && g_strcmp0(o.cache.trash, changes[i].trash) == 0, "row %zu", i);
  }
}
END_TEST

START_TEST(paths_become_absolute) {
  g_auto(Options) o = {0};
  g_autofree char *expected = g_canonicalize_filename("x/y", NULL);
  parse_ok(&o, "imapfs -o passfile=x/y,tls_ca=x/y,cache_dir=x/y,state_dir=x/y,log=./x/y a@h: mnt");
  ck_assert_str_eq(o.passfile, expected);
  ck_assert_str_eq(o.cache.tls_ca, expected);
  ck_assert_str_eq(o.cache.cache_dir, expected);
  ck_assert_str_eq(o.cache.state_dir, expected);
  ck_assert_str_eq(o.log_file, expected);
}
END_TEST

START_TEST(mount_options) {
  g_auto(Options) o = {0};
  parse_ok(&o, "imapfs a@h: mnt -o rw,exec,dev,suid,auto,noauto,user,users,owner,group,nofail,_netdev,defaults,"
               "relatime,strictatime,lazytime,x-systemd.automount,x-gvfs-hide=1,X-mount.mkdir,comment=hello,user=joe,"
               "noatime,default_permissions,max_read=65536,subtype=imapfs,,ro");
  ck_assert_str_eq(o.cache.user, "a"); /* mount adds user=NAME of whoever mounts: SOURCE wins */
  ck_assert_str_eq(o.kernel->str, "exec,noatime");
}
END_TEST

START_TEST(mount_helper) {
  g_auto(Options) o = {0}, fake = {0}, sloppy = {0}, reading = {0};
  g_autoptr(GError) error = NULL;
  parse_ok(&o, "/sbin/mount.imapfs a@h:/INBOX mnt -n -v -t fuse.imapfs -o rw,noexec");
  ck_assert(o.action == OPTIONS_MOUNT && !o.foreground && !o.cache.read_only && o.log_level == LOG_LEVEL_INFO);
  ck_assert_str_eq(o.table, "a@h:/INBOX");
  parse_ok(&fake, "mount.imapfs a@h: mnt -f");
  ck_assert_int_eq(fake.action, OPTIONS_FAKE);
  parse_ok(&reading, "mount.imapfs a@h: mnt -r");
  ck_assert(reading.cache.read_only);
  parse_ok(&sloppy, "mount.imapfs a@h: mnt -o nonsense -s");
  ck_assert(!parse(&sloppy, &error, "mount.imapfs a@h: mnt -o nonsense"));
}
END_TEST

START_TEST(unmounting_and_draining) {
  g_auto(Options) o = {0}, drain = {0};
  parse_ok(&o, "imapfs -u mnt");
  ck_assert_int_eq(o.action, OPTIONS_UNMOUNT);
  ck_assert_str_eq(o.mountpoint, "mnt");
  parse_ok(&drain, "imapfs --drain=3 -f a@h: mnt -o drain=7");
  ck_assert_int_eq(drain.action, OPTIONS_DRAIN);
  ck_assert_int_eq(drain.drain_fd, 3);
  ck_assert_uint_eq(drain.drain, 7);
  ck_assert_int_eq(o.drain_fd, -1);
}
END_TEST

static const struct {
  const char *line, *named; /* what the message must contain */
} wrong[] = {
    {"imapfs", "usage"},
    {"imapfs a@h:", "usage"},
    {"imapfs a@h: mnt more", "usage"},
    {"imapfs -u", "imapfs -u MOUNTPOINT"},
    {"imapfs -u a@h: mnt", "imapfs -u MOUNTPOINT"},
    {"mount.imapfs -u mnt", "-u"},
    {"imapfs -x a@h: mnt", "-x"},
    {"imapfs -o", "-o"},
    {"imapfs --verbose a@h: mnt", "--verbose"},
    {"imapfs -o frobnicate a@h: mnt", "'frobnicate'"},
    {"imapfs -o frobnicate=1 a@h: mnt", "'frobnicate'"},
    {"imapfs -o subscribed=1 a@h: mnt", "'subscribed' takes no value"},
    {"imapfs -o passfile a@h: mnt", "passfile=FILE"},
    {"imapfs -o passfile= a@h: mnt", "passfile"},
    {"imapfs -o timeout=0 a@h: mnt", "from 1 to 3600"},
    {"imapfs -o timeout=1s a@h: mnt", "timeout: '1s'"},
    {"imapfs -o cache_size=1X a@h: mnt", "cache_size: '1X'"},
    {"imapfs -o cache_size=-1 a@h: mnt", "cache_size"},
    {"imapfs -o cache_size=99999999T a@h: mnt", "cache_size"},
    {"imapfs -o names=none a@h: mnt", "subject|uid"},
    {"imapfs -o tls=starttls imaps://a@h mnt", "imaps://"},
    {"imapfs -o port=1 imaps://a@h:2 mnt", "port"},
    {"imapfs -o root=A imaps://a@h/B mnt", "root="},
    {"imapfs -o auto_unmount a@h: mnt", "rsync --delete"},
    {"imapfs -o password=secret a@h: mnt", "passfile="},
    {"imapfs -o passfile=a,password_command=b a@h: mnt", "exclude"},
    {"imapfs -o allow_other,allow_root a@h: mnt", "exclude"},
    {"imapfs -o uid=no-such-user a@h: mnt", "no-such-user"},
    {"imapfs -o log=loud a@h: mnt", "loud"},
    {"imapfs -o 'auth=a\nb' a@h: mnt", "control"},
    {"imapfs h: mnt", "no user"},
};

START_TEST(mistakes_are_named) {
  for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
    g_auto(Options) o = {0};
    g_autoptr(GError) error = NULL;
    ck_assert_msg(!parse(&o, &error, wrong[i].line), "row %zu", i);
    ck_assert_msg(strstr(error->message, wrong[i].named) != NULL, "row %zu: %s", i, error->message);
    ck_assert_msg(!strstr(error->message, "secret") && !strchr(error->message, '\n'), "row %zu", i);
  }
}
END_TEST

START_TEST(root_mounts_for_a_user) {
  g_auto(Options) o = {0}, other = {0};
  g_autoptr(GError) error = NULL;
  if (geteuid() != 0) {
    ck_assert(!parse(&o, &error, "imapfs -o uid=0 a@h: mnt"));
    return;
  }
  parse_ok(&o, "imapfs -o uid=nobody a@h: mnt");
  ck_assert(o.allow_other && o.uid == 65534 && o.gid == 65534);
  parse_ok(&other, "imapfs -o uid=4000,gid=4001 a@h: mnt");
  ck_assert(other.allow_other && other.uid == 4000 && other.gid == 4001);
}
END_TEST

START_TEST(help_lists_all) {
  static const char *const names[] = {
      "user=",        "passfile=",   "password_command=",
      "tls=",         "tls_ca=",     "tls_pin=",
      "tunnel=",      "root=",       "names=",
      "hide=",        "subscribed",  "cache_dir=",
      "state_dir=",   "cache_size=", "min_free=",
      "connections=", "timeout=",    "refresh=",
      "compress=",    "auth=",       "disable=",
      "uid=",         "gid=",        "allow_other",
      "log=",         "port=",
  };
  g_autofree char *help = options_help();
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autofree char *row = g_strconcat("\n  ", names[i], NULL);
    ck_assert_msg(strstr(help, row) != NULL, "%s", names[i]);
  }
  ck_assert(strstr(help, "(1G)") && strstr(help, "(subject)"));
  g_auto(Options) o = {0};
  parse_ok(&o, "imapfs -h");
  ck_assert_int_eq(o.action, OPTIONS_HELP);
  g_auto(Options) word = {0}, version = {0};
  parse_ok(&word, "imapfs --help");
  ck_assert_int_eq(word.action, OPTIONS_HELP);
  parse_ok(&version, "imapfs --version");
  ck_assert_int_eq(version.action, OPTIONS_VERSION);
}
END_TEST

START_TEST(log_lines_are_harmless) {
  static const struct {
    const char *text, *clean;
  } lines[] = {{"plain \xc3\xa4 text", "plain \xc3\xa4 text"},
               {"a\nb\x1b[2Jc", "a\\x0ab\\x1b[2Jc"},
               {"\xff\xfe|", "\\xff\\xfe|"},
               {"x\xe2\x80\xaey", "x\\xe2\\x80\\xaey"}, /* right-to-left override */
               {"x\xe2\x80\xa8y", "x\\xe2\\x80\\xa8y"}, /* line separator */
               {"", ""}};
  for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
    g_autofree char *clean = log_clean(lines[i].text);
    ck_assert_str_eq(clean, lines[i].clean);
  }
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("fs/options");
  TCase *tc = tcase_create("source");
  tcase_add_test(tc, source_is_read);
  tcase_add_test(tc, bad_source_is_refused);
  tcase_add_test(tc, table_spelling);
  suite_add_tcase(s, tc);
  tc = tcase_create("options");
  tcase_add_test(tc, defaults);
  tcase_add_test(tc, all_options);
  tcase_add_test(tc, options_of_changing);
  tcase_add_test(tc, paths_become_absolute);
  tcase_add_test(tc, mount_options);
  tcase_add_test(tc, mount_helper);
  tcase_add_test(tc, unmounting_and_draining);
  tcase_add_test(tc, mistakes_are_named);
  tcase_add_test(tc, root_mounts_for_a_user);
  tcase_add_test(tc, help_lists_all);
  tcase_add_test(tc, log_lines_are_harmless);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) {
  return suite_run(suite());
}
