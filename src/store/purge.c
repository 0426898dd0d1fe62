/* purge.c - see purge.h. */
#include "store/purge.h"

enum { PURGE_ROWS = 500, PURGE_KEY_MAX = 4096 };

/* Some rows, from *from on, which becomes what is behind them. */
static enum err
purge_some(struct kv *kv, struct account_id account, struct kv_range *range, struct buf *from,
    bool *is_last_out)
{
	struct kv_rows *rows = NULL;
	const struct kv_row_list *l;
	struct kv_txn *t;
	bool has_gaps;
	enum err e;

	range->from = buf_str(from);
	e = kv_load_readable(kv, account, range, &rows, is_last_out);
	if (e != ERR_OK)
		return e;
	l = &rows->ranges[0];
	has_gaps = l->gap_count != 0;
	t = kv_txn_new(kv, account, KV_UNVERSIONED, KV_UNVERSIONED);
	kv_txn_set_deletes(t);
	for (size_t i = 0; i < l->count; i++)
		kv_del(t, range->kind, l->rows[i].key);
	if (l->count != 0) {
		buf_clear(from);
		buf_str_add(from, l->rows[l->count - 1].key);
		buf_chr(from, '\0');
		e = kv_commit_now(kv, &t, 1);
	} else {
		kv_txn_abort(t);
	}
	kv_rows_free(rows);
	return e == ERR_OK && has_gaps ? ERR_CORRUPT : e;
}

enum err
rows_purge(struct kv *kv, struct account_id account, enum kv_kind kind, struct str from,
    struct str to)
{
	struct kv_range range = { .kind = kind, .to = to, .limit = PURGE_ROWS, .is_bulk = true };
	BUF_CLEAN struct buf at = BUF_MAX(PURGE_KEY_MAX);
	bool is_last = false;
	enum err e = ERR_OK;

	buf_str_add(&at, from);
	while (e == ERR_OK && !is_last)
		e = purge_some(kv, account, &range, &at, &is_last);
	return e;
}
