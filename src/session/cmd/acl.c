/*
 * acl.c - SETACL, DELETEACL, GETACL, LISTRIGHTS and MYRIGHTS: who may do what with a mailbox (RFC
 * 4314).
 */
#include "session/cmd/commands.h"

#include "auth/name.h"
#include "session/cmd/acl_reply.h"
#include "session/server.h"

struct acl_ctx {
	struct str mailbox;
	struct str spelt;      /* the identifier as the client wrote it */
	struct str identifier; /* prepared */
	enum acl_change change;
	unsigned rights;
};

/*
 * A name, a group or "anyone", with "-" before it or without, in its one spelling (RFC 4314 3). A
 * user whose name begins with "-" can't be named.
 */
static bool
take_identifier(struct imap_scan *in, struct acl_ctx *x)
{
	struct str rest, name;
	size_t marks = 0;

	if (!imap_scan_astring(in, &x->spelt))
		return false;
	if (str_starts(x->spelt, STR("-")))
		marks++;
	if (marks < x->spelt.n && x->spelt.p[marks] == '$')
		marks++;
	rest = str_sub(x->spelt, marks, x->spelt.n);
	if (name_normalise(in->arena, rest, &name) != ERR_OK || name.p[0] == '-')
		return imap_scan_fail(in, ERR_SYNTAX, "an identifier");
	x->identifier =
	    arena_printf(in->arena, "%.*s%.*s", STR_F(str_sub(x->spelt, 0, marks)), STR_F(name));
	return x->identifier.n <= ACL_IDENTIFIER_MAX
	    || imap_scan_fail(in, ERR_SYNTAX, "an identifier");
}

static bool
take_mailbox(struct imap_scan *in, struct acl_ctx *x)
{
	return imap_scan_mailbox(in, &x->mailbox);
}

static bool
take_change(struct imap_scan *in, struct acl_ctx *x)
{
	struct str text;

	if (!imap_scan_astring(in, &text))
		return false;
	x->change = ACL_REPLACE;
	if (str_starts(text, STR("+")))
		x->change = ACL_ADD;
	else if (str_starts(text, STR("-")))
		x->change = ACL_REMOVE;
	if (x->change != ACL_REPLACE)
		text = str_sub(text, 1, text.n);
	return rights_parse(text, &x->rights) || imap_scan_fail(in, ERR_SYNTAX, "rights");
}

static enum err
ended(struct imap_scan *in, bool is_good)
{
	return is_good && imap_scan_end(in) ? ERR_OK : imap_scan_err(in);
}

static enum err
setacl_parse(unused_arg struct session *s, struct command *c, struct imap_scan *in)
{
	struct acl_ctx *x = c->ctx;

	return ended(in,
	    take_mailbox(in, x) && imap_scan_sp(in) && take_identifier(in, x) && imap_scan_sp(in)
		&& take_change(in, x));
}

static enum err
deleteacl_parse(unused_arg struct session *s, struct command *c, struct imap_scan *in)
{
	struct acl_ctx *x = c->ctx;

	x->change = ACL_DELETE;
	return ended(in, take_mailbox(in, x) && imap_scan_sp(in) && take_identifier(in, x));
}

static enum err
listrights_parse(unused_arg struct session *s, struct command *c, struct imap_scan *in)
{
	struct acl_ctx *x = c->ctx;

	return ended(in, take_mailbox(in, x) && imap_scan_sp(in) && take_identifier(in, x));
}

static enum err
mailbox_parse(unused_arg struct session *s, struct command *c, struct imap_scan *in)
{
	return ended(in, take_mailbox(in, c->ctx));
}

/* Everybody would see it listed: an operator may not want that. It can always be taken back. */
static bool
is_refused(const struct session *s, const struct acl_ctx *x)
{
	return str_eq(x->identifier, STR("anyone"))
	    && (x->change == ACL_REPLACE || x->change == ACL_ADD) && x->rights != 0
	    && server_options(s->server)->refuses_anyone && !s->is_operator;
}

