/*
 * rocks_read.c - loads and message bytes. A read is first tried in memory only (memtables and
 * cache); when RocksDB says that it would have to read a file, it is handed to a reader thread,
 * which begins anew. A load sees one snapshot, so all its rows are of the version that it tells.
 */
#include "base/bytes.h"
#include "base/heap.h"
#include "base/size.h"
#include "base/thread.h"
#include "kv/rocks_cxx.h"
#include "kv/rocks_int.h"

#include <stdlib.h>

/* Rows and blocks of the cache that a reader takes memory for: the first of it. */
#define HEAP_BYTES (48u << 20)
/*
 * Else RocksDB has the kernel read ahead before every other block of a range, even when it has the
 * block in its cache.
 */
#define ROWS_AT_ONCE_BYTES (32u * 1024)
#define READING_US 250000 /* between two reads of somebody who goes on reading */

static rocksdb_readoptions_t *
read_options(enum rocks_tier tier, const rocksdb_snapshot_t *snapshot)
{
	rocksdb_readoptions_t *o = rocksdb_readoptions_create();

	rocksdb_readoptions_set_read_tier(o, tier);
	if (snapshot != NULL)
		rocksdb_readoptions_set_snapshot(o, snapshot);
	return o;
}

static struct str
slice_str(const rocksdb_pinnableslice_t *s)
{
	size_t n;
	const char *p = rocksdb_pinnableslice_value(s, &n);

	return str_make(p, n);
}

/*
 * ERR_OK with *value_out NULL: there is no such row. When it may not read files and a table is not
 * open, RocksDB says "found" with an empty value (a leftover of its KeyMayExist), so an empty one
 * is looked at again by a reader.
 */
static enum err
row_get(struct rocks *r, const rocksdb_readoptions_t *o, enum rocks_tier tier, enum rocks_cf cf,
    struct str key, rocksdb_pinnableslice_t **value_out)
{
	char *message = NULL;
	rocksdb_pinnableslice_t *s =
	    rocksdb_get_pinned_cf(r->db, o, r->cf[cf], key.p, key.n, &message);
	enum err e = rocks_read_err(message);

	if (e == ERR_OK && s != NULL && tier == TIER_CACHE && slice_str(s).n == 0) {
		rocksdb_pinnableslice_destroy(s);
		return ERR_WAIT;
	}
	*value_out = s;
	return e;
}

enum err
rocks_version_get(struct rocks *r, const rocksdb_readoptions_t *o, enum rocks_tier tier,
    struct account_id account, uint64_t *version_out)
{
	rocksdb_pinnableslice_t *s;
	char key[1 + KV_ACCOUNT_KEY];
	enum err e;

	key[0] = META_VERSION;
	put_be64(key + 1, account.v);
	e = row_get(r, o, tier, CF_META, str_make(key, sizeof(key)), &s);
	if (e != ERR_OK)
		return e;
	*version_out = 0;
	if (s != NULL) {
		if (slice_str(s).n == 8)
			*version_out = get_le64(slice_str(s).p);
		else
			e = ERR_CORRUPT;
		rocksdb_pinnableslice_destroy(s);
	}
	return e;
}

enum err
rocks_versions(struct kv *kv, const struct account_id *accounts, size_t count,
    uint64_t *versions_out)
{
	struct rocks *r = rocks_of(kv);
	rocksdb_readoptions_t *o = read_options(TIER_ALL, atomic_load(&r->settled));
	enum err e = ERR_OK;

	for (size_t i = 0; i < count && e == ERR_OK; i++)
		e = rocks_version_get(r, o, TIER_ALL, accounts[i], &versions_out[i]);
	rocksdb_readoptions_destroy(o);
	return e;
}

