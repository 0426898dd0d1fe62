/*
 * rocks_check.c - reads everything and proves what can be proved of the engine's own: checksums of
 * tables, rows of blobs, stages, chunks (docs/file-format.md, K2 to K4). Whether a blob's bytes
 * have the digest that names it, and whether its links are as many as the accounts say, is the
 * business of whoever checks the accounts.
 */
#include "base/bytes.h"
#include "base/size.h"
#include "kv/rocks_cxx.h"
#include "kv/rocks_int.h"

#include <stdlib.h>

struct check {
	struct rocks *r;
	struct kv_checker *k;
	bool is_stopped;
	bool are_rows_lost; /* of blobs or stages: there may be chunks that they name */
	uint64_t epoch;

	struct stages {          /* that blobs, or rows `s`, name; of CF_CHUNK and CF_LONG */
		struct stage *s; /* sorted before chunks are looked at */
		size_t n, cap;
	} stages[2];
};

/* Chunks that may be there. */
struct stage {
	uint64_t id;
	uint32_t chunks, seen;
};

#define SOME_CHUNKS UINT32_MAX /* a row `s` names the stage: how many it has is not known */

static void
fault(struct check *c, const char *what)
{
	c->k->fault(c->k, "", what);
}

static void
pace(struct check *c, uint64_t bytes)
{
	if (!c->is_stopped && !c->k->pace(c->k, bytes))
		c->is_stopped = true;
}

/* ---- files */

static bool
file_checked(void *ctx, const struct rocks_file *f)
{
	struct check *c = ctx;
	BUF_CLEAN struct buf what = BUF_MAX(4096);

	if (f->error != NULL) {
		buf_printf(&what, "A file of the family \"%s\" is damaged: %s", f->family,
		    f->error);
		buf_chr(&what, '\0');
		c->k->fault(c->k, f->name,
		    buf_err(&what) == ERR_OK ? what.p : "The file is damaged.");
	}
	pace(c, f->bytes);
	return !c->is_stopped;
}

/*
 * ---- rows of a family, as far as they can be read: forwards up to damage, then backwards from the
 * end
 */

typedef void row_fn(void *ctx, struct str key, struct str value);

/* Returns what stopped it. */
static enum err
rows_walk(struct check *c, rocksdb_iterator_t *it, bool is_reverse, struct str stop, row_fn *fn,
    void *ctx, struct buf *last)
{
	char *message = NULL;

	for (; rocksdb_iter_valid(it) && !c->is_stopped;
	     is_reverse ? rocksdb_iter_prev(it) : rocksdb_iter_next(it)) {
		struct str key, value;

		key.p = rocksdb_iter_key(it, &key.n);
		value.p = rocksdb_iter_value(it, &value.n);
		if (is_reverse && str_cmp(key, stop) <= 0)
			break;
		fn(ctx, key, value);
		pace(c, key.n + value.n);
		if (last != NULL) {
			buf_clear(last);
			buf_str_add(last, key);
		}
	}
	rocksdb_iter_get_error(it, &message);
	return rocks_read_err(message);
}

static enum err
rows_each(struct check *c, enum rocks_cf cf, row_fn *fn, void *ctx)
{
	rocksdb_readoptions_t *o = rocksdb_readoptions_create();
	rocksdb_iterator_t *it;
	BUF_CLEAN struct buf last = BUF_MAX(4096);
	enum err e;

	rocksdb_readoptions_set_fill_cache(o, 0);
	/*
	 * No ranges are deleted there, and without them iterators tell of every table that can't be
	 * read (rocks_bounds.c).
	 */
	rocksdb_readoptions_set_ignore_range_deletions(o, cf != CF_LONG);
	it = rocksdb_create_iterator_cf(c->r->db, o, c->r->cf[cf]);
	rocksdb_iter_seek_to_first(it);
	e = rows_walk(c, it, false, STR_NONE, fn, ctx, &last);
	if (e != ERR_OK) {
		rocksdb_iter_destroy(it);
		it = rocksdb_create_iterator_cf(c->r->db, o, c->r->cf[cf]);
		rocksdb_iter_seek_to_last(it);
		ignore_err(rows_walk(c, it, true, buf_str(&last), fn, ctx, NULL),
		    "it is told already");
	}
	rocksdb_iter_destroy(it);
	rocksdb_readoptions_destroy(o);
	return e;
}

