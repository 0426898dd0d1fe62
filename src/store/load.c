/*
 * load.c - the pages of mailboxes come into memory and leave it.
 *
 * The engine's rows are those of its version, which may be behind `durable` (the load began
 * earlier), ahead of it (the callback of a commit is on its way) and is behind `latest` while
 * commits are queued. The queued commits, and those that became durable while a load was in flight,
 * keep their operands: applied one after the other they give the pages of every version since,
 * which are hung into the states of the snapshots that lack them.
 */
#include "store/commit_int.h"

#include "base/size.h"
#include "store/notes.h"

#include <stdlib.h>

/* What was loaded for somebody who has not come back for it yet stays. */
enum { EVICT_AFTER_US = 10000000 };

/* Puts pages into a state that has none; mutex held. */
static void
attach(struct account *a, struct mailbox_state *s, struct tree *tree)
{
	if (s->has_tree)
		return;
	s->has_tree = true;
	s->tree = tree_ref(tree);
	if (tree_sums(tree)->count != s->info.exists || tree_sums(tree)->notes_bytes != s->info.notes_bytes)
		atomic_fetch_add(&a->store->damaged, 1);
}

static struct mailbox_state *
state_in(const struct snapshot *s, struct mailbox_id id)
{
	int64_t at = snapshot_find_id(s, id);

	return at < 0 ? NULL : snapshot_state(s, (uint32_t)at);
}

/* tree with what a commit did to the mailbox; takes the reference over. */
static struct tree *
fold(struct tree *tree, const struct commit *c, struct mailbox_id id)
{
	struct tree_edit edit = { .root = tree };
	bool is_changed = false;

	for (const struct page_op *op = c->ops; op != NULL; op = op->next) {
		if (op->id.v != id.v)
			continue;
		if (op->noted != 0)
			tree_edit_notes(&edit, op->noted, op->operand);
		else
			tree_edit_merge(&edit, op->page, op->operand);
		is_changed = true;
	}
	return is_changed ? tree_edit_end(&edit) : tree;
}

/* The pages at the engine's version have come; mutex held; takes the reference over. */
static void
attach_all(struct account *a, struct mailbox_id id, struct tree *tree, uint64_t version)
{
	struct snapshot *at = a->durable->version <= version ? a->durable : NULL;
	struct mailbox_state *s;

	list_each(&a->commits, c, struct commit, node) {
		if (!c->is_failed && c->version <= version &&
		    (at == NULL || c->version > at->version))
			at = c->snapshot;
	}
	s = at == NULL ? NULL : state_in(at, id);
	if (s != NULL)
		attach(a, s, tree);
	list_each(&a->commits, c, struct commit, node) {
		if (c->is_failed || c->version <= version)
			continue;
		tree = fold(tree, c, id);
		s = state_in(c->snapshot, id);
		if (s != NULL)
			attach(a, s, tree);
	}
	tree_unref(tree);
}

static void
rows_put(struct store *store, struct tree_edit *edit, const struct kv_row_list *rows)
{
	for (size_t i = 0; i < rows->count; i++) {
		struct mailbox_id id;
		struct str notes;
		uint32_t page, uid;

		if (row_key_parse_page(rows->rows[i].key, &id, &page) &&
		    page_is_valid(rows->rows[i].value))
			tree_edit_put(edit, page, rows->rows[i].value);
		else if (row_key_parse_notes(rows->rows[i].key, &id, &uid) &&
			 notes_row_decode(rows->rows[i].value, &notes) == ERR_OK)
			tree_edit_notes(edit, uid, notes);
		else
			atomic_fetch_add(&store->damaged, 1);
	}
}

/* ---- pages that are lost --------------------------------------------------------------------- */

/* A page whose entries are known to be there, and nothing else of them: no message number, no flags. */
static void
lost_page_put(struct tree_edit *edit, uint32_t page, uint64_t mask)
{
	char space[8 + PAGE_UIDS * (8 + PAGE_ENTRY_BYTES + PAGE_KEYWORD_BYTES)], made[PAGE_MAX_BYTES];
	struct buf op = { .p = space, .cap = sizeof(space), .max = sizeof(space) };
	struct buf out = { .p = made, .cap = sizeof(made), .max = sizeof(made) };
	struct page_entry nothing = { .modseq = 1 };
	struct str operand;

	page_op_append(&op);
	for (uint64_t m = mask; m != 0; m &= m - 1)
		page_op_append_entry(&op, (unsigned)__builtin_ctzll(m), &nothing);
	operand = buf_str(&op);
	page_merge(STR_NONE, &operand, 1, &out);
	out.p[1] |= PAGE_IS_DAMAGED;
	tree_edit_put(edit, page, buf_str(&out));
}

