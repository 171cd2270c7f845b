/* SPDX-License-Identifier: MIT */
#include "tests/session.h"

#include <check.h>

Session session_log_in(const char *login, char **disable, guint timeout, const char *dialogue) {
  Session s = {0};
  g_autofree char *script = g_strconcat(login, dialogue, NULL);
  g_autoptr(GError) error = NULL;
  s.fake = fake_new(script);
  s.config = fake_config(s.fake);
  s.config.disable = disable;
  s.config.timeout = timeout != 0 ? timeout : s.config.timeout;
  s.pool = imap_pool_new(&s.config);
  s.conn = imap_pool_lease(s.pool, IMAP_ROLE_PROMPT, NULL, &error);
  ck_assert_msg(s.conn != NULL, "%s", error != NULL ? error->message : "");
  return s;
}

Session session_new(const char *capabilities, const char *dialogue) {
  g_autofree char *login = g_strdup_printf(FAKE_LOGIN("%s"), capabilities);
  return session_log_in(login, NULL, 0, dialogue);
}

void session_clear(Session *s) {
  imap_conn_fail(s->conn); /* no LOGOUT: the dialogue is over */
  imap_pool_release(s->pool, s->conn);
  imap_pool_free(s->pool);
  fake_free(s->fake);
}

void tell_changed(const ImapMessage *message, gpointer text) {
  ck_assert((message->has & IMAP_HAS_UID) && (message->has & IMAP_HAS_FLAGS));
  g_string_append_printf(text, "%u:%s ", message->uid, message->flags & IMAP_FLAG_FLAGGED ? "flagged" : "");
}

void check_set(const ImapSeqset *set, const char *expected, const char *what, int row) {
  g_autofree char *text = set ? imap_seqset_format(set) : g_strdup("-");
  ck_assert_msg(g_str_equal(text, expected), "row %d: %s is %s, not %s", row, what, text, expected);
}
