/*
 * append.h - the words of an APPEND around its literals, which stream past (RFC 9051 6.3.12, RFC
 * 3502, 3516, 6855 4), and the parts of a message that is put together (RFC 4469).
 *
 *     tag APPEND mailbox (flags) "date" {n}          imap_append_open(), imap_append_message()
 *     <n bytes>
 *      (flags) "date" ~{n}                           imap_append_next() says it goes on, imap_append_message()
 *     <n bytes>
 *     line end                                       imap_append_next() says it is done
 *
 *     (flags) "date" CATENATE (                      imap_append_message(): is_catenate
 *     TEXT {n}                                       imap_append_part()
 *     <n bytes>
 *      URL "..."                                     imap_append_next_part() says it goes on, imap_append_part()
 *     )                                              imap_append_next_part() says it is done, then imap_append_next()
 */
#ifndef IMAP_APPEND_H
#define IMAP_APPEND_H

#include "imap/annotate.h"

struct imap_append_message {
	struct imap_flags flags;
	bool has_date;
	struct imap_datetime date;
	bool has_annotation;
	struct imap_annotate_store annotation;
	struct imap_literal literal;
	/* "UTF8 (~{n}": a ")" follows the literal; imap_append_next() takes it */
	bool is_utf8;
	bool is_catenate; /* "CATENATE (": parts follow, and no literal is here */
};

/* cat-part: a URL, or a literal that ends the input. */
struct imap_append_part {
	bool is_url;
	struct str url;
	struct imap_literal literal;
	bool is_utf8; /* as above; imap_append_next_part() takes the ")" */
};

/** Parses "mailbox SP" behind "APPEND SP". */
must_use enum err imap_append_open(struct imap_scan *s, struct str *mailbox_out);
/**
 * Parses [flags SP] [date SP] ["ANNOTATION" SP (...) SP] (RFC 5257 4.7) up to the "{n}" that ends
 * the input, or up to and with "CATENATE (". ERR_EXISTS: a literal in the annotations is announced,
 * and not there yet.
 */
must_use enum err imap_append_message(struct imap_scan *s, struct imap_append_message *out);
/** Parses what follows a literal: an end, or the space before another message. */
must_use enum err imap_append_next(struct imap_scan *s, bool was_utf8, bool *has_more_out);
/** Parses one part; ERR_EXISTS: a URL that is a literal is announced, and not there yet. */
must_use enum err imap_append_part(struct imap_scan *s, struct imap_append_part *out);
/** Parses what follows a part: the space before another one, or the ")" of all. */
must_use enum err imap_append_next_part(struct imap_scan *s, bool was_utf8, bool *has_more_out);

#endif
