/*
 * rocks_batch.c - the batch that the committer makes: what may go into it, its rows, and writing it.
 *
 * What is checked (versions, links) is checked against the batch being made as well, so commits of
 * one account can queue one behind the other. Each synced batch begins with a record saying up to
 * where the log was durable before it.
 */
#include "base/bytes.h"
#include "base/size.h"
#include "kv/rocks_int.h"

#include <stdlib.h>

/* Larger ones go when they are written: an import makes some of 300 KB, one behind the other. */
#define BATCH_KEPT_BYTES (1024u * 1024)

/* ---- writing */

/*
 * The log is written, then the rows are put into memory while the disk works on it, then it is
 * synced. So others may read rows that are not durable yet; of a batch that never is, what was
 * before it stays for them.
 */
static bool
batch_put(struct rocks *r, bool is_synced, char **message)
{
	const rocksdb_snapshot_t *before =
	    is_synced || r->options.no_sync ? rocksdb_create_snapshot(r->db) : NULL;
	bool has_failed;

	rocksdb_write(r->db, r->write_lazy, r->batch, message);
	if (is_synced && *message == NULL)
		rocksdb_flush_wal(r->db, 1, message);
	has_failed = *message != NULL || atomic_load(&r->is_failed);
	if (has_failed && before != NULL)
		atomic_store(&r->settled, before);
	else if (before != NULL)
		rocksdb_release_snapshot(r->db, before);
	return !has_failed;
}

enum err
rocks_batch_write(struct rocks *r, bool is_synced)
{
	rocksdb_writebatch_t *batch = r->batch;
	char *message = NULL;
	size_t length;
	bool is_put;

	if (atomic_load(&r->is_failed))
		return ERR_IO;
	rocksdb_writebatch_data(batch, &length);
	is_put = batch_put(r, is_synced, &message);
	if (length > BATCH_KEPT_BYTES) { /* what one big batch needed */
		rocksdb_writebatch_destroy(batch);
		r->batch = rocksdb_writebatch_create();
	} else {
		rocksdb_writebatch_clear(batch);
	}
	if (!is_put) {
		/*
		 * Whatever the kernel did with the pages of a failed sync can't be known, so there
		 * is no second try.
		 */
		rocks_fail(r, message);
		ignore_err(rocks_err(message),
		    "every failed write is ERR_IO to those who wait for it");
		return ERR_IO;
	}
	atomic_fetch_add(&r->stat_bytes, length);
	if (is_synced) {
		atomic_fetch_add(&r->stat_syncs, 1);
		r->durable_seq = rocksdb_get_latest_sequence_number(r->db);
		r->is_marked = false;
		rocks_marks_write(r->marks, r->durable_seq, false);
	}
	return ERR_OK;
}

void
rocks_batch_mark(struct rocks *r)
{
	char mark[WAL_MARK_BYTES];

	rocks_wal_mark(mark, r->durable_seq);
	rocksdb_writebatch_put_log_data(r->batch, mark, sizeof(mark));
}

/* ---- versions */

/*
 * The version that the account has with the batch being made. The cache knows it, unless another
 * account of this batch took its slot (then it is among the displaced) or it was not changed lately
 * (then the engine knows).
 */
static enum err
version_find(struct rocks *r, struct account_id account, uint64_t *version_out)
{
	const struct known_version *slot =
	    &r->versions[hash_u64(account.v) & (VERSIONS_CACHED - 1)];
	rocksdb_readoptions_t *o;
	enum err e;

	if (slot->version != 0 && slot->account == account.v) {
		*version_out = slot->version;
		return ERR_OK;
	}
	for (size_t i = r->displaced_count; i-- > 0;)
		if (r->displaced[i].account == account.v) {
			*version_out = r->displaced[i].version;
			return ERR_OK;
		}
	o = rocksdb_readoptions_create();
	e = rocks_version_get(r, o, TIER_ALL, account, version_out);
	rocksdb_readoptions_destroy(o);
	return e;
}

static void
version_note(struct rocks *r, struct account_id account, uint64_t version)
{
	struct known_version *slot = &r->versions[hash_u64(account.v) & (VERSIONS_CACHED - 1)];

	if (slot->batch == r->batch_no && slot->version != 0 && slot->account != account.v) {
		if (r->displaced_count == r->displaced_cap) {
			r->displaced_cap =
			    r->displaced_cap == 0 ? 16 : size_mul(r->displaced_cap, 2);
			r->displaced = xrealloc(r->displaced,
			    size_mul(r->displaced_cap, sizeof(*r->displaced)));
		}
		r->displaced[r->displaced_count++] = *slot;
	}
	*slot = (struct known_version){ account.v, version, r->batch_no };
}

