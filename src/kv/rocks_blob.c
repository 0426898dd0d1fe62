/*
 * rocks_blob.c - blobs: rows with their links, staging, sweeping. Everything that writes runs in
 * the committer, so links need no lock and whether a blob is new is decided in one place. The rows
 * of the blobs that a batch touches are kept in memory (r->blobs) until the batch is complete,
 * however many of its transactions link them.
 */
#include "base/bytes.h"
#include "kv/rocks_int.h"

#include <stdlib.h>

#define ROW_FORMAT 1
#define FLAG_DOUBTFUL 1
#define FLAG_LONG 2
#define FLAG_NAMED 4
/* In one step, for which commits wait. */
#define SWEEP_BLOBS 256u
#define SWEEP_STEP_US 1000

/* A blob that the batch being made looks at. */
struct pending_blob {
	struct list node;
	struct blob_id id;
	struct blob_row row, was;
	bool is_there, was_there, is_changed;
	bool is_damaged;                  /* its row can't be read */
	const struct kv_commit *promised; /* the commit that brings the bytes */
};

/* ---- rows */

enum err
blob_row_decode(struct str value, struct blob_row *row_out)
{
	if (value.n != BLOB_ROW_BYTES || value.p[0] != ROW_FORMAT)
		return ERR_CORRUPT;
	row_out->is_doubtful = (value.p[1] & FLAG_DOUBTFUL) != 0;
	row_out->is_long = (value.p[1] & FLAG_LONG) != 0;
	row_out->is_named = (value.p[1] & FLAG_NAMED) != 0;
	row_out->chunk_bytes = get_le32(value.p + 4);
	row_out->length = get_le64(value.p + 8);
	row_out->links = get_le64(value.p + 16);
	row_out->stage_id = get_le64(value.p + 24);
	row_out->unlinked_ms = (int64_t)get_le64(value.p + 32);
	return row_out->chunk_bytes == 0 ? ERR_CORRUPT : ERR_OK;
}

static void
blob_row_encode(const struct blob_row *row, char value[BLOB_ROW_BYTES])
{
	memset(value, 0, BLOB_ROW_BYTES);
	value[0] = ROW_FORMAT;
	value[1] = (char)((row->is_doubtful ? FLAG_DOUBTFUL : 0) | (row->is_long ? FLAG_LONG : 0)
	    | (row->is_named ? FLAG_NAMED : 0));
	put_le32(value + 4, row->chunk_bytes);
	put_le64(value + 8, row->length);
	put_le64(value + 16, row->links);
	put_le64(value + 24, row->stage_id);
	put_le64(value + 32, (uint64_t)row->unlinked_ms);
}

enum rocks_cf
chunk_cf(const struct blob_row *row)
{
	return row->is_long ? CF_LONG : CF_CHUNK;
}

void
chunk_key_put(char key[12], uint64_t stage_id, uint32_t no)
{
	put_be64(key, stage_id);
	put_be32(key + 8, no);
}

static void
unlinked_key_put(char key[UNLINKED_KEY_BYTES], int64_t unlinked_ms, const struct blob_id *id)
{
	key[0] = META_UNLINKED;
	put_be64(key + 1, (uint64_t)unlinked_ms);
	memcpy(key + 9, id->sha256, sizeof(id->sha256));
}

uint32_t
chunk_count(const struct blob_row *row)
{
	return (uint32_t)MAX((row->length + row->chunk_bytes - 1) / row->chunk_bytes, 1);
}

/* ERR_NOTFOUND when there is no such row. */
static enum err
blob_row_get(struct rocks *r, const struct blob_id *id, struct blob_row *row_out)
{
	rocksdb_readoptions_t *o = rocksdb_readoptions_create();
	char *message = NULL;
	rocksdb_pinnableslice_t *s = rocksdb_get_pinned_cf(r->db, o, r->cf[CF_BLOB],
	    (const char *)id->sha256, sizeof(id->sha256), &message);
	enum err e = rocks_read_err(message);
	size_t n;

	rocksdb_readoptions_destroy(o);
	if (e == ERR_OK && s == NULL)
		return ERR_NOTFOUND;
	if (e == ERR_OK) {
		const char *p = rocksdb_pinnableslice_value(s, &n);

		e = blob_row_decode(str_make(p, n), row_out);
	}
	rocksdb_pinnableslice_destroy(s);
	return e;
}

/* ---- the batch's view of them */

static bool
pending_eq(const void *item, const void *key)
{
	return memcmp(((const struct pending_blob *)item)->id.sha256, key, sizeof(struct blob_id))
	    == 0;
}

static uint64_t
blob_hash(const struct blob_id *id)
{
	return get_le64(id->sha256); /* a digest is as good as any hash of it */
}

/*
 * The batch's copy of a row, read on the first call. A disk that can't read it is no reason to refuse
 * who makes it anew.
 */
