/* SPDX-License-Identifier: MIT */
#pragma once

#include <fuse_lowlevel.h>
#include <glib.h>

/* The threads that read requests from the kernel. libfuse's own loop cannot be ended from another thread. */
typedef struct _Session Session;

Session *session_start(struct fuse_session *fuse, guint workers); /* NULL: errno */
void session_wait(Session *session); /* until the kernel closed the connection, or session_quit() */
void session_quit(Session *session); /* from any thread: ends session_wait(), not the workers */
void session_stop(Session *session); /* ends and joins the workers */
void session_free(Session *session); /* after session_stop() */
