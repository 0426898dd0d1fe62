/*
 * fetch_measure.h - what can be known of the bytes that a section names by looking at all of them,
 * before one is sent.
 */
#ifndef SESSION_CMD_FETCH_MEASURE_H
#define SESSION_CMD_FETCH_MEASURE_H

#include "mime/decode.h"
#include "session/cmd/fetch_source.h"

/* Of what FETCH would give: decoded for BINARY, cut by <partial>. */
struct fetch_facts {
	uint64_t octets, lines; /* line ends */
	bool has_nul, has_8bit;
};

/* Progress; zeroed before the first, and by fetch_measure_done(). */
struct fetch_measure {
	bool is_begun, is_decoded, is_finished;
	struct mime_decoder decoder;
	uint64_t at, end;    /* bytes of the message still to be read */
	uint64_t skip, left; /* what <partial> leaves out in front, takes */
	struct buf buf;
	struct fetch_facts facts;
};

/**
 * ERR_WAIT: call again. ERR_NOTFOUND: no such part. ERR_UNKNOWN_CTE: BINARY can't be decoded.
 * Faults.
 */
must_use enum err fetch_measure(struct session *s, struct fetch_measure *x,
    struct fetch_source *src, const struct imap_section *sec, struct fetch_facts *out);
void fetch_measure_done(struct fetch_measure *x);

#endif
