/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "imap/error.h"
#include "imap/limits.h"
#include "imap/response_read.h"

/*
 * LIST, LSUB, STATUS and NAMESPACE. A name is the server's octets, whatever they are: NIL, empty,
 * with controls (Exchange), with a delimiter of its own. It is its mailbox's identity
 * and is sent back as it came.
 */
static char *read_name(const ImapValue *value, GError **error) {
  g_autofree char *name = value ? imap_value_dup_astring(value) : NULL;
  if (!name) {
    imap_read_fail(error, "a mailbox without a name");
    return NULL;
  }
  if (strlen(name) > IMAP_LIMIT_MAILBOX_NAME) {
    g_set_error(error, IMAP_ERROR, IMAP_ERROR_LIMIT, "the server has a mailbox name longer than %d octets",
                IMAP_LIMIT_MAILBOX_NAME);
    return NULL;
  }
  return g_steal_pointer(&name);
}

/* One character in quotes, or NIL. */
static gboolean read_delimiter(const ImapValue *value, char *ret, GError **error) {
  *ret = '\0';
  if (value && imap_value_is(value, "NIL"))
    return TRUE;
  g_autofree char *text = value && imap_value_type(value) == IMAP_VALUE_QUOTED ? imap_value_dup_astring(value) : NULL;
  if (!text || strlen(text) > 1)
    return imap_read_fail(error, "a hierarchy delimiter that is none");
  *ret = text[0];
  return TRUE;
}

static guint read_attrs(ImapIter *list) {
  static const struct {
    const char *name;
    ImapAttrs attr;
  } attrs[] = {
      {"\\Noselect", IMAP_ATTR_NOSELECT},
      {"\\NonExistent", IMAP_ATTR_NOSELECT},
      {"\\Noinferiors", IMAP_ATTR_NOINFERIORS},
      {"\\Subscribed", IMAP_ATTR_SUBSCRIBED},
      {"\\All", IMAP_ATTR_ALL},
      {"\\Archive", IMAP_ATTR_ARCHIVE},
      {"\\Drafts", IMAP_ATTR_DRAFTS},
      {"\\Flagged", IMAP_ATTR_FLAGGED},
      {"\\Junk", IMAP_ATTR_JUNK},
      {"\\Sent", IMAP_ATTR_SENT},
      {"\\Trash", IMAP_ATTR_TRASH},
  };
  guint set = 0;
  for (const ImapValue *value; (value = imap_iter_next(list));) {
    for (guint i = 0; i < G_N_ELEMENTS(attrs); i++)
      set |= imap_value_is(value, attrs[i].name) ? attrs[i].attr : 0;
  }
  return set;
}

/* What RFC 5258 allows after the name: (tag value tag value ...). OLDNAME's value is a list of one name. All of it is
 * a courtesy, so what cannot be read is as if it were not there. */
static void read_extended(const ImapValue *value, ImapListing *listing) {
  ImapIter items, names;
  if (!value || !imap_value_list(value, &items))
    return;
  for (const ImapValue *tag, *data; (tag = imap_iter_next(&items)) && (data = imap_iter_next(&items));) {
    g_autofree char *name = imap_value_dup_astring(tag);
    if (name == NULL || g_ascii_strcasecmp(name, "OLDNAME") != 0 || !imap_value_list(data, &names))
      continue;
    g_free(listing->oldname);
    listing->oldname = read_name(imap_iter_next(&names), NULL);
  }
}

/* One name that nobody can hold must not take all others along: it goes unheard. */
static gboolean pass_over(ImapEvent *event, GError *failure, GError **error) {
  if (!g_error_matches(failure, IMAP_ERROR, IMAP_ERROR_LIMIT)) {
    g_propagate_error(error, failure);
    return FALSE;
  }
  g_info("a mailbox is not shown: %s", failure->message);
  g_error_free(failure);
  imap_event_clear(event);
  *event = (ImapEvent){.type = IMAP_EVENT_OTHER};
  return TRUE;
}

gboolean imap_read_list(ImapIter *args, ImapEvent *event, GError **error) {
  const ImapValue *first = imap_iter_next(args);
  ImapIter attrs;
  if (!first || !imap_value_list(first, &attrs))
    return imap_read_fail(error, "a LIST response without attributes");
  event->listing.attrs = read_attrs(&attrs);
  if (!read_delimiter(imap_iter_next(args), &event->listing.delimiter, error))
    return FALSE;
  GError *failure = NULL;
  event->listing.name = read_name(imap_iter_next(args), &failure);
  if (!event->listing.name)
    return pass_over(event, failure, error);
  read_extended(imap_iter_next(args), &event->listing);
  return TRUE;
}

gboolean imap_read_lsub(ImapIter *args, ImapEvent *event, GError **error) {
  if (!imap_read_list(args, event, error))
    return FALSE;
  event->listing.attrs |= IMAP_ATTR_SUBSCRIBED;
  return TRUE;
}

/* Zero is no UIDNEXT, no UIDVALIDITY (163.com, ME#52, MK#1010) and no HIGHESTMODSEQ (Purelymail): as if it were not
 * there. */
static void read_status_item(const ImapValue *name, const ImapValue *value, ImapStatus *status) {
  guint64 n;
  if (imap_value_is(name, "HIGHESTMODSEQ")) {
    status->has_modseq = imap_value_number(value, G_MAXINT64, &status->modseq) && status->modseq > 0;
    return;
  }
  if (imap_value_is(name, "APPENDLIMIT") && imap_value_number(value, G_MAXINT64, &n))
    status->appendlimit = n;
  if (!imap_value_number(value, G_MAXUINT32, &n))
    return;
  if (imap_value_is(name, "MESSAGES")) {
    status->messages = (guint32)n;
    status->has_messages = TRUE;
  } else if (imap_value_is(name, "UIDNEXT")) {
    status->uidnext = (guint32)n;
    status->has_uidnext = n > 0;
  } else if (imap_value_is(name, "UIDVALIDITY")) {
    status->uidvalidity = (guint32)n;
    status->has_uidvalidity = n > 0;
  }
}

gboolean imap_read_mailbox_status(ImapIter *args, ImapEvent *event, GError **error) {
  GError *failure = NULL;
  event->status.name = read_name(imap_iter_next(args), &failure);
  if (!event->status.name)
    return pass_over(event, failure, error);
  const ImapValue *items = imap_iter_next(args);
  ImapIter list;
  if (!items || !imap_value_list(items, &list))
    return imap_read_fail(error, "a STATUS response that is no list");
  for (const ImapValue *name, *value; (name = imap_iter_next(&list)) && (value = imap_iter_next(&list));)
    read_status_item(name, value, &event->status);
  return TRUE;
}

/* ((prefix delimiter ...) ...) or NIL: only the first of the personal ones counts. */
gboolean imap_read_namespace(ImapIter *args, ImapEvent *event, GError **error) {
  const ImapValue *personal = imap_iter_next(args);
  if (personal && imap_value_is(personal, "NIL"))
    return TRUE;
  ImapIter all, one;
  const ImapValue *first = NULL;
  if (!personal || !imap_value_list(personal, &all) || !(first = imap_iter_next(&all)) || !imap_value_list(first, &one))
    return imap_read_fail(error, "a NAMESPACE response that is no list");
  event->personal.prefix = read_name(imap_iter_next(&one), error);
  return event->personal.prefix && read_delimiter(imap_iter_next(&one), &event->personal.delimiter, error);
}

void imap_listing_free(ImapListing *listing) {
  if (!listing)
    return;
  g_free(listing->name);
  g_free(listing->oldname);
  g_free(listing);
}