/*
 * Pages that can't be read: their messages are those below uidnext that are not in the change log, when these are as many as
 * are missing. Then they are shown as messages of which nothing is known; otherwise nobody can say which UIDs are there, and
 * the mailbox is refused: a client would take them for expunged.
 */
static enum err
lost_pages_put(struct account *a, struct tree_edit *edit, const struct kv_rows *rows, size_t pages, const struct mailbox_info *info)
{
	const struct kv_row_list *log = &rows->ranges[pages + 1];
	RANGESET_CLEAN struct rangeset vanished = RANGESET_NONE;
	uint64_t there = tree_sums(edit->root)->count, missing = 0;
	enum err e = log->gap_count > 0 ? ERR_CORRUPT : ERR_OK;

	for (size_t i = 0; i < log->count && e == ERR_OK; i++)
		e = vanished_row_decode(log->rows[i].value, &vanished);
	for (size_t i = 1; i <= pages && e == ERR_OK; i++) {
		struct mailbox_id id;
		uint64_t mask = 0;
		uint32_t page;

		if (rows->ranges[i].gap_count == 0 || !row_key_parse_page(rows->ranges[i].gaps[0].from, &id, &page))
			continue;
		for (unsigned bit = 0; bit < PAGE_UIDS; bit++) {
			uint32_t uid = page * PAGE_UIDS + bit;

			if (uid != 0 && uid < info->uidnext && !rangeset_contains(&vanished, uid))
				mask |= (uint64_t)1 << bit;
		}
		if (mask != 0)
			lost_page_put(edit, page, mask);
		missing += (uint64_t)__builtin_popcountll(mask);
	}
	if (missing > 0 || e != ERR_OK)
		atomic_fetch_add(&a->store->damaged, 1);
	return e == ERR_OK && missing > 0 && there + missing != info->exists ? ERR_CORRUPT : e;
}

/* What is known of the mailbox at the engine's version; mutex held. NULL: it is not there. */
static const struct mailbox_info *
info_at(struct account *a, struct mailbox_id id, uint64_t version)
{
	struct snapshot *at = a->durable->version <= version ? a->durable : NULL;
	struct mailbox_state *s;

	list_each(&a->commits, c, struct commit, node) {
		if (!c->is_failed && c->version <= version && (at == NULL || c->version > at->version))
			at = c->snapshot;
	}
	s = at == NULL ? NULL : state_in(at, id);
	return s == NULL ? NULL : &s->info;
}

static enum err
tree_from_rows(struct account *a, struct mailbox_id id, const struct kv_rows *rows, struct tree **tree_out)
{
	struct tree_edit edit = { .root = NULL };
	size_t pages = rows->range_count > 1 ? rows->range_count - 2 : 0;
	struct mailbox_info info = { 0 };
	const struct mailbox_info *known;
	enum err e = ERR_OK;

	rows_put(a->store, &edit, &rows->ranges[0]);
	for (size_t i = 1; i <= pages; i++)
		rows_put(a->store, &edit, &rows->ranges[i]);
	if (rows->range_count > 1) {
		pthread_mutex_lock(&a->lock);
		known = info_at(a, id, rows->version);
		if (known != NULL)
			info = *known;
		pthread_mutex_unlock(&a->lock);
		e = known == NULL ? ERR_OK : lost_pages_put(a, &edit, rows, pages, &info);
	}
	*tree_out = tree_edit_end(&edit);
	return e;
}

static void load_end(void *ctx, enum err e, struct kv_rows *rows);

