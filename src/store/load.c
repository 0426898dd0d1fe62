/*
 * load.c - the pages of mailboxes come into memory and leave it.
 *
 * The engine's rows are those of its version, which may be behind `durable` (the load began
 * earlier), ahead of it (the callback of a commit is on its way) and is behind `latest` while
 * commits are queued. The queued commits, and those that became durable while a load was in flight,
 * keep their operands: applied one after the other they give the pages of every version since,
 * which are hung into the states of the snapshots that lack them.
 */
#include "store/load_int.h"

#include "base/size.h"

#include <stdlib.h>

/* What was loaded for somebody who has not come back for it yet stays. */
enum { EVICT_AFTER_US = 10000000 };

/* Puts pages into a state that has none; mutex held. */
static void
attach(struct account *a, struct mailbox_state *s, const struct pages *p)
{
	struct tree *tree = p->tree;

	if (s->has_tree)
		return;
	s->has_tree = true;
	s->tree = tree_ref(tree);
	seen_attach(s, p->users, p->trees);
	if (tree_sums(tree)->count != s->info.exists
	    || tree_sums(tree)->notes_bytes != s->info.notes_bytes)
		atomic_fetch_add(&a->store->damaged, 1);
}

static struct mailbox_state *
state_in(const struct snapshot *s, struct mailbox_id id)
{
	int64_t at = snapshot_find_id(s, id);

	return at < 0 ? NULL : snapshot_state(s, (uint32_t)at);
}

/* The pages at the engine's version have come; mutex held. */
static void
attach_all(struct account *a, struct mailbox_id id, struct pages *pages, uint64_t version)
{
	struct snapshot *at = a->durable->version <= version ? a->durable : NULL;
	struct mailbox_state *s;

	list_each(&a->commits, c, struct commit, node)
	{
		if (!c->is_failed && c->version <= version
		    && (at == NULL || c->version > at->version))
			at = c->snapshot;
	}
	s = at == NULL ? NULL : state_in(at, id);
	if (s != NULL)
		attach(a, s, pages);
	list_each(&a->commits, c, struct commit, node)
	{
		if (c->is_failed || c->version <= version)
			continue;
		pages_fold(pages, c, id);
		s = state_in(c->snapshot, id);
		if (s != NULL)
			attach(a, s, pages);
	}
}

/* The mailbox at the engine's version; mutex held. NULL: it is not there. */
static struct mailbox_state *
state_at(struct account *a, struct mailbox_id id, uint64_t version)
{
	struct snapshot *at = a->durable->version <= version ? a->durable : NULL;
	struct mailbox_state *s;

	list_each(&a->commits, c, struct commit, node)
	{
		if (!c->is_failed && c->version <= version
		    && (at == NULL || c->version > at->version))
			at = c->snapshot;
	}
	s = at == NULL ? NULL : state_in(at, id);
	return s;
}

/* What is known of it. */
static const struct mailbox_info *
info_at(struct account *a, struct mailbox_id id, uint64_t version)
{
	const struct mailbox_state *s = state_at(a, id, version);

	return s == NULL ? NULL : &s->info;
}

/*
 * The ranges of a load: its pages, the private ones if there are any; when damage hides some, then
 * each of those alone, and the change log.
 */
static size_t
first_alone(const struct tree_load *l)
{
	return l->has_seen ? 2 : 1;
}

/* What is known of the mailbox at the rows' version is needed only when some of them are lost. */
static enum err
pages_of_load(const struct tree_load *l, const struct kv_rows *rows, struct pages *out)
{
	struct account *a = l->account;
	struct mailbox_info info = { 0 };
	const struct mailbox_info *known = NULL;

	if (rows->range_count > first_alone(l)) {
		pthread_mutex_lock(&a->lock);
		known = info_at(a, l->id, rows->version);
		if (known != NULL)
			info = *known;
		pthread_mutex_unlock(&a->lock);
	}
	return pages_from_rows(a->store, rows, l->has_seen, known == NULL ? NULL : &info, out);
}

static parts_fn parts_end;
static void load_end(void *ctx, enum err e, struct kv_rows *rows);

