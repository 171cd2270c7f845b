/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/cache.h"
#include "cache/index_private.h"
#include "tests/suite.h"
#include "tests/tempdir.h"

static char *dir;
static int dirfd_;

static void setup(void) {
  dir = tempdir_new();
  dirfd_ = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ck_assert_int_ge(dirfd_, 0);
}

static void teardown(void) {
  close(dirfd_);
  g_clear_pointer(&dir, tempdir_free);
}

static Index *open_index(gboolean *unclean) {
  g_autoptr(GError) error = NULL;
  Index *index = index_open(dirfd_, unclean, &error);
  ck_assert_msg(index != NULL, "%s", error ? error->message : "");
  return index;
}

static void do_write(Index *index, IndexJob job, gpointer data) {
  g_autoptr(GError) error = NULL;
  ck_assert_msg(index_write(index, INDEX_SYNC, job, data, &error), "%s", error ? error->message : "refused");
}

/* ---- jobs ---------------------------------------------------------------------------------------- */
static gboolean put_mailbox(IndexTxn *txn, gpointer data, GError **error) {
  return index_put_mailbox(txn, data, error);
}

static gboolean set_state(IndexTxn *txn, gpointer data, GError **error) {
  return index_set_state(txn, data, error);
}

static gint64 add_mailbox(Index *index, gint64 parent, const char *name) {
  IndexMailbox mailbox = {
      .parent = parent, .raw = (char *)name, .name = (char *)name, .delimiter = '/', .uidvalidity = 7, .modseq = 99};
  do_write(index, put_mailbox, &mailbox);
  return mailbox.row;
}

typedef struct {
  gint64 mailbox;
  guint32 first, n;
  gboolean body;
  gint64 last_row;
} Range;

static IndexMessage message_of(gint64 mailbox, guint32 uid) {
  IndexMessage message = {.mailbox = mailbox,
                          .uid = uid,
                          .internaldate = 1700000000 + uid,
                          .claim = 1000 + uid % 7,
                          .size = IMAP_UNKNOWN_SIZE,
                          .mtime = uid,
                          .ctime = uid};
  g_snprintf(message.name, sizeof message.name, "2026-%02u-%02u_Somebody_A-subject-of-some-length.%u.eml",
             1 + uid * 7 % 12, 1 + uid * 13 % 28, uid);
  memcpy(message.fingerprint, &uid, sizeof uid);
  message.fingerprint[15] = 1;
  return message;
}

static gboolean add_range(IndexTxn *txn, gpointer data, GError **error) {
  Range *range = data;
  for (guint32 i = 0; i < range->n; i++) {
    g_auto(IndexMessage) message = message_of(range->mailbox, range->first + i);
    gboolean added;
    if (!index_add_message(txn, &message, &added, error))
      return FALSE;
    range->last_row = message.row;
    IndexBody body = {.row = message.row, .bytes = 5, .used = message.row};
    if (range->body && !index_put_body(txn, &body, error))
      return FALSE;
  }
  return TRUE;
}

static void add_messages(Index *index, gint64 mailbox, guint32 first, guint32 n) {
  for (guint32 done = 0; done < n; done += 500) {
    Range range = {mailbox, first + done, MIN(500u, n - done), FALSE, 0};
    do_write(index, add_range, &range);
  }
}

typedef struct {
  IndexMessage message;
  gboolean added;
} Add;

static gboolean add_one(IndexTxn *txn, gpointer data, GError **error) {
  Add *add = data;
  return index_add_message(txn, &add->message, &add->added, error);
}

typedef struct {
  gint64 mailbox;
  guint32 first, last;
  GString *names;
} Remove;

static void note_removed(gint64 row, const char *name, gpointer data) {
  Remove *job = data;
  ck_assert_int_gt(row, 0);
  g_string_append_printf(job->names, "%s\n", name);
}

static gboolean remove_range(IndexTxn *txn, gpointer data, GError **error) {
  Remove *job = data;
  g_autoptr(ImapSeqset) uids = imap_seqset_new();
  imap_seqset_add(uids, job->first, job->last);
  return index_remove_uids(txn, job->mailbox, uids, job->names ? note_removed : NULL, job, error);
}

static void remove_messages(Index *index, gint64 mailbox, guint32 first, guint32 last, GString *names) {
  Remove job = {mailbox, first, last, names};
  do_write(index, remove_range, &job);
}

static gboolean exec_sql(IndexTxn *txn, gpointer data, GError **error) {
  return index_db_exec(txn->db, data, error);
}

static guint64 count_messages(Index *index, guint64 *bytes) {
  guint64 messages, folders;
  ck_assert(index_totals(index, &messages, &folders, bytes, NULL));
  return messages;
}

/* ---- mailboxes ----------------------------------------------------------------------------------- */
START_TEST(mailboxes_are_kept_and_found) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 root = add_mailbox(index, 0, ""), a = add_mailbox(index, root, "a");
  gint64 b = add_mailbox(index, root, "b"), aa = add_mailbox(index, a, "aa");
  g_auto(IndexMailbox) got = {0};
  ck_assert(index_get_mailbox(index, aa, &got, NULL));
  ck_assert_int_eq(got.parent, a);
  ck_assert_str_eq(got.raw, "aa");
  ck_assert_uint_eq(got.modseq, 99);
  ck_assert_int_eq(got.delimiter, '/');
  g_auto(IndexMailbox) found = {0};
  ck_assert(index_find_mailbox(index, root, "b", &found, NULL));
  ck_assert_int_eq(found.row, b);
  g_autoptr(GError) error = NULL;
  ck_assert(!index_find_mailbox(index, root, "zz", &found, &error) && !error);
  guint n;
  ck_assert(index_count_children(index, root, &n, NULL));
  ck_assert_uint_eq(n, 2);
  IndexMailbox children[2];
  ck_assert_int_eq(index_children(index, root, a, children, 2, NULL), 1);
  ck_assert_int_eq(children[0].row, b);
  index_mailbox_clear(&children[0]);
}
END_TEST

