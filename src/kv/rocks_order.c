/*
 * rocks_order.c - the rows of a transaction, those of one sort next to each other.
 *
 * A row that comes right behind the one before it has its place in RocksDB's memory without a
 * search. Messages come as summary, header, thread, summary, header, thread, so in their own order
 * no row has; summaries alone, and headers alone, do. A sort is a kind and the first byte of the
 * caller's key. So rows of one key stay in their order, and others have none, for a batch is there
 * as a whole; what deletes a range comes behind all before it, and before all behind it.
 */
#include "kv/rocks_int.h"

/* Writes out what was gathered. */
static void
order_flush(struct rocks *r, const struct kv_commit *c, rocks_op_fn *put)
{
	struct rocks_order *o = &r->order;

	for (unsigned s = 0; s < o->sort_count; s++)
		for (unsigned i = 0; i < o->count; i++)
			if (o->sort_of[i] == s)
				put(r, c, &o->ops[i]);
	o->count = o->sort_count = 0;
}

/* The number of the operation's sort. When there is no room for one more, the rest share the last. */
static unsigned
sort_find(struct rocks_order *o, const struct kv_op *op)
{
	uint16_t sort = (uint16_t)((unsigned)op->kind << 8);
	unsigned i = 0;

	if (op->key.n > KV_ACCOUNT_KEY)
		sort |= (unsigned char)op->key.p[KV_ACCOUNT_KEY];
	while (i < o->sort_count && o->sorts[i] != sort)
		i++;
	if (i == ORDER_SORTS)
		return ORDER_SORTS - 1;
	if (i == o->sort_count)
		o->sorts[o->sort_count++] = sort;
	return i;
}

void
rocks_ops_put(struct rocks *r, const struct kv_commit *c, const struct kv_txn *t, rocks_op_fn *put)
{
	struct rocks_order *o = &r->order;
	size_t pos = 0;
	struct kv_op op;

	while (kv_txn_each(t, &pos, &op)) {
		if (op.type == KV_OP_DEL_RANGE) {
			order_flush(r, c, put);
			put(r, c, &op);
			continue;
		}
		if (o->count == ORDER_OPS)
			order_flush(r, c, put);
		o->sort_of[o->count] = (unsigned char)sort_find(o, &op);
		o->ops[o->count++] = op;
	}
	order_flush(r, c, put);
}
