/* seen.c - see seen_int.h. */
#include "store/seen_int.h"

#include <stdlib.h>

struct seen_users *
seen_users_new(uint32_t count)
{
	struct seen_users *s = xcalloc(1, sizeof(*s) + count * sizeof(s->u[0]));

	atomic_init(&s->refs, 1);
	s->count = count;
	return s;
}

struct seen_users *
seen_users_ref(struct seen_users *s)
{
	if (s != NULL)
		atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void
seen_users_unref(struct seen_users *s)
{
	if (s != NULL && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1)
		free(s);
}

uint32_t
seen_users_place(const struct seen_users *s, uint64_t user)
{
	uint32_t low = 0, high = s == NULL ? 0 : s->count;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (s->u[mid].user < user)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

const struct seen_user *
seen_users_find(const struct seen_users *s, uint64_t user)
{
	uint32_t at = seen_users_place(s, user);

	return s != NULL && at < s->count && s->u[at].user == user ? &s->u[at] : NULL;
}

/* ---- trees of a state ------------------------------------------------------------------------ */

struct tree *
seen_tree(const struct mailbox_state *s, uint64_t user)
{
	const struct seen_user *u = s->seen_trees == NULL ? NULL : seen_users_find(s->seen, user);

	return u == NULL ? NULL : s->seen_trees[u - s->seen->u];
}

void
seen_attach(struct mailbox_state *s, const struct seen_users *from, struct tree *const *trees)
{
	if (s->seen == NULL)
		return;
	s->seen_trees = xcalloc(s->seen->count, sizeof(struct tree *));
	for (uint32_t i = 0; i < s->seen->count; i++) {
		const struct seen_user *u = seen_users_find(from, s->seen->u[i].user);

		if (u != NULL)
			s->seen_trees[i] = tree_ref(trees[u - from->u]);
	}
}

void
seen_detach(struct mailbox_state *s)
{
	if (s->seen_trees == NULL)
		return;
	for (uint32_t i = 0; i < s->seen->count; i++)
		tree_unref(s->seen_trees[i]);
	free(s->seen_trees);
	s->seen_trees = NULL;
}

size_t
seen_bytes(const struct mailbox_state *s)
{
	size_t n = 0;

	for (uint32_t i = 0; s->seen_trees != NULL && i < s->seen->count; i++)
		n += tree_bytes(s->seen_trees[i]);
	return n;
}

/* ---- what a user sees ------------------------------------------------------------------------ */

struct seen_as
seen_as_of(const struct mailbox_info *m, uint64_t user, const struct tree *tree)
{
	struct seen_as as = {
		.is_own = m->is_seen_private && user != SEEN_OWNER,
		.since = user != SEEN_OWNER ? m->seen_since : 0,
		.tree = tree,
	};

	as.is_plain = !as.is_own && as.since == 0 && tree == NULL;
	return as;
}

void
seen_apply_own(const struct seen_as *as, uint32_t uid, struct page_entry *e)
{
	bool is_seen = false;
	uint64_t modseq;

	if (as->tree != NULL
	    && page_private(tree_page(as->tree, uid / PAGE_UIDS), uid % PAGE_UIDS, &is_seen,
		&modseq))
		e->modseq = MAX(e->modseq, modseq);
	e->modseq = MAX(e->modseq, as->since);
	if (as->is_own)
		e->flags = (uint16_t)((e->flags & ~FLAG_SEEN) | (is_seen ? FLAG_SEEN : 0));
}

uint32_t
mailbox_unseen(const struct mailbox_info *m, struct account_id reader)
{
	const struct seen_user *u;

	if (reader.v == SEEN_OWNER || !m->is_seen_private)
		return m->unseen;
	u = seen_users_find(m->state->seen, reader.v);
	return u == NULL ? m->exists : m->exists - MIN(u->sums.seen, m->exists);
}

uint64_t
mailbox_highestmodseq(const struct mailbox_info *m, struct account_id reader)
{
	const struct seen_user *u =
	    m->state == NULL ? NULL : seen_users_find(m->state->seen, reader.v);
	uint64_t modseq = m->highestmodseq;

	if (reader.v != SEEN_OWNER)
		modseq = MAX(modseq, m->seen_since);
	return u == NULL ? modseq : MAX(modseq, u->sums.modseq);
}
