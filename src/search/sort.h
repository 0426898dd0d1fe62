/*
 * sort.h - puts messages into the order that SORT asks for (RFC 5256, RFC 5957), from their
 * digests, in steps.
 *
 *     s = sort_new(view, criteria); for each message in mailbox order: sort_add(s, &entry, seq);
 *     e = sort_run(s, waiter);         ERR_WAIT: call again, until it is ERR_OK
 *     sort_message(s, i)               the i-th
 */
#ifndef SEARCH_SORT_H
#define SEARCH_SORT_H

#include "imap/sort.h"
#include "search/search.h"

struct sort;

/*
 * Asked now and then: true when the caller wants its loop back and has arranged to be called again.
 */
typedef bool sort_should_yield_fn(void *ctx);

/* A message that was found. */
struct sort_message {
	struct uid uid;
	struct seqnum seq;
	struct msgno msgno;
	uint8_t relevancy;
	int64_t internal_s;
	uint64_t size_bytes;
};

/**
 * Both are borrowed as long as the result lives; the view is not refreshed before sort_run() is
 * through.
 */
struct sort *sort_new(struct view *v, const struct imap_sort *sort);
/** Takes NULL. Its waiter must not be waiting any more. */
void sort_free(struct sort *s);
/** So many are going to be added, as far as is known; need not be called. */
void sort_expect(struct sort *s, size_t count);
/** relevancy: 1 to 100, of a search with FUZZY keys; else anything. */
void sort_add(struct sort *s, const struct entry *e, struct seqnum seq, unsigned relevancy);
/** Sorts what was added. ERR_WAIT; ERR_IO. */
must_use enum err sort_run(struct sort *s, struct waiter *w, sort_should_yield_fn *should_yield,
    void *ctx);
size_t sort_count(const struct sort *s);
/** The i-th in the order asked for. */
const struct sort_message *sort_message(const struct sort *s, size_t i);
/**
 * Adds bytes that compare as the i-th does with all others, of whatever sort by the same criteria:
 * see ranking.h.
 */
void sort_key(const struct sort *s, size_t i, struct buf *out);

#endif
