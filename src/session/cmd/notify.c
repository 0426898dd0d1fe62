/*
 * notify.c - NOTIFY (RFC 5465): what a client wants to be told of. What comes of it is in
 * session/notify.c.
 *
 *     open the accounts that it is about -> LIST of what can't be watched, STATUS of the rest -> from now on it holds
 *     -> what has gathered in the selected mailbox, as for NOOP -> tagged OK
 */
#include "session/cmd/commands.h"

#include "session/notify.h"

struct notify_ctx {
	struct str args;
	bool asks_modseq;
	struct notify *notify; /* until it is the session's */
};

static enum err
notify_parse(unused_arg struct session *s, struct command *c, struct imap_scan *in)
{
	struct notify_ctx *x = c->ctx;
	BUF_CLEAN struct buf code = BUF_MAX(256);
	struct imap_notify n;
	enum err e;

	x->args = str_sub(in->in, in->at, in->in.n);
	e = imap_notify_parse(in, NOTIFY_SUPPORTED, &n);
	if (e == ERR_BADEVENT) {
		buf_lit(&code, "BADEVENT ");
		imap_notify_events_format(NOTIFY_SUPPORTED, &code);
		c->code = arena_str(c->arena, buf_str(&code));
	} else if (e == ERR_LIMIT) {
		c->code = STR("NOTIFICATIONOVERFLOW");
	}
	if (e == ERR_OK)
		x->asks_modseq = (n.fetch.atts & FETCH_MODSEQ) != 0;
	return e;
}

static enum err
begin(struct session *s, struct notify_ctx *x)
{
	enum err e = x->notify == NULL ? notify_new(s, x->args, &x->notify) : ERR_OK;

	return e == ERR_OK ? notify_resolve(s, x->notify) : e;
}

static enum err
notify_run(struct session *s, struct command *c)
{
	struct notify_ctx *x = c->ctx;
	enum err e = begin(s, x);

	if (e == ERR_LIMIT) {
		c->code = STR("NOTIFICATIONOVERFLOW");
		c->text = STR("This is more than can be watched.");
	}
	if (e == ERR_OK)
		e = notify_tell_first(s, x->notify);
	if (e != ERR_OK)
		return e;
	notify_install(s, x->notify);
	x->notify = NULL;
	/* As FETCH of it does (RFC 7162 3.1). */
	if (x->asks_modseq)
		session_enable_condstore(s);
	return ERR_OK;
}

static void
notify_done(unused_arg struct session *s, struct command *c)
{
	struct notify_ctx *x = c->ctx;

	notify_free(x->notify);
}

const struct imap_command cmd_notify = {
	.name = "NOTIFY",
	.states = IN_LOGGED_IN,
	.flags = TELLS_ALL,
	.capability = CAP_NOTIFY,
	.args = "NONE | SET [STATUS] SP (mailboxes events) ...",
	.spec = "RFC 5465",
	.summary = "Choose what to be told of, in all mailboxes and at any time.",
	.ctx_size = sizeof(struct notify_ctx),
	.parse = notify_parse,
	.run = notify_run,
	.done = notify_done,
};
