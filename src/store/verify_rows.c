/*
 * verify_rows.c - rows as far as they can be read. What damage hides from a range may be found
 * alone, by its key: whoever knows which rows there could be in a gap asks for them one by one.
 */
#include "store/verify_int.h"

#include "base/size.h"

#include <stdlib.h>

void
verify_gaps_done(struct verify_gaps *g)
{
	for (size_t i = 0; i < g->n; i++) {
		free((char *)g->g[i].from.p);
		free((char *)g->g[i].to.p);
	}
	free(g->g);
	*g = (struct verify_gaps){ 0 };
}

bool
verify_gaps_have(const struct verify_gaps *g, struct str key)
{
	for (size_t i = 0; i < g->n; i++)
		if (str_cmp(g->g[i].from, key) <= 0 && str_cmp(key, g->g[i].to) < 0)
			return true;
	return false;
}

static void
gap_add(struct verify_gaps *g, struct str from, struct str to)
{
	if (g->n == g->cap) {
		g->cap = g->cap == 0 ? 4 : size_mul(g->cap, 2);
		g->g = xrealloc(g->g, size_mul(g->cap, sizeof(*g->g)));
	}
	g->g[g->n++] =
	    (struct kv_gap){ str_make(xstrdup(from), from.n), str_make(xstrdup(to), to.n) };
}

void
verify_rows(struct verify *v, struct account_id account, enum kv_kind kind, struct str from,
    struct str to, verify_row_fn *fn, void *ctx, struct verify_gaps *gaps_out)
{
	struct kv_range range = { .kind = kind, .from = from, .to = to, .may_have_gaps = true };
	struct kv_rows *rows = NULL;
	const struct kv_row_list *list;
	uint64_t bytes = 0;

	if (v->is_stopped)
		return;
	if (kv_load_now(v->kv, account, &range, 1, &rows) != ERR_OK) {
		gap_add(gaps_out, from, to);
		return;
	}
	list = &rows->ranges[0];
	for (size_t i = 0; i < list->count; i++) {
		fn(ctx, list->rows[i].key, list->rows[i].value);
		bytes += list->rows[i].key.n + list->rows[i].value.n;
	}
	for (size_t i = 0; i < list->gap_count; i++)
		gap_add(gaps_out, list->gaps[i].from, list->gaps[i].to);
	kv_rows_free(rows);
	verify_pace(v, bytes);
}

enum err
verify_row(struct verify *v, struct arena *a, struct account_id account, enum kv_kind kind,
    struct str key, struct str *value_out)
{
	struct kv_range range = { .kind = kind, .from = key, .is_exact = true };
	struct kv_rows *rows = NULL;
	enum err e = kv_load_now(v->kv, account, &range, 1, &rows);

	if (e != ERR_OK)
		return e;
	*value_out =
	    rows->ranges[0].count == 0 ? STR_NONE : arena_str(a, rows->ranges[0].rows[0].value);
	if (value_out->p == NULL && rows->ranges[0].count > 0)
		*value_out = STR("");
	kv_rows_free(rows);
	return ERR_OK;
}
