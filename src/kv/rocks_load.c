/*
 * rocks_load.c - loads: ranges of rows. A load sees one snapshot, so all its rows are of the version
 * that it tells.
 */
#include "base/bytes.h"
#include "base/size.h"
#include "kv/rocks_cxx.h"
#include "kv/rocks_int.h"

#include <stdlib.h>

/*
 * Else RocksDB has the kernel read ahead before every other block of a range, even when it has the
 * block in its cache.
 */
#define ROWS_AT_ONCE_BYTES (32u * 1024)

struct load {
	struct rocks *r;
	struct account_id account;
	enum rocks_tier tier;
	const rocksdb_snapshot_t *snapshot;
	rocksdb_readoptions_t *options; /* for single rows */
	struct kv_rows *rows;
	struct str end;                    /* of the range at hand, with its account */
	const struct rocks_bounds *bounds; /* of its family */
};

static enum err
exact_load(struct load *l, const struct kv_range *range, size_t at)
{
	char few[256], *key = few;
	rocksdb_pinnableslice_t *s;
	enum err e;

	if (KV_ACCOUNT_KEY + range->from.n > sizeof(few))
		key = xmalloc(size_add(KV_ACCOUNT_KEY, range->from.n));
	kv_key_put(key, l->account, range->from);
	e = rocks_row_get(l->r, l->options, l->tier, (enum rocks_cf)range->kind,
	    str_make(key, KV_ACCOUNT_KEY + range->from.n), &s);
	if (e == ERR_OK && s != NULL) {
		kv_rows_add(l->rows, at, range->from, rocks_slice(s));
		rocksdb_pinnableslice_destroy(s);
	}
	if (e == ERR_CORRUPT && range->may_have_gaps) {
		e = ERR_OK;
		memmove(key, key + KV_ACCOUNT_KEY, range->from.n);
		key[range->from.n] = '\0';
		kv_gap_add(l->rows, at, range->from, str_make(key, range->from.n + 1));
	}
	if (key != few)
		free(key);
	return e;
}

static enum err
iter_err(rocksdb_iterator_t *it)
{
	char *message = NULL;

	rocksdb_iter_get_error(it, &message);
	return rocks_read_err(message);
}

static struct str
iter_key(rocksdb_iterator_t *it)
{
	struct str key;

	key.p = rocksdb_iter_key(it, &key.n);
	return key;
}

/* From where the iterator stands, at or above `from`, to the end of the range. */
static enum err
range_rows(struct load *l, rocksdb_iterator_t *it, const struct kv_range *range, struct str from,
    size_t at)
{
	uint32_t left = range->limit != 0 ? range->limit : UINT32_MAX;
	size_t bound = rocks_bounds_above(l->bounds, from);

	while (left > 0) {
		struct str value;

		/* Into the next table only by a seek: see rocks_bounds.c. */
		if (bound < l->bounds->n && iter_err(it) == ERR_OK
		    && (!rocksdb_iter_valid(it)
			|| str_cmp(iter_key(it), l->bounds->keys[bound]) >= 0)) {
			if (str_cmp(l->bounds->keys[bound], l->end) >= 0) {
				bound = l->bounds->n;
			} else {
				rocksdb_iter_seek(it, l->bounds->keys[bound].p,
				    l->bounds->keys[bound].n);
				bound++;
			}
			continue;
		}
		if (!rocksdb_iter_valid(it))
			break;
		value.p = rocksdb_iter_value(it, &value.n);
		kv_rows_add(l->rows, at, str_sub(iter_key(it), KV_ACCOUNT_KEY, SIZE_MAX), value);
		if (--left > 0) /* not a step more: it might need the disk */
			rocksdb_iter_next(it);
	}
	return iter_err(it);
}

