/*
 * collation.h - the collations of the registry that the server has (RFC 4790, RFC 5051): each gives
 * texts a form in which bytes compare and match as the texts do.
 */
#ifndef MIME_COLLATION_H
#define MIME_COLLATION_H

#include "base/buf.h"

enum mime_collation {
	COLLATION_UNICODE_CASEMAP, /* i;unicode-casemap, the default */
	COLLATION_ASCII_CASEMAP,   /* i;ascii-casemap */
	COLLATION_OCTET,           /* i;octet */
	/* i;ascii-numeric: for order and equality; it finds no parts of texts (RFC 5255 4.4) */
	COLLATION_ASCII_NUMERIC,
	COLLATIONS
};

/** "i;octet" */
struct str mime_collation_name(enum mime_collation c);
/** Adds the form for order and equality. */
void mime_collate(enum mime_collation c, struct str utf8, struct buf *out);
/** Adds the form for substrings. */
void mime_collate_part(enum mime_collation c, struct str utf8, struct buf *out);
/**
 * Whether a specification of a client's, which may have "*" in it, means this one (RFC 4790 3.2).
 */
bool mime_collation_matches(enum mime_collation c, struct str wild);

#endif
