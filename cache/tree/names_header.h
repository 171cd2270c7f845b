/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

/* The few header fields that names are made of. Pure functions; what a stranger wrote comes out as valid UTF-8, and
 * still with anything in it that UTF-8 can say. */

char *names_field(const char *header, gsize len, const char *field); /* of this name, decoded; or NULL. A new string. */
char *names_subject(const char *header, gsize len);                  /* decoded; or NULL. A new string. */
char *names_sender(const char *header, gsize len); /* display name, else address, of the first author; or NULL */
