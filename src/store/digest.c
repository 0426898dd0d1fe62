/*
 * digest.c - see digest.h.
 *
 * A slot stands for one column of one block of 64 message numbers: LOADING, or holding a packed block. Summaries never
 * change, so a block is never wrong, but may lack messages: nobody asked for them, or they were not in the engine yet. Then a
 * load adds them. A load brings the summaries of some blocks, whole ones or where few are wanted only those, and packs
 * the columns that were asked for.
 */
#include "store/digest.h"

#include "base/bytes.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/size.h"
#include "mime/sortkeys.h"
#include "store/account_int.h"
#include "store/arrival_int.h"

#include <stdlib.h>
#include <time.h>

enum {
	BLOCK_BITS = 6,
	BLOCK_MESSAGES = 1 << BLOCK_BITS,
	LOAD_BLOCKS = 8,	/* of one load */
	AHEAD_LOADS = 4,	/* begun before they are needed */
	RETRIES_MAX = 3,	/* of a message that is not there */
	WHOLE_MIN = 12,		/* messages of a block that are wanted: then the others come along */
};

/* The values of one column. Immutable. */
struct block {
	atomic_uint refs;
	uint64_t mask;			/* messages that are there */
	uint64_t version;		/* of the account when it was loaded */
	uint32_t end[BLOCK_MESSAGES];	/* where the value of each ends */
	char data[];
};

struct slot {
	struct list lru;	/* in no list while it is loading */
	uint64_t account;
	uint32_t number;	/* message number >> BLOCK_BITS */
	uint32_t column;
	struct block *block;	/* NULL: nothing was loaded yet */
	size_t bytes;
	unsigned wanted;	/* readers that wait for it */
	enum err error;		/* of the last load; told once */
	bool is_loading;
};

struct digest_cache {
	struct kv *kv;
	size_t bytes_max;
	uint64_t seed;
	pthread_mutex_t lock;	/* what follows */
	struct hash slots;
	struct list lru;	/* most recently used first */
	size_t bytes;
	unsigned loads;		/* in flight */
	struct waitlist loaded;
};

struct slot_key {
	uint64_t account;
	uint32_t number, column;
};

struct load {
	struct digest_cache *cache;
	struct account_id account;
	size_t count;
	struct {
		uint32_t number;
		unsigned columns;	/* that are marked as loading */
		uint64_t mask;		/* messages that are wanted */
	} blocks[LOAD_BLOCKS];		/* ascending */
};

struct digest_reader {
	struct account *account;
	struct digest_cache *cache;
	unsigned columns;
	const struct msgno *numbers;
	size_t count, at;
	size_t ahead;		/* numbers[] whose blocks were asked for */
	uint32_t number;	/* of the blocks held */
	bool has_blocks;
	struct block *blocks[DIGEST_COLUMNS];
	unsigned wanted;	/* columns of block `number` that this reader waits for */
	unsigned retries;
	uint64_t stale_version;	/* what is not newer is to be loaded again */
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
	return c;
}

/* ---- blocks and slots; the latter with the lock --------------------------------------------------------------------- */

static void
block_unref(struct block *b)
{
	if (b != NULL && atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1)
		free(b);
}

static struct slot *
slot_find(const struct digest_cache *c, uint64_t account, uint32_t number, uint32_t column)
{
	const struct slot_key key = { account, number, column };

	return hash_find(&c->slots, slot_hash(account, number, column), &key);
}