/* Backwards, without a way around RocksDB's fault: whoever asks so has few rows. */
static enum err
range_rows_reverse(struct load *l, rocksdb_iterator_t *it, const struct kv_range *range, size_t at)
{
	uint32_t left = range->limit != 0 ? range->limit : UINT32_MAX;

	for (; left > 0 && rocksdb_iter_valid(it); left--) {
		struct str value;

		value.p = rocksdb_iter_value(it, &value.n);
		kv_rows_add(l->rows, at, str_sub(iter_key(it), KV_ACCOUNT_KEY, SIZE_MAX), value);
		if (left > 1)
			rocksdb_iter_prev(it);
	}
	return iter_err(it);
}

/*
 * ---- what damage hides
 *
 * An iterator that meets a damaged block stops, and goes on only behind it, at a key that has to be
 * found: keys of accounts are short, so those behind the last good one are tried as numbers, at
 * distances that double, and then by halves.
 */

#define NUMBER_BYTES 16u /* of a key, behind the account */
#define GAPS_MAX 10000u  /* of one load; each costs a hundred reads of a block */

typedef unsigned __int128 key_number;

static key_number
number_of(struct str key)
{
	key_number v = 0;

	for (size_t i = 0; i < NUMBER_BYTES; i++)
		v = v << 8 | (i < key.n ? (unsigned char)key.p[i] : 0u);
	return v;
}

static void
number_key(char key[KV_ACCOUNT_KEY + NUMBER_BYTES], struct account_id account, key_number v)
{
	put_be64(key, account.v);
	put_be64(key + KV_ACCOUNT_KEY, (uint64_t)(v >> 64));
	put_be64(key + KV_ACCOUNT_KEY + 8, (uint64_t)v);
}

/* On a new iterator each time: one that has met damage goes on meeting it. */
static bool
can_seek(struct load *l, rocksdb_iterator_t **it, const rocksdb_readoptions_t *o,
    const struct kv_range *range, key_number v)
{
	char key[KV_ACCOUNT_KEY + NUMBER_BYTES];

	number_key(key, l->account, v);
	rocksdb_iter_destroy(*it);
	*it = rocksdb_create_iterator_cf(l->r->db, o, l->r->cf[range->kind]);
	rocksdb_iter_seek(*it, key, sizeof(key));
	return rocksdb_iter_valid(*it) || iter_err(*it) == ERR_OK;
}

/*
 * Goes on behind damage: *it stands on the first row behind it, or at the end. False: there is
 * damage up to the end.
 */
static bool
gap_skip(struct load *l, rocksdb_iterator_t **it, const rocksdb_readoptions_t *o,
    const struct kv_range *range, struct str after, struct str end, size_t at)
{
	key_number bad = number_of(after), good = bad, last = number_of(end), step = 1;
	char key[KV_ACCOUNT_KEY + NUMBER_BYTES];
	bool is_found = false;

	while (!is_found && last - good > step) {
		good = bad + step;
		is_found = can_seek(l, it, o, range, good);
		if (!is_found)
			bad = good;
		step <<= 1;
	}
	if (!is_found) {
		kv_gap_add(l->rows, at, after, end);
		return false;
	}
	while (good - bad > 1) {
		key_number mid = bad + (good - bad) / 2;

		if (can_seek(l, it, o, range, mid))
			good = mid;
		else
			bad = mid;
	}
	number_key(key, l->account, good);
	kv_gap_add(l->rows, at, after, str_make(key + KV_ACCOUNT_KEY, NUMBER_BYTES));
	return can_seek(l, it, o, range, good);
}

/*
 * The rows behind the last one that could be read; `end` is that of the range, without the account.
 */
static enum err
range_rest(struct load *l, rocksdb_iterator_t **it, const rocksdb_readoptions_t *o,
    const struct kv_range *range, struct str end, size_t at)
{
	struct kv_row_list *list = &l->rows->ranges[at];
	BUF_CLEAN struct buf after = BUF_MAX(1u << 20);
	size_t known = list->count;
	enum err e = ERR_CORRUPT;

	buf_str_add(&after, range->from);
	for (unsigned i = 0; e == ERR_CORRUPT && i < GAPS_MAX; i++) {
		if (list->count > known || i == 0) {
			if (list->count > 0) {
				buf_clear(&after);
				buf_str_add(&after, list->rows[list->count - 1].key);
				buf_chr(&after, '\0');
			}
			known = list->count;
		} else {
			buf_clear(&after);
			buf_str_add(&after, list->gaps[list->gap_count - 1].to);
		}
		if (!gap_skip(l, it, o, range, buf_str(&after), end, at))
			return ERR_OK;
		e = range_rows(l, *it, range, rocksdb_iter_valid(*it) ? iter_key(*it) : l->end, at);
	}
	return e;
}

