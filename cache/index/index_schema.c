/* SPDX-License-Identifier: MIT */
/*
 * The tables. `row` is the inode number's lower part: AUTOINCREMENT, so that no row is ever used twice. A row that goes
 * stays as a tombstone (`gone` = number of the run in which it went; 0: living), because the kernel may still hold it;
 * the next run purges it. Unique among the living: (mailbox, uid), (folder, name), (parent, name); `gone` stands in
 * message_uid only so that the set of UIDs is read from that index alone. A size that is not known is NULL. `totals` is
 * kept by triggers: statfs must not count a million rows.
 *
 * message.mailbox, uid: what the server has said. message.folder: where it is shown (cache/journal/journal.h); NULL:
 * nowhere.
 *
 * body.held: the message was given another UID because its header fields agree; until its whole header has been
 * compared with that body, the body is not served.
 *
 * journal: a row for each change that is to be sent, see cache/journal/journal.h:
 *
 * - op, state: JournalOp, JournalState
 * - message: the row it is about; NULL for RMDIR
 * - mailbox: where the server has the message, kept by a trigger; of RMDIR the folder
 * - target: NEW, MOVE: where it is to be; REMOVE: where it was shown
 * - flags_*, keywords_*: what is added and removed
 * - after: not before the row with this seq has left; uploads: not before the uploads into `target` up to this seq
 * - copy: message whose octets those of a NEW are
 * - uidvalidity, uidnext: of the target before it was sent: where to look for it when the answer was lost
 * - due: µs since 1970; tries: temporary refusals; edition: counts the edits of a row
 * - reason: why the server refused, or why it is local; created: µs since 1970
 *
 * octets: those of a NEW up to 256 kB, apart from its row, which is rewritten at each step. Triggers drop rows of the
 * journal with the message or mailbox that they are about, and octets with their NEW.
 */
#include "cache/index/index_private.h"

#include <fcntl.h>
#include <unistd.h>

#include "cache/error.h"

#define VERSION_MOST 1000 /* none that is larger was ever written */

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

    /* 2: changes. The journal was never used before. */
    "DROP VIEW shown_message;"
    "DROP INDEX message_name;"
    "DROP INDEX message_order;"
    "ALTER TABLE message ADD COLUMN folder INTEGER;"
    "UPDATE message SET folder = mailbox;"
    "CREATE UNIQUE INDEX message_name ON message(folder, name) WHERE gone = 0;"
    "CREATE INDEX message_order ON message(folder) WHERE gone = 0;"
    "CREATE VIEW shown_message AS SELECT row, mailbox, uid, name, flags, keywords, internaldate, mtime, ctime, claim,"
    " size, sha256, fingerprint, gone, emailid, folder FROM message WHERE gone = 0;"

    "ALTER TABLE mailbox ADD COLUMN heard INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE mailbox ADD COLUMN read_only INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE mailbox ADD COLUMN rights INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE mailbox ADD COLUMN limited INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE mailbox ADD COLUMN permanent INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE mailbox ADD COLUMN any_keyword INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE mailbox ADD COLUMN keywords TEXT;"
    "ALTER TABLE mailbox ADD COLUMN append_limit INTEGER NOT NULL DEFAULT 0;"

    "DROP TABLE journal;"
    "CREATE TABLE journal(seq INTEGER PRIMARY KEY AUTOINCREMENT, op INTEGER NOT NULL, state INTEGER NOT NULL,"
    " message INTEGER, mailbox INTEGER NOT NULL DEFAULT 0, target INTEGER NOT NULL DEFAULT 0,"
    " flags_add INTEGER NOT NULL DEFAULT 0, flags_remove INTEGER NOT NULL DEFAULT 0, keywords_add TEXT,"
    " keywords_remove TEXT, after INTEGER NOT NULL DEFAULT 0, uploads INTEGER NOT NULL DEFAULT 0,"
    " copy INTEGER NOT NULL DEFAULT 0, spooled INTEGER NOT NULL DEFAULT 0, uidvalidity INTEGER NOT NULL DEFAULT 0,"
    " uidnext INTEGER NOT NULL DEFAULT 0, due INTEGER NOT NULL DEFAULT 0, tries INTEGER NOT NULL DEFAULT 0,"
    " edition INTEGER NOT NULL DEFAULT 0, created INTEGER NOT NULL, reason TEXT);"
    "CREATE INDEX journal_message ON journal(message, op, state);"
    "CREATE INDEX journal_state ON journal(state, op);"
    "CREATE INDEX journal_group ON journal(op, mailbox, target, state);"
    "CREATE INDEX journal_target ON journal(target, op, state);"
    "CREATE INDEX journal_after ON journal(after) WHERE after > 0;"
    "CREATE INDEX journal_copy ON journal(copy) WHERE copy > 0;"
    "CREATE TABLE octets(message INTEGER PRIMARY KEY, bytes BLOB NOT NULL);"
    "CREATE TRIGGER journal_left AFTER DELETE ON journal WHEN old.op = 1 BEGIN"
    " DELETE FROM octets WHERE message = old.message; END;"
    "CREATE TRIGGER message_placed AFTER UPDATE OF mailbox ON message BEGIN"
    " UPDATE journal SET mailbox = new.mailbox WHERE message = new.row; END;"
    "CREATE TRIGGER message_ended AFTER UPDATE OF gone ON message WHEN new.gone > 0 BEGIN"
    " DELETE FROM journal WHERE message = new.row; END;"
    "CREATE TRIGGER mailbox_ended AFTER UPDATE OF gone ON mailbox WHEN new.gone > 0 BEGIN"
    " DELETE FROM journal WHERE op = 5 AND mailbox = new.row;"
    " UPDATE journal SET state = 1 WHERE op = 1 AND state = 0 AND target = new.row; END;",

    /* 3: messages without header fields are matched again by date and size */
    "CREATE INDEX message_forgotten_date ON message(mailbox, internaldate) WHERE uid IS NULL AND gone = 0;",
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
  g_autofree char *name =
      g_strdup_printf("index.db.version-%u.%" G_GINT64_FORMAT, version, g_get_real_time() / G_USEC_PER_SEC);
  g_autofree char *sql = g_strdup_printf("VACUUM INTO '/proc/self/fd/%d/%s'", dirfd, name);
  /* SQLite fills an empty file, and would make one that others can read. */
  int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0)
    return cache_error_errno(error, "cannot make a copy of the index");
  close(fd);
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
  /* What a table lacks or has already is not what this version has: the number is wrong. */
  if ((sqlite3_errcode(db->sql) & 0xff) == SQLITE_ERROR)
    g_atomic_int_set(db->damaged, 1);
  index_db_exec(db, "ROLLBACK", NULL);
  return FALSE;
}

gboolean index_migrate(IndexDb *db, int dirfd, const char *const *migrations, guint n, GError **error) {
  guint version = 0;
  if (!version_of(db, &version, error))
    return FALSE;
  if (version == n)
    return TRUE;
  if (version > VERSION_MOST) {
    g_atomic_int_set(db->damaged, 1);
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_LOCAL, "the index: its format is %u", version);
    return FALSE;
  }
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
