/*
 * core.c - see core.h: running, waiting, replying, and a session's life. Commands are made of bytes
 * in input.c.
 */
#include "session/core.h"

#include "base/log.h"
#include "session/foreign.h"
#include "session/input.h"
#include "session/metadata.h"
#include "session/notify.h"
#include "session/server.h"
#include "session/urlauth.h"

#include <stdlib.h>

/* Limits of a command before and after login. */
static const struct imap_framer_limits limits_before = { .line_max = 8192,
	.literal_max = 1024,
	.command_max = 10240 };
static const struct imap_framer_limits limits_after = { .line_max = 65536,
	.literal_max = 65536,
	.command_max = 262144 };

enum {
	TURN_MAX_US = 1000,
	SHARE_MAX_US = 300,
	OUT_MAX = 64 * 1024 * 1024,
	OUT_KEEP = 4096,
	/* Buffers of 64 KiB serve again and again; larger ones come from the system each time. */
	OUT_PIECE = 48 * 1024,
};

static struct session_core *
core_of(struct session *s)
{
	return s->core;
}

/* ---- replies ---- */

/* Words are translated here, wherever they come from. */
static void
write_status(struct session_core *k, struct str tag, const char *condition, struct str code,
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
	write_status(k, tag, conditions[err_reply(e)], code, text);
}

static void
note_bad(struct session_core *k)
{
	if (++k->bad_count < server_limits(k->s.server)->bad_commands_max)
		return;
	k->end_reason = "too many bad commands";
	session_bye(&k->s, STR("CLIENTBUG"), STR("Too many bad commands."));
}

/* Refuses what could not become a command: a bad tag, an unknown name. */
void
core_reply_bad(struct session_core *k, struct str tag, struct str text)
{
	reply_tagged(k, tag, ERR_SYNTAX, STR_NONE, text);
	note_bad(k);
}

/* ---- the end of a command ---- */

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

static void
command_reply(struct session_core *k)
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

/* ---- going on ---- */

/*
 * What is pipelined behind uses sequence numbers: then EXPUNGE now would make them mean other
 * messages (RFC 9051 5.5).
 */
static bool
is_seq_user_next(struct session_core *k)
{
	struct str input = stream_input(k->s.stream);
	const struct imap_command *entry;
	struct imap_scan in;
	struct str tag, name;
	struct arena scratch = ARENA_NONE;
	bool is_user = false;

	if (input.n == 0)
		return false;
	imap_scan_init(&in, &scratch, str_sub(input, 0, 128), false);
	if (imap_scan_tag(&in, &tag) && imap_scan_sp(&in) && imap_scan_atom(&in, &name)) {
		entry = imap_command_find(name);
		is_user = entry != NULL && (entry->flags & USES_SEQS) != 0;
	}
	arena_done(&scratch);
	return is_user;
}

static enum view_tell
may_tell(struct session_core *k)
{
	unsigned flags = k->cmd.entry->flags;

	if ((flags & USES_SEQS) != 0 && !k->cmd.is_uid)
		return (flags & BREAKS_SEQS) != 0 ? TELL_ALL : TELL_NO_EXPUNGE;
	/* EXPUNGE and CLOSE must tell what they did; others can leave it for later. */
	if ((flags & BREAKS_SEQS) == 0 && is_seq_user_next(k))
		return TELL_NO_EXPUNGE;
	return TELL_ALL;
}

/* False: the command waits. */
static bool
run_command(struct session_core *k)
{
	enum err e;

	k->wants_output = k->wants_line = false;
	if (k->phase == PHASE_RUN) {
		e = k->cmd.entry->run(&k->s, &k->cmd);
		if (e == ERR_WAIT) {
			core_progress_begin(k);
			return false;
		}
		if ((k->cmd.entry->flags & CHANGES) != 0)
			session_saw_latest(&k->s);
		k->result = e;
		/*
		 * What the command has begun to tell is told to its end: half of it would leave the
		 * client with wrong numbers.
		 */
		k->phase = PHASE_TELL;
	}
	if (k->s.view != NULL && (k->cmd.entry->flags & NO_TELL) == 0 && !k->s.is_closing) {
		e = session_tell(&k->s, may_tell(k));
		if (e == ERR_WAIT)
			return false;
		if (e != ERR_OK && k->result == ERR_OK)
			k->result = e;
		tell_held_back(&k->s);
	}
	if ((k->cmd.entry->flags & NO_TELL) == 0 && !k->s.is_closing) {
		metadata_tell(&k->s);
		urlauth_tell(&k->s);
		if (notify_tell(&k->s) == ERR_WAIT)
			return false;
	}
	command_reply(k);
	return true;
}

