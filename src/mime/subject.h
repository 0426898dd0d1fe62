/* subject.h - the base subject of SORT and THREAD (RFC 5256 2.1). */
#ifndef MIME_SUBJECT_H
#define MIME_SUBJECT_H

#include "base/buf.h"

/**
 * Adds the base subject of a raw Subject value, UTF-8 as written. True when it was a reply or a
 * forward.
 */
bool mime_subject_base(struct str value, struct buf *out);

#endif
