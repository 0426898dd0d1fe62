/* capability.c - CAPABILITY (RFC 9051 6.1.1). */
#include "session/cmd/commands.h"
#include "session/core.h"

static enum err
capability_parse(unused_arg struct session *s, unused_arg struct command *c, struct imap_scan *in)
{
	return imap_scan_end(in) ? ERR_OK : imap_scan_err(in);
}

static enum err
capability_run(struct session *s, unused_arg struct command *c)
{
	struct buf *b = session_out(s);

	buf_lit(b, "* CAPABILITY ");
	capability_format(s, b);
	reply_end(b);
	return ERR_OK;
}

const struct imap_command cmd_capability = {
	.name = "CAPABILITY",
	.states = IN_ANY,
	.capability = CAP_IMAP4REV1,
	.args = "",
	.spec = "RFC 9051 6.1.1",
	.summary = "Tell what the server can do.",
	.parse = capability_parse,
	.run = capability_run,
};
