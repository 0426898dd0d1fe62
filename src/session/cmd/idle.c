/*
 * idle.c - IDLE: tells changes as they become durable, until the client says DONE (RFC 9051 6.3.13,
 * RFC 2177).
 *
 *     "+ idling" -> tell -> line? -- DONE ------> tagged OK
 *                    ^       | no line            other: BAD
 *                    +-- the account has changed, or a line has come
 */
#include "session/cmd/commands.h"

#include "session/core.h"
#include "session/metadata.h"
#include "session/notify.h"
#include "session/urlauth.h"

struct idle_ctx {
	bool is_idling; /* the continuation was sent */

	enum { IDLE_ON, IDLE_DONE, IDLE_BAD } line; /* what the client has said since */
};

static enum err
idle_parse(unused_arg struct session *s, unused_arg struct command *c, struct imap_scan *in)
{
	return imap_scan_end(in) ? ERR_OK : imap_scan_err(in);
}

static enum err
tell(struct session *s)
{
	enum err e = ERR_OK;

	if (s->is_closing)
		return ERR_OK;
	if (s->view != NULL)
		/* at the end too: the view comes back from its rest */
		e = session_tell(s, TELL_ALL);
	if (e != ERR_OK)
		return e;
	metadata_tell(s);
	urlauth_tell(s);
	return notify_tell(s);
}

static enum err
idle_run(struct session *s, struct command *c)
{
	struct idle_ctx *x = c->ctx;
	enum err e = ERR_OK;
	struct str line;

	if (!x->is_idling) {
		x->is_idling = true;
		s->core->is_idling = true;
		reply_continue(session_out(s), "idling");
	}
	for (;;) {
		if (x->line == IDLE_ON && session_take_line(s, &line))
			x->line = str_eq_nocase(str_trim(line), STR("DONE")) ? IDLE_DONE : IDLE_BAD;
		if (x->line == IDLE_ON && (s->is_closing || (s->view == NULL && s->notify == NULL)))
			return ERR_WAIT;
		e = tell(s);
		if (e != ERR_OK)
			return e;
		if (x->line == IDLE_BAD)
			c->text = STR("Expected DONE.");
		if (x->line != IDLE_ON)
			return x->line == IDLE_DONE ? ERR_OK : ERR_SYNTAX;
		/*
		 * An idle client holds no pages; but one that is not told of messages must find its
		 * view as it was.
		 */
		if (s->view != NULL && notify_selected_events(s) != 0)
			view_rest(s->view);
		if (s->notify == NULL)
			e = account_wait_change(view_account(s->view), view_version(s->view),
			    session_waiter(s));
		else
			e = notify_has_news(s) ? ERR_OK : ERR_WAIT;
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
