/* header.h - the fields of a header block, as bytes and as text. */
#ifndef MIME_HEADER_H
#define MIME_HEADER_H

#include "base/buf.h"

/*
 * One field: all of it with its line ends, its name (no colon, no space before it) and its raw
 * value (after the colon, folded, with the last line end). A line that is no field has an empty
 * name.
 */
struct mime_field {
	struct str all, name, value;
};

/**
 * Takes the next field off *rest; false at the end or at the empty line, which is then still in
 * *rest.
 */
bool mime_header_next(struct str *rest, struct mime_field *field_out);
/** The first field of a name (any case); false when there is none. */
bool mime_header_find(struct str header, struct str name, struct mime_field *field_out);

/**
 * HEADER.FIELDS and HEADER.FIELDS.NOT: the fields whose name is (with is_not: is not) among the
 * names, their exact bytes in their order, and the empty line at the end, if the block has one (RFC
 * 9051 6.4.5.1).
 */
void mime_header_pick(struct str header, const struct str *names, size_t name_count, bool is_not,
    struct buf *out);

/**
 * Adds the value on one line: white space with a line end in it becomes a space, a bare CR and
 * white space at both ends go.
 */
void mime_value_unfold(struct str value, struct buf *out);
/**
 * Adds the value as a person reads it, UTF-8: unfolded, encoded words decoded, 8-bit that is not
 * UTF-8 read as Latin-1.
 */
void mime_value_text(struct str value, struct buf *out);

#endif
