/*
 * memory_blob.c - blobs of the engine in memory: found, read, swept.
 */
#include "base/size.h"
#include "kv/memory_int.h"

struct str
memory_blob_key(const struct blob_id *id)
{
	return str_make(id->sha256, sizeof(id->sha256));
}

bool
memory_blob_find(struct memory *m, const struct blob_id *id, struct blob_row *row_out)
{
	const struct memory_node *n = memory_map_find(&m->blobs, memory_blob_key(id));

	if (n != NULL)
		memcpy(row_out, n->value.p, sizeof(*row_out));
	return n != NULL;
}

enum err
memory_blob_read_locked(struct memory *m, const struct blob_id *id, uint64_t offset, size_t length,
    struct kv_bytes **bytes_out)
{
	struct blob_row row;
	enum err e = memory_operation(m);

	if (e != ERR_OK)
		return e;
	if (!memory_blob_find(m, id, &row))
		return ERR_CORRUPT;
	if (offset >= row.bytes->s.n)
		return ERR_END;
	length = MIN(length, row.bytes->s.n - offset);
	length = MIN(length, KV_CHUNK_BYTES - offset % KV_CHUNK_BYTES);
	*bytes_out = kv_bytes_part(row.bytes, str_sub(row.bytes->s, offset, offset + length));
	return ERR_OK;
}

enum err
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
		e = memory_blob_read_locked(m, id, offset, length, bytes_out);
	}
	pthread_mutex_unlock(&m->lock);
	return e;
}

enum err
memory_blob_read_now(struct kv *kv, const struct blob_id *id, unused_arg uint64_t place,
    uint64_t offset, size_t length, struct kv_bytes **bytes_out)
{
	struct memory *m = memory_of(kv);
	struct blob_row row;
	enum err e = ERR_NOTFOUND;

	pthread_mutex_lock(&m->lock);
	m->stats.blob_reads++;
	if (memory_blob_find(m, id, &row))
		e = memory_blob_read_locked(m, id, offset, length, bytes_out);
	pthread_mutex_unlock(&m->lock);
	return e;
}

struct kv_blobs *
memory_blobs_load_locked(struct memory *m, const struct kv_blob_ref *refs, size_t count)
{
	bool can_read = memory_operation(m) == ERR_OK;
	struct kv_blobs *blobs;
	struct blob_row row;
	size_t total = 0;
	char *p;

	for (size_t i = 0; can_read && i < count; i++)
		if (memory_blob_find(m, &refs[i].id, &row) && row.bytes->s.n <= KV_CHUNK_BYTES)
			total = size_add(total, row.bytes->s.n);
	blobs = kv_blobs_new(&m->kv, count, total, &p);
	for (size_t i = 0; can_read && i < count; i++) {
		if (!memory_blob_find(m, &refs[i].id, &row) || row.bytes->s.n > KV_CHUNK_BYTES
		    || row.bytes->s.n != refs[i].length)
			continue;
		if (row.bytes->s.n > 0)
			memcpy(p, row.bytes->s.p, row.bytes->s.n);
		blobs->bytes[i] = str_make(p, row.bytes->s.n);
		p += row.bytes->s.n;
	}
	return blobs;
}

enum err
memory_blobs_load(struct kv *kv, unused_arg struct account_id account,
    const struct kv_blob_ref *refs, size_t count, struct kv_blobs **blobs_out, kv_blobs_fn *fn,
    void *ctx)
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
		j->count = count;
		memcpy(j->refs, refs, count * sizeof(*refs));
		list_add_tail(&m->blobs_loads, &j->node);
	} else {
		*blobs_out = memory_blobs_load_locked(m, refs, count);
		e = ERR_OK;
	}
	pthread_mutex_unlock(&m->lock);
	return e;
}

/* There are no files, and chunks stay with their blobs. */
enum err
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

enum err
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

enum err
memory_blob_get(struct kv *kv, const struct blob_id *id, struct kv_blob *out)
{
	struct memory *m = memory_of(kv);
	struct blob_row row;
	enum err e = ERR_NOTFOUND;

	pthread_mutex_lock(&m->lock);
	if (memory_blob_find(m, id, &row)) {
		*out = blob_of(id, &row);
		e = ERR_OK;
	}
	pthread_mutex_unlock(&m->lock);
	return e;
}

enum err
memory_blob_sweep(struct kv *kv, uint64_t grace_ms, uint64_t *swept_bytes_out)
{
	struct memory *m = memory_of(kv);
	int64_t now = kv->clock->wall_ms(kv->clock);
	struct memory_node *next;

	*swept_bytes_out = 0;
	pthread_mutex_lock(&m->lock);
	memory_undo_forget(m); /* a sweep is durable with everything before it */
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
