/* rows.c - results of loads, loads that wait, and bytes shared by reference count. */
#include "base/size.h"
#include "kv/kv_int.h"

#include <stdlib.h>

struct kv_rows *
kv_rows_new(size_t range_count, uint64_t version)
{
	struct kv_rows_make *m = xcalloc(1, sizeof(*m));

	m->pub.version = version;
	m->pub.range_count = range_count;
	m->pub.ranges = arena_array(&m->arena, struct kv_row_list, MAX(range_count, 1));
	return &m->pub;
}

void
kv_rows_add(struct kv_rows *rows, size_t range, struct str key, struct str value)
{
	struct kv_rows_make *m = container_of(rows, struct kv_rows_make, pub);
	struct kv_row_list *l = &rows->ranges[range];
	char *p = arena_alloc(&m->arena, size_add(key.n, value.n));

	if (l->count == 0)
		m->cap = 0;
	if (l->count == m->cap) {
		size_t cap = m->cap == 0 ? 4 : size_mul(m->cap, 2);
		struct kv_row *grown = arena_array(&m->arena, struct kv_row, cap);

		if (l->count > 0)
			memcpy(grown, l->rows, l->count * sizeof(*grown));
		l->rows = grown;
		m->cap = cap;
	}
	if (key.n > 0)
		memcpy(p, key.p, key.n);
	if (value.n > 0)
		memcpy(p + key.n, value.p, value.n);
	l->rows[l->count++] = (struct kv_row){ { p, key.n }, { p + key.n, value.n } };
}

void
kv_gap_add(struct kv_rows *rows, size_t range, struct str from, struct str to)
{
	struct kv_rows_make *m = container_of(rows, struct kv_rows_make, pub);
	struct kv_row_list *l = &rows->ranges[range];
	/* there are few */
	struct kv_gap *grown = arena_array(&m->arena, struct kv_gap, l->gap_count + 1);

	if (l->gap_count > 0)
		memcpy(grown, l->gaps, l->gap_count * sizeof(*grown));
	grown[l->gap_count++] =
	    (struct kv_gap){ arena_str(&m->arena, from), arena_str(&m->arena, to) };
	l->gaps = grown;
}

bool
kv_rows_hidden(const struct kv_row_list *l, struct str key)
{
	for (size_t i = 0; i < l->gap_count; i++)
		if (str_cmp(l->gaps[i].from, key) <= 0 && str_cmp(key, l->gaps[i].to) < 0)
			return true;
	return false;
}

void
kv_rows_free(struct kv_rows *rows)
{
	struct kv_rows_make *m;

	if (rows == NULL)
		return;
	m = container_of(rows, struct kv_rows_make, pub);
	arena_done(&m->arena);
	free(m);
}

struct kv_load_job *
kv_load_job_new(struct account_id account, const struct kv_range *ranges, size_t count,
    kv_load_fn *fn, void *ctx)
{
	struct kv_load_job *j = xcalloc(1, sizeof(*j));

	list_init(&j->node);
	j->account = account;
	j->fn = fn;
	j->ctx = ctx;
	j->count = count;
	j->ranges = arena_array(&j->arena, struct kv_range, MAX(count, 1));
	for (size_t i = 0; i < count; i++) {
		j->ranges[i] = ranges[i];
		j->ranges[i].from = arena_str(&j->arena, ranges[i].from);
		if (ranges[i].to.p != NULL)
			j->ranges[i].to = arena_str(&j->arena, ranges[i].to);
	}
	return j;
}

bool
kv_load_job_is_wanted(const struct kv_load_job *j)
{
	return j->is_wanted == NULL || j->is_wanted(j->ctx);
}

void
kv_load_job_free(struct kv_load_job *j)
{
	arena_done(&j->arena);
	free(j);
}

/* ---- bytes */

struct str
kv_bytes_str(const struct kv_bytes *b)
{
	return b->s;
}

struct kv_bytes *
kv_bytes_ref(struct kv_bytes *b)
{
	atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
	return b;
}

void
kv_bytes_unref(struct kv_bytes *b)
{
	if (b != NULL && atomic_fetch_sub(&b->refs, 1) == 1)
		b->free(b);
}

static void
bytes_free(struct kv_bytes *b)
{
	free(b);
}

struct kv_bytes *
kv_bytes_alloc(size_t n, char **p_out)
{
	struct kv_bytes *b = xmalloc(size_add(sizeof(*b), n));

	atomic_init(&b->refs, 1);
	b->free = bytes_free;
	b->s = str_make(b + 1, n);
	*p_out = (char *)(b + 1);
	return b;
}

struct kv_bytes *
kv_bytes_copy(struct str s)
{
	char *p;
	struct kv_bytes *b = kv_bytes_alloc(s.n, &p);

	if (s.n > 0)
		memcpy(p, s.p, s.n);
	return b;
}

struct bytes_part {
	struct kv_bytes b;
	struct kv_bytes *whole;
};

static void
bytes_part_free(struct kv_bytes *b)
{
	struct bytes_part *part = container_of(b, struct bytes_part, b);

	kv_bytes_unref(part->whole);
	free(part);
}

struct kv_bytes *
kv_bytes_part(struct kv_bytes *whole, struct str s)
{
	struct bytes_part *part = xmalloc(sizeof(*part));

	atomic_init(&part->b.refs, 1);
	part->b.free = bytes_part_free;
	part->b.s = s;
	part->whole = kv_bytes_ref(whole);
	return &part->b;
}
