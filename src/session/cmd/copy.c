/* copy.c - COPY and MOVE, with their UID forms. */
#include "session/cmd/commands.h"
#include "session/cmd/message_limit.h"
#include "session/cmd/message_set.h"
#include "session/target.h"

struct copy_ctx {
	struct rangeset uids;
	struct str mailbox;
	struct target dest;
	bool is_begun;
	struct uid lowest; /* MOVE of more than may be at once: of those that are moved; 0: all */
	uint32_t cursor;   /* of MOVE */
	struct copied copied;
	bool is_done; /* all commits are made and COPYUID is told */
	enum err result;
};

static enum err
copy_parse(struct session *s, struct command *c, struct imap_scan *in)
{
	struct copy_ctx *x = c->ctx;
	enum err e = message_set_scan(s, c, in, &x->uids);

	if (e != ERR_OK)
		return e;
	if (!imap_scan_sp(in) || !imap_scan_mailbox(in, &x->mailbox) || !imap_scan_end(in))
		return imap_scan_err(in);
	return ERR_OK;
}

/*
 * None is copied when they are too many (RFC 9738 3.1); the code tells how far a smaller set may
 * reach down.
 */
static enum err
check_limit(struct session *s, struct command *c, const struct rangeset *uids)
{
	const uint32_t limit = session_save_limit(s);
	struct uid lowest;

	if (limit == 0 || !message_limit_is_over(s->view, uids, limit, &lowest))
		return ERR_OK;
	return message_limit_refuse(c, limit, lowest);
}

/*
 * Looks up the mailbox to copy to, once. A set of numbers that holds messages which are gone is
 * refused as a whole, since a copy may not be partial (RFC 9051 6.4.7, RFC 2180 4.4.2); the store
 * does the same with what went a moment ago. UIDs that are gone just name nothing.
 */
static enum err
begin(struct session *s, struct command *c, struct copy_ctx *x)
{
	enum err e;

	if (x->is_begun)
		return ERR_OK;
	if (x->dest.name.user.p == NULL) {
		e = target_open(s, c->arena, x->mailbox, &x->dest);
		if (e != ERR_OK)
			return e;
	}
	e = target_check_into(&x->dest);
	x->is_begun = e == ERR_OK;
	if (e == ERR_OK && !c->is_uid && message_set_has_ghosts(s->view, &x->uids))
		e = ERR_EXPUNGED;
	return e;
}

static struct str
copyuid_code(struct arena *a, const struct target *dest, const struct copied *copied)
{
	BUF_CLEAN struct buf b = BUF_MAX(SIZE_MAX / 2);

	if (copied->from == NULL || rangeset_is_empty(copied->from) || !target_tells_uids(dest))
		return STR_NONE;
	reply_code_copyuid(&b, copied->uidvalidity, copied->from, copied->to);
	return arena_str(a, buf_str(&b));
}

/*
 * What a UID command finds nothing of is no error (RFC 9051 6.4.9), nor is an empty `$` (RFC 5182
 * 2.2). The mailbox that is not found is the selected one: there is no such destination by
 * ERR_TRYCREATE.
 */
static enum err
result_of(const struct command *c, const struct copy_ctx *x, enum err e)
{
	if (e == ERR_EXPUNGED && (c->is_uid || rangeset_is_empty(&x->uids)))
		return ERR_OK;
	if (e == ERR_NOTFOUND)
		return ERR_EXPUNGED;
	return e == ERR_NOSELECT ? ERR_TRYCREATE : e;
}

static enum err
copy_run(struct session *s, struct command *c)
{
	struct copy_ctx *x = c->ctx;
	struct snapshot *after = NULL;
	enum err e = begin(s, c, x);

	if (e == ERR_OK)
		e = check_limit(s, c, &x->uids);
	if (e != ERR_OK)
		return e;
	e = messages_copy_as(s->view, &x->uids, c->is_uid ? COPY_SKIPS_GONE : COPY_WHOLE,
	    x->dest.account, x->dest.mailbox->id, x->dest.rights, session_waiter(s), c->arena,
	    &x->copied, &after);
	session_committed(s, after);
	if (e == ERR_WAIT)
		return e;
	if (e == ERR_OK)
		c->code = copyuid_code(c->arena, &x->dest, &x->copied);
	return result_of(c, x, e);
}

