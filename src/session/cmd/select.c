/*
 * select.c - SELECT and EXAMINE, with quick resynchronisation (RFC 7162 3.2.5).
 *
 *     begin: leave the old mailbox -> open the view (waits for pages) -> what vanished (waits for the change log)
 *         -> select, write the mailbox's data -> VANISHED (EARLIER), FETCH of what changed (stops while output is full)
 *
 * The client's pairs of sequence numbers and UIDs are not needed: what vanished is known from the
 * change log, and where that does not reach back, the UIDs that are not there are told, which is
 * always right.
 */
#include "imap/select.h"

#include "session/cmd/annotate.h"
#include "session/cmd/commands.h"
#include "session/cmd/list_reply.h"
#include "session/cmd/mailbox_name.h"
#include "session/core.h"
#include "session/flag_lists.h"
#include "session/urlauth.h"
#include "store/quota.h"

enum select_step { STEP_BEGIN, STEP_OPEN, STEP_VANISHED, STEP_CHANGED };

struct select_ctx {
	enum view_access access;
	struct imap_select args;
	struct mailbox_arg mailbox;
	/* no mailbox can have that name: it fails as one that is not there */
	enum err refused;
	enum select_step step;
	struct target target;
	struct view *view; /* until it is the session's */
	bool is_resync;    /* QRESYNC with the right UIDVALIDITY */
	struct rangeset *vanished;
	uint32_t at; /* next UID to look at for changes */
};

static enum err
parse(struct session *s, struct command *c, struct imap_scan *in, enum view_access access)
{
	struct select_ctx *x = c->ctx;
	struct imap_scan name = *in;
	enum err e;

	x->access = access;
	if (!mailbox_arg_scan(&name, &x->mailbox))
		x->mailbox = (struct mailbox_arg){ 0 }; /* the parser below says what is wrong */
	e = imap_select_parse(in, &x->args);
	if (e != ERR_OK && err_reply(e) == ERR_REPLY_NO) {
		x->refused = e;
		return ERR_OK;
	}
	if (e != ERR_OK)
		return e;
	if (x->args.is_qresync && (s->enabled & ENABLED_QRESYNC) == 0) {
		imap_scan_fail(in, ERR_SYNTAX, "ENABLE QRESYNC before this parameter");
		return ERR_SYNTAX;
	}
	/* RFC 9586 3.7 */
	return x->args.has_seq_match && (s->enabled & ENABLED_UIDONLY) != 0 ? ERR_UIDREQUIRED
									    : ERR_OK;
}

static enum err
select_parse(struct session *s, struct command *c, struct imap_scan *in)
{
	return parse(s, c, in, VIEW_READ_WRITE);
}

static enum err
examine_parse(struct session *s, struct command *c, struct imap_scan *in)
{
	return parse(s, c, in, VIEW_READ_ONLY);
}

/* Whatever comes of it, the old mailbox is no longer selected (RFC 9051 6.3.2). */
static enum err
begin(struct session *s, struct select_ctx *x)
{
	if (s->view != NULL) {
		session_select(s, NULL, 0);
		session_untagged(s, "OK", STR("CLOSED"), STR("The previous mailbox is closed."));
	}
	/* Both are CONDSTORE enabling commands (RFC 7162 3.1.8, 3.2.5). */
	if (x->args.is_condstore || x->args.is_qresync)
		session_enable_condstore(s);
	x->step = STEP_OPEN;
	return x->refused;
}

/*
 * Who may neither insert, expunge nor change a flag that others see reads only (RFC 4314 5.2), but
 * for what he has seen himself.
 */
static enum view_access
access_of(const struct select_ctx *x)
{
	unsigned writing = RIGHT_I | RIGHT_E | RIGHT_W | RIGHT_T | RIGHT_N
	    | (x->target.mailbox->is_seen_private ? 0 : RIGHT_S);

	if (x->access == VIEW_READ_ONLY || (x->target.rights & writing) != 0)
		return x->access;
	return (x->target.rights & RIGHT_S) != 0 ? VIEW_SEEN_ONLY : VIEW_READ_ONLY;
}

static enum err
open_view(struct session *s, struct command *c, struct select_ctx *x)
{
	enum err e = ERR_OK;

	if (x->target.name.user.p == NULL)
		e = target_open(s, c->arena, x->args.mailbox, &x->target);
	if (e == ERR_OK)
		e = target_check(&x->target, RIGHT_R);
	if (e == ERR_OK)
		e = view_open_as(x->target.snapshot, x->target.mailbox->id, account_id(s->account),
		    access_of(x), session_waiter(s), &x->view);
	if (e != ERR_OK)
		return e;
	if (x->args.is_annotate)
		view_tell_notes(x->view);
	x->is_resync =
	    x->args.is_qresync && x->args.uidvalidity == view_mailbox(x->view)->uidvalidity;
	x->step = STEP_VANISHED;
	return ERR_OK;
}

static void
reply_code(struct session *s, const char *name, uint64_t value, const char *text)
{
	BUF_CLEAN struct buf b = BUF_MAX(64);

	reply_code_number(&b, name, value);
	session_untagged(s, "OK", buf_str(&b), str_c(text));
}

