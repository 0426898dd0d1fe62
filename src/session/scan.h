/*
 * scan.h - a search under way: on the session's loop while it is short, else on the pool, where it
 * keeps nobody waiting.
 *
 *     HOME ── over its time, or much text ──> QUEUED <── woken ── WAITING (for the store)
 *       │                                       │  └── a step ──────┘
 *       └── ended ──> ENDED <── ended ──────────┘        who asked is woken
 *
 * The pool sees a search and a view, which nobody else uses meanwhile, and never the session; it
 * may go at any time, and then the search ends with its next step and takes all that it used with
 * it.
 */
#ifndef SESSION_SCAN_H
#define SESSION_SCAN_H

#include "io/jobs.h"
#include "search/search.h"

struct scan;

/* What was found. */
struct scan_found {
	struct rangeset uids, seqs;                  /* seqs for SEARCH only */
	struct uid min, max;                         /* 0: nothing was found */
	uint64_t min_modseq, max_modseq, all_modseq; /* of programs that ask for MODSEQ */
	/* of each in `uids`, in their order; NULL without wants_relevancy */
	uint8_t *relevancy;
};

struct scan_options {
	struct jobs *pool; /* NULL: all of it is done on the loop */
	/*
	 * For the first moments of those accounts that have not had much of it lately; NULL: there
	 * is none.
	 */
	struct jobs *prompt_pool;
	struct clock *clock;
	struct view *view;     /* referenced as long as the scan needs it */
	struct search *search; /* made in `arena`; taken over */
	bool wants_seqs, wants_relevancy;
	bool is_first_enough;
};

struct scan *scan_new(const struct scan_options *o);
/**
 * Goes on. ERR_WAIT: w is woken. ERR_BUSY: call again in another turn. Else it has ended.
 */
must_use enum err scan_run(struct scan *x, struct waiter *w);
/** The sequence number of the last message that was looked at. Any time. */
uint32_t scan_looked_at(const struct scan *x);
/** After scan_run() has said ERR_OK: valid as long as the scan. */
const struct scan_found *scan_found(const struct scan *x);
/** The compiled program, then too. */
const struct search *scan_search(const struct scan *x);
/**
 * Takes NULL. w (of the last scan_run()) must not be waiting any more. arena is what the search was
 * made in: it is left empty when the pool still needs what is in it.
 */
void scan_free(struct scan *x, struct arena *arena);

#endif
