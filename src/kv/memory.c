/*
 * memory.c - the engine in memory, for tests and simulation.
 *
 * One map a kind holds what is visible. What is visible but not durable (lazy commits) is in the
 * undo list, oldest first; a sync forgets the list and a power cut plays it backwards. By itself
 * the engine has a committer thread and answers loads at once; in manual mode it has no thread, and
 * everything outstanding waits for kv_memory_step().
 */
#include "base/bytes.h"
#include "base/hash.h"
#include "base/size.h"
#include "kv/kv_int.h"
#include "kv/memory_map.h"

#include <stdlib.h>

/* A blob's row; the map's copy owns a reference to the bytes. */
struct blob_row {
	uint64_t links;
	int64_t unlinked_ms; /* since when it has no links */
	bool is_doubtful;    /* more unlinks than links: never swept */
	struct kv_bytes *bytes;
};

struct undo {
	struct memory_map *map;
	char *key;
	size_t key_length;
	struct kv_bytes *value; /* NULL: there was none */
};

struct blob_job {
	struct list node;
	struct blob_id id;
	uint64_t offset;
	size_t length;
	kv_blob_fn *fn;
	void *ctx;
};

struct blobs_job {
	struct list node;
	kv_blobs_fn *fn;
	void *ctx;
	struct kv_blobs *old;
	size_t count;
	struct kv_blob_ref refs[];
};

struct memory {
	struct kv kv;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	pthread_t thread;
	bool is_manual, is_closing, is_failed;
	enum kv_space space;
	uint64_t random;
	uint64_t fail_in; /* operations until one fails; 0: none */
	enum err fail_with;
	bool fails_for_good, has_failed;
	struct memory_map rows[KV_KINDS], versions, blobs;
	struct undo *undo;
	size_t undo_count, undo_cap;
	struct list commits, loads, blob_reads, blobs_loads;
	struct kv_stats stats;
	atomic_uint_fast64_t stage_ids;
};

static struct memory *
memory_of(struct kv *kv)
{
	return container_of(kv, struct memory, kv);
}

/* One more operation: the error it is to fail with. */
static enum err
operation(struct memory *m)
{
	if (m->fail_in == 0 || --m->fail_in > 0)
		return ERR_OK;
	m->fail_in = m->fails_for_good ? 1 : 0;
	m->has_failed = true;
	return m->fail_with;
}

/* ---- changing rows, so that it can be undone */

static void
undo_forget(struct memory *m)
{
	for (size_t i = 0; i < m->undo_count; i++) {
		free(m->undo[i].key);
		kv_bytes_unref(m->undo[i].value);
	}
	m->undo_count = 0;
}

static void
undo_note(struct memory *m, struct memory_map *map, struct str key)
{
	const struct memory_node *n = memory_map_find(map, key);

	if (m->undo_count == m->undo_cap) {
		m->undo_cap = m->undo_cap == 0 ? 64 : size_mul(m->undo_cap, 2);
		m->undo = xrealloc(m->undo, size_mul(m->undo_cap, sizeof(*m->undo)));
	}
	m->undo[m->undo_count++] = (struct undo){ .map = map,
		.key = xstrdup(key),
		.key_length = key.n,
		.value = n != NULL ? kv_bytes_copy(n->value) : NULL };
}

static void
map_set(struct memory *m, struct memory_map *map, struct str key, struct str value)
{
	undo_note(m, map, key);
	memory_map_set(map, key, value);
}

static void
map_remove(struct memory *m, struct memory_map *map, struct str key)
{
	undo_note(m, map, key);
	memory_map_remove(map, key);
}

static void
undo_play(struct memory *m)
{
	for (size_t i = m->undo_count; i-- > 0;) {
		struct undo *u = &m->undo[i];
		struct str key = str_make(u->key, u->key_length);

		if (u->value != NULL) {
			memory_map_set(u->map, key, u->value->s);
		} else {
			struct memory_node *n = memory_map_find(u->map, key);
			struct blob_row row;

			if (u->map == &m->blobs && n != NULL) {
				memcpy(&row, n->value.p, sizeof(row));
				kv_bytes_unref(row.bytes);
			}
			memory_map_remove(u->map, key);
		}
	}
	undo_forget(m);
}

