/* SPDX-License-Identifier: MIT */
#pragma once

#include "imap/response.h"

/* All that an event says, as one line: what the tables of tests/test_response.c expect. A new string. */
char *response_line(const ImapEvent *event);
