/*
 * tree_int.h - what a tree is made of: for tree.c, which reads, tree_edit.c, which changes, and
 * tree_diff.c, which compares.
 *
 * A node of height 0 is a page; one of height h has 64 places for trees of height h - 1, so the
 * root's height grows with the highest UID. While an edit is on, the nodes that it made are marked
 * fresh: only they change in place, they hang together below the root, and the end of the edit takes
 * their marks off.
 */
#ifndef STORE_TREE_INT_H
#define STORE_TREE_INT_H

#include "store/tree.h"
#include "store/tree_notes.h"

enum { FANOUT_BITS = 6, FANOUT = 1 << FANOUT_BITS };

struct tree {
	_Atomic(uint32_t) refs;
	uint8_t height;
	bool is_fresh;
	uint8_t merges; /* of a leaf: operands since it was stored whole, about */
	struct page_sums sums;
};

struct leaf {
	struct tree t;
	struct page_notes *notes; /* NULL: none */
	uint32_t n;
	char bytes[];
};

struct node {
	struct tree t;
	uint64_t mask;           /* children that are there */
	uint32_t counts[FANOUT]; /* their counts: seq ↔ UID reads only this */
	struct tree *child[FANOUT];
};

static inline struct leaf *
tree_leaf_of(const struct tree *t)
{
	return container_of(t, struct leaf, t);
}

static inline struct node *
tree_node_of(const struct tree *t)
{
	return container_of(t, struct node, t);
}

static inline struct str
tree_leaf_str(const struct tree *t)
{
	return str_make(tree_leaf_of(t)->bytes, tree_leaf_of(t)->n);
}

static inline unsigned
tree_place(uint32_t page, unsigned height)
{
	return page >> FANOUT_BITS * (height - 1) & (FANOUT - 1);
}

static inline bool
tree_covers(unsigned height, uint32_t page)
{
	return FANOUT_BITS * height >= 32 || page >> FANOUT_BITS * height == 0;
}

/* First page of the child in that place of a node whose first page is `base`. */
static inline uint32_t
tree_child_base(uint32_t base, unsigned i, unsigned height)
{
	return base + (i << FANOUT_BITS * (height - 1));
}

/** The page's leaf; NULL when there is none. */
const struct tree *tree_find_leaf(const struct tree *t, uint32_t page);

#endif
