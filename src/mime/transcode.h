/*
 * transcode.h - the text of a part in another form, streaming: another charset, HTML read as plain
 * text, plain text as HTML.
 */
#ifndef MIME_TRANSCODE_H
#define MIME_TRANSCODE_H

#include "base/buf.h"

enum mime_transcode_how {
	MIME_TRANSCODE_CHARSET, /* nothing else changes */
	MIME_TRANSCODE_HTML_TO_PLAIN,
	MIME_TRANSCODE_PLAIN_TO_HTML,
};

struct mime_transcode;

/**
 * @from         label of the part's charset; absent: US-ASCII
 * @to           label of the charset that it gets
 * @replacement  UTF-8 for what that does not have; p == NULL: nothing
 *
 * ERR_UNKNOWN     `from` is not known
 * ERR_BADCHARSET  `to` is not known
 * ERR_CANNOT      `to` does not have the replacement
 */
must_use enum err mime_transcode_open(enum mime_transcode_how how, struct str from, struct str to,
    struct str replacement, struct mime_transcode **out);
void mime_transcode_close(struct mime_transcode *t);
/** Adds what the bytes (decoded) become. ERR_CANNOT: a character that `to` does not have. */
must_use enum err mime_transcode_feed(struct mime_transcode *t, struct str bytes, struct buf *out);
must_use enum err mime_transcode_finish(struct mime_transcode *t, struct buf *out);

#endif
