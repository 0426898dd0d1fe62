/*
 * message_cache_test.c - records in memory: loading at once and later, together, sharing, bounds,
 * damage.
 */
#include "store/message_cache.h"

#include "base/test.h"

#include <stdlib.h>

enum { ACCOUNT = 7 };
static const struct account_id account = { ACCOUNT };

static int wakes;

static void
count_wake(struct waiter *w unused_arg)
{
	wakes++;
}

static struct kv *
engine(bool is_manual)
{
	struct kv_memory_options o = { .manual = is_manual, .seed = 1 };
	struct kv *kv;

	must(kv_memory_open(&o, &kv) == ERR_OK);
	return kv;
}

static void
commit(struct kv *kv, struct kv_txn *t)
{
	must(kv_commit_now(kv, &t, 1) == ERR_OK);
}

/* Messages 1 … count; the n-th has the envelope "n" and n bytes of header after its prefix. */
static void
messages_make(struct kv *kv, uint32_t count)
{
	struct kv_txn *t = kv_txn_new(kv, account, 0, 1);

	for (uint32_t n = 1; n <= count; n++) {
		struct buf BUF_CLEAN row = BUF_MAX(1 << 20), BUF_CLEAN text = BUF_MAX(100),
				     BUF_CLEAN header = BUF_MAX(1 << 20);
		struct message_key key = message_summary_key((struct msgno){ n });
		struct message_record r = {
			.blob_bytes = 1 << 20,
			.prefix_bytes = 7,
			.header_bytes = 7 + n,
			.email = { ACCOUNT, n },
			.thread = { ACCOUNT, 1 },
		};

		buf_u64(&text, n);
		r.envelope = buf_str(&text);
		message_summary_encode(&r, &row);
		kv_put(t, KV_MESSAGE, message_key_str(&key), buf_str(&row));
		for (uint32_t i = 0; i < n; i++)
			buf_chr(&header, 'h');
		buf_clear(&row);
		message_header_encode(STR("To: x\r\n"), buf_str(&header), &row);
		key = message_header_key((struct msgno){ n });
		kv_put(t, KV_MESSAGE, message_key_str(&key), buf_str(&row));
	}
	commit(kv, t);
}

/* Gets a message, letting the engine work while it waits. */
static enum err
get(struct message_cache *c, struct kv *kv, uint32_t n, enum message_need need,
    struct message **out)
{
	struct waiter w;
	uint64_t version;
	enum err e;

	waiter_init(&w, count_wake);
	while ((e = message_cache_get(c, account, (struct msgno){ n }, need, &w, out, &version))
	    == ERR_WAIT) {
		if (!CHECK(kv_memory_step(kv)))
			break;
	}
	waiter_cancel(&w);
	return e;
}

static void
check_message(struct message_cache *c, struct kv *kv, uint32_t n, enum message_need need)
{
	struct buf BUF_CLEAN want = BUF_MAX(100);
	struct message *m;

	if (!CHECK(get(c, kv, n, need, &m) == ERR_OK))
		return;
	buf_u64(&want, n);
	CHECK_U64(m->msgno.v, n);
	CHECK_STR(m->envelope, buf_str(&want));
	CHECK_U64(m->size_bytes, (1 << 20) + 7);
	CHECK_STR(m->threadid, STR("T7-1"));
	if (need == MESSAGE_WHOLE) {
		CHECK(m->has_header);
		CHECK_STR(m->prefix, STR("To: x\r\n"));
		CHECK_U64(m->header.n, 7 + n);
	}
	message_unref(m);
}

static void
test_gets_both_rows(void)
{
	for (int is_manual = 0; is_manual < 2; is_manual++) {
		struct kv *kv = engine(is_manual);
		struct message_cache *c = message_cache_new(kv, 1 << 20);

		messages_make(kv, 100);
		check_message(c, kv, 5, MESSAGE_SUMMARY);
		check_message(c, kv, 5, MESSAGE_WHOLE);
		check_message(c, kv, 5, MESSAGE_SUMMARY);
		check_message(c, kv, 100, MESSAGE_WHOLE);
		message_cache_free(c);
		kv_close(kv);
	}
}

static void
test_copies_share_memory(void)
{
	struct kv *kv = engine(false);
	struct message_cache *c = message_cache_new(kv, 1 << 20);
	struct message *a, *b;

	messages_make(kv, 3);
	CHECK(get(c, kv, 2, MESSAGE_SUMMARY, &a) == ERR_OK);
	CHECK(get(c, kv, 2, MESSAGE_SUMMARY, &b) == ERR_OK);
	CHECK(a == b);
	message_cache_free(c);
	CHECK_STR(a->envelope, STR("2")); /* who holds it keeps it */
	message_unref(a);
	message_unref(b);
	kv_close(kv);
}

