/*
 * digest_load.c - loads blocks of digests:
 *
 *     stored rows of the columns --> all are there --------------------------> slots
 *                \--> some are not: records of the messages --> packed ------> slots, and rows when the block is complete
 *
 * Rows are derived: what can't be read, or lacks a message that is wanted, is made anew. They
 * follow no version and are not synced; numbers of messages are never given twice and records never
 * change, so a row is right whenever it is there. When messages go, so do the rows of their blocks
 * (digest_cache_release()), and what was being made of them is not stored.
 */
#include "store/digest_int.h"

#include "base/bits.h"
#include "base/size.h"
#include "store/message_held.h"

#include <stdlib.h>

enum {
	/* messages of a block that are wanted: then the others come along */
	WHOLE_MIN = 12,
	RANGES_MAX = 2 * LOAD_BLOCKS * WHOLE_MIN,
	STORED_RANGES_MAX = LOAD_BLOCKS * DIGEST_COLUMNS,
};

static bool
is_whole(const struct digest_load *l, size_t i)
{
	return bits_count(l->blocks[i].mask) >= WHOLE_MIN;
}

static void
load_end(struct digest_load *l)
{
	struct digest_cache *c = l->cache;
	const bool is_for_rows = l->is_for_rows;

	for (size_t i = 0; i < l->count; i++)
		for (unsigned column = 0; column < DIGEST_COLUMNS; column++)
			block_unref(l->blocks[i].stored[column]);
	free(l);
	if (is_for_rows)
		return; /* whoever goes on storing still counts */
	waitlist_wake_all(&c->loaded);
	pthread_mutex_lock(&c->lock);
	c->loads--;
	pthread_mutex_unlock(&c->lock);
}

/* ---- rows of records ------------------------------------------------------------------------- */

/* The commit has nothing to tell: rows that are not stored are made again when they are wanted. */
static void
rows_stored(void *ctx unused_arg, enum err e unused_arg)
{
}

static void
rows_store(struct digest_load *l, size_t i, const struct packing packing[DIGEST_COLUMNS])
{
	struct digest_cache *c = l->cache;
	struct kv_txn *t = kv_txn_new(c->kv, l->account, KV_UNVERSIONED, KV_UNVERSIONED);
	BUF_CLEAN struct buf row = BUF_MAX(UINT32_MAX);

	kv_txn_set_lazy(t);
	for (unsigned column = 0; column < DIGEST_COLUMNS; column++) {
		struct message_key key =
		    digest_key((enum digest_column)column, l->blocks[i].number);

		if ((l->blocks[i].rest & 1u << column) == 0)
			continue;
		buf_clear(&row);
		digest_row_encode(&packing[column], &row);
		kv_put(t, KV_POSTING, message_key_str(&key), buf_str(&row));
	}
	/*
	 * With the lock, so that whoever removes messages comes either before, and is noticed, or
	 * removes these rows too.
	 */
	pthread_mutex_lock(&c->lock);
	if (c->releasing == 0 && c->releases == l->releases && !c->is_closing) {
		kv_commit(c->kv, &t, 1, rows_stored, NULL);
		t = NULL;
	}
	pthread_mutex_unlock(&c->lock);
	if (t != NULL)
		kv_txn_abort(t);
}

/* Rows of a block, by message. */
static void
block_rows(struct row_cursor *rc, uint32_t number, struct str out[BLOCK_MESSAGES])
{
	for (uint32_t i = 0; i < BLOCK_MESSAGES; i++)
		out[i] = rc != NULL
		    ? row_cursor_find(rc, (struct msgno){ number << BLOCK_BITS | i })
		    : STR_NONE;
}

/* The i-th block: puts what came into its slots; cursors are NULL after an error. */
static void
block_enter(struct digest_load *l, size_t i, enum err e, uint64_t version,
    struct row_cursor *summaries, struct row_cursor *headers)
{
	struct digest_cache *c = l->cache;
	const unsigned columns = l->blocks[i].columns, rest = l->blocks[i].rest;
	const bool is_complete = e == ERR_OK && is_whole(l, i) && l->blocks[i].number < l->complete;
	struct block *old[DIGEST_COLUMNS] = { NULL };
	struct packing packing[DIGEST_COLUMNS];
	bool is_sound = false;

