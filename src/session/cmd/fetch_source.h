/*
 * fetch_source.h - a message that sections are taken from, and where in it they are: what FETCH and
 * CATENATE have in common.
 */
#ifndef SESSION_CMD_FETCH_SOURCE_H
#define SESSION_CMD_FETCH_SOURCE_H

#include "imap/fetch.h"
#include "mime/decode.h"
#include "mime/part.h"
#include "session/session.h"

/* of a header that fields are picked from; what is behind is not looked at */
enum { FETCH_HEADER_MAX = 1024 * 1024 };

/* What not every section needs is made when the first one does. */
struct fetch_source {
	struct account *account;
	struct message *message;
	/* its bytes, but for the prefix, where they are at hand: borrowed */
	struct str blob;
	struct arena arena;
	struct mime_message *mime;
	struct message_reader *reader;
};

/**
 * Frees all of it, with the reference to the message. The session's waiter must not be waiting for
 * it.
 */
void fetch_source_done(struct fetch_source *src);

/**
 * Where the bytes are that a section names, before <partial>; of HEADER.FIELDS the whole header.
 * The encoding is that of a part, 7BIT of everything else. ERR_NOTFOUND: no such part, or no such
 * section of it; ERR_CORRUPT.
 */
must_use enum err fetch_source_locate(struct fetch_source *src, const struct imap_section *sec,
    uint64_t *from_out, uint64_t *end_out, enum mime_encoding *encoding_out);
/** message_reader_get() of it. */
must_use enum err fetch_source_read(struct session *s, struct fetch_source *src, uint64_t at,
    uint64_t end, struct kv_bytes **bytes_out, struct str *data_out);
/**
 * Adds the next piece to out, decoded unless decoder is NULL; *at, which is below end, moves on. The
 * errors of fetch_source_read().
 */
must_use enum err fetch_source_gather(struct session *s, struct fetch_source *src, uint64_t *at,
    uint64_t end, struct mime_decoder *decoder, struct buf *out);

#endif
