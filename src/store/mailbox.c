/*
 * mailbox.c - making, removing, renaming mailboxes. Each works on the commit's list of all states,
 * sorted by name, in which what is below a name follows it. A name without a mailbox (a level, or
 * only subscribed to) is a state that is \NonExistent.
 */
#include "store/commit_int.h"

#include "store/annotation.h"
#include "store/change_int.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- looking --------------------------------------------------------------------------------- */

struct str
mailbox_objectid(struct arena *a, const struct mailbox_info *m, struct account_id in)
{
	/* The uidvalidity is never given twice in an account; the id would be as good. */
	return in.v == 0 ? arena_printf(a, "F%u", m->uidvalidity)
			 : arena_printf(a, "F%u-%" PRIx64, m->uidvalidity, in.v);
}

int
mailbox_keyword_slot(const struct mailbox_info *m, struct str keyword)
{
	for (uint32_t i = 0; i < m->keyword_count; i++) {
		if (str_eq_nocase(m->keywords[i], keyword))
			return (int)i;
	}
	return -1;
}

static struct str
parent_name(struct str name)
{
	size_t slash = str_rchr(name, '/');

	return slash == SIZE_MAX ? STR_NONE : str_sub(name, 0, slash);
}

static bool
is_good_name(struct str name)
{
	struct str rest = name, level;
	unsigned depth = 0;

	if (name.n == 0 || name.n > MAILBOX_NAME_MAX || name.p[name.n - 1] == '/'
	    || !str_is_utf8(name))
		return false;
	while (str_split(&rest, '/', &level)) {
		if (level.n == 0 || ++depth > MAILBOX_DEPTH_MAX)
			return false;
	}
	return memchr(name.p, 0, name.n) == NULL;
}

int64_t
commit_find_state(const struct commit *c, struct str name)
{
	uint32_t low = 0, high = c->state_count;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		int order = mailbox_name_cmp(c->states[mid]->info.name, name);

		if (order == 0)
			return mid;
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return -1;
}

static bool
has_below(const struct commit *c, int64_t i)
{
	return i + 1 < c->state_count
	    && mailbox_name_is_below(c->states[i + 1]->info.name, c->states[i]->info.name);
}

/*
 * Whether there is a mailbox of the name, or one below: else it is there for subscriptions only,
 * and no client finds it by LIST.
 */
static bool
is_there(const struct commit *c, int64_t i)
{
	const struct str name = c->states[i]->info.name;

	for (int64_t k = i;
	     k < c->state_count && (k == i || mailbox_name_is_below(c->states[k]->info.name, name));
	     k++) {
		if (!c->states[k]->info.is_noselect)
			return true;
	}
	return false;
}

/* Whether another mailbox has one of these uses, which only one may have. */
static bool
is_use_taken(const struct commit *c, uint32_t special_use, int64_t except)
{
	for (uint32_t i = 0; i < c->state_count; i++) {
		if (i != except && (c->states[i]->info.special_use & special_use) != 0)
			return true;
	}
	return false;
}

/* ---- making ---------------------------------------------------------------------------------- */

static struct mailbox_state *
new_state(struct commit *c, struct str name, const struct mailbox_row *like)
{
	struct mailbox_id id = { c->row.next_mailbox++ };
	struct status_row status = { .highestmodseq = c->version, .uidnext = 1, .recent_from = 1 };
	struct str keywords[KEYWORDS_MAX];
	struct mailbox_row row = *like;

	c->is_row_changed = true;
	row.uidvalidity = c->row.next_uidvalidity++;
	mailbox_row_set_registered(&row, keywords);
	return mailbox_state_new(mailbox_desc_new(id, &row, name), &status);
}

/* What a new mailbox has of the one above it (NULL: none): whom it is shared with, and how. */
static void
inherit(const struct mailbox_desc *above, struct mailbox_row *row)
{
	if (above == NULL)
		return;
	row->acl = above->row.acl;
	row->is_seen_private = above->row.is_seen_private;
	row->is_seen_fixed = above->row.is_seen_fixed;
}

/*
 * Adds what is missing of a name, from the top. The last level is like `like`; levels above are
 * mailboxes or mere levels.
 */
