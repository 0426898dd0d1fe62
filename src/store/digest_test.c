/*
 * digest_test.c - unit tests of digest.c: any list of messages in any order, with much and little
 * memory, loaded at once or later.
 */
#include "store/digest.h"

#include "store/account_int.h"
#include "store/digest_int.h"
#include "store/store_test_util.h"
#include "store/verify.h"

#include <time.h>

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
	CHECK(UNTIL_DONE(&f->b,
		  messages_append(f->account, test_box(f, "INBOX"), adds, count, &f->b.w, uids,
		      &validity, &after))
	    == ERR_OK);
	for (uint32_t i = 0; i < count; i++)
		arrival_unref(adds[i].arrival);
	free(adds);
	free(uids);
	return after;
}

/* All commits so far have ended, with what follows from them. */
static void
await_commits(struct fixture *f)
{
	struct kv_txn *t;

	fixture_settle(f);
	if (f->b.steps != NULL)
		return;
	t = kv_txn_new(f->kv, f->account->id, KV_UNVERSIONED, KV_UNVERSIONED);
	CHECK(kv_commit_now(f->kv, &t, 1) == ERR_OK);
}

static void
small_cache(struct fixture *f, size_t bytes)
{
	await_commits(f);
	digest_cache_free(f->store->digests);
	f->store->digests = digest_cache_new(f->kv, bytes, 1);
}