/* The ranges that every load has; keys are the caller's. */
static size_t
ranges_of(const struct tree_load *l, struct row_key keys[4], struct kv_range *ranges)
{
	struct mailbox_id next = { l->id.v + 1 };

	keys[0] = row_key_page(l->id, 0);
	keys[1] = row_key_page(next, 0);
	ranges[0] = (struct kv_range){ .kind = KV_PAGE,
		.from = row_key_str(&keys[0]),
		.to = row_key_str(&keys[1]),
		.may_have_gaps = true };
	if (!l->has_seen)
		return 1;
	keys[2] = row_key_private(l->id, 0, 0);
	keys[3] = row_key_private(next, 0, 0);
	ranges[1] = (struct kv_range){ .kind = KV_PAGE,
		.from = row_key_str(&keys[2]),
		.to = row_key_str(&keys[3]),
		.may_have_gaps = true };
	return 2;
}

/*
 * Damage hides some pages from the range: they are asked for one by one, in one load with the range
 * and the change log.
 */
static enum err
load_alone(struct tree_load *l, const struct kv_rows *gaps, struct kv_rows **rows_out)
{
	struct account *a = l->account;
	const struct mailbox_info *info;
	struct row_key *keys, ends[4], log[2];
	struct kv_range *ranges;
	uint32_t last = 0;
	size_t n;
	enum err e;

	pthread_mutex_lock(&a->lock);
	info = info_at(a, l->id, UINT64_MAX);
	if (info != NULL)
		last = info->uidnext / PAGE_UIDS;
	pthread_mutex_unlock(&a->lock);
	keys = xcalloc(size_add(last, 1), sizeof(*keys));
	ranges = xcalloc(size_add(last, 4), sizeof(*ranges));
	n = ranges_of(l, ends, ranges);
	for (uint32_t page = 0; page <= last; page++) {
		keys[page] = row_key_page(l->id, page);
		if (kv_rows_hidden(&gaps->ranges[0], row_key_str(&keys[page])))
			ranges[n++] = (struct kv_range){ .kind = KV_PAGE,
				.from = row_key_str(&keys[page]),
				.is_exact = true,
				.may_have_gaps = true };
	}
	log[0] = row_key_vanished(l->id, 0);
	log[1] = row_key_vanished((struct mailbox_id){ l->id.v + 1 }, 0);
	ranges[n++] = (struct kv_range){ .kind = KV_LOG,
		.from = row_key_str(&log[0]),
		.to = row_key_str(&log[1]),
		.may_have_gaps = true };
	e = kv_load(a->kv, a->id, ranges, n, rows_out, load_end, l);
	free(keys);
	free(ranges);
	return e;
}

static void
load_begin(struct account *a, struct tree_load *l)
{
	struct row_key keys[4];
	struct kv_range ranges[2];
	struct kv_rows *rows = NULL;
	size_t n = ranges_of(l, keys, ranges);
	enum err e;

	if (l->parts > 1 && !l->has_seen) {
		parts_load(a, l->id, l->parts, parts_end, l);
		return;
	}
	e = kv_load(a->kv, a->id, ranges, n, &rows, load_end, l);
	if (e != ERR_WAIT)
		load_end(l, e, rows);
}

/* The first user got private pages after the load had begun, and it is of a version with them. */
static bool
lacks_seen(const struct tree_load *l, uint64_t version)
{
	const struct mailbox_state *s;
	bool lacks;

	if (l->has_seen)
		return false;
	pthread_mutex_lock(&l->account->lock);
	s = state_at(l->account, l->id, version);
	lacks = s != NULL && s->seen != NULL;
	pthread_mutex_unlock(&l->account->lock);
	return lacks;
}

/*
 * ERR_BUSY: to be loaded again; also rows of a commit whose sync failed behind the load, which the
 * engine shows no more. ERR_IO: it does show them again.
 */
static enum err
check_version(struct tree_load *l, uint64_t version)
{
	bool is_failed;

	pthread_mutex_lock(&l->account->lock);
	is_failed = account_is_failed(l->account, version);
	pthread_mutex_unlock(&l->account->lock);
	if (!is_failed && !lacks_seen(l, version))
		return ERR_OK;
	if (is_failed && l->was_failed)
		return ERR_IO;
	l->was_failed = l->was_failed || is_failed;
	l->has_seen = true;
	return ERR_BUSY;
}

