/*
 * rocks_blobs.c - small blobs read together, on a reader thread: first all their rows, then all
 * their chunks, so that tables are gone through once. What is read so comes once and in bulk, so
 * chunks are not kept in the cache: what others read stays there.
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

/* What is being read: the blobs that are one chunk. */
struct wanted {
	size_t at; /* in what was asked for */
	struct blob_row row;
	char key[12];
};

static size_t
rows_read(struct rocks *r, struct arena *a, const struct blob_id *ids, size_t count,
    struct wanted *wanted)
{
	struct lookup rows;
	size_t n = 0;

	lookup_init(&rows, a, count);
	for (size_t i = 0; i < count; i++)
		lookup_add(&rows, ids[i].sha256, sizeof(ids[i].sha256));
	lookup_run(r, &rows, CF_BLOB, true);
	for (size_t i = 0; i < count; i++) {
		struct wanted *w = &wanted[n];
		struct str row = lookup_value(&rows, i);

		if (row.p == NULL || blob_row_decode(row, &w->row) != ERR_OK || w->row.is_long
		    || chunk_count(&w->row) != 1)
			continue;
		w->at = i;
		chunk_key_put(w->key, w->row.stage_id, 0);
		n++;
	}
	lookup_done(&rows);
	return n;
}

static struct kv_blobs *
blobs_read(struct rocks *r, const struct blob_id *ids, size_t count, struct kv_blobs *old)
{
	struct arena a = ARENA_NONE;
	struct wanted *wanted = arena_array(&a, struct wanted, count + 1);
	size_t n = rows_read(r, &a, ids, count, wanted), total = 0;
	struct lookup chunks;
	struct kv_blobs *blobs;
	char *p;

	lookup_init(&chunks, &a, count + 1);
	for (size_t i = 0; i < n; i++)
		lookup_add(&chunks, wanted[i].key, sizeof(wanted[i].key));
	lookup_run(r, &chunks, CF_CHUNK, false);
	for (size_t i = 0; i < n; i++)
		total = size_add(total, (size_t)wanted[i].row.length);
	blobs = kv_blobs_new(old, count, total, &p);
	for (size_t i = 0; i < n; i++) {
		const size_t length = (size_t)wanted[i].row.length;
		struct str stored = lookup_value(&chunks, i);
		size_t found;

		if (stored.p == NULL || kv_chunk_length(stored, &found) != ERR_OK || found != length
		    || kv_chunk_unpack(&r->kv.codecs, stored, p) != ERR_OK)
			continue;
		blobs->bytes[wanted[i].at] = str_make(p, length);
		p += length;
	}
	lookup_done(&chunks);
	arena_done(&a);
	return blobs;
}

struct blobs_wait {
	struct rocks_job job;
	struct rocks *r;
	kv_blobs_fn *fn;
	void *ctx;
	struct kv_blobs *old;
	size_t count;
	struct blob_id ids[];
};

static void
blobs_wait_run(struct rocks_job *job)
{
	struct blobs_wait *w = container_of(job, struct blobs_wait, job);

	w->fn(w->ctx, blobs_read(w->r, w->ids, w->count, w->old));
	free(w);
}

enum err
rocks_blobs_load(struct kv *kv, struct account_id account, const struct blob_id *ids, size_t count,
    struct kv_blobs *old, struct kv_blobs **blobs_out unused_arg, kv_blobs_fn *fn, void *ctx)
{
	struct blobs_wait *w = xcalloc(1, size_add(sizeof(*w), size_mul(count, sizeof(*ids))));

	w->job.run = blobs_wait_run;
	w->r = rocks_of(kv);
	w->fn = fn;
	w->ctx = ctx;
	w->old = old;
	w->count = count;
	memcpy(w->ids, ids, count * sizeof(*ids));
	atomic_fetch_add_explicit(&w->r->stat_blob_reads, count, memory_order_relaxed);
	rocks_job_ahead(w->r, account, &w->job);
	return ERR_WAIT;
}
