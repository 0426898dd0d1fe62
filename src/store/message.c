/*
 * message.c - messages of an account: reading their records, writing them with an append, letting
 * go of them.
 *
 * A record is in the engine only when the commit of its message is durable; a session that is told
 * of its own append earlier asks for it, and waits no longer than its output would wait at the gate
 * anyhow.
 */
#include "store/message.h"

#include "base/bytes.h"
#include "base/size.h"
#include "store/account_int.h"
#include "store/arrival_int.h"
#include "store/digest.h"

#include <stdlib.h>

/* ---- reading --------------------------------------------------------------------------------- */

enum err
message_missing(struct account *a, uint64_t version, struct waiter *w)
{
	uint64_t latest, durable;

	pthread_mutex_lock(&a->lock);
	latest = snapshot_version(a->latest);
	durable = snapshot_version(a->durable);
	pthread_mutex_unlock(&a->lock);
	if (durable > version)
		return ERR_OK;
	return latest > durable ? account_wait_durable(a, latest, w) : ERR_CORRUPT;
}

enum err
message_get(struct account *a, struct msgno n, enum message_need need, struct waiter *w,
    struct message **out)
{
	uint64_t version = 0;
	enum err e;

	do {
		e = message_cache_get(a->store->messages, a->id, n, need, w, out, &version);
		if (e != ERR_NOTFOUND)
			return e;
		e = message_missing(a, version, w);
	} while (e == ERR_OK);
	return e;
}

void
message_prefetch(struct account *a, const struct msgno *numbers, size_t count,
    enum message_need need)
{
	message_cache_prefetch(a->store->messages, a->id, numbers, count, need);
}

/* ---- writing --------------------------------------------------------------------------------- */

enum { PREPARE_ALL_MAX = 256 };

/*
 * The hashes that an append looks up: with very many messages at once only its own id and the
 * nearest reference.
 */
static uint32_t
hashes_used(const struct arrival_content *c, uint32_t message_count)
{
	return message_count > PREPARE_ALL_MAX ? MIN(c->thread_hash_count, 2u)
					       : c->thread_hash_count;
}

enum err
messages_prepare(struct account *a, const struct append *messages, uint32_t count, struct waiter *w)
{
	const struct arrival_content *c;
	uint64_t *hashes;
	size_t total = 0;
	enum err e;

	if (count == 1) {
		c = arrival_content(messages[0].arrival);
		return thread_index_load(a->threads, c->thread_hashes, c->thread_hash_count, w);
	}
	for (uint32_t i = 0; i < count; i++)
		total += hashes_used(arrival_content(messages[i].arrival), count);
	hashes = xcalloc(total + 1, sizeof(*hashes));
	total = 0;
	for (uint32_t i = 0; i < count; i++) {
		c = arrival_content(messages[i].arrival);
		for (uint32_t j = 0; j < hashes_used(c, count); j++)
			hashes[total++] = c->thread_hashes[j];
	}
	e = thread_index_load(a->threads, hashes, total, w);
	free(hashes);
	return e;
}

uint64_t
append_size(const struct append *m)
{
	return m->prefix.n + arrival_content(m->arrival)->blob_bytes;
}

uint64_t
message_put(struct account *a, struct kv_txn *t, uint64_t version, uint64_t durable, struct msgno n,
    const struct append *m)
{
	struct buf BUF_CLEAN header_row = BUF_MAX(SIZE_MAX);
	struct message_key header_key = message_header_key(n);
	const struct arrival_content *c = arrival_content(m->arrival);
	const struct object_id fresh = { .account = a->id.v, .n = n.v };
	struct message_record r = {
		.blob = c->blob,
		.blob_bytes = c->blob_bytes,
		.prefix_bytes = (uint32_t)m->prefix.n,
		.header_bytes = (uint32_t)(m->prefix.n + c->header.n),
		.is_header_cut = c->is_header_cut,
		.email = fresh,
		.has_place = true,
		.envelope = c->envelope,
		.bodystructure = c->bodystructure,
		.structure = c->structure,
		.sortkeys = c->sortkeys,
		.preview = c->preview,
	};

	must(m->prefix.n <= MESSAGE_PREFIX_MAX);
	buf_reserve(&header_row, 1 + r.header_bytes);
	r.thread = thread_assign(a->threads, t, version, durable, c->thread_hashes,
	    c->thread_hash_count, m->thread != NULL ? *m->thread : fresh);
	if (m->email != NULL)
		r.email = *m->email;
	if (m->thread != NULL)
		r.thread = *m->thread; /* an EMAILID never gets another THREADID */
	message_summary_put(t, n, &r);
	message_header_encode(m->prefix, c->header, &header_row);
	kv_put(t, KV_MESSAGE, message_key_str(&header_key), buf_str(&header_row));
	kv_link(t, &c->blob, 1, c->stage);
	return append_size(m);
}