/* What NOTIFY asked for, between two commands. False: it waits. */
static bool
tell_news(struct session_core *k)
{
	struct session *s = &k->s;
	enum err e = ERR_OK;

	k->wants_output = false;
	if (s->view != NULL && notify_selected_events(s) != 0)
		e = session_tell(s,
		    notify_tells_expunge(s) && !is_seq_user_next(k) ? TELL_ALL : TELL_NO_EXPUNGE);
	if (e == ERR_OK)
		e = notify_tell(s);
	if (e == ERR_WAIT)
		return false;
	if (e != ERR_OK) {
		log_event(LOG_ERROR, "notify-failed", F_U64("session", s->id),
		    F_STR("user", s->user), F_ERR(e));
		core_tell_reset(k);
		notify_overflow(s);
	}
	waiter_cancel(&k->waiter);
	k->phase = PHASE_IDLE;
	return true;
}

/* False: there is nothing to do before more comes. */
static bool
between_commands(struct session_core *k)
{
	if (core_frame_input(k))
		return true;
	if (k->has_cmd || !notify_has_news(&k->s))
		return false;
	k->phase = PHASE_NEWS;
	return true;
}

static bool
step(struct session_core *k)
{
	switch (k->phase) {
	case PHASE_IDLE:
		return between_commands(k);
	case PHASE_NEWS:
		return tell_news(k);
	case PHASE_DISCARD:
		return core_frame_input(k);
	case PHASE_LITERAL:
	case PHASE_SKIP:
		return core_stream_literal(k);
	case PHASE_RUN:
	case PHASE_TELL:
		return run_command(k);
	}
	return false;
}

void
core_flush(struct session_core *k)
{
	if (k->out.n == 0)
		return;
	if (k->out.n <= OUT_KEEP) {
		stream_write(k->s.stream, buf_str(&k->out));
		buf_clear(&k->out);
	} else {
		stream_write_buf(k->s.stream, &k->out);
		k->out.max = OUT_MAX;
	}
}

/* Frees what an idle session does not need. */
static void
rest(struct session_core *k)
{
	if (k->out.n == 0)
		buf_done(&k->out);
}

static void core_go_on(struct session_core *k);

/* Notes what this turn took. */
static void
turn_end(struct session_core *k)
{
	struct clock *c = loop_clock(k->loop);
	int64_t now_us = c->mono_us(c), spent_us = now_us - k->turn_began_us;

	if (k->has_cmd)
		k->command_us += spent_us;
	if (k->s.account != NULL)
		loop_share_spend(k->loop, account_id(k->s.account).v, now_us, spent_us);
}

void
core_continue(struct session_core *k)
{
	struct session *s = &k->s;
	bool goes_on = false;

	if (k->is_inside)
		return;
	k->is_inside = true;
	k->wants_output = false;
	k->turn_began_us = loop_clock(k->loop)->mono_us(loop_clock(k->loop));
	while (!s->is_closing && !session_is_full(s) && step(k)) {
		if (session_should_yield(s)) {
			goes_on = true;
			core_go_on(k);
			break;
		}
	}
	if (session_is_full(s))
		k->wants_output = goes_on = true;
	core_flush(k);
	turn_end(k);
	k->is_inside = k->is_share = false;
	if (k->wants_output)
		notify_count_changes(s);
	if (stream_is_eof(s->stream) && !goes_on && !s->is_closing
	    && (k->phase == PHASE_IDLE || k->phase == PHASE_LITERAL || k->phase == PHASE_SKIP
		|| k->phase == PHASE_DISCARD || k->wants_line)) {
		k->end_reason = "the client went away";
		s->is_closing = true;
		stream_close(s->stream);
	}
	rest(k);
}

