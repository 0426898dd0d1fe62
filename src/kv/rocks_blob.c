/*
 * rocks_blob.c - blobs: rows with their links, and the bytes that commits bring. Everything that
 * writes runs in the committer, so links need no lock and whether a blob is new is decided in one
 * place. The rows of the blobs that a batch touches are kept in memory (r->blobs) until the batch is
 * complete, however many of its transactions link them.
 */
#include "base/bytes.h"
#include "kv/rocks_int.h"

#include <stdlib.h>

#define ROW_FORMAT 1
#define FLAG_DOUBTFUL 1
#define FLAG_LONG 2
#define FLAG_NAMED 4

/* A blob that the batch being made looks at. */
struct pending_blob {
	struct list node;
	struct blob_id id;
	struct blob_row row, was;
	bool is_there, was_there, is_changed;
	bool is_damaged;                  /* its row can't be read */
	bool is_lost;                     /* its bytes can't be read */
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

enum err
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

/* One piece. A long blob's are not unpacked, for which others would wait: RocksDB has checked them. */
static bool
is_piece_whole(struct rocks *r, const struct blob_id *id, const struct blob_row *row, uint32_t no,
    struct str stored)
{
	const uint64_t want = MIN(row->chunk_bytes, row->length - (uint64_t)no * row->chunk_bytes);
	struct kv_bytes *bytes = NULL;
	size_t length;
	bool is;

	if (row->is_long)
		return kv_chunk_length(stored, &length) == ERR_OK && length == want;
	if (row->is_named && !kv_chunk_is_of(stored, id))
		return false;
	is = kv_chunk_decode(&r->kv.codecs, stored, &bytes) == ERR_OK && bytes->s.n == want;
	kv_bytes_unref(bytes);
	return is;
}

/*
 * Whether all bytes of a blob can be read. Any error counts: a sector that a disk can't read is what
 * damage mostly looks like.
 */
static bool
is_readable(struct rocks *r, const struct blob_id *id, const struct blob_row *row)
{
	rocksdb_readoptions_t *o = rocksdb_readoptions_create();
	const uint32_t count = chunk_count(row);
	bool is = true;

	rocksdb_readoptions_set_fill_cache(o, 0);
	for (uint32_t no = 0; is && no < count; no++) {
		char key[12], *message = NULL;
		rocksdb_pinnableslice_t *s;

		chunk_key_put(key, row->stage_id, no);
		s = rocksdb_get_pinned_cf(r->db, o, r->cf[chunk_cf(row)], key, sizeof(key),
		    &message);
		is = rocks_read_err(message) == ERR_OK && s != NULL
		    && is_piece_whole(r, id, row, no, rocks_slice(s));
		rocksdb_pinnableslice_destroy(s);
	}
	rocksdb_readoptions_destroy(o);
	return is;
}

/* What is known of a blob without its row, whose chunk has been there all the time: not what links it had. */
static struct blob_row
row_of_place(const struct kv_link_op *l)
{
	return (struct blob_row){ .chunk_bytes = KV_CHUNK_BYTES,
		.length = l->length,
		.stage_id = l->place,
		.is_named = true,
		.is_doubtful = true };
}

static bool
brings_bytes(struct rocks *r, const struct kv_link_op *l)
{
	const struct blob_row row = row_of_place(l);

	if (l->place != 0)
		return is_readable(r, &l->id, &row);
	/* The chunks of a long stage went with a blob that has been swept since: they are no more. */
	return l->stage != NULL
	    && (kv_stage_is_whole(l->stage) || !atomic_load(&l->stage->is_linked));
}

/*
 * Bytes that come are not thrown away for those that are there before these have been looked at: once
 * for all recipients.
 */
static void
look_at_bytes(struct rocks *r, const struct kv_link_op *l, struct pending_blob *p)
{
	if (l->delta < 0 || l->stage == NULL || !p->was_there || p->is_lost
	    || atomic_load(&l->stage->is_stored) || !brings_bytes(r, l))
		return;
	p->is_lost = !is_readable(r, &p->id, &p->was);
	atomic_store(&l->stage->is_stored, !p->is_lost);
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
			look_at_bytes(r, l, p);
			if (l->delta < 0 || p->is_there || p->promised == c)
				continue;
			if (!brings_bytes(r, l))
				return ERR_CORRUPT;
			p->promised = c;
		}
	}
	return ERR_OK;
}

/* The last chunk of a stage, or the only one: what it wrote before is there. */
static void
last_chunk_put(struct rocks *r, const struct blob_row *row, struct kv_stage *s)
{
	char key[12];

	chunk_key_put(key, row->stage_id, s->chunks_written);
	rocksdb_writebatch_put_cf(r->batch, r->cf[chunk_cf(row)], key, sizeof(key), s->stored.p,
	    s->stored.n);
	atomic_store(&s->is_linked, true);
	atomic_store(&s->is_stored, true);
}

/* A new blob: the chunks that the stage wrote are named, and its last one is written. */
static void
blob_add(struct rocks *r, struct pending_blob *p, struct kv_stage *s)
{
	char marker[9];

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
	last_chunk_put(r, &p->row, s);
}

void
chunks_delete(struct rocks *r, const struct blob_row *row)
{
	for (uint32_t no = 0; no < chunk_count(row); no++) {
		char key[12];

		chunk_key_put(key, row->stage_id, no);
		rocksdb_writebatch_delete_cf(r->batch, r->cf[chunk_cf(row)], key, sizeof(key));
	}
}

/*
 * A blob whose bytes were lost, and come again: all that names it has them. A single chunk keeps its
 * place, which records know.
 */
static void
blob_renew(struct rocks *r, struct pending_blob *p, struct kv_stage *s)
{
	const struct blob_row was = p->row;

	p->is_lost = false;
	if (kv_stage_is_whole(s) && !was.is_long) {
		last_chunk_put(r, &was, s);
		return;
	}
	blob_add(r, p, s);
	p->row.links = was.links;
	p->row.is_doubtful |= was.is_doubtful;
	chunks_delete(r, &was);
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
			p->row = row_of_place(l);
		else
			blob_add(r, p, l->stage);
		p->is_there = true;
	} else if (p->is_lost && l->delta > 0 && brings_bytes(r, l) && l->stage != NULL) {
		blob_renew(r, p, l->stage);
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
