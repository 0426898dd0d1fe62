/* namespace.c - NAMESPACE (RFC 2342, RFC 9051 6.3.10). */
#include "session/cmd/commands.h"

#include "session/cmd/namespace_reply.h"

static enum err
namespace_parse(unused_arg struct session *s, unused_arg struct command *c, struct imap_scan *in)
{
	return imap_scan_end(in) ? ERR_OK : imap_scan_err(in);
}

static enum err
namespace_run(struct session *s, unused_arg struct command *c)
{
	namespace_reply(s);
	return ERR_OK;
}

const struct imap_command cmd_namespace = {
	.name = "NAMESPACE",
	.states = IN_LOGGED_IN,
	.capability = CAP_NAMESPACE,
	.args = "",
	.spec = "RFC 9051 6.3.10, RFC 2342, RFC 5255 3.4",
	.summary = "Tell the namespaces.",
	.parse = namespace_parse,
	.run = namespace_run,
};
