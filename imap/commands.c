/* SPDX-License-Identifier: MIT */
/*
 * The commands that are one question and one answer. Each is a straight line: encode, run, collect the
 * untagged responses that belong to it. What a server may leave out or say twice is tolerated where the
 * last word is clear, and is an error where guessing could make mail disappear.
 */
#include <string.h>

#include "imap/conn.h"
#include "imap/limits.h"

void imap_mailbox_clear(ImapMailbox *mailbox) {
  g_clear_pointer(&mailbox->mailboxid, g_free);
  *mailbox = (ImapMailbox){0};
}

void imap_status_clear(ImapStatus *status) {
  g_clear_pointer(&status->name, g_free);
  *status = (ImapStatus){0};
}

void imap_namespace_clear(ImapNamespace *ns) {
  g_clear_pointer(&ns->prefix, g_free);
  *ns = (ImapNamespace){0};
}

/* ---- the selected mailbox ---------------------------------------------------------------------- */

static gboolean opening_event(ImapEvent *event, gpointer data, G_GNUC_UNUSED GError **error) {
  ImapMailbox *mailbox = data;
  guint32 number = (guint32)MIN(event->number, G_MAXUINT32);
  /* Zimbra sends several EXISTS while it opens a mailbox; the last one counts (Q14). */
  if (event->type == IMAP_EVENT_EXISTS)
    mailbox->exists = number;
  if (event->type != IMAP_EVENT_STATUS)
    return TRUE;
  if (event->code == IMAP_CODE_UIDNEXT)
    mailbox->uidnext = number;
  else if (event->code == IMAP_CODE_UIDVALIDITY)
    mailbox->uidvalidity = number;
  else if (event->code == IMAP_CODE_HIGHESTMODSEQ)
    mailbox->modseq = event->number;
  else if (event->code == IMAP_CODE_UIDNOTSTICKY)
    mailbox->sticky = FALSE;
  else if (event->code == IMAP_CODE_READ_ONLY)
    mailbox->read_only = TRUE;
  else if (event->code == IMAP_CODE_MAILBOXID && mailbox->mailboxid == NULL)
    mailbox->mailboxid = g_strdup(event->text);
  return TRUE;
}

static void deselect(ImapConn *conn) {
  g_clear_pointer(&conn->selected, g_free);
  imap_mailbox_clear(&conn->opening);
}

static ImapEncoder *open_command(ImapConn *conn, const char *mailbox, gboolean examine) {
  ImapEncoder *encoder = imap_conn_command(conn);
  imap_encoder_raw(encoder, examine ? "EXAMINE " : "SELECT ");
  imap_encoder_string(encoder, mailbox, strlen(mailbox));
  /* RFC 3501 section 6.3.1: a failed SELECT leaves nothing selected. */
  deselect(conn);
  return encoder;
}

/* Takes what `opening` holds. */
static void opened(ImapConn *conn, const char *mailbox, gboolean examine, ImapMailbox *opening, ImapEvent *final) {
  opening_event(final, opening, NULL);
  conn->selected = g_strdup(mailbox);
  conn->examined = examine;
  conn->opening = *opening;
  opening->mailboxid = NULL;
}

static gboolean open_mailbox(ImapConn *conn, const char *mailbox, gboolean examine, GCancellable *c, GError **error) {
  g_auto(ImapMailbox) opening = {.sticky = TRUE, .read_only = examine};
  g_auto(ImapEvent) final = {0};
  if (!imap_conn_run(conn, open_command(conn, mailbox, examine), opening_event, &opening, &final, c, error))
    return FALSE;
  opened(conn, mailbox, examine, &opening, &final);
  return TRUE;
}

static gboolean is_open(const ImapConn *conn, const char *mailbox, gboolean examine) {
  return !conn->failed && g_strcmp0(conn->selected, mailbox) == 0 && conn->examined == examine;
}

gboolean imap_examine(ImapConn *conn, const char *mailbox, gboolean examine, ImapMailbox *ret, GCancellable *c,
                      GError **error) {
  if (!is_open(conn, mailbox, examine) && !open_mailbox(conn, mailbox, examine, c, error))
    return FALSE;
  if (ret != NULL) {
    *ret = conn->opening;
    ret->mailboxid = g_strdup(conn->opening.mailboxid);
  }
  return TRUE;
}

