/*
 * notify_tell.c - tells the difference between what a client knows of an account and what is there
 * now (RFC 5465 5): LIST for names, subscriptions and access, METADATA, STATUS for messages.
 *
 * A difference may be of many commits, and a client takes its lines one after the other: first the
 * names that are gone, then those that have moved, then all else. A mailbox that has moved where
 * another has been, or from where another is now, can't be told so: for the client it is gone, and
 * another one has come.
 */
#include "session/notify_int.h"

#include "session/cmd/list_reply.h"
#include "session/cmd/status_reply.h"
#include "session/core.h"
#include "session/metadata.h"
#include "session/server.h"

/* What a mailbox is for this user. */
enum access {
	ACCESS_NONE,
	ACCESS_LEVEL,  /* of the hierarchy: there are mailboxes below */
	ACCESS_LISTED, /* right `l` */
	ACCESS_READ,   /* `l` and `r`: what it takes to be told of messages (RFC 5465 5) */
};

/* One mailbox that differs. */
struct news {
	struct session *s;
	struct notify *n;
	struct notify_watch *w;
	struct arena *arena;
	bool is_own;
	const struct mailbox_info *before, *after; /* NULL: not there */
	/* full; that of the other where one is not there */
	struct str old_name, name;
	enum access had, has;
	/* of either name; of the name that it has now */
	unsigned events, events_now;

	enum change {
		CHANGE_NONE, /* it is where it was */
		CHANGE_CAME,
		CHANGE_GONE,
		CHANGE_MOVED,       /* RENAME */
		CHANGE_MOVED_ALONG, /* with one above, whose line says so */
		CHANGE_REPLACED,    /* moved, but told as gone and come */
	} change;

	bool is_listed; /* a LIST line has told what it is now */
};

static enum access
access_of(const struct session *s, const struct snapshot *snapshot, const struct mailbox_info *m)
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

static unsigned
events_of(struct session *s, struct notify *n, const struct notify_watch *w, struct str full_name,
    const struct mailbox_info *m)
{
	bool is_asked = notify_has_filter(n, NOTIFY_SUBSCRIBED);

	return notify_events(s, n, full_name, w->account == s->account,
	    is_asked && is_subscribed(s, w, full_name, m));
}

/* ---- LIST ---- */

/* A mailbox that the user may know of, under its full name. */
static void
tell_line(struct session *s, const struct notify_watch *w, const struct mailbox_info *m,
    struct str name, struct str old_name, enum access has)
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
tell_parent(struct news *x, struct str full_name, struct str local)
{
	struct str parent = above(full_name), local_parent = above(local);
	const struct mailbox_info *was = NULL, *is = NULL;
	enum access had, has;
	uint64_t hash = str_hash(parent, 1);

	if (parent.n == 0 || hash == x->n->parent_told)
		return;
	if (local_parent.n != 0) {
		was = x->w->at.before == NULL ? NULL
					      : snapshot_mailbox(x->w->at.before, local_parent);
		is = snapshot_mailbox(x->w->at.after, local_parent);
	}
	had = access_of(x->s, x->w->at.before, was);
	has = access_of(x->s, x->w->at.after, is);
	if ((had >= ACCESS_LISTED) != (has >= ACCESS_LISTED)
	    || (was != NULL && is != NULL && was->id.v != is->id.v))
		return;
	if ((events_of(x->s, x->n, x->w, parent, is) & NOTIFY_MAILBOX_NAME) == 0)
		return;
	x->n->parent_told = hash;
	if (has >= ACCESS_LISTED)
		tell_line(x->s, x->w, is, parent, STR_NONE, has);
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
is_plain_move(const struct news *x, struct str from, struct str to)
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
is_moved_along(const struct news *x, struct str from, struct str to)
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
	from_full = notify_full_name(x->s, x->w, x->arena, from_above);
	to_full = notify_full_name(x->s, x->w, x->arena, to_above);
	return access_of(x->s, x->w->at.before, was) != ACCESS_NONE
	    && access_of(x->s, x->w->at.after, is) != ACCESS_NONE
	    && ((events_of(x->s, x->n, x->w, from_full, was)
		    | events_of(x->s, x->n, x->w, to_full, is))
		   & NOTIFY_MAILBOX_NAME)
	    != 0
	    && is_plain_move(x, from_above, to_above);
}

