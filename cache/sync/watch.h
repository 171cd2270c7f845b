/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/sync/line.h"

/*
 * The thread that listens. It has a connection of its own, does nothing but ring, and never looks at a folder itself:
 * what it hears becomes work on the agenda.
 */
typedef struct _Watch Watch;

/* NOTIFY told of a mailbox that came, went or was renamed; a sweep is due already. In the watching thread. */
typedef void (*WatchNames)(const ImapListing *listing, gpointer data);

Watch *watch_new(Line *line, WatchNames names, gpointer data); /* line must outlive it */
void watch_run(Watch *watch);
void watch_join(Watch *watch); /* the agenda must be closed and Account.cancellable cancelled; or never run */
void watch_free(Watch *watch);

/* From any thread, never block: another folder is to be watched; the line may be dead, find out. */
void watch_call(Watch *watch);
void watch_probe(Watch *watch);
/* From any thread: a folder may have got another name, or be another mailbox under its old one. Where that is the one
 * it sits on it sits down anew: what the server tells of the old one says nothing of this. */
void watch_recheck(Watch *watch);
