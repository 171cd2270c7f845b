/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

/* `imapfs -u`: waits until all that was changed under the mount point is on the server, saying on stderr how far it is
 * where that is a terminal, and unmounts. FALSE: it is none of ours, it cannot be sent now (and stays mounted), or it
 * cannot be unmounted. Blocks; Ctrl-C ends it and leaves the mount as it is. */
gboolean unmount_drained(const char *mountpoint, GError **error);