static enum change
change_of(const struct news *x)
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
tell_gone(struct news *x)
{
	const struct mailbox_info *now = snapshot_mailbox(x->w->at.after, x->before->name);
	bool is_refused = x->change == CHANGE_GONE && x->after != NULL && !x->after->is_noselect;

	/* Another has the name already: its own difference tells that. */
	if (now != NULL && now->id.v != x->before->id.v
	    && access_of(x->s, x->w->at.after, now) >= ACCESS_LISTED)
		return;
	tell_missing(x->s, x->w, now, x->old_name, is_refused);
}

static void
tell_came(struct news *x)
{
	struct str inbox = STR_NONE;

	if (x->after->was_inbox && (x->before == NULL || x->before->is_noselect))
		inbox = notify_full_name(x->s, x->w, x->arena, STR("INBOX"));
	if (x->has >= ACCESS_LISTED)
		tell_line(x->s, x->w, x->after, x->name, inbox, x->has);
	else
		tell_missing(x->s, x->w, x->after, x->name, false);
}

/* What is told of names in this pass. */
static void
tell_name(struct news *x)
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
			tell_line(x->s, x->w, x->after, x->name, x->old_name, x->has);
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
static void
tell_access(struct news *x)
{
	struct notify_note *note;

	if (x->after == NULL || x->before == NULL || x->events == 0 || x->after->is_noselect
	    || x->before->is_noselect)
		return;
	note = notify_note_find(x->n->refused, x->w->account, x->after->id);
	if (x->had == ACCESS_READ && x->has < ACCESS_READ) {
		if (!x->is_listed)
			/* Who may not know the new name is told of the old one. */
			tell_line(x->s, x->w, x->after,
			    x->has == ACCESS_NONE ? x->old_name : x->name, STR_NONE, ACCESS_LISTED);
		notify_note_put(x->n->refused, &x->n->refused_next, x->w->account, x->after->id, 0);
		x->is_listed = true;
	} else if (x->has == ACCESS_READ && (x->had == ACCESS_LISTED || note != NULL)) {
		if (!x->is_listed && x->had != ACCESS_READ)
			tell_line(x->s, x->w, x->after, x->name, STR_NONE, x->has);
		if (note != NULL)
			note->mailbox = 0;
		x->is_listed = true;
	}
}

static bool
was_subscribed(const struct news *x, const struct mailbox_info *m)
{
	return x->w->at.before != NULL && m != NULL && m->is_subscribed;
}

/* A subscription goes where its mailbox goes; who is not told of that is told of names. */
static void
tell_subscription(struct news *x)
{
	bool is_followed = x->before != NULL && x->after != NULL
	    && (x->change == CHANGE_MOVED_ALONG || (x->change == CHANGE_MOVED && x->is_listed)
		|| str_eq(x->name, x->old_name));
	const struct mailbox_info *before = x->before;

	if (!x->is_own || (x->events & NOTIFY_SUBSCRIPTION_CHANGE) == 0)
		return;
	/* Where another has the name now, its own difference tells. */
	if (!is_followed && was_subscribed(x, before) && !x->is_listed
	    && snapshot_mailbox(x->w->at.after, before->name) == NULL)
		tell_missing(x->s, x->w, NULL, x->old_name, false);
	if (x->after == NULL || x->is_listed)
		return;
	if (!is_followed && x->w->at.before != NULL)
		before = snapshot_mailbox(x->w->at.before, x->after->name);
	if (was_subscribed(x, before) == x->after->is_subscribed)
		return;
	if (x->has >= ACCESS_LISTED)
		tell_line(x->s, x->w, x->after, x->name, STR_NONE, x->has);
	else
		tell_missing(x->s, x->w, x->after, x->name, false);
}

