/* seqset_test.c - unit tests of seqset.c. */
#include "imap/seqset.h"

#include "base/test.h"

static const struct {
	struct str in;
	uint32_t star;
	const char *want; /* NULL: ERR_SYNTAX */
} rows[] = {
	{ STR_INIT("1"), 9, "1" },
	{ STR_INIT("1:3,7"), 9, "1:3,7" },
	{ STR_INIT("7,3:1"), 9, "1:3,7" },
	{ STR_INIT("*"), 9, "9" },
	{ STR_INIT("*"), 0, "" },
	{ STR_INIT("1:*"), 9, "1:9" },
	{ STR_INIT("1:*"), 0, "1" },
	{ STR_INIT("12:*"), 9, "9:12" },
	{ STR_INIT("*:4,1"), 9, "1,4:9" },
	{ STR_INIT("1,2,3,4,5"), 9, "1:5" },
	{ STR_INIT("2:4,3:6,6,8"), 9, "2:6,8" },
	{ STR_INIT("4294967295"), 9, "4294967295" },
	{ STR_INIT("4294967294,4294967295,1"), 9, "1,4294967294:4294967295" },
	{ STR_INIT("$"), 9, "3,5:6" },
	{ STR_INIT("4,$"), 9, "3:6" },
	{ STR_INIT(""), 9, NULL },
	{ STR_INIT("0"), 9, NULL },
	{ STR_INIT("01"), 9, NULL },
	{ STR_INIT("1,"), 9, NULL },
	{ STR_INIT(",1"), 9, NULL },
	{ STR_INIT("1,,2"), 9, NULL },
	{ STR_INIT("1:"), 9, NULL },
	{ STR_INIT(":1"), 9, NULL },
	{ STR_INIT("1:2:3"), 9, NULL },
	{ STR_INIT("4294967296"), 9, NULL },
	{ STR_INIT("$:1"), 9, NULL },
	{ STR_INIT("1 "), 9, NULL },
	{ STR_INIT("**"), 9, NULL },
};

static void
test_parse(void)
{
	RANGESET_CLEAN struct rangeset saved = RANGESET_NONE;

	CHECK(rangeset_parse(STR("5:6,3"), &saved) == ERR_OK);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct arena a = ARENA_NONE;
		RANGESET_CLEAN struct rangeset r = RANGESET_NONE;
		BUF_CLEAN struct buf b = BUF_MAX(1000);
		struct seqset set;
		enum err e = seqset_parse(&a, rows[i].in, &set);

		if (e == ERR_OK) {
			seqset_resolve(&set, rows[i].star, &saved, &r);
			rangeset_format(&r, &b);
		}
		if (!CHECK((e == ERR_OK) == (rows[i].want != NULL))
		    || (e == ERR_OK && !CHECK_STR(buf_str(&b), str_c(rows[i].want))))
			printf("# for \"%.*s\"\n", STR_F(rows[i].in));
		arena_done(&a);
	}
}

static void
test_limit(void)
{
	struct arena a = ARENA_NONE;
	BUF_CLEAN struct buf b = BUF_MAX(10000000);
	struct seqset set;

	/* Downwards and apart from each other: the worst case of sorting. */
	for (uint32_t i = 0; i < SEQSET_RANGES_MAX; i++)
		buf_printf(&b, "%s%u", i == 0 ? "" : ",", 3 * (SEQSET_RANGES_MAX - i));
	CHECK(seqset_parse(&a, buf_str(&b), &set) == ERR_OK);
	{
		RANGESET_CLEAN struct rangeset r = RANGESET_NONE;

		seqset_resolve(&set, 1, NULL, &r);
		CHECK_U64(r.n, SEQSET_RANGES_MAX);
		CHECK_U64(rangeset_count(&r), SEQSET_RANGES_MAX);
	}
	buf_lit(&b, ",1");
	CHECK(seqset_parse(&a, buf_str(&b), &set) == ERR_LIMIT);
	arena_done(&a);
}

enum { UNIVERSE = 40 };

