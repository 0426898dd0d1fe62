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

#endif
