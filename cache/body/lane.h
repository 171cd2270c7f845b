/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/account.h"
#include "cache/body/pace.h"
#include "cache/body/wants.h"
#include "cache/sync/sync.h"

/*
 * One thread that brings wanted bodies over one connection of its role. The fetcher has a prompt lane for waiting
 * readers and a bulk lane for what is read ahead and what is large, or one lane for both where connections are few.
 */
typedef struct _Lane Lane;

typedef struct {
  Account *account;
  Sync *sync;
  Wants *wants;
  Pace *pace;                                 /* of octets of bodies */
  Pace *line;                                 /* of octets on the line, which may be compressed */
  void (*resized)(gint64 row, gpointer data); /* the size that fs/ may have shown was wrong; before its event */
  gpointer data;
} LaneShared;

Lane *lane_new(const LaneShared *shared, ImapRole role, WantsKinds kinds); /* shared must outlive it */
void lane_run(Lane *lane);
void lane_wake(Lane *lane); /* there may be something new to ask for. Any thread, never blocks */
void lane_join(Lane *lane); /* wants must be closed and Account.cancellable cancelled */
void lane_free(Lane *lane);