static uint64_t
mask_of(const struct rangeset *s)
{
	uint64_t m = 0;

	for (size_t i = 0; i < s->n; i++) {
		CHECK(s->r[i].first >= 1 && s->r[i].first <= s->r[i].last);
		CHECK(i == 0 || s->r[i].first > s->r[i - 1].last + 1);
		for (uint32_t v = s->r[i].first; v <= s->r[i].last; v++)
			m |= (uint64_t)1 << v;
	}
	return m;
}

/* Random adds and removes against a bit mask, and the set operations against those of masks. */
static void
test_against_masks(void)
{
	uint64_t seed = 12345;

	for (int round = 0; round < 3000; round++) {
		struct rangeset set[2] = { RANGESET_NONE, RANGESET_NONE };
		RANGESET_CLEAN struct rangeset out = RANGESET_NONE;
		uint64_t mask[2] = { 0, 0 };

		for (int op = 0; op < 12; op++) {
			uint32_t first, last;
			uint64_t m = 0;
			int which = op & 1;

			seed = seed * 6364136223846793005u + 1442695040888963407u;
			first = 1 + (uint32_t)(seed >> 33) % UNIVERSE;
			last = first + (uint32_t)(seed >> 50) % 6;
			for (uint32_t v = first; v <= last; v++)
				m |= (uint64_t)1 << v;
			if ((seed >> 60) < 4) {
				rangeset_remove(&set[which], first, last);
				mask[which] &= ~m;
			} else {
				rangeset_add(&set[which], first, last);
				mask[which] |= m;
			}
			CHECK(mask_of(&set[which]) == mask[which]);
		}
		rangeset_union(&out, &set[0], &set[1]);
		CHECK(mask_of(&out) == (mask[0] | mask[1]));
		rangeset_intersect(&out, &set[0], &set[1]);
		CHECK(mask_of(&out) == (mask[0] & mask[1]));
		rangeset_subtract(&out, &set[0], &set[1]);
		CHECK(mask_of(&out) == (mask[0] & ~mask[1]));
		CHECK_U64(rangeset_count(&set[0]), (uint64_t)__builtin_popcountll(mask[0]));
		for (uint32_t v = 1; v < 60; v++) {
			uint64_t above = mask[0] >> v;

			CHECK(rangeset_contains(&set[0], v) == ((mask[0] >> v & 1) != 0));
			CHECK_U64(rangeset_bits(&set[0], v), above);
			CHECK_U64(rangeset_next(&set[0], v),
			    above == 0 ? 0 : v + (uint32_t)__builtin_ctzll(above));
		}
		rangeset_done(&set[0]);
		rangeset_done(&set[1]);
	}
}

static void
test_edges(void)
{
	RANGESET_CLEAN struct rangeset a = RANGESET_NONE, b = RANGESET_NONE, out = RANGESET_NONE;

	rangeset_add(&a, 1, UINT32_MAX);
	CHECK_U64(rangeset_count(&a), UINT32_MAX);
	rangeset_remove(&a, UINT32_MAX, UINT32_MAX);
	rangeset_remove(&a, 1, 1);
	CHECK(rangeset_min(&a) == 2 && rangeset_max(&a) == UINT32_MAX - 1 && a.n == 1);
	rangeset_add(&b, 2, UINT32_MAX);
	rangeset_subtract(&out, &b, &a);
	CHECK(out.n == 1 && out.r[0].first == UINT32_MAX && out.r[0].last == UINT32_MAX);
	rangeset_subtract(&out, &a, &b);
	CHECK(rangeset_is_empty(&out));
	rangeset_copy(&out, &a);
	CHECK(rangeset_eq(&out, &a) && !rangeset_eq(&out, &b));
	CHECK(rangeset_parse(STR("1,*"), &out) == ERR_SYNTAX);
	CHECK(rangeset_parse(STR("$"), &out) == ERR_SYNTAX);
	CHECK(rangeset_parse(STR(""), &out) == ERR_OK && rangeset_is_empty(&out));
}

TEST_MAIN(TEST(test_parse), TEST(test_limit), TEST(test_against_masks), TEST(test_edges))