static void
test_missing_and_damaged(void)
{
	struct kv *kv = engine(false);
	struct message_cache *c = message_cache_new(kv, 1 << 20);
	struct message_key key = message_summary_key((struct msgno){ 2 });
	struct kv_txn *t;
	struct message *m;

	messages_make(kv, 4);
	CHECK(get(c, kv, 9, MESSAGE_SUMMARY, &m) == ERR_NOTFOUND);
	t = kv_txn_new(kv, account, 1, 2);
	kv_put(t, KV_MESSAGE, message_key_str(&key), STR("\1nonsense"));
	key = message_header_key((struct msgno){ 3 });
	kv_put(t, KV_MESSAGE, message_key_str(&key), STR("\1short"));
	key = message_header_key((struct msgno){ 4 });
	kv_del(t, KV_MESSAGE, message_key_str(&key));
	commit(kv, t);
	CHECK(get(c, kv, 2, MESSAGE_SUMMARY, &m) == ERR_CORRUPT);
	CHECK(get(c, kv, 2, MESSAGE_SUMMARY, &m) == ERR_CORRUPT);
	check_message(c, kv, 3, MESSAGE_SUMMARY); /* what is whole can be read */
	CHECK(get(c, kv, 3, MESSAGE_WHOLE, &m) == ERR_CORRUPT);
	check_message(c, kv, 3, MESSAGE_SUMMARY);
	CHECK(get(c, kv, 4, MESSAGE_WHOLE, &m) == ERR_CORRUPT);
	check_message(c, kv, 1, MESSAGE_WHOLE);
	message_cache_free(c);
	kv_close(kv);
}

static void
test_a_failed_read_is_told_once_and_tried_again(void)
{
	for (int is_manual = 0; is_manual < 2; is_manual++) {
		struct kv *kv = engine(is_manual);
		struct message_cache *c = message_cache_new(kv, 1 << 20);
		struct message *m;

		messages_make(kv, 4);
		kv_memory_fail_at(kv, 1, ERR_IO);
		CHECK(get(c, kv, 2, MESSAGE_SUMMARY, &m) == ERR_IO);
		kv_memory_fail_at(kv, 0, ERR_OK);
		check_message(c, kv, 2, MESSAGE_SUMMARY);
		message_cache_free(c);
		kv_close(kv);
	}
}

static void
test_prefetch_loads_together(void)
{
	struct kv *kv = engine(true);
	struct message_cache *c = message_cache_new(kv, 1 << 20);
	struct msgno numbers[] = { { 30 }, { 31 }, { 33 }, { 90 }, { 2 }, { 31 }, { 200 } };
	struct message *m;
	int steps = 0;

	messages_make(kv, 100);
	message_cache_prefetch(c, account, numbers, ARRAY_LEN(numbers), MESSAGE_WHOLE);
	while (kv_memory_step(kv))
		steps++;
	CHECK_U64(steps, 1);
	for (size_t i = 0; i < ARRAY_LEN(numbers) - 1; i++)
		check_message(c, kv, numbers[i].v, MESSAGE_WHOLE);
	CHECK(!kv_memory_step(kv));
	CHECK(get(c, kv, 200, MESSAGE_WHOLE, &m) == ERR_NOTFOUND);
	message_cache_free(c);
	kv_close(kv);
}

static void
test_all_who_wait_are_woken(void)
{
	struct kv *kv = engine(true);
	struct message_cache *c = message_cache_new(kv, 1 << 20);
	struct waiter a, b;
	struct message *m;
	uint64_t version;

	messages_make(kv, 3);
	waiter_init(&a, count_wake);
	waiter_init(&b, count_wake);
	wakes = 0;
	CHECK(message_cache_get(c, account, (struct msgno){ 1 }, MESSAGE_SUMMARY, &a, &m, &version)
	    == ERR_WAIT);
	CHECK(message_cache_get(c, account, (struct msgno){ 1 }, MESSAGE_SUMMARY, &b, &m, &version)
	    == ERR_WAIT);
	CHECK(kv_memory_step(kv));
	CHECK(!kv_memory_step(kv)); /* one load for both */
	CHECK_U64(wakes, 2);
	check_message(c, kv, 1, MESSAGE_SUMMARY);
	message_cache_free(c);
	kv_close(kv);
}

static void
test_memory_is_bounded(void)
{
	struct kv *kv = engine(true);
	struct message_cache *c = message_cache_new(kv, 200000);
	struct message_cache_stats s;
	struct msgno numbers[256];

	messages_make(kv, 2048);
	for (uint32_t from = 1; from <= 2048; from += 256) {
		for (uint32_t i = 0; i < 256; i++)
			numbers[i] = (struct msgno){ from + i };
		message_cache_prefetch(c, account, numbers, 256, MESSAGE_SUMMARY);
		for (uint32_t i = 0; i < 256; i++)
			check_message(c, kv, from + i, MESSAGE_SUMMARY);
	}
	while (kv_memory_step(kv))
		;
	message_cache_stats(c, &s);
	CHECK(s.bytes <= 200000);
	CHECK(s.records > 100);
	message_cache_free(c);
	kv_close(kv);
}

