/*
 * preview.h - the first words of a message (RFC 8970): at most 200 characters of plain UTF-8, white
 * space run together, HTML read as text, quoted lines and what introduces them left out if there is
 * other text.
 *
 * It is made while the text streams by: offer it each text part, in order; it takes the first that
 * says something.
 */
#ifndef MIME_PREVIEW_H
#define MIME_PREVIEW_H

#include "base/buf.h"

struct mime_preview;

struct mime_preview *mime_preview_new(void);
void mime_preview_free(struct mime_preview *p);
/** A text part begins. */
void mime_preview_begin(struct mime_preview *p, bool is_html);
/** Decoded UTF-8 of it, in pieces. */
void mime_preview_feed(struct mime_preview *p, struct str utf8);
/** False when it has enough: the caller can save the decoding. */
bool mime_preview_wants_more(const struct mime_preview *p);
/** Adds the preview, possibly nothing. */
void mime_preview_finish(struct mime_preview *p, struct buf *out);

#endif
