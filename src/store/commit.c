/*
 * commit.c - see commit_int.h. What is published stays queued here until the engine has answered,
 * and a little longer when a load that began before may come back with rows that are older.
 */
#include "store/commit_int.h"

#include "store/digest.h"
#include "store/notes.h"
#include "store/seen_int.h"
#include "store/thread_index.h"
#include "store/undo_int.h"

#include <stdlib.h>

/* ---- making ---------------------------------------------------------------------------------- */

struct commit *
commit_next(struct account *a)
{
	struct commit *c = xcalloc(1, sizeof(*c));

	list_init(&c->node);
	c->bin = bin_mine();
	c->account = a;
	c->base = snapshot_ref(a->latest);
	c->version = a->version_high + 1;
	c->row = a->latest->row;
	c->txn = kv_txn_new(a->kv, a->id, c->base->version, c->version);
	c->ops_end = &c->ops;
	c->undo = BUF_MAX(UNDO_MAX_BYTES);
	return c;
}

enum err
commit_begin(struct account *a, struct commit **out)
{
	if (kv_is_failed(a->kv))
		return ERR_IO;
	*out = commit_next(a);
	return ERR_OK;
}

static void
commit_free(struct commit *c)
{
	for (uint32_t i = 0; i < c->change_count; i++) {
		struct mailbox_change *m = &c->changes[i];

		if (m->state != NULL && m->state->has_tree)
			tree_unref(tree_edit_end(&m->edit));
		for (uint32_t k = 0; k < m->seen_count; k++)
			tree_unref(tree_edit_end(&m->seen[k].edit));
		free(m->seen);
		mailbox_state_unref(m->state);
		rangeset_done(&m->vanished);
	}
	for (uint32_t i = 0; i < c->state_count; i++)
		mailbox_state_unref(c->states[i]);
	free(c->states);
	free(c->changes);
	if (c->txn != NULL)
		kv_txn_abort(c->txn);
	snapshot_unref(c->base);
	snapshot_unref(c->snapshot);
	arena_done(&c->memory);
	buf_done(&c->undo);
	free(c->staged);
	free(c);
}

static void
trash_free(struct bin_item *i)
{
	commit_free(container_of(i, struct commit, trash));
}

void
commit_abort(struct commit *c)
{
	if (c != NULL)
		commit_free(c);
}

void
commits_free(struct list *gone)
{
	list_each(gone, c, struct commit, node)
	{
		list_remove(&c->node);
		if (c->set != NULL && --c->set->count == 0)
			free(c->set); /* the engine lost power: it will never answer */
		c->trash.free = trash_free;
		bin_put(c->bin, &c->trash);
	}
}

struct mailbox_change *
commit_mailbox(struct commit *c, uint32_t at)
{
	struct mailbox_change *m;

	for (uint32_t i = 0; i < c->change_count; i++) {
		if (c->changes[i].at == at)
			return &c->changes[i];
	}
	c->changes = xrealloc(c->changes, (c->change_count + 1) * sizeof(*c->changes));
	m = &c->changes[c->change_count++];
	*m = (struct mailbox_change){ .at = at,
		.state = mailbox_state_copy(snapshot_state(c->base, at)) };
	m->id = m->state->info.id;
	if (m->state->has_tree) {
		m->edit.root = m->state->tree;
		m->state->tree = NULL;
	}
	return m;
}

void
commit_keep_op(struct commit *c, const struct page_op *like)
{
	struct page_op *op = arena_new(&c->memory, struct page_op);

	*op = *like;
	op->operand = arena_str(&c->memory, like->operand);
	*c->ops_end = op;
	c->ops_end = &op->next;
}

void
commit_set_notes(struct commit *c, struct mailbox_change *m, uint32_t uid, struct str notes)
{
	struct row_key key = row_key_notes(m->state->info.id, uid);
	BUF_CLEAN struct buf row = BUF_MAX(NOTES_MAX_BYTES + 1);

	if (notes.n == 0) {
		kv_del(c->txn, KV_PAGE, row_key_str(&key));
	} else {
		notes_row_encode(notes, &row);
		kv_put(c->txn, KV_PAGE, row_key_str(&key), buf_str(&row));
	}
	if (m->state->has_tree) {
		tree_edit_notes(&m->edit, uid, notes);
		return;
	}
	m->state->info.notes_bytes += (uint32_t)notes.n;
	commit_keep_op(c,
	    &(struct page_op){ .id = m->state->info.id, .noted = uid, .operand = notes });
}

