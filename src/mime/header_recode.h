/*
 * header_recode.h - a header block whose encoded words (RFC 2047) are in another charset (RFC 5259
 * 6).
 */
#ifndef MIME_HEADER_RECODE_H
#define MIME_HEADER_RECODE_H

#include "base/buf.h"

/**
 * Adds the block; encoded words stay encoded words, all else is as it was, and so are words that
 * can't be decoded.
 *
 * @charset      label of what the words get
 * @replacement  UTF-8 for what that does not have; p == NULL: nothing
 *
 * ERR_BADCHARSET  the label is not known; ERR_CANNOT: a character that the charset does not have
 */
must_use enum err mime_header_recode(struct str header, struct str charset, struct str replacement,
    struct buf *out);

#endif
