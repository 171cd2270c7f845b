/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/sync/line.h"
#include "cache/sync/watch.h"

/* The thread that makes first listings, so that a folder of a million messages holds up nobody's `ls` elsewhere. */
typedef struct _Lister Lister;

Lister *lister_run(Line *line, Watch *watch); /* both must outlive it */
/* Frees it; NULL is fine. The agenda must be closed and Account.cancellable cancelled. */
void lister_join(Lister *lister);