/* Reads the digests of n(0), n(1), ... and looks at them. */
static void
check_list(struct fixture *f, const uint32_t *list, size_t count)
{
	const unsigned columns =
	    1u << DIGEST_SUBJECT | 1u << DIGEST_FROM | 1u << DIGEST_IDS | 1u << DIGEST_DATE;
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
		CHECK(d.column[DIGEST_DATE].n == 0 && d.column[DIGEST_IDS].n == 8
		    && d.column[DIGEST_CC].p == NULL);
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

/* ---- stored rows ---- */

/* All that was given to the engine is done. Not in manual mode. */
static void
flush(struct fixture *f)
{
	small_cache(f, 1 << 20); /* the old one waits for its loads */
	await_commits(f);
}

/* The row of a column, as a block, or NULL. */
static struct block *
stored(struct fixture *f, enum digest_column column, uint32_t number)
{
	struct message_key key = digest_key(column, number);
	struct kv_range range = { .kind = KV_POSTING,
		.from = message_key_str(&key),
		.is_exact = true };
	struct kv_rows *rows = NULL;
	struct block *b = NULL;

	CHECK(kv_load_now(f->kv, f->account->id, &range, 1, &rows) == ERR_OK);
	if (rows->ranges[0].count > 0)
		CHECK(digest_row_decode(rows->ranges[0].rows[0].value, 0, &b) == ERR_OK);
	kv_rows_free(rows);
	return b;
}

static unsigned
stored_count(struct fixture *f, uint32_t number)
{
	unsigned n = 0;

	for (unsigned column = 0; column < DIGEST_COLUMNS; column++) {
		struct block *b = stored(f, (enum digest_column)column, number);

		n += b != NULL;
		block_unref(b);
	}
	return n;
}

static void
fill_durably(struct fixture *f)
{
	struct snapshot *after = fill(f, MESSAGES);

	test_wait_durable(f, after);
	snapshot_unref(after);
}

/*
 * Rows are stored in the background, some time after the messages are durable, and nobody is told;
 * an account of MESSAGES has blocks 0 to 3 complete.
 */
static void
await_rows(struct fixture *f)
{
	const struct timespec pause = { .tv_nsec = 200000 };

	for (unsigned i = 0; i < 300000 && stored_count(f, 3) != DIGEST_COLUMNS; i++)
		nanosleep(&pause, NULL);
	flush(f);
}

/* Blocks are stored when they are complete, with the values that reading gives. */
static void
test_stored_when_complete(void)
{
	struct fixture f;
	uint32_t list[MESSAGES];

	fixture_init(&f, false);
	fill_durably(&f);
	await_rows(&f);
	for (uint32_t number = 0; number < 4; number++)
		CHECK_U64(stored_count(&f, number), DIGEST_COLUMNS);
	CHECK_U64(stored_count(&f, 4), 0);
	for (uint32_t n = 1; n < 256; n++) {
		struct block *b = stored(&f, DIGEST_SUBJECT_TEXT, n >> BLOCK_BITS);
		char want[16];

		snprintf(want, sizeof(want), "\1RE: S%u", n);
		CHECK_U64(b->mask >> (n % 64) & 1, 1);
		CHECK_STR(block_value(b, n % 64), str_c(want));
		block_unref(b);
	}
	for (uint32_t i = 0; i < MESSAGES; i++)
		list[i] = i + 1;
	check_list(&f, list, MESSAGES);
	fixture_done(&f);
}

static void
note_finding(void *ctx, const struct verify_finding *f)
{
	unsigned *digests = ctx;

	CHECK_U64(f->kind, VERIFY_DIGEST);
	++*digests;
}

static unsigned
findings(struct fixture *f, bool may_repair)
{
	unsigned digests = 0;
	struct verify_options o = { .kv = f->kv,
		.may_repair = may_repair,
		.found = note_finding,
		.ctx = &digests };
	struct verify_result r;

	CHECK(verify_run(&o, &r) == ERR_OK);
	return digests;
}

/* Puts another subject of message 70 into the row; with NULL a row that is none. */
static void
tamper(struct fixture *f, const char *subject)
{
	struct message_key key = digest_key(DIGEST_SUBJECT, 1);
	struct kv_txn *t = kv_txn_new(f->kv, f->account->id, KV_UNVERSIONED, KV_UNVERSIONED);
	struct packing p = { .mask = 1u << 6, .data = BUF_MAX(100) };
	BUF_CLEAN struct buf row = BUF_MAX(1000);

	buf_c(&p.data, subject != NULL ? subject : "");
	for (unsigned i = 6; i < BLOCK_MESSAGES; i++)
		p.end[i] = (uint32_t)p.data.n;
	digest_row_encode(&p, &row);
	kv_put(t, KV_POSTING, message_key_str(&key),
	    subject != NULL ? buf_str(&row) : STR("nonsense"));
	CHECK(kv_commit_now(f->kv, &t, 1) == ERR_OK);
	small_cache(f, 1 << 20);
	buf_done(&p.data);
}

static void
check_subject(struct fixture *f, struct msgno n, const char *want)
{
	struct digest_reader *r = digest_reader_new(f->account, 1u << DIGEST_SUBJECT, &n, 1);
	struct digest d;

	CHECK(UNTIL_DONE(&f->b, digest_reader_next(r, &f->b.w, &d)) == ERR_OK);
	CHECK_STR(digest_subject(&d), str_c(want));
	digest_reader_free(r);
}

/*
 * Rows are what is read; `verify` proves them; what is damaged or lacks a message is made of the
 * records.
 */
static void
test_stored_wrong(void)
{
	struct fixture f;

	fixture_init(&f, false);
	fill_durably(&f);
	await_rows(&f);
	CHECK_U64(findings(&f, false), 0);
	tamper(&f, "\1OTHER");
	check_subject(&f, (struct msgno){ 70 }, "OTHER");
	check_subject(&f, (struct msgno){ 71 }, "S71");
	small_cache(&f, 1 << 20);
	tamper(&f, "\1OTHER");
	CHECK_U64(findings(&f, false), 1);
	CHECK_U64(findings(&f, true), 1);
	CHECK_U64(findings(&f, false), 0);
	small_cache(&f, 1 << 20);
	check_subject(&f, (struct msgno){ 70 }, "S70");
	tamper(&f, NULL);
	check_subject(&f, (struct msgno){ 70 }, "S70");
	tamper(&f, NULL);
	CHECK_U64(findings(&f, true), 1);
	CHECK_U64(findings(&f, false), 0);
	fixture_done(&f);
}

static void
release(struct fixture *f, struct msgno n)
{
	struct kv_txn *t = kv_txn_new(f->kv, f->account->id, KV_UNVERSIONED, KV_UNVERSIONED);

	digest_cache_release(f->store->digests, t, n);
	CHECK(kv_commit_now(f->kv, &t, 1) == ERR_OK);
}

/*
 * A message that goes takes the rows of its block along; who reads the block next stores it again.
 */
static void
test_stored_released(void)
{
	struct fixture f;
	uint32_t list[64];

	fixture_init(&f, false);
	fill_durably(&f);
	await_rows(&f);
	release(&f, (struct msgno){ 130 });
	CHECK_U64(stored_count(&f, 2), 0);
	CHECK_U64(stored_count(&f, 1), DIGEST_COLUMNS);
	small_cache(&f, 1 << 20);
	for (uint32_t i = 0; i < 64; i++)
		list[i] = 128 + i;
	check_list(&f, list, 64);
	flush(&f);
	CHECK_U64(stored_count(&f, 2), 4); /* of the columns that were read */
	fixture_done(&f);
}

/* What was being made when a message went is not stored. */
static void
test_not_stored_after_release(void)
{
	struct fixture f;
	struct msgno numbers[64];
	struct digest_reader *r;
	struct digest d;
	uint64_t before;

	fixture_init(&f, true);
	fill_durably(&f);
	fixture_settle(&f);
	release(&f, (struct msgno){ 130 });
	for (uint32_t i = 0; i < 64; i++)
		numbers[i].v = 128 + i;
	r = digest_reader_new(f.account, 1u << DIGEST_DATE, numbers, 64);
	CHECK(digest_reader_next(r, &f.b.w, &d) == ERR_WAIT);
	before = f.store->digests->releases;
	release(&f, (struct msgno){ 131 });
	CHECK_U64(f.store->digests->releases, before + 1);
	CHECK(UNTIL_DONE(&f.b, digest_reader_next(r, &f.b.w, &d)) == ERR_OK);
	waiter_cancel(&f.b.w);
	digest_reader_free(r);
	fixture_settle(&f);
	CHECK_U64(stored_count(&f, 2), 0);
	fixture_done(&f);
}

/* What was to be stored can't be read: it is let be, and nobody had asked. */
static void
test_load_fails(void)
{
	struct fixture f;

	fixture_init(&f, true);
	fill_durably(&f);
	CHECK(f.store->digests->is_storing);
	kv_memory_power_cut(f.kv);
	fixture_settle(&f);
	CHECK(!f.store->digests->is_storing);
	CHECK_U64(stored_count(&f, 1), 0);
	fixture_done(&f);
}

/* Whatever stands where a row should: an error, or what was encoded. */
static void
test_row_decode(void)
{
	struct packing p = { .mask = 5, .data = BUF_MAX(1000) };
	BUF_CLEAN struct buf row = BUF_MAX(2000);
	struct block *b;

	for (unsigned i = 0; i < 300; i++)
		buf_chr(&p.data, 'x');
	p.end[0] = p.end[1] = 200;
	for (unsigned i = 2; i < BLOCK_MESSAGES; i++)
		p.end[i] = 300;
	digest_row_encode(&p, &row);
	CHECK(digest_row_decode(buf_str(&row), 7, &b) == ERR_OK);
	CHECK(b->mask == 5 && b->version == 7 && block_value(b, 0).n == 200
	    && block_value(b, 1).n == 0 && block_value(b, 2).n == 100);
	block_unref(b);
	for (size_t n = 0; n < row.n; n++)
		CHECK(digest_row_decode(str_sub(buf_str(&row), 0, n), 0, &b) == ERR_CORRUPT);
	buf_chr(&row, 'y');
	CHECK(digest_row_decode(buf_str(&row), 0, &b) == ERR_CORRUPT);
	row.p[0] = 9;
	CHECK(digest_row_decode(str_sub(buf_str(&row), 0, row.n - 1), 0, &b) == ERR_CORRUPT);
	buf_done(&p.data);
}

/*
 * What was appended a moment ago is there when its commit is; what others of its block said before
 * stays.
 */
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
		struct digest_reader *r =
		    digest_reader_new(f.account, 1u << DIGEST_SUBJECT, numbers, 2);
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

TEST_MAIN(TEST(test_lists), TEST(test_not_durable), TEST(test_missing),
    TEST(test_stored_when_complete), TEST(test_stored_wrong), TEST(test_stored_released),
    TEST(test_not_stored_after_release), TEST(test_load_fails), TEST(test_row_decode))
