/*
 * commit_states.c - commits that change the list of mailboxes: which come, go, or have another row
 * now. They change no messages.
 */
#include "store/commit_int.h"

#include "store/undo_int.h"

#include <stdlib.h>

/* ---- one from its beginning to its end ------------------------------------------------------- */

enum err
commit_open(struct account *a, bool frees_room, struct commit **out)
{
	enum err e = ERR_FULL;

	pthread_mutex_lock(&a->lock);
	if (frees_room || kv_space(a->kv) != KV_SPACE_HARD)
		e = commit_begin(a, out);
	if (e != ERR_OK) {
		pthread_mutex_unlock(&a->lock);
		return e;
	}
	(*out)->frees_room = frees_room;
	commit_list_states(*out);
	return ERR_OK;
}

enum err
commit_close_set(struct commit_set *set, enum err e, bool is_changed, struct snapshot **after_out)
{
	struct commit *c = set->commits[0];
	struct account *a = c->account;

	if (e == ERR_OK && is_changed) {
		commit_publish(set, after_out);
	} else {
		if (e == ERR_OK)
			*after_out = snapshot_ref(a->latest);
		commit_abort(c);
	}
	pthread_mutex_unlock(&a->lock);
	return e;
}

enum err
commit_close(struct commit *c, enum err e, bool is_changed, struct snapshot **after_out)
{
	struct commit_set set = { .store = c->account->store, .commits = { c }, .count = 1 };

	return commit_close_set(&set, e, is_changed, after_out);
}

/* ---- mailboxes that come and go -------------------------------------------------------------- */

void
commit_list_states(struct commit *c)
{
	if (c->states != NULL)
		return;
	c->states = xmalloc((c->base->count + 1) * sizeof(*c->states));
	for (uint32_t i = 0; i < c->base->count; i++)
		c->states[i] = mailbox_state_ref(snapshot_state(c->base, i));
	c->state_count = c->base->count;
}

void
commit_add_state(struct commit *c, struct mailbox_state *s)
{
	uint32_t low = 0, high;

	commit_list_states(c);
	high = c->state_count;
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (mailbox_name_cmp(c->states[mid]->info.name, s->info.name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	c->states = xrealloc(c->states, (c->state_count + 1) * sizeof(*c->states));
	memmove(&c->states[low + 1], &c->states[low], (c->state_count - low) * sizeof(*c->states));
	c->states[low] = s;
	c->state_count++;
	commit_put_desc(c, s->desc);
	commit_put_status(c, s);
	undo_made(c, s->info.id);
}

void
commit_remove_state(struct commit *c, uint32_t i)
{
	struct mailbox_state *s = c->states[i];
	struct row_key mailbox = row_key_mailbox(s->info.id), status = row_key_status(s->info.id);

	c->row.size_bytes -= s->info.size_bytes;
	c->row.messages -= s->info.exists;
	c->is_row_changed = true;
	undo_dropped(c, s);
	kv_del(c->txn, KV_ROW, row_key_str(&mailbox));
	kv_del(c->txn, KV_ROW, row_key_str(&status));
	if (s->seen != NULL)
		commit_drop_all_seen(c, s->info.id);
	mailbox_state_unref(s);
	c->state_count--;
	memmove(&c->states[i], &c->states[i + 1], (c->state_count - i) * sizeof(*c->states));
}

void
commit_change_desc(struct commit *c, uint32_t i, struct mailbox_desc *d)
{
	struct mailbox_state *s = mailbox_state_copy(c->states[i]);

	if (s->desc->row.parent != d->row.parent || !str_eq(s->desc->row.name, d->row.name)
	    || s->desc->row.special_use != d->row.special_use
	    || s->desc->row.is_noselect != d->row.is_noselect
	    || s->desc->row.is_subscribed != d->row.is_subscribed
	    || s->desc->row.is_seen_private != d->row.is_seen_private
	    || s->desc->row.is_seen_fixed != d->row.is_seen_fixed
	    || !str_eq(s->desc->row.acl, d->row.acl)) {
		undo_renamed(c, s->desc);
		commit_put_desc(c, d);
	} else if (!str_eq(s->desc->row.annotations, d->row.annotations)) {
		commit_put_desc(c, d);
	}
	mailbox_state_set_desc(s, d);
	mailbox_state_unref(c->states[i]);
	c->states[i] = s;
}

void
commit_raise_modseq(struct commit *c, uint32_t i)
{
	struct mailbox_state *s = c->states[i];

	must(s->info.version == 0); /* it is nobody else's yet */
	s->info.highestmodseq = c->version;
	commit_put_status(c, s);
}

void
commit_replace_state(struct commit *c, uint32_t i, struct mailbox_state *s)
{
	undo_renamed(c, c->states[i]->desc);
	commit_put_desc(c, s->desc);
	commit_put_status(c, s);
	s->info.version_before = c->states[i]->info.version;
	mailbox_state_unref(c->states[i]);
	c->states[i] = s;
}

static int
state_cmp(const void *a, const void *b)
{
	struct mailbox_state *const *x = a, *const *y = b;

	return mailbox_name_cmp((*x)->info.name, (*y)->info.name);
}

void
commit_sort_states(struct commit *c)
{
	qsort(c->states, c->state_count, sizeof(*c->states), state_cmp);
}