/* The notes of messages that go; those of an expunged one stay in the undo record. */
static void
remove_notes(struct commit *c, struct mailbox_change *m, uint32_t page, uint64_t mask, char why)
{
	for (uint64_t left = mask; left != 0; left &= left - 1) {
		uint32_t uid = page * PAGE_UIDS + (uint32_t)__builtin_ctzll(left);
		struct str notes = tree_notes(tree_edit_now(&m->edit), uid);

		if (notes.n == 0)
			continue;
		if (why == 'R')
			undo_noted(c, m->state->info.id, uid, notes);
		commit_set_notes(c, m, uid, STR_NONE);
	}
}

void
commit_merge(struct commit *c, struct row_key key, struct tree_edit *edit, uint32_t page,
    struct str operand)
{
	bool is_due = tree_edit_merge(edit, page, operand);

	/* In a page that made no sense when it was loaded may be more than memory knows of. */
	if (is_due && atomic_load(&c->account->store->damaged) == 0)
		kv_put(c->txn, KV_PAGE, row_key_str(&key), tree_page(tree_edit_now(edit), page));
	else
		kv_merge(c->txn, KV_PAGE, row_key_str(&key), operand);
}

void
commit_merge_page_quietly(struct commit *c, struct mailbox_change *m, uint32_t page,
    struct str operand)
{
	struct row_key key = row_key_page(m->state->info.id, page);

	m->is_recounted = true;
	if (m->state->has_tree) {
		commit_merge(c, key, &m->edit, page, operand);
		return;
	}
	kv_merge(c->txn, KV_PAGE, row_key_str(&key), operand);
	commit_keep_op(c,
	    &(struct page_op){ .id = m->state->info.id, .page = page, .operand = operand });
}

void
commit_merge_page(struct commit *c, struct mailbox_change *m, uint32_t page, struct str operand)
{
	m->is_touched = true;
	commit_merge_page_quietly(c, m, page, operand);
}

void
commit_remove(struct commit *c, struct mailbox_change *m, uint32_t page, uint64_t mask, char why)
{
	struct str now = tree_page(tree_edit_now(&m->edit), page);
	struct row_key key = row_key_page(m->state->info.id, page);
	char space[16];
	struct buf op = { .p = space, .cap = sizeof(space), .max = sizeof(space) };

	mask &= page_mask(now);
	undo_removed(c, m->state->info.id, page, now, mask, why);
	if (tree_sums(tree_edit_now(&m->edit))->notes_bytes != 0) {
		remove_notes(c, m, page, mask, why);
		now = tree_page(tree_edit_now(&m->edit), page);
	}
	for (uint64_t left = mask; left != 0; left &= left - 1)
		rangeset_add_one(&m->vanished, page * PAGE_UIDS + (uint32_t)__builtin_ctzll(left));
	m->is_touched = true;
	page_op_remove(&op, mask);
	if (mask == page_mask(now)) {
		kv_del(c->txn, KV_PAGE, row_key_str(&key));
		tree_edit_merge(&m->edit, page, buf_str(&op));
	} else {
		commit_merge(c, key, &m->edit, page, buf_str(&op));
	}
	commit_forget_seen(c, m, page, mask);
}

void
commit_put_desc(struct commit *c, const struct mailbox_desc *d)
{
	struct row_key key = row_key_mailbox(d->id);
	BUF_CLEAN struct buf row = BUF_MAX(MAILBOX_ROW_MAX_BYTES);

	mailbox_row_encode(&d->row, &row);
	kv_put(c->txn, KV_ROW, row_key_str(&key), buf_str(&row));
}

void
commit_put_status(struct commit *c, const struct mailbox_state *s)
{
	struct row_key key = row_key_status(s->info.id);
	struct status_row status;
	char space[128];
	struct buf row = { .p = space, .cap = sizeof(space), .max = sizeof(space) };

	mailbox_state_status(s, &status);
	status_row_encode(&status, &row);
	kv_put(c->txn, KV_ROW, row_key_str(&key), buf_str(&row));
}

