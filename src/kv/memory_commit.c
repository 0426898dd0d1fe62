/*
 * memory_commit.c - commits of the engine in memory: checked, applied, synced or not.
 */
#include "base/bytes.h"
#include "kv/memory_int.h"

static void
version_set(struct memory *m, struct account_id account, uint64_t version)
{
	char key[KV_ACCOUNT_KEY], value[8];

	put_be64(key, account.v);
	put_le64(value, version);
	memory_set(m, &m->versions, str_make(key, sizeof(key)), str_make(value, sizeof(value)));
}

static enum err
commit_check(struct memory *m, const struct kv_commit *c)
{
	struct blob_row row;

	if (kv_commit_check(c) != ERR_OK)
		return ERR_LIMIT;
	for (size_t i = 0; i < c->count; i++) {
		const struct kv_txn *t = c->txns[i];
		uint64_t current = memory_version(m, t->account);

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

			if (l->delta > 0 && l->stage == NULL && !memory_blob_find(m, &l->id, &row))
				return ERR_CORRUPT;
		}
	return ERR_OK;
}

static void
link_apply(struct memory *m, const struct kv_link_op *l)
{
	struct blob_row row = { 0 };

	if (!memory_blob_find(m, &l->id, &row)) {
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
	memory_set(m, &m->blobs, memory_blob_key(&l->id), str_make(&row, sizeof(row)));
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
		memory_set(m, map, op->key, op->value);
		break;
	case KV_OP_DEL:
		memory_remove(m, map, op->key);
		break;
	case KV_OP_DEL_RANGE:
		while (
		    (n = memory_map_from(map, op->key)) != NULL && str_cmp(n->key, op->value) < 0)
			memory_remove(m, map, n->key);
		break;
	case KV_OP_MERGE:
		n = memory_map_find(map, op->key);
		m->kv.merge[op->kind](n != NULL ? n->value : STR_NONE, &op->value, 1, &merged);
		memory_set(m, map, op->key, buf_str(&merged));
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

void
memory_decide(struct memory *m, struct kv_commit *c)
{
	enum err e;

	c->e = m->is_failed ? ERR_IO : commit_check(m, c);
	if (c->e != ERR_OK)
		return;
	e = memory_operation(m);
	if (e == ERR_OK && !c->is_lazy) {
		m->stats.syncs++;
		if (memory_operation(m) != ERR_OK)
			e = ERR_IO; /* a sync fails for good, whatever the reason */
	}
	if (e == ERR_OK) { /* nobody reads what a failed sync has left */
		for (size_t i = 0; i < c->count; i++)
			txn_apply(m, c->txns[i]);
		if (!c->is_lazy)
			memory_undo_forget(m);
	}
	if (e != ERR_OK && e != ERR_FULL && e != ERR_CONFLICT)
		m->is_failed = true;
	c->e = e;
}

void
memory_commit(struct kv *kv, struct kv_commit *c)
{
	struct memory *m = memory_of(kv);

	pthread_mutex_lock(&m->lock);
	list_add_tail(&m->commits, &c->node);
	pthread_cond_signal(&m->changed);
	pthread_mutex_unlock(&m->lock);
}

void *
memory_committer(void *arg)
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
			memory_decide(m, c);
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
