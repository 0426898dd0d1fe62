/* tree_edit.c - changes of a tree. */
#include "store/tree_int.h"

#include <stdlib.h>

/*
 * Operands that the engine may have to fold into a page when it loads it, about. Of a page that was
 * just loaded nobody knows how many there are, so it begins anywhere, and a new one in the first
 * half: pages that are always changed together are not all stored whole together, and one that is
 * loaded again for each change is stored whole at some of them.
 */
enum { MERGES_MAX = 16, MERGES_UNKNOWN = UINT8_MAX };

/* notes are taken over. */
static struct tree *
leaf_new(struct str bytes, struct page_notes *notes, unsigned merges)
{
	struct leaf *l = xmalloc(sizeof(*l) + bytes.n);

	l->t = (struct tree){ .refs = 1, .is_fresh = true, .merges = (uint8_t)merges };
	l->notes = notes;
	if (page_is_private(bytes))
		page_private_sum(bytes, &l->t.sums);
	else
		page_sum(bytes, &l->t.sums);
	l->t.sums.notes_bytes = notes == NULL ? 0 : notes->bytes;
	l->n = (uint32_t)bytes.n;
	memcpy(l->bytes, bytes.p, bytes.n);
	return &l->t;
}

static void
sums_add(struct page_sums *to, const struct page_sums *s)
{
	to->count += s->count;
	to->unseen += s->unseen;
	to->deleted += s->deleted;
	to->size_bytes += s->size_bytes;
	to->deleted_bytes += s->deleted_bytes;
	to->notes_bytes += s->notes_bytes;
	to->modseq = MAX(to->modseq, s->modseq);
}

/* modseq stays: it is a bound, and what is gone may have had it. */
static void
sums_sub(struct page_sums *from, const struct page_sums *s)
{
	from->count -= s->count;
	from->unseen -= s->unseen;
	from->deleted -= s->deleted;
	from->size_bytes -= s->size_bytes;
	from->deleted_bytes -= s->deleted_bytes;
	from->notes_bytes -= s->notes_bytes;
}

/* A node that this edit may change in place of t, whose reference it takes over. */
static struct node *
node_own(struct tree *t, unsigned height)
{
	struct node *n;

	if (t != NULL && t->is_fresh)
		return tree_node_of(t);
	n = xcalloc(1, sizeof(*n));
	if (t != NULL) {
		const struct node *old = tree_node_of(t);

		n->mask = old->mask;
		memcpy(n->counts, old->counts, sizeof(n->counts));
		for (uint64_t m = n->mask; m != 0; m &= m - 1)
			n->child[__builtin_ctzll(m)] = tree_ref(old->child[__builtin_ctzll(m)]);
		n->t.sums = old->t.sums;
		tree_unref(t);
	}
	atomic_init(&n->t.refs, 1);
	n->t.height = (uint8_t)height;
	n->t.is_fresh = true;
	return n;
}

/*
 * Puts a leaf (NULL: takes it out) below t, whose reference it takes over; the new tree, NULL when
 * nothing is left.
 */
static struct tree *
put_below(struct tree *t, unsigned height, uint32_t page, struct tree *leaf)
{
	struct node *n;
	struct tree *child;
	unsigned i;

	if (height == 0) {
		tree_unref(t);
		return leaf;
	}
	i = tree_place(page, height);
	if (t == NULL && leaf == NULL)
		return NULL;
	n = node_own(t, height);
	child = n->child[i];
	if (child != NULL)
		sums_sub(&n->t.sums, &child->sums);
	child = put_below(child, height - 1, page, leaf);
	n->child[i] = child;
	n->mask &= ~((uint64_t)1 << i);
	n->counts[i] = 0;
	if (child != NULL) {
		n->mask |= (uint64_t)1 << i;
		n->counts[i] = child->sums.count;
		sums_add(&n->t.sums, &child->sums);
	}
	if (n->mask != 0)
		return &n->t;
	tree_unref(&n->t);
	return NULL;
}

