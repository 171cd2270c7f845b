/* SPDX-License-Identifier: MIT */
#pragma once

#include <fuse_lowlevel.h>
#include <glib.h>
#include <linux/fuse.h>

/* The threads that read requests from the kernel. libfuse's own loop cannot be ended from another thread. */
typedef struct _Session Session;

typedef void (*SessionArrived)(const struct fuse_in_header *request, gpointer data);

/* `arrived` is called for each request in the order in which the kernel sends them, before it is handled; it must be
 * quick. NULL: errno. */
Session *session_start(struct fuse_session *fuse, guint workers, SessionArrived arrived, gpointer data);
void session_wait(Session *session); /* until the kernel closed the connection, or session_quit() */
void session_quit(Session *session); /* from any thread: ends session_wait(), not the workers */
void session_stop(Session *session); /* ends and joins the workers */
void session_free(Session *session); /* after session_stop() */
