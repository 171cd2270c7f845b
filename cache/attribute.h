/* SPDX-License-Identifier: MIT */
#pragma once

/* What the files of cache_get_attribute() and cache_set_attribute() share. Nobody else includes this. */
#include "cache/cache_private.h"

/* One line: valid UTF-8, no control characters. READY, or ABSENT where there is no text. */
CacheAnswer attribute_text(const char *text, char **ret);
CacheAnswer attribute_number(guint64 number, char **ret);

/* A field of the message's header, from whatever octets are here; WAIT: they are on the way. */
CacheAnswer attribute_header_field(Cache *cache, gint64 row, const char *field, char **ret, GError **error);

CacheAnswer attribute_of_folder(Cache *cache, gint64 row, const char *name, char **ret, GError **error);
gboolean attribute_folder_has(const char *name);

CacheAnswer attribute_unsupported(GError **error);
