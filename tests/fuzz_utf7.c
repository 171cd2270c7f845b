/* SPDX-License-Identifier: MIT */
#include <stdint.h>

#include "imap/imap.h"

/* Each way leads back to where it came from. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  g_autofree char *text = g_strndup((const char *)data, size);
  g_autofree char *utf8 = imap_utf7_decode(text);
  if (utf8) {
    g_autofree char *name = imap_utf7_encode(utf8);
    g_assert_cmpstr(name, ==, text);
  }
  g_autofree char *name = imap_utf7_encode(text);
  g_assert((name != NULL) == g_utf8_validate(text, -1, NULL));
  if (name) {
    g_autofree char *back = imap_utf7_decode(name);
    g_assert_cmpstr(back, ==, text);
  }
  return 0;
}
