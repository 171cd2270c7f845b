/* SPDX-License-Identifier: MIT */
#pragma once

#include <fuse_lowlevel.h>

/* The handlers of LOOKUP, OPENDIR, READDIR and READDIRPLUS. */
void dir_handlers(struct fuse_lowlevel_ops *ops);
