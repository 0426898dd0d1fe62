/* trigrams_test.c - unit tests of trigrams.h: what filters say, and which of them are kept. */
#include "store/account_int.h"
#include "store/store_test_util.h"
#include "store/trigrams_int.h"

#include <stdlib.h>

static uint64_t seed = 1;

static uint32_t
random_below(uint32_t n)
{
	seed = hash_u64(seed + 0x9E3779B97F4A7C15u);
	return (uint32_t)(seed >> 33) % n;
}

/* Of few letters, so that texts have much in common, and of all bytes. */
static struct str
random_text(struct buf *b, size_t n)
{
	const uint32_t letters = random_below(2) ? 256 : 4 + random_below(24);

	buf_clear(b);
	while (b->n < n)
		buf_chr(b, (char)('a' + random_below(letters)));
	return buf_str(b);
}

static void
add_pieces(struct trigram_set *s, struct str text)
{
	struct trigram_tail tail = { 0 };

	for (size_t at = 0, n; at < text.n; at += n) {
		n = MIN(random_below(random_below(4) ? 4 : 100), text.n - at);
		trigram_set_add(s, &tail, str_sub(text, at, at + n));
	}
}

static bool
lacks(const struct trigram_filter *f, struct str needle)
{
	struct trigram_needle q;

	trigram_needle_init(&q, needle);
	return trigram_filter_lacks(f, &q);
}

/* Whatever is in a text, in whatever pieces it came, its filter has it. */
static void
test_never_lacks_what_is_there(void)
{
	struct trigram_set *s = xmalloc(sizeof(*s));
	BUF_CLEAN struct buf b = BUF_MAX(1 << 20);

	for (int round = 0; round < 2000; round++) {
		const size_t length = random_below(round % 100 == 0 ? 60000 : 300);
		struct str text = random_text(&b, length);
		struct trigram_filter *f;

		trigram_set_clear(s, random_below(2) ? length : random_below(100000));
		add_pieces(s, text);
		f = trigram_filter_new(s, false);
		for (int i = 0; i < 50; i++) {
			const size_t from = random_below((uint32_t)length + 1);
			const size_t n = random_below(random_below(2) ? 6 : 60);

			CHECK(!lacks(f, str_sub(text, from, MIN(from + n, text.n))));
		}
		free(f);
	}
	free(s);
}

/* A text of words lacks nearly all others, and its filter is small. */
static void
test_lacks_what_is_not(void)
{
	struct trigram_set *s = xmalloc(sizeof(*s));
	BUF_CLEAN struct buf b = BUF_MAX(1 << 20);

	for (size_t length = 100; length < 100000; length *= 5) {
		struct trigram_filter *f;
		unsigned seems = 0;
		struct str text;

		buf_clear(&b);
		while (b.n < length) {
			for (uint32_t i = 3 + random_below(6); i > 0; i--)
				buf_chr(&b, (char)('A' + random_below(13)));
			buf_chr(&b, ' ');
		}
		text = buf_str(&b);
		trigram_set_clear(s, text.n);
		add_pieces(s, text);
		f = trigram_filter_new(s, false);
		for (int i = 0; i < 1000; i++) {
			char word[7];

			for (size_t k = 0; k < sizeof(word); k++)
				word[k] = (char)('N' + random_below(13));
			seems += !lacks(f, str_make(word, sizeof(word)));
		}
		CHECK(seems < 20);
		CHECK(trigram_filter_bytes(f) <= sizeof(*f) + MAX(64, length));
		free(f);
	}
	free(s);
}

static void
test_short_needles(void)
{
	struct trigram_set *s = xmalloc(sizeof(*s));
	struct trigram_filter *f;

	trigram_set_clear(s, 0);
	f = trigram_filter_new(s, true);
	CHECK(!lacks(f, STR("")));
	CHECK(!lacks(f, STR("ab")));
	CHECK(lacks(f, STR("abc")));
	CHECK(trigram_filter_has_header(f));
	free(f);
	free(s);
}

/* ---- what is kept ---- */

static void
keep(struct fixture *f, uint32_t n, struct str text, bool has_header)
{
	struct trigram_set *s = xmalloc(sizeof(*s));
	struct trigram_tail tail = { 0 };

	trigram_set_clear(s, text.n);
	trigram_set_add(s, &tail, text);
	trigrams_keep(f->account, (struct msgno){ n }, s, has_header);
	free(s);
}

static bool
is_kept(struct fixture *f, uint32_t n)
{
	struct trigram_reader r;
	bool is;

	trigram_reader_init(&r, f->account);
	is = trigram_reader_find(&r, (struct msgno){ n }) != NULL;
	trigram_reader_done(&r);
	return is;
}

