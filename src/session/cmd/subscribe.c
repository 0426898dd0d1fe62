/* subscribe.c - SUBSCRIBE and UNSUBSCRIBE. */
#include "session/cmd/commands.h"

#include "session/cmd/mailbox_name.h"

struct subscribe_ctx {
	struct mailbox_arg mailbox;
};

static enum err
subscribe_parse(unused_arg struct session *s, struct command *c, struct imap_scan *in)
{
	struct subscribe_ctx *x = c->ctx;

	if (!mailbox_arg_scan(in, &x->mailbox) || !imap_scan_end(in))
		return imap_scan_err(in);
	return ERR_OK;
}

static enum err
set_subscription(struct session *s, struct command *c, bool is_subscribed)
{
	struct subscribe_ctx *x = c->ctx;
	struct target_name name = target_name_of(s, c->arena, x->mailbox.name);
	struct snapshot *after;
	struct str full = x->mailbox.name;
	enum err e;

	/*
	 * Others' mailboxes are subscribed to by their full name, in the spelling that LIST tells.
	 */
	if (name.space == SPACE_OTHER || name.space == SPACE_SHARED)
		full = arena_printf(c->arena, "%.*s%.*s", STR_F(name.prefix), STR_F(name.local));
	e = mailbox_subscribe(s->account, full, is_subscribed, session_waiter(s), &after);

	if (e == ERR_OK)
		session_committed_if(s, after, snapshot_mailbox(after, full));
	return e;
}

static enum err
subscribe_run(struct session *s, struct command *c)
{
	return set_subscription(s, c, true);
}

static enum err
unsubscribe_run(struct session *s, struct command *c)
{
	return set_subscription(s, c, false);
}

const struct imap_command cmd_subscribe = {
	.name = "SUBSCRIBE",
	.states = IN_LOGGED_IN,
	.flags = CHANGES,
	.capability = CAP_IMAP4REV1,
	.args = "mailbox",
	.spec = "RFC 9051 6.3.7",
	.summary = "Subscribe to a mailbox.",
	.ctx_size = sizeof(struct subscribe_ctx),
	.parse = subscribe_parse,
	.run = subscribe_run,
};

const struct imap_command cmd_unsubscribe = {
	.name = "UNSUBSCRIBE",
	.states = IN_LOGGED_IN,
	.flags = CHANGES,
	.capability = CAP_IMAP4REV1,
	.args = "mailbox",
	.spec = "RFC 9051 6.3.8",
	.summary = "End a subscription.",
	.ctx_size = sizeof(struct subscribe_ctx),
	.parse = subscribe_parse,
	.run = unsubscribe_run,
};
