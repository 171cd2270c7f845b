/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

/*
 * Against the slip of a finger that empties an account: more than `most` removals within a minute, and there are no
 * more until brake_release(). Thread-safe.
 */
typedef struct _Brake Brake;

Brake *brake_new(guint most); /* 0: no limit */
void brake_free(Brake *brake);
/* One more, at `now` (monotonic µs). FALSE: not any more. The first that is refused is told in the log. */
gboolean brake_pass(Brake *brake, gint64 now);
void brake_release(Brake *brake);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Brake, brake_free)
