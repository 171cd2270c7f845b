/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>

#include "imap/date.h"
#include "imap/response.h"
#include "tests/suite.h"

static const struct {
  const char *text;
  gint64 seconds;
} cases[] = {
    {"17-Jul-1996 02:44:25 -0700", 837596665}, /* RFC 9051 section 8 */
    {"01-Jan-1970 00:00:00 +0000", 0},
    {" 1-Jan-1970 00:00:00 +0000", 0}, /* date-day-fixed; Courier (S15) */
    {"1-Jan-1970 00:00:01 +0000", 1},
    {"  1-Jan-1970 00:00:01 +0000", 1},
    {"01-JAN-1970 01:00:00 +0100", 0},
    {"31-Dec-1969 23:59:59 +0000", -1},
    {"30-Dec-1899 00:00:00 +0000", -2209161600}, /* IceWarp */
    {"01-Jan-0001 00:00:00 +0000", -62135596800},
    {"29-Feb-2000 12:00:00 +0000", 951825600},
    {"29-Feb-2024 12:00:00 +0000", 1709208000},
    {"01-Mar-2024 00:00:00 +0000", 1709251200},
    {"19-Jan-2038 03:14:08 +0000", 2147483648},
    {"31-Dec-9999 23:59:59 +0000", 253402300799},
    {"30-Jun-2012 23:59:60 +0000", 1341100800}, /* leap second */
    {"21-Nov-2026 12:00:00 -0000", 1795262400},
    {"21-Nov-2026 12:00:00 +0530", 1795242600},
    {"21-Nov-2026 12:00:00 -1200", 1795305600},
    {"00-Jan-0000 00:00:00 +0000", IMAP_UNKNOWN_DATE}, /* Domino */
    {"01-Jan-0000 00:00:00 +0000", IMAP_UNKNOWN_DATE},
    {"00-Jan-2000 00:00:00 +0000", IMAP_UNKNOWN_DATE},
    {"32-Jan-2000 00:00:00 +0000", IMAP_UNKNOWN_DATE},
    {"29-Feb-2023 00:00:00 +0000", IMAP_UNKNOWN_DATE},
    {"29-Feb-1900 00:00:00 +0000", IMAP_UNKNOWN_DATE},
    {"31-Apr-2000 00:00:00 +0000", IMAP_UNKNOWN_DATE},
    {"01-Foo-2000 00:00:00 +0000", IMAP_UNKNOWN_DATE},
    {"01-Jan-2000 24:00:00 +0000", IMAP_UNKNOWN_DATE},
    {"01-Jan-2000 00:60:00 +0000", IMAP_UNKNOWN_DATE},
    {"01-Jan-2000 00:00:61 +0000", IMAP_UNKNOWN_DATE},
    {"01-Jan-2000 00:00:00 +2400", IMAP_UNKNOWN_DATE},
    {"01-Jan-2000 00:00:00 +0060", IMAP_UNKNOWN_DATE},
    {"01-Jan-2000 00:00:00 0000", IMAP_UNKNOWN_DATE},
    {"01-Jan-2000 00:00:00", IMAP_UNKNOWN_DATE},
    {"01-Jan-2000 00:00:00 +0000 ", IMAP_UNKNOWN_DATE},
    {"01-Jan-20000 00:00:00 +0000", IMAP_UNKNOWN_DATE},
    {"2000-01-01T00:00:00Z", IMAP_UNKNOWN_DATE},
    {"-1-Jan-2000 00:00:00 +0000", IMAP_UNKNOWN_DATE},
    {"", IMAP_UNKNOWN_DATE},
    {"   ", IMAP_UNKNOWN_DATE},
};

START_TEST(parse) {
  gint64 got = imap_date_parse(cases[_i].text, strlen(cases[_i].text));
  ck_assert_msg(got == cases[_i].seconds, "row %d: %s is %" G_GINT64_FORMAT, _i, cases[_i].text, got);
}
END_TEST

static const struct {
  gint64 seconds;
  const char *text;
} formats[] = {
    {837596665, "17-Jul-1996 09:44:25 +0000"},
    {0, "01-Jan-1970 00:00:00 +0000"},
    {-1, "31-Dec-1969 23:59:59 +0000"},
    {2147483648, "19-Jan-2038 03:14:08 +0000"},
    {-62135596800, "01-Jan-0001 00:00:00 +0000"},
    {253402300799, "31-Dec-9999 23:59:59 +0000"},
    {-62135596801, NULL},
    {253402300800, NULL},
    {IMAP_UNKNOWN_DATE, NULL},
    {G_MAXINT64, NULL},
};

START_TEST(format) {
  g_autofree char *text = imap_date_format(formats[_i].seconds);
  ck_assert_msg(g_strcmp0(text, formats[_i].text) == 0, "row %d: %s", _i, text);
  ck_assert(text == NULL || imap_date_parse(text, strlen(text)) == formats[_i].seconds);
}
END_TEST

/* A date cut short is no date, and nothing beyond its end is read. */
START_TEST(cut) {
  static const char date[] = "17-Jul-1996 02:44:25 -0700";
  for (gsize len = 0; len < strlen(date); len++) {
    g_autofree char *copy = g_memdup2(date, MAX(len, 1));
    ck_assert_int_eq(imap_date_parse(copy, len), IMAP_UNKNOWN_DATE);
  }
}
END_TEST

/* Every day from 1600 to 2400 against GLib's calendar. */
START_TEST(calendar) {
  GDate date;
  g_date_clear(&date, 1);
  g_date_set_dmy(&date, 1, G_DATE_JANUARY, 1970);
  guint32 epoch = g_date_get_julian(&date);
  g_date_set_dmy(&date, 1, G_DATE_JANUARY, 1600);
  for (int i = 0; i < 800 * 365; i++, g_date_add_days(&date, 1)) {
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    char text[64];
    int len = g_snprintf(text, sizeof text, "%2d-%s-%04d 00:00:00 +0000", g_date_get_day(&date),
                         months[g_date_get_month(&date) - 1], g_date_get_year(&date));
    gint64 expected = ((gint64)g_date_get_julian(&date) - epoch) * 86400;
    ck_assert_msg(imap_date_parse(text, (gsize)len) == expected, "%s", text);
  }
}
END_TEST

int main(void) {
  TCase *tcase = tcase_create("date");
  tcase_add_loop_test(tcase, parse, 0, G_N_ELEMENTS(cases));
  tcase_add_loop_test(tcase, format, 0, G_N_ELEMENTS(formats));
  tcase_add_test(tcase, cut);
  tcase_add_test(tcase, calendar);
  Suite *suite = suite_create("date");
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