/* ---- commits */

static uint64_t
version_of(struct memory *m, struct account_id account)
{
	const struct memory_node *n;
	char key[KV_ACCOUNT_KEY];

	put_be64(key, account.v);
	n = memory_map_find(&m->versions, str_make(key, sizeof(key)));
	return n != NULL ? get_le64(n->value.p) : 0;
}

static void
version_set(struct memory *m, struct account_id account, uint64_t version)
{
	char key[KV_ACCOUNT_KEY], value[8];

	put_be64(key, account.v);
	put_le64(value, version);
	map_set(m, &m->versions, str_make(key, sizeof(key)), str_make(value, sizeof(value)));
}

static struct str
blob_key(const struct blob_id *id)
{
	return str_make(id->sha256, sizeof(id->sha256));
}

static bool
blob_row_find(struct memory *m, const struct blob_id *id, struct blob_row *row_out)
{
	const struct memory_node *n = memory_map_find(&m->blobs, blob_key(id));

	if (n != NULL)
		memcpy(row_out, n->value.p, sizeof(*row_out));
	return n != NULL;
}

static enum err
commit_check(struct memory *m, const struct kv_commit *c)
{
	struct blob_row row;

	if (kv_commit_check(c) != ERR_OK)
		return ERR_LIMIT;
	for (size_t i = 0; i < c->count; i++) {
		const struct kv_txn *t = c->txns[i];
		uint64_t current = version_of(m, t->account);

		/* an account twice in a set: the second is built on the first */
		for (size_t j = 0; j < i; j++)
			if (c->txns[j]->account.v == t->account.v
			    && kv_txn_is_versioned(c->txns[j]))
				current = c->txns[j]->next;
		if (kv_txn_is_versioned(t) && t->base != current)
			return ERR_CONFLICT;
	}
	if (m->space == KV_SPACE_HARD && !c->is_deletes)
		return ERR_FULL;
	for (size_t i = 0; i < c->count; i++)
		for (size_t j = 0; j < c->txns[i]->link_count; j++) {
			const struct kv_link_op *l = &c->txns[i]->links[j];

			if (l->delta > 0 && l->stage == NULL && !blob_row_find(m, &l->id, &row))
				return ERR_CORRUPT;
		}
	return ERR_OK;
}

static void
link_apply(struct memory *m, const struct kv_link_op *l)
{
	struct blob_row row = { 0 };

	if (!blob_row_find(m, &l->id, &row)) {
		if (l->stage == NULL)
			return; /* an unlink of what is not there */
		row.bytes = kv_bytes_copy(buf_str(&l->stage->raw));
	}
	if (l->delta < 0 && (uint64_t)-l->delta > row.links) {
		row.is_doubtful = true;
		row.links = 0;
	} else {
		row.links += (uint64_t)l->delta;
	}
	row.unlinked_ms = m->kv.clock->wall_ms(m->kv.clock);
	map_set(m, &m->blobs, blob_key(&l->id), str_make(&row, sizeof(row)));
}

static void
op_apply(struct memory *m, const struct kv_op *op)
{
	struct memory_map *map = &m->rows[op->kind];
	struct memory_node *n;
	BUF_CLEAN struct buf merged = BUF_MAX(SIZE_MAX / 2);

	switch (op->type) {
	case KV_OP_PUT:
	case KV_OP_PUT_PLACED: /* everything is found by its name */
		map_set(m, map, op->key, op->value);
		break;
	case KV_OP_DEL:
		map_remove(m, map, op->key);
		break;
	case KV_OP_DEL_RANGE:
		while (
		    (n = memory_map_from(map, op->key)) != NULL && str_cmp(n->key, op->value) < 0)
			map_remove(m, map, n->key);
		break;
	case KV_OP_MERGE:
		n = memory_map_find(map, op->key);
		m->kv.merge[op->kind](n != NULL ? n->value : STR_NONE, &op->value, 1, &merged);
		map_set(m, map, op->key, buf_str(&merged));
		break;
	}
}

