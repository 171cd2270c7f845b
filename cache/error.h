/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/cache.h"

/* What an error of imap/ means to fs/: the same message under the CACHE_ERROR code of one table. Takes the error; one
 * of another domain becomes CACHE_ERROR_LOCAL, one that is CACHE_ERROR already stays. NULL gives NULL. */
GError *cache_error_from_imap(GError *taken);

/* Sets the error. Returns FALSE. */
gboolean cache_fail(GError **error, CacheError code, const char *why);

/* From errno: CACHE_ERROR_SPACE or CACHE_ERROR_LOCAL, "WHAT: why". Returns FALSE. */
gboolean cache_error_errno(GError **error, const char *what);