static enum err
setacl_run(struct session *s, struct command *c)
{
	struct acl_ctx *x = c->ctx;
	struct snapshot *after;
	struct target t;
	enum err e = target_open(s, c->arena, x->mailbox, &t);

	if (e != ERR_OK)
		return e;
	e = target_check(&t, RIGHT_A);
	if (e == ERR_OK && is_refused(s, x)) {
		c->text = STR("Nothing can be shared with anyone here; name users or groups.");
		e = ERR_CANNOT;
	}
	if (e == ERR_OK)
		e = mailbox_set_acl(t.account, t.mailbox->id, x->identifier, x->change, x->rights,
		    &after);
	if (e == ERR_OK)
		session_committed_if(s, after, snapshot_mailbox_by_id(after, t.mailbox->id));
	target_close(&t);
	return e;
}

static enum err
getacl_run(struct session *s, struct command *c)
{
	struct acl_ctx *x = c->ctx;
	struct target t;
	enum err e = target_open(s, c->arena, x->mailbox, &t);

	if (e != ERR_OK)
		return e;
	e = target_check(&t, RIGHT_A);
	if (e == ERR_OK && x->identifier.n != 0)
		acl_reply_possible(s, c->arena, &t, x->spelt, x->identifier);
	else if (e == ERR_OK)
		acl_reply_list(s, c->arena, &t);
	target_close(&t);
	return e;
}

static enum err
myrights_run(struct session *s, struct command *c)
{
	const unsigned any = RIGHT_L | RIGHT_R | RIGHT_I | RIGHT_K | RIGHT_X | RIGHT_A;
	struct acl_ctx *x = c->ctx;
	struct target t;
	enum err e = target_open(s, c->arena, x->mailbox, &t);

	if (e != ERR_OK)
		return e;
	e = target_check(&t, 0);
	if (e == ERR_OK && (t.rights & any) == 0)
		e = ERR_NOTFOUND;
	if (e == ERR_OK)
		acl_reply_myrights(s, target_full_name(c->arena, &t), t.rights);
	target_close(&t);
	return e;
}

const struct imap_command cmd_setacl = {
	.name = "SETACL",
	.states = IN_LOGGED_IN,
	.capability = CAP_ACL,
	.args = "mailbox SP identifier SP [+|-]rights",
	.spec = "RFC 4314 3.1",
	.summary = "Grant somebody rights in a mailbox.",
	.ctx_size = sizeof(struct acl_ctx),
	.parse = setacl_parse,
	.run = setacl_run,
};

const struct imap_command cmd_deleteacl = {
	.name = "DELETEACL",
	.states = IN_LOGGED_IN,
	.capability = CAP_ACL,
	.args = "mailbox SP identifier",
	.spec = "RFC 4314 3.2",
	.summary = "Take somebody's rights in a mailbox away.",
	.ctx_size = sizeof(struct acl_ctx),
	.parse = deleteacl_parse,
	.run = setacl_run,
};

const struct imap_command cmd_getacl = {
	.name = "GETACL",
	.states = IN_LOGGED_IN,
	.capability = CAP_ACL,
	.args = "mailbox",
	.spec = "RFC 4314 3.3",
	.summary = "Tell who has which rights in a mailbox.",
	.ctx_size = sizeof(struct acl_ctx),
	.parse = mailbox_parse,
	.run = getacl_run,
};

const struct imap_command cmd_listrights = {
	.name = "LISTRIGHTS",
	.states = IN_LOGGED_IN,
	.capability = CAP_ACL,
	.args = "mailbox SP identifier",
	.spec = "RFC 4314 3.4",
	.summary = "Tell which rights somebody could be granted.",
	.ctx_size = sizeof(struct acl_ctx),
	.parse = listrights_parse,
	.run = getacl_run,
};

const struct imap_command cmd_myrights = {
	.name = "MYRIGHTS",
	.states = IN_LOGGED_IN,
	.capability = CAP_ACL,
	.args = "mailbox",
	.spec = "RFC 4314 3.5",
	.summary = "Tell which rights one has in a mailbox.",
	.ctx_size = sizeof(struct acl_ctx),
	.parse = mailbox_parse,
	.run = myrights_run,
};
