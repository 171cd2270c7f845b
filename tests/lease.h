/* SPDX-License-Identifier: MIT */
#pragma once

#include "imap/imap.h"

/* Leases that have to succeed, or to fail in this way, or the test fails. */
ImapConn *must_lease(ImapPool *pool, ImapRole role);
void check_fails(ImapPool *pool, ImapRole role, ImapError code);

void wait_for_waiters(ImapPool *pool, ImapConn *conn); /* until somebody waits for it */
