/*
 * txn.c - a transaction's own buffer: changes packed one behind the other, keys already with their
 * account in front, so that an engine copies them once. The waiting forms of commit are here too.
 */
#include "base/bell.h"
#include "base/bytes.h"
#include "base/size.h"
#include "kv/kv_int.h"

#include <stdlib.h>

/* type, kind, two zero bytes, key length, value length */
#define OP_HEAD 12u
/* A delivery's rows; it would not pay to begin with less. */
#define USUAL_BYTES 2048u

struct kv_txn *
kv_txn_new(struct kv *kv, struct account_id account, uint64_t base, uint64_t next)
{
	struct kv_txn *t = xcalloc(1, sizeof(*t));

	must(next > base || base == KV_UNVERSIONED);
	t->kv = kv;
	t->account = account;
	t->base = base;
	t->next = next;
	t->ops = BUF_MAX(KV_TXN_MAX);
	buf_reserve(&t->ops, USUAL_BYTES);
	return t;
}

/* What the transaction holds of others. */
static void
links_end(struct kv_txn *t)
{
	for (size_t i = 0; i < t->link_count; i++)
		kv_stage_unref(t->links[i].stage);
	t->link_count = 0;
}

void
kv_txn_abort(struct kv_txn *t)
{
	if (t == NULL)
		return;
	links_end(t);
	free(t->links);
	buf_done(&t->ops);
	free(t);
}

void
kv_key_put(char *out, struct account_id account, struct str key)
{
	put_be64(out, account.v);
	if (key.n > 0)
		memcpy(out + KV_ACCOUNT_KEY, key.p, key.n);
}

/* Room for a change whose key has the account in front; returns where the value goes. */
static char *
op_add(struct kv_txn *t, enum kv_op_type type, enum kv_kind kind, struct str key,
    size_t value_length)
{
	size_t key_length = size_add(KV_ACCOUNT_KEY, key.n);
	size_t total = size_add(OP_HEAD, size_add(key_length, value_length));
	char *p;

	must(kind < KV_KINDS);
	p = buf_reserve(&t->ops, total);
	if (p == NULL)
		return NULL;
	t->ops.n += total;
	t->op_count++;
	p[0] = (char)type;
	p[1] = (char)kind;
	p[2] = p[3] = 0;
	put_le32(p + 4, (uint32_t)key_length);
	put_le32(p + 8, (uint32_t)value_length);
	kv_key_put(p + OP_HEAD, t->account, key);
	return p + OP_HEAD + key_length;
}

static void
op_add_value(struct kv_txn *t, enum kv_op_type type, enum kv_kind kind, struct str key,
    struct str value)
{
	char *p = op_add(t, type, kind, key, value.n);

	if (p != NULL && value.n > 0)
		memcpy(p, value.p, value.n);
}

void
kv_put(struct kv_txn *t, enum kv_kind kind, struct str key, struct str value)
{
	op_add_value(t, KV_OP_PUT, kind, key, value);
}

void
kv_put_placed(struct kv_txn *t, enum kv_kind kind, struct str key, struct str value,
    const struct blob_id *id)
{
	char *p = op_add(t, KV_OP_PUT_PLACED, kind, key, size_add(value.n, sizeof(*id)));

	must(value.n >= KV_PLACE_BYTES);
	if (p == NULL)
		return;
	memcpy(p, value.p, value.n);
	memcpy(p + value.n, id, sizeof(*id));
}

void
kv_del(struct kv_txn *t, enum kv_kind kind, struct str key)
{
	op_add_value(t, KV_OP_DEL, kind, key, STR_NONE);
}

void
kv_merge(struct kv_txn *t, enum kv_kind kind, struct str key, struct str operand)
{
	must(t->kv->merge[kind] != NULL);
	op_add_value(t, KV_OP_MERGE, kind, key, operand);
}

void
kv_add(struct kv_txn *t, struct str key, int64_t delta)
{
	char value[8];

	put_le64(value, (uint64_t)delta);
	op_add_value(t, KV_OP_MERGE, KV_COUNTER, key, str_make(value, sizeof(value)));
}

void
kv_del_range(struct kv_txn *t, enum kv_kind kind, struct str from, struct str to)
{
	struct account_id end = t->account;
	char *p;

	if (to.p == NULL)
		end.v++; /* behind every key of the account */
	t->has_ranges = true;
	p = op_add(t, KV_OP_DEL_RANGE, kind, from, KV_ACCOUNT_KEY + to.n);
	if (p != NULL)
		kv_key_put(p, end, to);
}

bool
kv_txn_each(const struct kv_txn *t, size_t *pos, struct kv_op *op_out)
{
	const char *p = t->ops.p + *pos;
	size_t key_length, value_length;

	if (*pos >= t->ops.n)
		return false;
	key_length = get_le32(p + 4);
	value_length = get_le32(p + 8);
	op_out->type = (enum kv_op_type)p[0];
	op_out->kind = (enum kv_kind)p[1];
	op_out->key = str_make(p + OP_HEAD, key_length);
	op_out->value = str_make(p + OP_HEAD + key_length, value_length);
	if (op_out->type == KV_OP_PUT_PLACED) {
		op_out->value.n -= sizeof(op_out->blob);
		memcpy(&op_out->blob, op_out->value.p + op_out->value.n, sizeof(op_out->blob));
	}
	*pos += OP_HEAD + key_length + value_length;
	return true;
}

void
kv_txn_set_deletes(struct kv_txn *t)
{
	t->is_deletes = true;
}