static void
test_what_is_waited_for_stays_in_the_smallest_cache(void)
{
	struct kv *kv = engine(true);
	struct message_cache *c = message_cache_new(kv, 0);

	messages_make(kv, 64);
	for (uint32_t n = 1; n <= 64; n++)
		check_message(c, kv, n, MESSAGE_WHOLE);
	message_cache_free(c);
	kv_close(kv);
}

static void
test_forgets_an_account(void)
{
	struct kv *kv = engine(false);
	struct message_cache *c = message_cache_new(kv, 1 << 20);
	struct message_cache_stats s;

	messages_make(kv, 10);
	for (uint32_t n = 1; n <= 10; n++)
		check_message(c, kv, n, MESSAGE_SUMMARY);
	message_cache_forget(c, (struct account_id){ 8 });
	message_cache_stats(c, &s);
	CHECK_U64(s.records, 10);
	message_cache_forget(c, account);
	message_cache_stats(c, &s);
	CHECK_U64(s.records, 0);
	CHECK_U64(s.bytes, 0);
	message_cache_free(c);
	kv_close(kv);
}

/* ---- many threads ---- */

enum { THREADS = 4, ROUNDS = 3000, MESSAGES = 512 };

struct reader {
	pthread_t thread;
	struct kv *kv;
	struct message_cache *c;
	unsigned seed;
	pthread_mutex_t lock;
	pthread_cond_t woken;
	bool is_woken;
	struct waiter w;
	uint32_t wrong;
};

static void
reader_wake(struct waiter *w)
{
	struct reader *r = container_of(w, struct reader, w);

	pthread_mutex_lock(&r->lock);
	r->is_woken = true;
	pthread_cond_signal(&r->woken);
	pthread_mutex_unlock(&r->lock);
}

static void
reader_wait(struct reader *r)
{
	pthread_mutex_lock(&r->lock);
	while (!r->is_woken)
		pthread_cond_wait(&r->woken, &r->lock);
	r->is_woken = false;
	pthread_mutex_unlock(&r->lock);
}

static void *
reader_run(void *arg)
{
	struct reader *r = arg;

	for (int i = 0; i < ROUNDS; i++) {
		uint32_t n = (uint32_t)rand_r(&r->seed) % MESSAGES + 1, want;
		enum message_need need =
		    rand_r(&r->seed) % 2 == 0 ? MESSAGE_SUMMARY : MESSAGE_WHOLE;
		struct message *m;
		uint64_t version;
		enum err e;

		if (i % 16 == 0) {
			struct msgno ahead[64];

			for (uint32_t k = 0; k < ARRAY_LEN(ahead); k++)
				ahead[k] = (struct msgno){ (n + k) % MESSAGES + 1 };
			message_cache_prefetch(r->c, account, ahead, ARRAY_LEN(ahead), need);
		}
		while ((e = message_cache_get(r->c, account, (struct msgno){ n }, need, &r->w, &m,
			    &version))
		    == ERR_WAIT)
			reader_wait(r);
		if (e != ERR_OK) {
			r->wrong++;
			continue;
		}
		if (!str_to_u32(m->envelope, &want) || want != n
		    || (need == MESSAGE_WHOLE && m->header.n != n + 7))
			r->wrong++;
		message_unref(m);
	}
	waiter_cancel(&r->w);
	return NULL;
}

/* In manual mode the engine's answers come from yet another thread, late and in any order. */
static void
test_many_threads(void)
{
	for (int is_manual = 0; is_manual < 2; is_manual++) {
		struct kv *kv = engine(is_manual);
		struct message_cache *c = message_cache_new(kv, 60000);
		struct reader readers[THREADS] = { 0 };

		messages_make(kv, MESSAGES);
		for (unsigned i = 0; i < THREADS; i++) {
			struct reader *r = &readers[i];

			r->kv = kv;
			r->c = c;
			r->seed = i + 1;
			pthread_mutex_init(&r->lock, NULL);
			pthread_cond_init(&r->woken, NULL);
			waiter_init(&r->w, reader_wake);
			must(pthread_create(&r->thread, NULL, reader_run, r) == 0);
		}
		for (unsigned i = 0; i < THREADS; i++) {
			while (is_manual && pthread_tryjoin_np(readers[i].thread, NULL) != 0)
				kv_memory_step(kv);
			if (!is_manual)
				pthread_join(readers[i].thread, NULL);
			CHECK_U64(readers[i].wrong, 0);
			pthread_mutex_destroy(&readers[i].lock);
			pthread_cond_destroy(&readers[i].woken);
		}
		while (kv_memory_step(kv))
			;
		message_cache_free(c);
		kv_close(kv);
	}
}

TEST_MAIN(TEST(test_many_threads), TEST(test_gets_both_rows), TEST(test_copies_share_memory),
    TEST(test_missing_and_damaged), TEST(test_a_failed_read_is_told_once_and_tried_again),
    TEST(test_prefetch_loads_together), TEST(test_all_who_wait_are_woken),
    TEST(test_memory_is_bounded), TEST(test_what_is_waited_for_stays_in_the_smallest_cache),
    TEST(test_forgets_an_account))