static void
reply_mailbox_data(struct session *s, struct command *c, struct select_ctx *x)
{
	const struct mailbox_info *m = view_mailbox(s->view);
	bool is_rev2 = (s->enabled & ENABLED_IMAP4REV2) != 0;
	struct seqnum unseen = view_first_unseen(s->view);

	flag_lists_reply(s);
	reply_untagged_number(session_out(s), view_exists(s->view), "EXISTS");
	/* RECENT and UNSEEN are gone in IMAP4rev2 (RFC 9051 appendix E). */
	if (!is_rev2) {
		reply_untagged_number(session_out(s), view_recent(s->view), "RECENT");
		/* A sequence number, which UIDONLY knows none of. */
		if (unseen.v != 0 && (s->enabled & ENABLED_UIDONLY) == 0)
			reply_code(s, "UNSEEN", unseen.v, "The first unseen message.");
	}
	reply_code(s, "UIDVALIDITY", m->uidvalidity, "UIDs are valid.");
	reply_code(s, "UIDNEXT", m->uidnext, "The next UID.");
	reply_code(s, "HIGHESTMODSEQ", view_highestmodseq(s->view), "The highest modseq.");
	annotate_reply_support(s);
	session_untagged(s, "OK", mailbox_id_code(s, c->arena, x->target.snapshot, m->name),
	    STR("The mailbox's id."));
	if (session_is_secure(s))
		session_untagged(s, "OK", urlauth_code(s), STR("URLs of it can be authorized."));
	if (is_rev2) {
		if (mailbox_arg_is_canonical(&x->mailbox, &x->target))
			list_reply_target(s, c->arena, &x->target);
		else
			list_reply_oldname(s, c->arena, &x->target, x->mailbox.spelt);
	}
}

static enum err
find_vanished(struct session *s, struct command *c, struct select_ctx *x)
{
	enum err e;

	if (x->is_resync) {
		e = view_vanished_since(x->view, x->args.modseq,
		    x->args.has_known_uids ? &x->args.known_uids : NULL, session_waiter(s),
		    c->arena, &x->vanished);
		if (e != ERR_OK)
			return e;
	}
	session_select(s, x->view, x->target.rights);
	s->is_examined = x->access == VIEW_READ_ONLY;
	x->view = NULL;
	reply_mailbox_data(s, c, x);
	if (x->vanished != NULL && !rangeset_is_empty(x->vanished)) {
		struct buf *b = session_out(s);

		buf_lit(b, "* VANISHED (EARLIER) ");
		reply_rangeset(b, x->vanished);
		reply_end(b);
	}
	x->at = 1;
	x->step = STEP_CHANGED;
	return ERR_OK;
}

static enum err
tell_changed(struct session *s, struct select_ctx *x)
{
	struct entry entry;
	struct seqnum seq;

	while (x->is_resync && view_next_changed(s->view, x->at, x->args.modseq, &entry, &seq)) {
		if (session_is_full(s))
			return session_wait_output(s);
		if (session_should_yield(s))
			return session_yield(s);
		x->at = entry.uid.v + 1;
		if (!x->args.has_known_uids || rangeset_contains(&x->args.known_uids, entry.uid.v))
			session_tell_flags(s, &entry, seq, true);
		if (x->at == 0)
			break;
	}
	return ERR_OK;
}

static enum err
select_run(struct session *s, struct command *c)
{
	struct select_ctx *x = c->ctx;
	enum err e = ERR_OK;

	if (x->step == STEP_BEGIN)
		e = begin(s, x);
	if (e == ERR_OK && x->step == STEP_OPEN)
		e = open_view(s, c, x);
	if (e == ERR_OK && x->step == STEP_VANISHED)
		e = find_vanished(s, c, x);
	if (e == ERR_OK)
		e = tell_changed(s, x);
	/* A mailbox that is open is more than full (RFC 9208 4.3.1): after limits were lowered. */
	if (e == ERR_OK && !view_is_read_only(s->view)
	    && snapshot_exceeds_quota(x->target.snapshot))
		session_untagged(s, "NO", STR("OVERQUOTA"), STR("The mailbox is over its quota."));
	if (e == ERR_OK)
		c->code = view_is_shown_read_only(s->view) ? STR("READ-ONLY") : STR("READ-WRITE");
	return e;
}

static void
select_done(unused_arg struct session *s, struct command *c)
{
	struct select_ctx *x = c->ctx;

	imap_select_done(&x->args);
	view_close(x->view);
	target_close(&x->target);
}

const struct imap_command cmd_select = {
	.name = "SELECT",
	.states = IN_LOGGED_IN,
	.flags = NO_TELL,
	.capability = CAP_IMAP4REV1,
	.args = "mailbox [SP (ANNOTATE | CONDSTORE | QRESYNC (uidvalidity modseq [known UIDs]))]",
	.spec =
	    "RFC 9051 6.3.2, RFC 4314 4 and 5.2, RFC 5257 4.1 and 4.2, RFC 7162 3.1.8 and 3.2.5",
	.summary = "Open a mailbox.",
	.ctx_size = sizeof(struct select_ctx),
	.parse = select_parse,
	.run = select_run,
	.done = select_done,
};

const struct imap_command cmd_examine = {
	.name = "EXAMINE",
	.states = IN_LOGGED_IN,
	.flags = NO_TELL,
	.capability = CAP_IMAP4REV1,
	.args = "mailbox [SP (ANNOTATE | CONDSTORE | QRESYNC (uidvalidity modseq [known UIDs]))]",
	.spec = "RFC 9051 6.3.3, RFC 4314 4",
	.summary = "Open a mailbox to read only.",
	.ctx_size = sizeof(struct select_ctx),
	.parse = examine_parse,
	.run = select_run,
	.done = select_done,
};
