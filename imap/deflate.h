/* SPDX-License-Identifier: MIT */
#pragma once

#include "imap/stream.h"

/* COMPRESS=DEFLATE (RFC 4978) as a layer upon `lower`, which it takes. Never fails. */
ImapStream *imap_deflate_new(ImapStream *lower);
