/*
 * recode.h - UTF-8 to text of any charset, streaming: the way back of charset.h. Labels mean
 * exactly what they say; ICU converts.
 */
#ifndef MIME_RECODE_H
#define MIME_RECODE_H

#include "base/buf.h"

struct mime_recode;

/**
 * @replacement  UTF-8 that stands for what the charset does not have; p == NULL: nothing may
 *
 * ERR_BADCHARSET  the label is not known
 * ERR_CANNOT      the charset does not have the replacement either
 */
must_use enum err mime_recode_open(struct str label, struct str replacement,
    struct mime_recode **out);
void mime_recode_close(struct mime_recode *r);
/**
 * Adds well-formed UTF-8; a character may be split between calls. ERR_CANNOT: the charset does not
 * have one, and nothing stands for it.
 */
must_use enum err mime_recode_feed(struct mime_recode *r, struct str utf8, struct buf *out);
/** Ends the text; another may begin. */
must_use enum err mime_recode_finish(struct mime_recode *r, struct buf *out);

#endif
