/* SPDX-License-Identifier: MIT */
/*
 * The tables. `row` is the inode number's lower part: AUTOINCREMENT, so that no row is ever used twice. A row that goes
 * stays as a tombstone (`gone` = number of the run in which it went; 0: living), because the kernel may still hold it;
 * the next run purges it. Unique among the living: (mailbox, uid), (mailbox, name), (parent, name); `gone` stands in
 * message_uid only so that the set of UIDs is read from that index alone. A size that is not known is NULL. `totals` is
 * kept by triggers: statfs must not count a million rows.
 *
 * body.held: the message was given another UID because its header fields agree; until its whole header has been
 * compared with that body, the body is not served.
 *
 * The journal of changes to be sent lies over the messages as rows of its own; what the server has said stays untouched
 * beneath it, so that a refusal is undone by deleting a row here:
 *
 * - op: new, remove, move, name, flags, rmdir
 * - message: the row it is about (a new file gets one at once)
 * - mailbox, target: where the message is, and where it is to be
 * - name: the one it is to have
 * - hides: 1 where the message is not shown where its row stands (removed, or shown elsewhere)
 * - flags_*, keywords_*: what is added and removed
 * - state: spooled, sent, unknown, confirmed, refused
 * - uidvalidity: of the mailbox when the change was made; one made under another is not replayed
 * - uidnext: of the target before an APPEND, COPY or MOVE was sent: where to look for it when the answer was lost
 * - bytes: a new message up to 256 kB; spool: number of the file in spool/ of a larger one
 * - reason: why the server refused; created: s since 1970
 *
 * Readers ask `shown_message`. The probe of an empty journal costs them 0.2 µs a row.
 */
#include "cache/index_private.h"

#include "cache/cache.h"

const char *const index_migrations[INDEX_VERSION] = {
    /* 0: an empty file */
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"

    "CREATE TABLE mailbox(row INTEGER PRIMARY KEY AUTOINCREMENT, parent INTEGER NOT NULL, raw BLOB, name TEXT NOT NULL,"
    " delimiter INTEGER NOT NULL, attrs INTEGER NOT NULL, uidvalidity INTEGER NOT NULL, uidnext INTEGER NOT NULL,"
    " messages INTEGER NOT NULL, modseq INTEGER NOT NULL, mailboxid TEXT, listed INTEGER NOT NULL,"
    " listed_at INTEGER NOT NULL, mtime INTEGER NOT NULL, gone INTEGER NOT NULL DEFAULT 0);"
    "CREATE UNIQUE INDEX mailbox_name ON mailbox(parent, name) WHERE gone = 0;"
    "CREATE INDEX mailbox_order ON mailbox(parent) WHERE gone = 0;"

    "CREATE TABLE message(row INTEGER PRIMARY KEY AUTOINCREMENT, mailbox INTEGER NOT NULL, uid INTEGER,"
    " name TEXT NOT NULL, flags INTEGER NOT NULL, keywords TEXT, internaldate INTEGER NOT NULL,"
    " mtime INTEGER NOT NULL, ctime INTEGER NOT NULL, claim INTEGER, size INTEGER, sha256 BLOB, fingerprint BLOB,"
    " gone INTEGER NOT NULL DEFAULT 0);"
    "CREATE UNIQUE INDEX message_uid ON message(mailbox, uid, gone) WHERE gone = 0;"
    "CREATE UNIQUE INDEX message_name ON message(mailbox, name) WHERE gone = 0;"
    "CREATE INDEX message_forgotten ON message(mailbox, fingerprint) WHERE uid IS NULL AND gone = 0;"
    "CREATE INDEX message_order ON message(mailbox) WHERE gone = 0;"
    "CREATE INDEX message_gone ON message(mailbox, uid, gone) WHERE gone > 0;"

    "CREATE TABLE body(row INTEGER PRIMARY KEY, bytes INTEGER NOT NULL, queue INTEGER NOT NULL, used INTEGER NOT NULL,"
    " epoch INTEGER NOT NULL);"

    "CREATE TABLE journal(seq INTEGER PRIMARY KEY AUTOINCREMENT, op INTEGER NOT NULL, message INTEGER,"
    " mailbox INTEGER, target INTEGER, name TEXT, hides INTEGER NOT NULL DEFAULT 0, flags_add INTEGER,"
    " flags_remove INTEGER, keywords_add TEXT, keywords_remove TEXT, uidvalidity INTEGER, uidnext INTEGER,"
    " state INTEGER NOT NULL, bytes BLOB, spool INTEGER, reason TEXT, created INTEGER NOT NULL);"
    "CREATE INDEX journal_message ON journal(message, hides);"
    "CREATE VIEW shown_message AS SELECT row, mailbox, uid, name, flags, keywords, internaldate, mtime, ctime, claim,"
    " size, sha256, fingerprint, gone FROM message AS m WHERE m.gone = 0"
    " AND NOT EXISTS (SELECT 1 FROM journal AS j WHERE j.message = m.row AND j.hides = 1);"

    "CREATE TABLE totals(messages INTEGER NOT NULL, bytes INTEGER NOT NULL);"
    "INSERT INTO totals VALUES(0, 0);"
    "CREATE TRIGGER message_added AFTER INSERT ON message WHEN new.gone = 0 BEGIN"
    " UPDATE totals SET messages = messages + 1, bytes = bytes + coalesce(new.size, new.claim, 0); END;"
    "CREATE TRIGGER message_changed AFTER UPDATE OF gone, size, claim ON message BEGIN"
    " UPDATE totals SET messages = messages + (new.gone = 0) - (old.gone = 0),"
    " bytes = bytes + (new.gone = 0) * coalesce(new.size, new.claim, 0)"
    " - (old.gone = 0) * coalesce(old.size, old.claim, 0); END;"
    "INSERT INTO sqlite_sequence(name, seq) VALUES('mailbox', 0), ('message', 0);",

    /* 1: messages are matched again by EMAILID; a body is held until it is proven */
    "ALTER TABLE message ADD COLUMN emailid TEXT;"
    "CREATE INDEX message_forgotten_id ON message(mailbox, emailid) WHERE uid IS NULL AND gone = 0;"
    "DROP VIEW shown_message;"
    "CREATE VIEW shown_message AS SELECT row, mailbox, uid, name, flags, keywords, internaldate, mtime, ctime, claim,"
    " size, sha256, fingerprint, gone, emailid FROM message AS m WHERE m.gone = 0"
    " AND NOT EXISTS (SELECT 1 FROM journal AS j WHERE j.message = m.row AND j.hides = 1);"
    "ALTER TABLE body ADD COLUMN held INTEGER NOT NULL DEFAULT 0;"
    "CREATE INDEX body_held ON body(row) WHERE held = 1;",
};

