/*
 * gather.h - a list of messages and their digests: brought from the cache in the order of message
 * numbers, whatever the order of the list, because neighbours are cheap. Shared by sort.c and
 * thread.c.
 */
#ifndef SEARCH_GATHER_H
#define SEARCH_GATHER_H

#include "mime/collation.h"
#include "search/order.h"
#include "search/sort.h"
#include "store/digest.h"

struct gather {
	struct account *account;
	struct sort_message *messages; /* own memory, in mailbox order */
	size_t count, cap;
	unsigned columns; /* of the digests; 0: none is needed */
	/* other than the stored keys': they are made of the header */
	enum mime_collation collation;
	struct arena scratch;
	bool is_unordered;      /* message numbers don't ascend */
	struct order by_number; /* only then */
	bool has_order;
	struct msgno *numbers;
	struct digest_reader *reader;
	size_t at;
};

typedef void gather_fn(void *ctx, size_t index, const struct digest *d);

void gather_init(struct gather *g, struct account *a, enum mime_collation by);
void gather_done(struct gather *g);
/** So many are going to be added, as far as is known. */
void gather_expect(struct gather *g, size_t count);
void gather_add(struct gather *g, const struct entry *e, struct seqnum seq);
/**
 * Calls fn for each message's digest, by index in messages[], in any order. ERR_WAIT: call again;
 * ERR_IO.
 */
must_use enum err gather_run(struct gather *g, struct waiter *w, sort_should_yield_fn *should_yield,
    void *ctx, gather_fn *fn, void *fn_ctx);

/** Milliseconds since 1970 of the sent date, else of the internal date (RFC 5256 2.2). */
int64_t gather_sent_ms(const struct sort_message *m, const struct digest *d);

#endif