const char *imap_selected(ImapConn *conn) {
  return conn->selected;
}

gboolean imap_unselect(ImapConn *conn, GCancellable *c, GError **error) {
  if (conn->selected == NULL)
    return TRUE;
  deselect(conn);
  /* Without UNSELECT only the next EXAMINE leaves it, and until then Courier answers STATUS from what the session
   * saw last: NOOP brings that up to date. */
  return imap_conn_simple(conn, imap_conn_has(conn, "UNSELECT") ? "UNSELECT" : "NOOP", NULL, NULL, c, error);
}

typedef struct {
  const char *capability;
  gboolean enabled;
} Enabling;

static gboolean enable_event(ImapEvent *event, gpointer data, G_GNUC_UNUSED GError **error) {
  Enabling *enabling = data;
  for (char **word = event->words; event->type == IMAP_EVENT_ENABLED && word != NULL && *word != NULL; word++)
    enabling->enabled = enabling->enabled || g_ascii_strcasecmp(*word, enabling->capability) == 0;
  return TRUE;
}

gboolean imap_enable(ImapConn *conn, const char *capability, gboolean *ret_enabled, GCancellable *c, GError **error) {
  Enabling enabling = {.capability = capability};
  g_autoptr(GError) refusal = NULL;
  g_autofree char *command = g_strconcat("ENABLE ", capability, NULL);
  *ret_enabled = FALSE;
  if (!imap_conn_has(conn, "ENABLE") || !imap_conn_has(conn, capability))
    return TRUE;
  gboolean done = imap_conn_simple(conn, command, enable_event, &enabling, c, &refusal);
  *ret_enabled = done && enabling.enabled;
  if (done || !conn->failed)
    return TRUE;
  g_propagate_error(error, g_steal_pointer(&refusal));
  return FALSE;
}

gboolean imap_noop(ImapConn *conn, GCancellable *c, GError **error) {
  return imap_conn_simple(conn, "NOOP", NULL, NULL, c, error);
}

/* ---- UIDs --------------------------------------------------------------------------------------- */

#define SEARCH_SPAN 100000u /* UIDs: 1.1 MB of answer at most */
#define SEARCH_SPANS 256

typedef struct {
  ImapSeqset *uids;
  gboolean answered;
} Search;

static gboolean search_event(ImapEvent *event, gpointer data, G_GNUC_UNUSED GError **error) {
  Search *search = data;
  if (event->type != IMAP_EVENT_SEARCH)
    return TRUE;
  search->answered = TRUE;
  gsize n = 0;
  const ImapRange *ranges = event->uids != NULL ? imap_seqset_ranges(event->uids, &n) : NULL;
  for (gsize i = 0; i < n; i++)
    imap_seqset_add(search->uids, ranges[i].first, ranges[i].last);
  return TRUE;
}

/* FALSE also where the server said OK and named no set. */
static gboolean search(ImapConn *conn, const char *command, Search *into, GCancellable *c, GError **error) {
  into->answered = FALSE;
  if (!imap_conn_simple(conn, command, search_event, into, c, error))
    return FALSE;
  if (!into->answered && conn->opening.exists > 0)
    return imap_conn_lose(conn, error, IMAP_ERROR_PROTOCOL, "the server finished a search without an answer");
  return TRUE;
}

static gboolean uid_event(ImapEvent *event, gpointer data, G_GNUC_UNUSED GError **error) {
  Search *found = data;
  if (event->type == IMAP_EVENT_FETCH && (event->message.has & IMAP_HAS_UID) && event->message.uid > 0)
    imap_seqset_add(found->uids, event->message.uid, event->message.uid);
  return TRUE;
}

/* A SEARCH response names each UID in one line. What could outgrow IMAP_LIMIT_VALUES is asked for in spans of UIDs,
 * and where those would be many or unknown (Courier says no UIDNEXT) as one small response for each message. */
