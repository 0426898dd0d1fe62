/*
 * input.c - from bytes to a command: framing, literals that are collected and literals that stream,
 * tag and name, state.
 *
 *     line -> COMMAND ---------------------------> core_frame_input(): parse()
 *          -> LITERAL, a word ------------------> collected, goes on with the line behind it
 *          -> LITERAL, offered to literal() ----> PHASE_LITERAL: core_stream_literal() -> the line behind it
 *          -> refused --------------------------> PHASE_SKIP or PHASE_DISCARD: thrown away to the end of the command
 */
#include "session/core_int.h"

#include "io/http.h"
#include "session/core.h"

/* ---- the beginning of a command ---- */

/* Tag and name. False: a reply has been written, or (is_partial) nothing can be said yet. */
static bool
scan_name(struct session_core *k, struct imap_scan *in, struct str *tag_out,
    const struct imap_command **entry_out, bool *is_uid_out)
{
	const struct imap_command *entry;
	bool is_uid = false;
	struct str tag, name;

	if (!imap_scan_tag(in, &tag) || !imap_scan_sp(in)) {
		core_reply_bad(k, STR("*"), STR("Expected a tag, a space and a command."));
		return false;
	}
	if (!imap_scan_atom(in, &name)) {
		core_reply_bad(k, tag, STR("Expected a command after the tag."));
		return false;
	}
	if (str_eq_nocase(name, STR("UID"))) {
		is_uid = true;
		if (!imap_scan_sp(in) || !imap_scan_atom(in, &name)) {
			core_reply_bad(k, tag, STR("Expected a command after UID."));
			return false;
		}
	}
	entry = imap_command_find(name);
	if (entry == NULL && k->s.account == NULL && http_is_method(tag)) {
		k->end_reason = "HTTP";
		session_bye(&k->s, STR_NONE, STR("This is no web server."));
		return false;
	}
	if (entry == NULL || (is_uid && !entry->uid)) {
		core_reply_bad(k, tag,
		    entry == NULL ? STR("Unknown command.") : STR("This command has no UID form."));
		return false;
	}
	*tag_out = tag;
	*entry_out = entry;
	*is_uid_out = is_uid;
	return true;
}

static unsigned
state_of(const struct session *s)
{
	return s->account == NULL ? IN_NOT_AUTHENTICATED
	    : s->view == NULL     ? IN_AUTHENTICATED
				  : IN_SELECTED;
}

static struct str
wrong_state_text(const struct session *s, const struct imap_command *entry)
{
	if (s->account == NULL)
		return STR("Log in first.");
	if ((entry->states & IN_LOGGED_IN) == 0)
		return STR("You are logged in already.");
	if (entry->states == IN_SELECTED)
		return STR("Select a mailbox first.");
	return STR("Not allowed while a mailbox is selected.");
}

/*
 * Makes k->cmd from the words at hand, which stay valid in the command's arena. False: refused,
 * reply written.
 */
static bool
command_begin(struct session_core *k, struct imap_scan *in)
{
	const struct imap_command *entry;
	struct str tag;
	bool is_uid;

	if (!scan_name(k, in, &tag, &entry, &is_uid))
		return false;
	k->command_count++;
	if ((entry->states & state_of(&k->s)) == 0) {
		core_reply_bad(k, tag, wrong_state_text(&k->s, entry));
		return false;
	}
	k->cmd = (struct command){ .entry = entry,
		.tag = arena_str(&k->arena, tag),
		.is_uid = is_uid,
		.arena = &k->arena };
	k->cmd.ctx = entry->ctx_size == 0 ? NULL : arena_zalloc(&k->arena, 1, entry->ctx_size);
	k->has_cmd = true;
	/* The space before the arguments; a command without any has none. */
	if (!imap_scan_is_end(in) && (!imap_scan_sp(in) || imap_scan_is_end(in))) {
		core_reply_bad(k, k->cmd.tag,
		    STR("Expected a space and arguments, or nothing, after the command."));
		return false;
	}
	return true;
}

static void
init_scan(struct session_core *k, struct imap_scan *in, struct str text)
{
	imap_scan_init(in, &k->arena, text,
	    (k->s.enabled & (ENABLED_UTF8 | ENABLED_IMAP4REV2)) != 0);
}

static void
parse_failed(struct session_core *k, const struct imap_scan *in, enum err e)
{
	if (e == ERR_SYNTAX && k->cmd.text.p == NULL && k->s.language > LANGUAGE_ENGLISH) {
		/* What was expected is said in English only. */
		k->cmd.text = language_format(&k->arena, k->s.language,
		    STR("Syntax error at byte %s of the command."),
		    arena_printf(&k->arena, "%zu", in->error_at + 1));
	} else if (e == ERR_SYNTAX && k->cmd.text.p == NULL) {
		BUF_CLEAN struct buf b = BUF_MAX(1024);

		imap_scan_error(in, &b);
		k->cmd.text = arena_str(&k->arena, buf_str(&b));
	}
	k->result = e;
}

