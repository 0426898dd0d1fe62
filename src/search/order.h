/*
 * order.h - sorts in steps: a stable sort that can be left and gone on with, so that a loop is never
 * kept for long.
 */
#ifndef SEARCH_ORDER_H
#define SEARCH_ORDER_H

#include "base/attr.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is sorted: key first, then what compare() says of the two indexes. */
struct order_item {
	uint64_t key;
	uint32_t index;
};

/* Of two items with the same key: below, at or above 0. NULL: they are equal. */
typedef int order_compare_fn(const void *ctx, uint32_t a, uint32_t b);

struct order {
	struct order_item *items, *other; /* own memory (base/big.h); items is the result */
	size_t count;
	order_compare_fn *compare;
	const void *ctx;
	/* the merge at hand: runs of `width`, from `at` on */
	size_t width, at;
	size_t left, right, to; /* inside it */
	bool is_merging;
	/* when keys alone decide, of many: where items with each digit go to */
	uint32_t *buckets;
	bool is_counted;
	unsigned digit;
};

/** Zeroed items for the caller to fill in. */
void order_init(struct order *o, size_t count, order_compare_fn *compare, const void *ctx);
void order_done(struct order *o);
/** Moves some thousand items; true when all is sorted. */
bool order_step(struct order *o);

/**
 * Once all is sorted: memory for as many items, with anything in it, that sorting needed and the
 * caller frees (base/big.h). NULL when there is none to sort.
 */
struct order_item *order_take_spare(struct order *o);

/** The key of a number that may be negative. */
static inline uint64_t
order_key_signed(int64_t v)
{
	return (uint64_t)v ^ (uint64_t)1 << 63;
}

#endif
