/*
 * view_rest.c - a view that idles lets its pages go and keeps the UIDs, in ranges. When it wakes,
 * the tree that it had is put together from the one of now: without what is new, with stand-ins for
 * what vanished, and marked where it changed. So all that was not touched is shared, and the
 * difference of the two is found as always.
 */
#include "store/view_int.h"

#include "store/change_int.h"

static void
add_run(void *ctx, uint32_t first, uint32_t last)
{
	rangeset_add(ctx, first, last);
}

void
view_rest(struct view *v)
{
	if (v->is_resting || v->ghosts != 0 || v->is_gone)
		return;
	/* Which notes change can only be told by who has them. */
	v->was_bare = tree_sums(v->tree)->notes_bytes == 0;
	if (v->tells_notes && !v->was_bare)
		return;
	v->info.exists = view_exists(v);
	v->resting_recent = view_recent(v);
	tree_runs(v->tree, add_run, &v->resting);
	tree_unref(v->tree);
	tree_unref(v->seen);
	v->tree = v->seen = NULL;
	v->as.tree = NULL;
	v->at->uid = 0;
	v->is_resting = true;
}

/*
 * One operand on the entries of a page that are wanted, from `at` on; the first UID behind the
 * page.
 */
static uint32_t
change_page(struct tree_edit *edit, const struct tree *tree, struct tree_want want,
    const struct tree_at *at, uint32_t below, bool is_new)
{
	char space[64];
	struct buf op = { .p = space, .cap = sizeof(space), .max = sizeof(space) };
	const struct keywords none = { { 0, 0 } };
	const uint16_t flags = 0;
	uint32_t page = at->uid / PAGE_UIDS;
	struct tree_at next = *at;
	uint64_t mask = 0;

	do
		mask |= (uint64_t)1 << next.uid % PAGE_UIDS;
	while (next.uid % PAGE_UIDS != PAGE_UIDS - 1 && tree_next(tree, next.uid + 1, want, &next)
	    && next.uid / PAGE_UIDS == page && next.uid < below);
	if (is_new)
		page_op_remove(&op, mask);
	else
		page_op_set(&op, 0, mask, &flags, &none, true);
	tree_edit_merge(edit, page, buf_str(&op));
	return (page + 1) * PAGE_UIDS;
}

/* Stand-ins for the UIDs that are not there any more. */
static void
add_vanished(struct tree_edit *edit, const struct rangeset *uids)
{
	struct buf op = BUF_MAX(65536);
	size_t i = 0;

	for (uint32_t uid = rangeset_min(uids); uid != 0;) {
		uint32_t page = uid / PAGE_UIDS;
		uint64_t gone = rangeset_page_mask(uids, &i, page)
		    & ~page_mask(tree_page(tree_edit_now(edit), page));

		page_op_append(&op);
		for (uint64_t m = gone; m != 0; m &= m - 1)
			page_op_append_entry(&op, (unsigned)__builtin_ctzll(m),
			    &(struct page_entry){ 0 });
		if (gone != 0)
			tree_edit_merge(edit, page, buf_str(&op));
		if (page == UINT32_MAX / PAGE_UIDS)
			break;
		uid = rangeset_next(uids, (page + 1) * PAGE_UIDS);
	}
	buf_done(&op);
}

void
view_wake(struct view *v, struct tree *tree)
{
	const struct tree_want changed = { .modseq_above = v->version };
	struct tree_edit edit;
	struct tree_at at;
	uint32_t uid = 0, below = v->info.uidnext;

	tree_edit_begin(&edit, tree);
	while (uid < below && tree_next(tree, uid, changed, &at) && at.uid < below) {
		uid = change_page(&edit, tree, changed, &at, below, false);
		if (uid == 0)
			break;
	}
	for (uid = below; tree_next(tree, uid, TREE_ANY, &at);) {
		uid = change_page(&edit, tree, TREE_ANY, &at, UINT32_MAX, true);
		if (uid == 0)
			break;
	}
	if (rangeset_count(&v->resting) != tree_rank(tree, below))
		add_vanished(&edit, &v->resting);
	v->tree = tree_edit_end(&edit);
	v->is_resting = false;
	rangeset_done(&v->resting);
}
