/*
 * notify_names.c - what NOTIFY tells of the names of mailboxes: LIST for those that came, went,
 * moved, can be read now or no more, or were subscribed to (RFC 5465 5.4, 5.5, 5.9).
 */
#include "session/notify_int.h"

#include "session/cmd/list_reply.h"

enum notify_access
notify_access(const struct session *s, const struct snapshot *snapshot,
    const struct mailbox_info *m)
{
	unsigned rights;

	if (m == NULL)
		return ACCESS_NONE;
	if (m->is_noselect)
		return snapshot_account(snapshot) == s->account && m->has_children ? ACCESS_LEVEL
										   : ACCESS_NONE;
	rights = target_rights(s, snapshot, m);
	if ((rights & RIGHT_L) == 0)
		return ACCESS_NONE;
	return (rights & RIGHT_R) != 0 ? ACCESS_READ : ACCESS_LISTED;
}

/*
 * Subscriptions to others' mailboxes are in the user's own account, of which `own` is what is told
 * now.
 */
static bool
is_subscribed(struct session *s, const struct notify_watch *w, struct str full_name,
    const struct mailbox_info *m)
{
	return w->account == s->account ? m != NULL && m->is_subscribed
					: target_is_subscribed(s, full_name);
}

unsigned
notify_events_of(struct session *s, struct notify *n, const struct notify_watch *w,
    struct str full_name, const struct mailbox_info *m)
{
	bool is_asked = notify_has_filter(n, NOTIFY_SUBSCRIBED);

	return notify_events(s, n, full_name, w->account == s->account,
	    is_asked && is_subscribed(s, w, full_name, m));
}

/* ---- LIST ---- */

/* A mailbox that the user may know of, under its full name. */
void
notify_tell_line(struct session *s, const struct notify_watch *w, const struct mailbox_info *m,
    struct str name, struct str old_name, enum notify_access has)
{
	bool is_own = w->account == s->account;
	const struct list_line line = {
		.name = name,
		.old_name = old_name,
		.flags = LINE_SUBSCRIBED | LINE_NONEXISTENT,
		.special_use = is_own ? m->special_use : 0,
		.is_missing = m->is_noselect,
		.is_refused = has == ACCESS_LISTED,
		.is_subscribed = is_subscribed(s, w, name, m),
		.has_children = is_own && m->has_children,
		.is_children_unknown = !is_own,
	};

	list_reply_line(s, &line);
}

/* A name under which the user finds no mailbox; m is what else has it, or NULL. */
static void
tell_missing(struct session *s, const struct notify_watch *w, const struct mailbox_info *m,
    struct str name, bool is_refused)
{
	bool is_own = w->account == s->account;
	const struct list_line line = {
		.name = name,
		.flags = LINE_SUBSCRIBED | LINE_NONEXISTENT,
		.is_missing = true,
		.is_refused = is_refused,
		.is_subscribed = is_subscribed(s, w, name, m),
		.has_children = is_own && m != NULL && m->has_children,
		.is_children_unknown = !is_own || m == NULL,
	};

	list_reply_line(s, &line);
}

static struct str
above(struct str name)
{
	size_t end = str_rchr(name, MAILBOX_SEPARATOR);

	return end == SIZE_MAX ? STR_NONE : str_sub(name, 0, end);
}

/*
 * The level above a mailbox that came or went is affected too (RFC 5465 5.4), unless its own
 * difference tells of it.
 */
static void
tell_parent(struct notify_news *x, struct str full_name, struct str local)
{
	struct str parent = above(full_name), local_parent = above(local);
	const struct mailbox_info *was = NULL, *is = NULL;
	enum notify_access had, has;
	uint64_t hash = str_hash(parent, 1);

	if (parent.n == 0 || hash == x->n->parent_told)
		return;
	if (local_parent.n != 0) {
		was = x->w->at.before == NULL ? NULL
					      : snapshot_mailbox(x->w->at.before, local_parent);
		is = snapshot_mailbox(x->w->at.after, local_parent);
	}
	had = notify_access(x->s, x->w->at.before, was);
	has = notify_access(x->s, x->w->at.after, is);
	if ((had >= ACCESS_LISTED) != (has >= ACCESS_LISTED)
	    || (was != NULL && is != NULL && was->id.v != is->id.v))
		return;
	if ((notify_events_of(x->s, x->n, x->w, parent, is) & NOTIFY_MAILBOX_NAME) == 0)
		return;
	x->n->parent_told = hash;
	if (has >= ACCESS_LISTED)
		notify_tell_line(x->s, x->w, is, parent, STR_NONE, has);
	else
		tell_missing(x->s, x->w, is, parent, false);
}

/* Whether a mailbox that is in both snapshots has, in one of them, this name or one below. */
static bool
is_occupied(const struct snapshot *in, const struct snapshot *other, struct str name)
{
	const struct mailbox_info *m;

	for (uint32_t i = snapshot_mailbox_place(in, name);
	     (m = snapshot_mailbox_at(in, i)) != NULL; i++) {
		if (!str_starts(m->name, name)
		    || (m->name.n > name.n && m->name.p[name.n] != MAILBOX_SEPARATOR))
			return false;
		if (snapshot_mailbox_by_id(other, m->id) != NULL)
			return true;
	}
	return false;
}

