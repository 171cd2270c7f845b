/* SPDX-License-Identifier: MIT */
#pragma once

#include "imap/imap.h"

/*
 * A scripted IMAP server in a thread, on a loopback port. It plays one dialogue and notices where the
 * client departs from it. Lines of a script:
 *
 *   C: @ NOOP        the client's next line; "@" stands for any tag, "*" and "?" are wildcards
 *   S: @ OK done     our next line, with CR LF; "@" is the last tag, "@2" that of the second command
 *   R: a\r\n         octets as they are, C escapes allowed
 *   I: @ OK\r\n...  the same, beginning with the last tag: several lines in one packet
 *   next             closes, and goes on with the client's next connection
 *   half             ends our side of the stream only
 *   stall            says nothing more; goes on when the client has closed
 *   far              from here on each of our lines comes 5 ms late
 *   split            from here on each octet is sent by itself
 *   wait             until fake_go()
 *
 * At the end of the script the connection is held until the client closes it or logs out.
 */
typedef struct _Fake Fake;

Fake *fake_new(const char *script);
void fake_go(Fake *fake);
guint16 fake_port(const Fake *fake);
ImapConfig fake_config(const Fake *fake); /* plaintext on loopback, user ann, password secret, 5 s of silence */
void fake_free(Fake *fake);               /* fails the test if the script was not followed to its end */

/* A pool, the only connection of which follows a greeting and login like these. */
#define FAKE_LOGIN(capabilities)                                                                                       \
  "S: * OK [CAPABILITY IMAP4rev1] hello\n"                                                                             \
  "C: @ LOGIN \"ann\" \"secret\"\n"                                                                                    \
  "S: @ OK in\n"                                                                                                       \
  "C: @ CAPABILITY\n"                                                                                                  \
  "S: * CAPABILITY IMAP4rev1 " capabilities "\n"                                                                       \
  "S: @ OK\n"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Fake, fake_free)
