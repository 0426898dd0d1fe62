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
	if (tree_sums(tree)->count != s->info.exists)
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
		if (op->id.v == id.v) {
			tree_edit_merge(&edit, op->page, op->operand);
			is_changed = true;
		}
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

static struct tree *
tree_from_rows(struct store *store, const struct kv_row_list *rows)
{
	struct tree_edit edit = { .root = NULL };

	for (size_t i = 0; i < rows->count; i++) {
		struct mailbox_id id;
		uint32_t page;

		if (row_key_parse_page(rows->rows[i].key, &id, &page) &&
		    page_is_valid(rows->rows[i].value))
			tree_edit_put(&edit, page, rows->rows[i].value);
		else
			atomic_fetch_add(&store->damaged, 1);
	}
	return tree_edit_end(&edit);
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

	if (e == ERR_OK) {
		tree = tree_from_rows(a->store, &rows->ranges[0]);
		version = rows->version;
		kv_rows_free(rows);
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
		.kind = KV_PAGE, .from = row_key_str(&from), .to = row_key_str(&to)
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
