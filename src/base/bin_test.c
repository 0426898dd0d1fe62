/* bin_test.c - what is put into bins goes once, by the bin's thread while it has one. */
#include "base/arena.h"
#include "base/bin.h"
#include "base/test.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { MAKERS = 3, ITEMS = 20000 };

struct thing {
	struct bin_item trash;
	pthread_t wanted; /* who is to free it, while the bin is open */
	bool is_anybodys;
};

static atomic_uint freed, by_others;

static void
thing_free(struct bin_item *i)
{
	struct thing *t = container_of(i, struct thing, trash);

	if (!pthread_equal(t->wanted, pthread_self()) && !t->is_anybodys)
		atomic_fetch_add(&by_others, 1);
	atomic_fetch_add(&freed, 1);
	free(t);
}

static void
put(struct bin *b, pthread_t wanted, bool is_anybodys)
{
	struct thing *t = xmalloc(sizeof(*t));

	*t = (struct thing){ .trash.free = thing_free,
		.wanted = wanted,
		.is_anybodys = is_anybodys };
	bin_put(b, &t->trash);
}

static void
test_none(void)
{
	atomic_store(&freed, 0);
	CHECK(bin_mine() == NULL);
	bin_empty();
	put(bin_mine(), pthread_self(), false);
	CHECK_U64(atomic_load(&freed), 1);
	bin_close();
}

struct owner {
	struct bin *bin;
	sem_t is_open;
	unsigned closes_at;
};

static void *
owner_run(void *arg)
{
	struct owner *o = arg;

	bin_open();
	o->bin = bin_mine();
	for (unsigned i = 0; i < MAKERS; i++)
		sem_post(&o->is_open);
	while (atomic_load(&freed) < o->closes_at)
		bin_empty();
	bin_close();
	CHECK(bin_mine() == NULL);
	return NULL;
}

struct maker {
	struct owner *owner;
	pthread_t thread;
	bool is_anybodys;
};

static void *
maker_run(void *arg)
{
	struct maker *m = arg;

	sem_wait(&m->owner->is_open);
	for (unsigned i = 0; i < ITEMS; i++)
		put(m->owner->bin, m->thread, m->is_anybodys);
	return NULL;
}

static void
run(unsigned closes_at, bool is_anybodys)
{
	struct owner o = { .closes_at = closes_at };
	struct maker m = { .owner = &o, .is_anybodys = is_anybodys };
	pthread_t makers[MAKERS];

	atomic_store(&freed, 0);
	atomic_store(&by_others, 0);
	sem_init(&o.is_open, 0, 0);
	CHECK(pthread_create(&m.thread, NULL, owner_run, &o) == 0);
	for (unsigned i = 0; i < MAKERS; i++)
		CHECK(pthread_create(&makers[i], NULL, maker_run, &m) == 0);
	for (unsigned i = 0; i < MAKERS; i++)
		pthread_join(makers[i], NULL);
	pthread_join(m.thread, NULL);
	CHECK_U64(atomic_load(&freed), MAKERS * ITEMS);
	CHECK_U64(atomic_load(&by_others), 0);
	sem_destroy(&o.is_open);
}

static void
test_by_its_thread(void)
{
	run(MAKERS * ITEMS, false);
}

/* Closed while others go on putting: nothing is lost, nothing goes twice. */
static void
test_closed_in_the_middle(void)
{
	for (unsigned i = 0; i < 20; i++)
		run(MAKERS * ITEMS / 20 * i, true);
}

TEST_MAIN(TEST(test_none), TEST(test_by_its_thread), TEST(test_closed_in_the_middle))