static enum err
add_levels(struct commit *c, struct str name, const struct mailbox_row *like, bool is_level)
{
	/* RFC 4314 4: a new mailbox inherits its parent's list */
	const struct mailbox_desc *above = NULL;
	uint64_t parent = 0;

	for (size_t n = 1; n <= name.n; n++) {
		struct str level = str_sub(name, 0, n);
		struct mailbox_row row = { .parent = parent, .is_noselect = is_level };
		int64_t i;

		if (n < name.n && name.p[n] != '/')
			continue;
		i = commit_find_state(c, level);
		if (i < 0) {
			if (c->state_count >= c->account->store->o.mailboxes_max)
				return ERR_LIMIT;
			if (n == name.n) {
				row = *like;
				row.parent = parent;
			}
			if (!row.is_noselect)
				inherit(above, &row);
			commit_add_state(c, new_state(c, level, &row));
			i = commit_find_state(c, level);
		}
		parent = c->states[i]->info.id.v;
		if (!c->states[i]->info.is_noselect)
			above = c->states[i]->desc;
	}
	return ERR_OK;
}

/* A level without mailbox, subscription and anything below serves no purpose. */
static void
prune(struct commit *c, struct str name)
{
	for (; name.n != 0; name = parent_name(name)) {
		int64_t i = commit_find_state(c, name);

		if (i < 0 || !c->states[i]->info.is_noselect || c->states[i]->info.is_subscribed
		    || has_below(c, i))
			return;
		commit_remove_state(c, (uint32_t)i);
	}
}

/* The nearest mailbox above, NULL when there are mere levels. */
static const struct mailbox_desc *
mailbox_above(const struct commit *c, struct str name)
{
	for (name = parent_name(name); name.n != 0; name = parent_name(name)) {
		int64_t i = commit_find_state(c, name);

		if (i >= 0 && !c->states[i]->info.is_noselect)
			return c->states[i]->desc;
	}
	return NULL;
}

/* annotations.p == NULL: those of the level that was there, if any. */
static enum err
create(struct commit *c, struct str name, uint32_t special_use, struct str annotations)
{
	struct mailbox_row row = { .special_use = special_use, .annotations = annotations };
	struct str keywords[KEYWORDS_MAX];
	int64_t i = commit_find_state(c, name);

	if (i >= 0 && !c->states[i]->info.is_noselect)
		return ERR_EXISTS;
	if (is_use_taken(c, special_use, -1))
		return ERR_USEATTR;
	if (i < 0)
		return add_levels(c, name, &row, false);
	/*
	 * A level becomes a mailbox: it has had no messages, so it keeps its id, and what was noted
	 * of it, but nothing else.
	 */
	row.parent = c->states[i]->desc->row.parent;
	row.is_subscribed = c->states[i]->info.is_subscribed;
	inherit(mailbox_above(c, name), &row);
	if (annotations.p == NULL)
		row.annotations = c->states[i]->desc->row.annotations;
	row.uidvalidity = c->row.next_uidvalidity++;
	c->is_row_changed = true;
	mailbox_row_set_registered(&row, keywords);
	commit_replace_state(c, (uint32_t)i,
	    mailbox_state_new(mailbox_desc_new(c->states[i]->info.id, &row, name),
		&(struct status_row){ .highestmodseq = c->version,
		    .uidnext = 1,
		    .recent_from = 1 }));
	return ERR_OK;
}

enum err
commit_create_mailbox(struct commit *c, struct str name, uint32_t special_use)
{
	return is_good_name(name) ? create(c, name, special_use, STR_NONE) : ERR_BADNAME;
}

/* A copy of them counts again: no account gathers more by RENAME of INBOX than by setting them. */
static bool
has_room_for(const struct commit *c, struct str name, struct str annotations)
{
	int64_t i = commit_find_state(c, name);

	return commit_has_annotation_room(c, i < 0 ? 0 : c->states[i]->info.annotations.n,
	    annotations.n);
}

