/*
 * notify.c - what is watched, and when there is news (RFC 5465).
 *
 * A session keeps the words of its NOTIFY and, for each account that they are about, the snapshot
 * that the client was told up to. When the account's durable version moves, the session is run;
 * notify_tell.c goes through the difference of the two snapshots, which costs what has changed. As
 * the session tells at once, the snapshot that it keeps is nearly always the account's own: it
 * costs nothing. A client that does not read what it is sent, and so would hold an old one, is
 * given up after so many changes.
 *
 *     NOTIFY SET -> notify_resolve() -> notify_tell_first() -> notify_install()
 *     an account changes -> waiter -> task -> core: notify_has_news() -> session_tell(), notify_tell() -> waits again
 */
#include "session/notify_int.h"

#include "session/core_int.h"
#include "session/foreign.h"
#include "session/server.h"

#include <stdlib.h>

/* ---- which mailboxes ---- */

static bool
is_for_selected(const struct notify_group *g)
{
	return g->filter == NOTIFY_SELECTED || g->filter == NOTIFY_SELECTED_DELAYED;
}

static bool
is_at_or_below(struct str name, struct str top)
{
	return str_starts(name, top) && (name.n == top.n || name.p[top.n] == MAILBOX_SEPARATOR);
}

bool
notify_has_filter(const struct notify *n, enum imap_notify_filter filter)
{
	for (size_t i = 0; i < n->what.group_count; i++) {
		if (n->what.groups[i].filter == filter && n->what.groups[i].events != 0)
			return true;
	}
	return false;
}

bool
notify_has_event(const struct notify *n, enum imap_notify_event event)
{
	for (size_t i = 0; i < n->what.group_count; i++) {
		if ((n->what.groups[i].events & event) != 0 && !is_for_selected(&n->what.groups[i]))
			return true;
	}
	return false;
}

static bool
covers(const struct notify_group *g, struct str name, bool is_own, bool is_subscribed)
{
	switch (g->filter) {
	case NOTIFY_SELECTED:
	case NOTIFY_SELECTED_DELAYED:
		break;
	/* mail may be delivered to every mailbox, by the address's detail */
	case NOTIFY_INBOXES:
	case NOTIFY_PERSONAL:
		return is_own;
	case NOTIFY_SUBSCRIBED:
		return is_subscribed;
	case NOTIFY_SUBTREE:
	case NOTIFY_MAILBOXES:
		for (size_t i = 0; i < g->name_count; i++) {
			if (g->filter == NOTIFY_SUBTREE ? is_at_or_below(name, g->names[i])
							: str_eq(name, g->names[i]))
				return true;
		}
		break;
	}
	return false;
}

unsigned
notify_events(const struct session *s, const struct notify *n, struct str full_name, bool is_own,
    bool is_subscribed)
{
	bool is_personal = is_own && !notify_is_elsewhere(s, full_name);
	unsigned events = 0;

	for (size_t i = 0; i < n->what.group_count; i++) {
		if (covers(&n->what.groups[i], full_name, is_personal, is_subscribed))
			events |= n->what.groups[i].events;
	}
	return events;
}

bool
notify_is_elsewhere(const struct session *s, struct str name)
{
	struct str other = target_space_name(s, SPACE_OTHER),
		   shared = target_space_name(s, SPACE_SHARED);

	return (other.n != 0 && is_at_or_below(name, other))
	    || (shared.n != 0 && is_at_or_below(name, shared));
}

/* ---- life ---- */

static void
notify_task(struct loop_task *t)
{
	struct notify *n = container_of(t, struct notify, task);

	core_news(n->session->core);
}

static void
watch_woken(struct waiter *w)
{
	struct notify *n = container_of(w, struct notify_watch, waiter)->notify;

	loop_post(n->session->core->loop, &n->task);
}

static void
shares_woken(struct waiter *w)
{
	struct notify *n = container_of(w, struct notify, shares_waiter);

	loop_post(n->session->core->loop, &n->task);
}

