/*
 * trigrams.c - see trigrams.h: the filters that are kept, 64 neighbouring message numbers together.
 *
 * A reader holds a block and looks into it without a lock: a filter is put into its place whole, and
 * stays as long as the block, when a better one has come too.
 */
#include "store/trigrams_int.h"

#include "base/size.h"
#include "store/account_int.h"

#include <stdlib.h>

enum {
	BLOCK_BITS = 6,
	BLOCK_MESSAGES = 1 << BLOCK_BITS,
	/* of so many that come when all room is one account's own, one takes the place of another */
	STAYS_OF = 32,
};

struct trigram_block {
	uint64_t account;
	uint32_t number;
	atomic_uint refs; /* one is the cache's */
	struct list lru;
	size_t bytes;
	_Atomic(struct trigram_filter *) filters[BLOCK_MESSAGES];
	/* what was there before a filter with the header came, or NULL */
	struct trigram_filter *past[BLOCK_MESSAGES];
};

struct trigram_cache {
	pthread_mutex_t lock;
	struct hash blocks;
	struct list lru; /* used last first */
	size_t bytes, bytes_max;
	unsigned passed_over;
};

struct block_key {
	uint64_t account;
	uint32_t number;
};

static bool
block_eq(const void *item, const void *key)
{
	const struct trigram_block *b = item;
	const struct block_key *k = key;

	return b->number == k->number && b->account == k->account;
}

static uint64_t
block_hash(uint64_t account, uint32_t number)
{
	return hash_u64(account << 32 ^ account >> 32 ^ number);
}

struct trigram_cache *
trigram_cache_new(size_t bytes)
{
	struct trigram_cache *c = xcalloc(1, sizeof(*c));

	c->bytes_max = bytes;
	pthread_mutex_init(&c->lock, NULL);
	hash_init(&c->blocks, block_eq);
	list_init(&c->lru);
	return c;
}

static void
block_unref(struct trigram_block *b)
{
	if (b == NULL || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < BLOCK_MESSAGES; i++) {
		free(atomic_load_explicit(&b->filters[i], memory_order_relaxed));
		free(b->past[i]);
	}
	free(b);
}

/* ---- with the lock --------------------------------------------------------------------------- */

static struct trigram_block *
block_find(struct trigram_cache *c, uint64_t account, uint32_t number)
{
	const struct block_key key = { account, number };
	struct trigram_block *b = hash_find(&c->blocks, block_hash(account, number), &key);

	if (b != NULL) {
		list_remove(&b->lru);
		list_add_head(&c->lru, &b->lru);
	}
	return b;
}

static struct trigram_block *
block_add(struct trigram_cache *c, uint64_t account, uint32_t number)
{
	struct trigram_block *b = xcalloc(1, sizeof(*b));

	b->account = account;
	b->number = number;
	atomic_init(&b->refs, 1);
	b->bytes = sizeof(*b);
	c->bytes += b->bytes;
	list_init(&b->lru);
	list_add_head(&c->lru, &b->lru);
	hash_insert(&c->blocks, block_hash(account, number), b);
	return b;
}

static void
block_drop(struct trigram_cache *c, struct trigram_block *b)
{
	const struct block_key key = { b->account, b->number };

	hash_remove(&c->blocks, block_hash(b->account, b->number), &key);
	list_remove(&b->lru);
	c->bytes -= b->bytes;
	block_unref(b);
}

/*
 * A mailbox that has more than there is room for is searched from its begin to its end again and
 * again: what goes is always what will be asked for next, unless most of it stays.
 */
static bool
has_room(struct trigram_cache *c, uint64_t account, size_t bytes)
{
	return c->bytes + bytes <= c->bytes_max || list_is_empty(&c->lru)
	    || list_item(c->lru.prev, struct trigram_block, lru)->account != account
	    || c->passed_over++ % STAYS_OF == 0;
}

static void
trim(struct trigram_cache *c, const struct trigram_block *but)
{
	while (c->bytes > c->bytes_max) {
		struct trigram_block *b = list_item(c->lru.prev, struct trigram_block, lru);

		if (b == but)
			return;
		block_drop(c, b);
	}
}

/* Whether the block has taken the filter. */
static bool
block_put(struct trigram_cache *c, struct trigram_block *b, unsigned at, struct trigram_filter *f)
{
	struct trigram_filter *was = atomic_load_explicit(&b->filters[at], memory_order_relaxed);
	const size_t bytes = trigram_filter_bytes(f);

	if (was != NULL && (was->has_header || !f->has_header))
		return false;
	b->past[at] = was;
	atomic_store_explicit(&b->filters[at], f, memory_order_release);
	b->bytes += bytes;
	c->bytes += bytes;
	return true;
}

/* ---------------------------------------------------------------------------------------------- */

void
trigrams_keep(struct account *a, struct msgno n, const struct trigram_set *s, bool has_header)
{
	struct trigram_cache *c = a->store->trigrams;
	struct trigram_filter *f = trigram_filter_new(s, has_header);
	const uint32_t number = n.v >> BLOCK_BITS;
	struct trigram_block *b;
	bool is_put = false;

	pthread_mutex_lock(&c->lock);
	b = block_find(c, a->id.v, number);
	if (has_room(c, a->id.v, trigram_filter_bytes(f) + (b == NULL ? sizeof(*b) : 0))) {
		if (b == NULL)
			b = block_add(c, a->id.v, number);
		is_put = block_put(c, b, n.v % BLOCK_MESSAGES, f);
		trim(c, b);
	}
	pthread_mutex_unlock(&c->lock);
	if (!is_put)
		free(f);
}

void
trigram_reader_init(struct trigram_reader *r, struct account *a)
{
	*r = (struct trigram_reader){ .account = a };
}

void
trigram_reader_done(struct trigram_reader *r)
{
	block_unref(r->block);
	r->block = NULL;
	r->has_looked = false;
}

const struct trigram_filter *
trigram_reader_find(struct trigram_reader *r, struct msgno n)
{
	const uint32_t number = n.v >> BLOCK_BITS;

	if (!r->has_looked || r->number != number) {
		struct trigram_cache *c = r->account->store->trigrams;

		trigram_reader_done(r);
		pthread_mutex_lock(&c->lock);
		r->block = block_find(c, r->account->id.v, number);
		if (r->block != NULL)
			atomic_fetch_add_explicit(&r->block->refs, 1, memory_order_relaxed);
		pthread_mutex_unlock(&c->lock);
		r->number = number;
		r->has_looked = true;
	}
	return r->block == NULL
	    ? NULL
	    : atomic_load_explicit(&r->block->filters[n.v % BLOCK_MESSAGES], memory_order_acquire);
}

void
trigram_cache_forget(struct trigram_cache *c, struct account_id account)
{
	pthread_mutex_lock(&c->lock);
	list_each(&c->lru, b, struct trigram_block, lru)
	{
		if (b->account == account.v)
			block_drop(c, b);
	}
	pthread_mutex_unlock(&c->lock);
}

void
trigram_cache_free(struct trigram_cache *c)
{
	if (c == NULL)
		return;
	list_each(&c->lru, b, struct trigram_block, lru) block_drop(c, b);
	must(c->blocks.count == 0);
	hash_done(&c->blocks);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
