/*
 * bodystructure.h - BODY and BODYSTRUCTURE as they are sent (RFC 9051 7.5.2 and its grammar,
 * RFC 3501 7.4.2).
 */
#ifndef MIME_BODYSTRUCTURE_H
#define MIME_BODYSTRUCTURE_H

#include "base/buf.h"
#include "mime/part.h"

/** The parenthesized list, with extension data for BODYSTRUCTURE and without for BODY. */
void mime_bodystructure_format(const struct mime_message *msg, struct buf *out);
void mime_body_format(const struct mime_message *msg, struct buf *out);
/**
 * BODY out of a stored BODYSTRUCTURE, by leaving out the extension data.
 *
 * ERR_CORRUPT  not what mime_bodystructure_format() wrote
 */
must_use enum err mime_body_from_bodystructure(struct str bodystructure, struct buf *out);

/* What a part's BODYSTRUCTURE says of the form in which the part is given. */
struct mime_body_form {
	struct str type, subtype; /* p == NULL: as it is */
	struct str charset;       /* parameter; p == NULL: all are as they are */
	struct str encoding;      /* p == NULL: as it is */
	uint64_t octets, lines;
};

/**
 * The BODYSTRUCTURE of the part that a path names (as BODY[1.2] does; none: all of it), borrowed
 * from the whole.
 *
 * ERR_NOTFOUND  there is no such part
 * ERR_CORRUPT   not what mime_bodystructure_format() wrote
 */
must_use enum err mime_bodystructure_part(struct str bodystructure, const uint32_t *path,
    size_t path_count, struct str *part_out);
/**
 * That of the root of the message that a message/rfc822 part holds. ERR_NOTFOUND: it is no such
 * part.
 */
must_use enum err mime_bodystructure_inner(struct str part, struct str *inner_out);
/** Writes a part's BODYSTRUCTURE for another form of it; a multipart's as it is. ERR_CORRUPT. */
must_use enum err mime_bodystructure_reform(struct str part, const struct mime_body_form *form,
    struct buf *out);

#endif