static enum err
pending_find(struct rocks *r, const struct blob_id *id, bool is_adopted, struct pending_blob **out)
{
	struct pending_blob *p;
	enum err e;

	if (r->blobs.eq == NULL)
		hash_init(&r->blobs, pending_eq);
	p = hash_find(&r->blobs, blob_hash(id), id->sha256);
	if (p == NULL) {
		p = xcalloc(1, sizeof(*p));
		e = blob_row_get(r, id, &p->row);
		if (e == ERR_IO && is_adopted)
			e = ERR_CORRUPT;
		if (e != ERR_OK && e != ERR_NOTFOUND && e != ERR_CORRUPT) {
			free(p);
			return e;
		}
		p->is_damaged = e == ERR_CORRUPT;
		p->id = *id;
		p->is_there = p->was_there = e == ERR_OK;
		p->was = p->row;
		hash_insert(&r->blobs, blob_hash(id), p);
		list_add_tail(&r->pending, &p->node);
	}
	*out = p;
	return ERR_OK;
}

/* The chunk at its place is all of the blob. */
static bool
is_at_place(struct rocks *r, const struct kv_link_op *l)
{
	rocksdb_readoptions_t *o = rocksdb_readoptions_create();
	char key[12], *message = NULL, *value;
	size_t n = 0, length;
	bool is;

	chunk_key_put(key, l->place, 0);
	value = rocksdb_get_cf(r->db, o, r->cf[CF_CHUNK], key, sizeof(key), &n, &message);
	rocksdb_readoptions_destroy(o);
	is = rocks_read_err(message) == ERR_OK && value != NULL
	    && kv_chunk_is_of(str_make(value, n), &l->id)
	    && kv_chunk_length(str_make(value, n), &length) == ERR_OK && length == l->length;
	rocksdb_free(value);
	return is;
}

static bool
brings_bytes(struct rocks *r, const struct kv_link_op *l)
{
	if (l->place != 0)
		return is_at_place(r, l);
	/* The chunks of a long stage went with a blob that has been swept since: they are no more. */
	return l->stage != NULL
	    && (kv_stage_is_whole(l->stage) || !atomic_load(&l->stage->is_linked));
}

enum err
rocks_links_check(struct rocks *r, const struct kv_commit *c)
{
	for (size_t i = 0; i < c->count; i++) {
		const struct kv_txn *t = c->txns[i];

		for (size_t j = 0; j < t->link_count; j++) {
			const struct kv_link_op *l = &t->links[j];
			struct pending_blob *p;
			enum err e = pending_find(r, &l->id, l->place != 0, &p);

			if (e != ERR_OK)
				return e;
			if (l->delta < 0 || p->is_there || p->promised == c)
				continue;
			if (!brings_bytes(r, l))
				return ERR_CORRUPT;
			p->promised = c;
		}
	}
	return ERR_OK;
}

/* A new blob: the chunks that the stage wrote are named, and its last one is written. */
static void
blob_add(struct rocks *r, struct pending_blob *p, struct kv_stage *s)
{
	char key[12], marker[9];

	/*
	 * When the row was damaged, its links are not known: the bytes that come again are never
	 * swept.
	 */
	p->row = (struct blob_row){ .chunk_bytes = KV_CHUNK_BYTES,
		.length = s->length,
		.is_doubtful = p->is_damaged };
	if (kv_stage_is_whole(s)) {
		p->row.stage_id = r->kv.ops->stage_id(&r->kv);
		p->row.is_named = true;
	} else {
		p->row.stage_id = s->stage_id;
		p->row.is_long = true;
		marker[0] = META_STAGE;
		put_be64(marker + 1, s->stage_id);
		rocksdb_writebatch_delete_cf(r->batch, r->cf[CF_META], marker, sizeof(marker));
	}
	chunk_key_put(key, p->row.stage_id, s->chunks_written);
	rocksdb_writebatch_put_cf(r->batch, r->cf[chunk_cf(&p->row)], key, sizeof(key), s->stored.p,
	    s->stored.n);
	atomic_store(&s->is_linked, true);
	p->is_there = true;
}

/* A row for a blob whose chunk has been there all the time: nobody knows what links it had. */
static void
blob_adopt(struct pending_blob *p, const struct kv_link_op *l)
{
	p->row = (struct blob_row){ .chunk_bytes = KV_CHUNK_BYTES,
		.length = l->length,
		.stage_id = l->place,
		.is_named = true,
		.is_doubtful = true };
	p->is_there = true;
}

