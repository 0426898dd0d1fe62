/* expunge.c - EXPUNGE and UID EXPUNGE, and CLOSE, which expunges without telling. */
#include "session/cmd/commands.h"
#include "session/cmd/message_limit.h"
#include "session/cmd/message_set.h"

struct expunge_ctx {
	struct rangeset uids; /* of UID EXPUNGE */
	/* of it, when there is a limit: messages that are \Deleted, and where to go on counting */
	struct rangeset deleted;
	uint32_t at; /* 0: all are counted */
	struct uid lowest;
	struct rangeset expunged;
	uint32_t cursor;
	bool is_expunged; /* all commits are made */
};

static enum err
expunge_parse(struct session *s, struct command *c, struct imap_scan *in)
{
	struct expunge_ctx *x = c->ctx;
	enum err e = ERR_OK;

	if (c->is_uid)
		e = message_set_scan(s, c, in, &x->uids);
	x->at = c->is_uid && session_message_limit(s) > 0 ? 1 : 0;
	if (e != ERR_OK)
		return e;
	return imap_scan_end(in) ? ERR_OK : imap_scan_err(in);
}

static enum err
close_parse(unused_arg struct session *s, unused_arg struct command *c, struct imap_scan *in)
{
	return imap_scan_end(in) ? ERR_OK : imap_scan_err(in);
}

/*
 * UID EXPUNGE has a limit, which counts what is \Deleted; EXPUNGE and CLOSE may have none (RFC 9738
 * 3.1).
 */
static enum err
count_deleted(struct session *s, struct expunge_ctx *x)
{
	struct entry e;

	for (unsigned n = 1; x->at != 0 && message_set_next_deleted(s->view, &x->uids, x->at, &e);
	     n++) {
		x->at = e.uid.v + 1;
		if (!e.is_ghost)
			rangeset_add_one(&x->deleted, e.uid.v);
		if (n % 256 == 0 && session_should_yield(s))
			return session_yield(s);
	}
	x->at = 0;
	x->lowest = message_limit_cut_listed(s, &x->deleted);
	/* Else all of the set, for what somebody else has just marked. */
	if (x->lowest.v != 0)
		rangeset_copy(&x->uids, &x->deleted);
	return ERR_OK;
}

/* One commit after the other, until all \Deleted messages of the set are gone. */
static enum err
expunge(struct session *s, struct expunge_ctx *x, const struct rangeset *uids)
{
	while (!x->is_expunged) {
		struct snapshot *after = NULL;
		enum err e = messages_expunge(s->view, uids, &x->cursor, session_waiter(s),
		    &x->expunged, &after);

		session_committed(s, after);
		if (e != ERR_OK)
			return e;
		x->is_expunged = x->cursor == UINT32_MAX;
		if (!x->is_expunged && session_should_yield(s))
			return session_yield(s);
	}
	return ERR_OK;
}

static enum err
expunge_run(struct session *s, struct command *c)
{
	struct expunge_ctx *x = c->ctx;
	enum err e = x->at != 0 ? count_deleted(s, x) : ERR_OK;

	if (e == ERR_OK)
		e = expunge(s, x, c->is_uid ? &x->uids : NULL);
	if (e != ERR_OK)
		return e;
	/* Told here already, because the modseq of the reply is the one after it. */
	e = session_tell(s, TELL_ALL);
	if (e == ERR_OK && !rangeset_is_empty(&x->expunged))
		c->code = message_set_modseq_code(s, c->arena);
	if (e == ERR_OK)
		message_limit_tell(s, c, x->lowest);
	return e;
}

/*
 * A mailbox that is open read-only is closed without expunging (RFC 9051 6.4.1). No HIGHESTMODSEQ:
 * the client was not told what vanished (RFC 7162 3.2.8).
 */
static enum err
close_run(struct session *s, struct command *c)
{
	struct expunge_ctx *x = c->ctx;
	enum err e = ERR_OK;

	/* Nor without the right to expunge (RFC 4314 4). */
	if (!view_is_read_only(s->view) && !view_is_gone(s->view) && (s->rights & RIGHT_E) != 0)
		e = expunge(s, x, NULL);
	/*
	 * Deleted a moment ago: there is nothing left to expunge, and CLOSE knows no NO (RFC 9051
	 * 6.4.1).
	 */
	if (e != ERR_OK && e != ERR_NOTFOUND)
		return e;
	session_select(s, NULL, 0);
	return ERR_OK;
}

static bool
expunge_progress(unused_arg struct session *s, const struct command *c, uint64_t *done_out,
    unused_arg uint64_t *goal_out)
{
	const struct expunge_ctx *x = c->ctx;

	*done_out = rangeset_count(&x->expunged);
	return !x->is_expunged;
}

static void
expunge_done(unused_arg struct session *s, struct command *c)
{
	struct expunge_ctx *x = c->ctx;

	rangeset_done(&x->uids);
	rangeset_done(&x->deleted);
	rangeset_done(&x->expunged);
}

const struct imap_command cmd_expunge = {
	.name = "EXPUNGE",
	.uid = true,
	.states = IN_SELECTED,
	.flags = BREAKS_SEQS | WRITES | CHANGES,
	.rights = RIGHT_E,
	.capability = CAP_IMAP4REV1,
	.args = "(UID EXPUNGE: sequence-set)",
	.spec =
	    "RFC 9051 6.4.3 and 6.4.9, RFC 4314 4, RFC 4315 2.1, RFC 7162 3.2.7 and 3.2.9, RFC 9738 3.1",
	.summary = "Remove messages that are marked \\Deleted for good.",
	.ctx_size = sizeof(struct expunge_ctx),
	.parse = expunge_parse,
	.run = expunge_run,
	.progress = expunge_progress,
	.done = expunge_done,
};

const struct imap_command cmd_close = {
	.name = "CLOSE",
	.states = IN_SELECTED,
	.flags = NO_TELL | CHANGES,
	.capability = CAP_IMAP4REV1,
	.args = "",
	.spec = "RFC 9051 6.4.1, RFC 4314 4, RFC 7162 3.2.8",
	.summary = "Expunge and leave the mailbox.",
	.ctx_size = sizeof(struct expunge_ctx),
	.parse = close_parse,
	.run = close_run,
	.progress = expunge_progress,
	.done = expunge_done,
};
