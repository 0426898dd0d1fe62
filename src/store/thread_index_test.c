/*
 * thread_index_test.c - threads by message-id: with rows of the engine, with transactions on their
 * way, when they fail.
 */
#include "store/thread_index.h"

#include "base/test.h"

static const struct account_id account = { 3 };

static void
no_wake(struct waiter *w unused_arg)
{
}

static struct kv *
engine(bool is_manual)
{
	struct kv_memory_options o = { .manual = is_manual, .seed = 1 };
	struct kv *kv;

	must(kv_memory_open(&o, &kv) == ERR_OK);
	return kv;
}

static enum err
load(struct thread_index *t, struct kv *kv, const uint64_t *hashes, size_t count)
{
	struct waiter w;
	enum err e;

	waiter_init(&w, no_wake);
	while ((e = thread_index_load(t, hashes, count, &w)) == ERR_WAIT) {
		if (!CHECK(kv_memory_step(kv)))
			break;
	}
	waiter_cancel(&w);
	return e;
}

/*
 * A message's life in the account: loaded, assigned and committed as the given version. Returns the
 * thread's number.
 */
static uint32_t
deliver(struct thread_index *t, struct kv *kv, uint64_t version, const uint64_t *hashes,
    size_t count, uint32_t n)
{
	struct object_id thread;
	struct kv_txn *txn;

	CHECK(load(t, kv, hashes, count) == ERR_OK);
	txn = kv_txn_new(kv, account, version - 1, version);
	thread = thread_assign(t, txn, version, version - 1, hashes, count,
	    (struct object_id){ account.v, n });
	CHECK(kv_commit_now(kv, &txn, 1) == ERR_OK);
	return thread.n;
}

static void
test_replies_join(void)
{
	for (int is_manual = 0; is_manual < 2; is_manual++) {
		struct kv *kv = engine(is_manual);
		struct thread_index *t = thread_index_new(kv, account);
		const uint64_t first[] = { 100 }, reply[] = { 200, 100 }, other[] = { 300 },
			       both[] = { 400, 300, 200 };
		const uint64_t orphan[] = { 500, 999 }, sibling[] = { 600, 999 };

		CHECK_U64(deliver(t, kv, 1, first, 1, 1), 1);
		CHECK_U64(deliver(t, kv, 2, reply, 2, 2), 1);
		CHECK_U64(deliver(t, kv, 3, other, 1, 3), 3);
		CHECK_U64(deliver(t, kv, 4, both, 3, 4), 1); /* the older one */
		CHECK_U64(deliver(t, kv, 5, orphan, 2, 5), 5);
		CHECK_U64(deliver(t, kv, 6, sibling, 2, 6), 5); /* by the parent that is not here */
		thread_index_free(t);

		t = thread_index_new(kv, account); /* from the rows alone */
		CHECK_U64(deliver(t, kv, 7, (const uint64_t[]){ 700, 400 }, 2, 7), 1);
		/* the parent comes last */
		CHECK_U64(deliver(t, kv, 8, (const uint64_t[]){ 999 }, 1, 8), 5);
		CHECK_U64(deliver(t, kv, 9, NULL, 0, 9), 9);
		thread_index_free(t);
		kv_close(kv);
	}
}

static void
test_reply_to_what_is_not_durable(void)
{
	struct kv *kv = engine(true);
	struct thread_index *t = thread_index_new(kv, account);
	const uint64_t first[] = { 100 }, reply[] = { 200, 100 };
	struct kv_txn *a = kv_txn_new(kv, account, 0, 1), *b = kv_txn_new(kv, account, 1, 2);
	struct object_id thread;

	CHECK(load(t, kv, first, 1) == ERR_OK);
	CHECK(load(t, kv, reply, 2) == ERR_OK);
	thread_assign(t, a, 1, 0, first, 1, (struct object_id){ 3, 1 });
	thread = thread_assign(t, b, 2, 0, reply, 2, (struct object_id){ 3, 2 });
	CHECK_U64(thread.n, 1);
	kv_txn_abort(a);
	kv_txn_abort(b);

	thread_index_revert(t, 0); /* neither came to be */
	a = kv_txn_new(kv, account, 0, 3);
	CHECK(load(t, kv, reply, 2) == ERR_OK);
	thread = thread_assign(t, a, 3, 0, reply, 2, (struct object_id){ 3, 5 });
	CHECK_U64(thread.n, 5);
	kv_txn_abort(a);
	thread_index_free(t);
	kv_close(kv);
}

static void
test_much_mail_keeps_little(void)
{
	struct kv *kv = engine(true);
	struct thread_index *t = thread_index_new(kv, account);

	/* Fifty threads; an answer comes long after its parent's entry was dropped. */
	for (uint32_t i = 1; i <= 5000; i++)
		CHECK_U64(deliver(t, kv, i, (const uint64_t[]){ i, i - 50 }, i > 50 ? 2 : 1, i),
		    (i - 1) % 50 + 1);
	for (uint32_t i = 1; i <= 50; i++)
		CHECK_U64(deliver(t, kv, 5000 + i, (const uint64_t[]){ 10000 + i, i }, 2, 9999), i);
	thread_index_free(t);
	kv_close(kv);
}

static void
test_a_failed_load_is_told(void)
{
	for (int is_manual = 0; is_manual < 2; is_manual++) {
		struct kv *kv = engine(is_manual);
		struct thread_index *t = thread_index_new(kv, account);
		const uint64_t hashes[] = { 1, 2, 3 };

		kv_memory_fail_at(kv, 1, ERR_IO);
		CHECK(load(t, kv, hashes, 3) == ERR_IO);
		kv_memory_fail_at(kv, 0, ERR_OK);
		for (int i = 0; i < 3 && load(t, kv, hashes, 3) == ERR_IO; i++)
			;
		CHECK_U64(deliver(t, kv, 1, hashes, 3, 8), 8);
		thread_index_free(t);
		kv_close(kv);
	}
}

static void
test_closing_while_loading(void)
{
	struct kv *kv = engine(true);
	struct thread_index *t = thread_index_new(kv, account);
	struct waiter w;

	waiter_init(&w, no_wake);
	CHECK(thread_index_load(t, (const uint64_t[]){ 1 }, 1, &w) == ERR_WAIT);
	waiter_cancel(&w);
	thread_index_free(t);
	CHECK(kv_memory_step(kv));
	kv_close(kv);
}

TEST_MAIN(TEST(test_replies_join), TEST(test_reply_to_what_is_not_durable),
    TEST(test_much_mail_keeps_little), TEST(test_a_failed_load_is_told),
    TEST(test_closing_while_loading))
