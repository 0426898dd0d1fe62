/*
 * digest.c - see digest.h.
 *
 * A slot stands for one column of one block of 64 message numbers: LOADING, or holding a packed
 * block. Records never change, so a block is never wrong, but may lack messages: nobody asked for
 * them, or they were not in the engine yet. Then a load adds them (digest_load.c).
 */
#include "store/digest_int.h"

#include "base/size.h"
#include "mime/sortkeys.h"
#include "store/account_int.h"
#include "store/arrival_int.h"

#include <stdlib.h>
#include <time.h>

enum {
	AHEAD_LOADS = 4, /* begun before they are needed */
	RETRIES_MAX = 3, /* of a message that is not there */
	/*
	 * accounts whose blocks wait to be stored; what is more is stored when somebody has read it
	 */
	DUE_MAX = 256,
};

struct slot_key {
	uint64_t account;
	uint32_t number, column;
};

struct digest_reader {
	struct account *account;
	struct digest_cache *cache;
	unsigned columns;
	uint32_t complete; /* as in a load */
	const struct msgno *numbers;
	size_t count, at;
	size_t ahead;    /* numbers[] whose blocks were asked for */
	uint32_t number; /* of the blocks held */
	bool has_blocks;
	struct block *blocks[DIGEST_COLUMNS];
	unsigned wanted; /* columns of block `number` that this reader waits for */
	unsigned retries;
	uint64_t stale_version; /* what is not newer is to be loaded again */
};

static bool
slot_eq(const void *item, const void *key)
{
	const struct slot *s = item;
	const struct slot_key *k = key;

	return s->number == k->number && s->account == k->account && s->column == k->column;
}

static uint64_t
slot_hash(uint64_t account, uint32_t number, uint32_t column)
{
	return hash_u64(account << 36 ^ account >> 28 ^ (uint64_t)number << 4 ^ column);
}

struct digest_cache *
digest_cache_new(struct kv *kv, size_t bytes, uint64_t seed)
{
	struct digest_cache *c = xcalloc(1, sizeof(*c));

	c->kv = kv;
	c->bytes_max = bytes;
	c->seed = seed;
	pthread_mutex_init(&c->lock, NULL);
	hash_init(&c->slots, slot_eq);
	list_init(&c->lru);
	waitlist_init(&c->loaded);
	list_init(&c->due);
	return c;
}

/* ---- blocks and slots; the latter with the lock ---------------------------------------------- */

struct slot *
digest_slot_find(const struct digest_cache *c, uint64_t account, uint32_t number, uint32_t column)
{
	const struct slot_key key = { account, number, column };

	return hash_find(&c->slots, slot_hash(account, number, column), &key);
}

static struct slot *
slot_get(struct digest_cache *c, uint64_t account, uint32_t number, uint32_t column)
{
	struct slot *s = digest_slot_find(c, account, number, column);

	if (s != NULL)
		return s;
	s = xcalloc(1, sizeof(*s));
	s->account = account;
	s->number = number;
	s->column = column;
	list_init(&s->lru);
	hash_insert(&c->slots, slot_hash(account, number, column), s);
	return s;
}

static void
slot_drop(struct digest_cache *c, struct slot *s)
{
	const struct slot_key key = { s->account, s->number, s->column };

	hash_remove(&c->slots, slot_hash(s->account, s->number, s->column), &key);
	list_remove(&s->lru);
	c->bytes -= s->bytes;
	block_unref(s->block);
	free(s);
}

static void
slot_used(struct digest_cache *c, struct slot *s)
{
	list_remove(&s->lru);
	list_add_head(&c->lru, &s->lru);
}

void
digest_cache_trim(struct digest_cache *c)
{
	struct list *at = c->lru.prev;

	while (c->bytes > c->bytes_max && at != &c->lru) {
		struct slot *s = list_item(at, struct slot, lru);

		at = at->prev;
		if (s->wanted == 0)
			slot_drop(c, s);
	}
}