/*
 * A row of the user's account that stands for another's mailbox: only the subscription to it is
 * news.
 */
static void
tell_subscription_elsewhere(struct session *s, struct notify *n, struct arena *a,
    const struct mailbox_info *before, const struct mailbox_info *after)
{
	bool was = before != NULL && before->is_subscribed,
	     is = after != NULL && after->is_subscribed;
	struct str name = after != NULL ? after->name : before->name;
	struct target_name t = target_name_of(s, a, name);
	const struct mailbox_info *m = NULL;
	struct notify_watch *there = NULL;
	struct snapshot *now = NULL;
	enum access has;

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
	has = now == NULL ? ACCESS_NONE : access_of(s, now, m);
	if (has >= ACCESS_LISTED)
		tell_line(s, there, m, name, STR_NONE, has);
	else
		tell_missing(s, there, after, name, false);
	snapshot_unref(now);
}

/* ---- annotations and messages ---- */

static void
tell_metadata(struct news *x)
{
	static const struct mailbox_info none = { .special_use = 0 };
	const struct mailbox_info *before = x->before != NULL ? x->before : &none;
	bool is_readable =
	    x->has == ACCESS_READ || (x->is_own && x->after != NULL && x->after->is_noselect);

	if ((x->events_now & NOTIFY_MAILBOX_METADATA_CHANGE) != 0 && is_readable)
		metadata_tell_difference(x->s, before, x->after, false, x->is_own, x->name);
	if (x->is_own && x->after != NULL && str_eq(x->after->name, STR("INBOX"))
	    && notify_has_event(x->n, NOTIFY_SERVER_METADATA_CHANGE))
		metadata_tell_difference(x->s, before, x->after, true, true, STR(""));
}

static bool
is_selected(const struct session *s, const struct notify_watch *w, const struct mailbox_info *m)
{
	return s->view != NULL && view_account(s->view) == w->account
	    && view_mailbox(s->view)->id.v == m->id.v;
}

/* All that is told of a mailbox at the beginning (RFC 5465 3.1). */
static unsigned
first_items(unsigned events)
{
	unsigned items = 0;

	if ((events & NOTIFY_MESSAGE_NEW) != 0)
		items |= STATUS_MESSAGES | STATUS_UIDNEXT | STATUS_UIDVALIDITY;
	if ((events & (NOTIFY_FLAG_CHANGE | NOTIFY_ANNOTATION_CHANGE)) != 0)
		items |= STATUS_UIDVALIDITY | STATUS_HIGHESTMODSEQ;
	if ((events & NOTIFY_FLAG_CHANGE) != 0)
		items |= STATUS_UNSEEN;
	return items;
}

/* What has changed in a mailbox that the client knows. */
static unsigned
changed_items(const struct news *x, unsigned events)
{
	const struct mailbox_info *was = x->before, *is = x->after;
	const struct account_id reader =
	    x->is_own ? (struct account_id){ 0 } : account_id(x->s->account);
	bool has_modseqs = (x->s->enabled & ENABLED_CONDSTORE) != 0;
	bool is_changed = mailbox_highestmodseq(was, reader) != mailbox_highestmodseq(is, reader);
	unsigned items = 0;

	if (was->uidnext != is->uidnext || was->exists != is->exists) {
		items |= STATUS_MESSAGES | STATUS_UIDNEXT;
		if (has_modseqs)
			items |= STATUS_HIGHESTMODSEQ;
	}
	if (is_changed && has_modseqs
	    && (events & (NOTIFY_FLAG_CHANGE | NOTIFY_ANNOTATION_CHANGE)) != 0)
		items |= STATUS_HIGHESTMODSEQ | STATUS_UIDVALIDITY;
	if (mailbox_unseen(was, reader) != mailbox_unseen(is, reader)
	    && (events & NOTIFY_FLAG_CHANGE) != 0)
		items |= STATUS_UNSEEN | STATUS_UIDVALIDITY;
	if (was->uidvalidity != is->uidvalidity)
		items |= STATUS_UIDVALIDITY;
	return items;
}

