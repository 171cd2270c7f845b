/* SPDX-License-Identifier: MIT */
#include "imap/framer.h"

#include <string.h>

#include "imap/error.h"
#include "imap/limits.h"

/*
 * One buffer, three marks: start <= scan <= end.
 *
 *   start  first octet not handed out; the response begins here, unless `head` holds its beginning
 *   scan   up to here the current stretch of text was looked at and holds no LF
 *   end    octets fed so far
 *
 *   state      next() finds                    and goes to
 *   TEXT       a line end                      RESPONSE to the caller, TEXT; or ANNOUNCED
 *   ANNOUNCED  the caller's decision           STREAM if imap_framer_stream() was called, else KEEP
 *   KEEP       all octets of the literal       TEXT: they stay in the buffer, inside the response
 *   STREAM     some octets of the literal      DATA to the caller, straight out of the buffer; TEXT at the last
 *   FAILED     -                               the same error for ever
 *
 * A response stays contiguous in the buffer. Only where a literal is streamed its text up to there is
 * copied to `head` (some sixty octets), so that the body can pass through the buffer. Line ends are
 * found by memchr, literals are not looked at, so a body costs one copy in and none out. The buffer
 * grows with what arrived, never with what was announced.
 *
 * CRLF ends a line. No server is known to send a lone LF or CR outside literals, and after a literal
 * of the wrong length (Domino, MK#954) they are the first sign that the place in the stream is lost:
 * both are errors, as is NUL.
 */
#define BUFFER_SIZE (128u << 10) /* kept while idle; more is given back */

typedef enum { TEXT, ANNOUNCED, KEEP, STREAM, FAILED } State;

struct _ImapFramer {
  char *buffer;
  gsize size, start, scan, end;
  State state;
  GString *head;   /* what came before a streamed literal, else empty */
  gboolean clear;  /* head was handed out with the last response */
  gsize stretch;   /* where the current stretch of text begins in the buffer */
  gsize text;      /* octets of text in earlier stretches of this response */
  guint64 literal; /* octets of the current literal not yet passed */
  int literals;    /* literals in this response so far */
  int streamed;    /* index of the streamed one, or -1 */
  gboolean stream; /* the caller asked for the announced literal as DATA */
  GError *error;
};

ImapFramer *imap_framer_new(void) {
  ImapFramer *framer = g_new0(ImapFramer, 1);
  framer->size = BUFFER_SIZE;
  framer->buffer = g_malloc(framer->size);
  framer->head = g_string_new(NULL);
  framer->streamed = -1;
  return framer;
}

void imap_framer_free(ImapFramer *framer) {
  if (!framer)
    return;
  g_free(framer->buffer);
  g_string_free(framer->head, TRUE);
  g_clear_error(&framer->error);
  g_free(framer);
}

void imap_framer_stream(ImapFramer *framer) {
  g_assert(framer->state == ANNOUNCED);
  framer->stream = TRUE;
}

gsize imap_framer_buffered(const ImapFramer *framer) {
  return framer->end - framer->start;
}

/* ---- buffer --------------------------------------------------------------------------------- */

static void move_to_front(ImapFramer *framer) {
  gsize gone = framer->start;
  if (gone == 0)
    return;
  memmove(framer->buffer, framer->buffer + gone, framer->end - gone);
  framer->start = 0;
  framer->scan -= gone;
  framer->stretch -= gone;
  framer->end -= gone;
}

void imap_framer_feed(ImapFramer *framer, const void *data, gsize len) {
  if (len == 0)
    return;
  if (framer->start == framer->end || framer->size - framer->end < len)
    move_to_front(framer);
  if (framer->end == 0 && framer->size > BUFFER_SIZE && len <= BUFFER_SIZE) {
    g_clear_pointer(&framer->buffer, g_free);
    framer->size = 0;
  }
  if (framer->size - framer->end < len) {
    framer->size = MAX(MAX(framer->end + len, 2 * framer->size), BUFFER_SIZE);
    framer->buffer = g_realloc(framer->buffer, framer->size);
  }
  memcpy(framer->buffer + framer->end, data, len);
  framer->end += len;
}

