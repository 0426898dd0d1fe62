/*
 * parser.h - parses a message in one pass as it streams in, and never refuses one.
 *
 * Bytes are pushed in pieces of any size; the result does not depend on where they were cut. No
 * recursion; the work is linear; only headers are kept, within limits.h. Lines end in CRLF or LF; a
 * bare CR is an ordinary byte. A header ends at an empty line, at a boundary of a part around it,
 * or with the message.
 */
#ifndef MIME_PARSER_H
#define MIME_PARSER_H

#include "base/buf.h"
#include "mime/part.h"

struct mime_parser;

/*
 * What a caller may want to see while the parser goes on; each may be NULL. Order for a part:
 * part_begin (its header is parsed: type, encoding, charset are known), body pieces, part_end. Only
 * leaves (TEXT and BASIC) get body pieces: exactly the bytes of their body range.
 */
struct mime_parser_hooks {
	void *ctx;
	void (*part_begin)(void *ctx, const struct mime_part *part);
	void (*body)(void *ctx, const struct mime_part *part, struct str bytes);
	void (*part_end)(void *ctx, const struct mime_part *part);
};

/**
 * @a      arena that parser and result live in
 * @hooks  copied; NULL for none
 */
struct mime_parser *mime_parser_new(struct arena *a, const struct mime_parser_hooks *hooks);
void mime_parser_feed(struct mime_parser *p, struct str bytes);
/** Ends it. The message lives in the arena. Frees what the parser took outside of it. */
void mime_parser_finish(struct mime_parser *p, struct mime_message **msg_out);
/** Gives up without a result; only this or finish, and once. NULL is fine. */
void mime_parser_free(struct mime_parser *p);

/** All at once, for what is in memory. */
struct mime_message *mime_parse(struct arena *a, struct str bytes);

#endif
