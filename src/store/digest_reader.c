/*
 * digest_reader.c - reads digests one after the other, in the order in which somebody asks for
 * them: from the cache, and what it lacks is loaded a few blocks ahead.
 */
#include "store/digest_int.h"

#include "store/account_int.h"
#include "store/arrival_int.h"

#include <stdlib.h>

enum {
	AHEAD_LOADS = 4, /* begun before they are needed */
	RETRIES_MAX = 3, /* of a message that is not there */
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

/* ---- loading --------------------------------------------------------------------------------- */

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
		s = digest_slot_get(r->cache, r->account->id.v, number, column);
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
		digest_slot_get(r->cache, r->account->id.v, r->number, column)->wanted++;
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
			digest_slot_used(r->cache, s);
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
