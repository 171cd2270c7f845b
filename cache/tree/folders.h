/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/cache_private.h"

/*
 * What cache_rename() leaves to the errands: a folder that the server knows. What it is to be called is neither the
 * name of a message, nor that of a desktop's trash, nor in a local folder; what else may stand in the way (another
 * folder, INBOX, a special use) is found out here. *ticket as in cache_make_folder(); once it is not 0 only the outcome
 * is asked for, and `folder` may be NULL.
 */
CacheAnswer folders_rename(Cache *cache, const IndexMailbox *folder, gint64 to_folder, const char *to_name, guint flags,
                           gint64 *ticket, GError **error);
