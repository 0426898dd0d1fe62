/*
 * summary.h - everything that is stored beside a message, made in one pass as it streams in: the
 * one call that a store needs.
 */
#ifndef MIME_SUMMARY_H
#define MIME_SUMMARY_H

#include "mime/part.h"

struct mime_summarizer;

/* All texts live in the arena. */
struct mime_summary {
	struct mime_message *msg;
	struct str envelope; /* ready to send */
	/* ready to send; BODY comes from it by mime_body_from_bodystructure() */
	struct str bodystructure;
	struct str structure; /* mime_structure_encode() */
	struct str header;    /* header block of the root, up to MIME_MAX_HEADER_BYTES */
	bool is_header_cut;   /* it is longer: read it from the message */
	struct str sortkeys;  /* mime_sortkeys_encode() */
	struct str preview;   /* UTF-8, may be empty */
};

struct mime_summarizer *mime_summarizer_new(struct arena *a);
void mime_summarizer_feed(struct mime_summarizer *s, struct str bytes);
/** Ends and frees it; the summary stays with the arena. */
void mime_summarizer_finish(struct mime_summarizer *s, struct mime_summary *summary_out);
/** Gives up. NULL is fine. */
void mime_summarizer_free(struct mime_summarizer *s);

#endif
