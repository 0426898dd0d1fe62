/*
 * catenate.h - one URL of a CATENATE: the bytes that it names are copied into a message that comes
 * in (RFC 4469, RFC 5092).
 */
#ifndef SESSION_CMD_CATENATE_H
#define SESSION_CMD_CATENATE_H

#include "imap/url.h"
#include "session/cmd/fetch_source.h"
#include "store/arrival.h"

enum catenate_step {
	CATENATE_FIND,
	CATENATE_LOAD,
	CATENATE_LOCATE,
	CATENATE_GATHER,
	CATENATE_COPY
};

/* Progress; all zero before the first URL. */
struct catenate {
	enum catenate_step step;
	/* of the mailbox that the last URL named: the next may name it too */
	struct view *view;
	struct str name; /* of it; empty: the selected one */
	struct msgno msgno;
	struct fetch_source src;
	uint64_t at, end; /* bytes of the message still to be read */
	uint64_t bytes;   /* all that the URL names */
	bool is_picked;   /* they are in buf, from `at` on, and not in the message */
	struct buf buf;
};

/**
 * Copies what a URL names, as FETCH BODY.PEEK[...] would give it.
 *
 * @room       bytes that it may have
 * @bytes_out  bytes that it had
 *
 * ERR_WAIT    call again with the same
 * ERR_BADURL  another server, another user, no such mailbox or none that may be read, no such
 *             message, no such part
 * ERR_TOOBIG  more than room
 */
must_use enum err catenate_copy(struct session *s, struct arena *a, struct catenate *x,
    const struct imap_url *url, struct arrival *into, uint64_t room, uint64_t *bytes_out);
/** Lets go of all of it. The session's waiter must not be waiting for it. */
void catenate_done(struct catenate *x);

#endif
