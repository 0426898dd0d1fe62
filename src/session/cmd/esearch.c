/*
 * esearch.c - ESEARCH (RFC 7377): the same search in several mailboxes, one ESEARCH response for
 * each that has something.
 *
 *     names of the sources -> for each: [open -> search -> answer -> close]
 *
 * A mailbox that the user may not read, or not know of, is passed over without a word.
 */
#include "imap/esearch.h"
#include "session/cmd/commands.h"
#include "session/cmd/esearch_reply.h"
#include "session/cmd/finding.h"
#include "session/context.h"
#include "session/foreign.h"
#include "session/server.h"
#include "session/target.h"

enum esearch_step { STEP_COLLECT, STEP_OPEN, STEP_SEARCH, STEP_SAVE, STEP_ANSWER };

enum { PLACES_MAX = 20000 }; /* mailboxes of one search */

/* A mailbox to search. */
struct place {
	struct place *next;
	struct str name; /* full */
	/* by the client: else the right to know of it is needed too (2.2) */
	bool is_named;
};

/* One that was searched: under whatever name, it is searched once. */
struct searched {
	struct searched *next;
	uint64_t account;
	uint64_t mailbox;
};

struct esearch_ctx {
	struct imap_esearch args;
	enum esearch_step step;
	bool is_selected_next;        /* the selected mailbox comes first */
	struct place *places, **tail; /* still to be searched */
	size_t place_count;
	struct imap_source_name *name; /* being collected */
	/* of those who share something: whose mailboxes below it come next */
	size_t owner_at;
	struct searched *searched;
	/* the selected mailbox is among them, and is kept up to date */
	bool is_updated;
	/*
	 * how many messages may still be looked at, in all mailboxes together (RFC 9738), and in
	 * how many mailboxes some were; there were more, the last in the one at hand
	 */
	uint32_t left;
	size_t searched_count;
	bool is_cut;
	struct uid lowest;

	/* The mailbox at hand. */
	struct arena arena;
	struct str full_name;
	struct view *view; /* NULL: the session's */
	struct finding finding;
	const struct scan_found *found;
	struct esearch_reply reply;
};

static struct view *
view_of(const struct session *s, const struct esearch_ctx *x)
{
	return x->view != NULL ? x->view : s->view;
}

static enum err
esearch_parse(struct session *s, struct command *c, struct imap_scan *in)
{
	struct esearch_ctx *x = c->ctx;
	enum err e;

	finding_know_filters(s, c, in);
	e = finding_parsed(s, c, in, &x->args.search, imap_esearch_parse(in, &x->args));
	if (e != ERR_OK)
		return e;
	if ((x->args.sources & SOURCE_SELECTED) != 0 && s->view == NULL) {
		imap_scan_fail(in, ERR_SYNTAX, "a selected mailbox to search");
		return ERR_SYNTAX;
	}
	x->left = session_message_limit(s);
	x->is_selected_next = (x->args.sources & SOURCE_SELECTED) != 0;
	x->tail = &x->places;
	x->name = x->args.names;
	return ERR_OK;
}

/* ---- which mailboxes ---- */

static enum err
add_place(struct command *c, struct esearch_ctx *x, struct str name, bool is_named)
{
	struct place *p;

	if (x->place_count++ == PLACES_MAX)
		return ERR_LIMIT;
	p = arena_new(c->arena, struct place);
	p->name = arena_str(c->arena, name);
	p->is_named = is_named;
	*x->tail = p;
	x->tail = &p->next;
	return ERR_OK;
}

static bool
is_below(struct str name, struct str top, enum imap_source_depth depth)
{
	struct str rest;

	if (top.n == 0)
		rest = name;
	else if (name.n > top.n + 1 && str_starts(name, top) && name.p[top.n] == '/')
		rest = str_sub(name, top.n + 1, name.n);
	else
		return false;
	return depth == SOURCE_SUBTREE || str_chr(rest, '/') == SIZE_MAX;
}

/* What is below a name in the snapshot that has it. */
static enum err
add_tree(struct command *c, struct esearch_ctx *x, const struct snapshot *snapshot,
    struct str prefix, struct str top, enum imap_source_depth depth)
{
	const struct mailbox_info *m;
	enum err e = ERR_OK;

	for (uint32_t i = 0; e == ERR_OK && (m = snapshot_mailbox_at(snapshot, i)) != NULL; i++) {
		if (!m->is_noselect && is_below(m->name, top, depth))
			e = add_place(c, x,
			    arena_printf(c->arena, "%.*s%.*s", STR_F(prefix), STR_F(m->name)),
			    false);
	}
	return e;
}