static gboolean search_parts(ImapConn *conn, Search *into, GCancellable *c, GError **error) {
  guint64 end = conn->opening.uidnext;
  if (end == 0 || end / SEARCH_SPAN > SEARCH_SPANS)
    return imap_conn_simple(conn, "UID FETCH 1:* (UID)", uid_event, into, c, error);
  for (guint64 first = 1; first < end; first += SEARCH_SPAN) {
    guint64 last = first + SEARCH_SPAN - 1;
    /* The last span also takes what came since the opening. */
    g_autofree char *command = last + 1 < end ? g_strdup_printf("UID SEARCH UID %u:%u", (guint)first, (guint)last)
                                              : g_strdup_printf("UID SEARCH UID %u:*", (guint)first);
    if (!search(conn, command, into, c, error))
      return FALSE;
  }
  return TRUE;
}

gboolean imap_uids(ImapConn *conn, ImapSeqset **ret, GCancellable *c, GError **error) {
  g_autoptr(ImapSeqset) uids = imap_seqset_new();
  Search into = {.uids = uids};
  /* Some announce ESEARCH and do not understand RETURN, or answer nothing to it (Q15). */
  if (imap_conn_has(conn, "ESEARCH")) {
    g_autoptr(GError) refusal = NULL;
    if (!imap_conn_simple(conn, "UID SEARCH RETURN (ALL) ALL", search_event, &into, c, &refusal) && conn->failed) {
      g_propagate_error(error, g_steal_pointer(&refusal));
      return FALSE;
    }
  }
  if (!into.answered && !(conn->opening.exists > SEARCH_SPAN ? search_parts(conn, &into, c, error)
                                                             : search(conn, "UID SEARCH ALL", &into, c, error)))
    return FALSE;
  *ret = g_steal_pointer(&uids);
  return TRUE;
}

static gboolean send_both(ImapConn *conn, const char *mailbox, gboolean examine, guint tags[2], GCancellable *c,
                          GError **error) {
  g_auto(ImapEvent) early = {0};
  gboolean is_early;
  ImapEncoder *open = open_command(conn, mailbox, examine);
  tags[0] = conn->tag;
  if (!imap_conn_send(conn, open, &early, &is_early, c, error))
    return FALSE;
  if (is_early) {
    g_propagate_error(error, imap_conn_refusal(conn, &early));
    return FALSE;
  }
  ImapEncoder *search = imap_conn_command(conn);
  imap_encoder_raw(search, "UID SEARCH RETURN (ALL) ALL");
  tags[1] = conn->tag;
  return imap_conn_send(conn, search, &early, &is_early, c, error);
}

gboolean imap_examine_uids(ImapConn *conn, const char *mailbox, gboolean examine, ImapMailbox *ret,
                           ImapSeqset **ret_uids, GCancellable *c, GError **error) {
  if (is_open(conn, mailbox, examine) || !imap_conn_has(conn, "ESEARCH"))
    return imap_examine(conn, mailbox, examine, ret, c, error) && imap_uids(conn, ret_uids, c, error);
  g_auto(ImapMailbox) opening = {.sticky = TRUE, .read_only = examine};
  g_auto(ImapEvent) final = {0};
  g_autoptr(ImapSeqset) uids = imap_seqset_new();
  Search search = {.uids = uids};
  guint tags[2], bads = conn->bads;
  if (!send_both(conn, mailbox, examine, tags, c, error))
    return FALSE;
  gboolean ok = imap_conn_await(conn, tags[0], opening_event, &opening, &final, c, error);
  if (!ok && conn->failed)
    return FALSE;
  gboolean found = imap_conn_await(conn, tags[1], search_event, &search, NULL, c, NULL) && search.answered;
  if (!ok) {
    conn->bads = bads; /* a search without a mailbox is our doing */
    return FALSE;
  }
  opened(conn, mailbox, examine, &opening, &final);
  if (!imap_examine(conn, mailbox, examine, ret, c, error))
    return FALSE;
  if (!found)
    return imap_uids(conn, ret_uids, c, error);
  *ret_uids = g_steal_pointer(&uids);
  return TRUE;
}

/* ---- STATUS and NAMESPACE ------------------------------------------------------------------------- */

