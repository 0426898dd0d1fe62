/*
 * limits.h - how much of a message a stranger can make us keep. What is beyond a limit stays
 * readable as bytes.
 */
#ifndef MIME_LIMITS_H
#define MIME_LIMITS_H

enum {
	/* Parts inside each other; a multipart or message that deep is an opaque part. */
	MIME_MAX_DEPTH = 100,
	/*
	 * Parts of a message, the root counted; what comes behind is one more part, which is
	 * opaque.
	 */
	MIME_MAX_PARTS = 10000,
	/* Addresses of one header field; further ones are dropped. */
	MIME_MAX_ADDRESSES = 10000,
	/* Parameters of one field, disposition and content type each; further ones are dropped. */
	MIME_MAX_PARAMS = 100,
	/* Tags of one Content-Language. */
	MIME_MAX_LANGUAGES = 32,
	/* Header bytes of the message that are kept; the rest is only counted. */
	MIME_MAX_HEADER_BYTES = 256 * 1024,
	/* The same for each part inside. */
	MIME_MAX_PART_HEADER_BYTES = 16 * 1024,
	/*
	 * Text kept from the headers of all parts inside together (types, parameters, nested
	 * envelopes).
	 */
	MIME_MAX_KEPT_BYTES = 1024 * 1024,
	/*
	 * A boundary: RFC 2046 5.1.1 allows 70; longer ones are cut to this, which still finds
	 * them.
	 */
	MIME_MAX_BOUNDARY = 250,
	/* Message-ids of References that are kept: the first and the last of them. */
	MIME_MAX_REFERENCES = 1000,
	/* Characters of a preview (RFC 8970 3.1). */
	MIME_MAX_PREVIEW_CHARS = 200,
};

#endif
