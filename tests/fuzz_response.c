/* SPDX-License-Identifier: MIT */
#include <stdint.h>

#include "imap/parser.h"
#include "imap/response.h"
#include "tests/values.h"

/* parse(print(parse(x))) == parse(x) */
static void round_trip(const char *text, gsize len) {
  ImapParser parser;
  imap_parser_init(&parser, text, len, -1);
  g_autoptr(ImapValue) root = imap_parser_values(&parser, 0, NULL);
  if (!root)
    return;
  GString *printed = values_print(root);
  /* The root itself is printed as one more list, which may be one too deep. */
  imap_parser_init(&parser, printed->str + 1, printed->len - 2, -1);
  g_autoptr(ImapValue) again = imap_parser_values(&parser, 0, NULL);
  g_assert(again && values_equal(root, again));
  g_string_free(printed, TRUE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  for (int streamed = -1; streamed < 2; streamed++) {
    g_auto(ImapEvent) event = {0};
    g_autoptr(GError) error = NULL;
    g_autofree char *exact = g_memdup2(data, size);
    g_assert(imap_response_read(exact ? exact : "", size, streamed, &event, &error) != (error != NULL));
    if (!error && event.type == IMAP_EVENT_STATUS)
      error = imap_response_error(event.condition, event.code, event.text);
    g_assert(!error || g_utf8_validate(error->message, -1, NULL));
  }
  round_trip((const char *)data, size);
  return 0;
}
