/* create.c - CREATE, with special uses (RFC 6154) and the mailbox's id in the reply (RFC 8474). */
#include "session/cmd/commands.h"

#include "session/cmd/list_reply.h"
#include "session/cmd/mailbox_name.h"

struct create_ctx {
	struct mailbox_arg mailbox;
	unsigned uses;
	bool has_unknown_use;
};

/* "(USE (\Sent \Drafts))" */
static bool
parse_parameters(struct imap_scan *in, struct create_ctx *x)
{
	struct str name;

	if (!imap_scan_list_open(in))
		return false;
	for (bool is_first = true; imap_scan_list_more(in, &is_first);) {
		if (!imap_scan_atom(in, &name) || !imap_scan_sp(in))
			return false;
		if (!str_eq_nocase(name, STR("USE")))
			return imap_scan_fail(in, ERR_SYNTAX, "USE");
		if (!imap_scan_list_open(in))
			return false;
		for (bool is_first_use = true; imap_scan_list_more(in, &is_first_use);) {
			struct str use;
			unsigned bit;

			if (!imap_scan_chr(in, '\\') || !imap_scan_atom(in, &name))
				return false;
			use = arena_printf(in->arena, "\\%.*s", STR_F(name));
			bit = list_use_of(use);
			x->uses |= bit;
			x->has_unknown_use = x->has_unknown_use || bit == 0;
		}
	}
	return imap_scan_err(in) == ERR_OK;
}

static enum err
create_parse(unused_arg struct session *s, struct command *c, struct imap_scan *in)
{
	struct create_ctx *x = c->ctx;

	if (!mailbox_arg_scan(in, &x->mailbox))
		return imap_scan_err(in);
	if (!imap_scan_is_end(in) && (!imap_scan_sp(in) || !parse_parameters(in, x)))
		return imap_scan_err(in);
	if (!imap_scan_end(in))
		return imap_scan_err(in);
	return ERR_OK;
}

static enum err
create(struct session *s, struct command *c, struct create_ctx *x, const struct target *t)
{
	struct snapshot *after;
	enum err e = target_check_new(s, t);

	if (e != ERR_OK)
		return e;
	/*
	 * \All and \Flagged are views of other mailboxes, which a mailbox made by CREATE is not
	 * (RFC 6154 3).
	 */
	if (x->has_unknown_use || (x->uses & (USE_ALL | USE_FLAGGED)) != 0
	    || (x->uses != 0 && t->account != s->account))
		return ERR_USEATTR;
	e = mailbox_create(t->account, t->name.local, x->uses, session_waiter(s), &after);
	if (e == ERR_OVERQUOTA)
		c->text = STR("The account has as many mailboxes as it may.");
	if (e != ERR_OK)
		return e;
	c->code = mailbox_id_code(s, c->arena, after, t->name.local);
	session_committed(s, after);
	mailbox_arg_tell(s, c->arena, &x->mailbox, t, after);
	return ERR_OK;
}

static enum err
create_run(struct session *s, struct command *c)
{
	struct create_ctx *x = c->ctx;
	struct target t;
	enum err e = target_open(s, c->arena, x->mailbox.name, &t);

	if (e != ERR_OK)
		return e;
	e = create(s, c, x, &t);
	target_close(&t);
	return e;
}

const struct imap_command cmd_create = {
	.name = "CREATE",
	.states = IN_LOGGED_IN,
	.flags = CHANGES,
	.capability = CAP_IMAP4REV1,
	.args = "mailbox [SP (USE (special uses))]",
	.spec = "RFC 9051 6.3.4, RFC 4314 4, RFC 6154 3, RFC 8474 4.1",
	.summary = "Make a mailbox.",
	.ctx_size = sizeof(struct create_ctx),
	.parse = create_parse,
	.run = create_run,
};