/* is_ahead: RocksDB may read what lies behind the rows too. */
static enum err
range_try(struct load *l, const struct kv_range *range, size_t at, bool is_ahead)
{
	struct account_id end = { range->to.p != NULL ? l->account.v : l->account.v + 1 };
	size_t from_n = size_add(KV_ACCOUNT_KEY, range->from.n),
	       to_n = size_add(KV_ACCOUNT_KEY, range->to.n);
	char *from = xmalloc(size_add(from_n, to_n)), *to = from + from_n;
	rocksdb_readoptions_t *o = rocks_read_options(l->tier, l->snapshot);
	rocksdb_iterator_t *it = NULL;
	struct rocks_bounds *bounds = NULL;
	char behind[NUMBER_BYTES];
	enum err e;

	memset(behind, 0xFF, sizeof(behind));
	kv_key_put(from, l->account, range->from);
	kv_key_put(to, end, range->to);
	if (str_cmp(str_make(from, from_n), str_make(to, to_n)) >= 0) {
		rocksdb_readoptions_destroy(o);
		free(from);
		return ERR_OK;
	}
	rocksdb_readoptions_set_fill_cache(o, !range->is_bulk);
	if (is_ahead)
		rocksdb_readoptions_set_readahead_size(o, ROWS_AT_ONCE_BYTES);
	rocksdb_readoptions_set_iterate_upper_bound(o, to, to_n);
	rocksdb_readoptions_set_iterate_lower_bound(o, from, from_n);
	/*
	 * RocksDB's iterators may end the program when they look for deleted ranges in a table that
	 * they can't open.
	 */
	rocksdb_readoptions_set_ignore_range_deletions(o, l->r->is_damaged);
	/*
	 * The tables that the bounds are of may not be older than those of the iterator, nor newer:
	 * else once more.
	 */
	do {
		rocks_bounds_unref(bounds);
		if (it != NULL)
			rocksdb_iter_destroy(it);
		bounds = rocks_bounds_get(l->r, (enum rocks_cf)range->kind);
		it = rocksdb_create_iterator_cf(l->r->db, o, l->r->cf[range->kind]);
	} while (rocks_tables_version(l->r, (enum rocks_cf)range->kind) != bounds->version);
	l->bounds = bounds;
	l->end = str_make(to, to_n);
	if (range->is_reverse) {
		rocksdb_iter_seek_to_last(it);
		e = range_rows_reverse(l, it, range, at);
	} else {
		rocksdb_iter_seek(it, from, from_n);
		e = range_rows(l, it, range, str_make(from, from_n), at);
	}
	if (e == ERR_CORRUPT && range->may_have_gaps) {
		e = l->tier == TIER_CACHE
		    ? ERR_WAIT
		    : range_rest(l, &it, o, range,
			range->to.p != NULL ? range->to : str_make(behind, sizeof(behind)), at);
	}
	rocks_bounds_unref(bounds);
	rocksdb_iter_destroy(it);
	rocksdb_readoptions_destroy(o);
	free(from);
	return e;
}

static enum err
range_load(struct load *l, const struct kv_range *range, size_t at)
{
	const bool is_ahead = l->tier == TIER_ALL && !range->is_reverse && range->limit == 0;
	enum err e = range_try(l, range, at, is_ahead);

	/* What can't be read may lie behind the range, and be somebody else's. */
	if (e == ERR_IO && is_ahead) {
		l->rows->ranges[at].count = l->rows->ranges[at].gap_count = 0;
		e = range_try(l, range, at, false);
	}
	return e;
}