/* What an owner shares, if all of his mailboxes are below the name. ERR_WAIT. */
static enum err
add_owner(struct session *s, struct command *c, struct esearch_ctx *x,
    const struct imap_source_name *n, struct str owner)
{
	const struct str top = target_owner_name(s, c->arena, owner);
	struct snapshot *theirs;
	struct account *a;
	enum err e;

	if (!str_eq(top, n->name)
	    && (n->depth != SOURCE_SUBTREE || !is_below(top, n->name, SOURCE_SUBTREE)))
		return ERR_OK;
	e = store_account_open(server_options(s->server)->store, owner, ACCOUNT_EXISTING,
	    session_waiter(s), &a);
	if (e != ERR_OK)
		/* one that is gone, or that can't be read, hides no other */
		return e == ERR_WAIT ? e : ERR_OK;
	theirs = session_snapshot_of(s, a);
	e = add_tree(c, x, theirs, arena_printf(c->arena, "%.*s/", STR_F(top)), STR(""), n->depth);
	snapshot_unref(theirs);
	account_unref(a);
	return e;
}

/* What is below a level above others' mailboxes: "Other Users", "Other Users/joe", "Shared". */
static enum err
add_shared(struct session *s, struct command *c, struct esearch_ctx *x,
    const struct imap_source_name *n)
{
	const struct identity who = session_identity(s);
	struct shares **shares = foreign_shares(s);
	struct str owner;
	enum err e = shares_get(server_options(s->server)->store, &who, session_waiter(s), shares);

	while (e == ERR_OK && shares_owner(*shares, x->owner_at, &owner)) {
		e = add_owner(s, c, x, n, owner);
		if (e == ERR_OK)
			x->owner_at++;
	}
	if (e == ERR_OK)
		x->owner_at = 0;
	return e;
}

static enum err
add_named(struct session *s, struct command *c, struct esearch_ctx *x,
    const struct imap_source_name *n)
{
	struct target t;
	enum err e;

	if (n->depth == SOURCE_MAILBOX)
		return add_place(c, x, n->name, true);
	e = target_open(s, c->arena, n->name, &t);
	if (e != ERR_OK)
		return e;
	if (t.name.space == SPACE_LEVEL) {
		target_close(&t);
		return add_shared(s, c, x, n);
	}
	e = add_place(c, x, n->name, true);
	if (e == ERR_OK && t.snapshot != NULL)
		e = add_tree(c, x, t.snapshot, t.name.prefix,
		    t.mailbox != NULL ? t.mailbox->name : t.name.local, n->depth);
	target_close(&t);
	return e;
}

static enum err
add_subscribed(struct command *c, struct esearch_ctx *x, const struct snapshot *own)
{
	const struct mailbox_info *m;
	enum err e = ERR_OK;

	for (uint32_t i = 0; e == ERR_OK && (m = snapshot_mailbox_at(own, i)) != NULL; i++) {
		if (m->is_subscribed)
			e = add_place(c, x, m->name, false);
	}
	return e;
}

static enum err
collect(struct session *s, struct command *c, struct esearch_ctx *x)
{
	const unsigned sources = x->args.sources;
	struct snapshot *own;
	enum err e = ERR_OK;

	for (; x->name != NULL; x->name = x->name->next) {
		e = add_named(s, c, x, x->name);
		if (e != ERR_OK)
			return e;
	}
	own = session_snapshot(s);
	/*
	 * Mail may be delivered to every mailbox, by the address's detail: so both are the same
	 * (RFC 5465 6.3), as for NOTIFY.
	 */
	if ((sources & (SOURCE_INBOXES | SOURCE_PERSONAL)) != 0)
		e = add_tree(c, x, own, STR(""), STR(""), SOURCE_SUBTREE);
	if (e == ERR_OK && (sources & SOURCE_SUBSCRIBED) != 0)
		e = add_subscribed(c, x, own);
	snapshot_unref(own);
	x->step = STEP_OPEN;
	return e;
}

/* ---- one mailbox ---- */

static bool
is_searched(struct command *c, struct esearch_ctx *x, const struct view *v)
{
	const uint64_t account = account_id(view_account(v)).v, mailbox = view_mailbox(v)->id.v;
	struct searched *new;

	for (const struct searched *old = x->searched; old != NULL; old = old->next)
		if (old->account == account && old->mailbox == mailbox)
			return true;
	new = arena_new(c->arena, struct searched);
	*new = (struct searched){ x->searched, account, mailbox };
	x->searched = new;
	return false;
}