void
tree_edit_begin(struct tree_edit *e, struct tree *t)
{
	e->root = tree_ref(t);
}

/* The root grows until it covers the page. */
static void
grow(struct tree_edit *e, uint32_t page)
{
	while (e->root != NULL && !tree_covers(e->root->height, page)) {
		struct node *n = node_own(NULL, e->root->height + 1u);

		n->mask = 1;
		n->counts[0] = e->root->sums.count;
		n->child[0] = e->root;
		n->t.sums = e->root->sums;
		e->root = &n->t;
	}
}

static void
put_leaf(struct tree_edit *e, uint32_t page, struct tree *leaf)
{
	unsigned height = 0;

	if (e->root == NULL) {
		while (!tree_covers(height, page))
			height++;
	} else {
		if (leaf == NULL && !tree_covers(e->root->height, page))
			return;
		grow(e, page);
		height = e->root->height;
	}
	e->root = put_below(e->root, height, page, leaf);
}

static void
page_put(struct tree_edit *e, uint32_t page, struct str bytes, unsigned merges)
{
	struct page_notes *notes = NULL;
	struct tree *leaf;

	if (page_mask(bytes) == 0) {
		put_leaf(e, page, NULL);
		return;
	}
	if (tree_sums(e->root)->notes_bytes != 0) {
		const struct tree *old = tree_find_leaf(e->root, page);

		notes = old == NULL ? NULL
				    : page_notes_within(tree_leaf_of(old)->notes, page_mask(bytes));
	}
	leaf = leaf_new(bytes, notes, merges);
	if (merges == MERGES_UNKNOWN)
		leaf->merges = (uint8_t)((page + leaf->sums.modseq) % MERGES_MAX);
	put_leaf(e, page, leaf);
}

void
tree_edit_put(struct tree_edit *e, uint32_t page, struct str bytes)
{
	page_put(e, page, bytes, MERGES_UNKNOWN);
}

void
tree_edit_notes(struct tree_edit *e, uint32_t uid, struct str notes)
{
	const struct tree *old = tree_find_leaf(e->root, uid / PAGE_UIDS);
	struct note_list *l = NULL;
	struct page_notes *with;

	if (old == NULL || (page_mask(tree_leaf_str(old)) >> uid % PAGE_UIDS & 1) == 0)
		return;
	if (notes.n != 0)
		l = note_list_new(notes);
	with = page_notes_with(tree_leaf_of(old)->notes, ~(uint64_t)0, uid % PAGE_UIDS, l);
	put_leaf(e, uid / PAGE_UIDS, leaf_new(tree_leaf_str(old), with, old->merges));
}

bool
tree_edit_merge(struct tree_edit *e, uint32_t page, struct str operand)
{
	const struct tree *old = tree_find_leaf(e->root, page);
	unsigned merges = old == NULL ? 1 + page % (MERGES_MAX / 2) : old->merges + 1u;
	bool is_due = merges >= MERGES_MAX;
	char space[PAGE_MAX_BYTES];
	struct buf out = { .p = space, .cap = sizeof(space), .max = sizeof(space) };

	page_merge(old == NULL ? STR_NONE : tree_leaf_str(old), &operand, 1, &out);
	page_put(e, page, buf_str(&out), is_due ? 0 : merges);
	return is_due && page_mask(buf_str(&out)) != 0 && !page_is_damaged(buf_str(&out));
}

static void
settle(struct tree *t)
{
	if (t == NULL || !t->is_fresh)
		return;
	t->is_fresh = false;
	if (t->height == 0)
		return;
	for (uint64_t m = tree_node_of(t)->mask; m != 0; m &= m - 1)
		settle(tree_node_of(t)->child[__builtin_ctzll(m)]);
}

struct tree *
tree_edit_end(struct tree_edit *e)
{
	struct tree *t = e->root;

	e->root = NULL;
	settle(t);
	return t;
}
