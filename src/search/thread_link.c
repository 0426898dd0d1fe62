/*
 * thread_link.c - steps 1 to 3 of the REFERENCES algorithm (RFC 5256): who is whose parent.
 *
 * Before A becomes the parent of B, A must not be below B. Walking up from A would make long
 * threads quadratic. So what is linked together is also a set (union-find): A and B in different
 * sets can't be in a loop. As links are also taken back, being in one set proves nothing; only then
 * the walk is made, and it gives up above WALK_MAX, as if it had found a loop.
 */
#include "search/thread_int.h"

#include "base/big.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/size.h"

#include <stdlib.h>

enum {
	WALK_MAX = 10000,
	/* messages whose places in the table of ids are asked of memory before they are needed */
	LOOK_AHEAD = 8,
};

int32_t
thread_add_node(struct thread *t)
{
	if (t->node_count == t->node_cap) {
		t->node_cap = MAX(2 * t->node_cap, t->count + 64);
		t->nodes = big_grow(t->nodes, t->node_count * sizeof(*t->nodes),
		    size_mul(t->node_cap, sizeof(*t->nodes)));
	}
	must(t->node_count < INT32_MAX);
	t->nodes[t->node_count] = (struct node){ .parent = NO_NODE,
		.first_child = NO_NODE,
		.last_child = NO_NODE,
		.next = NO_NODE,
		.set = (int32_t)t->node_count };
	return (int32_t)t->node_count++;
}

/* ---- names ----------------------------------------------------------------------------------- */

/* Of a table that has an id of each message, and some more. */
static size_t
ids_room(size_t count)
{
	size_t cap = 256;

	while (cap / 2 < count)
		cap *= 2;
	return cap;
}

static void
ids_grow(struct thread *t)
{
	struct id_slot *old = t->ids;
	size_t old_cap = t->id_cap;

	t->id_cap = MAX(2 * old_cap, ids_room(t->count));
	t->ids = big_alloc(t->id_cap, sizeof(*t->ids));
	for (size_t i = 0; i < old_cap; i++) {
		size_t at = old[i].id & (t->id_cap - 1);

		if (old[i].id == 0)
			continue;
		while (t->ids[at].id != 0)
			at = (at + 1) & (t->id_cap - 1);
		t->ids[at] = old[i];
	}
	big_free(old);
}

/* The place of an id: its own, or a free one, which the caller fills. */
static struct id_slot *
id_place(struct thread *t, uint64_t id)
{
	size_t at;

	if (4 * (t->id_count + 1) > 3 * t->id_cap)
		ids_grow(t);
	at = id & (t->id_cap - 1);
	while (t->ids[at].id != 0 && t->ids[at].id != id)
		at = (at + 1) & (t->id_cap - 1);
	return &t->ids[at];
}

static void
id_enter(struct thread *t, struct id_slot *place, uint64_t id, int32_t node)
{
	*place = (struct id_slot){ id, node };
	t->id_count++;
}

static uint64_t
id_at(const struct content *c, uint32_t i)
{
	return get_le64(c->text + 8 * (size_t)i);
}

/* The place of the message's i-th id, or of its last if it has fewer. */
static void
id_prefetch(const struct thread *t, size_t message, uint32_t i)
{
	const struct content *c;

	if (message >= t->count || t->ids == NULL)
		return;
	c = &t->contents[message];
	if (c->id_count > 0)
		__builtin_prefetch(&t->ids[id_at(c, MIN(i, c->id_count - 1)) & (t->id_cap - 1)]);
}

bool
thread_name(struct thread *t)
{
	size_t end = MIN(t->at + STEP_NODES, t->count);

	for (; t->at < end; t->at++) {
		const struct content *c = &t->contents[t->at];
		uint64_t id = c->id_count > 0 ? id_at(c, 0) : 0;
		struct id_slot *place;

		id_prefetch(t, t->at + LOOK_AHEAD, 0);
		if (id == 0)
			continue;
		place = id_place(t, id);
		if (place->id == 0)
			id_enter(t, place, id, (int32_t)t->at);
	}
	return t->at == t->count;
}

/* ---- links ----------------------------------------------------------------------------------- */