/* ---- text ----------------------------------------------------------------------------------- */

static ImapFrameType fail(ImapFramer *framer, ImapError code, const char *message) {
  framer->error = g_error_new_literal(IMAP_ERROR, (int)code, message);
  framer->state = FAILED;
  return IMAP_FRAME_ERROR;
}

/* The text of a condition ("* OK", "x1 NO", "+") is free: servers end it with what a client sent, say
 * a mailbox named "a{5}". No literal stands in it. */
static gboolean is_condition(const char *line, gsize len) {
  static const char *const words[] = {"OK", "NO", "BAD", "BYE", "PREAUTH"};
  if (line[0] == '+')
    return TRUE;
  const char *end = line + len, *blank = memchr(line, ' ', len);
  if (!blank)
    return FALSE;
  while (blank < end && *blank == ' ')
    blank++;
  for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
    gsize n = strlen(words[i]);
    if ((gsize)(end - blank) >= n && g_ascii_strncasecmp(blank, words[i], n) == 0 &&
        (blank + n == end || blank[n] == ' '))
      return TRUE;
  }
  return blank < end && *blank == '['; /* "* [COPYUID ...]" without OK: home.pl, O365 (MK#115) */
}

static gboolean ends_in_quotes(const char *text, gsize len) {
  gboolean quoted = FALSE;
  for (gsize i = 0; i < len; i++) {
    if (text[i] == '"')
      quoted = !quoted;
    else if (text[i] == '\\' && quoted)
      i++;
  }
  return quoted;
}

/* Is there "{n}" or "{n+}" at the end of this stretch? Saturates at G_MAXUINT64. */
static gboolean find_literal(const char *text, gsize len, guint64 *ret_size) {
  gsize last = len - 1;
  if (len < 3 || text[last] != '}')
    return FALSE;
  if (text[last - 1] == '+')
    last--;
  gsize first = last;
  while (first > 0 && g_ascii_isdigit(text[first - 1]))
    first--;
  if (first == last || first == 0 || text[first - 1] != '{' || ends_in_quotes(text, first - 1))
    return FALSE;
  guint64 size = 0;
  for (gsize i = first; i < last; i++) {
    guint digit = (guint)(text[i] - '0');
    size = size > (G_MAXUINT64 - digit) / 10 ? G_MAXUINT64 : size * 10 + digit;
  }
  *ret_size = size;
  return TRUE;
}

/* Appends what is scanned of the response to the head; the buffer goes on after it. */
static void move_to_head(ImapFramer *framer) {
  g_string_append_len(framer->head, framer->buffer + framer->start, (gssize)(framer->scan - framer->start));
  framer->start = framer->stretch = framer->scan;
}

static ImapFrameType end_response(ImapFramer *framer, gsize line_end, ImapFrame *ret) {
  if (framer->head->len + (line_end - framer->start) > IMAP_LIMIT_RESPONSE)
    return fail(framer, IMAP_ERROR_LIMIT, "the server sent a response beyond all limits");
  ret->data = framer->buffer + framer->start;
  ret->len = line_end - framer->start;
  ret->streamed = framer->streamed;
  if (framer->head->len > 0) {
    move_to_head(framer);
    ret->data = framer->head->str;
    ret->len = framer->head->len - 2;
  }
  framer->clear = TRUE;
  framer->start = framer->stretch = framer->scan;
  framer->text = 0;
  framer->literals = 0;
  framer->streamed = -1;
  return IMAP_FRAME_RESPONSE;
}

static ImapFrameType announce(ImapFramer *framer, gsize line_end, guint64 size, ImapFrame *ret) {
  if (size > IMAP_LIMIT_BODY)
    return fail(framer, IMAP_ERROR_LIMIT, "the server announced a literal beyond all limits");
  framer->state = ANNOUNCED;
  framer->text += line_end - framer->stretch;
  framer->literal = size;
  framer->stream = FALSE;
  ret->size = size;
  ret->data = framer->buffer + framer->start;
  ret->len = line_end - framer->start;
  if (framer->head->len > 0) {
    move_to_head(framer);
    ret->data = framer->head->str;
    ret->len = framer->head->len - 2;
  }
  return IMAP_FRAME_LITERAL;
}

