/* SPDX-License-Identifier: MIT */
#pragma once

/* Where a change takes effect, here or on the server. The build for tests (IMAPFS_STEPS) stops dead at the N-th of
 * these, where the environment says IMAPFS_STOP_AT=N; else they are nothing. */
#ifdef IMAPFS_STEPS
void steps_one(void);
#else
#define steps_one() ((void)0)
#endif