START_TEST(mailboxes_come_parents_first) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 root = add_mailbox(index, 0, ""), child = add_mailbox(index, root, "child");
  gint64 later = add_mailbox(index, root, "later");
  g_auto(IndexMailbox) moved = {0};
  ck_assert(index_get_mailbox(index, child, &moved, NULL));
  moved.parent = later;
  do_write(index, put_mailbox, &moved);
  g_autoptr(GPtrArray) all = index_mailboxes(index, NULL);
  ck_assert_uint_eq(all->len, 3);
  gint64 order[] = {root, later, child};
  for (guint i = 0; i < 3; i++)
    ck_assert_int_eq(((IndexMailbox *)all->pdata[i])->row, order[i]);
}
END_TEST

START_TEST(two_folders_of_one_name_are_refused) {
  g_autoptr(Index) index = open_index(NULL);
  add_mailbox(index, 1, "a");
  IndexMailbox again = {.parent = 1, .name = (char *)"a"};
  g_autoptr(GError) error = NULL;
  ck_assert(!index_write(index, INDEX_SYNC, put_mailbox, &again, &error));
  ck_assert(g_error_matches(error, CACHE_ERROR, CACHE_ERROR_EXISTS));
}
END_TEST

static gboolean end_mailbox(IndexTxn *txn, gpointer data, GError **error) {
  return index_end_mailbox(txn, *(gint64 *)data, error);
}

START_TEST(an_ended_mailbox_takes_its_messages_along) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 box = add_mailbox(index, 1, "a");
  add_messages(index, box, 1, 10);
  do_write(index, end_mailbox, &box);
  g_auto(IndexMailbox) none = {0};
  ck_assert(!index_get_mailbox(index, box, &none, NULL));
  g_auto(IndexMessage) tombstone = {0};
  ck_assert(index_get_message(index, 1, &tombstone, NULL));
  ck_assert(tombstone.gone);
  ck_assert_int_ne(add_mailbox(index, 1, "a"), box);
  guint64 bytes;
  ck_assert_uint_eq(count_messages(index, &bytes), 0);
  ck_assert_uint_eq(bytes, 0);
}
END_TEST

/* ---- messages ------------------------------------------------------------------------------------ */
START_TEST(a_message_keeps_every_field) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 box = add_mailbox(index, 1, "a");
  Add add = {.message = message_of(box, 4294967295u)};
  add.message.flags = IMAP_FLAG_SEEN;
  add.message.keywords = g_strdup("$Forwarded x");
  do_write(index, add_one, &add);
  ck_assert(add.added);
  g_auto(IndexMessage) got = {0}, by_name = {0}, by_uid = {0};
  ck_assert(index_get_message(index, add.message.row, &got, NULL));
  ck_assert(index_find_message(index, box, add.message.name, &by_name, NULL));
  ck_assert(index_find_uid(index, box, 4294967295u, &by_uid, NULL));
  ck_assert_int_eq(by_name.row, got.row);
  ck_assert_int_eq(by_uid.row, got.row);
  ck_assert_uint_eq(got.uid, 4294967295u);
  ck_assert_str_eq(got.keywords, "$Forwarded x");
  ck_assert_uint_eq(got.flags, IMAP_FLAG_SEEN);
  ck_assert_uint_eq(got.claim, add.message.claim);
  ck_assert(got.size == IMAP_UNKNOWN_SIZE && !got.gone);
  ck_assert_mem_eq(got.fingerprint, add.message.fingerprint, 16);
  ck_assert_int_eq(got.internaldate, add.message.internaldate);
  index_message_clear(&add.message);
}
END_TEST

START_TEST(a_uid_added_again_changes_only_flags) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 box = add_mailbox(index, 1, "a");
  Add first = {.message = message_of(box, 5)}, again = first;
  do_write(index, add_one, &first);
  strcpy(again.message.name, "other.5.eml");
  again.message.flags = IMAP_FLAG_FLAGGED;
  do_write(index, add_one, &again);
  ck_assert(!again.added);
  ck_assert_int_eq(again.message.row, first.message.row);
  g_auto(IndexMessage) got = {0};
  ck_assert(index_get_message(index, first.message.row, &got, NULL));
  ck_assert_str_eq(got.name, first.message.name);
  ck_assert_uint_eq(got.flags, IMAP_FLAG_FLAGGED);
}
END_TEST

START_TEST(a_name_that_is_taken_gets_a_suffix) {
  static const char *const want[] = {"x.5.eml", "x~2.5.eml", "x~3.5.eml"};
  g_autoptr(Index) index = open_index(NULL);
  gint64 box = add_mailbox(index, 1, "a");
  for (guint i = 0; i < G_N_ELEMENTS(want); i++) {
    Add add = {.message = message_of(box, i)}; /* uid 0 first: not on the server */
    strcpy(add.message.name, "x.5.eml");
    do_write(index, add_one, &add);
    ck_assert_str_eq(add.message.name, want[i]);
    g_auto(IndexMessage) got = {0};
    ck_assert(index_find_message(index, box, want[i], &got, NULL));
    ck_assert_int_eq(got.row, add.message.row);
  }
}
END_TEST

START_TEST(a_message_is_not_called_like_a_subfolder) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 box = add_mailbox(index, 1, "a");
  Add add = {.message = message_of(box, 5)};
  add_mailbox(index, box, add.message.name);
  g_autofree char *folder = g_strdup(add.message.name);
  do_write(index, add_one, &add);
  ck_assert_str_ne(add.message.name, folder);
}
END_TEST