	/* While a slot is loading, nobody else puts a block into it. */
	pthread_mutex_lock(&c->lock);
	for (unsigned column = 0; column < DIGEST_COLUMNS; column++)
		if ((rest & 1u << column) != 0 && !is_complete && !l->is_for_rows)
			old[column] =
			    digest_slot_find(c, l->account.v, l->blocks[i].number, column)->block;
	pthread_mutex_unlock(&c->lock);
	digest_packings_init(packing);
	if (e == ERR_OK && rest != 0) {
		struct str summary_rows[BLOCK_MESSAGES], header_rows[BLOCK_MESSAGES];

		block_rows((rest & ~DIGEST_TEXTS) != 0 ? summaries : NULL, l->blocks[i].number,
		    summary_rows);
		block_rows((rest & DIGEST_TEXTS) != 0 ? headers : NULL, l->blocks[i].number,
		    header_rows);
		is_sound = digest_pack(rest, summary_rows, header_rows, old, packing);
	}
	if (is_complete && is_sound)
		rows_store(l, i, packing);
	for (unsigned column = 0; column < DIGEST_COLUMNS && !l->is_for_rows; column++) {
		struct block *b = l->blocks[i].stored[column];

		if ((columns & 1u << column) == 0)
			continue;
		if ((rest & 1u << column) != 0)
			b = e == ERR_OK ? packing_end(&packing[column], version) : NULL;
		l->blocks[i].stored[column] = NULL;
		pthread_mutex_lock(&c->lock);
		digest_slot_loaded(c,
		    digest_slot_find(c, l->account.v, l->blocks[i].number, column), b,
		    (rest & 1u << column) != 0 ? e : ERR_OK);
		pthread_mutex_unlock(&c->lock);
	}
	digest_packings_done(packing);
	pthread_mutex_lock(&c->lock);
	digest_cache_trim(c);
	pthread_mutex_unlock(&c->lock);
}

/* All blocks; rows is NULL when none had to be loaded, or after an error. */
static void
blocks_enter(struct digest_load *l, enum err e, struct kv_rows *rows)
{
	struct row_cursor summaries = { 0 }, headers = { 0 };

	if (rows != NULL) {
		summaries =
		    (struct row_cursor){ .ranges = rows->ranges, .range_count = l->summary_ranges };
		headers = (struct row_cursor){ .ranges = rows->ranges + l->summary_ranges,
			.range_count = rows->range_count - l->summary_ranges };
	}
	for (size_t i = 0; i < l->count; i++)
		block_enter(l, i, e, rows != NULL ? rows->version : 0, &summaries, &headers);
	kv_rows_free(rows);
}

static void
records_loaded(void *ctx, enum err e, struct kv_rows *rows)
{
	struct digest_load *l = ctx;
	struct digest_cache *c = l->cache;
	const bool is_for_rows = l->is_for_rows;

	blocks_enter(l, e, rows);
	load_end(l);
	if (!is_for_rows)
		return;
	if (e != ERR_OK)
		/* they are stored when they are wanted */
		digest_due_forget(c, (struct account_id){ 0 });
	digest_store_due(c);
}

/*
 * The ranges of one kind of rows, for the blocks that lack one of the columns. Keys live in `keys`,
 * two a range.
 */
static size_t
record_ranges(const struct digest_load *l, unsigned columns,
    struct message_key (*key)(struct msgno n), struct kv_range *ranges, struct message_key *keys)
{
	size_t count = 0;

	for (size_t i = 0; i < l->count; i++) {
		uint32_t first = l->blocks[i].number << BLOCK_BITS;

		if ((l->blocks[i].rest & columns) == 0)
			continue;
		for (uint64_t left = l->blocks[i].mask; left != 0; left &= left - 1) {
			struct message_key *k = &keys[2 * count];
			struct kv_range *range = &ranges[count++];
			bool whole = is_whole(l, i);

			k[0] = key((struct msgno){
			    whole ? first : first | (uint32_t)__builtin_ctzll(left) });
			*range = (struct kv_range){ .kind = KV_MESSAGE,
				.from = message_key_str(&k[0]),
				.is_exact = !whole };
			if (!whole)
				continue;
			k[1] = key((struct msgno){ first | (BLOCK_MESSAGES - 1) });
			k[1].bytes[k[1].n++] = 0; /* just behind the last */
			range->to = message_key_str(&k[1]);
			break;
		}
	}
	return count;
}

/* Loads the records that the blocks are made of; true when all is over. */
static bool
records_begin(struct digest_load *l)
{
	struct kv_range ranges[RANGES_MAX];
	struct message_key keys[2 * RANGES_MAX];
	struct kv_rows *rows = NULL;
	size_t n;
	enum err e = ERR_OK;

	n = l->summary_ranges =
	    record_ranges(l, DIGEST_ALL & ~DIGEST_TEXTS, message_summary_key, ranges, keys);
	n += record_ranges(l, DIGEST_TEXTS, message_header_key, ranges + n, keys + 2 * n);
	if (n > 0 && l->is_for_rows)
		e = kv_load_ahead(l->cache->kv, l->account, ranges, n, &rows, NULL, records_loaded,
		    l);
	else if (n > 0)
		e = kv_load(l->cache->kv, l->account, ranges, n, &rows, records_loaded, l);
	if (e == ERR_WAIT)
		return false;
	blocks_enter(l, e, rows);
	load_end(l);
	return true;
}

