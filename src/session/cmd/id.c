/*
 * id.c - ID (RFC 2971): who the client is, for the log; who we are. Nothing may depend on the
 * answer. No version is told to those who have not logged in.
 */
#include "base/arena.h"
#include "session/cmd/commands.h"
#include "session/core.h"
#include "session/server.h"

#include <stdlib.h>

enum { FIELDS_MAX = 30, FIELD_NAME_MAX = 30, FIELD_VALUE_MAX = 1024 }; /* RFC 2971 3.3 */

struct id_ctx {
	struct str name, version;
};

static bool
scan_field(struct imap_scan *in, struct id_ctx *x)
{
	struct str key, value;

	if (!imap_scan_string(in, &key) || !imap_scan_sp(in) || !imap_scan_nstring(in, &value))
		return false;
	if (key.n > FIELD_NAME_MAX || value.n > FIELD_VALUE_MAX)
		return imap_scan_fail(in, ERR_SYNTAX, "a shorter field");
	if (str_eq_nocase(key, STR("name")))
		x->name = value;
	else if (str_eq_nocase(key, STR("version")))
		x->version = value;
	return true;
}

static enum err
id_parse(unused_arg struct session *s, struct command *c, struct imap_scan *in)
{
	size_t count = 0;

	if (imap_scan_try_atom(in, STR("NIL")))
		return imap_scan_end(in) ? ERR_OK : imap_scan_err(in);
	if (!imap_scan_list_open(in))
		return imap_scan_err(in);
	for (bool is_first = true; imap_scan_list_more(in, &is_first);) {
		if (++count > FIELDS_MAX)
			ignore_err(imap_scan_fail(in, ERR_SYNTAX, "at most 30 fields") ? ERR_OK
										       : ERR_SYNTAX,
			    "noted in the scanner");
		else if (!scan_field(in, c->ctx))
			break;
	}
	return imap_scan_err(in) == ERR_OK && imap_scan_end(in) ? ERR_OK : imap_scan_err(in);
}

static enum err
id_run(struct session *s, struct command *c)
{
	struct id_ctx *x = c->ctx;
	struct buf *b = session_out(s);

	if (x->name.n > 0) {
		struct str id = arena_printf(c->arena, "%.*s%s%.*s", STR_F(x->name),
		    x->version.n > 0 ? " " : "", STR_F(x->version));

		session_forget_client_id(s);
		s->core->client_id = str_make(xstrdup(id), id.n);
		server_session_changed(s->server, s->core);
	}
	buf_lit(b, "* ID (\"name\" \"Posthorn\"");
	if (s->account != NULL)
		buf_lit(b, " \"version\" \"" POSTHORN_VERSION "\"");
	buf_chr(b, ')');
	reply_end(b);
	return ERR_OK;
}

const struct imap_command cmd_id = {
	.name = "ID",
	.states = IN_ANY,
	.capability = CAP_ID,
	.args = "(field value ...) / NIL",
	.spec = "RFC 2971",
	.summary = "Tell each other who we are.",
	.ctx_size = sizeof(struct id_ctx),
	.parse = id_parse,
	.run = id_run,
};
