/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

/* Names of files and directories that editors, rsync, browsers and desktops leave: they stay local. Pure. */
gboolean debris_name(const char *name);
/* `.Trash`, `.Trash-1000`: cannot be made, so that file managers remove for good (and we move to the trash). */
gboolean debris_is_desktop_trash(const char *name);
/* The flags of a Maildir name (":2,FS"), as ImapFlags: D F R S, never T. 0: it is none. */
guint debris_maildir_flags(const char *name);
gboolean debris_maildir_passed(const char *name); /* P: $Forwarded, which is a keyword */