/* All commits of a MOVE, then COPYUID, which stands before the EXPUNGEs (RFC 6851 4.3). */
static enum err
move(struct session *s, struct command *c, struct copy_ctx *x)
{
	enum err e = ERR_OK;
	struct str code;

	while (e == ERR_OK && x->cursor != UINT32_MAX) {
		struct snapshot *after = NULL, *into = NULL;

		e = messages_move_as(s->view, &x->uids, c->is_uid ? COPY_SKIPS_GONE : COPY_WHOLE,
		    x->dest.account, x->dest.mailbox->id, x->dest.rights, &x->cursor,
		    session_waiter(s), c->arena, &x->copied, &after, &into);
		session_committed(s, into);
		session_committed(s, after);
		if (e == ERR_OK && x->cursor != UINT32_MAX && session_should_yield(s))
			return session_yield(s);
	}
	if (e == ERR_WAIT)
		return e;
	code = copyuid_code(c->arena, &x->dest, &x->copied);
	if (code.n > 0)
		session_untagged(s, "OK", code, STR("Moved."));
	x->is_done = true;
	x->result = result_of(c, x, e);
	return ERR_OK;
}

static enum err
move_run(struct session *s, struct command *c)
{
	struct copy_ctx *x = c->ctx;
	enum err e;

	if (x->lowest.v == 0)
		x->lowest = message_limit_cut(s, &x->uids);
	e = begin(s, c, x);
	if (e == ERR_OK && !x->is_done)
		e = move(s, c, x);
	if (e != ERR_OK)
		return e;
	/* Told here already, because the modseq of the reply is the one after it. */
	e = session_tell(s, TELL_ALL);
	if (e == ERR_WAIT)
		return e;
	if (x->result == ERR_OK && x->copied.from != NULL)
		c->code = message_set_modseq_code(s, c->arena);
	if (x->result == ERR_OK)
		message_limit_tell(s, c, x->lowest);
	return x->result != ERR_OK ? x->result : e;
}

static bool
copy_progress(struct session *s, const struct command *c, uint64_t *done_out, uint64_t *goal_out)
{
	const struct copy_ctx *x = c->ctx;

	/* COPY is one commit: what is known is that it goes on. */
	if (x->copied.from == NULL)
		return true;
	*done_out = rangeset_count(x->copied.from);
	*goal_out = message_limit_count(s->view, &x->uids);
	return !x->is_done;
}

static void
copy_done(unused_arg struct session *s, struct command *c)
{
	struct copy_ctx *x = c->ctx;

	rangeset_done(&x->uids);
	target_close(&x->dest);
}

const struct imap_command cmd_copy = {
	.name = "COPY",
	.uid = true,
	.states = IN_SELECTED,
	.flags = USES_SEQS | CHANGES,
	.capability = CAP_IMAP4REV1,
	.args = "sequence-set SP mailbox",
	.spec = "RFC 9051 6.4.7 and 6.4.9, RFC 4314 4, RFC 4315 3, RFC 9738 3.1",
	.summary = "Copy messages to another mailbox.",
	.ctx_size = sizeof(struct copy_ctx),
	.parse = copy_parse,
	.run = copy_run,
	.progress = copy_progress,
	.done = copy_done,
};

const struct imap_command cmd_move = {
	.name = "MOVE",
	.uid = true,
	.states = IN_SELECTED,
	.flags = USES_SEQS | BREAKS_SEQS | WRITES | CHANGES,
	.rights = RIGHT_T | RIGHT_E,
	.capability = CAP_MOVE,
	.args = "sequence-set SP mailbox",
	.spec = "RFC 6851 3.1, 3.2 and 4.2, RFC 9051 6.4.8, RFC 9738 3.1",
	.summary = "Move messages to another mailbox.",
	.ctx_size = sizeof(struct copy_ctx),
	.parse = copy_parse,
	.run = move_run,
	.progress = copy_progress,
	.done = copy_done,
};
