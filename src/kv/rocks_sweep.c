/*
 * rocks_sweep.c - chunks of stages, and sweeping: of stages that ended without a blob, and of blobs
 * that nobody names. Runs in the committer, or before it begins.
 */
#include "base/bytes.h"
#include "kv/rocks_int.h"

/* In one step, for which commits wait. */
#define SWEEP_BLOBS 256u
#define SWEEP_STEP_US 1000

/*
 * No ranges are deleted in CF_META; in CF_LONG, older versions deleted those of such stages. Without
 * them iterators tell of every table that can't be read (rocks_bounds.c).
 */
static rocksdb_readoptions_t *
meta_read_options(void)
{
	rocksdb_readoptions_t *o = rocksdb_readoptions_create();

	rocksdb_readoptions_set_ignore_range_deletions(o, 1);
	return o;
}

/* ---- staging */

void
rocks_chunk_put(struct rocks *r, const struct kv_chunk *c)
{
	char key[12], marker[9];

	if (c->no == 0) {
		marker[0] = META_STAGE;
		put_be64(marker + 1, c->stage_id);
		rocksdb_writebatch_put_cf(r->batch, r->cf[CF_META], marker, sizeof(marker), "", 0);
	}
	chunk_key_put(key, c->stage_id, c->no);
	rocksdb_writebatch_put_cf(r->batch, r->cf[CF_LONG], key, sizeof(key), c->value.p,
	    c->value.n);
}

void
rocks_stage_delete(struct rocks *r, uint64_t stage_id, uint32_t count)
{
	char key[12], marker[9];

	for (uint32_t no = 0; no < count; no++) {
		chunk_key_put(key, stage_id, no);
		rocksdb_writebatch_delete_cf(r->batch, r->cf[CF_LONG], key, sizeof(key));
	}
	marker[0] = META_STAGE;
	put_be64(marker + 1, stage_id);
	rocksdb_writebatch_delete_cf(r->batch, r->cf[CF_META], marker, sizeof(marker));
}

/* How many chunks the stage has; they were written in their order. */
static uint32_t
stage_chunks(struct rocks *r, uint64_t stage_id)
{
	rocksdb_readoptions_t *o = meta_read_options();
	rocksdb_iterator_t *it = rocksdb_create_iterator_cf(r->db, o, r->cf[CF_LONG]);
	uint32_t count = 0;
	char last[12];
	size_t n = 0;

	chunk_key_put(last, stage_id, UINT32_MAX);
	rocksdb_iter_seek_for_prev(it, last, sizeof(last));
	if (rocksdb_iter_valid(it)) {
		const char *key = rocksdb_iter_key(it, &n);

		if (n == sizeof(last) && get_be64(key) == stage_id)
			count = get_be32(key + 8) + 1;
	}
	rocksdb_iter_destroy(it);
	rocksdb_readoptions_destroy(o);
	return count;
}

enum err
rocks_stages_sweep(struct rocks *r)
{
	rocksdb_readoptions_t *o = meta_read_options();
	rocksdb_iterator_t *it = rocksdb_create_iterator_cf(r->db, o, r->cf[CF_META]);
	const char first = META_STAGE;
	char *message = NULL;
	enum err e;

	for (rocksdb_iter_seek(it, &first, 1); rocksdb_iter_valid(it); rocksdb_iter_next(it)) {
		size_t n;
		const char *key = rocksdb_iter_key(it, &n);

		if (n != 9 || key[0] != META_STAGE)
			break;
		rocks_stage_delete(r, get_be64(key + 1), stage_chunks(r, get_be64(key + 1)));
	}
	rocksdb_iter_get_error(it, &message);
	e = rocks_read_err(message);
	rocksdb_iter_destroy(it);
	rocksdb_readoptions_destroy(o);
	if (e == ERR_OK && rocksdb_writebatch_count(r->batch) > 0)
		return rocks_batch_write(r, false);
	rocksdb_writebatch_clear(r->batch);
	return e == ERR_CORRUPT ? ERR_OK : e; /* what damage hides only takes room */
}

/* ---- sweeping */

/*
 * Into the batch: the end of a blob whose 'z' row this is. ERR_CORRUPT: its row can't be read, and
 * nothing is done.
 */
