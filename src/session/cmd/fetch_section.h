/*
 * fetch_section.h - one BODY[...], BINARY[...], BINARY.SIZE[...] or RFC822... of a FETCH answer
 * (RFC 9051 6.4.5, RFC 3516).
 *
 * Bytes go from the store's pieces to the connection as they come; what must be known before (the
 * size of a decoded part, the fields of a header) is found out first, with at most FETCH_KEPT_BYTES
 * of it in memory.
 */
#ifndef SESSION_CMD_FETCH_SECTION_H
#define SESSION_CMD_FETCH_SECTION_H

#include "mime/decode.h"
#include "session/cmd/fetch_source.h"

enum {
	/* decoded bytes kept so that they need not be decoded again */
	FETCH_KEPT_BYTES = 256 * 1024,
};

enum fetch_section_step {
	SECTION_LOCATE,
	SECTION_GATHER,
	SECTION_MEASURE,
	SECTION_BEGIN,
	SECTION_SEND
};

/* Progress of one section; zeroed before the first, and by fetch_section_done(). */
struct fetch_section {
	enum fetch_section_step step;
	uint64_t at, end; /* bytes of the message still to be read */
	uint64_t from;    /* where they began */
	bool is_decoded;  /* by the decoder; else they go out as they are */
	struct mime_decoder decoder;
	uint64_t decoded_bytes;
	bool is_kept;        /* all of it is in buf */
	uint64_t skip, left; /* decoded bytes still to be passed over, to be sent */
	struct buf buf;
};

/** It is of the header of the message itself. */
bool fetch_section_is_of_header(const struct imap_section *sec);
/**
 * Writes one item of a FETCH answer, with a space before it unless *is_first.
 *
 * ERR_OK          written, or nothing had to be
 * ERR_WAIT        call again
 * ERR_CLOSED      the bytes could not be read after some had been sent: the connection is being
 *                 ended
 * ERR_UNKNOWN_CTE a part can't be decoded. This and other errors: nothing was written
 */
must_use enum err fetch_section_send(struct session *s, struct fetch_section *x,
    struct fetch_source *src, const struct imap_section *sec, bool *is_first);
void fetch_section_done(struct fetch_section *x);

#endif