static void
put_row(struct commit *c)
{
	struct row_key key = row_key_account();
	char space[ACCOUNT_ROW_MAX_BYTES];
	struct buf row = { .p = space, .cap = sizeof(space), .max = sizeof(space) };

	c->row.user = c->account->user;
	account_row_encode(&c->row, &row);
	kv_put(c->txn, KV_ROW, row_key_str(&key), buf_str(&row));
}

/* ---- publishing ------------------------------------------------------------------------------ */

static int
change_cmp(const void *a, const void *b)
{
	const struct mailbox_change *x = a, *y = b;

	return x->at < y->at ? -1 : x->at > y->at;
}

/* The state gets its pages, counts and modseq; its rows are written. */
static void
settle_change(struct commit *c, struct mailbox_change *m)
{
	struct mailbox_state *s = m->state;
	const struct mailbox_info *old = &snapshot_state(c->base, m->at)->info;

	if (s->has_tree) {
		const struct page_sums *sums;

		s->tree = tree_edit_end(&m->edit);
		sums = tree_sums(s->tree);
		s->info.exists = sums->count;
		s->info.unseen = sums->unseen;
		s->info.deleted = sums->deleted;
		s->info.size_bytes = sums->size_bytes;
		s->info.deleted_bytes = sums->deleted_bytes;
		/*
		 * Not the sum itself: as long as some are lost the two differ
		 * (view_has_lost_notes()).
		 */
		s->info.notes_bytes += (uint32_t)(sums->notes_bytes
		    - tree_sums(snapshot_state(c->base, m->at)->tree)->notes_bytes);
	}
	if (s->info.exists != old->exists || s->info.size_bytes != old->size_bytes) {
		c->row.messages += (uint64_t)s->info.exists - old->exists;
		c->row.size_bytes += s->info.size_bytes - old->size_bytes;
		c->is_row_changed = true;
	}
	commit_settle_seen(c, m);
	if (m->has_new_desc)
		commit_put_desc(c, s->desc);
	if (!m->is_touched && !m->is_recounted)
		return;
	if (m->is_touched)
		s->info.highestmodseq = c->version;
	s->info.recent_from = account_recent_from(c->account, &s->info);
	commit_put_status(c, s);
	if (!rangeset_is_empty(&m->vanished)) {
		struct row_key key = row_key_vanished(s->info.id, c->version);
		BUF_CLEAN struct buf row = BUF_MAX(SIZE_MAX);

		vanished_row_encode(&m->vanished, &row);
		kv_put(c->txn, KV_LOG, row_key_str(&key), buf_str(&row));
		c->row.log_rows++;
		c->is_row_changed = true;
	}
}

static void
make_snapshot(struct commit *c)
{
	struct account *a = c->account;
	uint32_t at[COMMIT_MAILBOXES_MAX];
	struct mailbox_state *states[COMMIT_MAILBOXES_MAX];

	must(c->change_count <= COMMIT_MAILBOXES_MAX);
	if (c->change_count > 1)
		qsort(c->changes, c->change_count, sizeof(*c->changes), change_cmp);
	for (uint32_t i = 0; i < c->change_count; i++) {
		settle_change(c, &c->changes[i]);
		at[i] = c->changes[i].at;
		states[i] = c->changes[i].state;
		c->changes[i].state = NULL;
	}
	undo_write(c);
	if (c->is_row_changed)
		put_row(c);
	if (c->states == NULL) {
		c->snapshot =
		    snapshot_change(c->base, c->version, &c->row, at, states, c->change_count);
		return;
	}
	must(c->change_count == 0); /* a commit changes mailboxes or their messages */
	c->snapshot = snapshot_build(a, c->version, &c->row, c->states, c->state_count);
	c->state_count = 0;
}

/* Versions first..last were taken back; mutex held. */
static void
note_failed(struct account *a, uint64_t first, uint64_t last)
{
	struct versions *v = a->failed_count == 0 ? NULL : &a->failed[a->failed_count - 1];

	if (v != NULL && first <= v->last + 1) {
		v->last = MAX(v->last, last);
		return;
	}
	a->failed = xrealloc(a->failed, (a->failed_count + 1) * sizeof(*a->failed));
	a->failed[a->failed_count++] = (struct versions){ first, last };
}

/*
 * `latest` falls back to `durable`: the commits from c on are taken back. The mutex is held; what
 * to unref is returned.
 */
