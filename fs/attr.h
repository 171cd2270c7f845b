/* SPDX-License-Identifier: MIT */
#pragma once

#include <fuse_lowlevel.h>

/* The handlers of GETATTR, SETATTR and STATFS. */
void attr_handlers(struct fuse_lowlevel_ops *ops);
