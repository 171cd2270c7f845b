/* SPDX-License-Identifier: MIT */
#pragma once

#include <fuse_lowlevel.h>

/* The handlers of OPEN, READ and RELEASE. */
void file_handlers(struct fuse_lowlevel_ops *ops);