/* Whether what moved from one name to another has taken this along from `from` to `to`. */
static bool
takes_along(struct str above_from, struct str above_to, struct str from, struct str to)
{
	struct str below = str_sub(from, above_from.n, from.n);

	return to.n == above_to.n + below.n && str_starts(to, above_to) && str_ends(to, below);
}

/*
 * Whether a line can say that it moved: nothing was in the way there, nothing is where it was, and
 * what was above it has not moved elsewhere.
 */
static bool
is_plain_move(const struct notify_news *x, struct str from, struct str to)
{
	for (struct str up = above(from); up.n != 0; up = above(up)) {
		const struct mailbox_info *was = snapshot_mailbox(x->w->at.before, up);
		const struct mailbox_info *is =
		    was == NULL ? NULL : snapshot_mailbox_by_id(x->w->at.after, was->id);

		if (is != NULL && !str_eq(is->name, up) && !takes_along(up, is->name, from, to))
			return false;
	}
	return !is_occupied(x->w->at.before, x->w->at.after, to)
	    && !is_occupied(x->w->at.after, x->w->at.before, from);
}

/*
 * Whether the line of a mailbox above says that this one has moved (RFC 5465 5.4: children are
 * renamed too).
 */
static bool
is_moved_along(const struct notify_news *x, struct str from, struct str to)
{
	struct str from_above = above(from), to_above = above(to), from_full, to_full;
	const struct mailbox_info *was, *is;

	if (from_above.n == 0 || to_above.n == 0 || str_eq(from_above, to_above)
	    || !str_eq(str_sub(from, from_above.n, from.n), str_sub(to, to_above.n, to.n)))
		return false;
	was = snapshot_mailbox(x->w->at.before, from_above);
	is = snapshot_mailbox(x->w->at.after, to_above);
	if (was == NULL || is == NULL || was->id.v != is->id.v)
		return false;
	if (is_moved_along(x, from_above, to_above))
		return true;
	from_full = target_name_in(x->s, x->arena, x->w->account, from_above);
	to_full = target_name_in(x->s, x->arena, x->w->account, to_above);
	return notify_access(x->s, x->w->at.before, was) != ACCESS_NONE
	    && notify_access(x->s, x->w->at.after, is) != ACCESS_NONE
	    && ((notify_events_of(x->s, x->n, x->w, from_full, was)
		    | notify_events_of(x->s, x->n, x->w, to_full, is))
		   & NOTIFY_MAILBOX_NAME)
	    != 0
	    && is_plain_move(x, from_above, to_above);
}

enum notify_change
notify_change_of(const struct notify_news *x)
{
	bool is_moved =
	    x->before != NULL && x->after != NULL && !str_eq(x->before->name, x->after->name);

	if (is_moved && x->had != ACCESS_NONE && x->has != ACCESS_NONE) {
		if (is_moved_along(x, x->before->name, x->after->name))
			return CHANGE_MOVED_ALONG;
		return is_plain_move(x, x->before->name, x->after->name) ? CHANGE_MOVED
									 : CHANGE_REPLACED;
	}
	if (x->had < ACCESS_LISTED && x->has >= ACCESS_LISTED)
		return CHANGE_CAME;
	return x->had >= ACCESS_LISTED && x->has < ACCESS_LISTED ? CHANGE_GONE : CHANGE_NONE;
}

/* It is gone, or the user may not know of it any more. */
static void
tell_gone(struct notify_news *x)
{
	const struct mailbox_info *now = snapshot_mailbox(x->w->at.after, x->before->name);
	bool is_refused = x->change == CHANGE_GONE && x->after != NULL && !x->after->is_noselect;

	/* Another has the name already: its own difference tells that. */
	if (now != NULL && now->id.v != x->before->id.v
	    && notify_access(x->s, x->w->at.after, now) >= ACCESS_LISTED)
		return;
	tell_missing(x->s, x->w, now, x->old_name, is_refused);
}

static void
tell_came(struct notify_news *x)
{
	struct str inbox = STR_NONE;

	if (x->after->was_inbox && (x->before == NULL || x->before->is_noselect))
		inbox = target_name_in(x->s, x->arena, x->w->account, STR("INBOX"));
	if (x->has >= ACCESS_LISTED)
		notify_tell_line(x->s, x->w, x->after, x->name, inbox, x->has);
	else
		tell_missing(x->s, x->w, x->after, x->name, false);
}

