/* delete.c - DELETE: sessions that have the mailbox selected see its messages vanish. */
#include "session/cmd/commands.h"

#include "session/cmd/mailbox_name.h"
#include "session/notify.h"

struct delete_ctx {
	struct mailbox_arg mailbox;
};

static enum err
delete_parse(unused_arg struct session *s, struct command *c, struct imap_scan *in)
{
	struct delete_ctx *x = c->ctx;

	if (!mailbox_arg_scan(in, &x->mailbox) || !imap_scan_end(in))
		return imap_scan_err(in);
	return ERR_OK;
}

static enum err
delete_run(struct session *s, struct command *c)
{
	struct delete_ctx *x = c->ctx;
	struct snapshot *after;
	struct target t;
	enum err e = target_open(s, c->arena, x->mailbox.name, &t);

	if (e != ERR_OK)
		return e;
	e = target_check(&t, RIGHT_X);
	/* Of a mere level the store says why not. */
	if (e == ERR_OK || e == ERR_NOSELECT)
		e = mailbox_delete(t.account, t.name.local, session_waiter(s), &after);
	if (e == ERR_CANNOT)
		c->text = STR("INBOX can't be deleted.");
	if (e == ERR_OK) {
		notify_done_by_us(s, t.account, t.mailbox->id);
		session_committed(s, after);
		mailbox_arg_tell_deleted(s, c->arena, &x->mailbox, &t, after);
	}
	target_close(&t);
	return e;
}

const struct imap_command cmd_delete = {
	.name = "DELETE",
	.states = IN_LOGGED_IN,
	.flags = CHANGES,
	.capability = CAP_IMAP4REV1,
	.args = "mailbox",
	.spec = "RFC 9051 6.3.5, RFC 4314 4",
	.summary = "Delete a mailbox.",
	.ctx_size = sizeof(struct delete_ctx),
	.parse = delete_parse,
	.run = delete_run,
};
