/* finding.h - the messages that a search program finds: what SEARCH, SORT and THREAD have in common. */
#ifndef SESSION_CMD_FINDING_H
#define SESSION_CMD_FINDING_H

#include "imap/search.h"
#include "session/scan.h"
#include "session/session.h"

struct finding {
	struct scan *scan;
	uint32_t at;		/* finding_each(): next UID, and how many came before */
	size_t at_index;
};

struct finding_options {
	bool wants_seqs;	/* sequence numbers too */
	bool is_first_enough;
	bool is_elsewhere;	/* not the selected mailbox: nothing is saved of it */
};

/**
 * Gives a parsed program the session's collation. What a parsed program may not be for this client, and what follows from an error of parsing (its code; what was saved is
 * forgotten, RFC 5182 2.1). Gives the error back, or a new one.
 */
enum err finding_parsed(struct session *s, struct command *c, struct imap_scan *in, struct imap_search *args, enum err e);
/** Compiles the program for the view, as it is, in `a`. ERR_SYNTAX, with its words. */
must_use enum err finding_begin(struct session *s, struct command *c, const struct imap_search *args, struct view *v,
    struct finding_options o, struct arena *a, struct finding *f);
/** ERR_WAIT: call again. What was found is valid until finding_done(). */
must_use enum err finding_run(struct session *s, struct finding *f, const struct scan_found **found_out);
/** Calls fn for each message that was found, in mailbox order, in steps. ERR_WAIT: call again. */
typedef void finding_fn(void *ctx, const struct entry *e, struct seqnum seq, unsigned relevancy);
must_use enum err finding_each(struct session *s, struct view *v, struct finding *f, finding_fn *fn, void *ctx);
/** How far it is, for progress(). */
void finding_progress(const struct finding *f, struct view *v, uint64_t *done_out, uint64_t *goal_out);
/** A search that ends with NO forgets what was to be saved. */
void finding_forget_saved(struct session *s, const struct imap_search *args, enum err e);
/** For done(), the last thing there: the session's waiter is taken off, and the arena, which it was begun with, may be gone. */
void finding_done(struct session *s, struct arena *a, struct finding *f);

/** For sort_run() and thread_run(); ctx is the session. */
bool finding_should_yield(void *ctx);

#endif