static void
selected_woken(struct waiter *w)
{
	struct notify *n = container_of(w, struct notify, selected_waiter);

	loop_post(n->session->core->loop, &n->task);
}

/* Names of others' mailboxes in the spelling that LIST tells. */
static void
settle_names(struct session *s, struct notify *n)
{
	for (size_t i = 0; i < n->what.group_count; i++) {
		struct notify_group *g = &n->what.groups[i];

		for (size_t j = 0; j < g->name_count; j++) {
			struct target_name t = target_name_of(s, &n->arena, g->names[j]);

			if (t.space == SPACE_OTHER || t.space == SPACE_SHARED)
				g->names[j] = arena_printf(&n->arena, "%.*s%.*s", STR_F(t.prefix),
				    STR_F(t.local));
		}
	}
}

enum err
notify_new(struct session *s, struct str args, struct notify **out)
{
	struct notify *n;
	struct imap_scan in;
	enum err e;

	if (args.n > NOTIFY_TEXT_MAX)
		return ERR_LIMIT;
	n = xcalloc(1, sizeof(*n));
	n->session = s;
	n->arena = ARENA_NONE;
	list_init(&n->watches);
	waiter_init(&n->shares_waiter, shares_woken);
	waiter_init(&n->selected_waiter, selected_woken);
	loop_task_init(&n->task, notify_task);
	imap_scan_init(&in, &n->arena, arena_str(&n->arena, args),
	    (s->enabled & (ENABLED_UTF8 | ENABLED_IMAP4REV2)) != 0);
	e = imap_notify_parse(&in, NOTIFY_SUPPORTED, &n->what);
	if (e != ERR_OK) {
		notify_free(n);
		return e;
	}
	settle_names(s, n);
	*out = n;
	return ERR_OK;
}

static void
drop_watches(struct notify *n)
{
	list_each(&n->watches, w, struct notify_watch, node)
	{
		waiter_cancel(&w->waiter);
		list_remove(&w->node);
		snapshot_unref(w->known);
		snapshot_unref(w->now);
		account_unref(w->account);
		free(w);
	}
	n->watch_count = 0;
}

void
notify_free(struct notify *n)
{
	if (n == NULL)
		return;
	waiter_cancel(&n->shares_waiter);
	waiter_cancel(&n->selected_waiter);
	drop_watches(n);
	loop_task_cancel(n->session->core->loop, &n->task);
	rangeset_done(&n->own_messages);
	arena_done(&n->arena);
	free(n);
}

void
notify_leave(struct session *s)
{
	struct notify *n = s->notify;

	if (n == NULL)
		return;
	waiter_cancel(&n->shares_waiter);
	waiter_cancel(&n->selected_waiter);
	list_each(&n->watches, w, struct notify_watch, node) waiter_cancel(&w->waiter);
	loop_task_cancel(s->core->loop, &n->task);
}

/* AnnotationChange of the selected mailbox: its view is to say which changed (RFC 5257 4.4). */
static void
watch_annotations(struct session *s)
{
	for (size_t i = 0; s->view != NULL && i < s->notify->what.group_count; i++) {
		const struct notify_group *g = &s->notify->what.groups[i];

		if (is_for_selected(g) && (g->events & NOTIFY_ANNOTATION_CHANGE) != 0)
			view_tell_notes(s->view);
	}
}

void
notify_install(struct session *s, struct notify *n)
{
	notify_free(s->notify);
	s->notify = n;
	watch_annotations(s);
}

void
notify_overflow(struct session *s)
{
	struct notify *n = s->notify;

	session_untagged(s, "OK", STR("NOTIFICATIONOVERFLOW"),
	    STR("More has happened than can be told; nothing is told from now on."));
	waiter_cancel(&n->shares_waiter);
	waiter_cancel(&n->selected_waiter);
	drop_watches(n);
	n->what = (struct imap_notify){ 0 };
	n->watches_shares = false;
	n->is_given_up = false;
}

