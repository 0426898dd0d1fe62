/* tree.c - see tree.h and tree_int.h: references and reading. */
#include "store/tree_int.h"

#include <stdlib.h>

static const struct page_sums no_sums;

struct tree *
tree_ref(struct tree *t)
{
	if (t != NULL)
		atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
	return t;
}

void
tree_unref(struct tree *t)
{
	if (t == NULL || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1)
		return;
	if (t->height == 0) {
		page_notes_unref(tree_leaf_of(t)->notes);
		free(tree_leaf_of(t));
		return;
	}
	for (uint64_t m = tree_node_of(t)->mask; m != 0; m &= m - 1)
		tree_unref(tree_node_of(t)->child[__builtin_ctzll(m)]);
	free(tree_node_of(t));
}

bool
tree_is_alone(const struct tree *t)
{
	return t == NULL || atomic_load_explicit(&t->refs, memory_order_acquire) == 1;
}

const struct page_sums *
tree_sums(const struct tree *t)
{
	return t == NULL ? &no_sums : &t->sums;
}

size_t
tree_bytes(const struct tree *t)
{
	/* Pages hold an entry each; a node stands over at most 4096 of them. */
	return t == NULL ? 0
			 : (size_t)t->sums.count * (PAGE_ENTRY_BYTES + 2) + t->sums.notes_bytes
		+ sizeof(struct leaf) + t->height * sizeof(struct node);
}

const struct tree *
tree_find_leaf(const struct tree *t, uint32_t page)
{
	if (t == NULL || !tree_covers(t->height, page))
		return NULL;
	while (t->height != 0) {
		unsigned i = tree_place(page, t->height);

		if ((tree_node_of(t)->mask >> i & 1) == 0)
			return NULL;
		t = tree_node_of(t)->child[i];
	}
	return t;
}

struct str
tree_page(const struct tree *t, uint32_t page)
{
	const struct tree *leaf = tree_find_leaf(t, page);

	return leaf == NULL ? STR_NONE : tree_leaf_str(leaf);
}

struct str
tree_notes(const struct tree *t, uint32_t uid)
{
	const struct tree *leaf =
	    t == NULL || t->sums.notes_bytes == 0 ? NULL : tree_find_leaf(t, uid / PAGE_UIDS);
	const struct note_list *l =
	    leaf == NULL ? NULL : page_notes_at(tree_leaf_of(leaf)->notes, uid % PAGE_UIDS);

	return l == NULL ? STR_NONE : str_make(l->bytes, l->n);
}

static uint64_t
from_bit(unsigned bit)
{
	return bit >= 64 ? 0 : ~(uint64_t)0 << bit;
}

static uint32_t
next_noted(const struct tree *t, uint32_t base, uint32_t from)
{
	const struct node *n = tree_node_of(t);
	uint32_t from_page = from / PAGE_UIDS;

	if (t->sums.notes_bytes == 0)
		return 0;
	if (t->height == 0) {
		uint64_t mask = tree_leaf_of(t)->notes->mask
		    & from_bit(base < from_page ? 64
			    : base == from_page ? from % PAGE_UIDS
						: 0);

		return mask == 0 ? 0 : base * PAGE_UIDS + (uint32_t)__builtin_ctzll(mask);
	}
	for (uint64_t m = n->mask; m != 0; m &= m - 1) {
		unsigned i = (unsigned)__builtin_ctzll(m);
		uint32_t first = tree_child_base(base, i, t->height), uid;

		if ((uint64_t)first + ((uint64_t)1 << FANOUT_BITS * (t->height - 1u)) <= from_page)
			continue;
		uid = next_noted(n->child[i], first, from);
		if (uid != 0)
			return uid;
	}
	return 0;
}

uint32_t
tree_next_noted(const struct tree *t, uint32_t from)
{
	return t == NULL ? 0 : next_noted(t, 0, from);
}

bool
tree_entry(const struct tree *t, uint32_t uid, struct page_entry *out)
{
	struct str page = tree_page(t, uid / PAGE_UIDS);
	uint64_t mask = page_mask(page);

	if ((mask >> uid % PAGE_UIDS & 1) == 0)
		return false;
	page_entry(page, page_index(mask, uid % PAGE_UIDS), out);
	return true;
}

/* Whether something below may be wanted. */
static bool
may_have(const struct tree *t, const struct tree_want *want)
{
	const struct page_sums *s = &t->sums;

	if (s->modseq <= want->modseq_above)
		return false;
	if (((want->set & FLAG_SEEN) != 0 && s->unseen == s->count)
	    || ((want->unset & FLAG_SEEN) != 0 && s->unseen == 0))
		return false;
	return ((want->set & FLAG_DELETED) == 0 || s->deleted != 0)
	    && ((want->unset & FLAG_DELETED) == 0 || s->deleted != s->count);
}

static void
entry_look(struct str page, unsigned bit, unsigned i, uint16_t *flags_out, uint64_t *modseq_out)
{
	bool is_seen = false;

	if (!page_is_private(page)) {
		*flags_out = page_flags(page, i);
		*modseq_out = page_modseq(page, i);
		return;
	}
	page_private(page, bit, &is_seen, modseq_out);
	*flags_out = is_seen ? FLAG_SEEN : 0;
}