/*
 * A mailbox that the client has not counted yet: in place of another of the name, or with messages
 * in it.
 */
static unsigned
new_items(const struct news *x, unsigned events)
{
	const struct mailbox_info *named =
	    x->w->at.before == NULL ? NULL : snapshot_mailbox(x->w->at.before, x->after->name);
	bool replaces = named != NULL && named->id.v != x->after->id.v
	    && access_of(x->s, x->w->at.before, named) == ACCESS_READ;

	return x->after->exists != 0 || replaces ? first_items(events) : 0;
}

static void
tell_status(struct news *x)
{
	unsigned events = x->events_now & NOTIFY_MESSAGE_EVENTS, items;
	bool is_known;

	if (events == 0 || x->has != ACCESS_READ || is_selected(x->s, x->w, x->after))
		return;
	is_known = x->had == ACCESS_READ && x->change != CHANGE_REPLACED
	    && ((x->events & NOTIFY_MAILBOX_NAME) != 0 || str_eq(x->name, x->old_name));
	items = is_known ? changed_items(x, events) : new_items(x, events);
	if (items != 0)
		status_reply(x->s, x->name, x->after, x->is_own, items);
}

/* ---- one after the other ---- */

static bool
is_ours(struct notify *n, const struct notify_watch *w, const struct mailbox_info *before,
    const struct mailbox_info *after)
{
	struct notify_note *note =
	    notify_note_find(n->ours, w->account, after != NULL ? after->id : before->id);

	return note != NULL
	    && (note->version == NOTIFY_ANY_VERSION
		|| (after != NULL && note->version == after->version));
}

static void
tell_rest(struct news *x)
{
	tell_access(x);
	tell_subscription(x);
	tell_metadata(x);
	if (x->after != NULL)
		tell_status(x);
}

static void
tell_one(struct session *s, struct notify *n, struct notify_watch *w,
    const struct mailbox_info *before, const struct mailbox_info *after)
{
	struct arena scratch = ARENA_NONE;
	struct news x = {
		.s = s,
		.n = n,
		.w = w,
		.arena = &scratch,
		.is_own = w->account == s->account,
		.before = before,
		.after = after,
	};
	unsigned events_before = 0;

	if (is_ours(n, w, before, after))
		return;
	if (x.is_own && notify_is_elsewhere(s, after != NULL ? after->name : before->name)) {
		if (w->pass == NOTIFY_PASS_REST)
			tell_subscription_elsewhere(s, n, &scratch, before, after);
		arena_done(&scratch);
		return;
	}
	x.had = access_of(s, w->at.before, before);
	x.has = access_of(s, w->at.after, after);
	x.name = notify_full_name(s, w, &scratch, after != NULL ? after->name : before->name);
	x.old_name = before != NULL ? notify_full_name(s, w, &scratch, before->name) : x.name;
	if (before != NULL)
		events_before = events_of(s, n, w, x.old_name, before);
	if (after != NULL)
		x.events_now = events_of(s, n, w, x.name, after);
	x.events = events_before | x.events_now;
	x.change = change_of(&x);
	tell_name(&x);
	if (w->pass == NOTIFY_PASS_REST)
		tell_rest(&x);
	arena_done(&scratch);
}

/* Whether a subscription to another's mailbox came: its account is to be watched from now on. */
static bool
has_subscribed_elsewhere(const struct session *s, const struct notify *n,
    const struct notify_watch *w, const struct snapshot *now)
{
	struct snapshot_difference d = { .before = w->known, .after = now };
	const struct mailbox_info *before, *after;

	if (!notify_has_filter(n, NOTIFY_SUBSCRIBED))
		return false;
	while (snapshot_difference_next(&d, &before, &after)) {
		if (after != NULL && after->is_subscribed && notify_is_elsewhere(s, after->name))
			return true;
	}
	return false;
}