/*
 * Goes on, now or in a turn to come. A command that has had a turn and an account that has had more
 * than its part of the loop go on in shares, with the accounts in rotation; so the others' short
 * commands wait for one of its turns at most, however many sessions it has.
 */
static void
core_go_on(struct session_core *k)
{
	struct clock *c = loop_clock(k->loop);
	struct account *a = k->s.account;

	if (a != NULL
	    && (k->is_inside || k->command_us >= TURN_MAX_US || k->share.item.is_queued
		|| loop_share_is_due(k->loop, account_id(a).v, c->mono_us(c))))
		loop_share_post(k->loop, &k->share, account_id(a).v);
	else if (k->is_inside)
		loop_post(k->loop, &k->wake_task);
	else
		core_continue(k);
}

void
core_news(struct session_core *k)
{
	bool is_free = (k->phase == PHASE_IDLE && !k->has_cmd) || k->is_idling;

	if (k->s.is_closing)
		return;
	if (k->wants_output)
		notify_late(&k->s);
	else if (is_free)
		core_go_on(k);
	/* else told at the end of what is going on */
}

static void
share(struct loop_share *s)
{
	struct session_core *k = container_of(s, struct session_core, share);

	k->is_share = true;
	core_continue(k);
}

static void
woken(struct waiter *w)
{
	struct session_core *k = container_of(w, struct session_core, waiter);

	loop_post(k->loop, &k->wake_task);
}

static void
wake_task(struct loop_task *t)
{
	core_go_on(container_of(t, struct session_core, wake_task));
}

void
session_wake(struct session *s)
{
	struct session_core *k = core_of(s);

	loop_post(k->loop, &k->wake_task);
}

/* ---- what commands call ---- */

void
session_pass_on(struct session *s)
{
	struct session_core *k = core_of(s);

	if (k->out.n >= OUT_PIECE)
		core_flush(k);
}

struct buf *
session_out(struct session *s)
{
	return &core_of(s)->out;
}

static void
release_bytes(void *bytes)
{
	kv_bytes_unref(bytes);
}

void
session_send(struct session *s, struct kv_bytes *bytes, struct str data)
{
	struct session_core *k = core_of(s);

	/* Short pieces cost less copied than as a segment of their own. */
	if (data.n <= 1024) {
		buf_str_add(&k->out, data);
		kv_bytes_unref(bytes);
		return;
	}
	core_flush(k);
	stream_write_ref(s->stream, data, release_bytes, bytes);
}

bool
session_is_full(struct session *s)
{
	return core_of(s)->out.n + stream_output_bytes(s->stream) >= STREAM_OUTPUT_HIGH;
}

enum err
session_wait_output(struct session *s)
{
	core_of(s)->wants_output = true;
	return ERR_WAIT;
}

enum err
session_yield(struct session *s)
{
	core_go_on(core_of(s));
	return ERR_WAIT;
}

bool
session_should_yield(struct session *s)
{
	struct session_core *k = core_of(s);
	struct clock *c = loop_clock(k->loop);

	return c->mono_us(c) - k->turn_began_us > (k->is_share ? SHARE_MAX_US : TURN_MAX_US);
}

struct waiter *
session_waiter(struct session *s)
{
	return &core_of(s)->waiter;
}

enum reply_form
session_form(const struct session *s)
{
	return (s->enabled & (ENABLED_UTF8 | ENABLED_IMAP4REV2)) != 0 ? REPLY_UTF8 : REPLY_ASCII;
}

struct snapshot *
session_snapshot(struct session *s)
{
	struct snapshot *now = account_snapshot(s->account, s->own);

	/* Once the durable version has passed our own, there is nothing to remember. */
	if (s->own != NULL && now != s->own) {
		snapshot_unref(s->own);
		s->own = NULL;
	}
	return now;
}