void
message_put_copy(struct kv_txn *t, struct msgno n, const struct message *m)
{
	struct message_key summary_key = message_summary_key(n), header_key = message_header_key(n);

	must(m->has_header);
	kv_put(t, KV_MESSAGE, message_key_str(&summary_key), message_summary_row(m));
	kv_put(t, KV_MESSAGE, message_key_str(&header_key), message_header_row(m));
	kv_link(t, &m->blob, 1, NULL);
}

void
message_put_links(struct kv_txn *t, struct msgno n, int64_t more)
{
	struct message_key key = message_copies_key(n);

	kv_add(t, message_key_str(&key), more);
}

/* ---- letting go ------------------------------------------------------------------------------ */

/* What one message loses: its summary row and its counter row, as loaded. */
static enum err
message_release(struct kv_txn *t, const struct message_loss *loss,
    const struct kv_row_list *summary, const struct kv_row_list *copies)
{
	/* then its bytes stay until verify counts the links again */
	bool is_lost = summary->gap_count > 0;
	struct message_key summary_key = message_summary_key(loss->n),
			   header_key = message_header_key(loss->n);
	struct message_key copies_key = message_copies_key(loss->n);
	struct message_record r;
	uint64_t entries = 1;
	enum err e;

	if (copies->count != 0) {
		if (copies->rows[0].value.n != 8)
			return ERR_CORRUPT;
		entries += get_le64(copies->rows[0].value.p);
	}
	if (copies->gap_count > 0 || loss->entries > entries || (summary->count == 0 && !is_lost))
		return ERR_CORRUPT;
	if (loss->entries < entries) {
		message_put_links(t, loss->n, -(int64_t)loss->entries);
		return ERR_OK;
	}
	e = is_lost ? ERR_OK : message_summary_decode(summary->rows[0].value, &r);
	if (e != ERR_OK)
		return e;
	kv_del(t, KV_MESSAGE, message_key_str(&summary_key));
	kv_del(t, KV_MESSAGE, message_key_str(&header_key));
	if (copies->count != 0)
		kv_del(t, KV_COUNTER, message_key_str(&copies_key));
	if (!is_lost)
		kv_unlink(t, &r.blob, 1);
	return ERR_OK;
}

enum err
messages_release(struct account *a, struct kv_txn *t, const struct message_loss *losses,
    size_t count)
{
	struct message_key *keys = xcalloc(size_mul(2, count) + 1, sizeof(*keys));
	struct kv_range *ranges = xcalloc(size_mul(2, count) + 1, sizeof(*ranges));
	struct kv_rows *rows = NULL;
	enum err e;

	for (size_t i = 0; i < count; i++) {
		keys[2 * i] = message_summary_key(losses[i].n);
		keys[2 * i + 1] = message_copies_key(losses[i].n);
		ranges[2 * i] = (struct kv_range){ .kind = KV_MESSAGE,
			.from = message_key_str(&keys[2 * i]),
			.is_exact = true,
			.may_have_gaps = true };
		ranges[2 * i + 1] = (struct kv_range){ .kind = KV_COUNTER,
			.from = message_key_str(&keys[2 * i + 1]),
			.is_exact = true,
			.may_have_gaps = true };
	}
	e = kv_load_now(a->kv, a->id, ranges, 2 * count, &rows);
	for (size_t i = 0; e == ERR_OK && i < count; i++)
		e = message_release(t, &losses[i], &rows->ranges[2 * i], &rows->ranges[2 * i + 1]);
	for (size_t i = 0; e == ERR_OK && i < count; i++)
		if (i == 0 || !digest_is_same_block(losses[i].n, losses[i - 1].n))
			digest_cache_release(a->store->digests, t, losses[i].n);
	if (rows != NULL)
		kv_rows_free(rows);
	free(keys);
	free(ranges);
	return e;
}
