/* login.c - LOGIN (RFC 9051 6.2.3): user name and password in the command. */
#include "session/login.h"

#include "session/cmd/commands.h"

struct login_ctx {
	struct login login;
	struct str user, password;
};

static enum err
login_parse(unused_arg struct session *s, struct command *c, struct imap_scan *in)
{
	struct login_ctx *x = c->ctx;

	return imap_scan_astring(in, &x->user) && imap_scan_sp(in)
		&& imap_scan_astring(in, &x->password) && imap_scan_end(in)
	    ? ERR_OK
	    : imap_scan_err(in);
}

static enum err
login_run(struct session *s, struct command *c)
{
	struct login_ctx *x = c->ctx;
	struct auth_start start = { .user = x->user, .password = x->password };
	enum err e;

	switch (x->login.phase) {
	case LOGIN_NEW:
		e = login_check_privacy(s);
		if (e != ERR_OK)
			return e;
		login_begin(&x->login, s, c, &start);
		return ERR_WAIT;
	case LOGIN_ASKED:
		return ERR_WAIT;
	case LOGIN_CHALLENGED: /* there is nothing to ask a client of LOGIN */
		return ERR_BUG;
	case LOGIN_SUCCEEDED:
	case LOGIN_OPENING:
	case LOGIN_FAILED:
		break;
	}
	return login_finish(&x->login);
}

static void
login_cmd_done(unused_arg struct session *s, struct command *c)
{
	struct login_ctx *x = c->ctx;

	login_done(&x->login);
}

const struct imap_command cmd_login = {
	.name = "LOGIN",
	.states = IN_NOT_AUTHENTICATED,
	.flags = NO_TELL | ALONE,
	.capability = CAP_IMAP4REV1,
	.args = "userid SP password",
	.spec = "RFC 9051 6.2.3",
	.summary = "Log in with name and password.",
	.ctx_size = sizeof(struct login_ctx),
	.parse = login_parse,
	.run = login_run,
	.done = login_cmd_done,
};