static const char *status_items(ImapConn *conn) {
  return imap_conn_has(conn, "CONDSTORE") || imap_conn_has(conn, "QRESYNC")
             ? "(MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)"
             : "(MESSAGES UIDNEXT UIDVALIDITY)";
}

static void take_status(ImapStatus *to, ImapStatus *from) {
  imap_status_clear(to);
  *to = *from;
  *from = (ImapStatus){0};
}

static gboolean status_event(ImapEvent *event, gpointer data, G_GNUC_UNUSED GError **error) {
  if (event->type == IMAP_EVENT_MAILBOX_STATUS)
    take_status(data, &event->status);
  return TRUE;
}

gboolean imap_status(ImapConn *conn, const char *mailbox, ImapStatus *ret, GCancellable *c, GError **error) {
  g_auto(ImapStatus) status = {0};
  ImapEncoder *encoder = imap_conn_command(conn);
  imap_encoder_raw(encoder, "STATUS ");
  imap_encoder_string(encoder, mailbox, strlen(mailbox));
  imap_encoder_raw(encoder, " ");
  imap_encoder_raw(encoder, status_items(conn));
  if (!imap_conn_run(conn, encoder, status_event, &status, NULL, c, error))
    return FALSE;
  *ret = status;
  status = (ImapStatus){0};
  if (ret->name == NULL)
    ret->name = g_strdup(mailbox);
  return TRUE;
}

static gboolean namespace_event(ImapEvent *event, gpointer data, G_GNUC_UNUSED GError **error) {
  if (event->type == IMAP_EVENT_NAMESPACE) {
    imap_namespace_clear(data);
    *(ImapNamespace *)data = event->personal;
    event->personal = (ImapNamespace){0};
  }
  return TRUE;
}

gboolean imap_namespace(ImapConn *conn, ImapNamespace *ret, GCancellable *c, GError **error) {
  *ret = (ImapNamespace){0};
  if (imap_conn_has(conn, "NAMESPACE") && !imap_conn_simple(conn, "NAMESPACE", namespace_event, ret, c, error)) {
    imap_namespace_clear(ret);
    return FALSE;
  }
  if (ret->prefix == NULL)
    ret->prefix = g_strdup("");
  return TRUE;
}

/* ---- LIST ------------------------------------------------------------------------------------------ */

typedef struct {
  GPtrArray *listings; /* ImapListing * in the server's order */
  GHashTable *names;   /* of them; keys belong to the listings */
  GHashTable *status;  /* name to ImapStatus *, or NULL */
  gboolean refused;    /* the extended form was BAD: the plain one is tried */
} List;

static void status_free(gpointer data) {
  imap_status_clear(data);
  g_free(data);
}

static List list_new(gboolean with_status) {
  return (List){
      .listings = g_ptr_array_new_with_free_func((GDestroyNotify)imap_listing_free),
      .names = g_hash_table_new(g_str_hash, g_str_equal),
      .status = with_status ? g_hash_table_new_full(g_str_hash, g_str_equal, NULL, status_free) : NULL,
  };
}

