/* logout.c - LOGOUT (RFC 9051 6.1.3): BYE, the tagged OK, the end. */
#include "session/cmd/commands.h"
#include "session/core.h"

static enum err
logout_parse(unused_arg struct session *s, unused_arg struct command *c, struct imap_scan *in)
{
	return imap_scan_end(in) ? ERR_OK : imap_scan_err(in);
}

static enum err
logout_run(struct session *s, unused_arg struct command *c)
{
	session_untagged(s, "BYE", STR_NONE, STR("Logging out."));
	return ERR_OK;
}

static void
logout_replied(struct session *s, unused_arg struct command *c)
{
	session_end(s, "logout");
	stream_part(s->stream);
}

const struct imap_command cmd_logout = {
	.name = "LOGOUT",
	.states = IN_ANY,
	.flags = NO_TELL | ALONE,
	.capability = CAP_IMAP4REV1,
	.args = "",
	.spec = "RFC 9051 6.1.3",
	.summary = "End the session.",
	.parse = logout_parse,
	.run = logout_run,
	.replied = logout_replied,
};
