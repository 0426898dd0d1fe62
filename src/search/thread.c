/*
 * thread.c - see thread.h.
 *
 *     gather -> date order -> [names -> links -> prune] -> arrange -> [subjects -> merge -> arrange] -> write
 *
 * The arrows in brackets are those of REFERENCES. ORDEREDSUBJECT leaves out the first, REFS the
 * second and orders threads by their latest message instead.
 *
 * Once all messages are in the order of their dates, siblings are sorted by putting each message
 * behind those of its parent's children that came before, and threads by the first message of each
 * that comes up: so one sort does for all.
 */
#include "search/thread.h"

#include "base/big.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/size.h"
#include "search/thread_int.h"

#include <stdlib.h>

struct thread *
thread_new(struct account *a, enum imap_thread_algorithm algorithm, enum mime_collation by)
{
	struct thread *t = xcalloc(1, sizeof(*t));

	t->algorithm = algorithm;
	t->writing = NO_NODE;
	t->seed = digest_seed(a);
	gather_init(&t->gather, a, by);
	t->gather.columns = 1u << DIGEST_DATE;
	if (algorithm != THREAD_ORDEREDSUBJECT)
		t->gather.columns |= 1u << DIGEST_IDS;
	if (algorithm != THREAD_REFS)
		t->gather.columns |= 1u << DIGEST_SUBJECT;
	return t;
}

void
thread_free(struct thread *t)
{
	if (t == NULL)
		return;
	gather_done(&t->gather);
	order_done(&t->by_date);
	order_done(&t->by_subject);
	arena_done(&t->texts);
	big_free(t->roots);
	big_free(t->contents);
	big_free(t->nodes);
	big_free(t->ids);
	free(t);
}

void
thread_expect(struct thread *t, size_t count)
{
	gather_expect(&t->gather, count);
}

void
thread_add(struct thread *t, const struct entry *e, struct seqnum seq)
{
	gather_add(&t->gather, e, seq);
}

size_t
thread_count(const struct thread *t)
{
	return t->gather.count;
}

/*
 * Mixed with what nobody outside knows, so that nobody can choose message-ids that collide in the
 * table.
 */
static void
mix_ids(const struct thread *t, struct str ids, char *mixed)
{
	for (size_t i = 0; i + 8 <= ids.n; i += 8) {
		uint64_t id = get_le64(ids.p + i);

		put_le64(mixed + i, id == 0 ? 0 : MAX(hash_u64(id ^ t->seed), 1u));
	}
}

static void
take(void *ctx, size_t index, const struct digest *d)
{
	struct thread *t = ctx;
	struct str ids = str_sub(d->column[DIGEST_IDS], 0, d->column[DIGEST_IDS].n / 8 * 8);
	struct str subject = str_sub(digest_subject(d), 0, INT32_MAX);
	char *text = arena_alloc(&t->texts, size_add(ids.n, subject.n));

	mix_ids(t, ids, text);
	if (subject.n > 0)
		memcpy(text + ids.n, subject.p, subject.n);
	t->contents[index] = (struct content){ .text = text,
		.id_count = (uint32_t)(ids.n / 8),
		.is_reply = digest_is_reply(d),
		.subject_bytes = (uint32_t)subject.n & INT32_MAX };
	t->by_date.items[index] =
	    (struct order_item){ order_key_signed(gather_sent_ms(&t->gather.messages[index], d)),
		    (uint32_t)index };
}

/* ---- phases ---------------------------------------------------------------------------------- */

static bool
sort_dates(struct thread *t)
{
	if (!order_step(&t->by_date))
		return false;
	t->roots = order_take_spare(&t->by_date);
	return true;
}

static void
add_root(struct thread *t, int32_t node, uint64_t key)
{
	t->roots[t->root_count++] = (struct order_item){ key, (uint32_t)node };
}

/* Siblings and roots by date, from the parents. */
static bool
arrange(struct thread *t)
{
	size_t end = MIN(t->at + STEP_NODES, t->count);

	if (t->at == 0) {
		t->root_count = 0;
		for (size_t i = 0; i < t->node_count; i++)
			t->nodes[i].first_child = t->nodes[i].last_child = t->nodes[i].next =
			    NO_NODE;
	}
	for (; t->at < end; t->at++) {
		const struct order_item *item = &t->by_date.items[t->at];
		int32_t n = (int32_t)item->index, parent = t->nodes[n].parent;

		if (parent == NO_NODE) {
			add_root(t, n, item->key);
			continue;
		}
		if (t->nodes[parent].first_child != NO_NODE) {
			t->nodes[t->nodes[parent].last_child].next = n;
		} else {
			t->nodes[parent].first_child = n;
			if (thread_is_dummy(t, parent))
				add_root(t, parent, item->key);
		}
		t->nodes[parent].last_child = n;
	}
	return t->at == t->count;
}

