/* SPDX-License-Identifier: MIT */
#pragma once

/* Shared by place.c and place_stamp.c. */
#include <fcntl.h>

#include "cache/place.h"

#define PLACE_DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* Whether the stamp of the cache was written since this machine was booted. */
gboolean place_same_boot(const Place *place);
