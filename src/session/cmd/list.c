/*
 * list.c - LIST with all its options, LSUB and XLIST for old clients: they choose among the same
 * rows.
 */
#include "session/cmd/commands.h"

#include "imap/list.h"
#include "imap/listmatch.h"
#include "imap/utf7.h"
#include "session/cmd/acl_reply.h"
#include "session/cmd/list_reply.h"
#include "session/cmd/list_rows.h"
#include "session/cmd/metadata_reply.h"
#include "session/cmd/status_reply.h"
#include "session/foreign.h"
#include "session/server.h"

struct list_ctx {
	enum list_kind kind;
	struct imap_list args;
	struct imap_listmatch *match;
	struct snapshot *snapshot; /* of the user's own account */
	/* of those who share something with him; their accounts are referenced */
	struct snapshot **others;
	size_t other_count, owners_at; /* owners_at: whose account is looked at next */
	bool is_chosen;
	struct list_rows rows;
	uint32_t at; /* next row to look at */
};

enum { LIST_OTHERS_MAX = 1000 }; /* accounts that one LIST looks into */

static enum err
parse(struct command *c, struct imap_scan *in, enum list_kind kind)
{
	struct list_ctx *x = c->ctx;
	enum err e;

	x->kind = kind;
	e = kind == LIST_KIND_LIST ? imap_list_parse(in, &x->args)
				   : imap_list_parse_plain(in, &x->args);
	if (e != ERR_OK)
		return e;
	x->match =
	    imap_listmatch_new(c->arena, x->args.patterns, x->args.n_patterns, MAILBOX_SEPARATOR);
	return ERR_OK;
}

static enum err
list_parse(unused_arg struct session *s, struct command *c, struct imap_scan *in)
{
	return parse(c, in, LIST_KIND_LIST);
}

static enum err
lsub_parse(unused_arg struct session *s, struct command *c, struct imap_scan *in)
{
	return parse(c, in, LIST_KIND_LSUB);
}

static enum err
xlist_parse(unused_arg struct session *s, struct command *c, struct imap_scan *in)
{
	return parse(c, in, LIST_KIND_XLIST);
}

/* Whether the row itself is what was asked for, whatever its name. */
static bool
meets_criteria(const struct list_ctx *x, const struct list_row *row)
{
	const struct mailbox_info *m = row->mailbox;
	unsigned criteria = x->args.select & (LIST_SELECT_SUBSCRIBED | LIST_SELECT_SPECIAL_USE);

	if (x->kind == LIST_KIND_LSUB)
		return row->is_subscribed;
	if (criteria == 0)
		return (m != NULL && !m->is_noselect) || row->has_children;
	if ((criteria & LIST_SELECT_SUBSCRIBED) != 0 && !row->is_subscribed)
		return false;
	/* Others' special uses are not one's own. */
	return (criteria & LIST_SELECT_SPECIAL_USE) == 0
	    || (m != NULL && m->special_use != 0 && !row->is_foreign);
}

/* Whether names in a namespace could be asked for. */
static bool
wants_space(const struct session *s, const struct list_ctx *x, enum target_space space)
{
	struct str name = target_space_name(s, space);

	return name.n != 0 && imap_listmatch_run(x->match, name) != LISTMATCH_NO;
}

/* Opens the accounts of who shares something, one after the other. ERR_WAIT. */
static enum err
open_others(struct session *s, struct command *c, struct list_ctx *x)
{
	struct store *store = server_options(s->server)->store;
	const struct identity who = session_identity(s);
	struct shares **shares = foreign_shares(s);
	struct str owner;
	enum err e = shares_get(store, &who, session_waiter(s), shares);

	for (; e == ERR_OK && shares_owner(*shares, x->owners_at, &owner); x->owners_at++) {
		struct account *a;

		if (!wants_space(s, x, str_eq(owner, SHARED_USER) ? SPACE_SHARED : SPACE_OTHER))
			continue;
		if (x->others == NULL)
			x->others = arena_array(c->arena, struct snapshot *, LIST_OTHERS_MAX);
		if (x->other_count == LIST_OTHERS_MAX)
			break;
		e = store_account_open(store, owner, ACCOUNT_EXISTING, session_waiter(s), &a);
		if (e == ERR_OK)
			x->others[x->other_count++] = session_snapshot_of(s, a);
		else if (e != ERR_WAIT)
			/* one that is gone, or that can't be read, hides no other */
			e = ERR_OK;
		if (e == ERR_WAIT)
			break;
	}
	return e;
}

static enum err
choose(struct session *s, struct command *c, struct list_ctx *x)
{
	bool wants_other = wants_space(s, x, SPACE_OTHER),
	     wants_shared = wants_space(s, x, SPACE_SHARED);
	enum err e = ERR_OK;

	if (wants_other || wants_shared)
		e = open_others(s, c, x);
	if (e != ERR_OK)
		return e;
	list_rows_add_own(s, c->arena, x->snapshot, &x->rows);
	if (wants_other)
		list_rows_add_space(s, c->arena, SPACE_OTHER, x->snapshot, x->others,
		    x->other_count, &x->rows);
	if (wants_shared)
		list_rows_add_space(s, c->arena, SPACE_SHARED, x->snapshot, x->others,
		    x->other_count, &x->rows);
	for (uint32_t i = 0; i < x->rows.count; i++) {
		if (!meets_criteria(x, &x->rows.rows[i]))
			continue;
		list_rows_select(&x->rows, i);
		if (x->kind == LIST_KIND_LSUB
		    && (imap_listmatch_run(x->match, x->rows.rows[i].name) & LISTMATCH_YES) == 0)
			list_rows_hide(&x->rows, i);
	}
	x->is_chosen = true;
	return ERR_OK;
}

