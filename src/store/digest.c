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

enum {
	/*
	 * accounts whose blocks wait to be stored; what is more is stored when somebody has read it
	 */
	DUE_MAX = 256,
};

struct slot_key {
	uint64_t account;
	uint32_t number, column;
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

struct slot *
digest_slot_get(struct digest_cache *c, uint64_t account, uint32_t number, uint32_t column)
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

void
digest_slot_used(struct digest_cache *c, struct slot *s)
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
	digest_slot_used(c, s);
}

/* ---- what is in it --------------------------------------------------------------------------- */

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