static void
txn_apply(struct memory *m, const struct kv_txn *t)
{
	struct kv_op op;
	size_t pos = 0;

	while (kv_txn_each(t, &pos, &op))
		op_apply(m, &op);
	for (size_t i = 0; i < t->link_count; i++)
		if (t->links[i].delta > 0)
			link_apply(m, &t->links[i]);
	for (size_t i = 0; i < t->link_count; i++)
		if (t->links[i].delta < 0)
			link_apply(m, &t->links[i]);
	if (t->next != KV_UNVERSIONED)
		version_set(m, t->account, t->next);
	m->stats.commits++;
	m->stats.bytes_written += kv_txn_bytes(t);
}

/* Decides one commit: c->e. */
static void
commit_decide(struct memory *m, struct kv_commit *c)
{
	enum err e;

	c->e = m->is_failed ? ERR_IO : commit_check(m, c);
	if (c->e != ERR_OK)
		return;
	e = operation(m);
	if (e == ERR_OK && !c->is_lazy) {
		m->stats.syncs++;
		if (operation(m) != ERR_OK)
			e = ERR_IO; /* a sync fails for good, whatever the reason */
	}
	if (e == ERR_OK) { /* nobody reads what a failed sync has left */
		for (size_t i = 0; i < c->count; i++)
			txn_apply(m, c->txns[i]);
		if (!c->is_lazy)
			undo_forget(m);
	}
	if (e != ERR_OK && e != ERR_FULL && e != ERR_CONFLICT)
		m->is_failed = true;
	c->e = e;
}

static void
memory_commit(struct kv *kv, struct kv_commit *c)
{
	struct memory *m = memory_of(kv);

	pthread_mutex_lock(&m->lock);
	list_add_tail(&m->commits, &c->node);
	pthread_cond_signal(&m->changed);
	pthread_mutex_unlock(&m->lock);
}

static void *
committer(void *arg)
{
	struct memory *m = arg;

	pthread_mutex_lock(&m->lock);
	for (;;) {
		struct list decided;

		while (list_is_empty(&m->commits) && !m->is_closing)
			pthread_cond_wait(&m->changed, &m->lock);
		if (list_is_empty(&m->commits))
			break;
		list_init(&decided);
		list_each(&m->commits, c, struct kv_commit, node)
		{
			commit_decide(m, c);
			list_remove(&c->node);
			list_add_tail(&decided, &c->node);
		}
		m->stats.batches++;
		pthread_mutex_unlock(&m->lock);
		list_each(&decided, c, struct kv_commit, node)
		{
			list_remove(&c->node);
			kv_commit_end(c);
		}
		pthread_mutex_lock(&m->lock);
	}
	pthread_mutex_unlock(&m->lock);
	return NULL;
}

/* ---- reading */

static void
range_load(struct memory *m, struct account_id account, const struct kv_range *r,
    struct kv_rows *rows, size_t at)
{
	struct memory_map *map = &m->rows[r->kind];
	struct account_id end = { r->to.p != NULL ? account.v : account.v + 1 };
	struct str from, to;
	struct memory_node *n;
	uint32_t left = r->limit != 0 ? r->limit : UINT32_MAX;
	char *keys = xmalloc(size_add(2 * KV_ACCOUNT_KEY, size_add(r->from.n, r->to.n)));

