/*
 * ranking_test.c - a ranking beside a list that is sorted anew after each change; what a client
 * makes of the places is the same.
 */
#include "search/ranking.h"

#include "base/test.h"

#include <stdlib.h>

enum { MESSAGES = 60, ROUNDS = 4000 };

/* Keys differ, and don't go with the UIDs. */
static struct str
key_of(uint32_t uid, char *space)
{
	int n = snprintf(space, 16, "%02x%u", (unsigned)(uid * 37 % 11), (unsigned)uid);

	return str_make(space, (size_t)n);
}

static int
by_key(const void *a, const void *b)
{
	char x[16], y[16];

	return str_cmp(key_of(*(const uint32_t *)a, x), key_of(*(const uint32_t *)b, y));
}

/* As a client keeps its list (RFC 5267 4.3.3, 4.3.4). */
struct client {
	uint32_t list[MESSAGES + 1];
	size_t n;
};

static void
client_remove(struct client *c, const struct place *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!CHECK(p[i].at >= 1 && p[i].at <= c->n)
		    || !CHECK(c->list[p[i].at - 1] == p[i].number))
			return;
		memmove(&c->list[p[i].at - 1], &c->list[p[i].at],
		    (c->n - p[i].at) * sizeof(*c->list));
		c->n--;
	}
}

static void
client_insert(struct client *c, const struct place *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!CHECK(p[i].at >= 1 && p[i].at <= c->n + 1 && c->n < MESSAGES))
			return;
		memmove(&c->list[p[i].at], &c->list[p[i].at - 1],
		    (c->n - (p[i].at - 1)) * sizeof(*c->list));
		c->list[p[i].at - 1] = p[i].number;
		c->n++;
	}
}

static void
choose(const bool *is_in, bool wanted, struct rangeset *out)
{
	unsigned often = 1 + (unsigned)rand() % 20;

	for (uint32_t uid = 1; uid <= MESSAGES; uid++)
		if (is_in[uid] == wanted && (unsigned)rand() % often == 0)
			rangeset_add_one(out, uid);
}

static void
insert(struct ranking *r, bool *is_in, struct client *c)
{
	RANGESET_CLEAN struct rangeset uids = RANGESET_NONE;
	uint32_t list[MESSAGES], n = 0;
	struct ranking added;
	struct place *places;
	size_t count;
	char space[16];

	choose(is_in, false, &uids);
	ranking_init(&added, 4096);
	for (uint32_t uid = 1; uid <= MESSAGES; uid++) {
		if (!rangeset_contains(&uids, uid))
			continue;
		list[n++] = uid;
		is_in[uid] = true;
	}
	qsort(list, n, sizeof(*list), by_key);
	for (uint32_t i = 0; i < n; i++)
		ranking_append(&added, list[i], key_of(list[i], space));
	ranking_insert(r, &added, &places, &count);
	CHECK_U64(count, n);
	client_insert(c, places, count);
	free(places);
	ranking_done(&added);
}

static void
take_out(struct ranking *r, bool *is_in, struct client *c)
{
	RANGESET_CLEAN struct rangeset uids = RANGESET_NONE;
	struct place *places;
	size_t count;

	choose(is_in, true, &uids);
	ranking_remove(r, &uids, &places, &count);
	CHECK_U64(count, rangeset_count(&uids));
	for (uint32_t uid = 1; uid <= MESSAGES; uid++)
		is_in[uid] = is_in[uid] && !rangeset_contains(&uids, uid);
	client_remove(c, places, count);
	free(places);
}

static void
test_follows_changes(void)
{
	bool is_in[MESSAGES + 1] = { false };
	struct client c = { .n = 0 };
	struct ranking r;

	srand(1);
	ranking_init(&r, 64 * 1024);
	for (int round = 0; round < ROUNDS && test_failures == 0; round++) {
		uint32_t want[MESSAGES];
		size_t n = 0;

		if (rand() % 2 == 0)
			insert(&r, is_in, &c);
		else
			take_out(&r, is_in, &c);
		for (uint32_t uid = 1; uid <= MESSAGES; uid++)
			if (is_in[uid])
				want[n++] = uid;
		qsort(want, n, sizeof(*want), by_key);
		CHECK_U64(r.n, n);
		CHECK_U64(c.n, n);
		for (size_t i = 0; i < n && test_failures == 0; i++) {
			CHECK_U64(r.list[i].uid, want[i]);
			CHECK_U64(c.list[i], want[i]);
		}
		CHECK(r.unused_bytes <= r.keys.n / 2 + 1);
	}
	ranking_done(&r);
}

static void
test_bound(void)
{
	struct ranking r;

	ranking_init(&r, 8);
	ranking_append(&r, 1, STR("abcdef"));
	CHECK(!ranking_is_over(&r));
	ranking_append(&r, 2, STR("abcdefg"));
	CHECK(ranking_is_over(&r));
	ranking_done(&r);
}

TEST_MAIN(TEST(test_follows_changes), TEST(test_bound))
