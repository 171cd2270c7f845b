/* SPDX-License-Identifier: MIT */
#pragma once

#include <fuse_lowlevel.h>

/* The handlers of extended attributes. */
void xattr_handlers(struct fuse_lowlevel_ops *ops);
