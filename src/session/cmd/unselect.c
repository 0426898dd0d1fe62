/* unselect.c - UNSELECT: leaves the mailbox without expunging. */
#include "session/cmd/commands.h"

#include "session/session.h"

static enum err
unselect_parse(unused_arg struct session *s, unused_arg struct command *c, struct imap_scan *in)
{
	return imap_scan_end(in) ? ERR_OK : imap_scan_err(in);
}

static enum err
unselect_run(struct session *s, unused_arg struct command *c)
{
	session_select(s, NULL, 0);
	return ERR_OK;
}

const struct imap_command cmd_unselect = {
	.name = "UNSELECT",
	.states = IN_SELECTED,
	.flags = NO_TELL,
	.capability = CAP_UNSELECT,
	.args = "",
	.spec = "RFC 9051 6.4.2, RFC 3691",
	.summary = "Leave the mailbox; nothing is expunged.",
	.parse = unselect_parse,
	.run = unselect_run,
};