/* Looks for news of an account; false when there are none. */
static bool
begin(struct session *s, struct notify_watch *w)
{
	struct snapshot *now;

	if (w->now != NULL)
		return true;
	now = session_snapshot_of(s, w->account);
	if (w->known != NULL && snapshot_version(now) <= snapshot_version(w->known)) {
		snapshot_unref(now);
		return false;
	}
	w->now = now;
	w->at = (struct snapshot_difference){ .before = w->known, .after = now };
	w->pass = NOTIFY_PASS_GONE;
	w->notify->parent_told = 0;
	return true;
}

static void
end(struct notify *n, struct notify_watch *w)
{
	for (size_t i = 0; i < NOTIFY_NOTES; i++) {
		if (n->ours[i].account == account_id(w->account).v)
			n->ours[i].mailbox = 0;
	}
	snapshot_unref(w->known);
	w->known = w->now;
	w->now = NULL;
}

static enum err
tell_account(struct session *s, struct notify *n, struct notify_watch *w)
{
	const struct mailbox_info *before, *after;

	for (;;) {
		if (session_is_full(s))
			return session_wait_output(s);
		if (session_should_yield(s))
			return session_yield(s);
		if (snapshot_difference_next(&w->at, &before, &after)) {
			tell_one(s, n, w, before, after);
			continue;
		}
		if (w->pass == NOTIFY_PASS_REST)
			break;
		w->pass++;
		w->at = (struct snapshot_difference){ .before = w->known, .after = w->now };
	}
	end(n, w);
	return ERR_OK;
}

/* Others' accounts that are to be watched from now on. */
static enum err
follow(struct session *s, struct notify *n, struct notify_watch *own)
{
	struct snapshot *now = session_snapshot(s);
	bool is_asked = own->now == NULL && has_subscribed_elsewhere(s, n, own, now);

	snapshot_unref(now);
	if (!is_asked
	    && (!n->watches_shares
		|| n->shares_version == shares_version(server_options(s->server)->store)))
		return ERR_OK;
	return notify_resolve(s, n);
}

enum err
notify_tell(struct session *s)
{
	struct notify *n = s->notify;
	enum err e;

	if (n != NULL && n->is_given_up)
		notify_overflow(s);
	if (n == NULL || list_is_empty(&n->watches))
		return ERR_OK;
	e = follow(s, n, list_first(&n->watches, struct notify_watch, node));
	if (e == ERR_LIMIT) {
		notify_overflow(s);
		return ERR_OK;
	}
	if (e == ERR_WAIT)
		return e;
	list_each(&n->watches, w, struct notify_watch, node)
	{
		e = begin(s, w) ? tell_account(s, n, w) : ERR_OK;
		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}

/* ---- the beginning ---- */

static void
tell_one_first(struct session *s, struct notify *n, struct notify_watch *w,
    const struct mailbox_info *m)
{
	struct arena scratch = ARENA_NONE;
	struct str name = notify_full_name(s, w, &scratch, m->name);
	enum access has = access_of(s, w->known, m);
	unsigned events = has < ACCESS_LISTED ? 0 : events_of(s, n, w, name, m);

	if (events != 0 && has == ACCESS_LISTED) {
		tell_line(s, w, m, name, STR_NONE, has);
		notify_note_put(n->refused, &n->refused_next, w->account, m->id, 0);
	} else if (n->what.wants_status && (events & NOTIFY_MESSAGE_EVENTS) != 0
	    && !is_selected(s, w, m)) {
		status_reply(s, name, m, w->account == s->account, first_items(events));
	}
	arena_done(&scratch);
}

enum err
notify_tell_first(struct session *s, struct notify *n)
{
	const struct mailbox_info *m;

	list_each(&n->watches, w, struct notify_watch, node)
	{
		if (n->first_at != NULL && n->first_at != w)
			continue;
		n->first_at = w;
		for (; (m = snapshot_mailbox_at(w->known, n->first_row)) != NULL; n->first_row++) {
			if (session_is_full(s))
				return session_wait_output(s);
			if (session_should_yield(s))
				return session_yield(s);
			tell_one_first(s, n, w, m);
		}
		n->first_at = NULL;
		n->first_row = 0;
	}
	return ERR_OK;
}
