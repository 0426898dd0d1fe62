/*
 * rename.c - RENAME: one row changes, whatever stands below; INBOX gives its messages away (RFC
 * 9051 6.3.6).
 */
#include "session/cmd/commands.h"

#include "session/cmd/mailbox_name.h"
#include "session/notify.h"

struct rename_ctx {
	struct mailbox_arg from, to;
};

static enum err
rename_parse(unused_arg struct session *s, struct command *c, struct imap_scan *in)
{
	struct rename_ctx *x = c->ctx;

	if (!mailbox_arg_scan(in, &x->from) || !imap_scan_sp(in) || !mailbox_arg_scan(in, &x->to)
	    || !imap_scan_end(in))
		return imap_scan_err(in);
	return ERR_OK;
}

static enum err
rename_target(struct session *s, struct command *c, struct rename_ctx *x, const struct target *from,
    const struct target *to)
{
	struct snapshot *after;
	enum err e = target_check(from, RIGHT_X);

	if (e == ERR_OK || e == ERR_NOSELECT)
		e = target_check_new(s, to);
	if (e != ERR_OK)
		return e;
	if (from->account != to->account) {
		c->text =
		    STR("A mailbox stays in its account; make one there and move the messages.");
		return ERR_CANNOT;
	}
	e = mailbox_rename(from->account, from->name.local, to->name.local, session_waiter(s),
	    &after);
	if (e == ERR_CANNOT)
		c->text = STR("A mailbox can't be moved below itself.");
	if (e == ERR_OK) {
		const struct mailbox_info *m = snapshot_mailbox(after, to->name.local);

		/* RENAME of INBOX is more than one commit. */
		if (m != NULL && m->was_inbox)
			notify_done_by_us(s, to->account, m->id);
		session_committed(s, after);
		mailbox_arg_tell_renamed(s, c->arena, &x->from, from, &x->to, to, after);
	}
	return e;
}

static enum err
rename_run(struct session *s, struct command *c)
{
	struct rename_ctx *x = c->ctx;
	struct target from, to = { 0 };
	enum err e = target_open(s, c->arena, x->from.name, &from);

	if (e != ERR_OK)
		return e;
	e = target_open(s, c->arena, x->to.name, &to);
	if (e == ERR_OK)
		e = rename_target(s, c, x, &from, &to);
	target_close(&to);
	target_close(&from);
	return e;
}

const struct imap_command cmd_rename = {
	.name = "RENAME",
	.states = IN_LOGGED_IN,
	.flags = CHANGES,
	.capability = CAP_IMAP4REV1,
	.args = "mailbox SP mailbox",
	.spec = "RFC 9051 6.3.6, RFC 4314 4",
	.summary = "Rename a mailbox and what is below it.",
	.ctx_size = sizeof(struct rename_ctx),
	.parse = rename_parse,
	.run = rename_run,
};