static struct slot *
slot_get(struct digest_cache *c, uint64_t account, uint32_t number, uint32_t column)
{
	struct slot *s = slot_find(c, account, number, column);

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

static void
cache_trim(struct digest_cache *c)
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
digest_cache_forget(struct digest_cache *c, struct account_id account)
{
	pthread_mutex_lock(&c->lock);
	list_each(&c->lru, s, struct slot, lru) {
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
	do {
		pthread_mutex_lock(&c->lock);
		is_loading = c->loads != 0;
		pthread_mutex_unlock(&c->lock);
		if (is_loading)
			nanosleep(&pause, NULL);
	} while (is_loading);
	list_each(&c->lru, s, struct slot, lru)
		slot_drop(c, s);
	must(c->slots.count == 0);
	hash_done(&c->slots);
	waitlist_done(&c->loaded);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* ---- packing -------------------------------------------------------------------------------------------------------- */

static void
hash_add(const struct digest_cache *c, struct str id, struct buf *out)
{
	char bytes[8];
	uint64_t h = id.n == 0 ? 0 : hash_u64(str_hash(id, c->seed));

	put_le64(bytes, id.n != 0 && h == 0 ? 1 : h);
	buf_add(out, bytes, sizeof(bytes));
}

static void
column_add(const struct digest_cache *c, const struct mime_sortkeys *k, unsigned column, struct buf *out)
{
	char bytes[8];

	switch ((enum digest_column)column) {
	case DIGEST_DATE:
		if (!k->has_date)
			return;
		put_le64(bytes, (uint64_t)k->date.utc_ms);
		buf_add(out, bytes, sizeof(bytes));
		return;
	case DIGEST_SUBJECT:
		buf_chr(out, k->is_reply ? 1 : 0);
		buf_str_add(out, k->subject);
		return;
	case DIGEST_FROM:
		buf_str_add(out, k->from);
		return;
	case DIGEST_TO:
		buf_str_add(out, k->to);
		return;
	case DIGEST_CC:
		buf_str_add(out, k->cc);
		return;
	case DIGEST_FROM_NAME:
		buf_str_add(out, k->from_name);
		return;
	case DIGEST_TO_NAME:
		buf_str_add(out, k->to_name);
		return;
	case DIGEST_IDS:
		hash_add(c, k->message_id, out);
		for (uint32_t i = 0; i < k->reference_count; i++)
			hash_add(c, k->references[i], out);
		return;
	case DIGEST_COLUMNS:
		return;
	}
}

void
digest_make(struct arena *a, const struct account *account, const struct mime_sortkeys *keys, unsigned columns,
    struct digest *out)
{
	*out = (struct digest){ 0 };
	for (unsigned column = 0; column < DIGEST_COLUMNS; column++) {
		BUF_CLEAN struct buf b = BUF_MAX(UINT32_MAX);

		if ((columns & 1u << column) == 0)
			continue;
		column_add(account->store->digests, keys, column, &b);
		if (b.n > 0)
			out->column[column] = arena_str(a, buf_str(&b));
	}
}

/* A block being made. */
struct packing {
	uint64_t mask;
	uint32_t end[BLOCK_MESSAGES];
	struct buf data;
};

static struct block *
packing_end(struct packing *p, uint64_t version)
{
	struct block *b = xmalloc(size_add(sizeof(*b), p->data.n));

	atomic_init(&b->refs, 1);
	b->mask = p->mask;
	b->version = version;
	memcpy(b->end, p->end, sizeof(b->end));
	if (p->data.n > 0)
		memcpy(b->data, p->data.p, p->data.n);
	return b;
}

/* Walks the rows of a load, which are ascending over all its ranges. */
struct row_cursor {
	const struct kv_rows *rows;
	size_t range, row;
};

/* The summary of n, or NULL. */
static const struct str *
row_cursor_find(struct row_cursor *rc, uint32_t n)
{
	for (; rc->range < rc->rows->range_count; rc->range++, rc->row = 0) {
		const struct kv_row_list *list = &rc->rows->ranges[rc->range];

		for (; rc->row < list->count; rc->row++) {
			const struct kv_row *row = &list->rows[rc->row];
			uint32_t at = row->key.n == 5 ? get_be32(row->key.p + 1) : 0;

			if (at >= n)
				return at == n ? &row->value : NULL;
		}
	}
	return NULL;
}

static struct str
block_value(const struct block *b, unsigned i)
{
	uint32_t from = i == 0 ? 0 : b->end[i - 1];

	return str_make(b->data + from, b->end[i] - from);
}

/* Packs the rows of one block together with what the older blocks have. */
static void
block_pack(const struct digest_cache *c, uint32_t number, unsigned columns, struct row_cursor *rc,
    struct block *const old[DIGEST_COLUMNS], struct packing packing[DIGEST_COLUMNS])
{
	struct arena scratch = ARENA_NONE;

	for (unsigned i = 0; i < BLOCK_MESSAGES; i++) {
		const struct str *row = row_cursor_find(rc, number << BLOCK_BITS | i);
		const uint64_t bit = (uint64_t)1 << i;
		struct mime_sortkeys keys = { 0 };
		struct message_record record;

		/* A damaged record has empty keys: who reads the message is told. */
		if (row != NULL && (message_summary_decode(*row, &record) != ERR_OK ||
		    mime_sortkeys_decode(&scratch, record.sortkeys, &keys) != ERR_OK))
			keys = (struct mime_sortkeys){ 0 };
		for (unsigned column = 0; column < DIGEST_COLUMNS; column++) {
			struct packing *p = &packing[column];

			if ((columns & 1u << column) == 0)
				continue;
			if (row != NULL) {
				p->mask |= bit;
				column_add(c, &keys, column, &p->data);
			} else if (old[column] != NULL && (old[column]->mask & bit) != 0) {
				p->mask |= bit;
				buf_str_add(&p->data, block_value(old[column], i));
			}
			p->end[i] = (uint32_t)p->data.n;
		}
		arena_reset(&scratch);
	}
}

/* ---- loading -------------------------------------------------------------------------------------------------------- */

static void
slot_loaded(struct digest_cache *c, struct slot *s, struct block *b, enum err error)
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

/* Enters what came for the i-th block; rc->rows is NULL after an error. */
static void
load_enter(struct load *l, size_t i, enum err e, struct row_cursor *rc)
{
	struct digest_cache *c = l->cache;
	const uint32_t number = l->blocks[i].number;
	const unsigned columns = l->blocks[i].columns;
	struct block *old[DIGEST_COLUMNS] = { NULL }, *made[DIGEST_COLUMNS] = { NULL };
	struct packing packing[DIGEST_COLUMNS];

	/* While a slot is loading, nobody else puts a block into it. */
	pthread_mutex_lock(&c->lock);
	for (unsigned column = 0; column < DIGEST_COLUMNS; column++) {
		if ((columns & 1u << column) != 0)
			old[column] = slot_find(c, l->account.v, number, column)->block;
	}
	pthread_mutex_unlock(&c->lock);
	for (unsigned column = 0; column < DIGEST_COLUMNS; column++)
		packing[column] = (struct packing){ .data = BUF_MAX(UINT32_MAX) };
	if (rc->rows != NULL)
		block_pack(c, number, columns, rc, old, packing);
	for (unsigned column = 0; column < DIGEST_COLUMNS; column++) {
		if (rc->rows != NULL && (columns & 1u << column) != 0)
			made[column] = packing_end(&packing[column], rc->rows->version);
		buf_done(&packing[column].data);
	}
	pthread_mutex_lock(&c->lock);
	for (unsigned column = 0; column < DIGEST_COLUMNS; column++) {
		if ((columns & 1u << column) != 0)
			slot_loaded(c, slot_find(c, l->account.v, number, column), made[column], e);
	}
	cache_trim(c);
	pthread_mutex_unlock(&c->lock);
}

static void
load_done(void *ctx, enum err e, struct kv_rows *rows)
{
	struct load *l = ctx;
	struct digest_cache *c = l->cache;
	struct row_cursor rc = { .rows = rows };

	for (size_t i = 0; i < l->count; i++)
		load_enter(l, i, e, &rc);
	if (rows != NULL)
		kv_rows_free(rows);
	free(l);
	waitlist_wake_all(&c->loaded);
	pthread_mutex_lock(&c->lock);
	c->loads--;
	pthread_mutex_unlock(&c->lock);
}

enum { LOAD_RANGES_MAX = LOAD_BLOCKS * WHOLE_MIN };

/* The ranges that bring what l wants. Keys live in `keys`, two a range. */
static size_t
ranges_make(const struct load *l, struct kv_range *ranges, struct message_key *keys)
{
	size_t count = 0;

	for (size_t i = 0; i < l->count; i++) {
		uint32_t first = l->blocks[i].number << BLOCK_BITS;
		bool is_whole = __builtin_popcountll(l->blocks[i].mask) >= WHOLE_MIN;

		for (uint64_t left = l->blocks[i].mask; left != 0; left &= left - 1) {
			struct message_key *k = &keys[2 * count];
			struct kv_range *range = &ranges[count++];

			k[0] = message_summary_key((struct msgno){ is_whole ? first : first | (uint32_t)__builtin_ctzll(left) });
			*range = (struct kv_range){ .kind = KV_MESSAGE, .from = message_key_str(&k[0]), .is_exact = !is_whole };
			if (!is_whole)
				continue;
			k[1] = message_summary_key((struct msgno){ first | (BLOCK_MESSAGES - 1) });
			k[1].bytes[k[1].n++] = 0;	/* just behind the last */
			range->to = message_key_str(&k[1]);
			break;
		}
	}
	return count;
}

/* Without the lock; the slots are marked as loading. True when the rows were in memory. Takes l over. */
static bool
load_begin(struct load *l)
{
	struct kv_range ranges[LOAD_RANGES_MAX];
	struct message_key keys[2 * LOAD_RANGES_MAX];
	struct kv_rows *rows = NULL;
	enum err e = kv_load(l->cache->kv, l->account, ranges, ranges_make(l, ranges, keys), &rows, load_done, l);

	if (e == ERR_WAIT)
		return false;
	load_done(l, e, rows);
	return true;
}

/* Whether the slot has all of the block's messages of `mask`. */
static bool
slot_has(const struct slot *s, uint64_t mask)
{
	return s != NULL && s->block != NULL && (s->block->mask & mask) == mask;
}

/* With the lock: marks the columns of a block that lack one of the messages of mask, and are not being loaded. */
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

/* Messages of numbers[] from `at` on that are in the block of numbers[at], as a mask; *next_out is the first that is not. */
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
 * Begins one load of blocks that numbers[] needs from `ahead` on, and moves `ahead` behind them. Its blocks are ascending: one
 * that goes backwards begins a new load.
 */
static bool
load_ahead(struct digest_reader *r)
{
	struct load *l = xcalloc(1, sizeof(*l));

	l->cache = r->cache;
	l->account = r->account->id;
	pthread_mutex_lock(&r->cache->lock);
	for (unsigned looked = 0; looked < 8 * LOAD_BLOCKS && r->ahead < r->count && l->count < LOAD_BLOCKS; looked++) {
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
		return load_begin(l);
	free(l);
	return true;
}

/* ---- reading -------------------------------------------------------------------------------------------------------- */

struct digest_reader *
digest_reader_new(struct account *a, unsigned columns, const struct msgno *numbers, size_t count)
{
	struct digest_reader *r = xcalloc(1, sizeof(*r));

	r->account = account_ref(a);
	r->cache = a->store->digests;
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
			slot_find(r->cache, r->account->id.v, r->number, column)->wanted--;
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

/* With the lock: the slots of the block stay until they are taken, also when what is loaded comes at once. */
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
	TAKEN_LATER,	/* the waiter is registered */
	TAKEN_LOAD,	/* a load is to be begun */
	TAKEN_FAILED,	/* *e_out says how */
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
		s = slot_find(r->cache, r->account->id.v, r->number, column);
		if (s != NULL && s->is_loading) {
			s->wanted++;
			r->wanted |= 1u << column;
			t = TAKEN_LATER;
		} else if (s != NULL && s->error != ERR_OK) {
			*e_out = s->error;
			s->error = ERR_OK;
			return TAKEN_FAILED;
		} else if (s == NULL || s->block == NULL || (!slot_has(s, mask) &&
		    (r->retries == 0 || s->block->version <= r->stale_version))) {
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
		for (unsigned i = 0; i < AHEAD_LOADS && r->ahead < r->count &&
		    r->ahead < r->at + (size_t)AHEAD_LOADS * LOAD_BLOCKS * BLOCK_MESSAGES; i++) {
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

	for (unsigned column = 0; column < DIGEST_COLUMNS; column++)
		if (r->blocks[column] != NULL && (r->blocks[column]->mask & bit) == 0)
			return false;
	return true;
}

static void
digest_of(const struct digest_reader *r, struct digest *out)
{
	unsigned i = r->numbers[r->at].v & (BLOCK_MESSAGES - 1);

	*out = (struct digest){ 0 };
	for (unsigned column = 0; column < DIGEST_COLUMNS; column++) {
		const struct block *b = r->blocks[column];

		if (b != NULL && (b->mask & (uint64_t)1 << i) != 0)
			out->column[column] = block_value(b, i);
	}
}

/* The message was not in the engine: ERR_OK look again, ERR_WAIT its commit is on its way, else it is missing. */
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
