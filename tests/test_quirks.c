/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>

#include "imap/quirks.h"
#include "tests/suite.h"

static const struct {
  const char *host, *capability;
  gboolean hidden;
} hosts[] = {
    {"imap.mail.me.com", "QRESYNC", TRUE},
    {"p42-imap.mail.me.com", "qresync", TRUE},
    {"IMAP.Mail.Me.COM", "QRESYNC", TRUE},
    {"mail.me.com", "ESEARCH", TRUE},
    {"imap.mail.me.com", "CONDSTORE", FALSE},
    {"imap.hotmail.me.com", "QRESYNC", FALSE},
    {"gmail.me.com", "QRESYNC", FALSE},
    {"mail.me.com.example.org", "QRESYNC", FALSE},
    {"me.com", "QRESYNC", FALSE},
    {"localhost", "QRESYNC", FALSE},
    {"", "QRESYNC", FALSE},
};

START_TEST(test_host) {
  ImapQuirks quirks = imap_quirks_of_host(hosts[_i].host);
  ck_assert_msg(imap_quirks_hide(quirks, hosts[_i].capability) == hosts[_i].hidden, "row %d", _i);
}
END_TEST

static const struct {
  const char *text;
  gboolean hidden;
} greetings[] = {
    {"Courier-IMAP ready. Copyright 1998-2021 Double Precision, Inc.  See COPYING for distribution information.", TRUE},
    {"Dovecot ready, and no Courier-IMAP ready.", FALSE},
    {"Courier", FALSE},
    {"", FALSE},
};

START_TEST(test_greeting) {
  ImapQuirks quirks = imap_quirks_of_greeting(greetings[_i].text);
  ck_assert_msg(imap_quirks_hide(quirks, "IDLE") == greetings[_i].hidden, "row %d", _i);
  ck_assert(!imap_quirks_hide(quirks, "UIDPLUS"));
}
END_TEST

static const struct {
  char *id[5];
  gboolean hidden;
} ids[] = {
    {{"name", "Cyrus IMAPD", "version", "v2.4.17-Invoca-RPM-2.4.17-1"}, TRUE},
    {{"version", "v2.4.18-Debian-2.4.18-3", "Name", "Cyrus IMAPD"}, TRUE},
    {{"name", "cyrus", "version", "2.5.10"}, TRUE},
    {{"name", "Cyrus IMAPD", "version", "2.5"}, TRUE},
    {{"name", "Cyrus IMAPD", "version", "2.5.11"}, FALSE},
    {{"name", "Cyrus IMAPD", "version", "2.5.11.1"}, FALSE},
    {{"name", "Cyrus IMAPD", "version", "2.10.1"}, FALSE},
    {{"name", "Cyrus IMAPD", "version", "3.6.1-Debian-3.6.1-4+deb12u3"}, FALSE},
    {{"name", "Cyrus IMAPD", "version", "git"}, FALSE},
    {{"name", "Cyrus IMAPD", "version", "99999999999999999999999.1"}, FALSE},
    {{"name", "Cyrus IMAPD", "version", ""}, FALSE},
    {{"name", "Cyrus IMAPD"}, FALSE},
    {{"name", "Cyrus IMAPD", "version"}, FALSE},
    {{"name", "Dovecot", "version", "2.3.19"}, FALSE},
    {{"vendor", "Cyrus", "version", "2.4.17"}, FALSE},
    {{NULL}, FALSE},
};

START_TEST(test_id) {
  ImapQuirks quirks = imap_quirks_of_id(ids[_i].id);
  ck_assert_msg(imap_quirks_hide(quirks, "LIST-EXTENDED") == ids[_i].hidden, "row %d", _i);
  ck_assert(!imap_quirks_hide(quirks, "QRESYNC"));
}
END_TEST

static void collect(const char *domain, GLogLevelFlags level, const char *message, gpointer data) {
  ck_assert_str_eq(domain, "imap");
  ck_assert_int_eq(level, G_LOG_LEVEL_INFO);
  g_string_append_printf(data, "%s\n", message);
}

START_TEST(test_log) {
  g_autoptr(GString) lines = g_string_new(NULL);
  g_log_set_default_handler(collect, lines);
  imap_quirks_log(0, "a");
  ck_assert_str_eq(lines->str, "");
  imap_quirks_log(imap_quirks_of_host("imap.mail.me.com"), "a");
  ck_assert(g_str_has_prefix(lines->str, "QRESYNC is not used: a "));
  ck_assert_ptr_nonnull(strstr(lines->str, "\nESEARCH is not used: a "));
  ck_assert(imap_quirks_of_id(NULL) == 0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("quirks");
  TCase *tc = tcase_create("all");
  tcase_add_loop_test(tc, test_host, 0, G_N_ELEMENTS(hosts));
  tcase_add_loop_test(tc, test_greeting, 0, G_N_ELEMENTS(greetings));
  tcase_add_loop_test(tc, test_id, 0, G_N_ELEMENTS(ids));
  tcase_add_test(tc, test_log);
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