struct snapshot *
session_snapshot_of(struct session *s, struct account *a)
{
	return a == s->account ? session_snapshot(s) : foreign_snapshot(s, a);
}

/* Nothing written from here on leaves before that version is durable. */
static void
wait_for(struct session *s, struct snapshot *after)
{
	core_gate(core_of(s), snapshot_account(after), snapshot_version(after));
	if (snapshot_account(after) != s->account) {
		foreign_committed(s, after);
		return;
	}
	if (s->own != NULL)
		snapshot_unref(s->own);
	s->own = after;
}

void
session_committed(struct session *s, struct snapshot *after)
{
	if (after == NULL)
		return;
	notify_committed(s, after);
	wait_for(s, after);
}

void
session_committed_if(struct session *s, struct snapshot *after, const struct mailbox_info *mailbox)
{
	if (mailbox != NULL && mailbox->version == snapshot_version(after))
		notify_committed(s, after);
	wait_for(s, after);
}

static void
saw_latest_of(struct session *s, struct account *a)
{
	struct snapshot *latest = account_pending(a);

	/* Our own last commit has its gate already. */
	if (latest != NULL && s->own != NULL && snapshot_account(latest) == s->account
	    && snapshot_version(s->own) == snapshot_version(latest))
		snapshot_unref(latest);
	else if (latest != NULL)
		wait_for(s, latest);
}

void
session_saw_latest(struct session *s)
{
	if (s->account != NULL)
		saw_latest_of(s, s->account);
	if (s->view != NULL && view_account(s->view) != s->account)
		saw_latest_of(s, view_account(s->view));
}

/* The operator's tool exports whole mailboxes. */
uint32_t
session_message_limit(const struct session *s)
{
	return s->is_operator ? 0 : server_limits(s->server)->message_max;
}

uint32_t
session_save_limit(const struct session *s)
{
	const struct server_limits *l = server_limits(s->server);

	if (s->is_operator)
		return 0;
	return l->message_max != 0 ? l->message_max : l->save_max;
}

uint64_t
session_append_limit(const struct session *s)
{
	return server_limits(s->server)->append_max_bytes;
}

void
session_untagged(struct session *s, const char *condition, struct str code, struct str text)
{
	write_status(core_of(s), STR("*"), condition, code, text);
}

void
session_bye(struct session *s, struct str code, struct str text)
{
	struct session_core *k = core_of(s);

	if (s->is_closing)
		return;
	session_untagged(s, "BYE", code, text);
	core_flush(k);
	s->is_closing = true;
	stream_close(s->stream);
}

bool
session_is_secure(const struct session *s)
{
	return stream_ssl(s->stream) != NULL || io_addr_is_local(&s->core->peer);
}

bool
session_may_send_password(const struct session *s)
{
	switch (server_options(s->server)->cleartext) {
	case SERVER_CLEARTEXT_LOCAL:
		return session_is_secure(s);
	case SERVER_CLEARTEXT_ALWAYS:
		return true;
	case SERVER_CLEARTEXT_NEVER:
		break;
	}
	return stream_ssl(s->stream) != NULL;
}

void
session_end(struct session *s, const char *reason)
{
	if (s->is_closing)
		return;
	s->core->end_reason = reason;
	core_flush(s->core);
	s->is_closing = true;
	stream_close(s->stream);
}

void
session_forget_client_id(struct session *s)
{
	free((char *)s->core->client_id.p);
	s->core->client_id = STR_NONE;
}

void
session_logged_in(struct session *s, struct str user, struct account *account)
{
	struct session_core *k = core_of(s);

	s->user = str_make(xstrdup(user), user.n);
	s->account = account;
	imap_framer_init(&k->framer, &limits_after);
	stream_set_owner(s->stream, account_id(account).v);
	stream_set_secret(s->stream, false);
	stream_set_input_max(s->stream, limits_after.command_max + limits_after.line_max);
	k->last_input_ms = loop_now_ms(k->loop);
	loop_timer_set(k->loop, &k->timer,
	    MIN(server_limits(s->server)->keepalive_ms, server_limits(s->server)->idle_timeout_ms));
	server_session_changed(s->server, k);
}

