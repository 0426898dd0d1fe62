/*
 * memory_load.c - rows and versions read from the engine in memory.
 */
#include "base/bytes.h"
#include "base/size.h"
#include "kv/memory_int.h"

#include <stdlib.h>

uint64_t
memory_version(struct memory *m, struct account_id account)
{
	const struct memory_node *n;
	char key[KV_ACCOUNT_KEY];

	put_be64(key, account.v);
	n = memory_map_find(&m->versions, str_make(key, sizeof(key)));
	return n != NULL ? get_le64(n->value.p) : 0;
}

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

enum err
memory_load_locked(struct memory *m, struct account_id account, const struct kv_range *ranges,
    size_t count, struct kv_rows **rows_out)
{
	struct kv_rows *rows;
	enum err e = memory_operation(m);

	if (e != ERR_OK)
		return e;
	rows = kv_rows_new(count, memory_version(m, account));
	for (size_t i = 0; i < count; i++)
		range_load(m, account, &ranges[i], rows, i);
	*rows_out = rows;
	return ERR_OK;
}

enum err
memory_load_now(struct kv *kv, struct account_id account, const struct kv_range *ranges,
    size_t count, struct kv_rows **rows_out)
{
	struct memory *m = memory_of(kv);
	enum err e;

	pthread_mutex_lock(&m->lock);
	e = memory_load_locked(m, account, ranges, count, rows_out);
	m->stats.loads_now++;
	pthread_mutex_unlock(&m->lock);
	return e;
}

enum err
memory_load_ahead(struct kv *kv, struct account_id account, const struct kv_range *ranges,
    size_t count, struct kv_rows **rows_out, kv_wanted_fn *is_wanted, kv_load_fn *fn, void *ctx)
{
	struct memory *m = memory_of(kv);
	struct kv_load_job *j;

	if (!m->is_manual)
		return memory_load_now(kv, account, ranges, count, rows_out);
	j = kv_load_job_new(account, ranges, count, fn, ctx);
	j->is_wanted = is_wanted;
	pthread_mutex_lock(&m->lock);
	list_add_tail(&m->loads, &j->node);
	m->stats.loads_waited++;
	pthread_mutex_unlock(&m->lock);
	return ERR_WAIT;
}

enum err
memory_load(struct kv *kv, struct account_id account, const struct kv_range *ranges, size_t count,
    struct kv_rows **rows_out, kv_load_fn *fn, void *ctx)
{
	return memory_load_ahead(kv, account, ranges, count, rows_out, NULL, fn, ctx);
}

enum err
memory_versions(struct kv *kv, const struct account_id *accounts, size_t count,
    uint64_t *versions_out)
{
	struct memory *m = memory_of(kv);

	pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < count; i++)
		versions_out[i] = memory_version(m, accounts[i]);
	pthread_mutex_unlock(&m->lock);
	return ERR_OK;
}
