/*
 * envelope.h - ENVELOPE as it is sent (RFC 9051 7.5.2, RFC 3501 7.4.2). 8-bit data goes as
 * literals.
 */
#ifndef MIME_ENVELOPE_H
#define MIME_ENVELOPE_H

#include "base/buf.h"
#include "mime/part.h"

/** "(date subject from sender reply-to to cc bcc in-reply-to message-id)". */
void mime_envelope_format(const struct mime_envelope *env, struct buf *out);
/**
 * Takes the fields from a header block; values are copied to the arena. Several To, Cc or Bcc are
 * joined (RFC 5322 4.5.3).
 */
void mime_envelope_parse(struct arena *a, struct str header, struct mime_envelope *env_out);

/*
 * Writers of BODYSTRUCTURE and ENVELOPE: a string quoted if it may be, else as a literal; NIL when
 * absent. NUL can't be sent and is left out.
 */
void mime_string_format(struct str s, struct buf *out);
void mime_nstring_format(struct str s, struct buf *out);

#endif