static enum err
make(struct account *a, struct str name, uint32_t special_use, struct str annotations,
    bool was_inbox, struct snapshot **after_out)
{
	char space[MAILBOX_NAME_MAX];
	struct commit *c;
	enum err e;

	name = mailbox_name_canonical(name, space);
	if (!is_good_name(name))
		return ERR_BADNAME;
	e = commit_open(a, false, &c);
	if (e != ERR_OK)
		return e;
	e = has_room_for(c, name, annotations) ? create(c, name, special_use, annotations)
					       : ERR_LIMIT;
	if (e == ERR_OK)
		c->states[commit_find_state(c, name)]->info.was_inbox = was_inbox;
	if (e == ERR_OK)
		e = commit_check_mailbox_quota(c);
	return commit_close(c, e, true, after_out);
}

enum err
mailbox_create(struct account *a, struct str name, uint32_t special_use, struct waiter *w,
    struct snapshot **after_out)
{
	(void)w;
	return make(a, name, special_use, STR_NONE, false, after_out);
}

/* ---- removing -------------------------------------------------------------------------------- */

/* Mailboxes right below have another parent now. */
static void
reparent(struct commit *c, uint32_t at, uint64_t parent)
{
	struct str name = c->states[at]->info.name;

	for (uint32_t i = at + 1;
	     i < c->state_count && mailbox_name_is_below(c->states[i]->info.name, name); i++) {
		struct mailbox_desc *d = c->states[i]->desc;
		struct mailbox_row row = d->row;

		if (str_chr(str_sub(d->name, name.n + 1, d->name.n), '/') != SIZE_MAX)
			continue;
		row.parent = parent;
		commit_change_desc(c, i, mailbox_desc_new(d->id, &row, d->name));
	}
}

static enum err
take_away(struct commit *c, struct str name)
{
	struct mailbox_row row = { .is_noselect = true };
	int64_t i = commit_find_state(c, name);
	bool is_kept;

	if (i < 0)
		return ERR_NOTFOUND;
	if (c->states[i]->info.is_noselect)
		return is_there(c, i) ? ERR_HASCHILDREN : ERR_NOTFOUND;
	row.parent = c->states[i]->desc->row.parent;
	row.is_subscribed = c->states[i]->info.is_subscribed;
	is_kept = has_below(c, i) || row.is_subscribed;
	commit_remove_state(c, (uint32_t)i);
	if (!is_kept) {
		prune(c, parent_name(name));
		return ERR_OK;
	}
	/*
	 * The level stays, as another one: pages and ids of what was deleted may be held by the
	 * past.
	 */
	commit_add_state(c, new_state(c, name, &row));
	i = commit_find_state(c, name);
	reparent(c, (uint32_t)i, c->states[i]->info.id.v);
	return ERR_OK;
}

enum err
mailbox_delete(struct account *a, struct str name, struct waiter *w, struct snapshot **after_out)
{
	char space[MAILBOX_NAME_MAX];
	struct commit *c;
	enum err e;

	(void)w;
	name = mailbox_name_canonical(name, space);
	if (str_eq(name, STR("INBOX")))
		return ERR_CANNOT;
	e = commit_open(a, true, &c);
	if (e != ERR_OK)
		return e;
	return commit_close(c, take_away(c, name), true, after_out);
}

/* ---- renaming -------------------------------------------------------------------------------- */

/* Gives everything from `at` on that is `from` or below it a name with `to` in its place. */
static enum err
rename_all(struct commit *c, uint32_t at, struct str from, struct str to, uint64_t parent)
{
	BUF_CLEAN struct buf name = BUF_MAX(MAILBOX_NAME_MAX + 1);
	/* States that are renamed lose their old names, which `from` may be part of. */
	struct arena *a = &c->memory;

	from = arena_str(a, from);
	for (uint32_t i = at; i < c->state_count; i++) {
		struct mailbox_desc *d = c->states[i]->desc;
		struct mailbox_row row = d->row;

		if (i != at && !mailbox_name_is_below(d->name, from))
			break;
		buf_clear(&name);
		buf_str_add(&name, to);
		buf_str_add(&name, str_sub(d->name, from.n, d->name.n));
		if (!is_good_name(buf_str(&name)) || name.is_over)
			return ERR_BADNAME;
		if (i == at) {
			size_t slash = str_rchr(to, '/');

			row.parent = parent;
			row.name = slash == SIZE_MAX ? to : str_sub(to, slash + 1, to.n);
		}
		commit_change_desc(c, i, mailbox_desc_new(d->id, &row, buf_str(&name)));
	}
	commit_sort_states(c);
	return ERR_OK;
}

