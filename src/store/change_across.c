/*
 * change_across.c - COPY and MOVE into another account: the messages' records are loaded first,
 * then written anew there, and their bytes are linked. Both mutexes are taken, in the order of the
 * accounts' ids; a move is one set of commits.
 */
#include "store/change_int.h"

#include "store/arrival_int.h"
#include "store/view_int.h"

#include <stdlib.h>

enum { ACROSS_MAX = 10000, PREFETCH = 256 };

struct message *
held_message(const struct held *h, uint32_t uid)
{
	uint32_t low = 0, high = h->count;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (h->uids[mid] == uid)
			return h->messages[mid];
		if (h->uids[mid] < uid)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

void
held_free(struct held *h)
{
	if (h == NULL)
		return;
	for (uint32_t i = 0; i < h->count; i++)
		message_unref(h->messages[i]);
	free(h->messages);
	free(h->uids);
	free(h);
}

static void
held_add(struct held *h, uint32_t uid, struct message *m)
{
	if (h->count == h->cap) {
		h->cap = MAX(64, h->cap * 2);
		h->uids = xrealloc(h->uids, h->cap * sizeof(*h->uids));
		h->messages = xrealloc(h->messages, h->cap * sizeof(*h->messages));
	}
	h->uids[h->count] = uid;
	h->messages[h->count++] = m;
}

/* Asks for the records of what comes next, together. */
static void
prefetch(struct account *a, const struct tree *tree, const struct rangeset *uids, uint32_t uid)
{
	struct msgno numbers[PREFETCH];
	struct tree_at at;
	size_t n = 0;

	for (; n < PREFETCH && (uid = rangeset_next(uids, uid)) != 0
	     && tree_next(tree, uid, TREE_ANY, &at);
	     uid = at.uid + 1) {
		if (rangeset_contains(uids, at.uid))
			numbers[n++].v = page_msgno(at.page, at.index);
		if (at.uid == UINT32_MAX)
			break;
	}
	message_prefetch(a, numbers, n, MESSAGE_WHOLE);
}

/*
 * Loads the records of uids from `from` on: of pages_max pages (0: of all) and at most ACROSS_MAX
 * messages.
 */
static enum err
hold(struct view *v, const struct tree *tree, const struct rangeset *uids, uint32_t from,
    uint32_t pages_max, struct waiter *w)
{
	uint32_t uid = MAX(from, 1), page = UINT32_MAX, pages = 0;
	struct tree_at at;

	if (v->held != NULL && v->held->from != from) {
		held_free(v->held);
		v->held = NULL;
	}
	if (v->held == NULL) {
		v->held = xcalloc(1, sizeof(*v->held));
		v->held->from = from;
	}
	v->held->until = UINT32_MAX;
	for (; (uid = rangeset_next(uids, uid)) != 0 && tree_next(tree, uid, TREE_ANY, &at);
	     uid = at.uid + 1) {
		struct msgno n = { page_msgno(at.page, at.index) };
		struct message *m;
		enum err e;

		if (!rangeset_contains(uids, at.uid))
			continue;
		if (at.uid / PAGE_UIDS != page && ++pages > pages_max && pages_max != 0) {
			v->held->until = at.uid & ~(uint32_t)(PAGE_UIDS - 1);
			break;
		}
		page = at.uid / PAGE_UIDS;
		if (v->held->count != 0 && at.uid <= v->held->uids[v->held->count - 1])
			continue; /* got before it waited */
		if (v->held->count >= ACROSS_MAX)
			return ERR_LIMIT;
		e = message_get(v->account, n, MESSAGE_WHOLE, w, &m);
		if (e == ERR_WAIT)
			prefetch(v->account, tree, uids, at.uid);
		if (e != ERR_OK)
			return e;
		held_add(v->held, at.uid, m);
	}
	return ERR_OK;
}

/* The source as it is now, and the private pages of the view's user, referenced. */
static enum err
source(struct view *v, struct waiter *w, struct mailbox_state **state_out, struct tree **tree_out,
    struct tree **seen_out)
{
	for (;;) {
		enum err e = account_load_tree(v->account, v->id, w);
		int64_t at;

		if (e != ERR_OK)
			return e;
		pthread_mutex_lock(&v->account->lock);
		at = snapshot_find_id(v->account->latest, v->id);
		if (at >= 0 && snapshot_state(v->account->latest, (uint32_t)at)->has_tree) {
			*state_out =
			    mailbox_state_ref(snapshot_state(v->account->latest, (uint32_t)at));
			*tree_out = tree_ref((*state_out)->tree);
			*seen_out = tree_ref(seen_tree(*state_out, v->reader));
			pthread_mutex_unlock(&v->account->lock);
			return ERR_OK;
		}
		pthread_mutex_unlock(&v->account->lock);
	}
}

static void
held_drop(struct view *v)
{
	held_free(v->held);
	v->held = NULL;
}

enum err
copy_across(struct view *v, const struct rangeset *uids, enum copy_gone gone, struct account *to,
    struct mailbox_id dest, unsigned rights, struct waiter *w, struct arena *a, struct copied *out,
    struct snapshot **after_out)
{
	RANGESET_CLEAN struct rangeset from_uids = RANGESET_NONE;
	RANGESET_CLEAN struct rangeset to_uids = RANGESET_NONE;
	struct copying p = { .rights = rights,
		.who = view_user(v),
		.from_user = v->reader,
		.from_uids = &from_uids,
		.to_uids = &to_uids };
	struct mailbox_state *state = NULL;
	struct tree *tree = NULL, *seen = NULL;
	uint32_t cursor = 0, uidvalidity, at;
	struct commit *c = NULL;
	enum err e;

	e = source(v, w, &state, &tree, &seen);
	if (e == ERR_OK)
		e = hold(v, tree, uids, 0, 0, w);
	if (e != ERR_OK)
		goto out;
	pthread_mutex_lock(&to->lock);
	e = commit_begin(to, &c);
	if (e == ERR_OK)
		e = copying_find(c, dest, &at, &uidvalidity);
	if (e == ERR_OK) {
		copying_init(&p, state, seen, c, at);
		p.tree = tree;
		p.held = v->held;
		e = copying_run(&p, uids, &cursor, 0);
	}
	if (e == ERR_OK)
		e = commit_check_quota(c);
	if (e == ERR_OK && gone == COPY_WHOLE
	    && rangeset_count(&from_uids) < copying_count(v->tree, uids))
		e = ERR_EXPUNGED;
	if (e == ERR_OK && !rangeset_is_empty(&from_uids))
		*after_out = commit_publish_one(c);
	else
		commit_abort(c);
	pthread_mutex_unlock(&to->lock);
	if (e == ERR_OK)
		copied_add(out, uidvalidity, a, &from_uids, &to_uids);
out:
	if (e != ERR_WAIT)
		held_drop(v);
	mailbox_state_unref(state);
	tree_unref(tree);
	tree_unref(seen);
	return e;
}

void
accounts_lock(struct account *a, struct account *b)
{
	pthread_mutex_lock(a->id.v < b->id.v ? &a->lock : &b->lock);
	pthread_mutex_lock(a->id.v < b->id.v ? &b->lock : &a->lock);
}

void
accounts_unlock(struct account *a, struct account *b)
{
	pthread_mutex_unlock(&a->lock);
	pthread_mutex_unlock(&b->lock);
}

/* Both mutexes are held. ERR_WAIT: the source's pages went meanwhile; nothing waits. */
static enum err
move_locked(struct view *v, const struct rangeset *uids, struct account *to, struct mailbox_id dest,
    unsigned rights, uint32_t *cursor, struct rangeset *from_uids, struct rangeset *to_uids,
    uint32_t *uidvalidity_out, struct snapshot **after_out, struct snapshot **into_out)
{
	struct copying p = { .moves = true,
		.rights = rights,
		.who = view_user(v),
		.from_user = v->reader,
		.held = v->held,
		.from_uids = from_uids,
		.to_uids = to_uids };
	struct commit_set set = { .store = to->store, .count = 2 };
	int64_t from_at = snapshot_find_id(v->account->latest, v->id);
	const struct mailbox_state *state;
	struct commit *from = NULL, *into = NULL;
	struct snapshot *after[2];
	uint32_t to_at;
	enum err e;

	if (from_at < 0)
		return ERR_NOTFOUND;
	if (!snapshot_state(v->account->latest, (uint32_t)from_at)->has_tree)
		return ERR_WAIT;
	e = commit_begin(v->account, &from);
	if (e == ERR_OK)
		e = commit_begin(to, &into);
	if (e == ERR_OK)
		e = copying_find(into, dest, &to_at, uidvalidity_out);
	if (e == ERR_OK) {
		p.from = from;
		p.from_at = (uint32_t)from_at;
		state = snapshot_state(from->base, (uint32_t)from_at);
		copying_init(&p, state, seen_tree(state, v->reader), into, to_at);
		e = copying_run(&p, uids, cursor, to->store->o.commit_pages);
	}
	if (e == ERR_OK)
		e = commit_check_quota(into);
	if (e != ERR_OK || rangeset_is_empty(from_uids)) {
		commit_abort(from);
		commit_abort(into);
		return e;
	}
	set.commits[0] = from;
	set.commits[1] = into;
	commit_publish(&set, after);
	*after_out = after[0];
	*into_out = after[1];
	return ERR_OK;
}

enum err
move_across(struct view *v, const struct rangeset *uids, struct account *to, struct mailbox_id dest,
    unsigned rights, uint32_t *cursor, struct waiter *w, struct arena *a, struct copied *out,
    struct snapshot **after_out, struct snapshot **into_out)
{
	RANGESET_CLEAN struct rangeset from_uids = RANGESET_NONE;
	RANGESET_CLEAN struct rangeset to_uids = RANGESET_NONE;
	uint32_t uidvalidity = 0, went = *cursor;
	enum err e;

	if (kv_space(to->kv) != KV_SPACE_OK)
		return ERR_FULL; /* the copies are written before the originals' room is free */
	do {
		struct mailbox_state *state = NULL;
		struct tree *tree = NULL, *seen = NULL;

		e = source(v, w, &state, &tree, &seen);
		if (e == ERR_OK)
			e = hold(v, tree, uids, *cursor, to->store->o.commit_pages, w);
		mailbox_state_unref(state);
		tree_unref(tree);
		tree_unref(seen);
		if (e == ERR_WAIT)
			return e;
		if (e == ERR_OK) {
			accounts_lock(v->account, to);
			e = move_locked(v, uids, to, dest, rights, &went, &from_uids, &to_uids,
			    &uidvalidity, after_out, into_out);
			accounts_unlock(v->account, to);
		}
	} while (e == ERR_WAIT);
	held_drop(v);
	if (e != ERR_OK)
		return e;
	*cursor = went;
	copied_add(out, uidvalidity, a, &from_uids, &to_uids);
	return ERR_OK;
}
