/*
 * tree_bench.c - what the core of the store costs: opening a large mailbox, changing flags in it,
 * appending, refreshing views. All times are processor time, of this thread or of the process with
 * its engine.
 *
 *     tree_bench [messages [directory for RocksDB, which does not sync then]]
 */
#include "store/store_test_util.h"

#include "store/account_int.h"

#include <stdio.h>
#include <time.h>

static double
process_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double
thread_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Rows of a mailbox of n messages, as the engine would give them. */
static void
fill(struct fixture *f, struct mailbox_id box, uint32_t n)
{
	struct buf op = BUF_MAX(65536);
	struct kv_txn *t =
	    kv_txn_new(f->kv, account_id(f->account), KV_UNVERSIONED, KV_UNVERSIONED);
	struct row_key status_key = row_key_status(box);
	struct status_row status = { .highestmodseq = 1,
		.uidnext = n + 1,
		.recent_from = n + 1,
		.exists = n,
		.unseen = n,
		.size_bytes = 5000ull * n };
	struct buf row = BUF_MAX(1000);

	for (uint32_t uid = 1; uid <= n;) {
		uint32_t page = uid / PAGE_UIDS;
		struct row_key key = row_key_page(box, page);

		page_op_append(&op);
		for (; uid <= n && uid / PAGE_UIDS == page; uid++)
			page_op_append_entry(&op, uid % PAGE_UIDS,
			    &(struct page_entry){ .modseq = 1, .msgno = uid, .size_bytes = 5000 });
		kv_merge(t, KV_PAGE, row_key_str(&key), buf_str(&op));
	}
	status_row_encode(&status, &row);
	kv_put(t, KV_ROW, row_key_str(&status_key), buf_str(&row));
	CHECK(kv_commit_now(f->kv, &t, 1) == ERR_OK);
	buf_done(&op);
	buf_done(&row);
}

/* Until all is durable, so that the engine's work is counted too. */
static void
fixture_flush(struct fixture *f)
{
	struct snapshot *s;

	pthread_mutex_lock(&f->account->lock);
	s = snapshot_ref(f->account->latest);
	pthread_mutex_unlock(&f->account->lock);
	test_wait_durable(f, s);
	snapshot_unref(s);
}

