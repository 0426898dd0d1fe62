/*
 * urlfetch.c - URLFETCH: what URLs name, for who is authorized by them (RFC 4467 7).
 *
 *     next URL -> urlauth_open() -> record --------------------> "* URLFETCH url" literal       a response each
 *                     |               +--> measure, structure -> "* URLFETCH url (BODYPARTSTRUCTURE (...)) (BINARY" literal ")"
 *                     +---------------+-----> "* URLFETCH url NIL"
 *
 * Whatever stands before the literal is written with its head, when the first bytes are at hand:
 * what can't be read is NIL.
 */
#include "session/cmd/commands.h"

#include "base/log.h"
#include "imap/urlauth.h"
#include "mime/bodystructure.h"
#include "session/cmd/fetch_measure.h"
#include "session/cmd/fetch_section.h"
#include "session/urlauth.h"

enum urlfetch_step { STEP_OPEN, STEP_LOAD, STEP_MEASURE, STEP_SEND };

struct urlfetch_ctx {
	struct imap_urlfetch args;
	size_t at;
	enum urlfetch_step step;
	bool is_parsed;
	struct imap_url url;
	struct urlauth auth;
	struct fetch_source src;
	struct fetch_measure measure;
	bool is_undecodable; /* BINARY is NIL */
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
	fetch_measure_done(&x->measure);
	fetch_source_done(&x->src);
	urlauth_done(&x->auth);
	x->is_parsed = x->is_undecodable = false;
	x->step = STEP_OPEN;
}

static unsigned
items(const struct urlfetch_ctx *x)
{
	return x->args.urls[x->at].items;
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
		log_event(LOG_INFO, "urlfetch", F_U64("session", s->id), F_STR("user", s->user),
		    F_STR("owner", account_user(x->auth.owner)),
		    F_STR("application", x->url.auth.application),
		    F_U64("mailbox_id", view_mailbox(x->auth.view)->id.v),
		    F_U64("uid", x->url.uid));
	return ERR_OK;
}

static enum err
load(struct session *s, struct urlfetch_ctx *x)
{
	uint64_t from, end;
	enum mime_encoding encoding;
	enum err e = message_get(x->src.account, x->auth.entry.msgno, MESSAGE_SUMMARY,
	    session_waiter(s), &x->src.message);

	if (e == ERR_OK)
		e = fetch_source_locate(&x->src, &x->url.section, &from, &end, &encoding);
	if (e != ERR_OK)
		return e == ERR_NOTFOUND ? ERR_BADURL : e;
	if ((items(x) & URLFETCH_BINARY) != 0)
		x->url.section.form = SECTION_BINARY;
	x->step = STEP_MEASURE;
	return ERR_OK;
}

/* ---- in the form of RFC 5524 ----------------------------------------------------------------- */

/* A form for what is no part: a message, or a header. */
static void
write_other(const struct urlfetch_ctx *x, const struct fetch_facts *facts, struct buf *out)
{
	const struct message *m = x->src.message;
	const char *encoding = facts->has_nul ? "binary" : facts->has_8bit ? "8bit" : "7bit";
	bool is_message = x->url.section.kind == SECTION_BODY;

	buf_printf(out, "(\"%s\" NIL NIL NIL \"%s\" %llu",
	    is_message ? "message\" \"rfc822" : "text\" \"rfc822-headers", encoding,
	    (unsigned long long)facts->octets);
	if (is_message)
		buf_printf(out, " %.*s %.*s", STR_F(m->envelope), STR_F(m->bodystructure));
	buf_printf(out, " %llu NIL NIL NIL NIL)", (unsigned long long)facts->lines);
}