static bool
leaf_next(const struct tree *t, uint32_t base_uid, unsigned from, const struct tree_want *want,
    struct tree_at *out)
{
	struct str page = tree_leaf_str(t);
	uint64_t mask = page_mask(page);

	for (uint64_t m = mask & from_bit(from); m != 0; m &= m - 1) {
		unsigned bit = (unsigned)__builtin_ctzll(m), i = page_index(mask, bit);
		uint16_t flags;
		uint64_t modseq;

		entry_look(page, bit, i, &flags, &modseq);
		if (modseq <= want->modseq_above || (flags & want->set) != want->set
		    || (flags & want->unset) != 0)
			continue;
		out->uid = base_uid + bit;
		out->before += i;
		out->page = page;
		out->index = i;
		return true;
	}
	return false;
}

/*
 * Looks below t, whose first page is base, for UIDs of at least from; out->before counts what is
 * left of t.
 */
static bool
next_below(const struct tree *t, uint32_t base, uint32_t from, const struct tree_want *want,
    struct tree_at *out)
{
	uint32_t before = out->before, from_page = from / PAGE_UIDS;
	const struct node *n = tree_node_of(t);

	if (!may_have(t, want))
		return false;
	if (t->height == 0)
		return leaf_next(t, base * PAGE_UIDS,
		    base < from_page        ? 64
			: base == from_page ? from % PAGE_UIDS
					    : 0,
		    want, out);
	for (uint64_t m = n->mask; m != 0; m &= m - 1) {
		unsigned i = (unsigned)__builtin_ctzll(m);
		uint32_t first = tree_child_base(base, i, t->height);
		bool is_left =
		    (uint64_t)first + ((uint64_t)1 << FANOUT_BITS * (t->height - 1u)) <= from_page;

		out->before = before;
		if (!is_left && next_below(n->child[i], first, from, want, out))
			return true;
		before += n->counts[i];
	}
	return false;
}

bool
tree_next(const struct tree *t, uint32_t from, struct tree_want want, struct tree_at *out)
{
	struct tree_at at = { 0 };

	if (t == NULL || !next_below(t, 0, from, &want, &at))
		return false;
	*out = at;
	return true;
}

uint32_t
tree_rank(const struct tree *t, uint64_t uid)
{
	uint64_t page = uid / PAGE_UIDS;
	uint32_t rank = 0;

	if (t == NULL)
		return 0;
	if (page > UINT32_MAX || !tree_covers(t->height, (uint32_t)page))
		return t->sums.count;
	while (t->height != 0) {
		const struct node *n = tree_node_of(t);
		unsigned at = tree_place((uint32_t)page, t->height);

		for (unsigned i = 0; i < at; i++)
			rank += n->counts[i];
		if ((n->mask >> at & 1) == 0)
			return rank;
		t = n->child[at];
	}
	return rank + page_index(page_mask(tree_leaf_str(t)), uid % PAGE_UIDS);
}

uint32_t
tree_select(const struct tree *t, uint32_t n)
{
	uint32_t base = 0;
	uint64_t mask;

	if (t == NULL || n >= t->sums.count)
		return 0;
	while (t->height != 0) {
		unsigned i = 0;

		for (; n >= tree_node_of(t)->counts[i]; i++)
			n -= tree_node_of(t)->counts[i];
		base = tree_child_base(base, i, t->height);
		t = tree_node_of(t)->child[i];
	}
	mask = page_mask(tree_leaf_str(t));
	for (; n != 0; n--)
		mask &= mask - 1;
	return base * PAGE_UIDS + (uint32_t)__builtin_ctzll(mask);
}

uint32_t
tree_last(const struct tree *t)
{
	return t == NULL ? 0 : tree_select(t, t->sums.count - 1);
}

void
tree_page_runs(uint32_t page, struct str bytes, tree_run_fn *fn, void *ctx)
{
	uint32_t base = page * PAGE_UIDS;

	for (uint64_t m = page_mask(bytes); m != 0;) {
		unsigned first = (unsigned)__builtin_ctzll(m);
		uint64_t behind = ~(m >> first); /* 0 only when all 64 are there */
		unsigned run = behind == 0 ? 64 : (unsigned)__builtin_ctzll(behind);

		fn(ctx, base + first, base + first + run - 1);
		m = first + run >= 64 ? 0 : m & ~(uint64_t)0 << (first + run);
	}
}

static void
runs_below(const struct tree *t, uint32_t base, tree_run_fn *fn, void *ctx)
{
	uint64_t room = (uint64_t)PAGE_UIDS << FANOUT_BITS * t->height;

	if (t->sums.count == room) {
		fn(ctx, base * PAGE_UIDS, (uint32_t)((uint64_t)base * PAGE_UIDS + room - 1));
	} else if (t->height == 0) {
		tree_page_runs(base, tree_leaf_str(t), fn, ctx);
	} else {
		for (uint64_t m = tree_node_of(t)->mask; m != 0; m &= m - 1) {
			unsigned i = (unsigned)__builtin_ctzll(m);

			runs_below(tree_node_of(t)->child[i], tree_child_base(base, i, t->height),
			    fn, ctx);
		}
	}
}

void
tree_runs(const struct tree *t, tree_run_fn *fn, void *ctx)
{
	if (t != NULL)
		runs_below(t, 0, fn, ctx);
}
