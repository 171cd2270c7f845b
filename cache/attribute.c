/* SPDX-License-Identifier: MIT */
/*
 * Extended attributes. What they say of flags is what the index shows: the server's, with what the journal will change.
 * They are read from the index each time and never kept, so a change by others shows as soon as it is heard of; where
 * nobody tells, to ask for them starts a look at the folder, and the next who asks knows.
 *
 * A change of flags is one row of the journal that holds the difference to what was shown. What the server would refuse
 * or forget is refused here: nothing is dropped in silence. A message that was rewritten while the kernel holds it is
 * known under two rows: the one that took its place speaks for both.
 */
#include "cache/attribute.h"

#include <string.h>

#include "cache/access.h"
#include "cache/attribute_flags.h"
#include "cache/error.h"
#include "cache/journal/journal.h"

typedef struct {
  guint flags;
  char *keywords;
} Flags;

static void flags_clear(Flags *flags) {
  g_clear_pointer(&flags->keywords, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Flags, flags_clear)

typedef struct Attribute Attribute;
struct Attribute {
  const char *name;
  CacheAnswer (*get)(Cache *cache, const IndexMessage *message, const Attribute *self, char **ret, GError **error);
  gboolean (*parse)(const Attribute *self, const char *value, gsize len, Flags *flags,
                    GError **error); /* NULL: fixed */
  guint flag;                        /* of one */
  const char *field;                 /* of the header */
};

/* ---- values ------------------------------------------------------------------------------------------------ */

CacheAnswer attribute_text(const char *text, char **ret) {
  if (!text)
    return CACHE_ABSENT;
  *ret = imap_clean_text(text, -1);
  return CACHE_READY;
}

CacheAnswer attribute_number(guint64 number, char **ret) {
  *ret = g_strdup_printf("%" G_GUINT64_FORMAT, number);
  return CACHE_READY;
}

/* A mailbox as people call it: its raw name, decoded. */
static CacheAnswer mailbox_name(const IndexMailbox *mailbox, char **ret) {
  if (!mailbox->raw)
    return CACHE_ABSENT;
  g_autofree char *decoded = imap_utf7_decode(mailbox->raw);
  return attribute_text(decoded ? decoded : mailbox->raw, ret);
}

CacheAnswer attribute_unsupported(GError **error) {
  g_set_error(error, CACHE_ERROR, CACHE_ERROR_UNSUPPORTED, "there is no such attribute");
  return CACHE_FAILED;
}

/* ---- of a message -------------------------------------------------------------------------------------------- */

static CacheAnswer get_flags(Cache *cache, const IndexMessage *message, const Attribute *self, char **ret,
                             GError **error) {
  g_auto(Flags) flags = {0};
  g_auto(IndexMailbox) mailbox = {0};
  if (!journal_flags(cache->account.index, message->row, &flags.flags, &flags.keywords, error))
    return cache_none_or_failed(error);
  if (message->uid != 0 && index_get_mailbox(cache->account.index, message->mailbox, &mailbox, NULL))
    sync_want_flags(cache->sync, &mailbox);
  if (self->flag != 0)
    return attribute_number((flags.flags & self->flag) ? 1 : 0, ret);
  *ret = attribute_flags_format(flags.flags, flags.keywords);
  return CACHE_READY;
}

static CacheAnswer get_uid(Cache *cache, const IndexMessage *message, const Attribute *self, char **ret,
                           GError **error) {
  (void)cache, (void)self, (void)error;
  return message->uid != 0 ? attribute_number(message->uid, ret) : CACHE_ABSENT;
}

/* Together with the UID; without one it would say nothing. */
static CacheAnswer get_uidvalidity(Cache *cache, const IndexMessage *message, const Attribute *self, char **ret,
                                   GError **error) {
  g_auto(IndexMailbox) mailbox = {0};
  (void)self;
  if (message->uid == 0 || !index_get_mailbox(cache->account.index, message->mailbox, &mailbox, error))
    return cache_none_or_failed(error);
  return attribute_number(mailbox.uidvalidity, ret);
}

/* Where the server has it, or is to have it: with uid and uidvalidity this is its address. */
static CacheAnswer get_mailbox(Cache *cache, const IndexMessage *message, const Attribute *self, char **ret,
                               GError **error) {
  g_auto(IndexMailbox) mailbox = {0};
  (void)self;
  if (!index_get_mailbox(cache->account.index, message->mailbox, &mailbox, error))
    return cache_none_or_failed(error);
  return mailbox_name(&mailbox, ret);
}

static CacheAnswer get_size(Cache *cache, const IndexMessage *message, const Attribute *self, char **ret,
                            GError **error) {
  guint64 size = message->size != IMAP_UNKNOWN_SIZE ? message->size : message->claim;
  (void)cache, (void)self, (void)error;
  return size != IMAP_UNKNOWN_SIZE ? attribute_number(size, ret) : CACHE_ABSENT;
}

static CacheAnswer get_field(Cache *cache, const IndexMessage *message, const Attribute *self, char **ret,
                             GError **error) {
  return attribute_header_field(cache, message->row, self->field, ret, error);
}

/* Why it is in lost+found, or why it stays local. */
static CacheAnswer get_error(Cache *cache, const IndexMessage *message, const Attribute *self, char **ret,
                             GError **error) {
  g_auto(JournalNew) entry = {0};
  (void)self;
  if (!journal_get_new(cache->account.index, message->row, &entry, error))
    return cache_none_or_failed(error);
  return attribute_text(entry.reason, ret);
}

static gboolean parse_list(const Attribute *self, const char *value, gsize len, Flags *flags, GError **error) {
  (void)self;
  g_clear_pointer(&flags->keywords, g_free);
  return attribute_flags_parse(value, len, &flags->flags, &flags->keywords, error);
}

static gboolean parse_bit(const Attribute *self, const char *value, gsize len, Flags *flags, GError **error) {
  if (len != 1 || (*value != '0' && *value != '1')) {
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_INVALID, "%s is 0 or 1", self->name);
    return FALSE;
  }
  flags->flags = *value == '1' ? flags->flags | self->flag : flags->flags & ~self->flag;
  return TRUE;
}

