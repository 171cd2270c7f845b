/* SPDX-License-Identifier: MIT */
#pragma once

#include <fuse_lowlevel.h>

/* The handlers of GETATTR, STATFS and the extended attributes, and of all that would change something. */
void attr_handlers(struct fuse_lowlevel_ops *ops);
