/*
 * list_rows.c - see list_rows.h. A snapshot is sorted level by level, so that all below a name
 * stands behind it.
 */
#include "session/cmd/list_rows.h"

#include "imap/utf7.h"

#include <stdlib.h>

/* Rows of the levels above the next name, index + 1; from the top. */
struct chain {
	uint32_t at[MAILBOX_LEVELS_MAX + 1];
};

static uint32_t
add_row(struct arena *a, struct list_rows *l, const struct list_row *row)
{
	if (l->count == l->cap) {
		struct list_row *more =
		    arena_array(a, struct list_row, l->cap == 0 ? 64 : l->cap * 2);

		if (l->count > 0)
			memcpy(more, l->rows, l->count * sizeof(*more));
		l->cap = l->cap == 0 ? 64 : l->cap * 2;
		l->rows = more;
	}
	l->rows[l->count++] = *row;
	return l->count; /* index + 1 */
}

/* Adds a row behind all that sort before it, and rows for the levels above it that have none. */
static void
add(struct arena *a, struct list_rows *l, struct chain *chain, struct list_row row)
{
	uint32_t level = 0, index;

	for (size_t at = 0; at < row.name.n && level < MAILBOX_LEVELS_MAX; at++) {
		struct list_row above = { .name = str_sub(row.name, 0, at),
			.parent = chain->at[level],
			.is_foreign = row.is_foreign };

		if (row.name.p[at] != MAILBOX_SEPARATOR)
			continue;
		level++;
		/*
		 * What stands below a level that is not the last name's has chain entries of its
		 * own.
		 */
		if (l->count == 0 || chain->at[level] == 0
		    || !str_eq(l->rows[chain->at[level] - 1].name, above.name))
			chain->at[level] = add_row(a, l, &above);
	}
	row.parent = chain->at[level];
	index = add_row(a, l, &row);
	chain->at[MIN(level + 1, MAILBOX_LEVELS_MAX)] = index;
	for (uint32_t j = level + 2; j <= MAILBOX_LEVELS_MAX; j++)
		chain->at[j] = 0;
	if (row.mailbox == NULL || row.mailbox->is_noselect)
		return;
	for (uint32_t p = row.parent; p != 0 && !l->rows[p - 1].has_children;
	     p = l->rows[p - 1].parent)
		l->rows[p - 1].has_children = true;
}

static bool
is_in_space(struct str name, struct str space)
{
	return space.n != 0 && str_starts(name, space)
	    && (name.n == space.n || name.p[space.n] == MAILBOX_SEPARATOR);
}

void
list_rows_add_own(struct session *s, struct arena *a, const struct snapshot *own,
    struct list_rows *l)
{
	struct str other = target_space_name(s, SPACE_OTHER),
		   shared = target_space_name(s, SPACE_SHARED);
	struct chain chain = { { 0 } };
	const struct mailbox_info *m;

	for (uint32_t i = 0; (m = snapshot_mailbox_at(own, i)) != NULL; i++) {
		if (is_in_space(m->name, other) || is_in_space(m->name, shared))
			continue;
		add(a, l, &chain,
		    (struct list_row){ .name = m->name,
			.mailbox = m,
			.account = snapshot_account(own),
			.rights = target_rights(s, own, m),
			.is_subscribed = m->is_subscribed });
	}
}

/* Level by level, as snapshots are sorted. */
static int
row_cmp(const void *x, const void *y)
{
	struct str a = ((const struct list_row *)x)->name, b = ((const struct list_row *)y)->name;
	size_t n = MIN(a.n, b.n), i = 0;

	while (i < n && a.p[i] == b.p[i])
		i++;
	if (i == n)
		return a.n == b.n ? 0 : a.n < b.n ? -1 : 1;
	if (a.p[i] == MAILBOX_SEPARATOR || b.p[i] == MAILBOX_SEPARATOR)
		return a.p[i] == MAILBOX_SEPARATOR ? -1 : 1;
	return (uint8_t)a.p[i] < (uint8_t)b.p[i] ? -1 : 1;
}

static void
add_others(struct session *s, struct arena *a, enum target_space space, struct snapshot *other,
    struct list_rows *found)
{
	struct str top = target_space_name(s, space), user = account_user(snapshot_account(other));
	struct str prefix = space == SPACE_OTHER
	    ? arena_printf(a, "%.*s/%.*s/", STR_F(top), STR_F(user))
	    : arena_printf(a, "%.*s/", STR_F(top));
	const struct mailbox_info *m;

	for (uint32_t i = 0; (m = snapshot_mailbox_at(other, i)) != NULL; i++) {
		unsigned rights = target_rights(s, other, m);

		if ((rights & RIGHT_L) != 0)
			add_row(a, found,
			    &(struct list_row){
				.name = arena_printf(a, "%.*s%.*s", STR_F(prefix), STR_F(m->name)),
				.mailbox = m,
				.account = snapshot_account(other),
				.rights = rights,
				.is_foreign = true });
	}
}

/*
 * Those of them that the user has subscribed to; a subscription to what is not there makes a row of
 * its own.
 */
static void
add_subscriptions(struct arena *a, struct str space, const struct snapshot *own,
    struct list_rows *found)
{
	uint32_t there = found->count;
	const struct mailbox_info *m;

	for (uint32_t i = 0; (m = snapshot_mailbox_at(own, i)) != NULL; i++) {
		struct list_row key = { .name = m->name,
			.is_subscribed = true,
			.is_foreign = true },
				*row;

		if (!m->is_subscribed || !is_in_space(m->name, space))
			continue;
		row = there == 0 ? NULL : bsearch(&key, found->rows, there, sizeof(key), row_cmp);
		if (row != NULL)
			row->is_subscribed = true;
		else
			add_row(a, found, &key);
	}
	if (found->count != there)
		qsort(found->rows, found->count, sizeof(found->rows[0]), row_cmp);
}

void
list_rows_add_space(struct session *s, struct arena *a, enum target_space space,
    const struct snapshot *own, struct snapshot *const *others, size_t count, struct list_rows *l)
{
	struct list_rows found = { 0 };
	struct chain chain = { { 0 } };

	for (size_t i = 0; i < count; i++) {
		bool is_shared = str_eq(account_user(snapshot_account(others[i])), SHARED_USER);

		if (is_shared == (space == SPACE_SHARED))
			add_others(s, a, space, others[i], &found);
	}
	if (found.count != 0)
		qsort(found.rows, found.count, sizeof(found.rows[0]), row_cmp);
	add_subscriptions(a, target_space_name(s, space), own, &found);
	for (uint32_t i = 0; i < found.count; i++)
		add(a, l, &chain, found.rows[i]);
}

void
list_rows_select(struct list_rows *l, uint32_t i)
{
	l->rows[i].is_selected = true;
	for (uint32_t p = l->rows[i].parent; p != 0 && !l->rows[p - 1].has_selected_below;
	     p = l->rows[p - 1].parent)
		l->rows[p - 1].has_selected_below = true;
}

void
list_rows_hide(struct list_rows *l, uint32_t i)
{
	for (uint32_t up = l->rows[i].parent; up != 0 && !l->rows[up - 1].has_hidden_below;
	     up = l->rows[up - 1].parent)
		l->rows[up - 1].has_hidden_below = true;
}
