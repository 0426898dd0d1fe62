/* change_replace.c - REPLACE: a message comes and another goes, in one commit. */
#include "store/change_int.h"

#include "store/arrival_int.h"
#include "store/view_int.h"

struct replacing {
	struct view *v;
	struct uid old;
	struct mailbox_id dest;
	const struct append *message;
	struct uid new;
	uint32_t uidvalidity;
};

/* Takes the old message out: the account of the view is locked and its pages are in memory. */
static enum err
remove_old(const struct replacing *r, struct commit *from, uint32_t at)
{
	struct page_entry e;

	if (!tree_entry(snapshot_state(from->base, at)->tree, r->old.v, &e))
		return ERR_EXPUNGED;
	commit_remove(from, commit_mailbox(from, at), r->old.v / PAGE_UIDS,
	    (uint64_t)1 << r->old.v % PAGE_UIDS, 'R');
	return ERR_OK;
}

static enum err
put_new(struct replacing *r, struct commit *into)
{
	const struct mailbox_info *info;
	uint32_t at;
	enum err e = copying_find(into, r->dest, &at, &r->uidvalidity);

	if (e != ERR_OK)
		return e;
	info = &commit_mailbox(into, at)->state->info;
	r->new.v = info->uidnext;
	e = append_all(into, at, r->message, 1);
	/* What goes in the same commit counts against it (RFC 8508 3.4). */
	return e != ERR_OK ? e : commit_check_quota(into);
}

static enum err
replace_inside(struct replacing *r, struct waiter *w, struct snapshot **after_out)
{
	struct commit *c;
	uint32_t at;
	enum err e = change_begin(r->v->account, r->v->id, false, w, &c, &at);

	if (e != ERR_OK)
		return e;
	e = remove_old(r, c, at);
	if (e == ERR_OK)
		e = put_new(r, c);
	if (e == ERR_OK)
		change_end(c, true, after_out);
	else
		change_abort(c);
	return e;
}

/*
 * Both mutexes are held. ERR_WAIT: the pages of the view's mailbox went meanwhile; nothing waits.
 */
static enum err
across_locked(struct replacing *r, struct account *to, struct snapshot **after_out,
    struct snapshot **into_out)
{
	struct account *a = r->v->account;
	struct commit_set set = { .store = to->store, .count = 2 };
	int64_t at = snapshot_find_id(a->latest, r->v->id);
	struct commit *from = NULL, *into = NULL;
	struct snapshot *after[2];
	enum err e;

	if (at < 0)
		return ERR_NOTFOUND;
	if (!snapshot_state(a->latest, (uint32_t)at)->has_tree)
		return ERR_WAIT;
	e = commit_begin(a, &from);
	if (e == ERR_OK)
		e = commit_begin(to, &into);
	if (e == ERR_OK)
		e = remove_old(r, from, (uint32_t)at);
	if (e == ERR_OK)
		e = put_new(r, into);
	if (e != ERR_OK) {
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

static enum err
replace_across(struct replacing *r, struct account *to, struct waiter *w,
    struct snapshot **after_out, struct snapshot **into_out)
{
	enum err e;

	do {
		e = account_load_tree(r->v->account, r->v->id, w);
		if (e != ERR_OK)
			return e;
		accounts_lock(r->v->account, to);
		e = across_locked(r, to, after_out, into_out);
		accounts_unlock(r->v->account, to);
	} while (e == ERR_WAIT);
	return e;
}

enum err
messages_replace(struct view *v, struct uid old, struct account *to, struct mailbox_id dest,
    const struct append *message, struct waiter *w, struct uid *uid_out, uint32_t *uidvalidity_out,
    struct snapshot **after_out, struct snapshot **into_out)
{
	struct replacing r = { .v = v, .old = old, .dest = dest, .message = message };
	enum err e;

	*after_out = *into_out = NULL;
	if (v->access == VIEW_READ_ONLY)
		return ERR_READONLY;
	if (v->is_gone)
		return ERR_NOTFOUND;
	if (kv_space(to->kv) != KV_SPACE_OK)
		return ERR_FULL;
	e = messages_prepare(to, message, 1, w);
	if (e == ERR_OK)
		e = to == v->account ? replace_inside(&r, w, after_out)
				     : replace_across(&r, to, w, after_out, into_out);
	*uid_out = r.new;
	*uidvalidity_out = r.uidvalidity;
	return e;
}