	from = str_make(keys, KV_ACCOUNT_KEY + r->from.n);
	to = str_make(keys + from.n, KV_ACCOUNT_KEY + r->to.n);
	kv_key_put(keys, account, r->from);
	kv_key_put(keys + from.n, end, r->to);
	if (r->is_exact) {
		n = memory_map_find(map, from);
		if (n != NULL)
			kv_rows_add(rows, at, r->from, n->value);
	} else if (r->is_reverse) {
		for (n = memory_map_below(map, to);
		     n != NULL && left > 0 && str_cmp(n->key, from) >= 0; n = n->prev, left--)
			kv_rows_add(rows, at, str_sub(n->key, KV_ACCOUNT_KEY, SIZE_MAX), n->value);
	} else {
		for (n = memory_map_from(map, from);
		     n != NULL && left > 0 && str_cmp(n->key, to) < 0; n = n->next[0], left--)
			kv_rows_add(rows, at, str_sub(n->key, KV_ACCOUNT_KEY, SIZE_MAX), n->value);
	}
	free(keys);
}

/* Locked. */
static enum err
load_locked(struct memory *m, struct account_id account, const struct kv_range *ranges,
    size_t count, struct kv_rows **rows_out)
{
	struct kv_rows *rows;
	enum err e = operation(m);

	if (e != ERR_OK)
		return e;
	rows = kv_rows_new(count, version_of(m, account));
	for (size_t i = 0; i < count; i++)
		range_load(m, account, &ranges[i], rows, i);
	*rows_out = rows;
	return ERR_OK;
}

static enum err
memory_load_now(struct kv *kv, struct account_id account, const struct kv_range *ranges,
    size_t count, struct kv_rows **rows_out)
{
	struct memory *m = memory_of(kv);
	enum err e;

	pthread_mutex_lock(&m->lock);
	e = load_locked(m, account, ranges, count, rows_out);
	m->stats.loads_now++;
	pthread_mutex_unlock(&m->lock);
	return e;
}

static enum err
memory_load(struct kv *kv, struct account_id account, const struct kv_range *ranges, size_t count,
    struct kv_rows **rows_out, kv_load_fn *fn, void *ctx)
{
	struct memory *m = memory_of(kv);
	struct kv_load_job *j;

	if (!m->is_manual)
		return memory_load_now(kv, account, ranges, count, rows_out);
	j = kv_load_job_new(account, ranges, count, fn, ctx);
	pthread_mutex_lock(&m->lock);
	list_add_tail(&m->loads, &j->node);
	m->stats.loads_waited++;
	pthread_mutex_unlock(&m->lock);
	return ERR_WAIT;
}

/* Locked. */
static enum err
blob_read_locked(struct memory *m, const struct blob_id *id, uint64_t offset, size_t length,
    struct kv_bytes **bytes_out)
{
	struct blob_row row;
	enum err e = operation(m);

	if (e != ERR_OK)
		return e;
	if (!blob_row_find(m, id, &row))
		return ERR_CORRUPT;
	if (offset >= row.bytes->s.n)
		return ERR_END;
	length = MIN(length, row.bytes->s.n - offset);
	length = MIN(length, KV_CHUNK_BYTES - offset % KV_CHUNK_BYTES);
	*bytes_out = kv_bytes_part(row.bytes, str_sub(row.bytes->s, offset, offset + length));
	return ERR_OK;
}

static enum err
memory_blob_read(struct kv *kv, const struct blob_id *id, unused_arg uint64_t place,
    uint64_t offset, size_t length, struct kv_bytes **bytes_out, kv_blob_fn *fn, void *ctx)
{
	struct memory *m = memory_of(kv);
	enum err e = ERR_WAIT;

	pthread_mutex_lock(&m->lock);
	m->stats.blob_reads++;
	if (m->is_manual) {
		struct blob_job *j = xcalloc(1, sizeof(*j));

		*j = (struct blob_job){ .id = *id,
			.offset = offset,
			.length = length,
			.fn = fn,
			.ctx = ctx };
		list_add_tail(&m->blob_reads, &j->node);
	} else {
		e = blob_read_locked(m, id, offset, length, bytes_out);
	}
	pthread_mutex_unlock(&m->lock);
	return e;
}

