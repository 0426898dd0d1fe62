/*
 * rocks_puts.c - of the rows that several commits of one batch write, the last is.
 *
 * A client that pipelines has many commits in a batch, each with the rows that count what the
 * account and the mailbox hold. The batch is there as a whole or not at all, so nobody can see any
 * but the last of them. A slot knows the last put of one row; where two rows share a slot, both are
 * written each time.
 */
#include "kv/rocks_int.h"

static struct last_put *
slot_of(struct rocks *r, const struct kv_op *op)
{
	return &r->last_puts[str_hash(op->key, 0) & (PUTS_KNOWN - 1)];
}

/* Rows of other kinds are hardly ever written twice. */
static bool
is_counted(const struct kv_op *op)
{
	return op->type == KV_OP_PUT && op->kind == KV_ROW;
}

void
rocks_puts_note(struct rocks *r, const struct kv_commit *c)
{
	for (size_t i = 0; i < c->count; i++) {
		struct kv_op op;
		size_t pos = 0;

		while (kv_txn_each(c->txns[i], &pos, &op))
			if (is_counted(&op))
				*slot_of(r, &op) = (struct last_put){ r->batch_no, op.key };
	}
}

bool
rocks_puts_is_last(struct rocks *r, const struct kv_op *op)
{
	const struct last_put *last;

	if (!is_counted(op))
		return true;
	last = slot_of(r, op);
	return last->batch != r->batch_no || last->key.p == op->key.p
	    || !str_eq(last->key, op->key);
}
