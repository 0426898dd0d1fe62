/* list_rows.c - see list_rows.h. A snapshot is sorted level by level, so that all below a name stands behind it. */
#include "session/cmd/list_rows.h"

#include "imap/utf7.h"

static uint32_t
add_row(struct arena *a, struct list_rows *l, struct str name, const struct mailbox_info *m, uint32_t parent)
{
	if (l->count == l->cap) {
		struct list_row *more = arena_array(a, struct list_row, l->cap == 0 ? 64 : l->cap * 2);

		if (l->count > 0)
			memcpy(more, l->rows, l->count * sizeof(*more));
		l->cap = l->cap == 0 ? 64 : l->cap * 2;
		l->rows = more;
	}
	l->rows[l->count++] = (struct list_row){ .name = name, .mailbox = m, .parent = parent };
	return l->count;	/* index + 1 */
}

void
list_rows_make(struct arena *a, const struct snapshot *snapshot, struct list_rows *out)
{
	uint32_t chain[MAILBOX_LEVELS_MAX + 1];	/* row of each level above the current name, index + 1 */
	const struct mailbox_info *m;

	*out = (struct list_rows){ 0 };
	chain[0] = 0;
	for (uint32_t i = 0; (m = snapshot_mailbox_at(snapshot, i)) != NULL; i++) {
		uint32_t level = 0;

		for (size_t at = 0; at < m->name.n && level < MAILBOX_LEVELS_MAX; at++) {
			struct str above = str_sub(m->name, 0, at);

			if (m->name.p[at] != MAILBOX_SEPARATOR)
				continue;
			level++;
			/* What stands below a level that is not the last name's has chain entries of its own. */
			if (out->count == 0 || chain[level] == 0 || !str_eq(out->rows[chain[level] - 1].name, above))
				chain[level] = add_row(a, out, above, NULL, chain[level - 1]);
		}
		chain[level + 1 <= MAILBOX_LEVELS_MAX ? level + 1 : level] = add_row(a, out, m->name, m, chain[level]);
		for (uint32_t j = level + 2; j <= MAILBOX_LEVELS_MAX; j++)
			chain[j] = 0;
	}
}

void
list_rows_select(struct list_rows *l, uint32_t i)
{
	l->rows[i].is_selected = true;
	for (uint32_t p = l->rows[i].parent; p != 0 && !l->rows[p - 1].has_selected_below; p = l->rows[p - 1].parent)
		l->rows[p - 1].has_selected_below = true;
}

void
list_rows_hide(struct list_rows *l, uint32_t i)
{
	for (uint32_t up = l->rows[i].parent; up != 0 && !l->rows[up - 1].has_hidden_below; up = l->rows[up - 1].parent)
		l->rows[up - 1].has_hidden_below = true;
}
