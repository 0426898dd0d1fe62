/*
 * order_test.c - unit tests of order.c: what it sorts in steps is what a sort at once gives, and
 * equal ones keep their order.
 */
#include "search/order.h"

#include "base/test.h"

static uint64_t
next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 33;
}

static int
by_parity(const void *ctx, uint32_t a, uint32_t b)
{
	(void)ctx;
	return (int)(a & 1) - (int)(b & 1);
}

/* Ascending keys; inside a key what compare says, else ascending indexes. */
static void
check_order(const struct order *o, bool has_parity)
{
	for (size_t i = 1; i < o->count; i++) {
		const struct order_item *a = &o->items[i - 1], *b = &o->items[i];
		uint64_t x = a->key, y = b->key;

		if (has_parity) {
			x = 2 * x + (a->index & 1);
			y = 2 * y + (b->index & 1);
		}
		if (!CHECK(x < y || (x == y && a->index < b->index)))
			return;
	}
}

static unsigned
sort_random(size_t count, uint64_t keys, bool has_parity)
{
	struct order o;
	uint64_t state = count * 31 + keys;
	unsigned steps = 1;

	order_init(&o, count, has_parity ? by_parity : NULL, NULL);
	for (size_t i = 0; i < count; i++) {
		uint64_t wide = next_random(&state) << 33 ^ next_random(&state);

		o.items[i] = (struct order_item){ wide % keys, (uint32_t)i };
	}
	while (!order_step(&o))
		steps++;
	CHECK(o.count == count);
	check_order(&o, has_parity);
	order_done(&o);
	return steps;
}

static void
test_sizes(void)
{
	static const size_t sizes[] = { 0, 1, 2, 3, 5, 8, 100, 511, 512, 8191, 8192, 8193, 30000 };

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		sort_random(sizes[i], 1000000, false);
		sort_random(sizes[i], 3, false);
		sort_random(sizes[i], 1, false);
		sort_random(sizes[i], UINT64_MAX, false);
		sort_random(sizes[i], 3, true);
		sort_random(sizes[i], 1, true);
	}
}

/* It gives the loop back: 100,000 items are 17 rounds of merging, or some of digits. */
static void
test_steps(void)
{
	CHECK(sort_random(100000, 1000000, true) >= 200);
	CHECK(sort_random(100000, 1000000, false) >= 36);
}

TEST_MAIN(TEST(test_sizes), TEST(test_steps))
