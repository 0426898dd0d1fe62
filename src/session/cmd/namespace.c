/* namespace.c - NAMESPACE (RFC 2342, RFC 9051 6.3.10): the personal namespace has an empty prefix. */
#include "session/cmd/commands.h"

#include "imap/utf7.h"
#include "session/target.h"

static enum err
namespace_parse(unused_arg struct session *s, unused_arg struct command *c, struct imap_scan *in)
{
	return imap_scan_end(in) ? ERR_OK : imap_scan_err(in);
}

static void
add_space(struct session *s, enum target_space space)
{
	struct str name = target_space_name(s, space);
	BUF_CLEAN struct buf prefix = BUF_MAX(8 * MAILBOX_NAME_MAX);
	struct buf *b = session_out(s);

	if (name.n == 0) {
		buf_lit(b, " NIL");
		return;
	}
	if (session_form(s) == REPLY_UTF8)
		buf_str_add(&prefix, name);
	else
		imap_utf7_encode(name, &prefix);
	buf_chr(&prefix, MAILBOX_SEPARATOR);
	buf_lit(b, " ((");
	reply_string(b, buf_str(&prefix), session_form(s));
	buf_lit(b, " \"/\"))");
}

static enum err
namespace_run(struct session *s, unused_arg struct command *c)
{
	buf_lit(session_out(s), "* NAMESPACE ((\"\" \"/\"))");
	add_space(s, SPACE_OTHER);
	add_space(s, SPACE_SHARED);
	reply_end(session_out(s));
	return ERR_OK;
}

const struct imap_command cmd_namespace = {
	.name = "NAMESPACE",
	.states = IN_LOGGED_IN,
	.capability = CAP_NAMESPACE,
	.args = "",
	.spec = "RFC 9051 6.3.10, RFC 2342",
	.summary = "Tell the namespaces.",
	.parse = namespace_parse,
	.run = namespace_run,
};