/* Damage hides some pages from the range: they are asked for one by one, in one load with the range and the change log. */
static enum err
load_alone(struct tree_load *l, const struct kv_rows *gaps, struct kv_rows **rows_out)
{
	struct account *a = l->account;
	const struct mailbox_info *info;
	struct row_key *keys, ends[4];
	struct kv_range *ranges;
	uint32_t last = 0;
	size_t n = 1;
	enum err e;

	pthread_mutex_lock(&a->lock);
	info = info_at(a, l->id, UINT64_MAX);
	if (info != NULL)
		last = info->uidnext / PAGE_UIDS;
	pthread_mutex_unlock(&a->lock);
	keys = xcalloc(size_add(last, 1), sizeof(*keys));
	ranges = xcalloc(size_add(last, 3), sizeof(*ranges));
	for (uint32_t page = 0; page <= last; page++) {
		keys[page] = row_key_page(l->id, page);
		if (kv_rows_hidden(&gaps->ranges[0], row_key_str(&keys[page])))
			ranges[n++] = (struct kv_range){ .kind = KV_PAGE, .from = row_key_str(&keys[page]), .is_exact = true,
				.may_have_gaps = true };
	}
	ends[0] = row_key_page(l->id, 0);
	ends[1] = row_key_page((struct mailbox_id){ l->id.v + 1 }, 0);
	ends[2] = row_key_vanished(l->id, 0);
	ends[3] = row_key_vanished((struct mailbox_id){ l->id.v + 1 }, 0);
	ranges[0] = (struct kv_range){ .kind = KV_PAGE, .from = row_key_str(&ends[0]), .to = row_key_str(&ends[1]), .may_have_gaps = true };
	ranges[n++] = (struct kv_range){ .kind = KV_LOG, .from = row_key_str(&ends[2]), .to = row_key_str(&ends[3]), .may_have_gaps = true };
	e = kv_load(a->kv, a->id, ranges, n, rows_out, load_end, l);
	free(keys);
	free(ranges);
	return e;
}

/*
 * A load ends: in the engine's reader, or at once. Frees rows; the load's reference to the account
 * goes.
 */
static void
load_end(void *ctx, enum err e, struct kv_rows *rows)
{
	struct tree_load *l = ctx;
	struct account *a = l->account;
	struct tree *tree = NULL;
	uint64_t version = 0;
	struct list gone;

	if (e == ERR_OK && rows->range_count == 1 && rows->ranges[0].gap_count > 0) {
		struct kv_rows *gaps = rows;

		e = load_alone(l, gaps, &rows);
		kv_rows_free(gaps);
		if (e == ERR_WAIT)
			return;
	}
	if (e == ERR_OK) {
		version = rows->version;
		e = tree_from_rows(a, l->id, rows, &tree);
		kv_rows_free(rows);
	}
	if (e == ERR_OK) {
		atomic_fetch_add(&a->store->tree_bytes, tree_bytes(tree));
		atomic_store(&a->loaded_us, a->store->o.clock->mono_us(a->store->o.clock));
	}
	list_init(&gone);
	pthread_mutex_lock(&a->lock);
	if (e == ERR_OK) {
		attach_all(a, l->id, tree, version);
		list_remove(&l->node);
		free(l);
	} else {
		tree_unref(tree);
		l->durable_at_start = UINT64_MAX;	/* needs no commits any more */
		l->error = e;
	}
	account_trim_commits(a, &gone);
	pthread_mutex_unlock(&a->lock);
	commits_free(&gone);
	waitlist_wake_all(&a->loaded);
	account_unref(a);
}

static struct tree_load *
load_find(struct account *a, struct mailbox_id id)
{
	list_each(&a->loads, l, struct tree_load, node) {
		if (l->id.v == id.v)
			return l;
	}
	return NULL;
}

static void
load_begin(struct account *a, struct tree_load *l)
{
	struct row_key from = row_key_page(l->id, 0),
		       to = row_key_page((struct mailbox_id){ l->id.v + 1 }, 0);
	struct kv_range range = {
		.kind = KV_PAGE, .from = row_key_str(&from), .to = row_key_str(&to), .may_have_gaps = true
	};
	struct kv_rows *rows = NULL;
	enum err e;

	e = kv_load(a->kv, a->id, &range, 1, &rows, load_end, l);
	if (e != ERR_WAIT)
		load_end(l, e, rows);
}

