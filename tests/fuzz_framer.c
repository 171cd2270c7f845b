/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <string.h>

#include "tests/frames.h"

/* The first octet says where to cut and from which size on literals are streamed; the cut must change nothing. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2)
    return 0;
  const char *wire = (const char *)data + 1;
  guint64 stream = data[0] & 1 ? FRAMES_KEEP : (data[0] & 6);
  gsize cut = data[0] >> 3 ? data[0] >> 3 : FRAMES_BYTEWISE;
  g_autofree char *whole = frames_render(wire, size - 1, size, stream);
  g_autofree char *pieces = frames_render(wire, size - 1, cut, stream);
  g_assert_cmpstr(whole, ==, pieces);
  return 0;
}