static void
link_apply(struct rocks *r, const struct kv_link_op *l)
{
	struct pending_blob *p;

	if (pending_find(r, &l->id, false, &p) != ERR_OK)
		return; /* the check found it */
	if (!p->is_there) {
		if (l->delta < 0)
			/*
			 * an unlink of what is not there: it must be possible to expunge a lost
			 * message
			 */
			return;
		if (l->place != 0)
			blob_adopt(p, l);
		else
			blob_add(r, p, l->stage);
	}
	if (l->delta < 0 && (uint64_t)-l->delta > p->row.links) {
		p->row.is_doubtful = true;
		p->row.links = 0;
	} else {
		p->row.links += (uint64_t)l->delta;
	}
	p->is_changed = true;
}

/* Links before unlinks, so that a blob that only moves never has none. */
void
rocks_links_apply(struct rocks *r, const struct kv_txn *t)
{
	for (size_t i = 0; i < t->link_count; i++)
		if (t->links[i].delta > 0)
			link_apply(r, &t->links[i]);
	for (size_t i = 0; i < t->link_count; i++)
		if (t->links[i].delta < 0)
			link_apply(r, &t->links[i]);
}

uint64_t
rocks_place(struct rocks *r, const struct blob_id *id)
{
	struct pending_blob *p;

	/* What can't be read now is found by its name. */
	if (pending_find(r, id, false, &p) != ERR_OK || !p->is_there || !p->row.is_named)
		return 0;
	return p->row.stage_id;
}

static void
pending_flush(struct rocks *r, struct pending_blob *p)
{
	char value[BLOB_ROW_BYTES], key[UNLINKED_KEY_BYTES];

	if (p->was_there && p->was.unlinked_ms != 0) {
		unlinked_key_put(key, p->was.unlinked_ms, &p->id);
		rocksdb_writebatch_delete_cf(r->batch, r->cf[CF_META], key, sizeof(key));
	}
	p->row.unlinked_ms = 0;
	if (p->row.links == 0 && !p->row.is_doubtful) {
		p->row.unlinked_ms = MAX(r->kv.clock->wall_ms(r->kv.clock), 1);
		unlinked_key_put(key, p->row.unlinked_ms, &p->id);
		rocksdb_writebatch_put_cf(r->batch, r->cf[CF_META], key, sizeof(key), "", 0);
	}
	blob_row_encode(&p->row, value);
	rocksdb_writebatch_put_cf(r->batch, r->cf[CF_BLOB], (const char *)p->id.sha256,
	    sizeof(p->id.sha256), value, sizeof(value));
}

void
rocks_links_flush(struct rocks *r)
{
	list_each(&r->pending, p, struct pending_blob, node)
	{
		if (p->is_changed)
			pending_flush(r, p);
		ignore_err(hash_remove(&r->blobs, blob_hash(&p->id), p->id.sha256) != NULL
			? ERR_OK
			: ERR_BUG,
		    "it is there");
		list_remove(&p->node);
		free(p);
	}
}

/*
 * No ranges are deleted in CF_META, and without them iterators tell of every table that can't be
 * read (rocks_bounds.c).
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

enum err
rocks_stages_sweep(struct rocks *r)
{
	rocksdb_readoptions_t *o = meta_read_options();
	rocksdb_iterator_t *it = rocksdb_create_iterator_cf(r->db, o, r->cf[CF_META]);
	const char first = META_STAGE;
	char from[12], to[12], *message = NULL;
	enum err e;

	for (rocksdb_iter_seek(it, &first, 1); rocksdb_iter_valid(it); rocksdb_iter_next(it)) {
		size_t n;
		const char *key = rocksdb_iter_key(it, &n);

		if (n != 9 || key[0] != META_STAGE)
			break;
		chunk_key_put(from, get_be64(key + 1), 0);
		chunk_key_put(to, get_be64(key + 1) + 1, 0);
		rocksdb_writebatch_delete_range_cf(r->batch, r->cf[CF_LONG], from, sizeof(from), to,
		    sizeof(to));
		rocksdb_writebatch_delete_cf(r->batch, r->cf[CF_META], key, n);
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
	for (uint32_t no = 0; no < chunk_count(&row); no++) {
		char chunk[12];

		chunk_key_put(chunk, row.stage_id, no);
		rocksdb_writebatch_delete_cf(r->batch, r->cf[chunk_cf(&row)], chunk, sizeof(chunk));
	}
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

struct kv_blob
blob_of_row(const struct blob_id *id, const struct blob_row *row)
{
	return (struct kv_blob){ .id = *id,
		.length = row->length,
		.links = row->links,
		.place = row->is_named ? row->stage_id : 0,
		.is_doubtful = row->is_doubtful };
}

enum err
rocks_blob_get(struct kv *kv, const struct blob_id *id, struct kv_blob *out)
{
	struct blob_row row = { 0 };
	enum err e = blob_row_get(rocks_of(kv), id, &row);

	if (e == ERR_OK)
		*out = blob_of_row(id, &row);
	return e;
}