static struct snapshot *
take_back(struct account *a, struct commit *c)
{
	struct snapshot *old = a->latest;

	note_failed(a, c->version, a->version_high);
	atomic_store(&a->retained_bytes, RETAINED_UNKNOWN);
	list_each(&a->commits, q, struct commit, node)
	{
		if (q->version >= c->version)
			q->is_failed = true;
	}
	a->latest = snapshot_ref(a->durable);
	if (a->threads != NULL) /* the first commit of all has failed */
		thread_index_revert(a->threads, snapshot_version(a->durable));
	return old;
}

void
account_trim_commits(struct account *a, struct list *gone)
{
	uint64_t keep_above = UINT64_MAX;

	list_each(&a->loads, l, struct tree_load, node) keep_above =
	    MIN(keep_above, l->durable_at_start);
	list_each(&a->commits, c, struct commit, node)
	{
		if (!c->is_done)
			return; /* the engine answers in order, and the queue may be long */
		if (c->is_failed || c->version <= keep_above) {
			list_remove(&c->node);
			list_add_tail(gone, &c->node);
		}
	}
}

static void
commit_done(struct commit *c, enum err e)
{
	struct account *a = c->account;
	const uint32_t number_high = c->snapshot->row.next_msgno;
	uint32_t number_before = number_high;
	/* Nobody waits for a stage: behind it comes the copy. */
	const bool is_news = e != ERR_OK || !c->is_stage;
	struct snapshot *old = NULL;
	struct list gone;

	list_init(&gone);
	pthread_mutex_lock(&a->lock);
	c->is_done = true;
	c->set = NULL;
	if (e == ERR_OK) {
		old = a->durable;
		a->durable = snapshot_ref(c->snapshot);
	} else if (!c->is_failed) {
		old = take_back(a, c);
	}
	if (e != ERR_OK) {
		/* Of a copy that is taken back some stages may be there; nobody goes on with it. */
		a->staged_floor = MAX(a->staged_floor, c->version);
		a->may_have_staged = true;
	}
	account_trim_commits(a, &gone);
	pthread_mutex_unlock(&a->lock);
	if (e == ERR_OK)
		number_before = old->row.next_msgno;
	snapshot_unref(old);
	commits_free(&gone);
	if (is_news)
		waitlist_wake_all(&a->durables);
	if (number_before != number_high)
		digest_cache_grown(a->store->digests, a->id, number_before, number_high);
	account_unref(a);
}

static void
set_done(void *ctx, enum err e)
{
	struct commit_set *set = ctx;
	struct store *s = set->store;

	for (size_t i = 0; i < set->count; i++)
		commit_done(set->commits[i], e);
	if (set->fn != NULL)
		set->fn(set->ctx, e);
	free(set);
	atomic_fetch_sub(&s->commits, 1); /* last: store_close() waits for it */
}

void
commit_publish(const struct commit_set *set_in, struct snapshot **after)
{
	struct commit_set *set = xmalloc(sizeof(*set));
	struct kv_txn *txns[ARRAY_LEN(set->commits) + 1];
	size_t n = 0;

	*set = *set_in;
	for (size_t i = 0; i < set->count; i++) {
		struct commit *c = set->commits[i];
		struct account *a = c->account;

		make_snapshot(c);
		account_ref(a);
		list_add_tail(&a->commits, &c->node);
		a->version_high = c->version;
		c->set = set;
		snapshot_unref(a->latest); /* never the last: c->base is another */
		a->latest = snapshot_ref(c->snapshot);
		if (c->frees_room)
			kv_txn_set_deletes(c->txn);
		txns[n++] = c->txn;
		c->txn = NULL;
		if (after != NULL)
			after[i] = snapshot_ref(c->snapshot);
	}
	if (set->directory != NULL)
		txns[n++] = set->directory;
	atomic_fetch_add(&set->store->commits, 1);
	kv_commit(set->commits[0]->account->kv, txns, n, set_done, set);
}

struct snapshot *
commit_publish_one(struct commit *c)
{
	struct commit_set set = { .store = c->account->store, .commits = { c }, .count = 1 };
	struct snapshot *after;

	if (c->stage_count != 0)
		commit_publish_stages(c);
	commit_publish(&set, &after);
	return after;
}