static enum err
memory_blob_read_now(struct kv *kv, const struct blob_id *id, unused_arg uint64_t place,
    uint64_t offset, size_t length, struct kv_bytes **bytes_out)
{
	struct memory *m = memory_of(kv);
	struct blob_row row;
	enum err e = ERR_NOTFOUND;

	pthread_mutex_lock(&m->lock);
	m->stats.blob_reads++;
	if (blob_row_find(m, id, &row))
		e = blob_read_locked(m, id, offset, length, bytes_out);
	pthread_mutex_unlock(&m->lock);
	return e;
}

/* Locked. */
static struct kv_blobs *
blobs_load_locked(struct memory *m, const struct kv_blob_ref *refs, size_t count,
    struct kv_blobs *old)
{
	bool can_read = operation(m) == ERR_OK;
	struct kv_blobs *blobs;
	struct blob_row row;
	size_t total = 0;
	char *p;

	for (size_t i = 0; can_read && i < count; i++)
		if (blob_row_find(m, &refs[i].id, &row) && row.bytes->s.n <= KV_CHUNK_BYTES)
			total = size_add(total, row.bytes->s.n);
	blobs = kv_blobs_new(old, count, total, &p);
	for (size_t i = 0; can_read && i < count; i++) {
		if (!blob_row_find(m, &refs[i].id, &row) || row.bytes->s.n > KV_CHUNK_BYTES
		    || row.bytes->s.n != refs[i].length)
			continue;
		if (row.bytes->s.n > 0)
			memcpy(p, row.bytes->s.p, row.bytes->s.n);
		blobs->bytes[i] = str_make(p, row.bytes->s.n);
		p += row.bytes->s.n;
	}
	return blobs;
}

static enum err
memory_blobs_load(struct kv *kv, unused_arg struct account_id account,
    const struct kv_blob_ref *refs, size_t count, struct kv_blobs *old, struct kv_blobs **blobs_out,
    kv_blobs_fn *fn, void *ctx)
{
	struct memory *m = memory_of(kv);
	enum err e = ERR_WAIT;

	pthread_mutex_lock(&m->lock);
	m->stats.blob_reads += count;
	if (m->is_manual) {
		struct blobs_job *j =
		    xcalloc(1, size_add(sizeof(*j), size_mul(count, sizeof(*refs))));

		j->fn = fn;
		j->ctx = ctx;
		j->old = old;
		j->count = count;
		memcpy(j->refs, refs, count * sizeof(*refs));
		list_add_tail(&m->blobs_loads, &j->node);
	} else {
		*blobs_out = blobs_load_locked(m, refs, count, old);
		e = ERR_OK;
	}
	pthread_mutex_unlock(&m->lock);
	return e;
}

/* There are no files, and chunks stay with their blobs. */
static enum err
memory_check(struct kv *kv unused_arg, struct kv_checker *k unused_arg)
{
	return ERR_OK;
}

/* Blobs have no places here. */
static struct kv_blob
blob_of(const struct blob_id *id, const struct blob_row *row)
{
	return (struct kv_blob){ .id = *id,
		.length = row->bytes->s.n,
		.links = row->links,
		.is_doubtful = row->is_doubtful };
}

static enum err
memory_blobs_each(struct kv *kv, kv_blob_each_fn *fn, void *ctx)
{
	struct memory *m = memory_of(kv);

	pthread_mutex_lock(&m->lock);
	for (const struct memory_node *n = m->blobs.head[0]; n != NULL; n = n->next[0]) {
		struct kv_blob b;
		struct blob_id id;
		struct blob_row row;

		memcpy(id.sha256, n->key.p, sizeof(id.sha256));
		memcpy(&row, n->value.p, sizeof(row));
		b = blob_of(&id, &row);
		fn(ctx, &b);
	}
	pthread_mutex_unlock(&m->lock);
	return ERR_OK;
}

