/* SPDX-License-Identifier: MIT */
/*
 * One line for each capability that must not be used with a server, with the reason and where it was seen. What a
 * server only leaves out, or says in a form of its own, is tolerated where it is read and has no place here.
 */
#include "imap/quirks.h"

#include <stdlib.h>
#include <string.h>

static const struct {
  const char *host;     /* this host or any below it; or NULL */
  const char *greeting; /* how the greeting begins; or NULL */
  const char *name;     /* how the ID's name begins; or NULL */
  const char *before;   /* the first version that gets it right; NULL: none is known */
  const char *capability, *reason;
} quirks[] = {
    {.host = "mail.me.com",
     .capability = "QRESYNC",
     .reason = "tells what vanished wrongly, so that mail disappears (Mailspring-Sync#91)"},
    {.host = "mail.me.com",
     .capability = "ESEARCH",
     .reason = "answers with a count in place of the UIDs (horde/Imap_Client#17)"},
    {.greeting = "Courier-IMAP",
     .capability = "IDLE",
     .reason = "looks for news only once a minute, less often than we ask (measured, 5.0)"},
    {.name = "Cyrus",
     .before = "2.5.11",
     .capability = "LIST-EXTENDED",
     .reason = "lists something else with RETURN (SUBSCRIBED) (cyrus-imapd#1730)"},
};
G_STATIC_ASSERT(G_N_ELEMENTS(quirks) <= sizeof(ImapQuirks) * 8);

static gboolean is_below(const char *host, const char *domain) {
  gsize len = strlen(host), n = strlen(domain);
  return len >= n && g_ascii_strcasecmp(host + len - n, domain) == 0 && (len == n || host[len - n - 1] == '.');
}

ImapQuirks imap_quirks_of_host(const char *host) {
  ImapQuirks set = 0;
  for (guint i = 0; i < G_N_ELEMENTS(quirks); i++)
    if (quirks[i].host != NULL && is_below(host, quirks[i].host))
      set |= 1u << i;
  return set;
}

ImapQuirks imap_quirks_of_greeting(const char *text) {
  ImapQuirks set = 0;
  for (guint i = 0; i < G_N_ELEMENTS(quirks); i++)
    if (quirks[i].greeting != NULL && g_str_has_prefix(text, quirks[i].greeting))
      set |= 1u << i;
  return set;
}

/* ---- ID ------------------------------------------------------------------------------------------ */

static const char *find(char *const *id, const char *field) {
  for (guint i = 0; id[i] != NULL && id[i + 1] != NULL; i += 2)
    if (g_ascii_strcasecmp(id[i], field) == 0)
      return id[i + 1];
  return NULL;
}

/* "v2.4.17-Invoca-RPM-2.4.17-1" is older than "2.5.11". What holds no number is taken for a new one. */
static gboolean is_older(const char *version, const char *than) {
  version += strcspn(version, "0123456789");
  while (g_ascii_isdigit(*version) && g_ascii_isdigit(*than)) {
    char *v, *t;
    unsigned long a = strtoul(version, &v, 10), b = strtoul(than, &t, 10);
    if (a != b)
      return a < b;
    version = *v == '.' ? v + 1 : "0";
    than = *t == '.' ? t + 1 : "";
  }
  return FALSE;
}

ImapQuirks imap_quirks_of_id(char *const *id) {
  ImapQuirks set = 0;
  const char *name = id != NULL ? find(id, "name") : NULL;
  const char *version = id != NULL ? find(id, "version") : NULL;
  for (guint i = 0; name != NULL && i < G_N_ELEMENTS(quirks); i++) {
    gboolean by_name = quirks[i].name != NULL && g_ascii_strncasecmp(name, quirks[i].name, strlen(quirks[i].name)) == 0;
    if (by_name && (quirks[i].before == NULL || (version != NULL && is_older(version, quirks[i].before))))
      set |= 1u << i;
  }
  return set;
}

/* ---- use ----------------------------------------------------------------------------------------- */

gboolean imap_quirks_hide(ImapQuirks set, const char *capability) {
  for (guint i = 0; i < G_N_ELEMENTS(quirks); i++)
    if ((set >> i & 1) && g_ascii_strcasecmp(quirks[i].capability, capability) == 0)
      return TRUE;
  return FALSE;
}

void imap_quirks_log(ImapQuirks set, const char *host) {
  for (guint i = 0; i < G_N_ELEMENTS(quirks); i++)
    if (set >> i & 1)
      g_info("%s is not used: %s %s", quirks[i].capability, host, quirks[i].reason);
}
