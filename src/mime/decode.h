/*
 * decode.h - content transfer encodings, streaming: base64, quoted-printable, uuencode, and
 * identity.
 */
#ifndef MIME_DECODE_H
#define MIME_DECODE_H

#include "base/buf.h"
#include "mime/part.h"

struct mime_decoder {
	enum mime_encoding encoding;
	/* something was not as the encoding says; it was read as well as possible */
	bool is_bad;
	/* Private. */
	uint32_t bits; /* base64: of the group so far */
	uint8_t count; /* base64: digits of it; QP: characters after "=" */
	bool is_ended; /* what follows is not data */
	bool is_begun; /* uuencode: "begin" was seen */
	uint8_t held_count;
	/* QP: blanks, perhaps of a line's end, or an escape; uuencode: the line */
	char held[80];
};

void mime_decoder_init(struct mime_decoder *d, enum mime_encoding encoding);
/**
 * Adds what the bytes decode to, never more than 1 byte a byte (and what was held back). An unknown
 * encoding is passed through.
 */
void mime_decoder_feed(struct mime_decoder *d, struct str in, struct buf *out);
/**
 * Adds what is left.
 *
 * ERR_UNKNOWN_CTE  the encoding is unknown or the data broke its rules, so BINARY must not send it
 *                  (RFC 3516 4.3);
 *                  readers who prefer something to nothing ignore that
 */
enum err mime_decoder_finish(struct mime_decoder *d, struct buf *out);

#endif
