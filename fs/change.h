/* SPDX-License-Identifier: MIT */
#pragma once

#include <fuse_lowlevel.h>

/* The handlers of UNLINK, RMDIR, RENAME, MKDIR, FSYNCDIR, and of SYMLINK and LINK, which there are not. */
void change_handlers(struct fuse_lowlevel_ops *ops);
