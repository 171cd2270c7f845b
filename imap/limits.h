/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Every bound on what a server may make us hold, and how long we let it be silent. Nothing is allocated because a
 * server announced it: a size is compared with one of these first. Each limit has a test that reaches it and goes
 * beyond. A DEFLATE stream needs none of its own: it is inflated into the same buffer that a plain one is read into.
 */

#define IMAP_LIMIT_LINE (7u << 20)     /* text of one response without its literals; a UID set of 400k holes is 6 MB */
#define IMAP_LIMIT_LITERAL (4u << 20)  /* one literal kept in memory (a header); larger ones are streamed or refused */
#define IMAP_LIMIT_RESPONSE (8u << 20) /* one response, with the literals that are kept in memory */
#define IMAP_LIMIT_BODY (G_GUINT64_CONSTANT(2) << 30) /* one streamed literal: 40 times what large providers accept */
#define IMAP_LIMIT_DEPTH 32                           /* nested lists; a listing needs 3 */
#define IMAP_LIMIT_VALUES (1u << 18)   /* values in one response: bounds the tree made from a line of "()()()" */
#define IMAP_LIMIT_COMMAND 8000        /* one line we send: RFC 7162 section 4 recommends 8192 */
#define IMAP_LIMIT_MAILBOX_NAME 1000   /* octets; Exchange and Dovecot stop at 255 to 1000 */
#define IMAP_LIMIT_MAILBOXES 100000    /* rows of one LIST */
#define IMAP_LIMIT_RANGES (1u << 20)   /* ranges of one UID set: 8 MB */
#define IMAP_LIMIT_FLAGS 128           /* keywords of one message */
#define IMAP_LIMIT_KEYWORDS 1000       /* of one mailbox: Dovecot's Maildir has 26, Cyrus 100 */
#define IMAP_LIMIT_TEXT 1000           /* characters of server text that reach a log line or an error */
#define IMAP_LIMIT_UNTAGGED (1u << 24) /* responses to one command: ten million messages and some room */
#define IMAP_LIMIT_BAD 5               /* BADs on one connection before it is dropped (Exchange closes at 10) */

#define IMAP_TIMEOUT_CONNECT 15                       /* seconds for one address: name, TCP and TLS each */
#define IMAP_TIMEOUT_LOGIN 60                         /* seconds: servers delay wrong passwords on purpose */
#define IMAP_TIMEOUT_SESSION (2 * IMAP_TIMEOUT_LOGIN) /* seconds from nothing to logged in, however answers drip */
#define IMAP_TIMEOUT_LOOK 2                           /* seconds: somebody's mkdir holds up all others in the folder */
#define IMAP_TIMEOUT_LOGOUT 1                         /* seconds: a courtesy, not worth waiting for */
