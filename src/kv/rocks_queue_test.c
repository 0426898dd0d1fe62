/* rocks_queue_test.c - what waits for the committer, by names: which go first, and which wait. */
#include "base/arena.h"
#include "base/test.h"
#include "kv/rocks_int.h"

#include <stdlib.h>

enum { SMALL = 1000, HALF = 300 * 1024, LARGE = 5 * 1024 * 1024 };

/* A commit of one account or two, of so many bytes. */
struct named_commit {
	struct kv_commit c;
	struct kv_txn txns[2], *list[2];
	char name;
};

static struct rocks *
queue_new(void)
{
	struct rocks *r = xcalloc(1, sizeof(*r));

	pthread_mutex_init(&r->lock, NULL);
	list_init(&r->commits);
	return r;
}

/* With what still waits. */
static void
queue_free(struct rocks *r)
{
	list_each(&r->commits, c, struct kv_commit, node)
	    free(container_of(c, struct named_commit, c));
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static struct kv_commit *
add(struct rocks *r, char name, uint64_t account, uint64_t other, size_t bytes)
{
	struct named_commit *n = xcalloc(1, sizeof(*n));

	n->name = name;
	n->c = (struct kv_commit){ .txns = n->list, .count = other != 0 ? 2 : 1, .bytes = bytes };
	n->list[0] = &n->txns[0];
	n->list[1] = &n->txns[1];
	n->txns[0].account.v = account;
	n->txns[1].account.v = other;
	list_add_tail(&r->commits, &n->c.node);
	return &n->c;
}

/* The names of the next batch, which is gone then. */
static struct str
batch(struct rocks *r)
{
	static char names[64];
	struct list now;
	size_t n = 0;

	now = r->commits;
	now.next->prev = now.prev->next = &now;
	list_init(&r->commits);
	r->batch_no++;
	rocks_queue_sort(r, &now);
	list_each(&now, c, struct kv_commit, node)
	{
		list_remove(&c->node);
		names[n++] = container_of(c, struct named_commit, c)->name;
		free(container_of(c, struct named_commit, c));
	}
	return str_make(names, n);
}

static void
test_small_ones_go_together(void)
{
	struct rocks *r = queue_new();

	for (char name = 'a'; name <= 'z'; name++)
		add(r, name, (uint64_t)name % 5, 0, SMALL);
	CHECK_STR(batch(r), STR("abcdefghijklmnopqrstuvwxyz"));
	queue_free(r);
}

static void
test_an_account_has_its_part(void)
{
	struct rocks *r = queue_new();

	for (char name = 'a'; name <= 'f'; name++)
		add(r, name, 1, 0, HALF);
	add(r, 'x', 2, 0, SMALL);
	add(r, 'y', 3, 0, HALF);
	CHECK_STR(batch(r), STR("axy"));
	add(r, 'z', 2, 0, SMALL);
	CHECK_STR(batch(r), STR("bz"));
	CHECK_STR(batch(r), STR("c"));
	CHECK_STR(batch(r), STR("d"));
	queue_free(r);
}

/* Accounts that are made in a crowd share the system's rows, and are not one that wants much. */
static void
test_the_system_is_everybodys(void)
{
	struct rocks *r = queue_new();

	for (char name = 'a'; name <= 'f'; name++)
		add(r, name, (uint64_t)name, ACCOUNT_SYSTEM.v, HALF)->count = 2;
	CHECK_STR(batch(r), STR("abcdef"));
	queue_free(r);
}

static void
test_operations_count(void)
{
	struct rocks *r = queue_new();

	add(r, 'a', 1, 0, SMALL)->op_count = 300;
	add(r, 'b', 1, 0, SMALL)->op_count = 300;
	add(r, 'x', 2, 0, SMALL);
	CHECK_STR(batch(r), STR("ax"));
	CHECK_STR(batch(r), STR("b"));
	queue_free(r);
}

static void
test_order_in_an_account_stays(void)
{
	struct rocks *r = queue_new();

	add(r, 'a', 1, 0, HALF);
	add(r, 'b', 1, 0, HALF);  /* waits */
	add(r, 'c', 1, 0, SMALL); /* behind it */
	add(r, 'd', 2, 1, SMALL); /* of both: behind it too */
	add(r, 'e', 2, 0, SMALL); /* and behind that one */
	add(r, 'f', 3, 0, SMALL);
	CHECK_STR(batch(r), STR("af"));
	CHECK_STR(batch(r), STR("bcde"));
	queue_free(r);
}

static void
test_large_ones_take_turns(void)
{
	struct rocks *r = queue_new();

	for (char name = 'a'; name <= 'c'; name++)
		add(r, name, 1, 0, LARGE);
	add(r, 'k', 2, 0, LARGE);
	add(r, 'l', 2, 0, SMALL);
	add(r, 'x', 3, 0, SMALL);
	CHECK_STR(batch(r), STR("xa"));
	add(r, 'y', 3, 0, SMALL);
	CHECK_STR(batch(r), STR("y")); /* who waited for one does not wait for two */
	add(r, 'z', 3, 0, SMALL);
	CHECK_STR(batch(r), STR("zk"));
	CHECK_STR(batch(r), STR("l"));
	CHECK_STR(batch(r), STR("b"));
	CHECK_STR(batch(r), STR("c"));
	queue_free(r);
}

static void
test_links_follow_what_brings_them(void)
{
	struct rocks *r = queue_new();

	add(r, 'a', 1, 0, HALF);
	add(r, 'b', 1, 0, HALF);
	add(r, 'x', 2, 0, SMALL)->takes_links = true; /* perhaps of what b brings */
	add(r, 'y', 2, 0, SMALL);
	add(r, 'z', 3, 0, SMALL);
	CHECK_STR(batch(r), STR("az"));
	CHECK_STR(batch(r), STR("bxy"));
	queue_free(r);
}

/* What deletes ranges has to see all before it: it is the first of its batch. */
static void
test_ranges_come_first(void)
{
	struct rocks *r = queue_new();

	add(r, 'a', 1, 0, SMALL);
	add(r, 'b', 1, 0, SMALL)->has_ranges = true;
	add(r, 'c', 1, 0, SMALL); /* behind it */
	add(r, 'x', 2, 0, SMALL);
	add(r, 'y', 2, 0, LARGE)->has_ranges = true;
	add(r, 'z', 3, 0, LARGE);
	CHECK_STR(batch(r), STR("axz"));
	add(r, 'k', 3, 0, SMALL);
	CHECK_STR(batch(r), STR("bck"));
	CHECK_STR(batch(r), STR("y"));
	queue_free(r);
}

TEST_MAIN(TEST(test_small_ones_go_together), TEST(test_an_account_has_its_part),
    TEST(test_the_system_is_everybodys), TEST(test_operations_count),
    TEST(test_order_in_an_account_stays), TEST(test_large_ones_take_turns),
    TEST(test_links_follow_what_brings_them), TEST(test_ranges_come_first))
