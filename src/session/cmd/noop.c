/* noop.c - NOOP (RFC 9051 6.1.2): nothing, so that changes are told. */
#include "session/cmd/commands.h"

static enum err
noop_parse(unused_arg struct session *s, unused_arg struct command *c, struct imap_scan *in)
{
	return imap_scan_end(in) ? ERR_OK : imap_scan_err(in);
}

static enum err
noop_run(unused_arg struct session *s, unused_arg struct command *c)
{
	return ERR_OK;
}

const struct imap_command cmd_noop = {
	.name = "NOOP",
	.states = IN_ANY,
	.capability = CAP_IMAP4REV1,
	.args = "",
	.spec = "RFC 9051 6.1.2",
	.summary = "Do nothing; changes of the mailbox are told.",
	.parse = noop_parse,
	.run = noop_run,
};