static enum err
blob_delete(struct rocks *r, const char key[UNLINKED_KEY_BYTES], uint64_t *swept)
{
	struct blob_row row = { 0 };
	struct blob_id id;
	enum err e;

	memcpy(id.sha256, key + 9, sizeof(id.sha256));
	e = blob_row_get(r, &id, &row);
	if (e != ERR_OK && e != ERR_NOTFOUND)
		return e;
	rocksdb_writebatch_delete_cf(r->batch, r->cf[CF_META], key, UNLINKED_KEY_BYTES);
	if (e == ERR_NOTFOUND)
		return ERR_OK;
	if (row.links > 0 || row.is_doubtful || row.unlinked_ms != (int64_t)get_be64(key + 1))
		return ERR_OK;
	chunks_delete(r, &row);
	rocksdb_writebatch_delete_cf(r->batch, r->cf[CF_BLOB], (const char *)id.sha256,
	    sizeof(id.sha256));
	*swept += row.length;
	return ERR_OK;
}

/*
 * The blobs that a step gets to, into the batch. One whose row can't be read only takes room, and does
 * not keep the others.
 */
static enum err
sweep_some(struct rocks *r, int64_t before_ms, struct sweep *s, rocksdb_iterator_t *it)
{
	const int64_t end_us = clock_system()->mono_us(clock_system()) + SWEEP_STEP_US;
	char *message = NULL;

	s->is_more = false;
	rocksdb_iter_seek(it, s->from, sizeof(s->from));
	for (unsigned count = 0; rocksdb_iter_valid(it); count++) {
		size_t n;
		const char *key = rocksdb_iter_key(it, &n);

		if (n != sizeof(s->from) || key[0] != META_UNLINKED
		    || (int64_t)get_be64(key + 1) > before_ms)
			break;
		if (count == SWEEP_BLOBS
		    || (count > 0 && clock_system()->mono_us(clock_system()) >= end_us)) {
			memcpy(s->from, key, sizeof(s->from));
			s->is_more = true;
			break;
		}
		ignore_err(blob_delete(r, key, &s->bytes), "verify tells of it");
		rocksdb_iter_next(it);
	}
	rocksdb_iter_get_error(it, &message);
	return rocks_read_err(message);
}

enum err
rocks_sweep_step(struct rocks *r, int64_t before_ms, struct sweep *s)
{
	rocksdb_readoptions_t *o = meta_read_options();
	rocksdb_iterator_t *it = rocksdb_create_iterator_cf(r->db, o, r->cf[CF_META]);
	const uint64_t before = s->bytes;
	enum err e = sweep_some(r, before_ms, s, it), written = ERR_OK;

	rocksdb_iter_destroy(it);
	rocksdb_readoptions_destroy(o);
	/*
	 * Not synced: until the next sync the bytes may come back without links, and be swept
	 * again.
	 */
	if (rocksdb_writebatch_count(r->batch) > 0)
		written = rocks_batch_write(r, false);
	if (written == ERR_OK && s->bytes > before)
		rocks_tidy_note(r, s->bytes - before);
	e = e == ERR_OK ? written : e;
	if (e != ERR_OK || !s->is_more)
		*s = (struct sweep){ .from = { META_UNLINKED }, .bytes = s->bytes };
	return e;
}

struct sweep_request {
	struct rocks_request q;
	struct rocks *r;
	uint64_t grace_ms;
	struct sweep sweep;
	enum err e;
};

static void
sweep_run(struct rocks_request *q)
{
	struct sweep_request *s = container_of(q, struct sweep_request, q);
	int64_t before = s->r->kv.clock->wall_ms(s->r->kv.clock) - (int64_t)s->grace_ms;

	do
		s->e = rocks_sweep_step(s->r, before, &s->sweep);
	while (s->e == ERR_OK && s->sweep.is_more);
}

enum err
rocks_blob_sweep(struct kv *kv, uint64_t grace_ms, uint64_t *swept_bytes_out)
{
	struct sweep_request s = { .q.run = sweep_run,
		.r = rocks_of(kv),
		.grace_ms = grace_ms,
		.sweep.from = { META_UNLINKED } };

	if (s.r->options.read_only)
		return ERR_READONLY;
	list_init(&s.q.node);
	rocks_request(s.r, &s.q);
	*swept_bytes_out = s.sweep.bytes;
	return s.e;
}
