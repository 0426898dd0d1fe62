/*
 * finding.h - the messages that a search program finds: what SEARCH, SORT and THREAD have in
 * common.
 */
#ifndef SESSION_CMD_FINDING_H
#define SESSION_CMD_FINDING_H

#include "imap/search.h"
#include "session/scan.h"
#include "session/session.h"

typedef void finding_fn(void *ctx, const struct entry *e, struct seqnum seq, unsigned relevancy);

/* Before the first of them: how many there are, or would be if none has gone. */
typedef void finding_expect_fn(void *ctx, size_t count);

enum finding_step { FINDING_BEGIN, FINDING_SEARCH, FINDING_TAKE, FINDING_OVER };

/*
 * What is done when more messages are to be looked at than one command may be about (RFC 9738), if
 * there is such a limit.
 */
enum finding_limit {
	FINDING_UNLIMITED, /* there is none */
	FINDING_HIGHEST,   /* those with the highest UIDs are */
	FINDING_REFUSES,
	/* refused when messages must be read for it; else all are */
	FINDING_REFUSES_TO_READ,
};

struct finding {
	/* What is asked for: set before the first finding_run(). */
	const struct imap_search *args;
	struct view *view;
	struct arena *arena; /* what is compiled lives there */
	bool wants_seqs;     /* sequence numbers too */
	bool is_first_enough;
	bool is_elsewhere;            /* not the selected mailbox: "$" names nothing in it */
	const struct rangeset *among; /* UIDs: only these are looked at; NULL: all */
	enum finding_limit when_limited;
	uint32_t limit; /* how many, where session_message_limit() tells one */
	/*
	 * called with take_ctx for each message that was found, in mailbox order; NULL: the sets
	 * are enough
	 */
	finding_fn *take;
	finding_expect_fn *expect; /* may be NULL */
	void *take_ctx;

	/* What FINDING_HIGHEST did, from the first finding_run() on. */
	uint64_t named;    /* how many messages the program's sets leave to it */
	bool is_cut;       /* more than the limit */
	struct uid lowest; /* then: of those that are looked at; 0: there are none */

	/* Its own. */
	enum finding_step step;
	struct scan *scan;
	uint32_t at; /* taking: next UID, and how many came before */
	size_t at_index;
};

/**
 * For the scanner of a searching command, before it is parsed: what FILTER names (RFC 5466). In the
 * command's arena.
 */
void finding_know_filters(struct session *s, struct command *c, struct imap_scan *in);
/**
 * Gives a parsed program the session's collation. What a parsed program may not be for this client,
 * and what follows from an error of parsing (its code; what was saved is forgotten, RFC 5182 2.1).
 * Gives the error back, or a new one.
 */
enum err finding_parsed(struct session *s, struct command *c, struct imap_scan *in,
    struct imap_search *args, enum err e);
/**
 * Compiles the program for the view as it is, searches, and hands over what was found, in steps:
 * ERR_WAIT, call again. What was found is valid until finding_done(). ERR_SYNTAX, with the
 * command's words.
 */
must_use enum err finding_run(struct session *s, struct command *c, struct finding *f,
    const struct scan_found **found_out);
/** How far it is, for progress(). */
void finding_progress(const struct finding *f, uint64_t *done_out, uint64_t *goal_out);
/** A search that ends with NO forgets what was to be saved. */
void finding_forget_saved(struct session *s, const struct imap_search *args, enum err e);
/**
 * For done(), the last thing there: the session's waiter is taken off, and what was in the arena
 * may be gone.
 */
void finding_done(struct session *s, struct finding *f);

/** For sort_run() and thread_run(); ctx is the session. */
bool finding_should_yield(void *ctx);

#endif
