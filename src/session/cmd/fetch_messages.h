/*
 * fetch_messages.h - which messages FETCH answers, and in which order: upward by UID; when there
 * are more than one command may be about, the last ones, from the highest UID down (RFC 9738 3.1).
 */
#ifndef SESSION_CMD_FETCH_MESSAGES_H
#define SESSION_CMD_FETCH_MESSAGES_H

#include "imap/search.h"
#include "session/session.h"

struct fetch_messages {
	struct rangeset uids; /* what is asked for */
	bool has_since;       /* CHANGEDSINCE */
	uint64_t since;
	struct uid lowest; /* of the last ones; 0: it is done of all, upward */

	/* Its own: those that have changed, when they must be counted, and where that goes on. */
	struct rangeset counted;
	uint32_t count_at;
};

/**
 * PARTIAL (RFC 9394 3.3): of the messages those of a range. ERR_LIMIT: that are more than one
 * command may be about.
 */
must_use enum err fetch_messages_take_part(struct session *s, struct command *c,
    struct fetch_messages *m, const struct imap_partial *range);
/** Looks whether there are too many, once, before the first is asked for. ERR_WAIT. */
must_use enum err fetch_messages_limit(struct session *s, struct fetch_messages *m);
void fetch_messages_done(struct fetch_messages *m);

/** The UID to begin with. */
static inline uint32_t
fetch_messages_first(const struct fetch_messages *m)
{
	return m->lowest.v == 0 ? 1 : UINT32_MAX;
}

/** The UID to go on with behind one; 0: there is none. */
static inline uint32_t
fetch_messages_behind(const struct fetch_messages *m, uint32_t uid)
{
	return m->lowest.v == 0 ? uid + 1 : uid - 1;
}

/** Whether a comes behind b. */
static inline bool
fetch_messages_is_behind(const struct fetch_messages *m, uint32_t a, uint32_t b)
{
	return m->lowest.v == 0 ? a > b : a < b;
}

/** The message with the UID from, or the next one behind it. False: there is none. */
bool fetch_messages_next(const struct session *s, const struct fetch_messages *m, uint32_t from,
    struct entry *out, struct seqnum *seq_out);

#endif
