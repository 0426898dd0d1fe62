/*
 * status.c - STATUS: the numbers of a mailbox without selecting it. Works on the selected one too,
 * as clients do it.
 */
#include "session/cmd/commands.h"

#include "session/cmd/status_reply.h"
#include "session/target.h"

struct status_ctx {
	struct str name;
	unsigned items;
};

static enum err
status_parse(unused_arg struct session *s, struct command *c, struct imap_scan *in)
{
	struct status_ctx *x = c->ctx;

	if (!imap_scan_mailbox(in, &x->name) || !imap_scan_sp(in)
	    || !imap_status_items(in, &x->items) || !imap_scan_end(in))
		return imap_scan_err(in);
	return ERR_OK;
}

static enum err
status_run(struct session *s, struct command *c)
{
	struct status_ctx *x = c->ctx;
	struct target t;
	enum err e = target_open(s, c->arena, x->name, &t);

	if (e != ERR_OK)
		return e;
	e = target_check(&t, RIGHT_R);
	if (e == ERR_OK) {
		/* It is a CONDSTORE enabling command (RFC 7162 3.1). */
		if ((x->items & STATUS_HIGHESTMODSEQ) != 0)
			session_enable_condstore(s);
		status_reply(s, target_full_name(c->arena, &t), t.mailbox, t.account, x->items);
	}
	target_close(&t);
	return e;
}

const struct imap_command cmd_status = {
	.name = "STATUS",
	.states = IN_LOGGED_IN,
	.capability = CAP_IMAP4REV1,
	.args = "mailbox SP (items)",
	.spec =
	    "RFC 9051 6.3.11, RFC 4314 4, RFC 7162, RFC 7889, RFC 8438, RFC 8474, RFC 9208 4.1.4",
	.summary = "Tell the numbers of a mailbox.",
	.ctx_size = sizeof(struct status_ctx),
	.parse = status_parse,
	.run = status_run,
};
