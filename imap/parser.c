/* SPDX-License-Identifier: MIT */
#include "imap/parser.h"

#include <string.h>

#include "imap/error.h"
#include "imap/limits.h"

/*
 * One loop over the tokens; open lists stand on a small array of indices, so that depth costs no
 * stack. Values go to one growing array: a list is followed by its members, and learns its span when
 * it is closed. The array grows with what was read and is bounded by IMAP_LIMIT_VALUES.
 *
 * Wider than the RFC, each for a server: any number of blanks between values and before a ")"
 * (imap-codec quirk_trailing_space, QQ), controls and 8-bit in atoms (Exchange sends tabs in mailbox
 * names, MK#945), NIL where the RFC wants a string. Not wider where the place in the stream would be
 * in doubt: after a string comes a blank, a bracket or the end, else a literal was shorter or longer
 * than announced (Domino, MK#954), and that response is refused whole.
 */
typedef struct {
  ImapParser *parser;
  ImapValue *values;
  guint n, size;
  guint open[IMAP_LIMIT_DEPTH + 1]; /* the root and the lists now open */
  guint depth;                      /* index of the innermost one */
} Reader;

void imap_parser_init(ImapParser *parser, const char *data, gsize len, int streamed) {
  *parser = (ImapParser){data, data + len, streamed, 0};
}

static void skip_blanks(ImapParser *parser) {
  while (parser->at < parser->end && *parser->at == ' ')
    parser->at++;
}

gboolean imap_parser_word(ImapParser *parser, const char **ret, gsize *ret_len) {
  skip_blanks(parser);
  *ret = parser->at;
  while (parser->at < parser->end && *parser->at != ' ')
    parser->at++;
  *ret_len = (gsize)(parser->at - *ret);
  return *ret_len > 0;
}

static gboolean fail(GError **error, const char *what) {
  g_set_error(error, IMAP_ERROR, IMAP_ERROR_PROTOCOL, "the server sent %s", what);
  return FALSE;
}

static gboolean append(Reader *reader, ImapValueType type, const char *data, gsize len, GError **error) {
  if (reader->n == IMAP_LIMIT_VALUES) {
    g_set_error(error, IMAP_ERROR, IMAP_ERROR_LIMIT, "the server sent more than %u values", IMAP_LIMIT_VALUES);
    return FALSE;
  }
  if (reader->n == reader->size) {
    reader->size = reader->size ? 2 * reader->size : 32;
    reader->values = g_renew(ImapValue, reader->values, reader->size);
  }
  reader->values[reader->n++] = (ImapValue){type, 1, data, len};
  return TRUE;
}

/* ---- tokens --------------------------------------------------------------------------------- */

/* After a string or a list: nothing may be glued to it but a bracket. */
static gboolean check_gap(const ImapParser *parser, GError **error) {
  if (parser->at == parser->end || strchr(" ()]", *parser->at))
    return TRUE;
  return fail(error, "a string that does not end where it should");
}

static gboolean is_text(char c) {
  return c != '\0' && c != '\r' && c != '\n';
}

/* To the character `close` outside (or, of a quoted string, at the end of) quotes, past escapes. */
static gboolean skip_to(ImapParser *parser, char close, gboolean quoted, GError **error) {
  for (; parser->at < parser->end && is_text(*parser->at); parser->at++) {
    if (*parser->at == close && (!quoted || close == '"'))
      return TRUE;
    if (*parser->at == '"')
      quoted = !quoted;
    else if (*parser->at == '\\' && quoted && parser->end - parser->at > 1 && is_text(parser->at[1]))
      parser->at++;
  }
  return fail(error, "an unfinished string");
}

static gboolean read_quoted(Reader *reader, GError **error) {
  ImapParser *parser = reader->parser;
  const char *first = ++parser->at;
  if (!skip_to(parser, '"', TRUE, error))
    return FALSE;
  gsize len = (gsize)(parser->at++ - first);
  return append(reader, IMAP_VALUE_QUOTED, first, len, error) && check_gap(parser, error);
}