/* Lets go of all that the session has of its account, the selected mailbox first. */
static void
account_leave(struct session *s)
{
	session_select(s, NULL, 0);
	if (s->own != NULL)
		snapshot_unref(s->own);
	s->own = NULL;
	notify_install(s, NULL);
	foreign_free(s);
	metadata_free(s);
	if (s->account != NULL)
		account_unref(s->account);
	s->account = NULL;
	free((char *)s->user.p);
	s->user = STR_NONE;
}

void
session_logged_out(struct session *s)
{
	struct session_core *k = core_of(s);

	account_leave(s);
	s->is_operator = false;
	s->enabled = 0;
	s->collation = COLLATION_UNICODE_CASEMAP;
	s->language = LANGUAGE_DEFAULT;
	stream_set_owner(s->stream, 0);
	stream_end_deflate(s->stream);
	imap_framer_init(&k->framer, &limits_before);
	stream_set_secret(s->stream, true); /* passwords may come again */
	stream_set_input_max(s->stream, limits_before.command_max + 1024);
	k->last_input_ms = loop_now_ms(k->loop);
	loop_timer_set(k->loop, &k->timer, server_limits(s->server)->login_timeout_ms);
	server_session_changed(s->server, k);
}

/* ---- life ---- */

static void
readable(unused_arg struct stream *stream, void *ctx)
{
	struct session_core *k = ctx;

	k->last_input_ms = loop_now_ms(k->loop);
	/*
	 * A command that waits for something else must not be run again for input that it does not
	 * want.
	 */
	if ((k->phase == PHASE_RUN || k->phase == PHASE_TELL || k->phase == PHASE_NEWS)
	    && !k->wants_line)
		return;
	core_go_on(k);
}

static void
drained(unused_arg struct stream *stream, void *ctx)
{
	struct session_core *k = ctx;

	notify_is_read(&k->s);
	if (k->wants_output)
		core_go_on(k);
}

static void
gate_failed(unused_arg struct stream *stream, void *ctx)
{
	struct session_core *k = ctx;

	k->end_reason = "a change could not be stored";
	buf_clear(&k->out);
	session_bye(&k->s, STR("UNAVAILABLE"),
	    STR("A change could not be stored; nothing of it is done."));
}

static void
greet(struct session_core *k)
{
	BUF_CLEAN struct buf code = BUF_MAX(4096);
	struct session *s = &k->s;

	buf_lit(&code, "CAPABILITY ");
	capability_format(s, &code);
	session_untagged(s, s->account != NULL ? "PREAUTH" : "OK", buf_str(&code),
	    STR("Posthorn ready."));
	core_flush(k);
}

static void
secured(unused_arg struct stream *stream, void *ctx)
{
	struct session_core *k = ctx;

	if (k->is_tls_implicit && k->command_count == 0
	    && !server_takes_in(k->s.server, k)) /* else it is not ours any more */
		greet(k);
}

/* Its first task on the loop that it stays on. */
static void
arrived(struct loop_task *t)
{
	struct session_core *k = container_of(t, struct session_core, wake_task);

	loop_task_init(&k->wake_task, wake_task);
	loop_timer_set(k->loop, &k->timer, k->timer.due_ms - loop_now_ms(k->loop));
	stream_enter(k->s.stream, k->loop);
	greet(k);
	server_session_arrived(k->s.server, k);
}

void
session_move(struct session *s, struct loop *loop)
{
	struct session_core *k = core_of(s);

	must(k->phase == PHASE_IDLE && !k->has_cmd && k->out.n == 0);
	stream_leave(s->stream);
	loop_timer_cancel(k->loop, &k->timer);
	loop_task_cancel(k->loop, &k->wake_task);
	loop_task_init(&k->wake_task, arrived);
	k->loop = loop;
	loop_post(loop, &k->wake_task);
}

