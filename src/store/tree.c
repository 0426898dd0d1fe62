/*
 * tree.c - see tree.h. A node of height 0 is a page; one of height h has 64 places for trees of
 * height h - 1, so the root's height grows with the highest UID. While an edit is on, the nodes
 * that it made are marked fresh: only they change in place, they hang together below the root, and
 * the end of the edit takes their marks off.
 */
#include "store/tree.h"

#include "base/arena.h"

#include <stdlib.h>

enum { FANOUT_BITS = 6, FANOUT = 1 << FANOUT_BITS };

struct tree {
	_Atomic(uint32_t) refs;
	uint8_t height;
	bool is_fresh;
	struct page_sums sums;
};

struct leaf {
	struct tree t;
	struct page_notes *notes; /* NULL: none; shared, counted by reference */
	uint32_t n;
	char bytes[];
};

struct node {
	struct tree t;
	uint64_t mask;           /* children that are there */
	uint32_t counts[FANOUT]; /* their counts: seq ↔ UID reads only this */
	struct tree *child[FANOUT];
};

/* Notes of one message, and those of a page: immutable. */
struct note_list {
	_Atomic(uint32_t) refs;
	uint32_t n;
	char bytes[];
};

struct page_notes {
	_Atomic(uint32_t) refs;
	uint64_t mask; /* UIDs that have some */
	uint64_t bytes;
	struct note_list *lists[];
};

static const struct page_sums no_sums;

static struct leaf *
leaf_of(const struct tree *t)
{
	return container_of(t, struct leaf, t);
}

static struct node *
node_of(const struct tree *t)
{
	return container_of(t, struct node, t);
}

static struct str
leaf_str(const struct tree *t)
{
	return str_make(leaf_of(t)->bytes, leaf_of(t)->n);
}

static unsigned
place(uint32_t page, unsigned height)
{
	return page >> FANOUT_BITS * (height - 1) & (FANOUT - 1);
}

static bool
covers(unsigned height, uint32_t page)
{
	return FANOUT_BITS * height >= 32 || page >> FANOUT_BITS * height == 0;
}

static uint64_t
from_bit(unsigned bit)
{
	return bit >= 64 ? 0 : ~(uint64_t)0 << bit;
}

/* First page of the child in that place of a node whose first page is `base`. */
static uint32_t
child_base(uint32_t base, unsigned i, unsigned height)
{
	return base + (i << FANOUT_BITS * (height - 1));
}

/* ---- notes ----------------------------------------------------------------------------------- */

static void
note_list_unref(struct note_list *l)
{
	if (l != NULL && atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) == 1)
		free(l);
}

static struct page_notes *
page_notes_ref(struct page_notes *p)
{
	if (p != NULL)
		atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
	return p;
}

static void
page_notes_unref(struct page_notes *p)
{
	if (p == NULL || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (unsigned i = 0; i < bits_count(p->mask); i++)
		note_list_unref(p->lists[i]);
	free(p);
}

static struct note_list *
page_notes_at(const struct page_notes *p, unsigned bit)
{
	return p != NULL && (p->mask >> bit & 1) != 0 ? p->lists[page_index(p->mask, bit)] : NULL;
}

/*
 * Those of p that are of mask, with `list` (taken over, NULL: none) in place of the one at `bit`.
 * NULL when none is left.
 */
static struct page_notes *
page_notes_with(const struct page_notes *p, uint64_t mask, unsigned bit, struct note_list *list)
{
	struct page_notes *out;
	unsigned n = 0;

	mask = ((p != NULL ? p->mask & mask : 0) & ~((uint64_t)1 << bit))
	    | (uint64_t)(list != NULL) << bit;
	if (mask == 0)
		return NULL;
	out = xmalloc(sizeof(*out) + (size_t)bits_count(mask) * sizeof(out->lists[0]));
	*out = (struct page_notes){ .refs = 1, .mask = mask };
	for (uint64_t m = mask; m != 0; m &= m - 1) {
		unsigned at = (unsigned)__builtin_ctzll(m);
		struct note_list *l = at == bit && list != NULL ? list : page_notes_at(p, at);

		if (l != list)
			atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
		out->bytes += l->n;
		out->lists[n++] = l;
	}
	return out;
}

/* The same p, referenced, when all of it is of mask. */
static struct page_notes *
page_notes_within(struct page_notes *p, uint64_t mask)
{
	struct note_list *first;

	if (p == NULL || (p->mask & mask) == 0)
		return NULL;
	if ((p->mask & ~mask) == 0)
		return page_notes_ref(p);
	first = page_notes_at(p, (unsigned)__builtin_ctzll(p->mask & mask));
	atomic_fetch_add_explicit(&first->refs, 1, memory_order_relaxed);
	return page_notes_with(p, mask, (unsigned)__builtin_ctzll(p->mask & mask), first);
}

/* ---- nodes ----------------------------------------------------------------------------------- */

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
		page_notes_unref(leaf_of(t)->notes);
		free(leaf_of(t));
		return;
	}
	for (uint64_t m = node_of(t)->mask; m != 0; m &= m - 1)
		tree_unref(node_of(t)->child[__builtin_ctzll(m)]);
	free(node_of(t));
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