/* The message that says the subject of a thread: its head, or a dummy's first child. */
static const struct content *
speaker(const struct thread *t, int32_t root)
{
	return &t->contents[thread_is_dummy(t, root) ? t->nodes[root].first_child : root];
}

static struct str
subject_of(const struct content *c)
{
	return str_make(c->text + 8 * (size_t)c->id_count, c->subject_bytes);
}

static struct str
root_subject(const struct thread *t, uint32_t root_index)
{
	return subject_of(speaker(t, (int32_t)t->roots[root_index].index));
}

static int
compare_subjects(const void *ctx, uint32_t a, uint32_t b)
{
	return str_cmp(root_subject(ctx, a), root_subject(ctx, b));
}

/*
 * Which subject comes first does not matter, only that equal ones are neighbours: so their hashes
 * are the keys, and texts are hardly compared but when they are equal.
 */
static bool
sort_subjects(struct thread *t)
{
	if (t->by_subject.items == NULL) {
		order_init(&t->by_subject, t->root_count, compare_subjects, t);
		for (size_t i = 0; i < t->root_count; i++)
			t->by_subject.items[i] =
			    (struct order_item){ str_hash(root_subject(t, (uint32_t)i), t->seed),
				    (uint32_t)i };
	}
	return order_step(&t->by_subject);
}

static int32_t
subject_root(const struct thread *t, size_t i)
{
	return (int32_t)t->roots[t->by_subject.items[i].index].index;
}

/* ORDEREDSUBJECT: all others of a subject are children of the first. */
static void
join_ordered(struct thread *t, size_t first, size_t end)
{
	for (size_t i = first + 1; i < end; i++)
		t->nodes[subject_root(t, i)].parent = subject_root(t, first);
}

/* Step 5 (B) of REFERENCES: which of the threads with one subject is in the table. */
static int32_t
table_entry(const struct thread *t, size_t first, size_t end)
{
	int32_t entry = subject_root(t, first);

	for (size_t i = first + 1; i < end && !thread_is_dummy(t, entry); i++) {
		int32_t n = subject_root(t, i);

		if (thread_is_dummy(t, n)
		    || (t->contents[entry].is_reply && !t->contents[n].is_reply))
			entry = n;
	}
	return entry;
}

static void
adopt_children(struct thread *t, int32_t from, int32_t to)
{
	for (int32_t c = t->nodes[from].first_child; c != NO_NODE; c = t->nodes[c].next)
		t->nodes[c].parent = to;
}

/* Step 5 (C): merges the threads with one subject. */
static void
join_references(struct thread *t, size_t first, size_t end)
{
	const int32_t entry = table_entry(t, first, end);
	int32_t in_table = entry;

	for (size_t i = first; i < end; i++) {
		int32_t n = subject_root(t, i);

		if (n == entry)
			continue;
		if (thread_is_dummy(t, n)) {
			/* Then the one in the table is a dummy too. */
			adopt_children(t, n, in_table);
		} else if (thread_is_dummy(t, in_table)
		    || (t->contents[n].is_reply && !t->contents[in_table].is_reply)) {
			t->nodes[n].parent = in_table;
		} else {
			int32_t dummy = thread_add_node(t);

			t->nodes[n].parent = dummy;
			t->nodes[in_table].parent = dummy;
			in_table = dummy;
		}
	}
}

static bool
join_subjects(struct thread *t)
{
	size_t stop = MIN(t->at + STEP_NODES, t->root_count);

	while (t->at < stop) {
		struct str subject = subject_of(speaker(t, subject_root(t, t->at)));
		size_t end = t->at + 1;

		while (end < t->root_count
		    && str_eq(subject_of(speaker(t, subject_root(t, end))), subject))
			end++;
		if (t->algorithm == THREAD_ORDEREDSUBJECT)
			join_ordered(t, t->at, end);
		else if (subject.n > 0)
			join_references(t, t->at, end);
		t->at = end;
	}
	return t->at >= t->root_count;
}

/*
 * The head of a node's thread; noted in the `set` of all on the way, which is nothing (NO_NODE)
 * until then.
 */
static int32_t
head_of(struct thread *t, int32_t node)
{
	int32_t head = node;

	while (t->nodes[head].set == NO_NODE && t->nodes[head].parent != NO_NODE)
		head = t->nodes[head].parent;
	if (t->nodes[head].set != NO_NODE)
		head = t->nodes[head].set;
	while (t->nodes[node].set == NO_NODE) {
		t->nodes[node].set = head;
		if (node != head)
			node = t->nodes[node].parent;
	}
	return head;
}

/*
 * REFS: threads by the latest of their messages. From the last message back, a thread's first to
 * come up is its latest.
 */