static void
closed(unused_arg struct stream *stream, void *ctx, enum err why)
{
	struct session_core *k = ctx;

	if (k->end_reason == NULL)
		k->end_reason = why == ERR_OK ? "logout"
		    : why == ERR_TLS          ? "TLS failed"
					      : "the client went away";
	session_free(&k->s);
}

static const struct stream_ops ops = {
	.readable = readable,
	.drained = drained,
	.gate_failed = gate_failed,
	.secured = secured,
	.closed = closed,
};

/*
 * Login took too long, the client is silent for too long, or an idling client is shown that we
 * live.
 */
static void
timer_fired(struct loop_timer *t)
{
	struct session_core *k = container_of(t, struct session_core, timer);
	const struct server_limits *l = server_limits(k->s.server);
	int64_t silent_ms = loop_now_ms(k->loop) - k->last_input_ms;

	if (k->s.is_closing)
		return;
	if (k->s.account == NULL || silent_ms >= l->idle_timeout_ms) {
		k->end_reason = k->s.account == NULL ? "no login in time" : "inactive for too long";
		session_bye(&k->s, STR_NONE,
		    k->s.account == NULL ? STR("You took too long to log in.")
					 : STR("You were inactive for too long."));
		return;
	}
	/* Routers forget silent connections; a line every few minutes keeps them. */
	if (k->is_idling && stream_output_bytes(k->s.stream) == 0) {
		session_untagged(&k->s, "OK", STR_NONE, STR("Still here."));
		core_flush(k);
		rest(k);
	}
	loop_timer_set(k->loop, &k->timer,
	    MAX(1, MIN(l->keepalive_ms, l->idle_timeout_ms - silent_ms)));
}

static struct session_core *
make(struct server *server, struct loop *loop, int fd, const struct io_addr *peer)
{
	struct session_core *k = xcalloc(1, sizeof(*k));

	k->s.server = server;
	k->s.core = k;
	k->loop = loop;
	k->out = BUF_MAX(OUT_MAX);
	k->peer = *peer;
	k->last_input_ms = loop_now_ms(loop);
	k->started_ms = loop_clock(loop)->wall_ms(loop_clock(loop));
	list_init(&k->in_server);
	imap_framer_init(&k->framer, &limits_before);
	waiter_init(&k->waiter, woken);
	loop_task_init(&k->wake_task, wake_task);
	loop_share_init(&k->share, share);
	loop_timer_init(&k->timer, timer_fired);
	core_progress_init(k);
	core_gate_init(k);
	k->s.stream = stream_new(loop, fd, &ops, k);
	k->arena = ARENA_SECRET; /* passwords, until one was right */
	stream_set_secret(k->s.stream, true);
	stream_set_input_max(k->s.stream, limits_before.command_max + 1024);
	loop_timer_set(loop, &k->timer, server_limits(server)->login_timeout_ms);
	return k;
}

struct session *
session_new(struct server *server, struct loop *loop, int fd, const struct io_addr *peer,
    struct tls *tls)
{
	struct session_core *k = make(server, loop, fd, peer);

	if (tls == NULL) {
		greet(k);
		return &k->s;
	}
	k->is_tls_implicit = true;
	ignore_err(stream_start_tls(k->s.stream, tls, "imap"),
	    "nothing can be buffered on a new connection");
	return &k->s;
}

struct session *
session_new_preauth(struct server *server, struct loop *loop, int fd, struct str user,
    struct account *account)
{
	struct io_addr peer = io_addr_peer(fd);
	struct session_core *k = make(server, loop, fd, &peer);

	k->s.is_operator = true;
	session_logged_in(&k->s, user, account);
	greet(k);
	return &k->s;
}

void
session_free(struct session *s)
{
	struct session_core *k = core_of(s);

	s->is_closing = true;
	server_session_closed(s->server, k);
	core_command_clear(k);
	core_gate_done(k);
	loop_task_cancel(k->loop, &k->wake_task);
	loop_share_cancel(k->loop, &k->share);
	loop_timer_cancel(k->loop, &k->timer);
	stream_free(s->stream);
	account_leave(s);
	buf_done(&k->out);
	free((char *)k->client_id.p);
	free(k);
}
