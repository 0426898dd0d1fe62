/* rename.c - RENAME: one row changes, whatever stands below; INBOX gives its messages away (RFC 9051 6.3.6). */
#include "session/cmd/commands.h"

#include "session/cmd/mailbox_name.h"

struct rename_ctx {
	struct mailbox_arg from, to;
};

static enum err
rename_parse(unused_arg struct session *s, struct command *c, struct imap_scan *in)
{
	struct rename_ctx *x = c->ctx;

	if (!mailbox_arg_scan(in, &x->from) || !imap_scan_sp(in) || !mailbox_arg_scan(in, &x->to) || !imap_scan_end(in))
		return imap_scan_err(in);
	return ERR_OK;
}

static enum err
rename_run(struct session *s, struct command *c)
{
	struct rename_ctx *x = c->ctx;
	struct snapshot *after;
	enum err e = mailbox_rename(s->account, x->from.name, x->to.name, session_waiter(s), &after);

	if (e == ERR_CANNOT)
		c->text = STR("A mailbox can't be moved below itself.");
	if (e == ERR_OK) {
		mailbox_arg_tell(s, &x->to, after);
		session_committed(s, after);
	}
	return e;
}

const struct imap_command cmd_rename = {
	.name = "RENAME",
	.states = IN_LOGGED_IN,
	.capability = CAP_IMAP4REV1,
	.args = "mailbox SP mailbox",
	.spec = "RFC 9051 6.3.6",
	.summary = "Rename a mailbox and what is below it.",
	.ctx_size = sizeof(struct rename_ctx),
	.parse = rename_parse,
	.run = rename_run,
};
