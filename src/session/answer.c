/*
 * answer.c - what a session answers with: status lines, tagged and untagged, in the client's
 * language, and the end of a command that its tagged answer is.
 */
#include "session/core_int.h"

#include "base/log.h"

/* Words are translated here, wherever they come from. */
static void
status_line(struct session_core *k, struct str tag, const char *condition, struct str code,
    struct str text)
{
	const enum language l = k->s.language;

	if (l == LANGUAGE_DEFAULT)
		reply_status(&k->out, tag, condition, code, text);
	else
		reply_status_utf8(&k->out, tag, condition, code, language_text(l, text));
}

static void
reply_tagged(struct session_core *k, struct str tag, enum err e, struct str code, struct str text)
{
	static const char *const conditions
	    [] = { [ERR_REPLY_OK] = "OK", [ERR_REPLY_NO] = "NO", [ERR_REPLY_BAD] = "BAD" };

	if (code.p == NULL)
		code = str_c(err_rcode(e));
	if (text.p == NULL)
		text = str_c(err_text(e));
	status_line(k, tag, conditions[err_reply(e)], code, text);
}

static void
note_bad(struct session_core *k)
{
	if (++k->bad_count < server_limits(k->s.server)->bad_commands_max)
		return;
	k->end_reason = "too many bad commands";
	session_bye(&k->s, STR("CLIENTBUG"), STR("Too many bad commands."));
}

void
core_reply_bad(struct session_core *k, struct str tag, struct str text)
{
	reply_tagged(k, tag, ERR_SYNTAX, STR_NONE, text);
	note_bad(k);
}

void
core_command_clear(struct session_core *k)
{
	if (k->has_cmd && k->was_parsed && k->cmd.entry->done != NULL)
		k->cmd.entry->done(&k->s, &k->cmd);
	waiter_cancel(&k->waiter);
	core_progress_end(k);
	core_tell_reset(k);
	k->has_cmd = k->was_parsed = false;
	k->wants_output = k->wants_line = false;
	k->cmd = (struct command){ 0 };
	k->command_us = 0;
	arena_reset(&k->arena);
	k->arena.is_secret = k->s.account == NULL;
	k->phase = PHASE_IDLE;
}

/*
 * What there was no room for was left (RFC 9738 3.1). Another response code has the tagged reply
 * to itself, so this one stands before it, as that section says of EXPUNGEISSUED.
 */
static void
tell_limit(struct session_core *k, struct command *c)
{
	const struct str text = STR("These were too many messages; only the last ones were done.");
	struct str code;

	if (c->limited_to == 0)
		return;
	code = c->limited_uid == 0
	    ? arena_printf(c->arena, "MESSAGELIMIT %u", c->limited_to)
	    : arena_printf(c->arena, "MESSAGELIMIT %u %u", c->limited_to, c->limited_uid);
	if (c->code.n > 0 || str_c(err_rcode(k->result)).n > 0) {
		session_untagged(&k->s, "NO", code, text);
		return;
	}
	c->code = code;
	if (c->text.p == NULL && k->result == ERR_OK)
		c->text = text;
}

static struct str
command_name(struct session_core *k)
{
	BUF_CLEAN struct buf b = BUF_MAX(1024);

	if (!k->cmd.is_uid)
		return str_c(k->cmd.entry->name);
	buf_lit(&b, "UID ");
	buf_c(&b, k->cmd.entry->name);
	return arena_str(&k->arena, buf_str(&b));
}

void
core_answer(struct session_core *k)
{
	struct str text;
	enum err e = k->result;

	tell_limit(k, &k->cmd);
	text = k->cmd.text;

	if (e == ERR_OK && text.p == NULL)
		text = language_format(&k->arena, k->s.language, STR("%s completed."),
		    command_name(k));
	if (err_reply(e) == ERR_REPLY_BAD)
		note_bad(k);
	if (err_level(e) >= LOG_ERROR)
		log_event(LOG_ERROR, "command-failed", F_U64("session", k->s.id),
		    F_STR("user", k->s.user), F_C("command", k->cmd.entry->name), F_ERR(e));
	reply_tagged(k, k->cmd.tag, e, k->cmd.code, text);
	if (e == ERR_OK && k->cmd.entry->replied != NULL) {
		core_flush(k);
		k->cmd.entry->replied(&k->s, &k->cmd);
	}
	core_command_clear(k);
}

void
session_untagged(struct session *s, const char *condition, struct str code, struct str text)
{
	status_line(s->core, STR("*"), condition, code, text);
}

void
session_bye(struct session *s, struct str code, struct str text)
{
	struct session_core *k = s->core;

	if (s->is_closing)
		return;
	session_untagged(s, "BYE", code, text);
	core_flush(k);
	s->is_closing = true;
	stream_close(s->stream);
}
