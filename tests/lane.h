/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/body/lane_private.h"
#include "tests/account.h"

/*
 * A lane and what it takes from, over a scripted server with one mailbox, "box": messages 1 to 3, subjects 1 to 3, and
 * a claim of 19 octets each. It does nothing before lane_run().
 */
#define OPEN "C: @ EXAMINE \"box\"\nS: * 9 EXISTS\nS: * OK [UIDVALIDITY 7] x\nS: * OK [UIDNEXT 10] x\nS: @ OK\n"
#define ASK(set) "C: @ UID FETCH " set " (UID BODY.PEEK[])\n"
#define BODY(uid, subject) "S: * 1 FETCH (UID " uid " BODY[] {19}\nR: Subject: " subject "\\r\\n\\r\\nhello\nS: )\n"
#define OK "S: @ OK\n"
#define LOOK(uids) "C: @ NOOP\nS: @ OK\nC: @ UID SEARCH ALL\nS: * SEARCH " uids "\nS: @ OK\n"

typedef struct {
  TestAccount *test;
  LaneShared shared;
  Pace pace, line;
  Lane *lane;
  gint64 box, rows[4]; /* rows[uid] */
  gint64 resized;
} Bench;

void bench_start(Bench *bench, const char *script);
void bench_clear(Bench *bench);
void wait_for(Bench *bench, guint32 uid);
CacheEvent next_body(Bench *bench); /* the next end of a wanted body */
void ck_body(Bench *bench, guint32 uid, const char *text);
void ck_failure(Bench *bench, guint32 uid, CacheError code);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Bench, bench_clear)
