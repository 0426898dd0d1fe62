/*
 * run.h - a search program over the messages of a view, in steps that never block: what SEARCH, UID SEARCH, SORT and THREAD
 * begin with.
 *
 *     search_run_new() -> search_run_step() until it returns ERR_OK -> results -> search_run_free()
 */
#ifndef SEARCH_RUN_H
#define SEARCH_RUN_H

#include "search/program.h"

struct search_run;

/**
 * @search  as parsed; must outlive the run
 * @saved   value of "$" (RFC 5182), or NULL
 * @now_s   for OLDER and YOUNGER
 *
 * ERR_SYNTAX  a sequence number above EXISTS
 */
must_use enum err search_run_new(struct view *v, const struct imap_search *search, const struct rangeset *saved, int64_t now_s,
	struct search_run **out);
/** Takes NULL. The waiter given to the last step must not be waiting any more. */
void search_run_free(struct search_run *r);
/**
 * Goes on.
 *
 * ERR_OK    all messages have been looked at
 * ERR_WAIT  data is being loaded, the waiter will be woken
 * ERR_BUSY  this step was long enough (some milliseconds): yield to others, then call again
 * Faults (I/O, corruption) are passed on.
 */
must_use enum err search_run_step(struct search_run *r, struct waiter *w);

/* Results: of the messages found so far, in ascending order. */
const struct rangeset *search_run_uids(const struct search_run *r);
/** Their sequence numbers in the view, valid as long as no EXPUNGE is told. */
const struct rangeset *search_run_seqs(const struct search_run *r);
/** The highest modseq among them (RFC 7162 3.1.5), 0 when nothing was found. */
uint64_t search_run_modseq(const struct search_run *r);
/** Messages looked at so far, of about how many (INPROGRESS). */
void search_run_progress(const struct search_run *r, uint32_t *done_out, uint32_t *total_out);

#endif