int
main(int argc, char **argv)
{
	uint32_t n = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1000000, rounds = 20000;
	struct flags_change add = { .op = FLAGS_ADD, .flags = FLAG_SEEN },
			    remove = { .op = FLAGS_REMOVE, .flags = FLAG_SEEN };
	struct rangeset changed = RANGESET_NONE;
	struct snapshot *s, *after = NULL;
	struct view *v = NULL;
	struct mailbox_id box;
	struct view_changes ch;
	struct fixture f;
	double t, cpu;
	uint64_t sum = 0;
	struct entry e;
	struct arrival *m;

	if (argc > 2) {
		struct kv_options o = { .dir = argv[2], .no_sync = true };

		f = (struct fixture){ 0 };
		store_merge_functions(&o);
		CHECK(kv_rocks_open(&o, &f.kv, NULL) == ERR_OK);
		blocker_init(&f.b, NULL);
		fixture_open_store(&f);
		CHECK(
		    UNTIL_DONE(&f.b,
			store_account_open(f.store, STR("joe"), ACCOUNT_CREATE, &f.b.w, &f.account))
		    == ERR_OK);
	} else {
		fixture_init(&f, false);
	}
	box = test_box(&f, "INBOX");
	fill(&f, box, n);
	account_unref(f.account);
	store_close(f.store);
	fixture_open_store(&f);
	CHECK(UNTIL_DONE(&f.b,
		  store_account_open(f.store, STR("joe"), ACCOUNT_EXISTING, &f.b.w, &f.account))
	    == ERR_OK);
	s = account_snapshot(f.account, NULL);
	t = process_us();
	CHECK(UNTIL_DONE(&f.b, view_open(s, box, VIEW_READ_WRITE, &f.b.w, &v)) == ERR_OK);
	printf("open %u messages: %.1f ms (with the engine's copy of the rows)\n", view_exists(v),
	    (process_us() - t) / 1000);
	snapshot_unref(s);
	t = process_us();
	for (uint32_t uid = 0; view_next(v, uid, &e, NULL); uid = e.uid.v + 1)
		sum += e.size_bytes;
	printf("walk all entries: %.1f ns each\n", (process_us() - t) * 1000 / n);
	t = process_us();
	for (uint32_t i = 0; i < rounds; i++)
		sum += view_seq(v, (struct uid){ 1 + i * 7919u % n }).v;
	printf("uid to seq: %.0f ns\n", (process_us() - t) * 1000 / rounds);

	t = process_us();
	cpu = thread_us();
	for (uint32_t i = 0; i < rounds; i++) {
		struct rangeset one = RANGESET_NONE;
		uint32_t cursor = 0;

		rangeset_add_one(&one, 1 + i * 7919u % n);
		rangeset_clear(&changed);
		CHECK(UNTIL_DONE(&f.b,
			  messages_store(v, &one, i % 2 == 0 ? &add : &remove, &cursor, &f.b.w,
			      &changed, &changed, &after))
		    == ERR_OK);
		snapshot_unref(after);
		rangeset_done(&one);
	}
	fixture_flush(&f);
	printf("store one flag: %.2f us (this thread %.2f us)\n", (process_us() - t) / rounds,
	    (thread_us() - cpu) / rounds);

	s = account_snapshot(f.account, NULL);
	t = process_us();
	CHECK(UNTIL_DONE(&f.b, view_refresh(v, s, TELL_ALL, &f.b.w, &f.a, &ch)) == ERR_OK);
	printf("refresh over %u changes: %.1f us\n", ch.changed_count, process_us() - t);
	snapshot_unref(s);

	cpu = 0;
	for (uint32_t i = 0; i < rounds; i++) {
		struct rangeset one = RANGESET_NONE;
		uint32_t cursor = 0;

		rangeset_add_one(&one, 1 + i * 104729u % n);
		rangeset_clear(&changed);
		t = thread_us();
		CHECK(
		    UNTIL_DONE(&f.b,
			messages_store(v, &one, &add, &cursor, &f.b.w, &changed, &changed, &after))
		    == ERR_OK);
		if (after != NULL)
			CHECK(UNTIL_DONE(&f.b, view_refresh(v, after, TELL_ALL, &f.b.w, &f.a, &ch))
			    == ERR_OK);
		snapshot_unref(after);
		cpu += thread_us() - t;
		rangeset_done(&one);
		arena_reset(&f.a);
	}
	printf("store one flag and refresh: %.2f us of this thread's processor time\n",
	    cpu / rounds);

	m = test_message(&f, "bench");
	cpu = thread_us();
	for (uint32_t i = 0; i < rounds; i++) {
		struct append one = { .arrival = m };
		struct uid uid;
		uint32_t validity;

		CHECK(UNTIL_DONE(&f.b,
			  messages_append(f.account, box, &one, 1, &f.b.w, &uid, &validity, &after))
		    == ERR_OK);
		snapshot_unref(after);
	}
	printf("append (parsed before): %.2f us of this thread's processor time\n",
	    (thread_us() - cpu) / rounds);
	arrival_unref(m);

	cpu = thread_us();
	t = process_us();
	for (uint32_t cursor = 0; cursor != UINT32_MAX;) {
		struct rangeset all = RANGESET_NONE;

		rangeset_add(&all, 1, n);
		CHECK(UNTIL_DONE(&f.b,
			  messages_store(v, &all,
			      &(struct flags_change){ .op = FLAGS_ADD, .flags = FLAG_FLAGGED },
			      &cursor, &f.b.w, &changed, &changed, &after))
		    == ERR_OK);
		snapshot_unref(after);
		rangeset_done(&all);
	}
	printf("store all: %.1f ms, %.0f ns of processor time each\n", (process_us() - t) / 1000,
	    (thread_us() - cpu) * 1000 / n);
	printf("(%llu)\n", (unsigned long long)sum % 10);
	rangeset_done(&changed);
	view_close(v);
	fixture_done(&f);
	return 0;
}
