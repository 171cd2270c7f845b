/* SPDX-License-Identifier: MIT */
#pragma once

#include <fuse_lowlevel.h>

/* The handlers of CREATE, MKNOD, WRITE, FLUSH, FSYNC, FALLOCATE and COPY_FILE_RANGE. */
void write_handlers(struct fuse_lowlevel_ops *ops);
