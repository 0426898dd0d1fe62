/* tree_diff.c - where two trees differ. */
#include "store/tree_int.h"

struct diff {
	tree_diff_fn *fn;
	void *ctx;
};

/* The i-th child of t seen as a node of `height`: a lower tree is its own child 0. */
static const struct tree *
child_at(const struct tree *t, unsigned height, unsigned i)
{
	if (t == NULL)
		return NULL;
	if (t->height < height)
		return i == 0 ? t : NULL;
	return (tree_node_of(t)->mask >> i & 1) != 0 ? tree_node_of(t)->child[i] : NULL;
}

static bool
diff_below(const struct diff *d, const struct tree *a, const struct tree *b, unsigned height,
    uint32_t base)
{
	uint64_t mask = 1;

	if (a == b)
		return true;
	if (height == 0)
		return d->fn(d->ctx, base, a != NULL ? tree_leaf_str(a) : STR_NONE,
		    b != NULL ? tree_leaf_str(b) : STR_NONE);
	if (a != NULL && a->height == height)
		mask |= tree_node_of(a)->mask;
	if (b != NULL && b->height == height)
		mask |= tree_node_of(b)->mask;
	for (uint64_t m = mask; m != 0; m &= m - 1) {
		unsigned i = (unsigned)__builtin_ctzll(m);

		if (!diff_below(d, child_at(a, height, i), child_at(b, height, i), height - 1,
			tree_child_base(base, i, height)))
			return false;
	}
	return true;
}

bool
tree_diff(const struct tree *before, const struct tree *after, tree_diff_fn *fn, void *ctx)
{
	struct diff d = { fn, ctx };
	unsigned ha = before != NULL ? before->height : 0, hb = after != NULL ? after->height : 0;

	return diff_below(&d, before, after, MAX(ha, hb), 0);
}
