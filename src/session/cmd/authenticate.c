/*
 * authenticate.c - AUTHENTICATE (RFC 9051 6.2.2, RFC 4959): a SASL exchange, each side's messages
 * in base64.
 *
 *     mechanism [initial response] -> asked -> challenge: "+ ..." -> the client's line -> asked ...
 *                                          \-> yes: account opened -> OK
 *
 * A line "*" cancels: BAD. The mechanisms themselves live in the auth process.
 */
#include "session/login.h"

#include "base/arena.h"
#include "session/cmd/commands.h"
#include "session/core.h"

#include <openssl/evp.h>

struct authenticate_ctx {
	struct login login;
	struct str mech, initial; /* as it came, in base64 */
	bool has_initial;
	bool is_line_due;  /* "+ ..." was sent */
	bool said_nothing; /* the client's last message was empty */
};

/* Strict: groups of four, padding only at the end. */
static bool
decode_base64(struct arena *a, struct str in, struct str *out)
{
	size_t pad = 0;
	unsigned char *p;
	int n;

	for (size_t i = 0; i < in.n; i++) {
		if (in.p[i] == '=')
			pad++;
		else if (pad > 0
		    || !(chr_is_alpha(in.p[i]) || chr_is_digit(in.p[i]) || in.p[i] == '+'
			|| in.p[i] == '/'))
			return false;
	}
	if (in.n % 4 != 0 || pad > 2)
		return false;
	p = arena_alloc(a, in.n / 4 * 3 + 1);
	n = in.n == 0 ? 0 : EVP_DecodeBlock(p, (const unsigned char *)in.p, (int)in.n);
	if (n < 0)
		return false;
	*out = str_make(p, (size_t)n - pad);
	return true;
}

static void
send_challenge(struct session *s, struct authenticate_ctx *x, struct arena *a)
{
	char *p = arena_alloc(a, (x->login.data.n + 2) / 3 * 4 + 1);
	int n = EVP_EncodeBlock((unsigned char *)p, (const unsigned char *)x->login.data.p,
	    (int)x->login.data.n);
	struct buf *b = session_out(s);

	buf_lit(b, "+ ");
	buf_add(b, p, (size_t)n);
	reply_end(b);
	x->is_line_due = true;
}

static enum err
authenticate_parse(unused_arg struct session *s, struct command *c, struct imap_scan *in)
{
	struct authenticate_ctx *x = c->ctx;

	if (!imap_scan_atom(in, &x->mech))
		return imap_scan_err(in);
	if (!imap_scan_is_end(in)) {
		if (!imap_scan_sp(in) || !imap_scan_atom(in, &x->initial))
			return imap_scan_err(in);
		x->has_initial = true;
	}
	return imap_scan_end(in) ? ERR_OK : imap_scan_err(in);
}

static enum err
begin(struct session *s, struct command *c, struct authenticate_ctx *x)
{
	struct auth_start start = { .mech = x->mech, .has_initial = x->has_initial };

	/* "=" is the empty response (RFC 4959 3). */
	if (x->has_initial && !str_eq(x->initial, STR("="))
	    && !decode_base64(c->arena, x->initial, &start.initial)) {
		c->text = STR("The initial response is no base64.");
		return ERR_SYNTAX;
	}
	x->said_nothing = x->has_initial && start.initial.n == 0;
	login_begin(&x->login, s, c, &start);
	return ERR_WAIT;
}

/* The client's answer to a challenge. ERR_OK: taken. */
static enum err
take_response(struct session *s, struct command *c, struct str *response_out)
{
	struct str line;

	if (!session_take_line(s, &line))
		return ERR_WAIT;
	if (str_eq(line, STR("*"))) {
		c->text = STR("Cancelled.");
		return ERR_SYNTAX;
	}
	if (!decode_base64(c->arena, line, response_out)) {
		c->text = STR("The response is no base64.");
		return ERR_SYNTAX;
	}
	return ERR_OK;
}

static enum err
authenticate_run(struct session *s, struct command *c)
{
	struct authenticate_ctx *x = c->ctx;
	struct str response;
	enum err e;

	switch (x->login.phase) {
	case LOGIN_NEW:
		return begin(s, c, x);
	case LOGIN_ASKED:
		return ERR_WAIT;
	case LOGIN_CHALLENGED:
		/* Nothing for nothing could go on for ever. */
		if (x->said_nothing && x->login.data.n == 0) {
			c->text = STR("An empty response does not do.");
			return ERR_SYNTAX;
		}
		if (!x->is_line_due)
			send_challenge(s, x, c->arena);
		e = take_response(s, c, &response);
		if (e != ERR_OK)
			return e;
		x->is_line_due = false;
		x->said_nothing = response.n == 0;
		login_respond(&x->login, response);
		return ERR_WAIT;
	case LOGIN_SUCCEEDED:
	case LOGIN_OPENING:
	case LOGIN_FAILED:
		break;
	}
	if (x->login.phase == LOGIN_FAILED && x->login.err == ERR_UNKNOWN)
		c->text = STR("This mechanism is not offered.");
	return login_finish(&x->login);
}

static void
authenticate_done(unused_arg struct session *s, struct command *c)
{
	struct authenticate_ctx *x = c->ctx;

	login_done(&x->login);
}

const struct imap_command cmd_authenticate = {
	.name = "AUTHENTICATE",
	.states = IN_NOT_AUTHENTICATED,
	.flags = NO_TELL | ALONE,
	.capability = CAP_AUTH,
	.args = "mechanism [SP initial-response]",
	.spec = "RFC 9051 6.2.2, RFC 4959",
	.summary = "Log in by a SASL mechanism.",
	.ctx_size = sizeof(struct authenticate_ctx),
	.parse = authenticate_parse,
	.run = authenticate_run,
	.done = authenticate_done,
};
