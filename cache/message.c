/* SPDX-License-Identifier: MIT */
/*
 * Dates. st_mtime is INTERNALDATE, or the first sane substitute: the Date field, else now; servers say 1899, 1970 and
 * month zero, and some change their mind at the next login, so what is decided here is kept for ever.
 * st_ctime is the later of that and of the moment the message entered a folder we already knew, so that an incremental
 * backup by ctime sees old mail that was moved in.
 */
#include "cache/message.h"

#include "cache/journal/words.h"
#include "cache/tree/names.h"

#define NS G_GINT64_CONSTANT(1000000000)
#define DAY (24 * 60 * 60)

#define CLOCK_SET G_GINT64_CONSTANT(1764547200) /* December 2025 */

/* 1970 itself is what broken servers say for "unknown"; tomorrow allows for time zones. A clock that was not set yet
 * (no battery, and mounted before NTP) is no judge: what is decided here is kept for ever. */
static gboolean date_is_sane(gint64 date, gint64 now) {
  return date >= 2 * DAY && (date <= now + DAY || now < CLOCK_SET);
}

static gint64 choose_date(const ImapMessage *fetched, const char *header, gsize len, gint64 now) {
  if ((fetched->has & IMAP_HAS_DATE) && date_is_sane(fetched->internaldate, now))
    return fetched->internaldate;
  gint64 date = header ? names_date(header, len) : G_MININT64;
  return date_is_sane(date, now) ? date : now;
}

void message_from_fetch(const ImapMessage *fetched, gint64 mailbox, gboolean names_uid, gint64 entered, gint64 now,
                        IndexMessage *ret) {
  gsize len = 0;
  const char *header = fetched->header ? g_bytes_get_data(fetched->header, &len) : NULL;
  gint64 date = choose_date(fetched, header, len, now);
  *ret = (IndexMessage){
      .mailbox = mailbox,
      .uid = fetched->uid,
      .flags = fetched->flags & ~(guint)IMAP_FLAG_RECENT,
      .keywords = words_join(fetched->keywords),
      .internaldate = date,
      .mtime = date * NS,
      .ctime = MAX(date, entered) * NS,
      .emailid = g_strdup(fetched->emailid),
      .claim = (fetched->has & IMAP_HAS_SIZE) ? fetched->size : IMAP_UNKNOWN_SIZE,
      .size = IMAP_UNKNOWN_SIZE,
  };
  if (header)
    names_fingerprint(header, len, ret->fingerprint);
  names_message(date, names_uid ? NULL : header, len, fetched->uid, ret->name);
}