static enum err
memory_blob_get(struct kv *kv, const struct blob_id *id, struct kv_blob *out)
{
	struct memory *m = memory_of(kv);
	struct blob_row row;
	enum err e = ERR_NOTFOUND;

	pthread_mutex_lock(&m->lock);
	if (blob_row_find(m, id, &row)) {
		*out = blob_of(id, &row);
		e = ERR_OK;
	}
	pthread_mutex_unlock(&m->lock);
	return e;
}

static enum err
memory_blob_sweep(struct kv *kv, uint64_t grace_ms, uint64_t *swept_bytes_out)
{
	struct memory *m = memory_of(kv);
	int64_t now = kv->clock->wall_ms(kv->clock);
	struct memory_node *next;

	*swept_bytes_out = 0;
	pthread_mutex_lock(&m->lock);
	undo_forget(m); /* a sweep is durable with everything before it */
	for (struct memory_node *n = m->blobs.head[0]; n != NULL; n = next) {
		struct blob_row row;

		next = n->next[0];
		memcpy(&row, n->value.p, sizeof(row));
		if (row.links > 0 || row.is_doubtful || now - row.unlinked_ms < (int64_t)grace_ms)
			continue;
		*swept_bytes_out += row.bytes->s.n;
		kv_bytes_unref(row.bytes);
		memory_map_remove(&m->blobs, n->key);
	}
	pthread_mutex_unlock(&m->lock);
	return ERR_OK;
}

static enum err
memory_versions(struct kv *kv, const struct account_id *accounts, size_t count,
    uint64_t *versions_out)
{
	struct memory *m = memory_of(kv);

	pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < count; i++)
		versions_out[i] = version_of(m, accounts[i]);
	pthread_mutex_unlock(&m->lock);
	return ERR_OK;
}

/* ---- manual mode */

static uint64_t
random_below(struct memory *m, uint64_t n)
{
	m->random = hash_u64(m->random + 0x9E3779B97F4A7C15u);
	return m->random % n;
}

static struct list *
list_nth(struct list *l, uint64_t n)
{
	struct list *node = l->next;

	while (n-- > 0)
		node = node->next;
	return node;
}

static size_t
list_count(const struct list *l)
{
	size_t n = 0;

	for (const struct list *node = l->next; node != l; node = node->next)
		n++;
	return n;
}

static void
load_step(struct memory *m, struct kv_load_job *j)
{
	struct kv_rows *rows = NULL;
	enum err e;

	list_remove(&j->node);
	e = load_locked(m, j->account, j->ranges, j->count, &rows);
	pthread_mutex_unlock(&m->lock);
	j->fn(j->ctx, e, rows);
	kv_load_job_free(j);
}

static void
blob_step(struct memory *m, struct blob_job *j)
{
	struct kv_bytes *bytes = NULL;
	enum err e;

	list_remove(&j->node);
	e = blob_read_locked(m, &j->id, j->offset, j->length, &bytes);
	pthread_mutex_unlock(&m->lock);
	j->fn(j->ctx, e, bytes);
	free(j);
}

static void
blobs_step(struct memory *m, struct blobs_job *j)
{
	struct kv_blobs *blobs;

	list_remove(&j->node);
	blobs = blobs_load_locked(m, j->refs, j->count, j->old);
	pthread_mutex_unlock(&m->lock);
	j->fn(j->ctx, blobs);
	free(j);
}

/* Any outstanding read, or the oldest commit: commits are totally ordered. */
bool
kv_memory_step(struct kv *kv)
{
	struct memory *m = memory_of(kv);
	size_t loads, blobs, batches, commits;
	uint64_t pick;

	pthread_mutex_lock(&m->lock);
	loads = list_count(&m->loads);
	blobs = list_count(&m->blob_reads);
	batches = list_count(&m->blobs_loads);
	commits = list_is_empty(&m->commits) ? 0 : 1;
	if (!m->is_manual || loads + blobs + batches + commits == 0) {
		pthread_mutex_unlock(&m->lock);
		return false;
	}
	pick = random_below(m, loads + blobs + batches + commits);
	if (pick < loads) {
		load_step(m, list_item(list_nth(&m->loads, pick), struct kv_load_job, node));
	} else if (pick < loads + blobs) {
		blob_step(m,
		    list_item(list_nth(&m->blob_reads, pick - loads), struct blob_job, node));
	} else if (pick < loads + blobs + batches) {
		blobs_step(m,
		    list_item(list_nth(&m->blobs_loads, pick - loads - blobs), struct blobs_job,
			node));
	} else {
		struct kv_commit *c = list_first(&m->commits, struct kv_commit, node);

		list_remove(&c->node);
		commit_decide(m, c);
		m->stats.batches++;
		pthread_mutex_unlock(&m->lock);
		kv_commit_end(c);
	}
	return true;
}

