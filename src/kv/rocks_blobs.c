/*
 * rocks_blobs.c - small blobs read together, on a reader thread: those whose places are known by
 * their places, of which neighbours are gone through with an iterator; of the others, and of what is
 * not where it should be, first all rows, then all chunks. So tables are gone through once. What is
 * read so comes once and in bulk, so chunks are not kept in the cache: what others read stays there.
 */
#include "base/size.h"
#include "kv/rocks_int.h"

#include <stdlib.h>

/* One lookup of many keys. Values are NULL where there is none, or it can't be read. */
struct lookup {
	size_t count;
	const char **keys;
	size_t *lengths;
	rocksdb_pinnableslice_t **values;
	char **messages;
};

static void
lookup_init(struct lookup *l, struct arena *a, size_t most)
{
	l->count = 0;
	l->keys = arena_array(a, const char *, most);
	l->lengths = arena_array(a, size_t, most);
	l->values = arena_array(a, rocksdb_pinnableslice_t *, most);
	l->messages = arena_array(a, char *, most);
}

static void
lookup_add(struct lookup *l, const void *key, size_t n)
{
	l->keys[l->count] = key;
	l->lengths[l->count++] = n;
}

static void
lookup_run(struct rocks *r, struct lookup *l, enum rocks_cf cf, bool fills_cache)
{
	rocksdb_readoptions_t *o;

	if (l->count == 0)
		return;
	o = rocksdb_readoptions_create();
	rocksdb_readoptions_set_fill_cache(o, fills_cache);
	rocksdb_batched_multi_get_cf(r->db, o, r->cf[cf], l->count, l->keys, l->lengths, l->values,
	    l->messages, false);
	rocksdb_readoptions_destroy(o);
	for (size_t i = 0; i < l->count; i++) {
		if (l->messages[i] == NULL)
			continue;
		rocksdb_free(l->messages[i]); /* who asks for it alone is told */
		if (l->values[i] != NULL)
			rocksdb_pinnableslice_destroy(l->values[i]);
		l->values[i] = NULL;
	}
}

static struct str
lookup_value(const struct lookup *l, size_t i)
{
	struct str s = STR_NONE;

	if (l->values[i] != NULL)
		s.p = rocksdb_pinnableslice_value(l->values[i], &s.n);
	return s;
}

static void
lookup_done(struct lookup *l)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->values[i] != NULL)
			rocksdb_pinnableslice_destroy(l->values[i]);
}

/* What is being read. */
struct reading {
	struct rocks *r;
	struct arena arena;
	const struct kv_blob_ref *refs;
	size_t count;
	struct kv_blobs *blobs;
	char **to; /* where the bytes of each go */
};

/* A chunk that is all of a blob. */
struct wanted {
	size_t at; /* in what was asked for */
	uint64_t stage_id;
	char key[12];
};

static void
wanted_set(struct wanted *w, size_t at, uint64_t stage_id)
{
	w->at = at;
	w->stage_id = stage_id;
	chunk_key_put(w->key, stage_id, 0);
}

static void
chunk_take(struct reading *x, const struct wanted *w, struct str stored)
{
	const struct kv_blob_ref *ref = &x->refs[w->at];
	size_t length;

	if (kv_chunk_length(stored, &length) == ERR_OK && length == ref->length
	    && kv_chunk_unpack(&x->r->kv.codecs, stored, x->to[w->at]) == ERR_OK)
		x->blobs->bytes[w->at] = str_make(x->to[w->at], length);
}

static void
chunks_look_up(struct reading *x, const struct wanted *wanted, size_t n, bool are_places)
{
	struct lookup chunks;

	lookup_init(&chunks, &x->arena, n);
	for (size_t i = 0; i < n; i++)
		lookup_add(&chunks, wanted[i].key, sizeof(wanted[i].key));
	lookup_run(x->r, &chunks, CF_CHUNK, false);
	for (size_t i = 0; i < n; i++) {
		struct str stored = lookup_value(&chunks, i);

		if (stored.p != NULL
		    && (!are_places || kv_chunk_is_of(stored, &x->refs[wanted[i].at].id)))
			chunk_take(x, &wanted[i], stored);
	}
	lookup_done(&chunks);
}

/* ---- by their places */

/* Of places so near to each other that going through the rows is faster than looking up each. */
#define RUN_GAP_MAX 2u
#define RUN_MIN 4u

static int
wanted_order(const void *a, const void *b)
{
	uint64_t x = ((const struct wanted *)a)->stage_id, y = ((const struct wanted *)b)->stage_id;

	return (x > y) - (x < y);
}

/* Else RocksDB reads block by block, and has the kernel read ahead before each. */
#define CHUNKS_AT_ONCE_BYTES (32u * 1024)

/*
 * No ranges are deleted in CF_CHUNK, and without them iterators tell of every table that can't be
 * read (rocks_bounds.c); what they pass over is looked up by name.
 */
static rocksdb_iterator_t *
chunk_iterator(struct rocks *r, rocksdb_readoptions_t *o)
{
	rocksdb_readoptions_set_ignore_range_deletions(o, 1);
	rocksdb_readoptions_set_fill_cache(o, 0);
	rocksdb_readoptions_set_readahead_size(o, CHUNKS_AT_ONCE_BYTES);
	return rocksdb_create_iterator_cf(r->db, o, r->cf[CF_CHUNK]);
}