/* The framer has been here: it only passes literals whose octets are all present, or streamed. */
static gboolean read_literal(Reader *reader, GError **error) {
  ImapParser *parser = reader->parser;
  const char *p = parser->at + (*parser->at == '~' ? 2 : 1);
  guint64 size = 0;
  const char *digits = p;
  for (; p < parser->end && g_ascii_isdigit(*p) && size <= IMAP_LIMIT_BODY; p++)
    size = size * 10 + (guint64)(*p - '0');
  gboolean some = p > digits;
  if (p < parser->end && *p == '+')
    p++;
  if (!some || parser->end - p < 3 || memcmp(p, "}\r\n", 3) != 0)
    return fail(error, "a broken literal");
  p += 3;
  gboolean streamed = parser->literals++ == parser->streamed;
  if (!streamed && size > (gsize)(parser->end - p))
    return fail(error, "a literal that is too short");
  gsize len = streamed ? 0 : (gsize)size;
  parser->at = p + len;
  return append(reader, streamed ? IMAP_VALUE_STREAMED : IMAP_VALUE_LITERAL, p, len, error) && check_gap(parser, error);
}

/* BODY[HEADER.FIELDS ("DATE" "FROM")]<0>: one atom, with the list and its strings (quoted by Courier). */
static gboolean has_section(const char *atom, gsize len) {
  return (len == 4 && g_ascii_strncasecmp(atom, "BODY", len) == 0) ||
         (len == 6 && g_ascii_strncasecmp(atom, "BINARY", len) == 0);
}

static gboolean read_atom(Reader *reader, char stop, GError **error) {
  ImapParser *parser = reader->parser;
  const char *first = parser->at;
  for (; parser->at < parser->end; parser->at++) {
    char c = *parser->at;
    if (c == ' ' || c == '(' || c == ')' || (stop && c == stop && reader->depth == 0))
      break;
    if (c == '[' && has_section(first, (gsize)(parser->at - first)) && !skip_to(parser, ']', FALSE, error))
      return FALSE;
    if (c == '"' || c == '{' || !is_text(c))
      return fail(error, "an atom with a character it cannot have");
  }
  return append(reader, IMAP_VALUE_ATOM, first, (gsize)(parser->at - first), error);
}

/* ---- lists ---------------------------------------------------------------------------------- */

static gboolean open_list(Reader *reader, GError **error) {
  reader->parser->at++;
  if (reader->depth == IMAP_LIMIT_DEPTH) {
    g_set_error(error, IMAP_ERROR, IMAP_ERROR_LIMIT, "the server sent lists nested deeper than %d", IMAP_LIMIT_DEPTH);
    return FALSE;
  }
  reader->open[++reader->depth] = reader->n;
  return append(reader, IMAP_VALUE_LIST, NULL, 0, error);
}

static void close_list(Reader *reader) {
  guint list = reader->open[reader->depth];
  reader->values[list].span = reader->n - list;
}

static gboolean end_list(Reader *reader, GError **error) {
  if (reader->depth == 0)
    return fail(error, "a closing bracket too many");
  close_list(reader);
  reader->depth--;
  reader->parser->at++;
  return check_gap(reader->parser, error);
}

static gboolean is_literal8(const ImapParser *parser) {
  return *parser->at == '~' && parser->end - parser->at > 1 && parser->at[1] == '{';
}

static gboolean read_value(Reader *reader, char stop, GError **error) {
  switch (*reader->parser->at) {
  case '(':
    return open_list(reader, error);
  case ')':
    return end_list(reader, error);
  case '"':
    return read_quoted(reader, error);
  case '{':
    return read_literal(reader, error);
  default:
    return is_literal8(reader->parser) ? read_literal(reader, error) : read_atom(reader, stop, error);
  }
}

ImapValue *imap_parser_values(ImapParser *parser, char stop, GError **error) {
  Reader reader = {.parser = parser};
  gboolean ok = append(&reader, IMAP_VALUE_LIST, NULL, 0, error), stopped = FALSE;
  for (;;) {
    skip_blanks(parser);
    stopped = stop && parser->at < parser->end && *parser->at == stop && reader.depth == 0;
    if (!ok || stopped || parser->at == parser->end)
      break;
    ok = read_value(&reader, stop, error);
  }
  if (ok && (reader.depth > 0 || (stop && !stopped)))
    ok = fail(error, "a list without its end");
  if (!ok) {
    g_free(reader.values);
    return NULL;
  }
  close_list(&reader);
  parser->at += stopped ? 1 : 0;
  return reader.values;
}
