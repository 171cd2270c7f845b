/* SPDX-License-Identifier: MIT */
/*
 * fault PORT: a line to 127.0.0.1:PORT that goes wrong where it is told to (tests/fault.h). Prints the port it listens
 * on, and then one line in answer to each line of its standard input, at the end of which it ends:
 *
 *   down close 1234 any     a fault, as fault_parse() reads it, is armed: "armed"
 *   off                     no fault any more: "off"
 *   seen                    since then: "up 812 down 5423 connections 3 fired 1"
 */
#include "tests/fault.h"

#include <stdio.h>

#include "tests/lib/net.h"

static void obey(FaultRelay *relay, const char *line) {
  g_autoptr(Fault) fault = fault_parse(line);
  FaultSeen seen = fault_relay_seen(relay);
  if (g_str_equal(line, "seen")) {
    printf("up %" G_GUINT64_FORMAT " down %" G_GUINT64_FORMAT " connections %u fired %u\n", seen.octets[FAULT_UP],
           seen.octets[FAULT_DOWN], seen.connections, seen.fired);
  } else if (g_str_equal(line, "off")) {
    fault_relay_disarm(relay);
    puts("off");
  } else if (fault) {
    fault_relay_arm(relay, fault);
    puts("armed");
  } else {
    net_die("no such fault: %s", line);
  }
  fflush(stdout);
}

int main(int argc, char **argv) {
  const GOptionEntry entries[] = {{0}};
  net_options(&argc, &argv, entries, "PORT", 1);
  g_autoptr(FaultRelay) relay = fault_relay_new((guint16)g_ascii_strtoull(argv[1], NULL, 10));
  printf("%u\n", fault_relay_port(relay));
  fflush(stdout);
  char line[1024];
  while (fgets(line, sizeof line, stdin))
    obey(relay, g_strchomp(line));
  return 0;
}