static enum err
load_try(struct rocks *r, enum rocks_tier tier, struct account_id account,
    const struct kv_range *ranges, size_t count, struct kv_rows **rows_out)
{
	struct load l = { .r = r, .account = account, .tier = tier };
	const rocksdb_snapshot_t *settled = atomic_load(&r->settled);
	const bool is_timeless = count > 0 && ranges[0].is_timeless;
	uint64_t version = 0;
	enum err e = ERR_OK;

	l.snapshot = settled != NULL || is_timeless ? settled : rocksdb_create_snapshot(r->db);
	l.options = rocks_read_options(tier, l.snapshot);
	if (!is_timeless)
		e = rocks_version_get(r, l.options, tier, account, &version);
	if (e == ERR_OK)
		l.rows = kv_rows_new(count, version);
	for (size_t i = 0; i < count && e == ERR_OK; i++)
		e = ranges[i].is_exact ? exact_load(&l, &ranges[i], i)
				       : range_load(&l, &ranges[i], i);
	rocksdb_readoptions_destroy(l.options);
	if (l.snapshot != settled)
		rocksdb_release_snapshot(r->db, l.snapshot);
	if (e == ERR_OK)
		*rows_out = l.rows;
	else
		kv_rows_free(l.rows);
	return e;
}

struct load_wait {
	struct rocks_job job;
	struct rocks *r;
	struct kv_load_job *load;
};

static void
load_wait_run(struct rocks_job *job)
{
	struct load_wait *w = container_of(job, struct load_wait, job);
	struct kv_rows *rows = NULL;
	enum err e = ERR_CLOSED;

	if (kv_load_job_is_wanted(w->load))
		e = load_try(w->r, TIER_ALL, w->load->account, w->load->ranges, w->load->count,
		    &rows);
	w->load->fn(w->load->ctx, e, rows);
	kv_load_job_free(w->load);
	free(w);
}

static struct rocks_job *
load_job(struct rocks *r, struct kv_load_job *load)
{
	struct load_wait *w = xcalloc(1, sizeof(*w));

	atomic_fetch_add_explicit(&r->stat_loads_waited, 1, memory_order_relaxed);
	w->job.run = load_wait_run;
	w->r = r;
	w->load = load;
	return &w->job;
}

enum err
rocks_load(struct kv *kv, struct account_id account, const struct kv_range *ranges, size_t count,
    struct kv_rows **rows_out, kv_load_fn *fn, void *ctx)
{
	struct rocks *r = rocks_of(kv);
	enum err e;

	rocks_reading(r);
	e = load_try(r, TIER_CACHE, account, ranges, count, rows_out);
	if (e != ERR_WAIT) {
		atomic_fetch_add_explicit(&r->stat_loads_now, 1, memory_order_relaxed);
		return e;
	}
	rocks_job_add(r, load_job(r, kv_load_job_new(account, ranges, count, fn, ctx)));
	return ERR_WAIT;
}

enum err
rocks_load_ahead(struct kv *kv, struct account_id account, const struct kv_range *ranges,
    size_t count, struct kv_rows **rows_out unused_arg, kv_wanted_fn *is_wanted, kv_load_fn *fn,
    void *ctx)
{
	struct rocks *r = rocks_of(kv);
	struct kv_load_job *load = kv_load_job_new(account, ranges, count, fn, ctx);
	struct rocks_job *j = load_job(r, load);

	load->is_wanted = is_wanted;
	if (count > 0 && ranges[0].is_awaited)
		rocks_job_add(r, j);
	else
		rocks_job_ahead(r, account, j);
	return ERR_WAIT;
}

enum err
rocks_load_now(struct kv *kv, struct account_id account, const struct kv_range *ranges,
    size_t count, struct kv_rows **rows_out)
{
	struct rocks *r = rocks_of(kv);

	atomic_fetch_add_explicit(&r->stat_loads_waited, 1, memory_order_relaxed);
	return load_try(r, TIER_ALL, account, ranges, count, rows_out);
}