static enum err
subscribe(struct commit *c, struct str name, bool is_subscribed, bool *is_changed_out)
{
	struct mailbox_row row = { .is_noselect = true, .is_subscribed = true };
	int64_t i = commit_find_state(c, name);

	*is_changed_out = i < 0 ? is_subscribed : c->states[i]->info.is_subscribed != is_subscribed;
	if (!*is_changed_out)
		return ERR_OK;
	if (i < 0)
		return add_levels(c, name, &row, true);
	row = c->states[i]->desc->row;
	row.is_subscribed = is_subscribed;
	commit_change_desc(c, (uint32_t)i,
	    mailbox_desc_new(c->states[i]->info.id, &row, c->states[i]->info.name));
	prune(c, name);
	return ERR_OK;
}

/* Names that are subscribed to. */
struct subscriptions {
	struct str *names;
	size_t n;
};

static void
note_subscription(struct commit *c, uint32_t at, struct subscriptions *taken)
{
	const struct mailbox_info *m = &c->states[at]->info;

	if (m->is_subscribed)
		taken->names[taken->n++] = arena_str(&c->memory, m->name);
}

/* Takes a name that is there for subscriptions only out of the list, and what is below it. */
static void
take_subscriptions(struct commit *c, uint32_t at, struct subscriptions *taken)
{
	const struct str top = arena_str(&c->memory, c->states[at]->info.name);

	do {
		note_subscription(c, at, taken);
		commit_remove_state(c, at);
	} while (at < c->state_count && mailbox_name_is_below(c->states[at]->info.name, top));
}

/* Mailboxes that get other names: their subscriptions are to those that they had. */
static void
leave_subscriptions(struct commit *c, uint32_t at, struct subscriptions *taken)
{
	const struct str top = arena_str(&c->memory, c->states[at]->info.name);

	for (uint32_t i = at; i < c->state_count
	     && (i == at || mailbox_name_is_below(c->states[i]->info.name, top));) {
		struct mailbox_desc *d = c->states[i]->desc;
		struct mailbox_row row = d->row;

		if (!is_there(c, i)) {
			take_subscriptions(c, i, taken);
			continue;
		}
		note_subscription(c, i, taken);
		if (row.is_subscribed) {
			row.is_subscribed = false;
			commit_change_desc(c, i, mailbox_desc_new(d->id, &row, d->name));
		}
		i++;
	}
}

static enum err
rename_mailbox(struct commit *c, struct str from, struct str to)
{
	const struct mailbox_row level = { 0 };
	struct subscriptions taken = { .names =
					   arena_array(&c->memory, struct str, c->state_count) };
	struct str above = parent_name(to);
	int64_t i = commit_find_state(c, from), there = commit_find_state(c, to);
	uint64_t parent = 0;
	bool is_changed;
	enum err e = ERR_OK;

	if (i < 0 || !is_there(c, i))
		return ERR_NOTFOUND;
	if (str_eq(from, to) || (there >= 0 && is_there(c, there)))
		return ERR_EXISTS;
	if (mailbox_name_is_below(to, from))
		return ERR_CANNOT;
	if (there >= 0)
		take_subscriptions(c, (uint32_t)there, &taken);
	leave_subscriptions(c, (uint32_t)commit_find_state(c, from), &taken);
	if (above.n != 0) {
		e = add_levels(c, above, &level, false);
		if (e != ERR_OK)
			return e;
		parent = c->states[commit_find_state(c, above)]->info.id.v;
	}
	e = rename_all(c, (uint32_t)commit_find_state(c, from), from, to, parent);
	if (e == ERR_OK)
		prune(c, parent_name(from));
	/* They were to names, and stay (RFC 9051 6.3.6, 6.3.7). */
	for (size_t k = 0; k < taken.n && e == ERR_OK; k++)
		e = subscribe(c, taken.names[k], true, &is_changed);
	return e;
}

/*
 * RENAME of INBOX (RFC 9051 6.3.6): a new mailbox, then its messages. The name is made once: called
 * again after ERR_WAIT, the mailbox is there and has no messages that came otherwise.
 */
