/*
 * notify_tell.c - tells the difference between what a client knows of an account and what is there
 * now (RFC 5465 5): METADATA, STATUS for messages, and what notify_names.c says of names.
 *
 * A difference may be of many commits, and a client takes its lines one after the other: first the
 * names that are gone, then those that have moved, then all else. A mailbox that has moved where
 * another has been, or from where another is now, can't be told so: for the client it is gone, and
 * another one has come.
 */
#include "session/notify_int.h"

#include "session/cmd/status_reply.h"
#include "session/core.h"
#include "session/metadata.h"
#include "session/server.h"

/* ---- annotations and messages ---- */

/* Of a mailbox that has moved, and is told as another one, the client knows nothing. */
static bool
is_told_as_new(const struct notify_news *x)
{
	if (x->before == NULL)
		return true;
	return x->after != NULL && !str_eq(x->before->name, x->after->name)
	    && x->change != CHANGE_MOVED && x->change != CHANGE_MOVED_ALONG;
}

/*
 * What had this name before. The client knows that one's annotations, of which those are told too
 * that this one has not.
 */
static const struct mailbox_info *
predecessor(const struct notify_news *x)
{
	const struct mailbox_info *m;

	if (!is_told_as_new(x) || x->w->at.before == NULL)
		return NULL;
	m = snapshot_mailbox(x->w->at.before, x->after->name);
	if (m == NULL || (x->before != NULL && m->id.v == x->before->id.v))
		return NULL;
	/* The client was told where that one is; a subscription has stayed with the name. */
	if (x->after->is_noselect && snapshot_mailbox_by_id(x->w->at.after, m->id) != NULL)
		return NULL;
	return (x->is_own && m->is_noselect)
		|| notify_access(x->s, x->w->at.before, m) == ACCESS_READ
	    ? m
	    : NULL;
}

static void
tell_metadata(struct notify_news *x)
{
	static const struct mailbox_info none = { .special_use = 0 };
	const struct mailbox_info *before = is_told_as_new(x) ? &none : x->before;
	bool is_readable =
	    x->has == ACCESS_READ || (x->is_own && x->after != NULL && x->after->is_noselect);

	if ((x->events_now & NOTIFY_MAILBOX_METADATA_CHANGE) != 0 && is_readable) {
		const struct mailbox_info *other = predecessor(x);

		metadata_tell_difference(x->s, before, x->after, false, x->is_own, x->name);
		if (other != NULL)
			metadata_tell_difference(x->s, other, x->after, false, x->is_own, x->name);
	}
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
changed_items(const struct notify_news *x, unsigned events)
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
new_items(const struct notify_news *x, unsigned events)
{
	const struct mailbox_info *named =
	    x->w->at.before == NULL ? NULL : snapshot_mailbox(x->w->at.before, x->after->name);
	bool replaces = named != NULL && named->id.v != x->after->id.v
	    && notify_access(x->s, x->w->at.before, named) == ACCESS_READ;

	return x->after->exists != 0 || replaces ? first_items(events) : 0;
}

static void
tell_status(struct notify_news *x)
{
	unsigned events = x->events_now & NOTIFY_MESSAGE_EVENTS, items;
	bool is_known;

	if (events == 0 || x->has != ACCESS_READ || is_selected(x->s, x->w, x->after))
		return;
	is_known = x->had == ACCESS_READ && x->change != CHANGE_REPLACED
	    && ((x->events & NOTIFY_MAILBOX_NAME) != 0 || str_eq(x->name, x->old_name));
	items = is_known ? changed_items(x, events) : new_items(x, events);
	if (items != 0)
		status_reply(x->s, x->name, x->after, x->w->account, items);
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
tell_rest(struct notify_news *x)
{
	notify_tell_access(x);
	notify_tell_subscription(x);
	tell_metadata(x);
	if (x->after != NULL)
		tell_status(x);
}

static void
tell_one(struct session *s, struct notify *n, struct notify_watch *w,
    const struct mailbox_info *before, const struct mailbox_info *after)
{
	struct arena scratch = ARENA_NONE;
	struct notify_news x = {
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
			notify_tell_elsewhere(s, n, &scratch, before, after);
		arena_done(&scratch);
		return;
	}
	x.had = notify_access(s, w->at.before, before);
	x.has = notify_access(s, w->at.after, after);
	x.name =
	    target_name_in(s, &scratch, w->account, after != NULL ? after->name : before->name);
	x.old_name =
	    before != NULL ? target_name_in(s, &scratch, w->account, before->name) : x.name;
	if (before != NULL)
		events_before = notify_events_of(s, n, w, x.old_name, before);
	if (after != NULL)
		x.events_now = notify_events_of(s, n, w, x.name, after);
	x.events = events_before | x.events_now;
	x.change = notify_change_of(&x);
	notify_tell_name(&x);
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
	struct str name = target_name_in(s, &scratch, w->account, m->name);
	enum notify_access has = notify_access(s, w->known, m);
	unsigned events = has < ACCESS_LISTED ? 0 : notify_events_of(s, n, w, name, m);

	if (events != 0 && has == ACCESS_LISTED) {
		notify_tell_line(s, w, m, name, STR_NONE, has);
		notify_note_put(n->refused, &n->refused_next, w->account, m->id, 0);
	} else if (n->what.wants_status && (events & NOTIFY_MESSAGE_EVENTS) != 0
	    && !is_selected(s, w, m)) {
		status_reply(s, name, m, w->account, first_items(events));
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
