/* digest_test.c - unit tests of digest.c: any list of messages in any order, with much and little memory, loaded at once or later. */
#include "store/digest.h"

#include "store/account_int.h"
#include "store/store_test_util.h"

enum { MESSAGES = 300 };

/* Messages 1 … MESSAGES; the n-th has the subject "sn". The commit is not waited for. */
static struct snapshot *
fill(struct fixture *f, uint32_t count)
{
	struct append *adds = xcalloc(count, sizeof(*adds));
	struct uid *uids = xcalloc(count, sizeof(*uids));
	struct snapshot *after = NULL;
	uint32_t validity;

	for (uint32_t i = 0; i < count; i++) {
		char subject[16];

		snprintf(subject, sizeof(subject), "Re: s%u", i + 1);
		adds[i].arrival = test_message(f, subject);
	}
	CHECK(UNTIL_DONE(&f->b, messages_append(f->account, test_box(f, "INBOX"), adds, count, &f->b.w, uids, &validity, &after)) == ERR_OK);
	for (uint32_t i = 0; i < count; i++)
		arrival_unref(adds[i].arrival);
	free(adds);
	free(uids);
	return after;
}

static void
small_cache(struct fixture *f, size_t bytes)
{
	digest_cache_free(f->store->digests);
	f->store->digests = digest_cache_new(f->kv, bytes, 1);
}

/* Reads the digests of n(0), n(1), ... and looks at them. */
static void
check_list(struct fixture *f, const uint32_t *list, size_t count)
{
	const unsigned columns = 1u << DIGEST_SUBJECT | 1u << DIGEST_FROM | 1u << DIGEST_IDS | 1u << DIGEST_DATE;
	struct msgno *numbers = xcalloc(count + 1, sizeof(*numbers));
	struct digest_reader *r;
	struct digest d;
	enum err e;

	for (size_t i = 0; i < count; i++)
		numbers[i].v = list[i];
	r = digest_reader_new(f->account, columns, numbers, count);
	for (size_t i = 0; i < count; i++) {
		char want[16];

		snprintf(want, sizeof(want), "S%u", list[i]);
		if (!CHECK((e = UNTIL_DONE(&f->b, digest_reader_next(r, &f->b.w, &d))) == ERR_OK))
			break;
		CHECK_STR(digest_subject(&d), str_c(want));
		CHECK(digest_is_reply(&d));
		CHECK_STR(d.column[DIGEST_FROM], STR("A"));
		CHECK(d.column[DIGEST_DATE].n == 0 && d.column[DIGEST_IDS].n == 8 && d.column[DIGEST_CC].p == NULL);
	}
	CHECK(UNTIL_DONE(&f->b, digest_reader_next(r, &f->b.w, &d)) == ERR_END);
	waiter_cancel(&f->b.w);
	digest_reader_free(r);
	free(numbers);
}

static void
check_lists(struct fixture *f)
{
	uint32_t list[MESSAGES] = { 0 };

	check_list(f, list, 0);
	for (uint32_t i = 0; i < MESSAGES; i++)
		list[i] = i + 1;
	check_list(f, list, MESSAGES);
	check_list(f, list + 77, 3);
	for (uint32_t i = 0; i < MESSAGES; i++)
		list[i] = MESSAGES - i;
	check_list(f, list, MESSAGES);
	for (uint32_t i = 0; i < MESSAGES; i++)
		list[i] = i * 7 % MESSAGES + 1;
	check_list(f, list, MESSAGES);
	/* Few of many blocks, then others of the same blocks. */
	for (uint32_t i = 0; i < 5; i++)
		list[i] = 60 * i + 1;
	check_list(f, list, 5);
	for (uint32_t i = 0; i < 10; i++)
		list[i] = 30 * i + 2;
	check_list(f, list, 10);
}

static void
test_lists(void)
{
	static const size_t sizes[] = { 1, 2000, 8000, 1 << 20 };

	for (int is_manual = 0; is_manual < 2; is_manual++) {
		for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
			struct fixture f;
			struct snapshot *after;

			fixture_init(&f, is_manual);
			after = fill(&f, MESSAGES);
			test_wait_durable(&f, after);
			snapshot_unref(after);
			small_cache(&f, sizes[i]);
			check_lists(&f);
			fixture_done(&f);
		}
	}
}

/* What was appended a moment ago is there when its commit is; what others of its block said before stays. */
static void
test_not_durable(void)
{
	struct fixture f;
	struct snapshot *after;
	uint32_t list[] = { 1, 2, 3 };

	fixture_init(&f, true);
	after = fill(&f, 2);
	check_list(&f, list, 2);
	snapshot_unref(after);
	after = fill(&f, 1);
	{
		const struct msgno numbers[] = { { 1 }, { 3 } };
		struct digest_reader *r = digest_reader_new(f.account, 1u << DIGEST_SUBJECT, numbers, 2);
		struct digest d;

		CHECK(UNTIL_DONE(&f.b, digest_reader_next(r, &f.b.w, &d)) == ERR_OK);
		CHECK_STR(digest_subject(&d), STR("S1"));
		CHECK(UNTIL_DONE(&f.b, digest_reader_next(r, &f.b.w, &d)) == ERR_OK);
		CHECK_STR(digest_subject(&d), STR("S1"));
		waiter_cancel(&f.b.w);
		digest_reader_free(r);
	}
	snapshot_unref(after);
	fixture_done(&f);
}

/* A number that no message has: an empty digest, and those behind it are told. */
static void
test_missing(void)
{
	struct fixture f;
	struct snapshot *after;
	const struct msgno numbers[] = { { 1 }, { 9 }, { 2 }, { 4000 } };
	static const char *const want[] = { "S1", "", "S2", "" };
	struct digest_reader *r;
	struct digest d;

	fixture_init(&f, false);
	after = fill(&f, 2);
	test_wait_durable(&f, after);
	snapshot_unref(after);
	r = digest_reader_new(f.account, 1u << DIGEST_SUBJECT, numbers, 4);
	for (int i = 0; i < 4; i++) {
		CHECK(UNTIL_DONE(&f.b, digest_reader_next(r, &f.b.w, &d)) == ERR_OK);
		CHECK_STR(digest_subject(&d), str_c(want[i]));
	}
	waiter_cancel(&f.b.w);
	digest_reader_free(r);
	fixture_done(&f);
}

TEST_MAIN(TEST(test_lists), TEST(test_not_durable), TEST(test_missing))
