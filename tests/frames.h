/* SPDX-License-Identifier: MIT */
#pragma once

#include "imap/framer.h"

/*
 * Runs what a server says through a framer that is fed in pieces, for tests of everything that reads
 * responses: the result must not depend on where the network cut the bytes.
 */
#define FRAMES_BYTEWISE G_MAXSIZE /* a cut after every octet */
#define FRAMES_KEEP G_MAXUINT64   /* stream no literal */

typedef void (*FramesFunc)(const ImapFrame *frame, const GError *error, gpointer data);

/* Cuts the bytes at `cut`, streams literals of at least `stream` octets, hands over every frame but MORE. */
void frames_each(const char *bytes, gsize len, gsize cut, guint64 stream, FramesFunc func, gpointer data);

/* One line per frame, adjacent DATA joined, octets escaped as in C. A new string. */
char *frames_render(const char *bytes, gsize len, gsize cut, guint64 stream);

/* frames_render() gives `expected` for every cut, else aborts. */
void frames_assert(const char *bytes, gsize len, guint64 stream, const char *expected, int row);