/* ---- stored rows ----------------------------------------------------------------------------- */

/* A row that has all the messages that are wanted. */
static void
stored_take(struct digest_load *l, const struct kv_row *row, uint64_t version)
{
	enum digest_column column;
	uint32_t number;
	struct block *b;
	size_t i = 0;

	if (!digest_key_parse(row->key, &column, &number))
		return;
	while (i < l->count && l->blocks[i].number != number)
		i++;
	if (i == l->count || (l->blocks[i].rest & 1u << column) == 0
	    || digest_row_decode(row->value, version, &b) != ERR_OK)
		return;
	if ((l->blocks[i].mask & ~b->mask) != 0) {
		block_unref(b);
		return;
	}
	l->blocks[i].stored[column] = b;
	l->blocks[i].rest &= ~(1u << column);
}

static void
stored_enter(struct digest_load *l, struct kv_rows *rows)
{
	for (size_t i = 0; rows != NULL && i < rows->range_count; i++)
		for (size_t j = 0; j < rows->ranges[i].count; j++)
			stored_take(l, &rows->ranges[i].rows[j], rows->version);
	kv_rows_free(rows);
}

/* An error is none: then they are made of the records, or that fails too. */
static void
stored_loaded(void *ctx, enum err e unused_arg, struct kv_rows *rows)
{
	stored_enter(ctx, rows);
	records_begin(ctx);
}

/* A range for each column and run of neighbouring blocks. */
static size_t
stored_ranges(const struct digest_load *l, struct kv_range *ranges, struct message_key *keys)
{
	size_t count = 0, end;

	for (unsigned column = 0; column < DIGEST_COLUMNS; column++) {
		for (size_t i = 0; i < l->count; i = end) {
			struct message_key *k = &keys[2 * count];

			end = i + 1;
			if ((l->blocks[i].rest & 1u << column) == 0
			    || l->blocks[i].number >= l->complete)
				continue;
			while (end < l->count
			    && l->blocks[end].number == l->blocks[end - 1].number + 1)
				end++;
			k[0] = digest_key((enum digest_column)column, l->blocks[i].number);
			k[1] =
			    digest_key((enum digest_column)column, l->blocks[end - 1].number + 1);
			ranges[count++] = (struct kv_range){ .kind = KV_POSTING,
				.from = message_key_str(&k[0]),
				.to = message_key_str(&k[1]) };
		}
	}
	return count;
}

bool
digest_load_begin(struct digest_load *l)
{
	struct kv_range ranges[STORED_RANGES_MAX];
	struct message_key keys[2 * STORED_RANGES_MAX];
	struct kv_rows *rows = NULL;
	size_t n = 0;
	enum err e = ERR_OK;

	for (size_t i = 0; i < l->count; i++)
		l->blocks[i].rest = l->blocks[i].columns;
	if (l->complete > 0 && !l->is_for_rows)
		n = stored_ranges(l, ranges, keys);
	if (n > 0)
		e = kv_load(l->cache->kv, l->account, ranges, n, &rows, stored_loaded, l);
	if (e == ERR_WAIT)
		return false;
	stored_enter(l, rows);
	return records_begin(l);
}

/* ---- storing what is complete ---------------------------------------------------------------- */

/* With the lock: the next blocks that are due, as a load, or NULL. */
static struct digest_load *
due_take(struct digest_cache *c)
{
	struct digest_due *due = list_first(&c->due, struct digest_due, node);
	struct digest_load *l;

	if (due == NULL)
		return NULL;
	l = xcalloc(1, sizeof(*l));
	l->cache = c;
	l->account = due->account;
	l->complete = due->end;
	l->is_for_rows = true;
	l->releases = c->releases;
	for (; l->count < STORE_BLOCKS && due->number < due->end; due->number++) {
		l->blocks[l->count].number = due->number;
		l->blocks[l->count].columns = DIGEST_ALL;
		l->blocks[l->count++].mask = UINT64_MAX;
	}
	if (due->number == due->end) {
		list_remove(&due->node);
		c->due_count--;
		free(due);
	}
	return l;
}

void
digest_store_due(struct digest_cache *c)
{
	struct digest_load *l;

	do {
		pthread_mutex_lock(&c->lock);
		l = due_take(c);
		if (l == NULL) {
			c->is_storing = false;
			c->loads--;
		}
		pthread_mutex_unlock(&c->lock);
	} while (l != NULL && digest_load_begin(l));
}
