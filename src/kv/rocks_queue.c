/*
 * rocks_queue.c - which of the commits that wait go into the next batch.
 *
 *     queue:  A1 A2 A3 B1 C1 A4      batch:  A1 A2 B1 C1      next:  A3 A4
 *
 * The order in which they came, but for accounts that want much: each has its part of a batch, and
 * what is above it waits for the next ones, so that others wait for a part of it only. A commit
 * that is very large has a batch for itself and the small ones; who had none longest is first. One
 * that deletes ranges is the first of its batch, for it has to see what was put before it.
 *
 * Commits of one account stay in their order: behind one that waits, all of its account wait. So
 * does a commit that links bytes which it does not bring, when anything before it waits, for that
 * may be what brings them. Accounts are hashed to lanes; those that share one share its part.
 */
#include "base/size.h"
#include "kv/rocks_int.h"

enum {
	OP_COST = 1024, /* of an operation, in bytes: both are 2 to 4 microseconds */
	/* of an account, if it is more than one commit; a millisecond or two */
	PART_COST = 512 * 1024,
	LARGE_COST = 4 * 1024 * 1024,
};

struct sorting {
	struct rocks *r;
	struct list later;
	struct kv_commit *large;
	uint64_t blocked[ROCKS_LANES / 64]; /* lanes */
	uint32_t used[ROCKS_LANES];
	size_t bytes, count; /* taken */
};

static unsigned
lane_of(const struct kv_txn *t)
{
	return (unsigned)(hash_u64(t->account.v) % ROCKS_LANES);
}

static bool
is_blocked(const struct sorting *s, const struct kv_commit *c)
{
	for (size_t i = 0; i < c->count; i++) {
		unsigned lane = lane_of(c->txns[i]);

		if ((s->blocked[lane / 64] >> lane % 64 & 1) != 0)
			return true;
	}
	return c->takes_links && (s->large != NULL || !list_is_empty(&s->later));
}

static void
block(struct sorting *s, const struct kv_commit *c)
{
	for (size_t i = 0; i < c->count; i++) {
		unsigned lane = lane_of(c->txns[i]);

		s->blocked[lane / 64] |= (uint64_t)1 << lane % 64;
	}
}

/* Leaves it for another batch, and with it what comes behind it in its accounts. */
static void
put_off(struct sorting *s, struct kv_commit *c)
{
	block(s, c);
	list_remove(&c->node);
	list_add_tail(&s->later, &c->node);
}

static uint64_t
last_large(const struct sorting *s, const struct kv_commit *c)
{
	uint64_t last = 0;

	for (size_t i = 0; i < c->count; i++)
		last = MAX(last, s->r->large_batch[lane_of(c->txns[i])]);
	return last;
}

static size_t
cost(const struct kv_commit *c)
{
	return size_add(c->bytes, size_mul(c->op_count, OP_COST));
}

/* The system's rows are changed for whoever is made or deleted, who has a part of his own. */
static bool
is_everybodys(const struct kv_txn *t)
{
	return t->account.v == ACCOUNT_SYSTEM.v;
}

/* Whether its accounts have not had their part. */
static bool
may_take(const struct sorting *s, const struct kv_commit *c)
{
	if (s->bytes > 0 && s->bytes + c->bytes > BATCH_BYTES)
		return false;
	for (size_t i = 0; i < c->count; i++) {
		uint32_t used = s->used[lane_of(c->txns[i])];

		if (used > 0 && used + cost(c) > PART_COST && !is_everybodys(c->txns[i]))
			return false;
	}
	return true;
}

static void
take(struct sorting *s, const struct kv_commit *c)
{
	s->bytes += c->bytes;
	s->count++;
	for (size_t i = 0; i < c->count; i++)
		s->used[lane_of(c->txns[i])] += (uint32_t)cost(c);
}

static void
sort(struct sorting *s, struct kv_commit *c)
{
	if (is_blocked(s, c)) {
		put_off(s, c);
	} else if (c->has_ranges) {
		if (s->count == 0)
			take(s, c);
		else
			put_off(s, c);
	} else if (cost(c) > LARGE_COST) {
		if (s->large == NULL || last_large(s, c) < last_large(s, s->large))
			s->large = c;
		put_off(s, c);
	} else if (may_take(s, c)) {
		take(s, c);
	} else {
		put_off(s, c);
	}
}

/* Not two in a row, when others wait: they have come while the first was written. */
static void
take_large(struct sorting *s, struct list *commits)
{
	struct rocks *r = s->r;

	r->was_large = s->large != NULL && (!r->was_large || list_is_empty(commits));
	if (!r->was_large)
		return;
	for (size_t i = 0; i < s->large->count; i++)
		r->large_batch[lane_of(s->large->txns[i])] = r->batch_no;
	list_remove(&s->large->node);
	list_add_tail(commits, &s->large->node);
}

/* In front of what came meanwhile. */
static void
put_back(struct rocks *r, struct list *later)
{
	pthread_mutex_lock(&r->lock);
	later->prev->next = r->commits.next;
	r->commits.next->prev = later->prev;
	later->next->prev = &r->commits;
	r->commits.next = later->next;
	pthread_mutex_unlock(&r->lock);
}

void
rocks_queue_sort(struct rocks *r, struct list *commits)
{
	struct sorting s;

	if (list_is_empty(commits) || commits->next == commits->prev)
		return; /* nobody waits for the one */
	s.r = r;
	s.large = NULL;
	s.bytes = s.count = 0;
	list_init(&s.later);
	memset(s.blocked, 0, sizeof(s.blocked));
	memset(s.used, 0, sizeof(s.used));
	list_each(commits, c, struct kv_commit, node) sort(&s, c);
	take_large(&s, commits);
	if (!list_is_empty(&s.later))
		put_back(r, &s.later);
}