static int32_t
set_of(struct thread *t, int32_t n)
{
	while (t->nodes[n].set != n) {
		t->nodes[n].set = t->nodes[t->nodes[n].set].set;
		n = t->nodes[n].set;
	}
	return n;
}

static bool
is_loop(struct thread *t, int32_t parent, int32_t child)
{
	if (parent == child)
		return true;
	if (!t->nodes[child].has_children || set_of(t, parent) != set_of(t, child))
		return false;
	for (int steps = 0; parent != NO_NODE; parent = t->nodes[parent].parent, steps++)
		if (parent == child || steps == WALK_MAX)
			return true;
	return false;
}

static void
set_parent(struct thread *t, int32_t child, int32_t parent)
{
	t->nodes[child].parent = parent;
	t->nodes[parent].has_children = true;
	t->nodes[set_of(t, child)].set = set_of(t, parent);
}

static int32_t
node_of_id(struct thread *t, uint64_t id)
{
	struct id_slot *place = id_place(t, id);

	if (place->id == 0)
		id_enter(t, place, id, thread_add_node(t));
	return place->node;
}

static void
link_message(struct thread *t, int32_t message)
{
	const struct content *c = &t->contents[message];
	int32_t last = NO_NODE;

	/* (A) */
	for (uint32_t i = 1; i < c->id_count; i++) {
		int32_t n = node_of_id(t, id_at(c, i));

		if (last != NO_NODE && t->nodes[n].parent == NO_NODE && !is_loop(t, last, n))
			set_parent(t, n, last);
		last = n;
	}
	/* (B) */
	if (last != NO_NODE && t->nodes[message].parent == last)
		return;
	t->nodes[message].parent = NO_NODE;
	if (last != NO_NODE && !is_loop(t, last, message))
		set_parent(t, message, last);
}

bool
thread_link(struct thread *t)
{
	/* A message may have a thousand references. */
	size_t end = MIN(t->at + STEP_NODES / 16, t->count);

	for (; t->at < end; t->at++) {
		id_prefetch(t, t->at + LOOK_AHEAD, UINT32_MAX);
		link_message(t, (int32_t)t->at);
	}
	return t->at == t->count;
}

/* ---- dummies --------------------------------------------------------------------------------- */

/*
 * Where a dummy's children go: the nearest message above it, or the dummy at the top. Kept in the
 * `set` of the dummies on the way, which links no longer need; the first time they are marked by
 * NO_NODE.
 */
static int32_t
give_way(struct thread *t, int32_t dummy)
{
	int32_t top = dummy;

	while (thread_is_dummy(t, top) && t->nodes[top].set == NO_NODE
	    && t->nodes[top].parent != NO_NODE)
		top = t->nodes[top].parent;
	if (thread_is_dummy(t, top) && t->nodes[top].set != NO_NODE)
		top = t->nodes[top].set;
	for (int32_t n = dummy; n != top && thread_is_dummy(t, n) && t->nodes[n].set == NO_NODE;) {
		int32_t up = t->nodes[n].parent;

		t->nodes[n].set = top;
		n = up;
	}
	return top;
}

bool
thread_prune(struct thread *t)
{
	size_t end = MIN(t->at + STEP_NODES, t->count);

	if (t->at == 0) {
		for (size_t i = t->count; i < t->node_count; i++)
			t->nodes[i].set = NO_NODE;
	}
	/*
	 * How many children a dummy at the top gets is counted in its `next`, which it does not
	 * need yet: -1 is none.
	 */
	for (; t->at < end; t->at++) {
		struct node *n = &t->nodes[t->at];

		if (n->parent == NO_NODE || !thread_is_dummy(t, n->parent))
			continue;
		n->parent = give_way(t, n->parent);
		if (thread_is_dummy(t, n->parent))
			t->nodes[n->parent].next++;
	}
	if (t->at < t->count)
		return false;
	/* One child alone takes the place of the dummy at the top. */
	for (size_t i = 0; i < t->count; i++) {
		int32_t parent = t->nodes[i].parent;

		if (parent != NO_NODE && thread_is_dummy(t, parent) && t->nodes[parent].next == 0)
			t->nodes[i].parent = NO_NODE;
	}
	for (size_t i = t->count; i < t->node_count; i++)
		t->nodes[i].next = t->nodes[i].parent = NO_NODE;
	return true;
}
