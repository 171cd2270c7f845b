/* SPDX-License-Identifier: MIT */
#include "imap/date.h"

#include <string.h>

#include "imap/response.h"

/*
 * date-time of RFC 9051. Servers pad the day with a blank, a zero or nothing (Courier), and send
 * dates that never were (00-Jan-0000: Domino, MK#1236). None of that may cost the whole response, so
 * there is no error, only an unknown date. 30-Dec-1899 (IceWarp) is valid; whether it is sane is not
 * decided here. Calculated without the C library, whose functions depend on zone and locale.
 */
typedef struct {
  const char *at, *end;
} Text;

static gboolean take_number(Text *text, int min_digits, int max_digits, int *ret) {
  int n = 0, digits = 0;
  while (digits < max_digits && text->at < text->end && g_ascii_isdigit(*text->at)) {
    n = n * 10 + (*text->at++ - '0');
    digits++;
  }
  *ret = n;
  return digits >= min_digits;
}

static gboolean take_char(Text *text, char c) {
  if (text->at == text->end || *text->at != c)
    return FALSE;
  text->at++;
  return TRUE;
}

static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

static gboolean take_month(Text *text, int *ret) {
  if (text->end - text->at < 3)
    return FALSE;
  for (int i = 0; i < 12; i++) {
    if (g_ascii_strncasecmp(text->at, names + 3 * i, 3) == 0) {
      text->at += 3;
      *ret = i + 1;
      return TRUE;
    }
  }
  return FALSE;
}

static gboolean take_zone(Text *text, int *ret_minutes) {
  gboolean west = text->at < text->end && *text->at == '-';
  int zone;
  if (!take_char(text, west ? '-' : '+') || !take_number(text, 4, 4, &zone) || zone % 100 > 59 || zone > 2359)
    return FALSE;
  *ret_minutes = (zone / 100 * 60 + zone % 100) * (west ? -1 : 1);
  return TRUE;
}

/* Days since 1970-01-01 in the Gregorian calendar: years begin in March, so that the leap day is last. */
static gint64 days_since_1970(int year, int month, int day) {
  gint64 y = year - (month <= 2);
  gint64 of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return y * 365 + y / 4 - y / 100 + y / 400 + of_year - 719468;
}

gint64 imap_date_parse(const char *data, gsize len) {
  Text text = {data, data + len};
  while (take_char(&text, ' '))
    ;
  int day, month, year, hour, minute, second, zone;
  if (!take_number(&text, 1, 2, &day) || !take_char(&text, '-') || !take_month(&text, &month) ||
      !take_char(&text, '-') || !take_number(&text, 4, 4, &year) || !take_char(&text, ' ') ||
      !take_number(&text, 2, 2, &hour) || !take_char(&text, ':') || !take_number(&text, 2, 2, &minute) ||
      !take_char(&text, ':') || !take_number(&text, 2, 2, &second) || !take_char(&text, ' ') ||
      !take_zone(&text, &zone) || text.at != text.end)
    return IMAP_UNKNOWN_DATE;
  if (year == 0 || day == 0 || day > g_date_get_days_in_month((GDateMonth)month, (GDateYear)year) || hour > 23 ||
      minute > 59 || second > 60)
    return IMAP_UNKNOWN_DATE;
  return ((days_since_1970(year, month, day) * 24 + hour) * 60 + minute - zone) * 60 + second;
}

char *imap_date_format(gint64 seconds) {
  g_autoptr(GDateTime) date = g_date_time_new_from_unix_utc(seconds);
  if (!date)
    return NULL;
  return g_strdup_printf("%02d-%.3s-%04d %02d:%02d:%02d +0000", g_date_time_get_day_of_month(date),
                         names + 3 * (g_date_time_get_month(date) - 1), g_date_time_get_year(date),
                         g_date_time_get_hour(date), g_date_time_get_minute(date), g_date_time_get_second(date));
}
