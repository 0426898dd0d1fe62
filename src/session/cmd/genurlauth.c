/*
 * genurlauth.c - GENURLAUTH: URLs of messages become such that others can fetch them by (RFC 4467
 * 7). All of them, or none.
 */
#include "session/cmd/commands.h"

#include "imap/urlauth.h"
#include "session/urlauth.h"

struct genurlauth_ctx {
	struct imap_genurlauth args;
	struct imap_url *urls; /* as parsed */
	struct str *made;
	size_t checked, count; /* of the URLs: found good, made */
};

static enum err
genurlauth_parse(unused_arg struct session *s, struct command *c, struct imap_scan *in)
{
	struct genurlauth_ctx *x = c->ctx;
	enum err e = imap_genurlauth_parse(in, &x->args);

	if (e != ERR_OK)
		return e;
	x->urls = arena_array(c->arena, struct imap_url, x->args.count);
	x->made = arena_array(c->arena, struct str, x->args.count);
	return ERR_OK;
}

/* Tagged BAD (RFC 4467 7). */
static enum err
refuse(struct command *c, const char *why)
{
	c->text = str_c(why);
	return ERR_SYNTAX;
}

/*
 * Users that are named are not looked up: who has no account can't fetch it, and nobody learns who
 * has one.
 */
static enum err
check(struct session *s, struct command *c, struct str text, struct imap_url *url)
{
	struct str user;

	if (imap_url_parse(c->arena, text, url) != ERR_OK || url->base != IMAP_URL_ABSOLUTE
	    || !url->has_scheme)
		return refuse(c, "Not an absolute URL of a message.");
	if (!urlauth_is_here(s, url))
		return refuse(c, "The URL is of another server.");
	if (url->user.n == 0)
		return refuse(c, "The owner's name is missing in the URL.");
	if (!urlauth_owner(c->arena, url, &user) || !str_eq(user, s->user))
		return refuse(c, "The URL's owner is not who has logged in.");
	if (url->auth.application.p == NULL)
		return refuse(c, "The access identifier is missing in the URL.");
	if (!urlauth_is_known(s, &url->auth))
		return refuse(c, "The URL has an access identifier that is not known here.");
	if (url->auth.mechanism.p != NULL)
		return refuse(c, "The URL has a token already.");
	return ERR_OK;
}

/* ERR_WAIT. */
static enum err
sign(struct session *s, struct command *c, struct genurlauth_ctx *x)
{
	const struct imap_url *url = &x->urls[x->count];
	BUF_CLEAN struct buf b = BUF_MAX(2 * IMAP_URL_MAX);
	struct access_key fresh, key;
	struct snapshot *after;
	struct target t;
	enum err e = target_open(s, c->arena, url->mailbox, &t);

	if (e != ERR_OK)
		return e;
	e = target_check(&t, RIGHT_R) == ERR_OK ? urlauth_random(&fresh)
						: refuse(c, "There is no such mailbox to read.");
	if (e == ERR_OK)
		e = access_key_make(s->account, account_id(t.account), t.mailbox, ACCESS_KEY_KEEP,
		    &fresh, &key, &after);
	target_close(&t);
	if (e != ERR_OK)
		return e;
	session_committed(s, after);
	urlauth_look(s);
	buf_str_add(&b, url->auth.rump);
	urlauth_sign(&key, url->auth.rump, &b);
	explicit_bzero(&key, sizeof(key));
	explicit_bzero(&fresh, sizeof(fresh));
	x->made[x->count++] = arena_str(c->arena, buf_str(&b));
	return ERR_OK;
}

static enum err
genurlauth_run(struct session *s, struct command *c)
{
	struct genurlauth_ctx *x = c->ctx;
	enum err e = ERR_OK;

	for (; x->checked < x->args.count && e == ERR_OK; x->checked++) {
		e = check(s, c, x->args.urls[x->checked].url, &x->urls[x->checked]);
		if (e == ERR_OK
		    && !str_eq_nocase(x->args.urls[x->checked].mechanism, STR(URLAUTH_MECHANISM))) {
			c->text = STR("INTERNAL is the only mechanism.");
			e = ERR_CANNOT;
		}
	}
	while (x->count < x->args.count && e == ERR_OK)
		e = session_should_yield(s) ? session_yield(s) : sign(s, c, x);
	if (e != ERR_OK)
		return e;
	reply_untagged(session_out(s));
	buf_lit(session_out(s), "GENURLAUTH");
	for (size_t i = 0; i < x->count; i++) {
		buf_chr(session_out(s), ' ');
		reply_string(session_out(s), x->made[i], session_form(s));
	}
	reply_end(session_out(s));
	return ERR_OK;
}

const struct imap_command cmd_genurlauth = {
	.name = "GENURLAUTH",
	.states = IN_LOGGED_IN,
	.flags = CHANGES,
	.capability = CAP_URLAUTH,
	.args = "url SP mechanism [SP url SP mechanism ...]",
	.spec = "RFC 4467 7, RFC 5593",
	.summary = "Make URLs of messages by which others may read them.",
	.ctx_size = sizeof(struct genurlauth_ctx),
	.parse = genurlauth_parse,
	.run = genurlauth_run,
};