/* ---- reading --------------------------------------------------------------------------------- */

static const struct tree *
find_leaf(const struct tree *t, uint32_t page)
{
	if (t == NULL || !covers(t->height, page))
		return NULL;
	while (t->height != 0) {
		unsigned i = place(page, t->height);

		if ((node_of(t)->mask >> i & 1) == 0)
			return NULL;
		t = node_of(t)->child[i];
	}
	return t;
}

struct str
tree_page(const struct tree *t, uint32_t page)
{
	const struct tree *leaf = find_leaf(t, page);

	return leaf == NULL ? STR_NONE : leaf_str(leaf);
}

struct str
tree_notes(const struct tree *t, uint32_t uid)
{
	const struct tree *leaf =
	    t == NULL || t->sums.notes_bytes == 0 ? NULL : find_leaf(t, uid / PAGE_UIDS);
	const struct note_list *l =
	    leaf == NULL ? NULL : page_notes_at(leaf_of(leaf)->notes, uid % PAGE_UIDS);

	return l == NULL ? STR_NONE : str_make(l->bytes, l->n);
}

static uint32_t
next_noted(const struct tree *t, uint32_t base, uint32_t from)
{
	const struct node *n = node_of(t);
	uint32_t from_page = from / PAGE_UIDS;

	if (t->sums.notes_bytes == 0)
		return 0;
	if (t->height == 0) {
		uint64_t mask = leaf_of(t)->notes->mask
		    & from_bit(base < from_page ? 64
			    : base == from_page ? from % PAGE_UIDS
						: 0);

		return mask == 0 ? 0 : base * PAGE_UIDS + (uint32_t)__builtin_ctzll(mask);
	}
	for (uint64_t m = n->mask; m != 0; m &= m - 1) {
		unsigned i = (unsigned)__builtin_ctzll(m);
		uint32_t first = child_base(base, i, t->height), uid;

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
	struct str page = leaf_str(t);
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
	const struct node *n = node_of(t);

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
		uint32_t first = child_base(base, i, t->height);
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
	if (page > UINT32_MAX || !covers(t->height, (uint32_t)page))
		return t->sums.count;
	while (t->height != 0) {
		const struct node *n = node_of(t);
		unsigned at = place((uint32_t)page, t->height);

		for (unsigned i = 0; i < at; i++)
			rank += n->counts[i];
		if ((n->mask >> at & 1) == 0)
			return rank;
		t = n->child[at];
	}
	return rank + page_index(page_mask(leaf_str(t)), uid % PAGE_UIDS);
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

		for (; n >= node_of(t)->counts[i]; i++)
			n -= node_of(t)->counts[i];
		base = child_base(base, i, t->height);
		t = node_of(t)->child[i];
	}
	mask = page_mask(leaf_str(t));
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
		tree_page_runs(base, leaf_str(t), fn, ctx);
	} else {
		for (uint64_t m = node_of(t)->mask; m != 0; m &= m - 1) {
			unsigned i = (unsigned)__builtin_ctzll(m);

			runs_below(node_of(t)->child[i], child_base(base, i, t->height), fn, ctx);
		}
	}
}

