/* content_int.h - the header fields that describe a part, into its struct mime_part. */
#ifndef MIME_CONTENT_INT_H
#define MIME_CONTENT_INT_H

#include "base/arena.h"
#include "base/buf.h"
#include "mime/part.h"

/* What is kept of headers, and how much more may be. */
struct mime_keeper {
	struct arena *a;
	size_t left;
	struct buf scratch; /* one field's value, unfolded */
};

/** A copy in the arena; absent when there is no more room. */
struct str mime_keep(struct mime_keeper *k, struct str s);
/**
 * Fills in everything that the header says: type, encoding, disposition and so on.
 *
 * @is_in_digest  a part of multipart/digest, whose default type is message/rfc822 (RFC 2046 5.1.5)
 */
void mime_content_parse(struct mime_keeper *k, struct str header, bool is_in_digest,
    struct mime_part *part);
/** Makes it an opaque part: application/octet-stream, whatever it said. */
void mime_content_set_opaque(struct mime_part *part);
/** The fields of an ENVELOPE; absent where there was no more room. */
void mime_envelope_keep(struct mime_keeper *k, struct str header, struct mime_envelope *env);
/** The parameters that begin here, with the semicolon before each; RFC 2231 undone. */
struct mime_param *mime_params_parse(struct mime_keeper *k, struct str s);

#endif