/* What forbids a command that has the right state. */
static enum err
command_check(struct session *s, const struct command *c)
{
	const struct imap_command *entry = c->entry;

	if ((entry->flags & USES_SEQS) != 0 && !c->is_uid && (s->enabled & ENABLED_UIDONLY) != 0)
		return ERR_UIDREQUIRED;
	if ((entry->flags & WRITES) != 0)
		session_check_rights(s);
	if ((entry->flags & (WRITES | JUDGES)) == WRITES && s->view != NULL
	    && view_is_read_only(s->view))
		return ERR_READONLY;
	if (s->view != NULL && !view_is_gone(s->view)
	    && (s->rights & entry->rights) != entry->rights)
		return ERR_NOPERM;
	return ERR_OK;
}

/* The whole command (or, after streamed literals, the rest of it) is there. */
static void
command_framed(struct session_core *k, struct str text)
{
	struct imap_scan in;
	enum err e;

	text = arena_str(&k->arena, text);
	init_scan(k, &in, text);
	/*
	 * Words before the first streamed literal begin with tag and name, also when they were
	 * looked at before.
	 */
	if (!k->was_parsed && !command_begin(k, &in)) {
		core_command_clear(k);
		return;
	}
	e = command_check(&k->s, &k->cmd);
	if (e == ERR_OK) {
		k->was_parsed = true;
		e = k->cmd.entry->parse(&k->s, &k->cmd, &in);
	}
	k->phase = PHASE_RUN;
	if (e != ERR_OK) {
		parse_failed(k, &in, e);
		k->phase = PHASE_TELL;
	}
}

/* ---- literals ---- */

/*
 * A literal can't be taken: the command has failed with e, and what was announced without waiting
 * is thrown away.
 */
static void
refuse_literal(struct session_core *k, const struct imap_frame *frame, enum err e)
{
	k->result = e;
	if (frame->is_sync) {
		stream_consume(k->s.stream, frame->length);
		imap_framer_reset(&k->framer);
		k->phase = k->has_cmd ? PHASE_TELL : PHASE_IDLE;
		return;
	}
	if (frame->literal_size == UINT64_MAX) {
		k->end_reason = "impossible literal";
		session_bye(&k->s, STR("CLIENTBUG"), STR("No literal can have this size."));
		return;
	}
	imap_framer_discard(&k->framer);
	k->phase = PHASE_DISCARD;
}

static void
begin_streaming(struct session_core *k, const struct imap_frame *frame)
{
	stream_consume(k->s.stream, frame->length);
	imap_framer_reset(&k->framer);
	k->literal_left = frame->literal_size;
	k->phase = PHASE_LITERAL;
	if (frame->is_sync)
		reply_continue(&k->out, "Go ahead.");
}

/* Asks a command that streams what it makes of a literal: ERR_EXISTS when it wants it as a word. */
static enum err
offer_literal(struct session_core *k, struct str text, const struct imap_frame *frame)
{
	const struct imap_literal lit = { .size = frame->literal_size,
		.is_sync = frame->is_sync,
		.is_binary = frame->is_binary };
	struct imap_scan in;
	enum err e;

	init_scan(k, &in, arena_str(&k->arena, text));
	/*
	 * Words before the first streamed literal begin with tag and name each time they are looked
	 * at.
	 */
	if (!k->was_parsed) {
		k->has_cmd = false;
		if (!command_begin(k, &in))
			return ERR_END;
	}
	e = k->was_parsed ? ERR_OK : command_check(&k->s, &k->cmd);
	if (e == ERR_OK)
		e = k->cmd.entry->literal(&k->s, &k->cmd, &in, lit);
	if (e == ERR_OK)
		k->was_parsed = true;
	else if (e != ERR_EXISTS && e != ERR_WAIT)
		parse_failed(k, &in, e);
	return e;
}

/* True when the command that begins here takes literals as streams. */
static bool
is_streaming_command(struct session_core *k, struct str text)
{
	const struct imap_command *entry;
	struct imap_scan in;
	struct str tag, name;

	if (k->has_cmd)
		return (k->cmd.entry->flags & STREAMS) != 0;
	init_scan(k, &in, text);
	if (!imap_scan_tag(&in, &tag) || !imap_scan_sp(&in) || !imap_scan_atom(&in, &name))
		return false;
	if (str_eq_nocase(name, STR("UID")) && (!imap_scan_sp(&in) || !imap_scan_atom(&in, &name)))
		return false;
	entry = imap_command_find(name);
	return entry != NULL && (entry->flags & STREAMS) != 0
	    && (entry->states & state_of(&k->s)) != 0;
}