START_TEST(removed_messages_are_reported_and_stay_as_tombstones) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 box = add_mailbox(index, 1, "a");
  add_messages(index, box, 1, 1000);
  g_autoptr(GString) names = g_string_new(NULL);
  remove_messages(index, box, 101, 700, names);
  g_auto(GStrv) lines = g_strsplit(names->str, "\n", 0);
  ck_assert_uint_eq(g_strv_length(lines), 601);
  IndexMessage first = message_of(box, 101);
  ck_assert_str_eq(lines[0], first.name);
  g_auto(IndexMessage) tombstone = {0}, none = {0};
  ck_assert(index_get_message(index, 101, &tombstone, NULL));
  ck_assert(tombstone.gone);
  ck_assert(!index_find_message(index, box, first.name, &none, NULL));
  ck_assert(!index_find_uid(index, box, 101, &none, NULL));
  g_autoptr(ImapSeqset) uids = index_uids(index, box, NULL);
  g_autofree char *text = imap_seqset_format(uids);
  ck_assert_str_eq(text, "1:100,701:1000");
  guint64 bytes;
  ck_assert_uint_eq(count_messages(index, &bytes), 400);
}
END_TEST

START_TEST(a_tombstone_comes_back_only_as_itself) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 box = add_mailbox(index, 1, "a");
  Add add = {.message = message_of(box, 5)}, same = add, other = add;
  do_write(index, add_one, &add);
  remove_messages(index, box, 5, 5, NULL);
  other.message.claim++;
  do_write(index, add_one, &other);
  ck_assert(other.added);
  ck_assert_int_ne(other.message.row, add.message.row);
  remove_messages(index, box, 5, 5, NULL);
  strcpy(same.message.name, "as-computed-today.5.eml");
  same.message.flags = IMAP_FLAG_SEEN;
  do_write(index, add_one, &same);
  ck_assert(same.added);
  ck_assert_int_eq(same.message.row, add.message.row);
  ck_assert_str_eq(same.message.name, add.message.name);
  g_auto(IndexMessage) got = {0};
  ck_assert(index_find_uid(index, box, 5, &got, NULL));
  ck_assert_int_eq(got.row, add.message.row);
  ck_assert_uint_eq(got.flags, IMAP_FLAG_SEEN);
  ck_assert(!got.gone);
  guint64 bytes;
  ck_assert_uint_eq(count_messages(index, &bytes), 1);
  ck_assert_uint_eq(bytes, add.message.claim);
}
END_TEST

START_TEST(no_tombstone_comes_back_under_another_uidvalidity) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 box = add_mailbox(index, 1, "a");
  Add add = {.message = message_of(box, 5)}, again = add;
  do_write(index, add_one, &add);
  remove_messages(index, box, 5, 5, NULL);
  g_auto(IndexMailbox) mailbox = {0};
  ck_assert(index_get_mailbox(index, box, &mailbox, NULL));
  mailbox.uidvalidity++;
  do_write(index, set_state, &mailbox);
  do_write(index, add_one, &again);
  ck_assert_int_ne(again.message.row, add.message.row);
}
END_TEST

typedef struct {
  gint64 row;
  guint64 size;
  gint64 ctime;
} Size;

static gboolean set_size(IndexTxn *txn, gpointer data, GError **error) {
  Size *size = data;
  guint8 sha256[32] = {1, 2, 3};
  return index_set_size(txn, size->row, size->size, sha256, size->ctime, error);
}

/* ---- renumbering ---------------------------------------------------------------------------------- */
static gboolean forget(IndexTxn *txn, gpointer data, GError **error) {
  gboolean more = TRUE;
  while (more)
    if (!index_forget_uids(txn, *(gint64 *)data, 256, &more, error))
      return FALSE;
  return TRUE;
}

static void count_removed(gint64 row, const char *name, gpointer data) {
  (void)row;
  (void)name;
  ++*(guint *)data;
}

static guint ended;

static gboolean end_forgotten(IndexTxn *txn, gpointer data, GError **error) {
  ended = 0;
  return index_end_forgotten(txn, *(gint64 *)data, count_removed, &ended, error);
}

START_TEST(renumbered_messages_keep_their_rows) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 mailbox = add_mailbox(index, 0, "INBOX");
  g_auto(IndexMessage) before = {0}, after = {0};
  add_messages(index, mailbox, 1, 600);
  ck_assert(index_find_uid(index, mailbox, 5, &before, NULL));
  do_write(index, forget, &mailbox);
  ck_assert(!index_find_uid(index, mailbox, 5, &after, NULL));
  Add again = {.message = message_of(mailbox, 5)};
  again.message.uid = 70005;
  do_write(index, add_one, &again);
  ck_assert(!again.added);
  ck_assert_int_eq(again.message.row, before.row);
  do_write(index, end_forgotten, &mailbox);
  ck_assert_uint_eq(ended, 599);
  ck_assert(index_find_uid(index, mailbox, 70005, &after, NULL));
  ck_assert_str_eq(after.name, before.name);
  ck_assert(index_find_message(index, mailbox, before.name, &(IndexMessage){0}, NULL));
}
END_TEST

START_TEST(twins_are_not_matched_by_guess) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 mailbox = add_mailbox(index, 0, "INBOX");
  Add one = {.message = message_of(mailbox, 5)}, two = {.message = message_of(mailbox, 5)};
  two.message.uid = 6;
  do_write(index, add_one, &one);
  do_write(index, add_one, &two);
  do_write(index, forget, &mailbox);
  Add again = {.message = message_of(mailbox, 5)};
  do_write(index, add_one, &again);
  ck_assert(again.added);
  ck_assert_int_ne(again.message.row, one.message.row);
  ck_assert_int_ne(again.message.row, two.message.row);
}
END_TEST