static ImapFrameType read_text(ImapFramer *framer, ImapFrame *ret) {
  const char *text = framer->buffer + framer->stretch;
  const char *lf =
      framer->scan < framer->end ? memchr(framer->buffer + framer->scan, '\n', framer->end - framer->scan) : NULL;
  gsize room = IMAP_LIMIT_LINE - framer->text;
  if (!lf) {
    framer->scan = framer->end;
    if (framer->end - framer->stretch > room + 1) /* the one may be the CR */
      return fail(framer, IMAP_ERROR_LIMIT, "the server sent a line beyond all limits");
    return IMAP_FRAME_MORE;
  }
  gsize len = (gsize)(lf - text);
  if (len == 0 || lf[-1] != '\r')
    return fail(framer, IMAP_ERROR_PROTOCOL, "the server sent a line end without CR");
  if (--len > room)
    return fail(framer, IMAP_ERROR_LIMIT, "the server sent a line beyond all limits");
  if (len > 0 && (memchr(text, '\r', len) || memchr(text, '\0', len)))
    return fail(framer, IMAP_ERROR_PROTOCOL, "the server sent a stray CR or NUL");

  gsize line_end = framer->stretch + len;
  framer->scan = line_end + 2;
  guint64 size;
  if (len > 0 && text[len - 1] == '}' && find_literal(text, len, &size) &&
      (framer->literals > 0 || !is_condition(text, len)))
    return announce(framer, line_end, size, ret);
  return end_response(framer, line_end, ret);
}

/* ---- literals ------------------------------------------------------------------------------- */

static void decide(ImapFramer *framer) {
  gsize held = framer->head->len + (framer->scan - framer->start);
  if (framer->stream && framer->streamed >= 0) {
    fail(framer, IMAP_ERROR_PROTOCOL, "the server sent two bodies in one response");
  } else if (framer->stream) {
    move_to_head(framer);
    framer->streamed = framer->literals++;
    framer->state = STREAM;
  } else if (framer->literal > IMAP_LIMIT_LITERAL || held + framer->literal > IMAP_LIMIT_RESPONSE) {
    fail(framer, IMAP_ERROR_LIMIT, "the server sent a response beyond all limits");
  } else {
    framer->literals++;
    framer->state = KEEP;
  }
}

static gboolean keep(ImapFramer *framer) {
  gsize n = (gsize)MIN(framer->literal, framer->end - framer->scan);
  framer->scan += n;
  framer->literal -= n;
  framer->stretch = framer->scan;
  return framer->literal == 0;
}

static gboolean stream(ImapFramer *framer, ImapFrame *ret) {
  gsize n = (gsize)MIN(framer->literal, framer->end - framer->start);
  if (n == 0)
    return FALSE;
  framer->literal -= n;
  *ret = (ImapFrame){.type = IMAP_FRAME_DATA,
                     .data = framer->buffer + framer->start,
                     .len = n,
                     .size = framer->literal,
                     .streamed = framer->streamed};
  framer->start += n;
  framer->scan = framer->stretch = framer->start;
  return TRUE;
}

ImapFrameType imap_framer_next(ImapFramer *framer, ImapFrame *ret, GError **error) {
  *ret = (ImapFrame){.type = IMAP_FRAME_MORE, .streamed = -1};
  if (framer->clear)
    g_string_truncate(framer->head, 0);
  framer->clear = FALSE;

  if (framer->state == ANNOUNCED)
    decide(framer);
  if (framer->state == STREAM && framer->literal > 0)
    return ret->type = stream(framer, ret) ? IMAP_FRAME_DATA : IMAP_FRAME_MORE;
  if (framer->state == KEEP && !keep(framer))
    return IMAP_FRAME_MORE;
  if (framer->state != FAILED) {
    framer->state = TEXT;
    ret->type = read_text(framer, ret);
  }
  if (framer->state == FAILED) {
    ret->type = IMAP_FRAME_ERROR;
    g_propagate_error(error, g_error_copy(framer->error));
  }
  return ret->type;
}
