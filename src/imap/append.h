/*
 * append.h - the words of an APPEND around its literals, which stream past (RFC 9051 6.3.12, RFC 3502, 3516, 6855 4).
 *
 *     tag APPEND mailbox (flags) "date" {n}          imap_append_open(), imap_append_message()
 *     <n bytes>
 *      (flags) "date" ~{n}                           imap_append_next() says it goes on, imap_append_message()
 *     <n bytes>
 *     line end                                       imap_append_next() says it is done
 */
#ifndef IMAP_APPEND_H
#define IMAP_APPEND_H

#include "imap/scan.h"

struct imap_append_message {
	struct imap_flags flags;
	bool has_date;
	struct imap_datetime date;
	struct imap_literal literal;
	bool is_utf8;		/* "UTF8 (~{n}": a ")" follows the literal; imap_append_next() takes it */
};

/** Parses "mailbox SP" behind "APPEND SP". */
must_use enum err imap_append_open(struct imap_scan *s, struct str *mailbox_out);
/** Parses [flags SP] [date SP] up to the "{n}" that ends the input. */
must_use enum err imap_append_message(struct imap_scan *s, struct imap_append_message *out);
/** Parses what follows a literal: an end, or the space before another message. */
must_use enum err imap_append_next(struct imap_scan *s, bool was_utf8, bool *has_more_out);

#endif