void
digest_due_forget(struct digest_cache *c, struct account_id account)
{
	pthread_mutex_lock(&c->lock);
	list_each(&c->due, due, struct digest_due, node)
	{
		if (account.v != 0 && due->account.v != account.v)
			continue;
		list_remove(&due->node);
		c->due_count--;
		free(due);
	}
	pthread_mutex_unlock(&c->lock);
}

void
digest_cache_forget(struct digest_cache *c, struct account_id account)
{
	digest_due_forget(c, account);
	pthread_mutex_lock(&c->lock);
	c->releases++;
	list_each(&c->lru, s, struct slot, lru)
	{
		if (s->account == account.v && s->wanted == 0)
			slot_drop(c, s);
	}
	pthread_mutex_unlock(&c->lock);
}

void
digest_cache_free(struct digest_cache *c)
{
	const struct timespec pause = { .tv_nsec = 200000 };
	bool is_loading;

	if (c == NULL)
		return;
	pthread_mutex_lock(&c->lock);
	c->is_closing = true;
	pthread_mutex_unlock(&c->lock);
	digest_due_forget(c, (struct account_id){ 0 });
	do {
		pthread_mutex_lock(&c->lock);
		is_loading = c->loads != 0;
		pthread_mutex_unlock(&c->lock);
		if (is_loading)
			nanosleep(&pause, NULL);
	} while (is_loading);
	list_each(&c->lru, s, struct slot, lru) slot_drop(c, s);
	must(c->slots.count == 0);
	hash_done(&c->slots);
	waitlist_done(&c->loaded);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

void
digest_cache_grown(struct digest_cache *c, struct account_id account, uint32_t before, uint32_t now)
{
	const uint32_t from = before < STORED_FROM ? 0 : (before + 1) >> BLOCK_BITS,
		       end = (now + 1) >> BLOCK_BITS;
	bool is_first = false;
	struct digest_due *due;

	if (now < STORED_FROM || from >= end)
		return;
	pthread_mutex_lock(&c->lock);
	due = list_is_empty(&c->due) ? NULL : list_item(c->due.prev, struct digest_due, node);
	if (due != NULL && due->account.v == account.v && due->end == from) {
		due->end = end;
	} else if (c->due_count < DUE_MAX && !c->is_closing) {
		due = xcalloc(1, sizeof(*due));
		*due = (struct digest_due){ .account = account, .number = from, .end = end };
		list_init(&due->node);
		list_add_tail(&c->due, &due->node);
		c->due_count++;
		is_first = !c->is_storing;
	}
	if (is_first) {
		c->is_storing = true;
		c->loads++;
	}
	pthread_mutex_unlock(&c->lock);
	if (is_first)
		digest_store_due(c);
}

void
digest_cache_release(struct digest_cache *c, struct kv_txn *t, struct msgno n)
{
	digest_rows_del(t, n);
	pthread_mutex_lock(&c->lock);
	c->releases++;
	pthread_mutex_unlock(&c->lock);
}

void
digest_cache_releasing(struct digest_cache *c, int by)
{
	pthread_mutex_lock(&c->lock);
	c->releasing += (unsigned)by;
	c->releases++;
	pthread_mutex_unlock(&c->lock);
}

bool
digest_is_same_block(struct msgno a, struct msgno b)
{
	return a.v >> BLOCK_BITS == b.v >> BLOCK_BITS;
}

/* ---- loading --------------------------------------------------------------------------------- */

void
digest_slot_loaded(struct digest_cache *c, struct slot *s, struct block *b, enum err error)
{
	s->is_loading = false;
	s->error = error;
	if (b != NULL) {
		block_unref(s->block);
		s->block = b;
		c->bytes -= s->bytes;
		s->bytes = sizeof(*s) + sizeof(*b) + b->end[BLOCK_MESSAGES - 1];
		c->bytes += s->bytes;
	}
	slot_used(c, s);
}

/* Whether the slot has all of the block's messages of `mask`. */
static bool
slot_has(const struct slot *s, uint64_t mask)
{
	return s != NULL && s->block != NULL && (s->block->mask & mask) == mask;
}

/*
 * With the lock: marks the columns of a block that lack one of the messages of mask, and are not
 * being loaded.
 */
static unsigned
mark(struct digest_reader *r, uint32_t number, uint64_t mask)
{
	unsigned columns = 0;

	for (unsigned column = 0; column < DIGEST_COLUMNS; column++) {
		struct slot *s;

		if ((r->columns & 1u << column) == 0)
			continue;
		s = slot_get(r->cache, r->account->id.v, number, column);
		if (s->is_loading || slot_has(s, mask))
			continue;
		s->is_loading = true;
		s->error = ERR_OK;
		list_remove(&s->lru);
		columns |= 1u << column;
	}
	return columns;
}

/*
 * Messages of numbers[] from `at` on that are in the block of numbers[at], as a mask; *next_out is
 * the first that is not.
 */
static uint64_t
mask_at(const struct digest_reader *r, size_t at, size_t *next_out)
{
	uint32_t number = r->numbers[at].v >> BLOCK_BITS;
	uint64_t mask = 0;

	while (at < r->count && r->numbers[at].v >> BLOCK_BITS == number)
		mask |= (uint64_t)1 << (r->numbers[at++].v & (BLOCK_MESSAGES - 1));
	*next_out = at;
	return mask;
}

/*
 * Begins one load of blocks that numbers[] needs from `ahead` on, and moves `ahead` behind them.
 * Its blocks are ascending: one that goes backwards begins a new load.
 */
static bool
load_ahead(struct digest_reader *r)
{
	struct digest_load *l = xcalloc(1, sizeof(*l));

	l->cache = r->cache;
	l->account = r->account->id;
	l->complete = r->complete;
	pthread_mutex_lock(&r->cache->lock);
	l->releases = r->cache->releases;
	for (unsigned looked = 0;
	     looked < 8 * LOAD_BLOCKS && r->ahead < r->count && l->count < LOAD_BLOCKS; looked++) {
		uint32_t number = r->numbers[r->ahead].v >> BLOCK_BITS;
		size_t next;
		uint64_t mask = mask_at(r, r->ahead, &next);
		unsigned columns;

		if (l->count > 0 && number <= l->blocks[l->count - 1].number)
			break;
		columns = mark(r, number, mask);
		r->ahead = next;
		if (columns == 0)
			continue;
		l->blocks[l->count].number = number;
		l->blocks[l->count].mask = mask;
		l->blocks[l->count++].columns = columns;
	}
	if (l->count > 0)
		r->cache->loads++;
	pthread_mutex_unlock(&r->cache->lock);
	if (l->count > 0)
		return digest_load_begin(l);
	free(l);
	return true;
}

/* ---- reading --------------------------------------------------------------------------------- */

uint64_t
digest_seed(const struct account *a)
{
	return a->store->digests->seed;
}

void
digest_make(struct arena *a, const struct mime_sortkeys *keys, unsigned columns, struct digest *out)
{
	*out = (struct digest){ 0 };
	for (unsigned column = 0; column < DIGEST_COLUMNS; column++) {
		BUF_CLEAN struct buf b = BUF_MAX(UINT32_MAX);

		if ((columns & 1u << column) == 0)
			continue;
		digest_key_add(keys, (enum digest_column)column, &b);
		if (b.n > 0)
			out->column[column] = arena_str(a, buf_str(&b));
	}
}

/* Blocks whose numbers are all given and durable; 0 in accounts that have few. */
static uint32_t
complete_blocks(struct account *a)
{
	uint32_t highest;

	pthread_mutex_lock(&a->lock);
	highest = a->durable->row.next_msgno;
	pthread_mutex_unlock(&a->lock);
	return highest < STORED_FROM ? 0 : (highest + 1) >> BLOCK_BITS;
}

struct digest_reader *
digest_reader_new(struct account *a, unsigned columns, const struct msgno *numbers, size_t count)
{
	struct digest_reader *r = xcalloc(1, sizeof(*r));

	r->account = account_ref(a);
	r->cache = a->store->digests;
	r->complete = complete_blocks(a);
	r->columns = columns;
	r->numbers = numbers;
	r->count = count;
	return r;
}

static void
drop_blocks(struct digest_reader *r)
{
	for (unsigned column = 0; column < DIGEST_COLUMNS; column++) {
		block_unref(r->blocks[column]);
		r->blocks[column] = NULL;
	}
	r->has_blocks = false;
}

/* With the lock. */
static void
stop_wanting(struct digest_reader *r)
{
	for (unsigned column = 0; column < DIGEST_COLUMNS; column++) {
		if ((r->wanted & 1u << column) != 0)
			digest_slot_find(r->cache, r->account->id.v, r->number, column)->wanted--;
	}
	r->wanted = 0;
}

void
digest_reader_free(struct digest_reader *r)
{
	if (r == NULL)
		return;
	pthread_mutex_lock(&r->cache->lock);
	stop_wanting(r);
	pthread_mutex_unlock(&r->cache->lock);
	drop_blocks(r);
	account_unref(r->account);
	free(r);
}

/*
 * With the lock: the slots of the block stay until they are taken, also when what is loaded comes
 * at once.
 */
static void
want_block(struct digest_reader *r)
{
	stop_wanting(r);
	for (unsigned column = 0; column < DIGEST_COLUMNS; column++) {
		if ((r->columns & 1u << column) == 0)
			continue;
		slot_get(r->cache, r->account->id.v, r->number, column)->wanted++;
		r->wanted |= 1u << column;
	}
}

enum taken {
	TAKEN,
	TAKEN_LATER,  /* the waiter is registered */
	TAKEN_LOAD,   /* a load is to be begun */
	TAKEN_FAILED, /* *e_out says how */
};

/* With the lock: takes the blocks of numbers[at], or registers with what loads them. */
static enum taken
take_blocks(struct digest_reader *r, uint64_t mask, struct waiter *w, enum err *e_out)
{
	struct block *blocks[DIGEST_COLUMNS] = { NULL };
	enum taken t = TAKEN;

	stop_wanting(r);
	for (unsigned column = 0; column < DIGEST_COLUMNS; column++) {
		struct slot *s;

		if ((r->columns & 1u << column) == 0)
			continue;
		s = digest_slot_find(r->cache, r->account->id.v, r->number, column);
		if (s != NULL && s->is_loading) {
			s->wanted++;
			r->wanted |= 1u << column;
			t = TAKEN_LATER;
		} else if (s != NULL && s->error != ERR_OK) {
			*e_out = s->error;
			s->error = ERR_OK;
			return TAKEN_FAILED;
		} else if (s == NULL || s->block == NULL
		    || (!slot_has(s, mask)
			&& (r->retries == 0 || s->block->version <= r->stale_version))) {
			return TAKEN_LOAD;
		} else {
			slot_used(r->cache, s);
			blocks[column] = s->block;
		}
	}
	if (t == TAKEN_LATER) {
		waiter_wait(w, &r->cache->loaded);
		return t;
	}
	drop_blocks(r);
	for (unsigned column = 0; column < DIGEST_COLUMNS; column++) {
		if (blocks[column] != NULL) {
			atomic_fetch_add_explicit(&blocks[column]->refs, 1, memory_order_relaxed);
			r->blocks[column] = blocks[column];
		}
	}
	r->has_blocks = true;
	return TAKEN;
}

/* The blocks that the next message is in. */
static enum err
fetch_blocks(struct digest_reader *r, struct waiter *w)
{
	size_t next;
	uint64_t mask = mask_at(r, r->at, &next);
	enum err e = ERR_OK;

	if (r->ahead < r->at)
		r->ahead = r->at;
	for (;;) {
		enum taken t;

		pthread_mutex_lock(&r->cache->lock);
		t = take_blocks(r, mask, w, &e);
		if (t == TAKEN_LOAD)
			want_block(r);
		pthread_mutex_unlock(&r->cache->lock);
		if (t == TAKEN_LOAD) {
			r->ahead = r->at;
			load_ahead(r);
			r->retries = MAX(r->retries, 1u);
			r->stale_version = 0;
			continue;
		}
		if (t == TAKEN_FAILED)
			return e;
		for (unsigned i = 0; i < AHEAD_LOADS && r->ahead < r->count
		     && r->ahead < r->at + (size_t)AHEAD_LOADS * LOAD_BLOCKS * BLOCK_MESSAGES;
		     i++) {
			if (load_ahead(r))
				break;
		}
		return t == TAKEN ? ERR_OK : ERR_WAIT;
	}
}

/* Whether the blocks held have numbers[at]. */
static bool
is_there(const struct digest_reader *r)
{
	uint64_t bit = (uint64_t)1 << (r->numbers[r->at].v & (BLOCK_MESSAGES - 1));

	for (unsigned m = r->columns; m != 0; m &= m - 1) {
		const struct block *b = r->blocks[__builtin_ctz(m)];

		if (b != NULL && (b->mask & bit) == 0)
			return false;
	}
	return true;
}

static void
digest_of(const struct digest_reader *r, struct digest *out)
{
	unsigned i = r->numbers[r->at].v & (BLOCK_MESSAGES - 1);

	*out = (struct digest){ 0 };
	for (unsigned m = r->columns; m != 0; m &= m - 1) {
		const unsigned column = (unsigned)__builtin_ctz(m);
		const struct block *b = r->blocks[column];

		if (b != NULL && (b->mask & (uint64_t)1 << i) != 0)
			out->column[column] = block_value(b, i);
	}
}

/*
 * The message was not in the engine: ERR_OK look again, ERR_WAIT its commit is on its way, else it
 * is missing.
 */
static enum err
explain_missing(struct digest_reader *r, struct waiter *w)
{
	uint64_t version = 0;
	enum err e;

	for (unsigned column = 0; column < DIGEST_COLUMNS; column++)
		if (r->blocks[column] != NULL)
			version = r->blocks[column]->version;
	e = r->retries > RETRIES_MAX ? ERR_CORRUPT : message_missing(r->account, version, w);
	if (e == ERR_OK) {
		r->retries++;
		r->stale_version = version;
		drop_blocks(r);
	}
	return e;
}

static void
go_to_block(struct digest_reader *r, uint32_t number)
{
	pthread_mutex_lock(&r->cache->lock);
	stop_wanting(r);
	pthread_mutex_unlock(&r->cache->lock);
	drop_blocks(r);
	r->number = number;
	r->retries = 0;
	r->stale_version = 0;
}

enum err
digest_reader_next(struct digest_reader *r, struct waiter *w, struct digest *out)
{
	enum err e = ERR_OK;

	if (r->at == r->count)
		return ERR_END;
	if (r->number != r->numbers[r->at].v >> BLOCK_BITS)
		go_to_block(r, r->numbers[r->at].v >> BLOCK_BITS);
	for (;;) {
		if (!r->has_blocks) {
			e = fetch_blocks(r, w);
			if (e != ERR_OK)
				return e;
		}
		if (is_there(r))
			break;
		e = explain_missing(r, w);
		if (e == ERR_WAIT)
			return e;
		if (e != ERR_OK)
			break;
	}
	digest_of(r, out);
	r->at++;
	return ERR_OK;
}