START_TEST(a_hidden_mailbox_keeps_its_row) {
  g_autoptr(Index) index = open_index(NULL);
  IndexMailbox mailbox = {.raw = (char *)"Junk", .name = (char *)"Junk", .delimiter = '/'};
  do_write(index, put_mailbox, &mailbox);
  g_auto(IndexMailbox) found = {0};
  guint n = 9;
  mailbox.attrs |= INDEX_HIDDEN;
  do_write(index, put_mailbox, &mailbox);
  ck_assert(!index_find_mailbox(index, 0, "Junk", &found, NULL));
  ck_assert(index_count_children(index, 0, &n, NULL));
  ck_assert_uint_eq(n, 0);
  ck_assert_int_eq(index_children(index, 0, 0, &found, 1, NULL), 0);
  ck_assert(index_get_mailbox(index, mailbox.row, &found, NULL));
  g_autoptr(GPtrArray) all = index_mailboxes(index, NULL);
  ck_assert_uint_eq(all->len, 1);
}
END_TEST

START_TEST(place_and_state_do_not_overwrite_each_other) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 row = add_mailbox(index, 0, "Old");
  g_auto(IndexMailbox) place = {0}, state = {0}, found = {0};
  ck_assert(index_get_mailbox(index, row, &place, NULL));
  ck_assert(index_get_mailbox(index, row, &state, NULL));
  g_free(place.name);
  place.name = g_strdup("New");
  state.listed = INDEX_LISTED;
  state.uidnext = 12;
  do_write(index, set_state, &state);
  do_write(index, put_mailbox, &place);
  ck_assert(index_get_mailbox(index, row, &found, NULL));
  ck_assert_str_eq(found.name, "New");
  ck_assert_int_eq(found.listed, INDEX_LISTED);
  ck_assert_uint_eq(found.uidnext, 12);
}
END_TEST

START_TEST(the_exact_size_stays_and_counts) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 box = add_mailbox(index, 1, "a");
  Add add = {.message = message_of(box, 5)};
  do_write(index, add_one, &add);
  Size size = {add.message.row, 77, 0}, none = {4711, 1, 0};
  do_write(index, set_size, &size);
  g_auto(IndexMessage) got = {0}, moved = {0};
  ck_assert(index_get_message(index, size.row, &got, NULL));
  ck_assert_uint_eq(got.size, 77);
  ck_assert_uint_eq(got.sha256[2], 3);
  ck_assert_int_eq(got.ctime, add.message.ctime);
  size.ctime = 1234;
  do_write(index, set_size, &size);
  ck_assert(index_get_message(index, size.row, &moved, NULL));
  ck_assert_int_eq(moved.ctime, 1234);
  guint64 bytes;
  count_messages(index, &bytes);
  ck_assert_uint_eq(bytes, 77);
  g_autoptr(GError) error = NULL;
  ck_assert(!index_write(index, INDEX_BODY, set_size, &none, &error));
  ck_assert(g_error_matches(error, CACHE_ERROR, CACHE_ERROR_GONE));
}
END_TEST

START_TEST(the_journal_hides_from_readers_not_from_the_sync) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 box = add_mailbox(index, 1, "a");
  add_messages(index, box, 1, 3);
  do_write(index, exec_sql,
           (gpointer) "INSERT INTO journal(op, message, hides, state, created) VALUES(1, 2, 1, 0, 0), (4, 3, 0, 0, 0)");
  IndexMessage got[4], hidden = message_of(box, 2);
  ck_assert_int_eq(index_messages(index, box, 0, got, 4, NULL), 2);
  ck_assert_uint_eq(got[0].uid, 1);
  ck_assert_uint_eq(got[1].uid, 3);
  g_auto(IndexMessage) none = {0};
  ck_assert(!index_find_message(index, box, hidden.name, &none, NULL));
  g_autoptr(ImapSeqset) uids = index_uids(index, box, NULL);
  ck_assert_uint_eq(imap_seqset_count(uids), 3);
}
END_TEST

START_TEST(neighbours_in_both_orders) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 box = add_mailbox(index, 1, "a");
  static const char *const names[] = {"c", "a", "d", "b"};
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    Add add = {.message = message_of(box, i + 1)};
    strcpy(add.message.name, names[i]);
    do_write(index, add_one, &add);
  }
  IndexNext next[4];
  ck_assert_int_eq(index_following(index, box, 1, INDEX_BY_ROW, FALSE, next, 4, NULL), 3);
  ck_assert_int_eq(next[0].row, 2);
  ck_assert_int_eq(index_following(index, box, 4, INDEX_BY_NAME, FALSE, next, 4, NULL), 2);
  ck_assert_int_eq(next[0].row, 1);
  ck_assert_int_eq(next[1].row, 3);
  ck_assert_uint_eq(next[1].uid, 3);
  ck_assert_uint_eq(next[1].size, 1003);
  do_write(index, exec_sql, (gpointer) "INSERT INTO body VALUES(1, 9, 0, 0, 0)");
  ck_assert_int_eq(index_following(index, box, 4, INDEX_BY_NAME, TRUE, next, 4, NULL), 1);
  ck_assert_int_eq(next[0].row, 3);
  ck_assert_int_eq(index_following(index, box, 4, INDEX_BY_NAME, FALSE, next, 1, NULL), 1);
}
END_TEST

static char *plan(const char *sql) {
  g_autofree char *path = g_build_filename(dir, "index.db", NULL),
                  *explain = g_strconcat("EXPLAIN QUERY PLAN ", sql, NULL);
  g_autoptr(GString) text = g_string_new(NULL);
  gint damaged = 0;
  g_autoptr(IndexDb) db = index_db_open(path, &damaged, "", NULL);
  g_autoptr(IndexStmt) stmt = index_use(db, explain);
  ck_assert_ptr_nonnull(stmt);
  while (index_step(db, stmt, NULL) == INDEX_STEP_ROW)
    g_string_append_printf(text, "%s\n", sqlite3_column_text(stmt, 3));
  return g_string_free(g_steal_pointer(&text), FALSE);
}