static gboolean version_of(IndexDb *db, guint *ret, GError **error) {
  g_autoptr(IndexStmt) stmt = index_use(db, "PRAGMA user_version");
  gint64 version = 0;
  if (!index_number(db, stmt, &version, error))
    return FALSE;
  *ret = (guint)version;
  return TRUE;
}

static gboolean back_up(IndexDb *db, int dirfd, guint version, GError **error) {
  g_autofree char *sql = g_strdup_printf("VACUUM INTO '/proc/self/fd/%d/index.db.version-%u.%" G_GINT64_FORMAT "'",
                                         dirfd, version, g_get_real_time() / G_USEC_PER_SEC);
  return index_db_exec(db, sql, error);
}

static gboolean apply(IndexDb *db, const char *const *migrations, guint from, guint n, GError **error) {
  if (!index_db_exec(db, "BEGIN IMMEDIATE", error))
    return FALSE;
  g_autofree char *set = g_strdup_printf("PRAGMA user_version = %u", n);
  gboolean ok = TRUE;
  for (guint i = from; ok && i < n; i++)
    ok = index_db_exec(db, migrations[i], error);
  if (ok && index_db_exec(db, set, error) && index_db_exec(db, "COMMIT", error))
    return TRUE;
  index_db_exec(db, "ROLLBACK", NULL);
  return FALSE;
}

gboolean index_migrate(IndexDb *db, int dirfd, const char *const *migrations, guint n, GError **error) {
  guint version = 0;
  if (!version_of(db, &version, error))
    return FALSE;
  if (version == n)
    return TRUE;
  if (version > n) {
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_CONFIG,
                "the index was written by a newer imapfs (its format is %u, this one knows %u): use that one, or move "
                "the state directory aside",
                version, n);
    return FALSE;
  }
  if (version > 0 && !back_up(db, dirfd, version, error))
    return FALSE;
  return apply(db, migrations, version, n, error);
}
