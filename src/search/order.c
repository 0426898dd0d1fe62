/*
 * order.c - see order.h. Bottom up: runs of 1, 2, 4, ... are merged from one array into the other.
 * Many items whose keys alone decide are not compared: for each digit of the keys, from the lowest
 * on, all are put into the other array by that digit.
 */
#include "search/order.h"

#include "base/arena.h"
#include "base/big.h"
#include "base/size.h"

#include <stdlib.h>

enum {
	STEP_ITEMS = 8192,
	BY_DIGITS_FROM = 512, /* items */
	DIGIT_BITS = 11,
	DIGITS = 6,
	BUCKETS = 1 << DIGIT_BITS,
};

void
order_init(struct order *o, size_t count, order_compare_fn *compare, const void *ctx)
{
	*o = (struct order){ .count = count, .compare = compare, .ctx = ctx, .width = 1 };
	if (count == 0)
		return;
	o->items = big_alloc(count, sizeof(*o->items));
	o->other = big_alloc(count, sizeof(*o->other));
}

void
order_done(struct order *o)
{
	big_free(o->items);
	big_free(o->other);
	free(o->buckets);
	*o = (struct order){ 0 };
}

struct order_item *
order_take_spare(struct order *o)
{
	struct order_item *spare = o->other;

	o->other = NULL;
	return spare;
}

static bool
is_after(const struct order *o, const struct order_item *a, const struct order_item *b)
{
	if (a->key != b->key)
		return a->key > b->key;
	return o->compare != NULL && o->compare(o->ctx, a->index, b->index) > 0;
}

/* Goes on with the merge at hand, up to `budget` items; gives what is left of the budget. */
static size_t
merge(struct order *o, size_t budget)
{
	const size_t middle = MIN(o->at + o->width, o->count),
		     end = MIN(middle + o->width, o->count);

	if (!o->is_merging) {
		o->left = o->to = o->at;
		o->right = middle;
		o->is_merging = true;
	}
	for (; budget > 0 && o->to < end; budget--) {
		bool is_right = o->left == middle
		    || (o->right < end && is_after(o, &o->items[o->left], &o->items[o->right]));

		o->other[o->to++] = o->items[is_right ? o->right++ : o->left++];
	}
	if (o->to == end) {
		o->at = end;
		o->is_merging = false;
	}
	return budget;
}

static void
swap_arrays(struct order *o)
{
	struct order_item *swap = o->items;

	o->items = o->other;
	o->other = swap;
}

/* ---- by digits ---- */

static unsigned
digit_of(const struct order_item *i, unsigned digit)
{
	return (unsigned)(i->key >> digit * DIGIT_BITS) & (BUCKETS - 1);
}

/* How many items have each digit; then, where the first of them goes. True when that is done. */
static bool
count_digits(struct order *o)
{
	const size_t end = MIN(o->at + STEP_ITEMS, o->count);

	if (o->buckets == NULL)
		o->buckets = xcalloc((size_t)DIGITS * BUCKETS, sizeof(*o->buckets));
	for (; o->at < end; o->at++)
		for (unsigned d = 0; d < DIGITS; d++)
			o->buckets[d * BUCKETS + digit_of(&o->items[o->at], d)]++;
	if (o->at < o->count)
		return false;
	for (unsigned d = 0; d < DIGITS; d++) {
		uint32_t before = 0;

		for (unsigned b = 0; b < BUCKETS; b++) {
			uint32_t n = o->buckets[d * BUCKETS + b];

			o->buckets[d * BUCKETS + b] = before;
			before += n;
		}
	}
	o->at = 0;
	return true;
}

/* Whether all have the digit in common; before any is moved by it. */
static bool
is_common(const struct order *o, unsigned digit)
{
	const uint32_t *b = o->buckets + digit * BUCKETS;
	const unsigned first = digit_of(&o->items[0], digit);

	return b[first] == 0 && (first == BUCKETS - 1 || b[first + 1] == o->count);
}

static bool
step_by_digits(struct order *o)
{
	const struct order_item *from;
	uint32_t *to;
	size_t end;

	if (!o->is_counted) {
		o->is_counted = count_digits(o);
		return false;
	}
	while (o->at == 0 && o->digit < DIGITS && is_common(o, o->digit))
		o->digit++;
	if (o->digit == DIGITS)
		return true;
	end = MIN(o->at + STEP_ITEMS, o->count);
	to = o->buckets + o->digit * BUCKETS;
	from = o->items;
	for (; o->at < end; o->at++)
		o->other[to[digit_of(&from[o->at], o->digit)]++] = from[o->at];
	if (o->at == o->count) {
		swap_arrays(o);
		o->at = 0;
		o->digit++;
	}
	return false;
}

bool
order_step(struct order *o)
{
	size_t budget = STEP_ITEMS;

	if (o->compare == NULL && o->count >= BY_DIGITS_FROM && o->count <= UINT32_MAX)
		return step_by_digits(o);
	while (o->width < o->count && budget > 0) {
		budget = merge(o, budget);
		if (o->is_merging || o->at < o->count)
			continue;
		swap_arrays(o);
		o->at = 0;
		o->width *= 2;
	}
	return o->width >= o->count;
}
