/*
 * unauthenticate.c - UNAUTHENTICATE (RFC 8437): the connection is as before login, so that one
 * client can work for several users. It never answers NO; a change that turns out not to be durable
 * ends the connection, through its gate, as ever.
 */
#include "base/log.h"
#include "session/cmd/commands.h"
#include "session/core.h"

static enum err
unauthenticate_parse(unused_arg struct session *s, unused_arg struct command *c,
    struct imap_scan *in)
{
	return imap_scan_end(in) ? ERR_OK : imap_scan_err(in);
}

static enum err
unauthenticate_run(unused_arg struct session *s, struct command *c)
{
	c->text = STR("Back to not authenticated.");
	return ERR_OK;
}

static void
unauthenticate_replied(struct session *s, unused_arg struct command *c)
{
	log_event(LOG_INFO, "unauthenticate", F_U64("session", s->id), F_STR("user", s->user));
	session_logged_out(s);
}

const struct imap_command cmd_unauthenticate = {
	.name = "UNAUTHENTICATE",
	.states = IN_LOGGED_IN,
	.flags = NO_TELL | ALONE,
	.capability = CAP_UNAUTHENTICATE,
	.args = "",
	.spec = "RFC 8437",
	.summary = "Go back to before login, for another user.",
	.parse = unauthenticate_parse,
	.run = unauthenticate_run,
	.replied = unauthenticate_replied,
};