void
kv_txn_set_lazy(struct kv_txn *t)
{
	t->is_lazy = true;
}

size_t
kv_txn_bytes(const struct kv_txn *t)
{
	size_t n = t->ops.n;

	for (size_t i = 0; i < t->link_count; i++)
		n += sizeof(struct blob_id)
		    + (t->links[i].stage != NULL ? t->links[i].stage->stored.n : 0);
	return n;
}

static struct kv_link_op *
link_add(struct kv_txn *t, const struct blob_id *id, int64_t delta, struct kv_stage *stage)
{
	struct kv_link_op *l;

	if (t->link_count == t->link_cap) {
		t->link_cap = t->link_cap == 0 ? 4 : size_mul(t->link_cap, 2);
		t->links = xrealloc(t->links, size_mul(t->link_cap, sizeof(*t->links)));
	}
	l = &t->links[t->link_count++];
	*l = (struct kv_link_op){ .id = *id,
		.delta = delta,
		.stage = stage != NULL ? kv_stage_ref(stage) : NULL };
	return l;
}

void
kv_link(struct kv_txn *t, const struct blob_id *id, uint32_t count, struct kv_stage *stage)
{
	if (stage != NULL)
		must(stage->is_sealed && memcmp(&stage->id, id, sizeof(*id)) == 0);
	if (count > 0)
		link_add(t, id, count, stage);
}

void
kv_unlink(struct kv_txn *t, const struct blob_id *id, uint32_t count)
{
	if (count > 0)
		link_add(t, id, -(int64_t)count, NULL);
}

void
kv_adopt(struct kv_txn *t, const struct blob_id *id, uint64_t place, uint64_t length)
{
	struct kv_link_op *l = link_add(t, id, 1, NULL);

	l->place = place;
	l->length = length;
}

/* ---- commit */

static bool
takes_links(const struct kv_txn *t)
{
	for (size_t i = 0; i < t->link_count; i++)
		if (t->links[i].delta > 0 && t->links[i].stage == NULL)
			return true;
	return false;
}

void
kv_commit(struct kv *kv, struct kv_txn **txns, size_t count, kv_commit_fn *fn, void *ctx)
{
	struct kv_commit *c = xcalloc(1, sizeof(*c));

	must(count > 0);
	list_init(&c->node);
	c->bin = bin_mine();
	c->txns = xmalloc(size_mul(count, sizeof(*txns)));
	memcpy(c->txns, txns, count * sizeof(*txns));
	c->count = count;
	c->fn = fn;
	c->ctx = ctx;
	c->is_lazy = c->is_deletes = true;
	for (size_t i = 0; i < count; i++) {
		c->bytes += kv_txn_bytes(txns[i]);
		c->op_count += txns[i]->op_count + txns[i]->link_count;
		c->takes_links = c->takes_links || takes_links(txns[i]);
		c->has_ranges = c->has_ranges || txns[i]->has_ranges;
		c->is_lazy = c->is_lazy && txns[i]->is_lazy;
		c->is_deletes = c->is_deletes && txns[i]->is_deletes;
	}
	kv->ops->commit(kv, c);
}

static void
trash_free(struct bin_item *i)
{
	struct kv_commit *c = container_of(i, struct kv_commit, trash);

	for (size_t k = 0; k < c->count; k++)
		kv_txn_abort(c->txns[k]);
	free(c->txns);
	free(c);
}

void
kv_commit_free(struct kv_commit *c)
{
	for (size_t i = 0; i < c->count; i++)
		links_end(c->txns[i]);
	c->trash.free = trash_free;
	bin_put(c->bin, &c->trash);
}

void
kv_commit_end(struct kv_commit *c)
{
	kv_commit_fn *fn = c->fn;
	void *ctx = c->ctx;
	enum err e = c->e;

	kv_commit_free(c);
	fn(ctx, e);
}

enum err
kv_commit_check(const struct kv_commit *c)
{
	for (size_t i = 0; i < c->count; i++)
		if (buf_err(&c->txns[i]->ops) != ERR_OK)
			return ERR_LIMIT;
	return ERR_OK;
}

struct commit_wait {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_done;
	enum err e;
};

static void
commit_wait_done(void *ctx, enum err e)
{
	struct commit_wait *w = ctx;

	pthread_mutex_lock(&w->lock);
	w->is_done = true;
	w->e = e;
	pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

enum err
kv_commit_now(struct kv *kv, struct kv_txn **txns, size_t count)
{
	struct commit_wait w = { .lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER };

	kv_commit(kv, txns, count, commit_wait_done, &w);
	bells_turn_end(); /* no turn is over while we wait */
	pthread_mutex_lock(&w.lock);
	while (!w.is_done) {
		if (kv->ops->pump != NULL) {
			pthread_mutex_unlock(&w.lock);
			kv->ops->pump(kv);
			pthread_mutex_lock(&w.lock);
		} else {
			pthread_cond_wait(&w.changed, &w.lock);
		}
	}
	pthread_mutex_unlock(&w.lock);
	return w.e;
}

/* ---- counters */

void
kv_counter_merge(struct str base, const struct str *operands, size_t count, struct buf *out)
{
	uint64_t sum = base.n == 8 ? get_le64(base.p) : 0;
	char value[8];

	for (size_t i = 0; i < count; i++)
		if (operands[i].n == 8)
			sum += get_le64(operands[i].p);
	put_le64(value, sum);
	buf_add(out, value, sizeof(value));
}