void
kv_memory_power_cut(struct kv *kv)
{
	struct memory *m = memory_of(kv);

	/* Who reads gets something to clean up after; nobody is left to be told of it. */
	list_each(&m->loads, j, struct kv_load_job, node)
	{
		list_remove(&j->node);
		j->fn(j->ctx, ERR_IO, NULL);
		kv_load_job_free(j);
	}
	list_each(&m->blob_reads, j, struct blob_job, node)
	{
		list_remove(&j->node);
		j->fn(j->ctx, ERR_IO, NULL);
		free(j);
	}
	list_each(&m->blobs_loads, j, struct blobs_job, node)
	{
		char *none;

		list_remove(&j->node);
		j->fn(j->ctx, kv_blobs_new(j->old, j->count, 0, &none));
		free(j);
	}
	pthread_mutex_lock(&m->lock);
	list_each(&m->commits, c, struct kv_commit, node)
	{
		list_remove(&c->node);
		kv_commit_free(c);
	}
	undo_play(m);
	m->is_failed = false;
	m->fail_in = 0;
	m->fails_for_good = false;
	pthread_mutex_unlock(&m->lock);
}

static void
fail(struct memory *m, uint64_t n, enum err e, bool for_good)
{
	pthread_mutex_lock(&m->lock);
	m->fail_in = n;
	m->fail_with = e;
	m->fails_for_good = for_good;
	m->has_failed = false;
	pthread_mutex_unlock(&m->lock);
}

void
kv_memory_fail_at(struct kv *kv, uint64_t n, enum err e)
{
	fail(memory_of(kv), n, e, false);
}

void
kv_memory_fail_from(struct kv *kv, uint64_t n, enum err e)
{
	fail(memory_of(kv), n, e, true);
}

bool
kv_memory_has_failed(struct kv *kv)
{
	struct memory *m = memory_of(kv);
	bool has_failed;

	pthread_mutex_lock(&m->lock);
	has_failed = m->has_failed;
	pthread_mutex_unlock(&m->lock);
	return has_failed;
}

void
kv_memory_set_space(struct kv *kv, enum kv_space space)
{
	struct memory *m = memory_of(kv);

	pthread_mutex_lock(&m->lock);
	m->space = space;
	pthread_mutex_unlock(&m->lock);
}

/* ---- operation */

static enum kv_space
memory_space(struct kv *kv)
{
	struct memory *m = memory_of(kv);
	enum kv_space space;

	pthread_mutex_lock(&m->lock);
	space = m->space;
	pthread_mutex_unlock(&m->lock);
	return space;
}

/* It is told how much room there is, and never meets the end of it. */
static bool
memory_is_out_of_room(unused_arg struct kv *kv)
{
	return false;
}

static bool
memory_is_failed(struct kv *kv)
{
	struct memory *m = memory_of(kv);
	bool is_failed;

	pthread_mutex_lock(&m->lock);
	is_failed = m->is_failed;
	pthread_mutex_unlock(&m->lock);
	return is_failed;
}

static uint64_t
memory_stage_id(struct kv *kv)
{
	return atomic_fetch_add(&memory_of(kv)->stage_ids, 1) + 1;
}

static void
memory_stats(struct kv *kv, struct kv_stats *out)
{
	struct memory *m = memory_of(kv);

	pthread_mutex_lock(&m->lock);
	*out = m->stats;
	pthread_mutex_unlock(&m->lock);
}