/* Into the batch, unless a later commit of it makes the next one. */
static void
version_put(struct rocks *r, struct account_id account, uint64_t version)
{
	char key[1 + KV_ACCOUNT_KEY], value[8];
	uint64_t last;

	if (version_find(r, account, &last) == ERR_OK && last != version)
		return;
	key[0] = META_VERSION;
	put_be64(key + 1, account.v);
	put_le64(value, version);
	rocksdb_writebatch_put_cf(r->batch, r->cf[CF_META], key, sizeof(key), value, sizeof(value));
}

static enum err
versions_check(struct rocks *r, const struct kv_commit *c)
{
	for (size_t i = 0; i < c->count; i++) {
		const struct kv_txn *t = c->txns[i];
		uint64_t current;
		bool is_found = false;
		enum err e;

		if (!kv_txn_is_versioned(t))
			continue;
		/* twice in a set: the later is built on the earlier */
		for (size_t j = i; j > 0 && !is_found; j--) {
			is_found = c->txns[j - 1]->account.v == t->account.v
			    && kv_txn_is_versioned(c->txns[j - 1]);
			if (is_found)
				current = c->txns[j - 1]->next;
		}
		if (!is_found) {
			e = version_find(r, t->account, &current);
			if (e != ERR_OK)
				return e;
		}
		if (t->base != current)
			return ERR_CONFLICT;
	}
	return ERR_OK;
}

/* ---- one commit */

enum err
rocks_commit_check(struct rocks *r, const struct kv_commit *c)
{
	enum err e = kv_commit_check(c);

	if (e == ERR_OK)
		e = versions_check(r, c);
	if (e == ERR_OK && !c->is_deletes && kv_space(&r->kv) == KV_SPACE_HARD)
		e = ERR_FULL;
	if (e == ERR_OK)
		e = rocks_links_check(r, c);
	return e;
}

static void
op_put_placed(struct rocks *r, const struct kv_op *op)
{
	char place[KV_PLACE_BYTES];
	const char *parts[] = { op->value.p, place };
	const size_t lengths[] = { op->value.n - sizeof(place), sizeof(place) };

	put_le64(place, rocks_place(r, &op->blob));
	rocksdb_writebatch_putv_cf(r->batch, r->cf[op->kind], 1, &op->key.p, &op->key.n,
	    ARRAY_LEN(parts), parts, lengths);
}

static void
op_put(struct rocks *r, const struct kv_commit *c, const struct kv_op *op)
{
	rocksdb_column_family_handle_t *cf = r->cf[op->kind];

	switch (op->type) {
	case KV_OP_PUT:
		if (!rocks_puts_is_last(r, op))
			break;
		rocksdb_writebatch_put_cf(r->batch, cf, op->key.p, op->key.n, op->value.p,
		    op->value.n);
		break;
	case KV_OP_PUT_PLACED:
		op_put_placed(r, op);
		break;
	case KV_OP_DEL:
		rocksdb_writebatch_delete_cf(r->batch, cf, op->key.p, op->key.n);
		break;
	case KV_OP_DEL_RANGE:
		rocks_range_delete(r, c, op);
		break;
	case KV_OP_MERGE:
		rocksdb_writebatch_merge_cf(r->batch, cf, op->key.p, op->key.n, op->value.p,
		    op->value.n);
		break;
	}
}

/* It passed the check: what the next are checked against is as if it had been written. */
void
rocks_commit_accept(struct rocks *r, const struct kv_commit *c)
{
	for (size_t i = 0; i < c->count; i++) {
		const struct kv_txn *t = c->txns[i];

		rocks_links_apply(r, t); /* before its rows, which say where the bytes are */
		if (t->next != KV_UNVERSIONED)
			version_note(r, t->account, t->next);
	}
}

void
rocks_commit_put(struct rocks *r, const struct kv_commit *c)
{
	for (size_t i = 0; i < c->count; i++) {
		const struct kv_txn *t = c->txns[i];

		rocks_ops_put(r, c, t, op_put);
		if (t->next != KV_UNVERSIONED)
			version_put(r, t->account, t->next);
	}
	atomic_fetch_add(&r->stat_commits, c->count);
}