static enum err
rename_inbox(struct account *a, struct str to, struct waiter *w, struct snapshot **after_out)
{
	BUF_CLEAN struct buf annotations = BUF_MAX(ANNOTATIONS_MAX_BYTES);
	struct snapshot *now = NULL;
	const struct mailbox_info *inbox;
	struct mailbox_id inbox_id;
	enum err e;

	pthread_mutex_lock(&a->lock);
	now = snapshot_ref(a->latest);
	pthread_mutex_unlock(&a->lock);
	inbox = snapshot_mailbox(now, STR("INBOX"));
	inbox_id = inbox != NULL ? inbox->id : (struct mailbox_id){ 0 };
	if (inbox != NULL)
		annotations_of_mailbox(inbox->annotations, &annotations);
	snapshot_unref(now);
	if (inbox == NULL)
		return ERR_NOTFOUND;
	e = account_load_tree(a, inbox_id,
	    w); /* before anything is made: afterwards nothing waits */
	if (e != ERR_OK)
		return e;
	/* They are on both afterwards (RFC 5464 4.1). */
	e = make(a, to, 0, annotations.n != 0 ? buf_str(&annotations) : STR(""), true, &now);
	if (e != ERR_OK)
		return e;
	e = messages_move_all(a, inbox_id, snapshot_mailbox(now, to)->id, after_out);
	if (e == ERR_OK && *after_out == NULL) {
		*after_out = now;
		return ERR_OK;
	}
	snapshot_unref(now);
	return e;
}

enum err
mailbox_rename(struct account *a, struct str from, struct str to, struct waiter *w,
    struct snapshot **after_out)
{
	char from_space[MAILBOX_NAME_MAX], to_space[MAILBOX_NAME_MAX];
	struct commit *c;
	enum err e;

	from = mailbox_name_canonical(from, from_space);
	to = mailbox_name_canonical(to, to_space);
	if (!is_good_name(to))
		return ERR_BADNAME;
	if (str_eq(from, STR("INBOX")))
		return str_eq(to, from) ? ERR_EXISTS : rename_inbox(a, to, w, after_out);
	e = commit_open(a, false, &c);
	if (e != ERR_OK)
		return e;
	e = rename_mailbox(c, from, to);
	if (e == ERR_OK)
		e = commit_check_mailbox_quota(c);
	return commit_close(c, e, true, after_out);
}

/* ---- attributes ------------------------------------------------------------------------------ */

enum err
mailbox_subscribe(struct account *a, struct str name, bool is_subscribed, struct waiter *w,
    struct snapshot **after_out)
{
	char space[MAILBOX_NAME_MAX];
	bool is_changed;
	struct commit *c;
	enum err e;

	(void)w;
	name = mailbox_name_canonical(name, space);
	if (!is_good_name(name))
		return ERR_BADNAME;
	e = commit_open(a, false, &c);
	if (e != ERR_OK)
		return e;
	e = subscribe(c, name, is_subscribed, &is_changed);
	return commit_close(c, e, is_changed, after_out);
}

enum err
mailbox_set_use(struct account *a, struct str name, uint32_t special_use, struct waiter *w,
    struct snapshot **after_out)
{
	char space[MAILBOX_NAME_MAX];
	struct mailbox_row row;
	struct commit *c;
	enum err e;
	int64_t i;

	(void)w;
	name = mailbox_name_canonical(name, space);
	e = commit_open(a, false, &c);
	if (e != ERR_OK)
		return e;
	i = commit_find_state(c, name);
	if (i < 0 || c->states[i]->info.is_noselect)
		return commit_close(c, ERR_NOTFOUND, false, after_out);
	if (is_use_taken(c, special_use, i))
		return commit_close(c, ERR_USEATTR, false, after_out);
	row = c->states[i]->desc->row;
	if (row.special_use == special_use)
		return commit_close(c, ERR_OK, false, after_out);
	row.special_use = special_use;
	commit_change_desc(c, (uint32_t)i, mailbox_desc_new(c->states[i]->info.id, &row, name));
	return commit_close(c, ERR_OK, true, after_out);
}