/* ---- stages and chunks: K2, K4 */

static int
stage_cmp(const void *a, const void *b)
{
	const struct stage *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static void
stage_add(struct check *c, unsigned family, uint64_t id, uint32_t chunks)
{
	struct stages *l = &c->stages[family];

	if (id >> 32 > c->epoch)
		fault(c, "A stage id is of an epoch that has not begun (K4).");
	if (l->n == l->cap) {
		l->cap = l->cap == 0 ? 1024 : size_mul(l->cap, 2);
		l->s = xrealloc(l->s, size_mul(l->cap, sizeof(*l->s)));
	}
	l->s[l->n++] = (struct stage){ .id = id, .chunks = chunks };
}

static void
stages_sort(struct check *c, struct stages *l)
{
	if (l->n > 1)
		qsort(l->s, l->n, sizeof(*l->s), stage_cmp);
	for (size_t i = 1; i < l->n; i++)
		if (l->s[i].id == l->s[i - 1].id)
			fault(c, "Two rows name the same chunks (K2).");
}

static struct stage *
stage_find(struct stages *l, uint64_t id)
{
	struct stage key = { .id = id };

	return l->n == 0 ? NULL : bsearch(&key, l->s, l->n, sizeof(*l->s), stage_cmp);
}

static void
take_blob(void *ctx, struct str key, struct str value)
{
	struct check *c = ctx;
	struct blob_row row;
	char unlinked[41], *message = NULL;
	size_t n = 0;
	char *found;
	rocksdb_readoptions_t *o;

	if (key.n != sizeof(struct blob_id) || blob_row_decode(value, &row) != ERR_OK) {
		fault(c, "A blob's row makes no sense.");
		c->are_rows_lost = true;
		return;
	}
	stage_add(c, row.is_long, row.stage_id, chunk_count(&row));
	if ((row.links == 0 && !row.is_doubtful) != (row.unlinked_ms != 0)) {
		fault(c, "A blob's row contradicts itself about its links (K3).");
		return;
	}
	if (row.unlinked_ms == 0)
		return;
	unlinked[0] = META_UNLINKED;
	put_be64(unlinked + 1, (uint64_t)row.unlinked_ms);
	memcpy(unlinked + 9, key.p, sizeof(struct blob_id));
	o = rocksdb_readoptions_create();
	found = rocksdb_get_cf(c->r->db, o, c->r->cf[CF_META], unlinked, sizeof(unlinked), &n,
	    &message);
	rocksdb_readoptions_destroy(o);
	if (message == NULL && found == NULL)
		fault(c, "A blob without links is not on the list of those to delete (K3).");
	ignore_err(rocks_read_err(message),
	    "what can't be read is told by the walk over this family");
	rocksdb_free(found);
}

static void
take_meta(void *ctx, struct str key, struct str value)
{
	struct check *c = ctx;
	struct blob_id id;
	struct blob_row row;
	rocksdb_readoptions_t *o;
	char *message = NULL, *found;
	size_t n = 0;

	switch (key.n == 0 ? 0 : key.p[0]) {
	case META_VERSION:
		if (key.n != 1 + KV_ACCOUNT_KEY || value.n != 8)
			fault(c, "The version of an account makes no sense.");
		return;
	case META_STAGE:
		if (key.n == 9)
			stage_add(c, 1, get_be64(key.p + 1), SOME_CHUNKS);
		else {
			fault(c, "A row of a stage makes no sense.");
			c->are_rows_lost = true;
		}
		return;
	case META_UNLINKED:
		if (key.n != 41)
			break;
		memcpy(id.sha256, key.p + 9, sizeof(id.sha256));
		o = rocksdb_readoptions_create();
		found = rocksdb_get_cf(c->r->db, o, c->r->cf[CF_BLOB], (const char *)id.sha256,
		    sizeof(id.sha256), &n, &message);
		rocksdb_readoptions_destroy(o);
		if (rocks_read_err(message) == ERR_OK
		    && (found == NULL || blob_row_decode(str_make(found, n), &row) != ERR_OK
			|| row.unlinked_ms != (int64_t)get_be64(key.p + 1)))
			fault(c,
			    "The list of blobs to delete names one that is not to be deleted (K3).");
		rocksdb_free(found);
		return;
	case META_FORMAT:
	case META_UPGRADE:
	case META_EPOCH:
		if (key.n == 1 && value.n == 8)
			return;
		break;
	}
	fault(c, "A row of the engine itself makes no sense.");
}

struct chunk_walk {
	struct check *c;
	unsigned family;
	uint64_t orphans;
};

static void
take_chunk(void *ctx, struct str key, struct str value unused_arg)
{
	struct chunk_walk *w = ctx;
	struct stage *s =
	    key.n == 12 ? stage_find(&w->c->stages[w->family], get_be64(key.p)) : NULL;

	if (s == NULL || get_be32(key.p + 8) >= s->chunks)
		w->orphans++;
	else
		s->seen++;
}

static void
chunks_check(struct check *c, unsigned family)
{
	struct chunk_walk w = { .c = c, .family = family };
	struct stages *l = &c->stages[family];
	uint64_t missing = 0;
	enum err e;

	stages_sort(c, l);
	e = rows_each(c, family == 0 ? CF_CHUNK : CF_LONG, take_chunk, &w);
	for (size_t i = 0; i < l->n; i++)
		missing += l->s[i].chunks != SOME_CHUNKS && l->s[i].seen != l->s[i].chunks;
	if (c->is_stopped)
		return;
	if (e != ERR_OK)
		fault(c, "Some pieces of messages can't be read.");
	else if (missing > 0)
		fault(c, "Pieces of messages are missing (K2).");
	if (w.orphans > 0 && !c->are_rows_lost)
		fault(c,
		    "There are pieces of messages that no row names; they only take room, unless a message is named below that finds its bytes without (K2).");
}

enum err
rocks_check(struct kv *kv, struct kv_checker *k)
{
	struct check c = { .r = rocks_of(kv), .k = k };
	enum err e;

	c.epoch = atomic_load(&c.r->stage_ids) >> 32;
	rocks_files_check(c.r->db, c.r->cf_options, c.r->cf, CF_COUNT, file_checked, &c);
	e = rows_each(&c, CF_META, take_meta, &c);
	c.are_rows_lost = c.are_rows_lost || e != ERR_OK;
	if (e != ERR_OK)
		fault(&c,
		    "Some of the engine's own rows can't be read: versions of accounts, or what is to be deleted.");
	e = rows_each(&c, CF_BLOB, take_blob, &c);
	c.are_rows_lost = c.are_rows_lost || e != ERR_OK;
	if (e != ERR_OK)
		fault(&c, "Some rows of blobs can't be read.");
	for (unsigned i = 0; i < 2 && !c.is_stopped; i++)
		chunks_check(&c, i);
	free(c.stages[0].s);
	free(c.stages[1].s);
	return c.is_stopped ? ERR_END : ERR_OK;
}

/* ---- blobs */

struct blob_walk {
	kv_blob_each_fn *fn;
	void *ctx;
	bool is_damaged;
};

static void
tell_blob(void *ctx, struct str key, struct str value)
{
	struct blob_walk *w = ctx;
	struct blob_row row;
	struct blob_id id;
	struct kv_blob b;

	if (key.n != sizeof(id) || blob_row_decode(value, &row) != ERR_OK) {
		w->is_damaged = true;
		return;
	}
	memcpy(id.sha256, key.p, sizeof(id.sha256));
	b = blob_of_row(&id, &row);
	w->fn(w->ctx, &b);
}

static bool
pace_none(struct kv_checker *k unused_arg, uint64_t bytes unused_arg)
{
	return true;
}

enum err
rocks_blobs_each(struct kv *kv, kv_blob_each_fn *fn, void *ctx)
{
	struct kv_checker silent = { .pace = pace_none };
	struct check c = { .r = rocks_of(kv), .k = &silent };
	struct blob_walk w = { .fn = fn, .ctx = ctx };
	enum err e = rows_each(&c, CF_BLOB, tell_blob, &w);

	return e != ERR_OK ? e : w.is_damaged ? ERR_CORRUPT : ERR_OK;
}
