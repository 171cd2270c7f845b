/* SPDX-License-Identifier: MIT */
/*
 * The commands that are one question and one answer. Each is a straight line: encode, run, collect the
 * untagged responses that belong to it. What a server may leave out or say twice is tolerated where the
 * last word is clear, and is an error where guessing could make mail disappear.
 */
#include <string.h>

#include "imap/conn.h"
#include "imap/limits.h"

void imap_status_clear(ImapStatus *status) {
  g_clear_pointer(&status->name, g_free);
  *status = (ImapStatus){0};
}

void imap_namespace_clear(ImapNamespace *ns) {
  g_clear_pointer(&ns->prefix, g_free);
  *ns = (ImapNamespace){0};
}

gboolean imap_noop(ImapConn *conn, GCancellable *c, GError **error) {
  return imap_conn_simple(conn, "NOOP", NULL, NULL, c, error);
}

/* ---- STATUS and NAMESPACE ------------------------------------------------------------------------- */

static const char *status_items(ImapConn *conn) {
  return imap_conn_has(conn, "CONDSTORE") ? "(MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)"
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
  /* Each time: the session hears of nothing else (see imap_unselect). */
  if (g_strcmp0(conn->left, mailbox) == 0 && !imap_noop(conn, c, error))
    return FALSE;
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
  if (event->type == IMAP_EVENT_MAILBOX_STATUS && list->status != NULL &&
      g_hash_table_size(list->status) < IMAP_LIMIT_MAILBOXES) {
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

/* INBOX exists whether LIST shows it or not, in whatever spelling. */
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

gboolean imap_exists(ImapConn *conn, const char *mailbox, gboolean *ret_exists, GCancellable *c, GError **error) {
  g_auto(List) list = list_new(FALSE);
  ImapEncoder *encoder = imap_conn_command(conn);
  imap_encoder_raw(encoder, "LIST \"\" ");
  imap_encoder_string(encoder, mailbox, strlen(mailbox)); /* wildcards in it find others as well */
  if (!imap_conn_run(conn, encoder, list_event, &list, NULL, c, error))
    return FALSE;
  const ImapListing *listing = g_hash_table_lookup(list.names, mailbox);
  *ret_exists = listing && !(listing->attrs & IMAP_ATTR_NOSELECT);
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
