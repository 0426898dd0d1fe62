/*
 * mailbox_again.c - a mailbox that was lost is made again, with all that its row said: whom it was
 * shared with, its annotations, how \Seen is kept.
 */
#include "store/mailbox_again.h"

#include "store/commit_int.h"

/* The account's mutex is held. */
static enum err
make(struct commit *c, struct str name, const struct mailbox_past *past, struct commit_set *set)
{
	const bool is_inbox = str_eq(name, STR("INBOX"));
	struct mailbox_desc *d;
	struct mailbox_row row;
	int64_t at;
	enum err e = ERR_OK;

	if (!is_inbox)
		e = commit_create_mailbox(c, name, past->special_use);
	if (e == ERR_OK)
		e = commit_check_mailbox_quota(c);
	at = commit_find_state(c, name);
	if (e != ERR_OK || at < 0)
		return e != ERR_OK ? e : ERR_NOTFOUND;
	d = c->states[at]->desc;
	row = d->row;
	row.is_subscribed = row.is_subscribed || past->is_subscribed;
	if (commit_has_annotation_room(c, row.annotations.n, past->annotations.n))
		row.annotations = past->annotations;
	if (past->is_shared) {
		row.acl = past->acl;
		row.is_seen_private = past->is_seen_private;
		row.is_seen_fixed = past->is_seen_fixed;
		if (row.is_seen_private)
			row.seen_since = c->version;
		set->directory = commit_share(c, (uint32_t)at, d->row.acl, row.acl);
	}
	commit_change_desc(c, (uint32_t)at, mailbox_desc_new(c->states[at]->info.id, &row, name));
	return ERR_OK;
}

static enum err
make_with(struct account *a, struct str name, const struct mailbox_past *past,
    struct snapshot **after_out)
{
	struct commit_set set = { .store = a->store,
		.count = 1,
		.fn = sharing_changed,
		.ctx = a->store };
	enum err e = commit_open(a, false, &set.commits[0]);

	if (e != ERR_OK)
		return e;
	e = make(set.commits[0], name, past, &set);
	return commit_close_set(&set, e, true, after_out);
}

enum err
mailbox_make_again(struct account *a, struct str name, const struct mailbox_past *past,
    struct snapshot **after_out)
{
	struct mailbox_past rest = *past;
	enum err e;

	if (!acl_is_valid(past->acl) || !annotations_are_valid(past->annotations))
		return ERR_SYNTAX;
	e = make_with(a, name, past, after_out);
	if (e != ERR_USEATTR)
		return e;
	rest.special_use = 0;
	return make_with(a, name, &rest, after_out);
}