/* BODYPARTSTRUCTURE of what is given (RFC 5524 3.2). */
static enum err
write_structure(struct urlfetch_ctx *x, const struct fetch_facts *facts, struct buf *out)
{
	const struct imap_section *sec = &x->url.section;
	struct mime_body_form form = { .octets = facts->octets, .lines = facts->lines };
	uint64_t from, end;
	enum mime_encoding encoding;
	struct str part;
	enum err e;

	if (sec->kind != SECTION_TEXT && (sec->kind != SECTION_BODY || sec->n_path == 0)) {
		write_other(x, facts, out);
		return ERR_OK;
	}
	e = mime_bodystructure_part(x->src.message->bodystructure, sec->path, sec->n_path, &part);
	if (e == ERR_OK && sec->kind == SECTION_TEXT && sec->n_path > 0)
		e = mime_bodystructure_inner(part, &part);
	if (e == ERR_OK && (x->is_undecodable || (sec->form == SECTION_RAW && !sec->has_partial))) {
		buf_str_add(out, part);
		return ERR_OK;
	}
	if (e == ERR_OK)
		e = fetch_source_locate(&x->src, sec, &from, &end, &encoding);
	if (e == ERR_OK && sec->form == SECTION_BINARY && encoding != MIME_ENC_7BIT
	    && encoding != MIME_ENC_8BIT)
		form.encoding = STR("binary");
	return e == ERR_OK ? mime_bodystructure_reform(part, &form, out) : e;
}

/* What stands before the content, as the label of its section. */
static enum err
write_label(struct session *s, struct command *c, struct urlfetch_ctx *x,
    const struct fetch_facts *facts)
{
	BUF_CLEAN struct buf label = BUF_MAX(SIZE_MAX / 2);
	enum err e = ERR_OK;

	head(s, x, &label);
	if ((items(x) & URLFETCH_BODYPARTSTRUCTURE) != 0) {
		buf_lit(&label, " (BODYPARTSTRUCTURE ");
		e = write_structure(x, facts, &label);
		buf_chr(&label, ')');
	}
	if ((items(x) & URLFETCH_BINARY) != 0)
		buf_lit(&label, " (BINARY");
	if ((items(x) & URLFETCH_BODY) != 0)
		buf_lit(&label, " (BODY");
	x->url.section.label = arena_str(c->arena, buf_str(&label));
	return e;
}

static enum err
measure(struct session *s, struct command *c, struct urlfetch_ctx *x)
{
	struct fetch_facts facts = { 0 };
	enum err e = ERR_OK;

	if ((items(x) & (URLFETCH_BINARY | URLFETCH_BODYPARTSTRUCTURE)) != 0)
		e = fetch_measure(s, &x->measure, &x->src, &x->url.section, &facts);
	x->is_undecodable = e == ERR_UNKNOWN_CTE;
	if (e == ERR_OK || x->is_undecodable)
		e = write_label(s, c, x, &facts);
	x->url.section.is_nul_free = !facts.has_nul;
	if (e == ERR_OK)
		x->step = STEP_SEND;
	return e;
}

static enum err
send(struct session *s, struct urlfetch_ctx *x)
{
	bool is_first = true, has_content = (items(x) & (URLFETCH_BINARY | URLFETCH_BODY)) != 0;

	if (x->is_undecodable || items(x) == URLFETCH_BODYPARTSTRUCTURE) {
		buf_str_add(session_out(s), x->url.section.label);
		buf_c(session_out(s), has_content ? " NIL" : "");
	} else {
		enum err e =
		    fetch_section_send(s, &x->section, &x->src, &x->url.section, &is_first);

		if (e != ERR_OK)
			return e;
	}
	if (has_content)
		buf_chr(session_out(s), ')');
	reply_end(session_out(s));
	return ERR_END;
}

/* ---- all of them ----------------------------------------------------------------------------- */

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
	case STEP_MEASURE:
		return measure(s, c, x);
	case STEP_SEND:
		return send(s, x);
	}
	return ERR_BUG;
}

/* What can't be had is NIL, and when that is the server's fault the command is NO (RFC 4467 7). */
static void
refuse(struct session *s, struct urlfetch_ctx *x, enum err e)
{
	if (e != ERR_BADURL) {
		log_event(LOG_ERROR, "urlfetch-failed", F_U64("session", s->id),
		    F_STR("user", s->user), F_ERR(e));
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
urlfetch_progress(unused_arg struct session *s, const struct command *c, uint64_t *done_out,
    uint64_t *goal_out)
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
	.args = "(url | (url [BODYPARTSTRUCTURE] [BODY | BINARY])) [SP ...]",
	.spec = "RFC 4467 7, RFC 5524, RFC 5593",
	.summary = "Read what URLs name that one was authorized to.",
	.ctx_size = sizeof(struct urlfetch_ctx),
	.parse = urlfetch_parse,
	.run = urlfetch_run,
	.progress = urlfetch_progress,
	.done = urlfetch_done,
};
