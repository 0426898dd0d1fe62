/*
 * rocks_ranges.c - deletes the rows of ranges, one by one. In the committer.
 *
 * RocksDB can delete a range by a row of its own kind, which every iterator has to look for from then
 * on; and where such a row lies in a table whose other rows can't be read, 7.8 ends the process by an
 * assertion (MergingIterator::SkipNextDeleted()). So there are none: the keys are looked for. A commit
 * that deletes ranges is the first of its batch (rocks_queue.c), so that all before it is in the
 * engine, and only its own rows are not.
 */
#include "base/size.h"
#include "kv/rocks_int.h"

static bool
is_within(struct str key, const struct kv_op *range)
{
	return str_cmp(key, range->key) >= 0 && str_cmp(key, range->value) < 0;
}

/* What the commit itself has put before. */
static void
own_delete(struct rocks *r, const struct kv_commit *c, const struct kv_op *range)
{
	struct kv_op op = { 0 };

	for (size_t i = 0; i < c->count; i++) {
		size_t pos = 0;

		while (kv_txn_each(c->txns[i], &pos, &op)) {
			if (op.key.p == range->key.p)
				return;
			if (op.kind == range->kind && op.type != KV_OP_DEL
			    && op.type != KV_OP_DEL_RANGE && is_within(op.key, range))
				rocksdb_writebatch_delete_cf(r->batch, r->cf[op.kind], op.key.p,
				    op.key.n);
		}
	}
}

/*
 * From where the iterator stands to the end of its bounds, or to damage. *last: the last key of the
 * way forward, which the way back goes up to.
 */
static enum err
found_delete(struct rocks *r, rocksdb_column_family_handle_t *cf, rocksdb_iterator_t *it,
    bool is_reverse, struct buf *last)
{
	char *message = NULL;

	for (; rocksdb_iter_valid(it); is_reverse ? rocksdb_iter_prev(it) : rocksdb_iter_next(it)) {
		struct str key;

		key.p = rocksdb_iter_key(it, &key.n);
		if (is_reverse && str_cmp(key, buf_str(last)) <= 0)
			break;
		rocksdb_writebatch_delete_cf(r->batch, cf, key.p, key.n);
		if (!is_reverse) {
			buf_clear(last);
			buf_str_add(last, key);
		}
	}
	rocksdb_iter_get_error(it, &message);
	return rocks_read_err(message);
}

void
rocks_range_delete(struct rocks *r, const struct kv_commit *c, const struct kv_op *op)
{
	rocksdb_column_family_handle_t *cf = r->cf[op->kind];
	rocksdb_readoptions_t *o;
	rocksdb_iterator_t *it;
	BUF_CLEAN struct buf last = BUF_MAX(1u << 20);
	enum err e;

	if (str_cmp(op->key, op->value) >= 0)
		return;
	own_delete(r, c, op);
	o = rocksdb_readoptions_create();
	rocksdb_readoptions_set_fill_cache(o, 0);
	rocksdb_readoptions_set_iterate_lower_bound(o, op->key.p, op->key.n);
	rocksdb_readoptions_set_iterate_upper_bound(o, op->value.p, op->value.n);
	/* Those of older stores: what they hide may be deleted twice. */
	rocksdb_readoptions_set_ignore_range_deletions(o, 1);
	it = rocksdb_create_iterator_cf(r->db, o, cf);
	rocksdb_iter_seek(it, op->key.p, op->key.n);
	e = found_delete(r, cf, it, false, &last);
	if (e != ERR_OK) { /* what is behind the damage, too */
		rocksdb_iter_destroy(it);
		it = rocksdb_create_iterator_cf(r->db, o, cf);
		rocksdb_iter_seek_to_last(it);
		ignore_err(found_delete(r, cf, it, true, &last),
		    "what can't be read stays: kv_del_range()");
	}
	rocksdb_iter_destroy(it);
	rocksdb_readoptions_destroy(o);
}