static void
run_read(struct reading *x, rocksdb_iterator_t *it, const struct wanted *wanted, size_t n)
{
	rocksdb_iter_seek(it, wanted[0].key, sizeof(wanted[0].key));
	for (size_t i = 0; i < n && rocksdb_iter_valid(it);) {
		struct str key, stored;
		int order;

		key.p = rocksdb_iter_key(it, &key.n);
		order = str_cmp(key, str_make(wanted[i].key, sizeof(wanted[i].key)));
		if (order < 0) {
			rocksdb_iter_next(it);
			continue;
		}
		if (order == 0) {
			stored.p = rocksdb_iter_value(it, &stored.n);
			if (kv_chunk_is_of(stored, &x->refs[wanted[i].at].id))
				chunk_take(x, &wanted[i], stored);
		}
		i++;
	}
}

static void
placed_read(struct reading *x)
{
	struct wanted *wanted = arena_array(&x->arena, struct wanted, x->count + 1);
	rocksdb_readoptions_t *o = rocksdb_readoptions_create();
	rocksdb_iterator_t *it = NULL;
	size_t n = 0, singles = 0, end;

	for (size_t i = 0; i < x->count; i++)
		if (x->refs[i].place != 0 && x->to[i] != NULL)
			wanted_set(&wanted[n++], i, x->refs[i].place);
	for (size_t i = 1; i < n; i++) {
		if (wanted[i - 1].stage_id > wanted[i].stage_id) {
			qsort(wanted, n, sizeof(*wanted), wanted_order);
			break;
		}
	}
	for (size_t i = 0; i < n; i = end) {
		for (end = i + 1;
		     end < n && wanted[end].stage_id - wanted[end - 1].stage_id <= RUN_GAP_MAX + 1;)
			end++;
		if (end - i < RUN_MIN) {
			memmove(&wanted[singles], &wanted[i], (end - i) * sizeof(*wanted));
			singles += end - i;
			continue;
		}
		if (it == NULL)
			it = chunk_iterator(x->r, o);
		run_read(x, it, &wanted[i], end - i);
	}
	if (it != NULL)
		rocksdb_iter_destroy(it);
	rocksdb_readoptions_destroy(o);
	chunks_look_up(x, wanted, singles, true);
}

/* ---- by their names: those that have not come yet */

static void
named_read(struct reading *x)
{
	struct wanted *wanted = arena_array(&x->arena, struct wanted, x->count + 1);
	struct lookup rows;
	size_t n = 0, found = 0;

	lookup_init(&rows, &x->arena, x->count);
	for (size_t i = 0; i < x->count; i++) {
		if (x->to[i] == NULL || x->blobs->bytes[i].p != NULL)
			continue;
		wanted[n++].at = i;
		lookup_add(&rows, x->refs[i].id.sha256, sizeof(x->refs[i].id.sha256));
	}
	lookup_run(x->r, &rows, CF_BLOB, true);
	for (size_t i = 0; i < n; i++) {
		struct str value = lookup_value(&rows, i);
		struct blob_row row;

		if (value.p != NULL && blob_row_decode(value, &row) == ERR_OK && !row.is_long
		    && chunk_count(&row) == 1)
			wanted_set(&wanted[found++], wanted[i].at, row.stage_id);
	}
	lookup_done(&rows);
	chunks_look_up(x, wanted, found, false);
}

static struct kv_blobs *
blobs_read(struct rocks *r, const struct kv_blob_ref *refs, size_t count)
{
	struct reading x = { .r = r, .arena = ARENA_NONE, .refs = refs, .count = count };
	size_t total = 0;
	char *p;

	for (size_t i = 0; i < count; i++)
		if (refs[i].length <= KV_CHUNK_BYTES)
			total = size_add(total, (size_t)refs[i].length);
	x.blobs = kv_blobs_new(&r->kv, count, total, &p);
	x.to = arena_array(&x.arena, char *, count + 1);
	for (size_t i = 0; i < count; i++) {
		const bool is_small = refs[i].length <= KV_CHUNK_BYTES;

		x.to[i] = is_small ? p : NULL;
		p += is_small ? refs[i].length : 0;
	}
	placed_read(&x);
	named_read(&x);
	arena_done(&x.arena);
	return x.blobs;
}

struct blobs_wait {
	struct rocks_job job;
	struct rocks *r;
	kv_blobs_fn *fn;
	void *ctx;
	size_t count;
	struct kv_blob_ref refs[];
};

static void
blobs_wait_run(struct rocks_job *job)
{
	struct blobs_wait *w = container_of(job, struct blobs_wait, job);

	w->fn(w->ctx, blobs_read(w->r, w->refs, w->count));
	free(w);
}

enum err
rocks_blobs_load(struct kv *kv, struct account_id account, const struct kv_blob_ref *refs,
    size_t count, struct kv_blobs **blobs_out unused_arg, kv_blobs_fn *fn, void *ctx)
{
	struct blobs_wait *w = xcalloc(1, size_add(sizeof(*w), size_mul(count, sizeof(*refs))));

	w->job.run = blobs_wait_run;
	w->r = rocks_of(kv);
	w->fn = fn;
	w->ctx = ctx;
	w->count = count;
	memcpy(w->refs, refs, count * sizeof(*refs));
	atomic_fetch_add_explicit(&w->r->stat_blob_reads, count, memory_order_relaxed);
	rocks_job_ahead(w->r, account, &w->job);
	return ERR_WAIT;
}
