/*
 * check.c - CHECK: everything acknowledged is durable already, so there is nothing left to do (RFC
 * 3501 6.4.1).
 */
#include "session/cmd/commands.h"

static enum err
check_parse(unused_arg struct session *s, unused_arg struct command *c, struct imap_scan *in)
{
	return imap_scan_end(in) ? ERR_OK : imap_scan_err(in);
}

static enum err
check_run(unused_arg struct session *s, unused_arg struct command *c)
{
	return ERR_OK;
}

const struct imap_command cmd_check = {
	.name = "CHECK",
	.states = IN_SELECTED,
	.capability = CAP_IMAP4REV1,
	.args = "",
	.spec = "RFC 3501 6.4.1",
	.summary = "Ask for a checkpoint; every change is one already.",
	.parse = check_parse,
	.run = check_run,
};
