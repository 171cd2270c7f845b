/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

/* The absolute path of a directory fit to be mounted on: there, empty, and nothing mounted on it. NULL: a sentence. */
char *mountpoint_check(const char *path, GError **error);
