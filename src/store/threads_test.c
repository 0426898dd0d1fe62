/*
 * threads_test.c - threads that change one account at once, each with a view of its own that is
 * told everything by differences alone: it must stay what it would be if it were opened anew. Built
 * with -Db_sanitize=thread it is the proof of the locking.
 *
 *     threads_test [commands a thread [directory for RocksDB]]
 */
#include "store/store_test_util.h"

#include "store/account_int.h"

#include <stdio.h>
#include <unistd.h>

enum { THREADS = 4 };

struct worker {
	struct fixture *f;
	pthread_t thread;
	struct blocker b;
	struct arena a;
	struct view *view;
	struct snapshot *own;
	struct rangeset told; /* UIDs */
	uint64_t random;
	unsigned commands;
	uint64_t appended, expunged;
};

static unsigned rounds = 300;
static const char *rocks_dir;

static uint64_t
rnd(struct worker *w, uint64_t below)
{
	w->random = w->random * 6364136223846793005u + 1442695040888963407u;
	return (w->random >> 33) % below;
}

static void
keep(struct worker *w, struct snapshot *after)
{
	if (after == NULL)
		return;
	snapshot_unref(w->own);
	w->own = after;
}

static void
append(struct worker *w, struct mailbox_id box)
{
	struct arrival *m = arrival_new(w->f->store);
	struct append add = { .arrival = m, .flags = (uint16_t)rnd(w, 32) };
	struct str text = STR("Subject: threads\r\n\r\nHello.\r\n");
	struct snapshot *after = NULL;
	struct uid uid;
	uint32_t validity;
	size_t taken;

	while (text.n != 0 && UNTIL_DONE(&w->b, arrival_write(m, text, &taken, &w->b.w)) == ERR_OK)
		text = str_sub(text, taken, text.n);
	CHECK(arrival_finish(m) == ERR_OK);
	CHECK(UNTIL_DONE(&w->b,
		  messages_append(w->f->account, box, &add, 1, &w->b.w, &uid, &validity, &after))
	    == ERR_OK);
	arrival_unref(m);
	w->appended++;
	keep(w, after);
}

static void
refresh(struct worker *w)
{
	struct snapshot *s = account_snapshot(w->f->account, w->own);
	struct view_changes ch;
	struct entry e;
	uint32_t uid = 0;

	CHECK(UNTIL_DONE(&w->b,
		  view_refresh(w->view, s, rnd(w, 3) == 0 ? TELL_NO_EXPUNGE : TELL_ALL, &w->b.w,
		      &w->a, &ch))
	    == ERR_OK);
	if (ch.vanished != NULL) {
		for (size_t i = 0; i < ch.vanished->n; i++)
			rangeset_remove(&w->told, ch.vanished->r[i].first, ch.vanished->r[i].last);
	}
	while (rangeset_count(&w->told) < ch.exists
	    && view_next(w->view, rangeset_max(&w->told) + 1, &e, NULL))
		rangeset_add_one(&w->told, e.uid.v);
	CHECK_U64(rangeset_count(&w->told), view_exists(w->view));
	for (size_t i = 0; i < w->told.n; i++) {
		for (uid = w->told.r[i].first; uid <= w->told.r[i].last; uid++)
			CHECK(view_entry(w->view, (struct uid){ uid }, &e));
	}
	snapshot_unref(s);
	arena_reset(&w->a);
}

static void
change(struct worker *w)
{
	struct flags_change flags = { .op = (enum flags_op)rnd(w, 3),
		.flags = (uint16_t)rnd(w, 32) };
	uint32_t cursor = 0, first = 1 + (uint32_t)rnd(w, view_mailbox(w->view)->uidnext);
	RANGESET_CLEAN struct rangeset uids = RANGESET_NONE;
	RANGESET_CLEAN struct rangeset changed = RANGESET_NONE;
	struct snapshot *after = NULL;

	rangeset_add(&uids, first, first + (uint32_t)rnd(w, 80));
	while (cursor != UINT32_MAX) {
		CHECK(UNTIL_DONE(&w->b,
			  messages_store(w->view, &uids, &flags, &cursor, &w->b.w, &changed,
			      &changed, &after))
		    == ERR_OK);
		keep(w, after);
	}
}

static void
expunge(struct worker *w)
{
	RANGESET_CLEAN struct rangeset gone = RANGESET_NONE;
	struct snapshot *after = NULL;
	uint32_t cursor = 0;

	while (cursor != UINT32_MAX) {
		CHECK(UNTIL_DONE(&w->b,
			  messages_expunge(w->view, NULL, &cursor, &w->b.w, &gone, &after))
		    == ERR_OK);
		keep(w, after);
	}
	w->expunged += rangeset_count(&gone);
}