static const Attribute attributes[] = {
    {.name = "flags", .get = get_flags, .parse = parse_list},
    {.name = "seen", .get = get_flags, .parse = parse_bit, .flag = IMAP_FLAG_SEEN},
    {.name = "flagged", .get = get_flags, .parse = parse_bit, .flag = IMAP_FLAG_FLAGGED},
    {.name = "answered", .get = get_flags, .parse = parse_bit, .flag = IMAP_FLAG_ANSWERED},
    {.name = "draft", .get = get_flags, .parse = parse_bit, .flag = IMAP_FLAG_DRAFT},
    {.name = "uid", .get = get_uid},
    {.name = "uidvalidity", .get = get_uidvalidity},
    {.name = "mailbox", .get = get_mailbox},
    {.name = "size", .get = get_size},
    {.name = "message_id", .get = get_field, .field = "message-id"},
    {.name = "subject", .get = get_field, .field = "subject"},
    {.name = "from", .get = get_field, .field = "from"},
    {.name = "date", .get = get_field, .field = "date"},
    {.name = "error", .get = get_error},
};

static const Attribute *find(const char *name) {
  for (guint i = 0; i < G_N_ELEMENTS(attributes); i++)
    if (strcmp(attributes[i].name, name) == 0)
      return &attributes[i];
  return NULL;
}

CacheAnswer cache_get_attribute(Cache *cache, CacheKind kind, gint64 row, const char *name, char **ret,
                                GError **error) {
  if (kind == CACHE_FOLDER)
    return attribute_of_folder(cache, row, name, ret, error);
  g_auto(IndexMessage) message = {0};
  const Attribute *attribute = find(name);
  if (!attribute)
    return attribute_unsupported(error);
  if (!index_get_message(cache->account.index, drafts_successor(cache->drafts, row), &message, error))
    return cache_none_or_failed(error);
  return attribute->get(cache, &message, attribute, ret, error);
}

/* ---- setting --------------------------------------------------------------------------------------------------- */