static bool
order_latest(struct thread *t)
{
	size_t end = MIN(t->at + STEP_NODES, t->count);

	if (t->at == 0) {
		for (size_t i = 0; i < t->node_count; i++) {
			t->nodes[i].set = NO_NODE;
			/* from here on: it is in the list */
			t->nodes[i].has_children = false;
		}
		t->root_count = 0;
	}
	for (; t->at < end; t->at++) {
		const struct order_item *item = &t->by_date.items[t->count - 1 - t->at];
		int32_t head = head_of(t, (int32_t)item->index);

		if (!t->nodes[head].has_children)
			add_root(t, head, item->key);
		t->nodes[head].has_children = true;
	}
	if (t->at < t->count)
		return false;
	for (size_t i = 0; i < t->root_count / 2; i++) {
		struct order_item swap = t->roots[i];

		t->roots[i] = t->roots[t->root_count - 1 - i];
		t->roots[t->root_count - 1 - i] = swap;
	}
	return true;
}

typedef bool phase_fn(struct thread *t);

static phase_fn *const ordered_phases[] = { sort_dates, arrange, sort_subjects, join_subjects,
	arrange, NULL };
static phase_fn *const references_phases[] = { sort_dates, thread_name, thread_link, thread_prune,
	arrange, sort_subjects, join_subjects, arrange, NULL };
static phase_fn *const refs_phases[] = { sort_dates, thread_name, thread_link, thread_prune,
	arrange, order_latest, NULL };

static phase_fn *const *
phases_of(enum imap_thread_algorithm a)
{
	switch (a) {
	case THREAD_ORDEREDSUBJECT:
		return ordered_phases;
	case THREAD_REFERENCES:
		return references_phases;
	case THREAD_REFS:
		break;
	}
	return refs_phases;
}

static void
begin(struct thread *t)
{
	t->count = t->gather.count;
	t->contents = big_alloc(t->count + 1, sizeof(*t->contents));
	order_init(&t->by_date, t->count, NULL, NULL);
	for (size_t i = 0; i < t->count; i++)
		thread_add_node(t);
}

enum err
thread_run(struct thread *t, struct waiter *w, sort_should_yield_fn *should_yield, void *ctx)
{
	phase_fn *const *phases = phases_of(t->algorithm);

	if (t->contents == NULL)
		begin(t);
	if (!t->is_gathered) {
		enum err e = gather_run(&t->gather, w, should_yield, ctx, take, t);

		if (e != ERR_OK)
			return e;
		t->is_gathered = true;
	}
	while (phases[t->phase] != NULL) {
		if (phases[t->phase](t)) {
			t->phase++;
			t->at = 0;
		}
		if (phases[t->phase] != NULL && should_yield(ctx))
			return ERR_WAIT;
	}
	return ERR_OK;
}

/* ---- writing --------------------------------------------------------------------------------- */

static bool
has_siblings(const struct thread *t, int32_t node)
{
	int32_t parent = t->nodes[node].parent;

	return parent != NO_NODE && t->nodes[parent].first_child != t->nodes[parent].last_child;
}

/*
 * The thread, or branch, of a node is over: closes it and those that end with it. The next node,
 * NO_NODE: none is left.
 */
static int32_t
close_branches(const struct thread *t, int32_t n, struct buf *b)
{
	for (;;) {
		int32_t parent = t->nodes[n].parent;

		if (parent == NO_NODE || has_siblings(t, n))
			buf_chr(b, ')');
		if (parent == NO_NODE)
			return NO_NODE;
		if (t->nodes[n].next != NO_NODE) {
			buf_chr(b, '(');
			return t->nodes[n].next;
		}
		n = parent;
	}
}

/* Writes one node, and moves on to the next of its thread. */
static int32_t
write_node(const struct thread *t, int32_t n, bool is_uid, struct buf *b)
{
	int32_t child = t->nodes[n].first_child;

	if (!thread_is_dummy(t, n)) {
		const struct sort_message *m = &t->gather.messages[n];

		buf_u64(b, is_uid ? m->uid.v : m->seq.v);
		if (child != NO_NODE)
			buf_chr(b, ' ');
	}
	if (child == NO_NODE)
		return close_branches(t, n, b);
	if (has_siblings(t, child))
		buf_chr(b, '(');
	return child;
}

bool
thread_write(struct thread *t, bool is_uid, struct buf *b)
{
	for (unsigned i = 0; i < 1024; i++) {
		if (t->writing == NO_NODE) {
			if (t->at_root == t->root_count)
				return true;
			buf_chr(b, '(');
			t->writing = (int32_t)t->roots[t->at_root++].index;
		}
		t->writing = write_node(t, t->writing, is_uid, b);
	}
	return t->writing == NO_NODE && t->at_root == t->root_count;
}