static bool
is_selected(const struct session *s, const struct view *v)
{
	return view_account(v) == view_account(s->view)
	    && view_mailbox(v)->id.v == view_mailbox(s->view)->id.v;
}

/* Opens the next place; ERR_END: it is passed over. */
static enum err
open_place(struct session *s, struct command *c, struct esearch_ctx *x, const struct place *p)
{
	struct target t;
	enum err e = target_open(s, &x->arena, p->name, &t);

	if (e != ERR_OK)
		return e;
	e = target_check(&t, p->is_named ? RIGHT_R : RIGHT_R | RIGHT_L);
	if (e == ERR_OK)
		e = view_open_as(t.snapshot, t.mailbox->id, account_id(s->account), VIEW_READ_ONLY,
		    session_waiter(s), &x->view);
	if (e == ERR_OK)
		x->full_name = arena_str(&x->arena, target_full_name(&x->arena, &t));
	target_close(&t);
	/* Only what this session has selected can be kept up to date (2.1), and as it knows it. */
	if (e == ERR_OK && (x->args.search.returns & RETURN_UPDATE) != 0 && is_selected(s, x->view)
	    && !is_searched(c, x, x->view)) {
		view_close(x->view);
		x->view = NULL;
		return ERR_OK;
	}
	if (e == ERR_OK && is_searched(c, x, x->view)) {
		view_close(x->view);
		x->view = NULL;
		return ERR_END;
	}
	return e == ERR_OK || e == ERR_WAIT || e == ERR_IO || e == ERR_CORRUPT ? e : ERR_END;
}

/* The next mailbox, and the search in it; ERR_END when none is left. */
static enum err
begin_next(struct session *s, struct command *c, struct esearch_ctx *x)
{
	const unsigned returns = x->args.search.returns;
	enum err e = ERR_OK;

	if (x->is_selected_next) {
		x->is_selected_next = false;
		is_searched(c, x, s->view);
		x->full_name = target_name_in(s, &x->arena, view_account(s->view),
		    view_mailbox(s->view)->name);
	} else {
		do {
			if (x->places == NULL)
				return ERR_END;
			if (session_should_yield(s))
				return session_yield(s);
			e = open_place(s, c, x, x->places);
			if (e == ERR_OK || e == ERR_END)
				x->places = x->places->next;
		} while (e == ERR_END);
	}
	if (e != ERR_OK)
		return e;
	x->finding = (struct finding){ .args = &x->args.search,
		.view = view_of(s, x),
		.arena = &x->arena,
		.is_elsewhere = s->view == NULL || !is_selected(s, view_of(s, x)),
		.when_limited = FINDING_HIGHEST,
		.limit = x->left,
		.is_first_enough = (returns & ~(unsigned)RETURN_SAVE) == RETURN_MIN };
	x->step = STEP_SEARCH;
	return ERR_OK;
}

static uint64_t
modseq_told(const struct esearch_ctx *x)
{
	const unsigned returns = x->args.search.returns;
	uint64_t modseq = 0;

	if (!x->args.search.has_modseq)
		return 0;
	if ((returns & (RETURN_ALL | RETURN_COUNT | RETURN_PARTIAL | RETURN_RELEVANCY)) != 0)
		return x->found->all_modseq;
	if ((returns & RETURN_MIN) != 0)
		modseq = x->found->min_modseq;
	return (returns & RETURN_MAX) != 0 ? MAX(modseq, x->found->max_modseq) : modseq;
}

/* Of one mailbox too large it is known how far it was searched, as by SEARCH; of several it is not. */
static void
note_limit(struct esearch_ctx *x)
{
	x->searched_count++;
	x->left -= (uint32_t)MIN(x->finding.named, (uint64_t)x->left);
	if (!x->finding.is_cut)
		return;
	x->is_cut = true;
	if (x->searched_count == 1 && x->places == NULL)
		x->lowest = x->finding.lowest;
	x->places = NULL;
}

static void
begin_answer(struct session *s, struct esearch_ctx *x)
{
	const struct numbers uids = numbers_of_set(&x->found->uids);

	esearch_save(s, &x->args.search, &uids, &x->found->uids);
	x->reply = (struct esearch_reply){ .args = &x->args.search,
		.is_uid = true,
		.all = uids,
		.modseq = modseq_told(x),
		.relevancy = x->found->relevancy,
		.mailbox = x->full_name,
		.uidvalidity = view_mailbox(view_of(s, x))->uidvalidity };
	note_limit(x);
	x->step = STEP_ANSWER;
}