START_TEST(no_question_scans_or_sorts) {
  static const char *const sql[] = {
      "SELECT * FROM shown_message WHERE mailbox = ?1 AND row > ?2 ORDER BY row LIMIT ?3",
      "SELECT * FROM shown_message WHERE mailbox = ?1 AND name > ?2 ORDER BY name LIMIT ?3",
      "SELECT * FROM shown_message WHERE mailbox = ?1 AND name = ?2",
      "SELECT uid FROM message WHERE mailbox = ?1 AND uid > 0 AND gone = 0 ORDER BY uid",
      "SELECT row, name FROM message WHERE mailbox = ?1 AND uid BETWEEN ?2 AND ?3 AND gone = 0 ORDER BY uid LIMIT ?4",
      "SELECT row FROM message WHERE mailbox = ?1 AND uid = ?2 AND gone > 0",
      "SELECT row FROM mailbox WHERE parent = ?1 AND row > ?2 AND gone = 0 ORDER BY row LIMIT ?3",
  };
  static const char *const with[] = {
      "USING INDEX message_order (mailbox=? AND rowid>?)", "USING INDEX message_name (mailbox=? AND name>?)",
      "USING INDEX message_name (mailbox=? AND name=?)",   "USING COVERING INDEX message_uid (mailbox=? AND uid>?)",
      "USING INDEX message_uid (mailbox=? AND uid>? AND",  "INDEX message_gone (mailbox=? AND uid=?",
      "INDEX mailbox_order (parent=? AND rowid>?)",
  };
  index_close(open_index(NULL));
  g_autofree char *text = plan(sql[_i]);
  ck_assert_msg(strstr(text, with[_i]) && !strstr(text, "SCAN") && !strstr(text, "TEMP"), "%s:\n%s", sql[_i], text);
}
END_TEST

/* ---- the writer ---------------------------------------------------------------------------------- */
static gboolean fail_late(IndexTxn *txn, gpointer data, G_GNUC_UNUSED GError **error) {
  index_set_meta(txn, data, "1", NULL);
  return FALSE;
}

static gboolean set_meta(IndexTxn *txn, gpointer data, GError **error) {
  return index_set_meta(txn, data, "1", error);
}

static void note_outcome(gpointer data, const GError *error) {
  g_assert(!error || error->domain == CACHE_ERROR);
  g_assert(!g_str_equal(data, "posted") || !error);
}

START_TEST(a_job_that_fails_takes_nobody_along) {
  g_autoptr(Index) index = open_index(NULL);
  index_post(index, INDEX_BODY, set_meta, (gpointer) "posted", note_outcome);
  index_post(index, INDEX_BODY, fail_late, (gpointer) "refused", note_outcome);
  g_autoptr(GError) error = NULL;
  ck_assert(!index_write(index, INDEX_BODY, fail_late, (gpointer) "also", &error) && !error);
  ck_assert(index_write(index, INDEX_BODY, set_meta, (gpointer) "kept", NULL));
  static const char *const keys[] = {"posted", "refused", "also", "kept"};
  for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
    g_autofree char *value = index_get_meta(index, keys[i], NULL);
    ck_assert_msg((value != NULL) == (i == 0 || i == 3), "%s", keys[i]);
  }
}
END_TEST

START_TEST(a_flush_waits_for_what_was_posted) {
  g_autoptr(Index) index = open_index(NULL);
  index_post(index, INDEX_BODY, set_meta, (gpointer) "posted", note_outcome);
  ck_assert(index_flush(index, NULL));
  g_autofree char *value = index_get_meta(index, "posted", NULL);
  ck_assert_str_eq(value, "1");
}
END_TEST

START_TEST(closing_runs_what_was_posted) {
  Index *index = open_index(NULL);
  index_post(index, INDEX_BODY, set_meta, (gpointer) "posted", note_outcome);
  index_close(index);
  gboolean unclean = TRUE;
  g_autoptr(Index) again = open_index(&unclean);
  ck_assert(!unclean);
  g_autofree char *value = index_get_meta(again, "posted", NULL);
  ck_assert_str_eq(value, "1");
}
END_TEST

typedef struct {
  Index *index;
  gint stop;
  gint64 mailbox;
  guint32 uid;
} Stream;

static void next_batch(gpointer data, const GError *error);

static gboolean stream_batch(IndexTxn *txn, gpointer data, GError **error) {
  Stream *stream = data;
  Range range = {stream->mailbox, stream->uid, 500, FALSE, 0};
  stream->uid += 500;
  return add_range(txn, &range, error);
}

/* Keeps the queue full: a listing whose server is faster than we are. */
static void next_batch(gpointer data, const GError *error) {
  Stream *stream = data;
  g_assert_no_error((GError *)error);
  if (!g_atomic_int_get(&stream->stop))
    index_post(stream->index, INDEX_SYNC, stream_batch, stream, next_batch);
}

START_TEST(the_journal_does_not_wait_for_listings) {
  g_autoptr(Index) index = open_index(NULL);
  Stream stream = {.index = index, .mailbox = add_mailbox(index, 1, "a"), .uid = 1};
  for (guint i = 0; i < 4; i++)
    next_batch(&stream, NULL);
  gint64 worst = 0;
  for (guint i = 0; i < 50; i++) {
    gint64 start = g_get_monotonic_time();
    ck_assert(index_write(index, INDEX_JOURNAL, set_meta, (gpointer) "journal", NULL));
    worst = MAX(worst, g_get_monotonic_time() - start);
  }
  g_atomic_int_set(&stream.stop, 1);
  ck_assert(index_flush(index, NULL));
  ck_assert_uint_gt(stream.uid, 500);
  if (g_getenv("MEASURE"))
    g_print("journal behind a listing: worst %.1f ms of 50, %u rows listed meanwhile\n", (double)worst / 1e3,
            stream.uid);
  ck_assert_int_lt(worst, 1000000); /* far above what it takes, below a starved one */
}
END_TEST

