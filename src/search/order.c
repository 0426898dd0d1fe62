/*
 * order.c - see order.h. Bottom up: runs of 1, 2, 4, ... are merged from one array into the other.
 */
#include "search/order.h"

#include "base/arena.h"
#include "base/size.h"

#include <stdlib.h>

enum { STEP_ITEMS = 8192 };

void
order_init(struct order *o, size_t count, order_compare_fn *compare, const void *ctx)
{
	*o = (struct order){ .count = count, .compare = compare, .ctx = ctx, .width = 1 };
	if (count == 0)
		return;
	o->items = xcalloc(count, sizeof(*o->items));
	o->other = xcalloc(count, sizeof(*o->other));
}

void
order_done(struct order *o)
{
	free(o->items);
	free(o->other);
	*o = (struct order){ 0 };
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

bool
order_step(struct order *o)
{
	size_t budget = STEP_ITEMS;

	while (o->width < o->count && budget > 0) {
		struct order_item *swap;

		budget = merge(o, budget);
		if (o->is_merging || o->at < o->count)
			continue;
		swap = o->items;
		o->items = o->other;
		o->other = swap;
		o->at = 0;
		o->width *= 2;
	}
	return o->width >= o->count;
}