static unsigned
line_flags(const struct session *s, const struct list_ctx *x, const struct list_row *row)
{
	unsigned flags = 0;

	if (x->kind != LIST_KIND_LIST)
		return 0;
	if ((x->args.select & LIST_SELECT_SUBSCRIBED) != 0
	    || (x->args.returns & LIST_RETURN_SUBSCRIBED) != 0)
		flags |= LINE_SUBSCRIBED;
	if (x->args.is_extended || (s->enabled & ENABLED_IMAP4REV2) != 0)
		flags |= LINE_NONEXISTENT;
	if ((x->args.select & LIST_SELECT_RECURSIVEMATCH) != 0
	    && (x->args.select & LIST_SELECT_SUBSCRIBED) != 0 && row->has_selected_below)
		flags |= LINE_CHILDINFO;
	return flags;
}

/*
 * A row that is not selected is told for those below it: with RECURSIVEMATCH (RFC 9051 6.3.9.1),
 * and by LSUB when a "%" matched only a level above what is subscribed (RFC 3501 6.3.9).
 */
static void
tell_row(struct session *s, struct list_ctx *x, const struct list_row *row)
{
	const struct mailbox_info *m = row->mailbox;
	uint64_t longest;
	struct list_line line = {
		.name = row->name,
		.kind = x->kind,
		.special_use = m != NULL && !row->is_foreign ? m->special_use : 0,
		.is_missing = m == NULL || m->is_noselect,
		.is_subscribed = row->is_subscribed,
		.has_children = row->has_children,
	};
	bool is_for_children = !row->is_selected
	    && (x->kind == LIST_KIND_LSUB ? row->has_hidden_below
					  : row->has_selected_below
			&& (x->args.select & LIST_SELECT_RECURSIVEMATCH) != 0);

	if (!row->is_selected && !is_for_children)
		return;
	if ((imap_listmatch_run(x->match, row->name) & LISTMATCH_YES) == 0)
		return;
	line.flags = line_flags(s, x, row);
	line.is_noselect = is_for_children && x->kind == LIST_KIND_LSUB;
	list_reply_line(s, &line);
	/*
	 * Nothing of what does not meet the criteria itself (RFC 5819 2, RFC 8440 4) or is no
	 * mailbox.
	 */
	if (!row->is_selected || line.is_missing)
		return;
	if ((x->args.returns & LIST_RETURN_MYRIGHTS) != 0)
		acl_reply_myrights(s, row->name, row->rights);
	if ((x->args.returns & LIST_RETURN_METADATA) != 0 && metadata_is_allowed(row->rights))
		metadata_reply(s, &x->args.metadata, row->name, m, !row->is_foreign, &longest);
	if ((x->args.returns & LIST_RETURN_STATUS) != 0 && (row->rights & RIGHT_R) != 0)
		status_reply(s, row->name, m, row->account, x->args.status_items);
}

static enum err
list_run(struct session *s, struct command *c)
{
	struct list_ctx *x = c->ctx;

	if (x->args.is_root_query) {
		list_reply_root(s, x->kind);
		return ERR_OK;
	}
	if (x->snapshot == NULL) {
		if ((x->args.status_items & STATUS_HIGHESTMODSEQ) != 0)
			session_enable_condstore(s);
		x->snapshot = session_snapshot(s);
	}
	if (!x->is_chosen) {
		enum err e = choose(s, c, x);

		if (e != ERR_OK)
			return e;
	}
	for (; x->at < x->rows.count; x->at++) {
		if (session_is_full(s))
			return session_wait_output(s);
		if (session_should_yield(s))
			return session_yield(s);
		tell_row(s, x, &x->rows.rows[x->at]);
	}
	return ERR_OK;
}

static void
list_done(unused_arg struct session *s, struct command *c)
{
	struct list_ctx *x = c->ctx;

	if (x->snapshot != NULL)
		snapshot_unref(x->snapshot);
	for (size_t i = 0; i < x->other_count; i++) {
		struct account *a = snapshot_account(x->others[i]);

		snapshot_unref(x->others[i]);
		account_unref(a);
	}
}

const struct imap_command cmd_list = {
	.name = "LIST",
	.states = IN_LOGGED_IN,
	.capability = CAP_IMAP4REV1,
	.args = "[(selection options) SP] reference SP mailbox patterns [SP RETURN (options)]",
	.spec = "RFC 9051 6.3.9, RFC 4314 4, RFC 5258, RFC 5819, RFC 6154, RFC 8440, RFC 9590",
	.summary = "List mailboxes.",
	.ctx_size = sizeof(struct list_ctx),
	.parse = list_parse,
	.run = list_run,
	.done = list_done,
};

const struct imap_command cmd_lsub = {
	.name = "LSUB",
	.states = IN_LOGGED_IN,
	.capability = CAP_IMAP4REV1,
	.args = "reference SP mailbox pattern",
	.spec = "RFC 3501 6.3.9",
	.summary = "List subscriptions, for old clients.",
	.ctx_size = sizeof(struct list_ctx),
	.parse = lsub_parse,
	.run = list_run,
	.done = list_done,
};

const struct imap_command cmd_xlist = {
	.name = "XLIST",
	.states = IN_LOGGED_IN,
	.capability = CAP_XLIST,
	.args = "reference SP mailbox pattern",
	.spec = "Google's XLIST, which Outlook and Apple's older clients send",
	.summary = "List mailboxes with their special uses, for old clients.",
	.ctx_size = sizeof(struct list_ctx),
	.parse = xlist_parse,
	.run = list_run,
	.done = list_done,
};