/* ---- accounts ---- */

struct notify_watch *
notify_watch_of(const struct notify *n, const struct account *a)
{
	list_each(&n->watches, w, struct notify_watch, node)
	{
		if (w->account == a)
			return w;
	}
	return NULL;
}

/* known NULL: all that is there has become visible just now. Takes the account over. */
static void
add_watch(struct notify *n, struct account *a, struct snapshot *known)
{
	struct notify_watch *w = xcalloc(1, sizeof(*w));

	*w = (struct notify_watch){ .notify = n, .account = a, .known = known };
	waiter_init(&w->waiter, watch_woken);
	list_add_tail(&n->watches, &w->node);
	n->watch_count++;
}

static bool
is_watched(const struct notify *n, struct str user)
{
	list_each(&n->watches, w, struct notify_watch, node)
	{
		if (str_eq(account_user(w->account), user))
			return true;
	}
	return false;
}

/* An account that can't be opened hides no other. is_new: what it shares was not shared before. */
static enum err
watch_user(struct session *s, struct notify *n, struct str user, bool is_new)
{
	struct account *a;
	enum err e;

	if (str_eq(user, s->user) || is_watched(n, user))
		return ERR_OK;
	if (n->watch_count > NOTIFY_ACCOUNTS_MAX)
		return ERR_LIMIT;
	e = store_account_open(server_options(s->server)->store, user, ACCOUNT_EXISTING,
	    session_waiter(s), &a);
	if (e == ERR_OK)
		add_watch(n, a, is_new ? NULL : session_snapshot_of(s, a));
	return e == ERR_WAIT ? e : ERR_OK;
}

/* What a subtree above accounts covers of those that share something. */
static enum err
watch_owners(struct session *s, struct notify *n, struct str top)
{
	struct store *store = server_options(s->server)->store;
	const struct identity who = session_identity(s);
	struct shares **shares = foreign_shares(s);
	struct arena scratch = ARENA_NONE;
	struct str owner;
	enum err e;

	n->watches_shares = true;
	e = shares_get(store, &who, session_waiter(s), shares);
	for (size_t i = 0; e == ERR_OK && shares_owner(*shares, i, &owner); i++) {
		if (is_at_or_below(target_owner_name(s, &scratch, owner), top))
			e = watch_user(s, n, owner, n == s->notify);
	}
	/* While it waits it is not looked at yet: follow() is to come here again. */
	if (e == ERR_OK)
		n->shares_version = shares_version_of(*shares);
	arena_done(&scratch);
	return e;
}

static enum err
watch_name(struct session *s, struct notify *n, const struct notify_group *g, struct str name)
{
	struct arena scratch = ARENA_NONE;
	struct target_name t = target_name_of(s, &scratch, name);
	enum err e = ERR_OK;

	if (t.space == SPACE_OTHER || t.space == SPACE_SHARED)
		e = watch_user(s, n, t.user, false);
	else if (t.space == SPACE_LEVEL && g->filter == NOTIFY_SUBTREE)
		e = watch_owners(s, n, name);
	arena_done(&scratch);
	return e;
}

static enum err
watch_subscriptions(struct session *s, struct notify *n)
{
	struct snapshot *own = session_snapshot(s);
	struct arena scratch = ARENA_NONE;
	const struct mailbox_info *m;
	enum err e = ERR_OK;

	for (uint32_t i = 0; e == ERR_OK && (m = snapshot_mailbox_at(own, i)) != NULL; i++) {
		struct target_name t;

		if (!m->is_subscribed || !notify_is_elsewhere(s, m->name))
			continue;
		t = target_name_of(s, &scratch, m->name);
		if (t.space == SPACE_OTHER || t.space == SPACE_SHARED)
			e = watch_user(s, n, t.user, false);
	}
	arena_done(&scratch);
	snapshot_unref(own);
	return e;
}