START_TEST(bodies_are_not_starved_by_listings) {
  g_autoptr(Index) index = open_index(NULL);
  Stream stream = {.index = index, .mailbox = add_mailbox(index, 1, "a"), .uid = 1};
  for (guint i = 0; i < 4; i++)
    next_batch(&stream, NULL);
  ck_assert(index_write(index, INDEX_BODY, set_meta, (gpointer) "body", NULL));
  g_atomic_int_set(&stream.stop, 1);
}
END_TEST

static gpointer read_along(gpointer data) {
  Stream *stream = data;
  IndexMessage got[64];
  for (gint64 row = 0; !g_atomic_int_get(&stream->stop);) {
    gssize n = index_messages(stream->index, stream->mailbox, row, got, G_N_ELEMENTS(got), NULL);
    g_assert(n >= 0);
    for (gssize i = 0; i < n; i++)
      g_assert(got[i].row > row && (row = got[i].row));
    row = n ? row : 0;
  }
  return NULL;
}

START_TEST(many_read_while_one_writes) {
  g_autoptr(Index) index = open_index(NULL);
  Stream stream = {.index = index, .mailbox = add_mailbox(index, 1, "a")};
  GThread *threads[INDEX_READERS + 4];
  for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
    threads[i] = g_thread_new("reader", read_along, &stream);
  add_messages(index, stream.mailbox, 1, 5000);
  g_atomic_int_set(&stream.stop, 1);
  for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
    g_thread_join(threads[i]);
}
END_TEST

START_TEST(a_full_disk_fails_the_write_and_reading_goes_on) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 box = add_mailbox(index, 1, "a");
  add_messages(index, box, 1, 100);
  do_write(index, set_meta, (gpointer) "before");
  g_autofree char *limit = g_strdup("PRAGMA max_page_count = 1");
  sqlite3_exec(index->db->sql, limit, NULL, NULL, NULL); /* the writer is idle: SQLite clamps it to today's size */
  g_autoptr(GError) error = NULL;
  for (guint32 uid = 101; !error && uid < 20000; uid += 500) {
    Range range = {box, uid, 500, FALSE, 0};
    index_write(index, INDEX_SYNC, add_range, &range, &error);
  }
  ck_assert(g_error_matches(error, CACHE_ERROR, CACHE_ERROR_SPACE));
  g_auto(IndexMessage) got = {0};
  ck_assert(index_find_uid(index, box, 100, &got, NULL));
  sqlite3_exec(index->db->sql, "PRAGMA max_page_count = 1000000", NULL, NULL, NULL);
  add_messages(index, box, 30000, 500);
  ck_assert(index_find_uid(index, box, 30499, &got, NULL));
}
END_TEST

/* ---- opening ------------------------------------------------------------------------------------- */
/* A run that ends as by SIGKILL: the files as they are, under another directory's eyes. */
static void crash_copy(void) {
  static const char *const files[] = {"index.db", "index.db-wal"};
  Index *index = open_index(NULL);
  gint64 box = add_mailbox(index, 1, "a");
  add_messages(index, box, 1, 2000);
  char *octets[2];
  gsize len[2];
  for (guint i = 0; i < 2; i++) {
    g_autofree char *path = g_build_filename(dir, files[i], NULL);
    ck_assert(g_file_get_contents(path, &octets[i], &len[i], NULL));
  }
  index_close(index);
  for (guint i = 0; i < 2; i++) {
    g_autofree char *path = g_build_filename(dir, files[i], NULL);
    ck_assert(g_file_set_contents(path, octets[i], (gssize)len[i], NULL));
    g_free(octets[i]);
  }
}

START_TEST(a_killed_run_is_noticed_and_loses_nothing) {
  crash_copy();
  gboolean unclean = FALSE;
  g_autoptr(Index) index = open_index(&unclean);
  ck_assert(unclean);
  guint64 bytes;
  ck_assert_uint_eq(count_messages(index, &bytes), 2000);
}
END_TEST

START_TEST(files_are_private_whatever_the_umask) {
  mode_t old = umask(0);
  Index *index = open_index(NULL);
  add_mailbox(index, 1, "a");
  static const char *const files[] = {"index.db", "index.db-wal", "index.db-shm"};
  for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
    struct stat st;
    ck_assert_int_eq(fstatat(dirfd_, files[i], &st, 0), 0);
    ck_assert_msg((st.st_mode & 0777) == 0600, "%s has mode %o", files[i], st.st_mode & 0777);
  }
  index_close(index);
  umask(old);
}
END_TEST

static void scribble(const char *name, gsize offset, gsize len) {
  int fd = openat(dirfd_, name, O_WRONLY);
  ck_assert_int_ge(fd, 0);
  g_autofree char *junk = g_malloc(len);
  memset(junk, 0xa5, len);
  ck_assert_int_eq(pwrite(fd, junk, len, (off_t)offset), (gssize)len);
  close(fd);
}

static void ignore_log(G_GNUC_UNUSED const char *domain, G_GNUC_UNUSED GLogLevelFlags level,
                       G_GNUC_UNUSED const char *message, gpointer data) {
  (*(guint *)data)++;
}