static void list_clear(List *list) {
  g_clear_pointer(&list->names, g_hash_table_unref);
  g_clear_pointer(&list->status, g_hash_table_unref);
  g_clear_pointer(&list->listings, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(List, list_clear)

static ImapListing *list_add(List *list, const char *name, char delimiter, guint attrs) {
  ImapListing *listing = g_new0(ImapListing, 1);
  *listing = (ImapListing){.name = g_strdup(name), .delimiter = delimiter, .attrs = attrs};
  g_ptr_array_add(list->listings, listing);
  g_hash_table_insert(list->names, listing->name, listing);
  return listing;
}

static gboolean list_event(ImapEvent *event, gpointer data, GError **error) {
  List *list = data;
  if (event->type == IMAP_EVENT_MAILBOX_STATUS && list->status != NULL && event->status.name != NULL) {
    ImapStatus *status = g_new0(ImapStatus, 1);
    take_status(status, &event->status);
    g_hash_table_replace(list->status, status->name, status);
  }
  if (event->type != IMAP_EVENT_LIST || event->listing.name == NULL)
    return TRUE;
  ImapListing *known = g_hash_table_lookup(list->names, event->listing.name);
  if (known != NULL)
    known->attrs |= event->listing.attrs;
  else if (list->listings->len < IMAP_LIMIT_MAILBOXES)
    list_add(list, event->listing.name, event->listing.delimiter, event->listing.attrs);
  else {
    g_set_error(error, IMAP_ERROR, IMAP_ERROR_LIMIT, "the server lists more than %u folders", IMAP_LIMIT_MAILBOXES);
    return FALSE;
  }
  return TRUE;
}

/* INBOX exists whether LIST shows it or not (Q30), in whatever spelling. */
static void list_add_inbox(List *list) {
  char delimiter = 0;
  for (guint i = 0; i < list->listings->len; i++) {
    ImapListing *listing = g_ptr_array_index(list->listings, i);
    if (g_ascii_strcasecmp(listing->name, "INBOX") == 0)
      return;
    if (delimiter == 0)
      delimiter = listing->delimiter;
  }
  list_add(list, "INBOX", delimiter, 0);
}

/* Keeps those of `list` that LSUB named too. */
static void list_keep_subscribed(List *list, const List *subscribed) {
  for (guint i = list->listings->len; i-- > 0;) {
    ImapListing *listing = g_ptr_array_index(list->listings, i);
    if (g_hash_table_contains(subscribed->names, listing->name)) {
      listing->attrs |= IMAP_ATTR_SUBSCRIBED;
    } else if (g_ascii_strcasecmp(listing->name, "INBOX") != 0) {
      g_hash_table_remove(list->names, listing->name);
      g_ptr_array_remove_index(list->listings, i);
    }
  }
}

static char *extended_command(ImapConn *conn, gboolean subscribed, gboolean with_status) {
  g_autoptr(GString) returns = g_string_new("SUBSCRIBED");
  if (imap_conn_has(conn, "SPECIAL-USE"))
    g_string_append(returns, " SPECIAL-USE");
  if (with_status)
    g_string_append_printf(returns, " STATUS %s", status_items(conn));
  return g_strdup_printf("LIST %s\"\" \"*\" RETURN (%s)", subscribed ? "(SUBSCRIBED) " : "", returns->str);
}

/* LIST-EXTENDED is broken in old Cyrus: BAD leads to the plain form. */
static gboolean list_extended(ImapConn *conn, List *list, gboolean subscribed, GCancellable *c, GError **error) {
  g_autofree char *command = extended_command(conn, subscribed, list->status != NULL);
  g_autoptr(GError) refusal = NULL;
  if (imap_conn_simple(conn, command, list_event, list, c, &refusal))
    return TRUE;
  list->refused = !conn->failed && refusal->code == IMAP_ERROR_PROTOCOL;
  if (!list->refused)
    g_propagate_error(error, g_steal_pointer(&refusal));
  return FALSE;
}

static gboolean list_plain(ImapConn *conn, List *list, gboolean subscribed, GCancellable *c, GError **error) {
  if (!imap_conn_simple(conn, "LIST \"\" \"*\"", list_event, list, c, error))
    return FALSE;
  if (!subscribed)
    return TRUE;
  g_auto(List) lsub = list_new(FALSE);
  if (!imap_conn_simple(conn, "LSUB \"\" \"*\"", list_event, &lsub, c, error))
    return FALSE;
  list_keep_subscribed(list, &lsub);
  return TRUE;
}

gboolean imap_list(ImapConn *conn, gboolean subscribed, GPtrArray **ret, GHashTable **ret_status, GCancellable *c,
                   GError **error) {
  gboolean extended = imap_conn_has(conn, "LIST-EXTENDED");
  g_auto(List) list = list_new(extended && ret_status != NULL && imap_conn_has(conn, "LIST-STATUS"));
  gboolean done = extended && list_extended(conn, &list, subscribed, c, error);
  if (extended && !done && list.refused) {
    list_clear(&list);
    list = list_new(FALSE);
    extended = FALSE;
  }
  if (!extended)
    done = list_plain(conn, &list, subscribed, c, error);
  if (!done)
    return FALSE;
  list_add_inbox(&list);
  *ret = g_steal_pointer(&list.listings);
  if (ret_status != NULL)
    *ret_status = g_steal_pointer(&list.status);
  return TRUE;
}