/* False: the command waits, and is asked again. */
static bool
literal_framed(struct session_core *k, struct str input, const struct imap_frame *frame)
{
	struct str text = str_sub(input, 0, frame->text_length);

	k->had_literal = true;
	if (is_streaming_command(k, text)) {
		enum err e = offer_literal(k, text, frame);

		if (e == ERR_OK) {
			begin_streaming(k, frame);
			return true;
		}
		if (e == ERR_WAIT)
			return false;
		if (e == ERR_END) {
			/* The reply is written; the literal must go all the same. */
			core_command_clear(k);
			refuse_literal(k, frame, ERR_END);
			return true;
		}
		if (e != ERR_EXISTS) {
			refuse_literal(k, frame, k->result);
			return true;
		}
	}
	if (frame->is_over) {
		struct imap_scan in;

		init_scan(k, &in, arena_str(&k->arena, text));
		if (!k->has_cmd && !command_begin(k, &in)) {
			core_command_clear(k);
			refuse_literal(k, frame, ERR_END);
			return true;
		}
		k->cmd.text = STR("The literal is too long.");
		k->cmd.code = str_c(k->cmd.entry->literal_code);
		refuse_literal(k, frame, ERR_LIMIT);
		return true;
	}
	imap_framer_take(&k->framer);
	if (frame->is_sync)
		reply_continue(&k->out, "Go ahead.");
	return true;
}

/* Feeds what has come of a literal to the command. False: wait for more. */
bool
core_stream_literal(struct session_core *k)
{
	struct str input = stream_input(k->s.stream);
	struct str data = str_sub(input, 0, (size_t)MIN(k->literal_left, (uint64_t)input.n));
	enum err e = ERR_OK;

	if (k->literal_left > 0) {
		size_t taken = data.n;

		if (data.n == 0)
			return false;
		if (k->phase == PHASE_LITERAL)
			e = k->cmd.entry->literal_data(&k->s, &k->cmd, data, &taken);
		if (e == ERR_WAIT)
			return false;
		if (e != ERR_OK) {
			k->result = e;
			k->phase = PHASE_SKIP;
			taken = data.n;
		}
		k->literal_left -= taken;
		stream_consume(k->s.stream, taken);
		if (k->literal_left > 0)
			return true;
	}
	if (k->phase == PHASE_LITERAL)
		e = k->cmd.entry->literal_end(&k->s, &k->cmd);
	if (e == ERR_WAIT)
		return false;
	if (k->phase == PHASE_SKIP || e != ERR_OK) {
		if (k->phase == PHASE_LITERAL)
			k->result = e;
		imap_framer_discard(&k->framer);
		k->phase = PHASE_DISCARD;
		return true;
	}
	k->phase = PHASE_IDLE;
	return true;
}

/* ---- input ---- */

static void
line_too_long(struct session_core *k, struct str input)
{
	struct imap_scan in;
	struct str tag;

	if (!k->has_cmd) {
		init_scan(k, &in, str_sub(input, 0, 64));
		if (!imap_scan_tag(&in, &tag))
			tag = STR("*");
		core_reply_bad(k, tag, STR("The command is too long."));
		k->result = ERR_END;
	} else {
		k->cmd.text = STR("The command is too long.");
		k->result = ERR_LIMIT;
	}
	imap_framer_discard(&k->framer);
	k->phase = PHASE_DISCARD;
}

/* Takes the next step with the input. False: nothing to do before more comes. */
bool
core_frame_input(struct session_core *k)
{
	struct str input = stream_input(k->s.stream);
	struct imap_framer before = k->framer;
	struct imap_frame frame;

	if (input.n == 0)
		return false;
	frame = imap_framer_next(&k->framer, input);
	switch (frame.kind) {
	case IMAP_FRAME_MORE:
		return false;
	case IMAP_FRAME_TOO_LONG:
		line_too_long(k, input);
		return true;
	case IMAP_FRAME_DROP:
		stream_consume(k->s.stream, frame.length);
		return true;
	case IMAP_FRAME_LITERAL:
		if (literal_framed(k, input, &frame))
			return true;
		k->framer = before;
		return false;
	case IMAP_FRAME_COMMAND:
		break;
	}
	if (k->phase == PHASE_DISCARD) {
		k->phase = k->has_cmd ? PHASE_TELL : PHASE_IDLE;
	} else if (frame.text_length == 0 && !k->has_cmd && k->had_literal) {
		k->had_literal = false; /* some clients end a message with a line end too many */
	} else {
		command_framed(k, str_sub(input, 0, frame.text_length));
	}
	stream_consume(k->s.stream, frame.length);
	imap_framer_reset(&k->framer);
	return true;
}

bool
session_take_line(struct session *s, struct str *line_out)
{
	struct session_core *k = s->core;
	struct str input = stream_input(s->stream);
	struct imap_framer lines = { .limits = { .line_max = SESSION_LINE_MAX,
					 .command_max = SESSION_LINE_MAX } };
	struct imap_frame frame = { .kind = IMAP_FRAME_MORE };

	k->wants_line = true;
	if (s->account == NULL)
		stream_set_input_max(s->stream, SESSION_LINE_MAX + 2);
	if (input.n > 0)
		frame = imap_framer_next_line(&lines, input);
	if (frame.kind == IMAP_FRAME_TOO_LONG) {
		k->end_reason = "line too long";
		session_bye(s, STR("CLIENTBUG"), STR("The line is too long."));
		return false;
	}
	if (frame.kind != IMAP_FRAME_COMMAND)
		return false;
	*line_out = arena_str(&k->arena, str_sub(input, 0, frame.text_length));
	stream_consume(s->stream, frame.length);
	k->wants_line = false;
	return true;
}
