/*
 * rocks_bytes.c - a message's bytes, a chunk at a time: found by the place that its record has, or by
 * the row of the blob.
 */
#include "base/bytes.h"
#include "base/size.h"
#include "kv/rocks_int.h"

#include <stdlib.h>

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
	enum err e =
	    rocks_row_get(r, o, tier, CF_BLOB, str_make(id->sha256, sizeof(id->sha256)), &s);

	if (e != ERR_OK)
		return e;
	if (s == NULL)
		return ERR_CORRUPT;
	e = blob_row_decode(rocks_slice(s), row_out);
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
	e = rocks_row_get(r, o, tier, chunk_cf(row), str_make(key, sizeof(key)), &s);
	if (e != ERR_OK)
		return e;
	if (s == NULL)
		return ERR_CORRUPT;
	e = kv_chunk_decode(&r->kv.codecs, rocks_slice(s), out);
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
		e = rocks_row_get(r, o, tier, CF_CHUNK, str_make(key, sizeof(key)), &s);
	}
	if (e == ERR_WAIT)
		return e;
	if (e == ERR_OK && s != NULL && kv_chunk_is_of(rocks_slice(s), id))
		ignore_err(kv_chunk_decode(&r->kv.codecs, rocks_slice(s), &f.chunk),
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
	rocksdb_readoptions_t *o = rocks_read_options(tier, NULL);
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
	rocksdb_readoptions_t *o = rocks_read_options(TIER_ALL, NULL);
	rocksdb_pinnableslice_t *s = NULL;
	struct kv_bytes *found;
	enum err e =
	    rocks_row_get(r, o, TIER_ALL, CF_BLOB, str_make(id->sha256, sizeof(id->sha256)), &s);

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