/* Which right each flag needs (RFC 4314 section 4). */
static gboolean may_change(Account *account, gint64 mailbox, const AttributeChange *change, GError **error) {
  guint flags = change->add | change->remove;
  gboolean others =
      (flags & ~(guint)(IMAP_FLAG_SEEN | IMAP_FLAG_DELETED)) || change->add_keywords || change->remove_keywords;
  return (!(flags & IMAP_FLAG_SEEN) || access_check(account, mailbox, ACCESS_SEEN, error)) &&
         (!(flags & IMAP_FLAG_DELETED) || access_check(account, mailbox, ACCESS_REMOVE, error)) &&
         (!others || access_check(account, mailbox, ACCESS_FLAG, error));
}

/* By the folder where the message is shown: what is done before it is told to the server moves it there. */
static gboolean is_allowed(Cache *cache, const IndexMessage *message, const AttributeChange *change, GError **error) {
  Account *account = &cache->account;
  g_auto(IndexMailbox) folder = {0};
  g_auto(IndexAccess) access = {0};
  if (!index_need_mailbox(account->index, message->folder, &folder, error))
    return FALSE;
  if (folder.attrs & INDEX_LOCAL)
    return TRUE;
  return may_change(account, folder.row, change, error) &&
         index_get_access(account->index, folder.row, &access, error) &&
         attribute_change_is_kept(change, &access, error);
}

typedef struct {
  gint64 row;
  const AttributeChange *change;
} SetFlags;

static gboolean write_flags(IndexTxn *txn, gpointer data, GError **error) {
  const SetFlags *set = data;
  JournalFlags flags = {.add = set->change->add,
                        .remove = set->change->remove,
                        .add_keywords = set->change->add_keywords,
                        .remove_keywords = set->change->remove_keywords};
  return journal_flag(txn, set->row, &flags, error);
}

static gboolean set_flags(Cache *cache, const IndexMessage *message, const Attribute *attribute, const char *value,
                          gsize len, GError **error) {
  g_auto(Flags) shown = {0}, wanted = {0};
  if (!journal_flags(cache->account.index, message->row, &shown.flags, &shown.keywords, error))
    return error && *error ? FALSE : cache_fail(error, CACHE_ERROR_GONE, "the message is no more");
  wanted = (Flags){.flags = shown.flags, .keywords = g_strdup(shown.keywords)};
  if (!attribute->parse(attribute, value, len, &wanted, error))
    return FALSE;
  g_auto(AttributeChange) change = attribute_flags_compare(shown.flags, shown.keywords, wanted.flags, wanted.keywords);
  if (attribute_change_is_empty(&change))
    return TRUE;
  SetFlags set = {.row = message->row, .change = &change};
  if (!is_allowed(cache, message, &change, error) ||
      !index_write(cache->account.index, INDEX_CHANGE, write_flags, &set, error))
    return FALSE;
  replay_wake(cache->replay);
  return TRUE;
}

CacheAnswer cache_set_attribute(Cache *cache, CacheKind kind, gint64 row, const char *name, const char *value,
                                gsize len, GError **error) {
  const Attribute *attribute = kind == CACHE_MESSAGE ? find(name) : NULL;
  if (!attribute && !(kind == CACHE_FOLDER && attribute_folder_has(name)))
    return attribute_unsupported(error);
  g_auto(IndexMessage) message = {0};
  gboolean ok = FALSE;
  if (!attribute || !attribute->parse)
    cache_fail(error, CACHE_ERROR_PERMISSION, "this attribute cannot be set");
  else if (cache->account.config->read_only)
    cache_fail(error, CACHE_ERROR_READONLY, "mounted read-only");
  else if (!index_get_message(cache->account.index, drafts_successor(cache->drafts, row), &message, error))
    return cache_none_or_failed(error);
  else if (message.gone || message.folder == 0)
    cache_fail(error, CACHE_ERROR_GONE, "the message is no more");
  else
    ok = set_flags(cache, &message, attribute, value, len, error);
  return ok ? CACHE_READY : CACHE_FAILED;
}