static enum err
answer(struct session *s, struct command *c, struct esearch_ctx *x)
{
	/* Mailboxes without a match are not told (2.1); RETURN (SAVE) alone asks for no answer. */
	if (rangeset_is_empty(&x->found->uids) || !esearch_is_told(&x->args.search))
		return ERR_OK;
	return esearch_reply_write(s, c, &x->reply);
}

static void
close_place(struct session *s, struct esearch_ctx *x)
{
	esearch_reply_done(&x->reply);
	x->reply = (struct esearch_reply){ 0 };
	finding_done(s, &x->finding);
	view_close(x->view);
	x->view = NULL;
	x->found = NULL;
	arena_reset(&x->arena);
	x->step = STEP_OPEN;
}

static void
keep_updated(struct session *s, struct command *c, struct esearch_ctx *x)
{
	context_begin(s,
	    &(struct context_options){ .tag = c->tag,
		.is_uid = true,
		.search = scan_search(x->finding.scan),
		.uids = &x->found->uids,
		.mailbox = x->full_name,
		.uidvalidity = view_mailbox(s->view)->uidvalidity });
	x->is_updated = true;
}

static enum err
esearch_run(struct session *s, struct command *c)
{
	struct esearch_ctx *x = c->ctx;
	enum err e = ERR_OK;

	if (x->step == STEP_COLLECT)
		e = collect(s, c, x);
	while (e == ERR_OK) {
		if (x->step == STEP_OPEN)
			e = begin_next(s, c, x);
		if (e == ERR_OK && x->step == STEP_SEARCH) {
			e = finding_run(s, c, &x->finding, &x->found);
			if (e == ERR_OK)
				begin_answer(s, x);
		}
		if (e == ERR_OK && x->step == STEP_ANSWER) {
			e = answer(s, c, x);
			if (e != ERR_OK)
				break;
			if ((x->args.search.returns & RETURN_UPDATE) != 0 && x->view == NULL
			    && !x->finding.is_cut)
				keep_updated(s, c, x);
			close_place(s, x);
		}
	}
	if (e == ERR_END && (x->args.search.returns & RETURN_UPDATE) != 0 && !x->is_updated)
		context_refuse(s, c->tag,
		    x->is_cut ? STR("Not all messages were searched.")
			      : STR("The selected mailbox was not searched."));
	if (e == ERR_END && x->is_cut) {
		c->limited_to = session_message_limit(s);
		c->limited_uid = x->lowest.v;
	}
	finding_forget_saved(s, &x->args.search, e == ERR_END ? ERR_OK : e);
	return e == ERR_END ? ERR_OK : e;
}

static bool
esearch_progress(unused_arg struct session *s, const struct command *c, uint64_t *done_out,
    uint64_t *goal_out)
{
	const struct esearch_ctx *x = c->ctx;

	/*
	 * Of the mailbox at hand: how many messages the others hold is not known before they are
	 * open.
	 */
	if (x->step == STEP_SEARCH)
		finding_progress(&x->finding, done_out, goal_out);
	return x->step <= STEP_SEARCH;
}

static void
esearch_done(struct session *s, struct command *c)
{
	struct esearch_ctx *x = c->ctx;

	esearch_reply_done(&x->reply);
	view_close(x->view);
	/* The pool may still search, with what is in both arenas. */
	arena_join(c->arena, &x->arena);
	x->finding.arena = c->arena;
	finding_done(s, &x->finding);
}

const struct imap_command cmd_esearch = {
	.name = "ESEARCH",
	.uid = true,
	.states = IN_LOGGED_IN,
	.flags = SEARCHES,
	.capability = CAP_MULTISEARCH,
	.args =
	    "[IN (sources) SP] [RETURN ([MIN] [MAX] [ALL | PARTIAL range] [COUNT] [SAVE] [RELEVANCY] [CONTEXT] [UPDATE [(items)]]) SP] [CHARSET charset SP] keys",
	.spec = "RFC 7377, RFC 5267, RFC 6203, RFC 9394, RFC 9738",
	.summary = "Find messages in several mailboxes.",
	.ctx_size = sizeof(struct esearch_ctx),
	.parse = esearch_parse,
	.run = esearch_run,
	.progress = esearch_progress,
	.done = esearch_done,
};