static void
copy(struct worker *w, struct mailbox_id from)
{
	RANGESET_CLEAN struct rangeset uids = RANGESET_NONE;
	struct snapshot *after = NULL;
	struct copied copied;
	enum err e;

	rangeset_add(&uids, 1 + (uint32_t)rnd(w, view_mailbox(w->view)->uidnext),
	    view_mailbox(w->view)->uidnext);
	e = UNTIL_DONE(&w->b,
	    messages_copy(w->view, &uids, COPY_SKIPS_GONE, w->f->account, from, &w->b.w, &w->a,
		&copied, &after));
	CHECK(e == ERR_OK || e == ERR_EXPUNGED);
	if (e == ERR_OK && rangeset_count(copied.to) != rangeset_count(copied.from))
		CHECK(false);
	keep(w, after);
}

static void *
work(void *arg)
{
	struct worker *w = arg;
	struct mailbox_id inbox = test_box(w->f, "INBOX"), trash = test_box(w->f, "Trash");
	struct snapshot *s = account_snapshot(w->f->account, NULL);
	struct entry e;

	CHECK(UNTIL_DONE(&w->b, view_open(s, inbox, VIEW_READ_WRITE, &w->b.w, &w->view)) == ERR_OK);
	for (uint32_t uid = 0; view_next(w->view, uid, &e, NULL); uid = e.uid.v + 1)
		rangeset_add_one(&w->told, e.uid.v);
	snapshot_unref(s);
	for (unsigned i = 0; i < w->commands; i++) {
		uint64_t what = rnd(w, 100);

		if (what < 30)
			append(w, rnd(w, 4) == 0 ? trash : inbox);
		else if (what < 60)
			refresh(w);
		else if (what < 80)
			change(w);
		else if (what < 83)
			expunge(w);
		else if (what < 86)
			copy(w, trash);
		else if (what < 90)
			account_evict(w->f->account);
		else if (w->own != NULL)
			CHECK(UNTIL_DONE(&w->b,
				  account_wait_durable(w->f->account, snapshot_version(w->own),
				      &w->b.w))
			    == ERR_OK);
	}
	waiter_cancel(&w->b.w);
	return NULL;
}

static struct kv *
open_engine(void)
{
	struct kv_memory_options o = { .seed = 3 };
	struct kv *kv = NULL;

	store_merge_functions(&o.base);
	o.base.dir = rocks_dir;
	if (rocks_dir != NULL)
		CHECK(kv_rocks_open(&o.base, &kv, NULL) == ERR_OK);
	else
		CHECK(kv_memory_open(&o, &kv) == ERR_OK);
	return kv;
}

static void
test_threads(void)
{
	struct worker workers[THREADS];
	struct fixture f = { .kv = open_engine() };

	blocker_init(&f.b, NULL);
	fixture_open_store(&f);
	f.store->o.cache_bytes = 1; /* evict whatever can go */
	CHECK(UNTIL_DONE(&f.b,
		  store_account_open(f.store, STR("joe"), ACCOUNT_CREATE, &f.b.w, &f.account))
	    == ERR_OK);
	for (int i = 0; i < THREADS; i++) {
		workers[i] =
		    (struct worker){ .f = &f, .random = (uint64_t)i * 99 + 5, .commands = rounds };
		blocker_init(&workers[i].b, NULL);
		pthread_create(&workers[i].thread, NULL, work, &workers[i]);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	for (int i = 0; i < THREADS; i++) {
		refresh(&workers[i]);
		view_close(workers[i].view);
		snapshot_unref(workers[i].own);
		rangeset_done(&workers[i].told);
		arena_done(&workers[i].a);
	}
	CHECK_U64(atomic_load(&f.store->damaged), 0);
	fixture_done(&f);
}

/* The same on the engine that servers run on, in a directory of its own. */
static void
test_threads_rocks(void)
{
	char dir[] = "/tmp/store-threads-XXXXXX", command[64];

	if (rocks_dir != NULL) {
		test_threads();
		return;
	}
	if (!CHECK(mkdtemp(dir) != NULL))
		return;
	rocks_dir = dir;
	test_threads();
	rocks_dir = NULL;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	CHECK(system(command) == 0);
}

int
main(int argc, char **argv)
{
	static const struct test_case cases[] = { TEST(test_threads), TEST(test_threads_rocks) };

	rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : rounds;
	rocks_dir = argc > 2 ? argv[2] : NULL;
	return test_run(cases, ARRAY_LEN(cases));
}