/* ---- loads */

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
	e = row_get(l->r, l->options, l->tier, (enum rocks_cf)range->kind,
	    str_make(key, KV_ACCOUNT_KEY + range->from.n), &s);
	if (e == ERR_OK && s != NULL) {
		kv_rows_add(l->rows, at, range->from, slice_str(s));
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

static enum err
range_load(struct load *l, const struct kv_range *range, size_t at)
{
	struct account_id end = { range->to.p != NULL ? l->account.v : l->account.v + 1 };
	size_t from_n = size_add(KV_ACCOUNT_KEY, range->from.n),
	       to_n = size_add(KV_ACCOUNT_KEY, range->to.n);
	char *from = xmalloc(size_add(from_n, to_n)), *to = from + from_n;
	rocksdb_readoptions_t *o = read_options(l->tier, l->snapshot);
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
	if (l->tier == TIER_ALL && !range->is_reverse && range->limit == 0)
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
load_try(struct rocks *r, enum rocks_tier tier, struct account_id account,
    const struct kv_range *ranges, size_t count, struct kv_rows **rows_out)
{
	struct load l = { .r = r, .account = account, .tier = tier };
	const rocksdb_snapshot_t *settled = atomic_load(&r->settled);
	const bool is_timeless = count > 0 && ranges[0].is_timeless;
	uint64_t version = 0;
	enum err e = ERR_OK;

	l.snapshot = settled != NULL || is_timeless ? settled : rocksdb_create_snapshot(r->db);
	l.options = read_options(tier, l.snapshot);
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

void
rocks_job_add(struct rocks *r, struct rocks_job *j)
{
	list_init(&j->node);
	pthread_mutex_lock(&r->read_lock);
	list_add_tail(&r->jobs, &j->node);
	pthread_cond_signal(&r->jobs_changed);
	pthread_mutex_unlock(&r->read_lock);
}

static int64_t
now_us(void)
{
	return clock_system()->mono_us(clock_system());
}

void
rocks_job_ahead(struct rocks *r, struct account_id account, struct rocks_job *j)
{
	struct rocks_ahead *to;

	j->lane = (struct lane_item){ 0 };
	j->account = account.v;
	pthread_mutex_lock(&r->read_lock);
	/* What was spent is noted in one of them, wherever it was. */
	to = lanes_has_overspent(&r->ahead.lanes, account.v, now_us()) ? &r->late : &r->ahead;
	lanes_add(&to->lanes, &j->lane, account.v);
	pthread_cond_signal(&to->changed);
	pthread_mutex_unlock(&r->read_lock);
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

	rocks_env_reading(r->env, now_us() + READING_US);
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
	/* A mailbox that is loaded in parts is waited for. */
	if (count > 0 && ranges[0].is_bulk)
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

/* ---- message bytes */

/* A part of a message that was found: the chunk that has it, and where in it. */
struct found {
	struct kv_bytes *chunk;
	uint32_t no;
	size_t at;
	bool is_kept;
};

static struct kv_bytes *
unpacked_find(struct rocks *r, const struct blob_id *id, uint32_t no)
{
	struct kv_bytes *found = NULL;

	pthread_mutex_lock(&r->unpacked_lock);
	for (unsigned i = 0; i < UNPACKED_KEPT && found == NULL; i++)
		if (r->unpacked[i].bytes != NULL && r->unpacked[i].no == no
		    && memcmp(&r->unpacked[i].id, id, sizeof(*id)) == 0)
			found = kv_bytes_ref(r->unpacked[i].bytes);
	pthread_mutex_unlock(&r->unpacked_lock);
	return found;
}

static void
unpacked_keep(struct rocks *r, const struct blob_id *id, uint32_t no, struct kv_bytes *bytes)
{
	struct kv_bytes *old;
	struct unpacked *u;

	pthread_mutex_lock(&r->unpacked_lock);
	u = &r->unpacked[r->unpacked_next++ % UNPACKED_KEPT];
	old = u->bytes;
	*u = (struct unpacked){ *id, no, kv_bytes_ref(bytes) };
	pthread_mutex_unlock(&r->unpacked_lock);
	kv_bytes_unref(old);
}

static enum err
blob_row_try(struct rocks *r, const rocksdb_readoptions_t *o, enum rocks_tier tier,
    const struct blob_id *id, struct blob_row *row_out)
{
	rocksdb_pinnableslice_t *s;
	enum err e = row_get(r, o, tier, CF_BLOB, str_make(id->sha256, sizeof(id->sha256)), &s);

	if (e != ERR_OK)
		return e;
	if (s == NULL)
		return ERR_CORRUPT;
	e = blob_row_decode(slice_str(s), row_out);
	rocksdb_pinnableslice_destroy(s);
	return e;
}

static enum err
chunk_try(struct rocks *r, const rocksdb_readoptions_t *o, enum rocks_tier tier,
    const struct blob_row *row, uint32_t no, struct kv_bytes **out)
{
	rocksdb_pinnableslice_t *s;
	char key[12];
	enum err e;

	chunk_key_put(key, row->stage_id, no);
	e = row_get(r, o, tier, chunk_cf(row), str_make(key, sizeof(key)), &s);
	if (e != ERR_OK)
		return e;
	if (s == NULL)
		return ERR_CORRUPT;
	e = kv_chunk_decode(&r->kv.codecs, slice_str(s), out);
	rocksdb_pinnableslice_destroy(s);
	return e;
}

/*
 * By its place alone. ERR_NOTFOUND: the blob is not there, or not whole, and its row has to be asked.
 */
static enum err
placed_find(struct rocks *r, const rocksdb_readoptions_t *o, enum rocks_tier tier,
    const struct blob_id *id, uint64_t place, uint64_t offset, struct found *out)
{
	struct found f = { .chunk = unpacked_find(r, id, 0), .is_kept = true };
	rocksdb_pinnableslice_t *s = NULL;
	char key[12];
	enum err e = ERR_OK;

	if (f.chunk == NULL) {
		f.is_kept = false;
		chunk_key_put(key, place, 0);
		e = row_get(r, o, tier, CF_CHUNK, str_make(key, sizeof(key)), &s);
	}
	if (e == ERR_WAIT)
		return e;
	if (e == ERR_OK && s != NULL && kv_chunk_is_of(slice_str(s), id))
		ignore_err(kv_chunk_decode(&r->kv.codecs, slice_str(s), &f.chunk),
		    "then there is no chunk");
	if (s != NULL)
		rocksdb_pinnableslice_destroy(s);
	if (f.chunk == NULL)
		return ERR_NOTFOUND;
	if (offset >= f.chunk->s.n) {
		const bool is_whole = f.chunk->s.n < KV_CHUNK_BYTES;

		kv_bytes_unref(f.chunk);
		return is_whole ? ERR_END : ERR_NOTFOUND;
	}
	f.at = (size_t)offset;
	*out = f;
	return ERR_OK;
}

/*
 * One snapshot for row and chunk is not needed: a row that was read names chunks that live for the
 * grace period.
 */
static enum err
named_find(struct rocks *r, const rocksdb_readoptions_t *o, enum rocks_tier tier,
    const struct blob_id *id, uint64_t offset, struct found *out)
{
	struct blob_row row;
	struct found f;
	enum err e = blob_row_try(r, o, tier, id, &row);
	size_t whole;

	if (e != ERR_OK)
		return e;
	if (offset >= row.length)
		return ERR_END;
	f.no = (uint32_t)(offset / row.chunk_bytes);
	f.at = (size_t)(offset % row.chunk_bytes);
	whole = (size_t)MIN(row.chunk_bytes, row.length - (uint64_t)f.no * row.chunk_bytes);
	f.chunk = unpacked_find(r, id, f.no);
	f.is_kept = f.chunk != NULL;
	if (f.chunk == NULL)
		e = chunk_try(r, o, tier, &row, f.no, &f.chunk);
	if (e != ERR_OK)
		return e;
	if (f.chunk->s.n != whole) {
		kv_bytes_unref(f.chunk);
		return ERR_CORRUPT;
	}
	*out = f;
	return ERR_OK;
}

static enum err
blob_try(struct rocks *r, enum rocks_tier tier, const struct blob_id *id, uint64_t place,
    uint64_t offset, size_t length, struct kv_bytes **bytes_out)
{
	rocksdb_readoptions_t *o = read_options(tier, NULL);
	enum err e = ERR_NOTFOUND;
	struct found f;

	if (place != 0)
		e = placed_find(r, o, tier, id, place, offset, &f);
	if (e == ERR_NOTFOUND)
		e = named_find(r, o, tier, id, offset, &f);
	rocksdb_readoptions_destroy(o);
	if (e != ERR_OK)
		return e;
	if (f.at == 0 && length >= f.chunk->s.n) {
		*bytes_out = f.chunk;
		return ERR_OK;
	}
	*bytes_out = kv_bytes_part(f.chunk,
	    str_sub(f.chunk->s, f.at, f.at + MIN(length, f.chunk->s.n - f.at)));
	if (!f.is_kept)
		unpacked_keep(r, id, f.no, f.chunk);
	kv_bytes_unref(f.chunk);
	return ERR_OK;
}

struct blob_wait {
	struct rocks_job job;
	struct rocks *r;
	struct blob_id id;
	uint64_t place, offset;
	size_t length;
	kv_blob_fn *fn;
	void *ctx;
};

static void
blob_wait_run(struct rocks_job *job)
{
	struct blob_wait *w = container_of(job, struct blob_wait, job);
	struct kv_bytes *bytes = NULL;
	enum err e = blob_try(w->r, TIER_ALL, &w->id, w->place, w->offset, w->length, &bytes);

	w->fn(w->ctx, e, bytes);
	free(w);
}

enum err
rocks_blob_read(struct kv *kv, const struct blob_id *id, uint64_t place, uint64_t offset,
    size_t length, struct kv_bytes **bytes_out, kv_blob_fn *fn, void *ctx)
{
	struct rocks *r = rocks_of(kv);
	enum err e = blob_try(r, TIER_CACHE, id, place, offset, length, bytes_out);
	struct blob_wait *w;

	atomic_fetch_add_explicit(&r->stat_blob_reads, 1, memory_order_relaxed);
	if (e != ERR_WAIT)
		return e;
	w = xcalloc(1, sizeof(*w));
	*w = (struct blob_wait){ .job.run = blob_wait_run,
		.r = r,
		.id = *id,
		.place = place,
		.offset = offset,
		.length = length,
		.fn = fn,
		.ctx = ctx };
	rocks_job_add(r, &w->job);
	return ERR_WAIT;
}

enum err
rocks_blob_read_now(struct kv *kv, const struct blob_id *id, uint64_t place, uint64_t offset,
    size_t length, struct kv_bytes **bytes_out)
{
	struct rocks *r = rocks_of(kv);
	rocksdb_readoptions_t *o = read_options(TIER_ALL, NULL);
	rocksdb_pinnableslice_t *s = NULL;
	struct kv_bytes *found;
	enum err e = row_get(r, o, TIER_ALL, CF_BLOB, str_make(id->sha256, sizeof(id->sha256)), &s);

	atomic_fetch_add_explicit(&r->stat_blob_reads, 1, memory_order_relaxed);
	rocksdb_readoptions_destroy(o);
	if (e == ERR_OK && s == NULL)
		e = ERR_NOTFOUND;
	if (s != NULL)
		rocksdb_pinnableslice_destroy(s);
	if (e == ERR_OK)
		e = blob_try(r, TIER_ALL, id, 0, offset, length, bytes_out);
	if (place != 0 && (e == ERR_NOTFOUND || e == ERR_CORRUPT || e == ERR_IO)) {
		enum err placed = blob_try(r, TIER_ALL, id, place, offset, length, &found);

		if (placed == ERR_OK)
			*bytes_out = found;
		if (placed == ERR_OK || placed == ERR_END)
			return placed;
	}
	return e;
}

/* ---- reader threads */

/* The next that is waited for, or NULL when the readers end; locked. */
static struct rocks_job *
job_next(struct rocks *r)
{
	struct rocks_job *j;

	while (list_is_empty(&r->jobs) && !r->readers_end)
		pthread_cond_wait(&r->jobs_changed, &r->read_lock);
	j = list_first(&r->jobs, struct rocks_job, node);
	if (j != NULL)
		list_remove(&j->node);
	return j;
}

/* Without the lock. */
static void
job_run(struct rocks *r, struct rocks_job *j)
{
	rocks_env_reading(r->env, now_us() + READING_US);
	j->run(j);
}

static void
jobs_run(struct rocks *r)
{
	struct rocks_job *j;

	pthread_mutex_lock(&r->read_lock);
	while ((j = job_next(r)) != NULL) {
		pthread_mutex_unlock(&r->read_lock);
		job_run(r, j);
		pthread_mutex_lock(&r->read_lock);
	}
	pthread_mutex_unlock(&r->read_lock);
}

static struct rocks_job *
ahead_next(struct rocks *r, struct rocks_ahead *a)
{
	struct lane_item *i;

	while (lanes_is_empty(&a->lanes) && !r->readers_end)
		pthread_cond_wait(&a->changed, &r->read_lock);
	i = lanes_take(&a->lanes);
	return i != NULL ? container_of(i, struct rocks_job, lane) : NULL;
}

/* Whoever has much read ahead pays for it. */
static void
ahead_jobs_run(struct rocks *r, struct rocks_ahead *a)
{
	struct rocks_job *j;

	pthread_mutex_lock(&r->read_lock);
	while ((j = ahead_next(r, a)) != NULL) {
		const uint64_t account = j->account;
		const int64_t began_us = clock_thread_us();

		pthread_mutex_unlock(&r->read_lock);
		job_run(r, j);
		pthread_mutex_lock(&r->read_lock);
		lanes_spend(&r->ahead.lanes, account, now_us(), clock_thread_us() - began_us);
	}
	pthread_mutex_unlock(&r->read_lock);
}

static void *
reader_run(void *arg)
{
	thread_begin("kv-read", THREAD_STEADY);
	rocksdb_set_perf_level(rocksdb_disable);
	heap_prepare(HEAP_BYTES);
	jobs_run(arg);
	return NULL;
}

static void *
ahead_run(void *arg)
{
	thread_begin("kv-ahead", THREAD_STEADY);
	rocksdb_set_perf_level(rocksdb_disable);
	heap_prepare(HEAP_BYTES);
	ahead_jobs_run(arg, &((struct rocks *)arg)->ahead);
	return NULL;
}

static void *
late_run(void *arg)
{
	thread_begin("kv-late", THREAD_PATIENT);
	rocksdb_set_perf_level(rocksdb_disable);
	heap_prepare(HEAP_BYTES);
	ahead_jobs_run(arg, &((struct rocks *)arg)->late);
	return NULL;
}

enum err
rocks_readers_start(struct rocks *r)
{
	static void *(*const runs[])(void *arg) = { reader_run, ahead_run, late_run };
	const unsigned count = r->options.reader_threads != 0 ? r->options.reader_threads : 2;

	r->readers = xcalloc(ARRAY_LEN(runs) * count, sizeof(*r->readers));
	for (; r->reader_count < ARRAY_LEN(runs) * count; r->reader_count++) {
		if (pthread_create(&r->readers[r->reader_count], NULL,
			runs[r->reader_count / count], r)
		    != 0)
			return ERR_NOMEM;
	}
	return ERR_OK;
}

void
rocks_readers_stop(struct rocks *r)
{
	pthread_mutex_lock(&r->read_lock);
	r->readers_end = true;
	pthread_cond_broadcast(&r->jobs_changed);
	pthread_cond_broadcast(&r->ahead.changed);
	pthread_cond_broadcast(&r->late.changed);
	pthread_mutex_unlock(&r->read_lock);
	for (unsigned i = 0; i < r->reader_count; i++)
		pthread_join(r->readers[i], NULL);
	free(r->readers);
	for (unsigned i = 0; i < UNPACKED_KEPT; i++)
		kv_bytes_unref(r->unpacked[i].bytes);
}
