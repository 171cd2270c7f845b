/* SPDX-License-Identifier: MIT */
#include "cache/journal/debris.h"

#include <check.h>

#include "imap/imap.h"
#include "tests/suite.h"

/* Seen from vim, emacs, nano, sed, rsync, gio, KDE, browsers, office programs, Windows and macOS. */
static const char *const debris[] = {
    ".x",
    ".letter.eml.Xy12ab",
    ".letter.eml.swp",
    "letter.swx",
    "letter.eml~",
    "letter.eml.~3~",
    "4913",
    "#letter.eml#",
    ".#letter.eml",
    ".~lock.letter.eml#",
    "~$letter.eml",
    "sedA1b2C3",
    "tmp.Qa1Zx9PLmn",
    "tmpk2_9abcd",
    ".nfs000000000012ab",
    ".fuse_hidden0000000500000001",
    "Thumbs.db",
    "thumbs.db",
    "DESKTOP.INI",
    "._letter.eml",
    ".DS_Store",
    "letter.eml.tmp",
    "letter.eml.part",
    "letter.eml.1f2e3d4c.partial",
    "letter.eml.filepart",
    "letter.eml.crdownload",
    ".goutputstream-U6EGP0",
    "letter.goutputstream-U6EGP0",
    "letter.eml___jb_tmp___",
    "$RECYCLE.BIN",
    "x\xe4~",
    "\xe4.tmp",
    "x.sw\xe4",
};

static const char *const mail[] = {
    "2026-11-21_Ann_Quarterly-report.4711.eml",
    "letter",
    "letter.eml",
    "letter.bak",
    "letter.orig",
    "4912",
    "49130",
    "4913.eml",
    "sed",
    "sedition",
    "sedA1b2C3.eml",
    "tmp",
    "cur",
    "template",
    "a.part.eml",
    "x.swim",
    "#12 in the list",
    "1790000000.M1P2.host:2,S",
    "1790000000.M1P2.host",
    "1",
    "~ann",
    "\xe4",
    "lat\xe4",
    "\xe4.eml",
    "\xff\xfe~\xe4",
};

START_TEST(debris_is_known) {
  ck_assert_msg(debris_name(debris[_i]), "%s", debris[_i]);
}
END_TEST

START_TEST(mail_is_none) {
  ck_assert_msg(!debris_name(mail[_i]), "%s", mail[_i]);
}
END_TEST

START_TEST(the_trash_of_desktops) {
  static const char *const trash[] = {".Trash", ".Trash-1000", ".Trash-0", ".Trashes"};
  static const char *const none[] = {"Trash", ".Trash-", ".Trash-ann", ".Trash-1000x", ".Trashy", ".trash", ""};
  for (guint i = 0; i < G_N_ELEMENTS(trash); i++)
    ck_assert_msg(debris_is_desktop_trash(trash[i]), "%s", trash[i]);
  for (guint i = 0; i < G_N_ELEMENTS(none); i++)
    ck_assert_msg(!debris_is_desktop_trash(none[i]), "%s", none[i]);
}
END_TEST

START_TEST(maildir_names_have_flags) {
  static const struct {
    const char *name;
    guint flags;
    gboolean passed;
  } cases[] = {
      {"1790000000.M1P2.host:2,", 0, FALSE},
      {"1790000000.M1P2.host:2,S", IMAP_FLAG_SEEN, FALSE},
      {"1790000000.M1P2.host,S=12,W=13:2,DFPRS",
       IMAP_FLAG_DRAFT | IMAP_FLAG_FLAGGED | IMAP_FLAG_ANSWERED | IMAP_FLAG_SEEN, TRUE},
      {"a:2,T", 0, FALSE},
      {"a:2,STab", IMAP_FLAG_SEEN, FALSE},
      {"a!2,F", IMAP_FLAG_FLAGGED, FALSE},
      {"a;2,P", 0, TRUE},
      {"a:2,S.eml", 0, FALSE},
      {"a:1,S", 0, FALSE},
      {"a,S", 0, FALSE},
      {"12,S", 0, FALSE},
      {"2,S", 0, FALSE},
      {",S", 0, FALSE},
      {"", 0, FALSE},
  };
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    ck_assert_msg(debris_maildir_flags(cases[i].name) == cases[i].flags, "%s", cases[i].name);
    ck_assert_msg(debris_maildir_passed(cases[i].name) == cases[i].passed, "%s", cases[i].name);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/debris");
  TCase *tests = tcase_create("debris");
  tcase_add_loop_test(tests, debris_is_known, 0, G_N_ELEMENTS(debris));
  tcase_add_loop_test(tests, mail_is_none, 0, G_N_ELEMENTS(mail));
  tcase_add_test(tests, the_trash_of_desktops);
  tcase_add_test(tests, maildir_names_have_flags);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
