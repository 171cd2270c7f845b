/* SPDX-License-Identifier: MIT */
#pragma once

#include <fuse_lowlevel.h>

/* Open files, and the handlers of OPEN, READ and RELEASE. */
typedef struct _Files Files; /* all that are open */
typedef struct _File File;

Files *files_new(void);
void files_free(Files *files); /* closes what the kernel did not release */

void file_handlers(struct fuse_lowlevel_ops *ops);