enum err
account_load_tree(struct account *a, struct mailbox_id id, struct waiter *w)
{
	bool has_begun = false;

	for (;;) {
		struct mailbox_state *s;
		struct tree_load *l;
		enum err e = ERR_WAIT;

		pthread_mutex_lock(&a->lock);
		s = state_in(a->latest, id);
		l = load_find(a, id);
		if (s == NULL) {
			e = ERR_NOTFOUND;
		} else if (s->info.is_noselect) {
			e = ERR_NOSELECT;
		} else if (s->has_tree) {
			e = ERR_OK;
		} else if (s->info.exists == 0) {
			s->has_tree = true;
			e = ERR_OK;
		} else if (l != NULL && l->error != ERR_OK) {
			e = l->error;
			list_remove(&l->node);
			free(l);
		} else if (l != NULL) {
			waiter_wait(w, &a->loaded);
		} else if (has_begun && a->latest != a->durable) {
			waiter_wait(
			    w, &a->durables); /* evicted at once or taken back: settle first */
		} else {
			l = xcalloc(1, sizeof(*l));
			*l = (struct tree_load){ .account = account_ref(a),
				.id = id,
				.durable_at_start = a->durable->version };
			list_init(&l->node);
			list_add_tail(&a->loads, &l->node);
			pthread_mutex_unlock(&a->lock);
			load_begin(a, l);
			has_begun = true;
			continue;
		}
		pthread_mutex_unlock(&a->lock);
		return e;
	}
}

enum err
account_state_at(struct account *a, struct snapshot *s, struct mailbox_id id, struct waiter *w,
    struct mailbox_state **state_out, struct tree **tree_out, struct snapshot **snapshot_out)
{
	for (;;) {
		struct snapshot *use = s;
		struct mailbox_state *state;
		bool is_found = false;
		enum err e = ERR_OK;

		pthread_mutex_lock(&a->lock);
		state = state_in(use, id);
		if (state != NULL && !state->has_tree &&
		    (a->durable->version > s->version || account_is_failed(a, s->version))) {
			use = a->durable;
			state = state_in(use, id);
		}
		if (state == NULL)
			e = ERR_NOTFOUND;
		else if (state->info.is_noselect)
			e = ERR_NOSELECT;
		else if (!state->has_tree && state->info.exists == 0)
			state->has_tree = true;
		if (e != ERR_OK || state->has_tree)
			*snapshot_out = snapshot_ref(use);
		if (e == ERR_OK && state->has_tree) {
			*state_out = mailbox_state_ref(state);
			*tree_out = tree_ref(state->tree);
			is_found = true;
		} else if (e == ERR_OK) {
			struct mailbox_state *latest = state_in(a->latest, id);

			/*
			 * The engine was ahead of this snapshot, whose successor is about to be
			 * durable.
			 */
			if (latest == NULL || latest->has_tree) {
				waiter_wait(w, &a->durables);
				e = ERR_WAIT;
			}
		}
		pthread_mutex_unlock(&a->lock);
		if (e != ERR_OK || is_found)
			return e;
		e = account_load_tree(a, id, w);
		if (e != ERR_OK && e != ERR_NOTFOUND && e != ERR_NOSELECT)
			return e; /* those two are told of s or of what is durable, not of latest:
				     look again */
	}
}

/* ---- eviction -------------------------------------------------------------------------------- */

void
account_evict(struct account *a)
{
	struct store *store = a->store;
	struct clock *clock = store->o.clock;
	struct snapshot *s;

	if (clock->mono_us(clock) - atomic_load(&a->loaded_us) < EVICT_AFTER_US)
		return;
	pthread_mutex_lock(&a->lock);
	s = a->latest;
	if (!list_is_empty(&a->commits) || !list_is_empty(&a->loads) || s != a->durable) {
		pthread_mutex_unlock(&a->lock);
		return;
	}
	for (uint32_t i = 0; i < s->count; i++) {
		struct mailbox_state *state = snapshot_state(s, i);
		uint64_t bytes, now = atomic_load(&store->tree_bytes);

		if (now <= store->o.cache_bytes)
			break;
		if (!state->has_tree || !tree_is_alone(state->tree))
			continue;
		bytes = tree_bytes(state->tree);
		tree_unref(state->tree);
		state->tree = NULL;
		state->has_tree = false;
		atomic_store(&store->tree_bytes, now > bytes ? now - bytes : 0);
	}
	pthread_mutex_unlock(&a->lock);
}
