/* SPDX-License-Identifier: MIT */
/*
 * Two vocabularies and the one table between them: ImapError says what a caller of imap/ can do, CacheError what fs/
 * can tell the kernel. HOST is OFFLINE here, because by then the account was mounted and the name resolved once; LIMIT
 * is GARBAGE, because a server beyond our limits is not one we can read.
 */
#include "cache/error.h"

#include <errno.h>

#include "imap/imap.h"

G_DEFINE_QUARK(imapfs_cache_error_quark, cache_error)

static const CacheError meaning[] = {
    [IMAP_ERROR_NETWORK] = CACHE_ERROR_OFFLINE,
    [IMAP_ERROR_HOST] = CACHE_ERROR_OFFLINE,
    [IMAP_ERROR_TIMEOUT] = CACHE_ERROR_TIMEOUT,
    [IMAP_ERROR_TLS] = CACHE_ERROR_TLS,
    [IMAP_ERROR_AUTH] = CACHE_ERROR_LOGIN,
    [IMAP_ERROR_CONFIG] = CACHE_ERROR_CONFIG,
    [IMAP_ERROR_UNAVAILABLE] = CACHE_ERROR_BUSY,
    [IMAP_ERROR_REFUSED] = CACHE_ERROR_REFUSED,
    [IMAP_ERROR_PERMISSION] = CACHE_ERROR_PERMISSION,
    [IMAP_ERROR_READONLY] = CACHE_ERROR_READONLY,
    [IMAP_ERROR_QUOTA] = CACHE_ERROR_QUOTA,
    [IMAP_ERROR_TOOBIG] = CACHE_ERROR_TOOBIG,
    [IMAP_ERROR_EXISTS] = CACHE_ERROR_EXISTS,
    [IMAP_ERROR_GONE] = CACHE_ERROR_GONE,
    [IMAP_ERROR_INVALID] = CACHE_ERROR_INVALID,
    [IMAP_ERROR_PROTOCOL] = CACHE_ERROR_GARBAGE,
    [IMAP_ERROR_LIMIT] = CACHE_ERROR_GARBAGE,
    [IMAP_ERROR_LOCAL] = CACHE_ERROR_LOCAL,
    [IMAP_ERROR_CANCELLED] = CACHE_ERROR_CANCELLED,
};
/* A new code of ImapError must get its line above. */
G_STATIC_ASSERT(G_N_ELEMENTS(meaning) == IMAP_ERROR_CANCELLED + 1);

GError *cache_error_from_imap(GError *taken) {
  if (!taken || taken->domain == CACHE_ERROR)
    return taken;
  gboolean known = taken->domain == IMAP_ERROR && (guint)taken->code < G_N_ELEMENTS(meaning);
  taken->code = known ? (int)meaning[taken->code] : CACHE_ERROR_LOCAL;
  taken->domain = CACHE_ERROR;
  return taken;
}

gboolean cache_fail(GError **error, CacheError code, const char *why) {
  g_set_error_literal(error, CACHE_ERROR, code, why);
  return FALSE;
}

gboolean cache_error_errno(GError **error, const char *what) {
  gboolean full = errno == ENOSPC || errno == EDQUOT;
  g_set_error(error, CACHE_ERROR, full ? CACHE_ERROR_SPACE : CACHE_ERROR_LOCAL, "%s: %s", what, g_strerror(errno));
  return FALSE;
}