static void
test_keeps(void)
{
	struct fixture f;
	struct trigram_reader r;
	const struct trigram_filter *of;

	fixture_init(&f, false);
	CHECK(!is_kept(&f, 7));
	keep(&f, 7, STR("first"), false);
	keep(&f, 7, STR("other"), false);
	CHECK(is_kept(&f, 7));
	CHECK(!is_kept(&f, 6));
	CHECK(!is_kept(&f, 7 + 64));
	trigram_reader_init(&r, f.account);
	of = trigram_reader_find(&r, (struct msgno){ 7 });
	CHECK(of != NULL && !lacks(of, STR("first")) && lacks(of, STR("other")));
	CHECK(of != NULL && !trigram_filter_has_header(of));
	/* One with the header takes its place, also for who has the block in his hand. */
	keep(&f, 7, STR("first and header"), true);
	CHECK(of != NULL && lacks(of, STR("header")));
	of = trigram_reader_find(&r, (struct msgno){ 7 });
	CHECK(of != NULL && trigram_filter_has_header(of) && !lacks(of, STR("header")));
	keep(&f, 7, STR("worse"), false);
	of = trigram_reader_find(&r, (struct msgno){ 7 });
	CHECK(of != NULL && !lacks(of, STR("header")));
	/* What is forgotten lives as long as somebody looks at it. */
	trigram_cache_forget(f.store->trigrams, (struct account_id){ f.account->id.v + 1 });
	CHECK(is_kept(&f, 7));
	trigram_cache_forget(f.store->trigrams, f.account->id);
	CHECK(!is_kept(&f, 7));
	CHECK(of != NULL && !lacks(of, STR("header")));
	trigram_reader_done(&r);
	fixture_done(&f);
}

static unsigned
count_kept(struct fixture *f, uint32_t blocks)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < blocks; i++)
		n += is_kept(f, i * 64);
	return n;
}

/*
 * With too little room something is kept, when the same messages are read again and again in the
 * same order too; what is new comes in.
 */
static void
test_room(void)
{
	enum { BLOCKS = 1000, ROOM = 100000 };

	struct fixture f;
	unsigned kept = 0;

	fixture_init(&f, false);
	trigram_cache_free(f.store->trigrams);
	f.store->trigrams = trigram_cache_new(ROOM);
	for (int round = 0; round < 3; round++) {
		unsigned hits = 0;

		for (uint32_t i = 0; i < BLOCKS; i++) {
			hits += is_kept(&f, i * 64);
			keep(&f, i * 64, STR("something"), true);
		}
		kept = count_kept(&f, BLOCKS);
		CHECK(kept > 50 && kept < ROOM / 512);
		CHECK(round == 0 ? hits == 0 : hits > kept / 2);
	}
	for (uint32_t i = BLOCKS; i < 2 * BLOCKS; i++)
		keep(&f, i * 64, STR("new"), true);
	CHECK(count_kept(&f, 2 * BLOCKS) - count_kept(&f, BLOCKS) > kept / 8);
	fixture_done(&f);
}

/* Readers hold blocks while others fill, replace and forget them. */
static void *
reads_and_keeps(void *arg)
{
	struct fixture *f = arg;
	struct trigram_reader r;
	unsigned found = 0;

	trigram_reader_init(&r, f->account);
	for (uint32_t i = 0; i < 20000; i++) {
		const uint32_t n = i % 640;
		const struct trigram_filter *of = trigram_reader_find(&r, (struct msgno){ n });

		if (of != NULL)
			found += !lacks(of, STR("something"));
		if (i % 16 == 0)
			keep(f, n, STR("something"), i % 32 == 0);
		if (i % 5000 == 4999)
			trigram_cache_forget(f->store->trigrams, f->account->id);
	}
	trigram_reader_done(&r);
	CHECK(found > 0);
	return NULL;
}

static void
test_threads(void)
{
	pthread_t threads[4];
	struct fixture f;

	fixture_init(&f, false);
	trigram_cache_free(f.store->trigrams);
	f.store->trigrams = trigram_cache_new(20000);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		CHECK(pthread_create(&threads[i], NULL, reads_and_keeps, &f) == 0);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		pthread_join(threads[i], NULL);
	fixture_done(&f);
}

TEST_MAIN(TEST(test_never_lacks_what_is_there), TEST(test_lacks_what_is_not),
    TEST(test_short_needles), TEST(test_keeps), TEST(test_room), TEST(test_threads))