/* What is told of names in this pass. */
void
notify_tell_name(struct notify_news *x)
{
	enum notify_pass pass = x->w->pass;
	bool is_asked = (x->events & NOTIFY_MAILBOX_NAME) != 0, is_rest = pass == NOTIFY_PASS_REST;

	switch (x->change) {
	case CHANGE_NONE:
		return;
	case CHANGE_CAME:
		if (is_asked && is_rest)
			tell_came(x);
		if (is_rest)
			tell_parent(x, x->name, x->after->name);
		break;
	case CHANGE_GONE:
		if (is_asked && pass == NOTIFY_PASS_GONE)
			tell_gone(x);
		if (is_rest)
			tell_parent(x, x->old_name, x->before->name);
		break;
	case CHANGE_MOVED:
		if (is_asked && pass == NOTIFY_PASS_MOVED)
			notify_tell_line(x->s, x->w, x->after, x->name, x->old_name, x->has);
		break;
	case CHANGE_MOVED_ALONG:
		/* What it is may have changed too. */
		if ((x->had >= ACCESS_LISTED) == (x->has >= ACCESS_LISTED))
			return;
		if (is_asked && is_rest)
			tell_came(x);
		break;
	case CHANGE_REPLACED:
		if (is_asked && pass == NOTIFY_PASS_GONE)
			tell_gone(x);
		if (is_asked && is_rest)
			tell_came(x);
		break;
	}
	x->is_listed = is_asked;
}

/*
 * Rights were lost, or came back (RFC 5465 5.9). Of a mailbox that was never known nothing is said
 * to who does not ask for names.
 */
void
notify_tell_access(struct notify_news *x)
{
	struct notify_note *note;

	if (x->after == NULL || x->before == NULL || x->events == 0 || x->after->is_noselect
	    || x->before->is_noselect)
		return;
	note = notify_note_find(x->n->refused, x->w->account, x->after->id);
	if (x->had == ACCESS_READ && x->has < ACCESS_READ) {
		if (!x->is_listed)
			/* Who may not know the new name is told of the old one. */
			notify_tell_line(x->s, x->w, x->after,
			    x->has == ACCESS_NONE ? x->old_name : x->name, STR_NONE, ACCESS_LISTED);
		notify_note_put(x->n->refused, &x->n->refused_next, x->w->account, x->after->id, 0);
		x->is_listed = true;
	} else if (x->has == ACCESS_READ && (x->had == ACCESS_LISTED || note != NULL)) {
		if (!x->is_listed && x->had != ACCESS_READ)
			notify_tell_line(x->s, x->w, x->after, x->name, STR_NONE, x->has);
		if (note != NULL)
			note->mailbox = 0;
		x->is_listed = true;
	}
}

static bool
was_subscribed(const struct notify_news *x, const struct mailbox_info *m)
{
	return x->w->at.before != NULL && m != NULL && m->is_subscribed;
}

/* Subscriptions are to names: they stay when a mailbox gets another (RFC 9051 6.3.6). */
void
notify_tell_subscription(struct notify_news *x)
{
	bool is_same = x->before != NULL && x->after != NULL && str_eq(x->name, x->old_name);
	const struct mailbox_info *before = x->before;

	if (!x->is_own || (x->events & NOTIFY_SUBSCRIPTION_CHANGE) == 0)
		return;
	/* Where another has the name now, its own difference tells. */
	if (!is_same && was_subscribed(x, before) && (x->after != NULL || !x->is_listed)
	    && snapshot_mailbox(x->w->at.after, before->name) == NULL)
		tell_missing(x->s, x->w, NULL, x->old_name, false);
	if (x->after == NULL || x->is_listed)
		return;
	if (!is_same && x->w->at.before != NULL)
		before = snapshot_mailbox(x->w->at.before, x->after->name);
	if (was_subscribed(x, before) == x->after->is_subscribed)
		return;
	if (x->has >= ACCESS_LISTED)
		notify_tell_line(x->s, x->w, x->after, x->name, STR_NONE, x->has);
	else
		tell_missing(x->s, x->w, x->after, x->name, false);
}

/*
 * A row of the user's account that stands for another's mailbox: only the subscription to it is
 * news.
 */
void
notify_tell_elsewhere(struct session *s, struct notify *n, struct arena *a,
    const struct mailbox_info *before, const struct mailbox_info *after)
{
	bool was = before != NULL && before->is_subscribed,
	     is = after != NULL && after->is_subscribed;
	struct str name = after != NULL ? after->name : before->name;
	struct target_name t = target_name_of(s, a, name);
	const struct mailbox_info *m = NULL;
	struct notify_watch *there = NULL;
	struct snapshot *now = NULL;
	enum notify_access has;

	if (was == is || (notify_events(s, n, name, false, true) & NOTIFY_SUBSCRIPTION_CHANGE) == 0)
		return;
	list_each(&n->watches, w, struct notify_watch, node)
	{
		if (w->account != s->account && t.user.n != 0
		    && str_eq(account_user(w->account), t.user))
			there = w;
	}
	if (there == NULL)
		there = list_first(&n->watches, struct notify_watch, node);
	else
		now = session_snapshot_of(s, there->account);
	if (now != NULL)
		m = snapshot_mailbox(now, t.local);
	has = now == NULL ? ACCESS_NONE : notify_access(s, now, m);
	if (has >= ACCESS_LISTED)
		notify_tell_line(s, there, m, name, STR_NONE, has);
	else
		tell_missing(s, there, after, name, false);
	snapshot_unref(now);
}