/* Its pages have come, or never will. The load's reference to the account goes. */
static void
load_is_over(struct tree_load *l, enum err e, struct pages *pages, uint64_t version)
{
	struct account *a = l->account;
	struct list gone;

	if (e == ERR_OK) {
		atomic_fetch_add(&a->store->tree_bytes, pages_bytes(pages));
		atomic_store(&a->loaded_us, a->store->o.clock->mono_us(a->store->o.clock));
	}
	list_init(&gone);
	pthread_mutex_lock(&a->lock);
	if (e == ERR_OK) {
		attach_all(a, l->id, pages, version);
		list_remove(&l->node);
		free(l);
	} else {
		l->durable_at_start = UINT64_MAX; /* needs no commits any more */
		l->error = e;
	}
	account_trim_commits(a, &gone);
	pthread_mutex_unlock(&a->lock);
	pages_done(pages);
	commits_free(&gone);
	waitlist_wake_all(&a->loaded);
	account_unref(a);
}

/* A parts_fn. */
static void
parts_end(void *ctx, enum err e, struct tree *tree, uint64_t version)
{
	struct tree_load *l = ctx;
	struct pages pages = { .tree = tree };

	if (e == ERR_OK)
		e = check_version(l, version);
	if (e == ERR_BUSY) {
		tree_unref(tree);
		l->parts = 1;
		load_begin(l->account, l);
		return;
	}
	load_is_over(l, e, &pages, version);
}

/* A load ends: in the engine's reader, or at once. Frees rows. */
static void
load_end(void *ctx, enum err e, struct kv_rows *rows)
{
	struct tree_load *l = ctx;
	struct account *a = l->account;
	struct pages pages = { 0 };
	uint64_t version = 0;

	if (e == ERR_OK) {
		e = check_version(l, rows->version);
		if (e != ERR_OK) {
			kv_rows_free(rows);
			rows = NULL;
		}
		if (e == ERR_BUSY) {
			load_begin(a, l);
			return;
		}
	}
	if (e == ERR_OK && rows->range_count == first_alone(l) && rows->ranges[0].gap_count > 0) {
		struct kv_rows *gaps = rows;

		e = load_alone(l, gaps, &rows);
		kv_rows_free(gaps);
		if (e == ERR_WAIT)
			return;
	}
	if (e == ERR_OK) {
		version = rows->version;
		e = pages_of_load(l, rows, &pages);
		kv_rows_free(rows);
	}
	load_is_over(l, e, &pages, version);
}

static struct tree_load *
load_find(struct account *a, struct mailbox_id id)
{
	list_each(&a->loads, l, struct tree_load, node)
	{
		if (l->id.v == id.v)
			return l;
	}
	return NULL;
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
			waiter_wait(w,
			    &a->durables); /* evicted at once or taken back: settle first */
		} else {
			l = xcalloc(1, sizeof(*l));
			*l = (struct tree_load){ .account = account_ref(a),
				.id = id,
				.has_seen = s->seen != NULL,
				.parts = parts_count(a->store, &s->info),
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
account_state_at(struct account *a, struct snapshot *s, struct mailbox_id id, uint64_t user,
    struct waiter *w, struct mailbox_state **state_out, struct tree **tree_out,
    struct tree **seen_out, struct snapshot **snapshot_out)
{
	for (;;) {
		struct snapshot *use = s;
		struct mailbox_state *state;
		bool is_found = false;
		enum err e = ERR_OK;

		pthread_mutex_lock(&a->lock);
		state = state_in(use, id);
		if (state != NULL && !state->has_tree
		    && (a->durable->version > s->version || account_is_failed(a, s->version))) {
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
			*seen_out = tree_ref(seen_tree(state, user));
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
			/*
			 * those two are told of s or of what is durable, not of latest: look again
			 */
			return e;
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
		bytes = tree_bytes(state->tree) + seen_bytes(state);
		tree_unref(state->tree);
		seen_detach(state);
		state->tree = NULL;
		state->has_tree = false;
		atomic_store(&store->tree_bytes, now > bytes ? now - bytes : 0);
	}
	pthread_mutex_unlock(&a->lock);
}
