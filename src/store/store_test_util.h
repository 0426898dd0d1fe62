/*
 * store_test_util.h - what the tests of store/ share: a store on the engine in memory, waiting,
 * messages.
 */
#ifndef STORE_TEST_UTIL_H
#define STORE_TEST_UTIL_H

#include "base/test.h"
#include "imap/seqset.h"
#include "store/change.h"
#include "store/view.h"

#include <pthread.h>
#include <stdlib.h>

/* A waiter that a thread blocks on. In manual mode it steps the engine instead. */
struct blocker {
	struct waiter w;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool is_woken;
	struct kv *steps; /* not NULL: manual mode */
};

static void
blocker_wake(struct waiter *w)
{
	struct blocker *b = container_of(w, struct blocker, w);

	pthread_mutex_lock(&b->lock);
	b->is_woken = true;
	pthread_cond_signal(&b->cond);
	pthread_mutex_unlock(&b->lock);
}

static inline void
blocker_init(struct blocker *b, struct kv *steps)
{
	waiter_init(&b->w, blocker_wake);
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->cond, NULL);
	b->is_woken = false;
	b->steps = steps;
}

/* False when nothing will ever come. */
static inline bool
blocker_wait(struct blocker *b)
{
	if (b->steps != NULL)
		return kv_memory_step(b->steps);
	pthread_mutex_lock(&b->lock);
	while (!b->is_woken)
		pthread_cond_wait(&b->cond, &b->lock);
	b->is_woken = false;
	pthread_mutex_unlock(&b->lock);
	return true;
}

/* Calls until it does not wait any more. */
#define UNTIL_DONE(b, call)                                                                        \
	({                                                                                         \
		enum err e_;                                                                       \
		while ((e_ = (call)) == ERR_WAIT && blocker_wait(b))                               \
			continue;                                                                  \
		e_;                                                                                \
	})

struct fixture {
	struct kv *kv;
	struct store *store;
	struct account *account;
	struct blocker b;
	struct arena a;
};

static void
test_random(void *p, size_t n)
{
	memset(p, 7, n);
}

static inline void
fixture_open_store(struct fixture *f)
{
	struct store_options o = { .kv = f->kv,
		.clock = clock_system(),
		.random = test_random,
		.retention_s = 0,
		.load_pages = 1,
		.stage_links = 16 };

	CHECK(store_open(&o, &f->store) == ERR_OK);
}

static inline void
fixture_init_seed(struct fixture *f, bool is_manual, uint64_t seed)
{
	struct kv_memory_options o = { .manual = is_manual, .seed = seed };

	*f = (struct fixture){ 0 };
	store_merge_functions(&o.base);
	CHECK(kv_memory_open(&o, &f->kv) == ERR_OK);
	blocker_init(&f->b, is_manual ? f->kv : NULL);
	fixture_open_store(f);
	CHECK(UNTIL_DONE(&f->b,
		  store_account_open(f->store, STR("joe"), ACCOUNT_CREATE, &f->b.w, &f->account))
	    == ERR_OK);
}

static inline void
fixture_init(struct fixture *f, bool is_manual)
{
	fixture_init_seed(f, is_manual, 1);
}

static inline void
fixture_settle(struct fixture *f)
{
	while (f->b.steps != NULL && kv_memory_step(f->kv))
		continue;
}

static inline void
fixture_done(struct fixture *f)
{
	fixture_settle(f);
	waiter_cancel(&f->b.w);
	account_unref(f->account);
	store_close(f->store);
	kv_close(f->kv);
	arena_done(&f->a);
}

/* A small finished message. */
static inline struct arrival *
test_message(struct fixture *f, const char *subject)
{
	struct arrival *m = arrival_new(f->store);
	struct str text =
	    arena_printf(&f->a, "From: a@example.org\r\nSubject: %s\r\n\r\nHello.\r\n", subject);
	size_t taken;

	while (text.n != 0 && UNTIL_DONE(&f->b, arrival_write(m, text, &taken, &f->b.w)) == ERR_OK)
		text = str_sub(text, taken, text.n);
	CHECK(arrival_finish(m) == ERR_OK);
	return m;
}

/* Appends a message with flags; its UID. */
static inline uint32_t
test_append(struct fixture *f, struct mailbox_id box, uint16_t flags, struct snapshot **after_out)
{
	struct arrival *m = test_message(f, "test");
	struct append add = { .arrival = m, .flags = flags };
	struct snapshot *after = NULL;
	struct uid uid = { 0 };
	uint32_t validity;

	CHECK(UNTIL_DONE(&f->b,
		  messages_append(f->account, box, &add, 1, &f->b.w, &uid, &validity, &after))
	    == ERR_OK);
	arrival_unref(m);
	if (after_out != NULL)
		*after_out = after;
	else
		snapshot_unref(after);
	return uid.v;
}

static inline void
test_wait_durable(struct fixture *f, struct snapshot *s)
{
	CHECK(UNTIL_DONE(&f->b, account_wait_durable(f->account, snapshot_version(s), &f->b.w))
	    == ERR_OK);
}

static inline struct mailbox_id
test_box(struct fixture *f, const char *name)
{
	struct snapshot *s = account_snapshot(f->account, NULL);
	const struct mailbox_info *m = snapshot_mailbox(s, str_c(name));
	struct mailbox_id id = { m != NULL ? m->id.v : 0 };

	CHECK(m != NULL);
	snapshot_unref(s);
	return id;
}

static inline struct rangeset
test_set(const char *text)
{
	struct rangeset s = RANGESET_NONE;

	CHECK(rangeset_parse(str_c(text), &s) == ERR_OK);
	return s;
}

#endif