START_TEST(a_damaged_index_is_set_aside) {
  g_log_set_always_fatal(G_LOG_FATAL_MASK);   /* it warns, as it should */
  static const gsize where[] = {0, 9 * 4096}; /* the header; pages in the middle, after a crash */
  guint warnings = 0;
  GLogFunc old = g_log_set_default_handler(ignore_log, &warnings);
  g_log_set_always_fatal(G_LOG_FATAL_MASK); /* make check makes warnings fatal; this one is wanted */
  Index *index = open_index(NULL);
  add_messages(index, add_mailbox(index, 1, "a"), 1, 2000);
  index_close(index);
  gint damaged = 0;
  g_autofree char *path = g_build_filename(dir, "index.db", NULL);
  g_autoptr(IndexDb) db = index_db_open(path, &damaged, "UPDATE meta SET value = '0' WHERE key = 'clean'", NULL);
  g_clear_pointer(&db, index_db_close);
  scribble("index.db", where[_i], 40 * 4096);
  gboolean unclean = FALSE;
  g_autoptr(Index) fresh = open_index(&unclean);
  ck_assert(unclean);
  ck_assert_uint_ge(warnings, 1);
  ck_assert_int_eq(faccessat(dirfd_, "index.db.corrupt-1", F_OK, 0), 0);
  guint64 bytes;
  ck_assert_uint_eq(count_messages(fresh, &bytes), 0);
  g_log_set_default_handler(old, NULL);
}
END_TEST

START_TEST(a_newer_index_is_refused) {
  Index *index = open_index(NULL);
  do_write(index, exec_sql, (gpointer) "PRAGMA user_version = 99");
  index_close(index);
  g_autoptr(GError) error = NULL;
  ck_assert_ptr_null(index_open(dirfd_, NULL, &error));
  ck_assert(g_error_matches(error, CACHE_ERROR, CACHE_ERROR_CONFIG));
  ck_assert_ptr_nonnull(strstr(error->message, "newer"));
  ck_assert_int_ne(faccessat(dirfd_, "index.db.corrupt-1", F_OK, 0), 0);
}
END_TEST

static char *backup_name(void) {
  g_autoptr(GDir) list = g_dir_open(dir, 0, NULL);
  for (const char *name; (name = g_dir_read_name(list));)
    if (g_str_has_prefix(name, "index.db.version-1."))
      return g_strdup(name);
  return NULL;
}

START_TEST(a_migration_is_backed_up_and_all_or_nothing) {
  index_close(open_index(NULL));
  const char *migrations[] = {index_migrations[0], "CREATE TABLE two(a);", "CREATE TABLE three(a); SYNTAX ERROR"};
  gint damaged = 0;
  g_autofree char *path = g_build_filename(dir, "index.db", NULL);
  g_autoptr(IndexDb) db = index_db_open(path, &damaged, "", NULL);
  g_autoptr(GError) error = NULL;
  ck_assert(!index_migrate(db, dirfd_, migrations, 3, &error));
  ck_assert(!index_db_exec(db, "SELECT * FROM two", NULL));
  g_clear_error(&error);
  g_autofree char *name = backup_name();
  ck_assert_ptr_nonnull(name);
  unlinkat(dirfd_, name, 0);
  ck_assert_msg(index_migrate(db, dirfd_, migrations, 2, &error), "%s", error ? error->message : "");
  ck_assert(index_db_exec(db, "SELECT * FROM two", NULL));
  g_autofree char *again = backup_name();
  ck_assert_ptr_nonnull(again);
}
END_TEST

START_TEST(tombstones_are_purged_by_the_next_run) {
  Index *index = open_index(NULL);
  gint64 box = add_mailbox(index, 1, "a");
  add_messages(index, box, 1, 2000);
  remove_messages(index, box, 1, 1700, NULL);
  index_close(index);
  g_autoptr(Index) again = open_index(NULL);
  remove_messages(again, box, 2000, 2000, NULL);
  g_auto(IndexMessage) none = {0};
  for (guint i = 0; i < 8; i++) /* each purging job posts the next */
    ck_assert(index_flush(again, NULL));
  ck_assert(!index_get_message(again, 1, &none, NULL));
  ck_assert(!index_get_message(again, 1700, &none, NULL));
  ck_assert(index_get_message(again, 2000, &none, NULL));
  ck_assert(none.gone);
}
END_TEST

static gboolean skip_rows(IndexTxn *txn, gpointer data, GError **error) {
  return index_skip_rows(txn, *(gint64 *)data, error);
}

START_TEST(rows_are_never_used_twice) {
  Index *index = open_index(NULL);
  gint64 box = add_mailbox(index, 1, "a"), gap = 1000;
  add_messages(index, box, 1, 10);
  remove_messages(index, box, 1, 10, NULL);
  index_close(index);
  g_autoptr(Index) again = open_index(NULL);
  ck_assert(index_flush(again, NULL));
  Range range = {box, 11, 1, FALSE, 0};
  do_write(again, add_range, &range);
  ck_assert_int_eq(range.last_row, 11);
  do_write(again, skip_rows, &gap);
  range.first++;
  do_write(again, add_range, &range);
  ck_assert_int_eq(range.last_row, 1012);
  ck_assert_int_eq(add_mailbox(again, 1, "b"), 1002);
  gint64 last;
  ck_assert(index_last_row(again, &last, NULL));
  ck_assert_int_eq(last, 1012);
}
END_TEST

static void count_body(const IndexBody *body, gpointer data) {
  guint64 *seen = data;
  seen[body->orphan] += (guint64)body->row;
}