void
tree_runs(const struct tree *t, tree_run_fn *fn, void *ctx)
{
	if (t != NULL)
		runs_below(t, 0, fn, ctx);
}

/* ---- differences ----------------------------------------------------------------------------- */

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
	return (node_of(t)->mask >> i & 1) != 0 ? node_of(t)->child[i] : NULL;
}

static bool
diff_below(const struct diff *d, const struct tree *a, const struct tree *b, unsigned height,
    uint32_t base)
{
	uint64_t mask = 1;

	if (a == b)
		return true;
	if (height == 0)
		return d->fn(d->ctx, base, a != NULL ? leaf_str(a) : STR_NONE,
		    b != NULL ? leaf_str(b) : STR_NONE);
	if (a != NULL && a->height == height)
		mask |= node_of(a)->mask;
	if (b != NULL && b->height == height)
		mask |= node_of(b)->mask;
	for (uint64_t m = mask; m != 0; m &= m - 1) {
		unsigned i = (unsigned)__builtin_ctzll(m);

		if (!diff_below(d, child_at(a, height, i), child_at(b, height, i), height - 1,
			child_base(base, i, height)))
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

/* ---- changing -------------------------------------------------------------------------------- */

/* notes are taken over. */
static struct tree *
leaf_new(struct str bytes, struct page_notes *notes)
{
	struct leaf *l = xmalloc(sizeof(*l) + bytes.n);

	l->t = (struct tree){ .refs = 1, .is_fresh = true };
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
		return node_of(t);
	n = xcalloc(1, sizeof(*n));
	if (t != NULL) {
		const struct node *old = node_of(t);

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
	i = place(page, height);
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
	while (e->root != NULL && !covers(e->root->height, page)) {
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
		while (!covers(height, page))
			height++;
	} else {
		if (leaf == NULL && !covers(e->root->height, page))
			return;
		grow(e, page);
		height = e->root->height;
	}
	e->root = put_below(e->root, height, page, leaf);
}

void
tree_edit_put(struct tree_edit *e, uint32_t page, struct str bytes)
{
	struct page_notes *notes = NULL;

	if (tree_sums(e->root)->notes_bytes != 0) {
		const struct tree *old = find_leaf(e->root, page);

		notes =
		    old == NULL ? NULL : page_notes_within(leaf_of(old)->notes, page_mask(bytes));
	}
	put_leaf(e, page, page_mask(bytes) != 0 ? leaf_new(bytes, notes) : NULL);
}

void
tree_edit_notes(struct tree_edit *e, uint32_t uid, struct str notes)
{
	const struct tree *old = find_leaf(e->root, uid / PAGE_UIDS);
	struct note_list *l = NULL;
	struct page_notes *with;

	if (old == NULL || (page_mask(leaf_str(old)) >> uid % PAGE_UIDS & 1) == 0)
		return;
	if (notes.n != 0) {
		l = xmalloc(sizeof(*l) + notes.n);
		*l = (struct note_list){ .refs = 1, .n = (uint32_t)notes.n };
		memcpy(l->bytes, notes.p, notes.n);
	}
	with = page_notes_with(leaf_of(old)->notes, ~(uint64_t)0, uid % PAGE_UIDS, l);
	put_leaf(e, uid / PAGE_UIDS, leaf_new(leaf_str(old), with));
}

void
tree_edit_merge(struct tree_edit *e, uint32_t page, struct str operand)
{
	char space[PAGE_MAX_BYTES];
	struct buf out = { .p = space, .cap = sizeof(space), .max = sizeof(space) };

	page_merge(tree_page(e->root, page), &operand, 1, &out);
	tree_edit_put(e, page, buf_str(&out));
}

static void
settle(struct tree *t)
{
	if (t == NULL || !t->is_fresh)
		return;
	t->is_fresh = false;
	if (t->height == 0)
		return;
	for (uint64_t m = node_of(t)->mask; m != 0; m &= m - 1)
		settle(node_of(t)->child[__builtin_ctzll(m)]);
}

struct tree *
tree_edit_end(struct tree_edit *e)
{
	struct tree *t = e->root;

	e->root = NULL;
	settle(t);
	return t;
}