enum err
notify_resolve(struct session *s, struct notify *n)
{
	enum err e = ERR_OK;

	for (size_t i = 0; i < n->what.group_count && e == ERR_OK; i++) {
		const struct notify_group *g = &n->what.groups[i];

		if (is_for_selected(g) || g->events == 0)
			continue;
		if (list_is_empty(&n->watches))
			add_watch(n, account_ref(s->account), session_snapshot(s));
		for (size_t j = 0; j < g->name_count && e == ERR_OK; j++)
			e = watch_name(s, n, g, g->names[j]);
		if (e == ERR_OK && g->filter == NOTIFY_SUBSCRIBED)
			e = watch_subscriptions(s, n);
	}
	return e;
}

/* ---- the selected mailbox ---- */

unsigned
notify_selected_events(const struct session *s)
{
	const struct notify *n = s->notify;

	if (n == NULL || (s->core->has_cmd && (s->core->cmd.entry->flags & TELLS_ALL) != 0))
		return NOTIFY_MESSAGE_EVENTS;
	for (size_t i = 0; i < n->what.group_count; i++) {
		if (is_for_selected(&n->what.groups[i]))
			return n->what.groups[i].events;
	}
	return 0;
}

bool
notify_tells_expunge(const struct session *s)
{
	return notify_has_filter(s->notify, NOTIFY_SELECTED);
}

const struct imap_fetch *
notify_fetch(const struct session *s)
{
	const struct notify *n = s->notify;

	if (n == NULL
	    || (n->what.fetch.atts == 0 && n->what.fetch.n_sections == 0
		&& n->what.fetch.annotations == NULL))
		return NULL;
	return &n->what.fetch;
}

void
notify_selected(struct session *s)
{
	if (s->notify == NULL)
		return;
	waiter_cancel(&s->notify->selected_waiter);
	s->notify->mailbox_version = 0;
	rangeset_done(&s->notify->own_messages);
	watch_annotations(s);
}

/* ---- news ---- */

/*
 * Waits for an account's version to be above this one, unless it is. Registers anew in any case: a
 * waiter that is just being woken looks as if it were waiting.
 */
static bool
is_newer(struct account *a, uint64_t known, struct waiter *w)
{
	return account_wait_change(a, known, w) == ERR_OK;
}

bool
notify_has_news(struct session *s)
{
	struct notify *n = s->notify;

	if (n == NULL)
		return false;
	if (n->is_given_up)
		return true;
	list_each(&n->watches, w, struct notify_watch, node)
	{
		if (w->known == NULL || w->now != NULL
		    || is_newer(w->account, snapshot_version(w->known), &w->waiter))
			return true;
	}
	if (n->watches_shares
	    && shares_wait_change(server_options(s->server)->store, n->shares_version,
		   &n->shares_waiter)
		== ERR_OK)
		return true;
	return s->view != NULL && notify_selected_events(s) != 0 && !view_is_gone(s->view)
	    && is_newer(view_account(s->view), view_version(s->view), &n->selected_waiter);
}

/* ---- a client that does not read ---- */

void
notify_count_changes(struct session *s)
{
	struct notify *n = s->notify;

	if (n == NULL)
		return;
	list_each(&n->watches, w, struct notify_watch, node)
	{
		struct snapshot *now = account_snapshot(w->account, NULL);

		if (is_newer(w->account, snapshot_version(now), &w->waiter))
			loop_post(s->core->loop, &n->task);
		snapshot_unref(now);
	}
}

/*
 * The output may end in the middle of a response, so that the client is told of the end by
 * notify_tell(); what is being fetched for it stays until then.
 */
void
notify_late(struct session *s)
{
	struct notify *n = s->notify;

	if (++n->behind <= NOTIFY_BEHIND_MAX) {
		notify_count_changes(s);
		return;
	}
	drop_watches(n);
	n->is_given_up = true;
}

void
notify_is_read(struct session *s)
{
	if (s->notify != NULL)
		s->notify->behind = 0;
}