START_TEST(bodies_without_their_message_are_orphans) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 box = add_mailbox(index, 1, "a");
  add_messages(index, box, 1, 3);
  for (gint64 row = 1; row <= 3; row++) {
    Size size = {row, 5, 0};
    do_write(index, set_size, &size);
  }
  do_write(index, exec_sql,
           (gpointer) "INSERT INTO body VALUES(1, 5, 0, 2, 0), (2, 6, 0, 1, 0), (3, 5, 0, 3, 0), (100, 5, 0, 4, 0)");
  remove_messages(index, box, 3, 3, NULL);
  guint64 seen[2] = {0, 0};
  ck_assert(index_each_body(index, count_body, seen, NULL));
  ck_assert_uint_eq(seen[0], 1);
  ck_assert_uint_eq(seen[1], 105);
}
END_TEST

/* ---- figures: MEASURE=1 ---------------------------------------------------------------------------- */
static double since(gint64 start) {
  return (double)(g_get_monotonic_time() - start);
}

static guint32 rows_to_measure(void) {
  const char *measure = g_getenv("MEASURE");
  guint64 n = measure ? g_ascii_strtoull(measure, NULL, 10) : 0;
  return n > 1 ? (guint32)n : 10000;
}

START_TEST(figures) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 box = add_mailbox(index, 1, "a");
  guint32 n = rows_to_measure();
  gint64 start = g_get_monotonic_time();
  add_messages(index, box, 1, n);
  double insert = since(start);
  g_autofree IndexMessage *got = g_new(IndexMessage, 10000);
  ck_assert_int_eq(index_messages(index, box, 0, got, 10000, NULL), MIN(n, 10000));
  start = g_get_monotonic_time();
  ck_assert_int_eq(index_messages(index, box, 0, got, 10000, NULL), MIN(n, 10000));
  double list = since(start);
  g_auto(IndexMessage) one = {0};
  start = g_get_monotonic_time();
  for (guint i = 0; i < 10000; i++)
    ck_assert(index_get_message(index, 1 + i * 7919 % n, &one, NULL));
  double get = since(start);
  start = g_get_monotonic_time();
  for (guint i = 0; i < MIN(n, 10000); i++)
    ck_assert(index_find_message(index, box, got[i].name, &one, NULL));
  double find = since(start);
  IndexNext next[64];
  start = g_get_monotonic_time();
  for (guint i = 0; i < 1000; i++)
    index_following(index, box, 1 + i * 7919 % n, INDEX_BY_NAME, TRUE, next, 64, NULL);
  double following_us = since(start);
  start = g_get_monotonic_time();
  for (guint i = 0; i < 200; i++)
    do_write(index, set_meta, (gpointer) "a");
  double commit = since(start);
  start = g_get_monotonic_time();
  for (guint i = 0; i < 50; i++)
    ck_assert(index_write(index, INDEX_JOURNAL, set_meta, (gpointer) "a", NULL));
  double durable = since(start);
  if (g_getenv("MEASURE"))
    g_print("%u rows: insert %.0f rows/s; list 10000 %.1f ms; get %.1f us; find %.1f us; 64 following by name %.1f us;"
            " commit %.0f us, durable %.0f us\n",
            n, n / (insert / 1e6), list / 1e3, get / 10000, find / MIN(n, 10000), following_us / 1000, commit / 200,
            durable / 50);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("index");
  TCase *c = tcase_create("index");
  tcase_add_checked_fixture(c, setup, teardown);
  tcase_set_timeout(c, 300);
  tcase_add_test(c, mailboxes_are_kept_and_found);
  tcase_add_test(c, mailboxes_come_parents_first);
  tcase_add_test(c, two_folders_of_one_name_are_refused);
  tcase_add_test(c, an_ended_mailbox_takes_its_messages_along);
  tcase_add_test(c, a_message_keeps_every_field);
  tcase_add_test(c, a_uid_added_again_changes_only_flags);
  tcase_add_test(c, a_name_that_is_taken_gets_a_suffix);
  tcase_add_test(c, a_message_is_not_called_like_a_subfolder);
  tcase_add_test(c, removed_messages_are_reported_and_stay_as_tombstones);
  tcase_add_test(c, a_tombstone_comes_back_only_as_itself);
  tcase_add_test(c, no_tombstone_comes_back_under_another_uidvalidity);
  tcase_add_test(c, renumbered_messages_keep_their_rows);
  tcase_add_test(c, twins_are_not_matched_by_guess);
  tcase_add_test(c, a_hidden_mailbox_keeps_its_row);
  tcase_add_test(c, place_and_state_do_not_overwrite_each_other);
  tcase_add_test(c, the_exact_size_stays_and_counts);
  tcase_add_test(c, the_journal_hides_from_readers_not_from_the_sync);
  tcase_add_test(c, neighbours_in_both_orders);
  tcase_add_loop_test(c, no_question_scans_or_sorts, 0, 7);
  tcase_add_test(c, a_job_that_fails_takes_nobody_along);
  tcase_add_test(c, a_flush_waits_for_what_was_posted);
  tcase_add_test(c, closing_runs_what_was_posted);
  tcase_add_test(c, the_journal_does_not_wait_for_listings);
  tcase_add_test(c, bodies_are_not_starved_by_listings);
  tcase_add_test(c, many_read_while_one_writes);
  tcase_add_test(c, a_full_disk_fails_the_write_and_reading_goes_on);
  tcase_add_test(c, a_killed_run_is_noticed_and_loses_nothing);
  tcase_add_test(c, files_are_private_whatever_the_umask);
  tcase_add_loop_test(c, a_damaged_index_is_set_aside, 0, 2);
  tcase_add_test(c, a_newer_index_is_refused);
  tcase_add_test(c, a_migration_is_backed_up_and_all_or_nothing);
  tcase_add_test(c, tombstones_are_purged_by_the_next_run);
  tcase_add_test(c, rows_are_never_used_twice);
  tcase_add_test(c, bodies_without_their_message_are_orphans);
  tcase_add_test(c, figures);
  suite_add_tcase(s, c);
  return s;
}

int main(void) {
  return suite_run(suite());
}
