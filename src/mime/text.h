/*
 * text.h - the searchable text of a message as UTF-8, piece by piece: of each text part and nested
 * header, for SEARCH BODY and TEXT and for indexing. Of the Content- fields of parts only
 * descriptions and names of files are given, decoded: else "text" and "base64" would be found in
 * every message. It asks for the byte ranges it needs, so parts that hold no text are never read:
 *
 *     while (mime_text_want(t, &range)) {
 *             (read some bytes of the range, from its begin; may wait)
 *             mime_text_feed(t, bytes);
 *     }
 */
#ifndef MIME_TEXT_H
#define MIME_TEXT_H

#include "mime/part.h"

struct mime_text;

enum mime_text_what {
	MIME_TEXT_HEADER = 1, /* the root header block */
	/* text and message parts; headers of nested messages, and of parts what people see */
	MIME_TEXT_BODY = 2,
	MIME_TEXT_SOURCE = 4, /* HTML a second time, as it is written */
};

/*
 * Takes a piece: whole characters. Those of one text (part or header) follow each other without a
 * gap, is_first begins the next. HTML source is a stream of its own between the pieces of its text.
 * False stops the extraction.
 */
typedef bool mime_text_fn(void *ctx, struct str utf8, bool is_first, bool is_source);

/** The message (parsed or decoded structure) must outlive it. */
struct mime_text *mime_text_new(const struct mime_message *msg, unsigned what, mime_text_fn *fn,
    void *ctx);
void mime_text_free(struct mime_text *t);
/** The bytes that are to be fed next; false when all is done, or was stopped. */
bool mime_text_want(struct mime_text *t, struct mime_range *range_out);
/** Bytes from the begin of the wanted range, at least one, at most all of it. */
void mime_text_feed(struct mime_text *t, struct str bytes);

#endif
