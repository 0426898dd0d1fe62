/*
 * idle.c - IDLE: tells changes as they become durable, until the client says DONE (RFC 9051 6.3.13, RFC 2177).
 *
 *     "+ idling" -> tell -> line? -- DONE ------> tagged OK
 *                    ^       | no line            other: BAD
 *                    +-- the account has changed, or a line has come
 */
#include "session/cmd/commands.h"

#include "session/core.h"

struct idle_ctx {
	bool is_idling;			/* the continuation was sent */
};

static enum err
idle_parse(unused_arg struct session *s, unused_arg struct command *c, struct imap_scan *in)
{
	return imap_scan_end(in) ? ERR_OK : imap_scan_err(in);
}

static enum err
idle_run(struct session *s, struct command *c)
{
	struct idle_ctx *x = c->ctx;
	struct str line;
	enum err e;

	if (!x->is_idling) {
		x->is_idling = true;
		s->core->is_idling = true;
		reply_continue(session_out(s), "idling");
	}
	for (;;) {
		if (session_take_line(s, &line)) {
			if (str_eq_nocase(str_trim(line), STR("DONE")))
				return ERR_OK;
			c->text = STR("Expected DONE.");
			return ERR_SYNTAX;
		}
		if (s->is_closing || s->view == NULL)
			return ERR_WAIT;
		e = session_tell(s, TELL_ALL);
		if (e != ERR_OK)
			return e;
		e = account_wait_change(s->account, view_version(s->view), session_waiter(s));
		if (e != ERR_OK)
			return e;
	}
}

static void
idle_done(struct session *s, unused_arg struct command *c)
{
	s->core->is_idling = false;
}

const struct imap_command cmd_idle = {
	.name = "IDLE",
	.states = IN_LOGGED_IN,
	.flags = ALONE,
	.capability = CAP_IDLE,
	.args = "",
	.spec = "RFC 9051 6.3.13, RFC 2177",
	.summary = "Be told of changes at once, until DONE.",
	.ctx_size = sizeof(struct idle_ctx),
	.parse = idle_parse,
	.run = idle_run,
	.done = idle_done,
};
