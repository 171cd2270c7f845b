/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

/* Body of the thread that takes the events of the cache and hands them on: data is the Fs. Ends with cache_stop(). */
gpointer answer_run(gpointer data);
