/* list.c - LIST with all its options, LSUB and XLIST for old clients: they choose among the same rows. */
#include "session/cmd/commands.h"

#include "imap/list.h"
#include "imap/listmatch.h"
#include "imap/utf7.h"
#include "session/cmd/list_reply.h"
#include "session/cmd/list_rows.h"
#include "session/cmd/status_reply.h"

struct list_ctx {
	enum list_kind kind;
	struct imap_list args;
	struct imap_listmatch *match;
	struct snapshot *snapshot;
	struct list_rows rows;
	uint32_t at;			/* next row to look at */
};

static enum err
parse(struct command *c, struct imap_scan *in, enum list_kind kind)
{
	struct list_ctx *x = c->ctx;
	enum err e;

	x->kind = kind;
	e = kind == LIST_KIND_LIST ? imap_list_parse(in, &x->args) : imap_list_parse_plain(in, &x->args);
	if (e != ERR_OK)
		return e;
	x->match = imap_listmatch_new(c->arena, x->args.patterns, x->args.n_patterns, MAILBOX_SEPARATOR);
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
		return m != NULL && m->is_subscribed;
	if (criteria == 0)
		return m != NULL && (!m->is_noselect || m->has_children);
	if (m == NULL)
		return false;
	if ((criteria & LIST_SELECT_SUBSCRIBED) != 0 && !m->is_subscribed)
		return false;
	return (criteria & LIST_SELECT_SPECIAL_USE) == 0 || m->special_use != 0;
}

static void
choose(struct session *s, struct command *c, struct list_ctx *x)
{
	x->snapshot = session_snapshot(s);
	list_rows_make(c->arena, x->snapshot, &x->rows);
	for (uint32_t i = 0; i < x->rows.count; i++) {
		if (!meets_criteria(x, &x->rows.rows[i]))
			continue;
		list_rows_select(&x->rows, i);
		if (x->kind == LIST_KIND_LSUB && (imap_listmatch_run(x->match, x->rows.rows[i].name) & LISTMATCH_YES) == 0)
			list_rows_hide(&x->rows, i);
	}
}

static unsigned
line_flags(const struct session *s, const struct list_ctx *x, const struct list_row *row)
{
	unsigned flags = 0;

	if (x->kind != LIST_KIND_LIST)
		return 0;
	if ((x->args.select & LIST_SELECT_SUBSCRIBED) != 0 || (x->args.returns & LIST_RETURN_SUBSCRIBED) != 0)
		flags |= LINE_SUBSCRIBED;
	if (x->args.is_extended || (s->enabled & ENABLED_IMAP4REV2) != 0)
		flags |= LINE_NONEXISTENT;
	if ((x->args.select & LIST_SELECT_RECURSIVEMATCH) != 0 && (x->args.select & LIST_SELECT_SUBSCRIBED) != 0 &&
	    row->has_selected_below)
		flags |= LINE_CHILDINFO;
	return flags;
}

/*
 * A row that is not selected is told for those below it: with RECURSIVEMATCH (RFC 9051 6.3.9.1), and by LSUB when a "%"
 * matched only a level above what is subscribed (RFC 3501 6.3.9).
 */
static void
tell_row(struct session *s, struct list_ctx *x, const struct list_row *row)
{
	struct list_line line = { .name = row->name, .mailbox = row->mailbox, .kind = x->kind };
	bool is_for_children = !row->is_selected && (x->kind == LIST_KIND_LSUB ? row->has_hidden_below :
	    row->has_selected_below && (x->args.select & LIST_SELECT_RECURSIVEMATCH) != 0);

	if (!row->is_selected && !is_for_children)
		return;
	if ((imap_listmatch_run(x->match, row->name) & LISTMATCH_YES) == 0)
		return;
	line.flags = line_flags(s, x, row);
	line.is_noselect = is_for_children && x->kind == LIST_KIND_LSUB;
	list_reply_line(s, &line);
	/* No STATUS for what does not meet the criteria itself (RFC 5819 2) or can't be selected. */
	if ((x->args.returns & LIST_RETURN_STATUS) != 0 && row->is_selected && row->mailbox != NULL &&
	    !row->mailbox->is_noselect)
		status_reply(s, row->mailbox, x->args.status_items);
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
		choose(s, c, x);
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
}

const struct imap_command cmd_list = {
	.name = "LIST",
	.states = IN_LOGGED_IN,
	.capability = CAP_IMAP4REV1,
	.args = "[(selection options) SP] reference SP mailbox patterns [SP RETURN (options)]",
	.spec = "RFC 9051 6.3.9, RFC 5258, RFC 5819, RFC 6154",
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