static enum err
memory_checkpoint(struct kv *kv unused_arg, const char *dir unused_arg)
{
	return ERR_CANNOT; /* there are no files */
}

static void
memory_close(struct kv *kv)
{
	struct memory *m = memory_of(kv);

	if (m->is_manual) {
		while (kv_memory_step(kv))
			continue;
	} else {
		pthread_mutex_lock(&m->lock);
		m->is_closing = true;
		pthread_cond_signal(&m->changed);
		pthread_mutex_unlock(&m->lock);
		pthread_join(m->thread, NULL);
	}
	undo_forget(m);
	free(m->undo);
	for (struct memory_node *n = m->blobs.head[0]; n != NULL; n = n->next[0]) {
		struct blob_row row;

		memcpy(&row, n->value.p, sizeof(row));
		kv_bytes_unref(row.bytes);
	}
	for (size_t i = 0; i < KV_KINDS; i++)
		memory_map_done(&m->rows[i]);
	memory_map_done(&m->versions);
	memory_map_done(&m->blobs);
	pthread_cond_destroy(&m->changed);
	pthread_mutex_destroy(&m->lock);
	kv_done(kv);
	free(m);
}

static const struct kv_ops memory_ops = {
	.close = memory_close,
	.space = memory_space,
	.is_failed = memory_is_failed,
	.is_out_of_room = memory_is_out_of_room,
	.load = memory_load,
	.load_ahead = memory_load,
	.load_now = memory_load_now,
	.commit = memory_commit,
	.stage_id = memory_stage_id,
	.blob_read = memory_blob_read,
	.blob_read_now = memory_blob_read_now,
	.blobs_load = memory_blobs_load,
	.blob_get = memory_blob_get,
	.blob_sweep = memory_blob_sweep,
	.versions = memory_versions,
	.stats = memory_stats,
	.check = memory_check,
	.blobs_each = memory_blobs_each,
	.checkpoint = memory_checkpoint,
};

static const struct kv_ops memory_manual_ops = {
	.close = memory_close,
	.space = memory_space,
	.is_failed = memory_is_failed,
	.is_out_of_room = memory_is_out_of_room,
	.load = memory_load,
	.load_ahead = memory_load,
	.load_now = memory_load_now,
	.commit = memory_commit,
	.pump = kv_memory_step,
	.stage_id = memory_stage_id,
	.blob_read = memory_blob_read,
	.blob_read_now = memory_blob_read_now,
	.blobs_load = memory_blobs_load,
	.blob_get = memory_blob_get,
	.blob_sweep = memory_blob_sweep,
	.versions = memory_versions,
	.stats = memory_stats,
	.check = memory_check,
	.blobs_each = memory_blobs_each,
	.checkpoint = memory_checkpoint,
};

enum err
kv_memory_open(const struct kv_memory_options *o, struct kv **kv_out)
{
	struct memory *m = xcalloc(1, sizeof(*m));

	kv_init(&m->kv, o->manual ? &memory_manual_ops : &memory_ops, &o->base);
	m->kv.keeps_stages = true;
	m->is_manual = o->manual;
	m->random = o->seed;
	pthread_mutex_init(&m->lock, NULL);
	pthread_cond_init(&m->changed, NULL);
	list_init(&m->commits);
	list_init(&m->loads);
	list_init(&m->blob_reads);
	list_init(&m->blobs_loads);
	for (size_t i = 0; i < KV_KINDS; i++)
		memory_map_init(&m->rows[i], o->seed + i);
	memory_map_init(&m->versions, o->seed);
	memory_map_init(&m->blobs, o->seed);
	if (!m->is_manual && pthread_create(&m->thread, NULL, committer, m) != 0) {
		m->is_manual = true; /* so that close waits for no thread */
		memory_close(&m->kv);
		return ERR_NOMEM;
	}
	*kv_out = &m->kv;
	return ERR_OK;
}
