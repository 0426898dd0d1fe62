/*
 * casemap.h - the collation i;unicode-casemap (RFC 5051): what two texts must have in common to
 * match or to sort together.
 */
#ifndef MIME_CASEMAP_H
#define MIME_CASEMAP_H

#include "base/buf.h"

/**
 * Adds the UTF-8 text, each character in title case and decomposed; ASCII therefore in capitals.
 * Ill-formed bytes become U+FFFD.
 */
void mime_casemap(struct str utf8, struct buf *out);

#endif
