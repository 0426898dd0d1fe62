/*
 * urlfetch.c - URLFETCH: what URLs name, for who is authorized by them (RFC 4467 7).
 *
 *     next URL -> urlauth_open() -> record -> "* URLFETCH url" literal       a response each
 *                     |               |
 *                     +---------------+-----> "* URLFETCH url NIL"
 */
#include "session/cmd/commands.h"

#include "base/log.h"
#include "imap/urlauth.h"
#include "session/cmd/fetch_section.h"
#include "session/urlauth.h"

enum urlfetch_step { STEP_OPEN, STEP_LOAD, STEP_SEND };

struct urlfetch_ctx {
	struct imap_urlfetch args;
	size_t at;
	enum urlfetch_step step;
	bool is_parsed;
	struct imap_url url;
	struct urlauth auth;
	struct fetch_source src;
	struct fetch_section section;
	enum err result;
};

static enum err
urlfetch_parse(unused_arg struct session *s, struct command *c, struct imap_scan *in)
{
	struct urlfetch_ctx *x = c->ctx;

	return imap_urlfetch_parse(in, &x->args);
}

static void
close_url(struct urlfetch_ctx *x)
{
	fetch_section_done(&x->section);
	fetch_source_done(&x->src);
	urlauth_done(&x->auth);
	x->is_parsed = false;
	x->step = STEP_OPEN;
}

/* "* URLFETCH url", which stands before whatever comes of it. */
static void
head(struct session *s, const struct urlfetch_ctx *x, struct buf *out)
{
	buf_lit(out, "* URLFETCH ");
	reply_string(out, x->args.urls[x->at].url, session_form(s));
}

static enum err
open_message(struct session *s, struct command *c, struct urlfetch_ctx *x)
{
	enum err e = ERR_OK;

	if (!x->is_parsed)
		e = imap_url_parse(c->arena, x->args.urls[x->at].url, &x->url);
	if (e != ERR_OK)
		return e;
	x->is_parsed = true;
	e = urlauth_open(s, c->arena, &x->url, &x->auth);
	if (e != ERR_OK)
		return e;
	x->src.account = view_account(x->auth.view);
	x->step = STEP_LOAD;
	if (x->auth.owner != s->account)
		log_event(LOG_INFO, "urlfetch", F_U64("session", s->id), F_STR("user", s->user), F_STR("owner", account_user(x->auth.owner)),
		    F_STR("application", x->url.auth.application), F_U64("mailbox_id", view_mailbox(x->auth.view)->id.v),
		    F_U64("uid", x->url.uid));
	return ERR_OK;
}

static enum err
load(struct session *s, struct urlfetch_ctx *x)
{
	uint64_t from, end;
	enum mime_encoding encoding;
	enum err e = message_get(x->src.account, x->auth.entry.msgno, MESSAGE_SUMMARY, session_waiter(s), &x->src.message);

	if (e == ERR_OK)
		e = fetch_source_locate(&x->src, &x->url.section, &from, &end, &encoding);
	if (e != ERR_OK)
		return e == ERR_NOTFOUND ? ERR_BADURL : e;
	x->step = STEP_SEND;
	return ERR_OK;
}

static enum err
send(struct session *s, struct command *c, struct urlfetch_ctx *x)
{
	bool is_first = true;
	enum err e;

	if (x->url.section.label.p == NULL) {
		BUF_CLEAN struct buf label = BUF_MAX(2 * IMAP_URL_MAX);

		head(s, x, &label);
		x->url.section.label = arena_str(c->arena, buf_str(&label));
	}
	e = fetch_section_send(s, &x->section, &x->src, &x->url.section, &is_first);
	if (e != ERR_OK)
		return e;
	reply_end(session_out(s));
	return ERR_END;
}

/* ERR_END: the URL is answered. */
static enum err
take_step(struct session *s, struct command *c, struct urlfetch_ctx *x)
{
	switch (x->step) {
	case STEP_OPEN:
		if (session_is_full(s))
			return session_wait_output(s);
		if (session_should_yield(s))
			return session_yield(s);
		return open_message(s, c, x);
	case STEP_LOAD:
		return load(s, x);
	case STEP_SEND:
		return send(s, c, x);
	}
	return ERR_BUG;
}

/* What can't be had is NIL, and when that is the server's fault the command is NO (RFC 4467 7). */
static void
refuse(struct session *s, struct urlfetch_ctx *x, enum err e)
{
	if (e != ERR_BADURL) {
		log_event(LOG_ERROR, "urlfetch-failed", F_U64("session", s->id), F_STR("user", s->user), F_ERR(e));
		x->result = e;
	}
	head(s, x, session_out(s));
	buf_lit(session_out(s), " NIL");
	reply_end(session_out(s));
}

static enum err
urlfetch_run(struct session *s, struct command *c)
{
	struct urlfetch_ctx *x = c->ctx;

	while (x->at < x->args.count) {
		enum err e = take_step(s, c, x);

		if (e == ERR_OK)
			continue;
		if (e == ERR_WAIT || e == ERR_CLOSED)
			return e;
		if (e != ERR_END)
			refuse(s, x, e);
		/* A reader must not wait when it goes. */
		waiter_cancel(session_waiter(s));
		close_url(x);
		x->at++;
	}
	return x->result;
}

static bool
urlfetch_progress(unused_arg struct session *s, const struct command *c, uint64_t *done_out, uint64_t *goal_out)
{
	const struct urlfetch_ctx *x = c->ctx;

	*done_out = x->at;
	*goal_out = x->args.count;
	return x->step != STEP_SEND;
}

static void
urlfetch_done(struct session *s, struct command *c)
{
	waiter_cancel(session_waiter(s));
	close_url(c->ctx);
}

const struct imap_command cmd_urlfetch = {
	.name = "URLFETCH",
	.states = IN_LOGGED_IN,
	.capability = CAP_URLAUTH,
	.args = "url [SP url ...]",
	.spec = "RFC 4467 7, RFC 5593",
	.summary = "Read what URLs name that one was authorized to.",
	.ctx_size = sizeof(struct urlfetch_ctx),
	.parse = urlfetch_parse,
	.run = urlfetch_run,
	.progress = urlfetch_progress,
	.done = urlfetch_done,
};
