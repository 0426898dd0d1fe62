/*
 * session.c - see session.h: the connection, its commands and replies. lmtp_session_run() takes
 * what it can of the input; whatever must be waited for (a look-up, room for bytes, deliveries)
 * sets `waits` and calls it again when it is over.
 */
#include "lmtp/session_int.h"

#include "base/log.h"
#include "store/arrival.h"

#include <stdio.h>
#include <stdlib.h>

enum { INPUT_MAX = 64 * 1024, REPLIES_MAX = 16 * 1024 };

/* ---- replies --------------------------------------------------------------------------------- */

static void
replies_send(struct lmtp_session *s)
{
	stream_write(s->stream, buf_str(&s->out));
	buf_done(&s->out);
}

void
lmtp_reply(struct lmtp_session *s, const char *line)
{
	buf_c(&s->out, line);
	buf_lit(&s->out, "\r\n");
}

/* Recipients are shown as they were sent: without control characters, and short. */
void
lmtp_reply_path(struct lmtp_session *s, const char *code, struct str path, const char *text)
{
	struct buf *out = &s->out;

	buf_c(out, code);
	buf_lit(out, " <");
	buf_str_add(out, str_sub(path, 0, 256));
	buf_lit(out, "> ");
	buf_c(out, text);
	buf_lit(out, "\r\n");
}

static void
greet(struct lmtp_session *s)
{
	struct buf *out = &s->out;

	buf_lit(out, "220 ");
	buf_str_add(out, s->o->hostname);
	buf_lit(out, " LMTP Posthorn\r\n");
}

static void
session_close(struct lmtp_session *s, const char *line)
{
	if (s->mode == MODE_ENDING)
		return;
	lmtp_reply(s, line);
	replies_send(s);
	s->mode = MODE_ENDING;
	stream_close(s->stream);
}

/* A mistake of the client's; too many end the session. */
void
lmtp_refuse(struct lmtp_session *s, const char *line)
{
	if (++s->bad_commands >= s->o->bad_commands_max)
		session_close(s, "421 4.7.0 Too many errors");
	else
		lmtp_reply(s, line);
}

/* ---- commands -------------------------------------------------------------------------------- */

static void
do_lhlo(struct lmtp_session *s, const struct lmtp_command *c)
{
	struct buf *out = &s->out;

	lmtp_transaction_reset(s);
	memcpy(s->client, c->argument.p, c->argument.n);
	s->client[c->argument.n] = '\0';
	buf_lit(out, "250-");
	buf_str_add(out, s->o->hostname);
	buf_lit(out,
	    "\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250-CHUNKING\r\n250-BINARYMIME\r\n"
	    "250-SMTPUTF8\r\n");
	if (s->o->tls != NULL && stream_ssl(s->stream) == NULL)
		buf_lit(out, "250-STARTTLS\r\n");
	if (s->is_trusted)
		buf_lit(out, "250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT\r\n");
	buf_lit(out, "250 SIZE ");
	buf_u64(out, s->o->message_max_bytes);
	buf_lit(out, "\r\n");
}

static void
do_starttls(struct lmtp_session *s)
{
	if (s->o->tls == NULL) {
		lmtp_refuse(s, "502 5.5.1 Not here");
	} else if (stream_ssl(s->stream) != NULL) {
		lmtp_refuse(s, "503 5.5.1 TLS is on already");
	} else {
		lmtp_transaction_reset(s);
		s->client[0] = '\0';
		lmtp_reply(s, "220 2.0.0 Ready");
		replies_send(s);
		s->waits = WAIT_TLS;
		if (stream_start_tls(s->stream, s->o->tls, NULL) != ERR_OK)
			session_close(s, "421 4.7.0 Bytes came in behind STARTTLS");
	}
}

static void
do_xclient(struct lmtp_session *s, const struct lmtp_command *c)
{
	if (!s->is_trusted) {
		lmtp_refuse(s, "550 5.7.1 You may not");
	} else if (s->has_sender) {
		lmtp_refuse(s, "503 5.5.1 A transaction is under way");
	} else {
		if (c->xclient.addr.p != NULL)
			snprintf(s->client_address, sizeof(s->client_address), "%.*s",
			    STR_F(c->xclient.addr));
		s->client[0] = '\0';
		log_event(LOG_INFO, "lmtp-xclient", F_U64("session", s->id), F_STR("peer", s->peer),
		    F_STR("addr", c->xclient.addr), F_STR("name", c->xclient.name),
		    F_STR("helo", c->xclient.helo));
		greet(s);
	}
}

static void
do_syntax_error(struct lmtp_session *s, const struct lmtp_command *c, enum err e)
{
	if (e == ERR_UNKNOWN)
		lmtp_refuse(s, "555 5.5.4 Unknown parameter");
	else if (c->verb == LMTP_MAIL)
		lmtp_refuse(s, "501 5.1.7 Not a reverse-path and parameters");
	else if (c->verb == LMTP_RCPT)
		lmtp_refuse(s, "501 5.1.3 Not a forward-path");
	else
		lmtp_refuse(s, "501 5.5.4 Syntax error");
}

static void
command_run(struct lmtp_session *s, struct str line)
{
	struct arena a = ARENA_NONE;
	struct lmtp_command c;
	enum err e = lmtp_command_parse(&a, line, &c);

	if (e != ERR_OK) {
		do_syntax_error(s, &c, e);
		arena_done(&a);
		return;
	}
	switch (c.verb) {
	case LMTP_LHLO:
		do_lhlo(s, &c);
		break;
	case LMTP_MAIL:
		lmtp_mail(s, &c);
		break;
	case LMTP_RCPT:
		lmtp_rcpt(s, &c);
		break;
	case LMTP_DATA:
		lmtp_data_begin(s);
		break;
	case LMTP_BDAT:
		lmtp_bdat(s, &c);
		break;
	case LMTP_RSET:
		lmtp_transaction_reset(s);
		lmtp_reply(s, "250 2.0.0 OK");
		break;
	case LMTP_NOOP:
		lmtp_reply(s, "250 2.0.0 OK");
		break;
	case LMTP_QUIT:
		session_close(s, "221 2.0.0 Bye");
		break;
	case LMTP_VRFY:
		lmtp_reply(s, "252 2.5.2 Try RCPT");
		break;
	case LMTP_HELP:
		lmtp_reply(s, "214 2.0.0 RFC 2033");
		break;
	case LMTP_STARTTLS:
		do_starttls(s);
		break;
	case LMTP_XCLIENT:
		do_xclient(s, &c);
		break;
	case LMTP_HELO:
		lmtp_refuse(s, "500 5.5.1 This is LMTP: say LHLO");
		break;
	case LMTP_HTTP:
		session_close(s, "421 4.7.0 This is no web server");
		break;
	case LMTP_UNKNOWN:
		lmtp_refuse(s, "500 5.5.1 Unknown command");
		break;
	}
	arena_done(&a);
}

/* False: more input is needed. */
static bool
command_step(struct lmtp_session *s)
{
	struct str in = stream_input(s->stream), line;
	size_t end = str_chr(str_sub(in, 0, LMTP_LINE_MAX), '\n');
	char copy[LMTP_LINE_MAX];

	if (end == SIZE_MAX) {
		if (in.n < LMTP_LINE_MAX)
			return false;
		s->mode = MODE_LONG_LINE;
		return true;
	}
	line = str_sub(in, 0, end);
	if (str_ends(line, STR("\r")))
		line.n--;
	memcpy(copy, line.p, line.n);
	stream_consume(s->stream, end + 1);
	command_run(s, str_make(copy, line.n));
	return true;
}

static bool
long_line_step(struct lmtp_session *s)
{
	struct str in = stream_input(s->stream);
	size_t end = str_chr(in, '\n');

	if (in.n == 0)
		return false;
	stream_consume(s->stream, end == SIZE_MAX ? in.n : end + 1);
	if (end != SIZE_MAX) {
		s->mode = MODE_COMMAND;
		lmtp_refuse(s, "500 5.5.6 The line is too long");
	}
	return true;
}

/* ---- running --------------------------------------------------------------------------------- */

static bool
session_step(struct lmtp_session *s)
{
	switch (s->mode) {
	case MODE_COMMAND:
		return command_step(s);
	case MODE_LONG_LINE:
		return long_line_step(s);
	case MODE_DATA:
		return lmtp_data_step(s);
	case MODE_CHUNK:
		return lmtp_chunk_step(s);
	case MODE_ENDING:
		break;
	}
	return false;
}

/* As far as it goes without waiting. */
static void
session_steps(struct lmtp_session *s)
{
	while (s->waits == WAIT_NONE && s->mode != MODE_ENDING && s->out.n < REPLIES_MAX
	    && !stream_is_full(s->stream)) {
		if (s->is_stopping) {
			session_close(s, "421 4.3.2 The server is stopping");
			return;
		}
		if (session_step(s))
			continue;
		if (stream_is_eof(s->stream) && s->waits == WAIT_NONE && s->mode != MODE_ENDING) {
			replies_send(s);
			s->mode = MODE_ENDING;
			stream_close(s->stream);
		}
		return;
	}
}

void
lmtp_session_run(struct lmtp_session *s)
{
	loop_timer_set(s->shard->loop, &s->idle, s->o->idle_ms);
	session_steps(s);
	while (s->out.n >= REPLIES_MAX) {
		replies_send(s);
		session_steps(s);
	}
	/*
	 * A look-up is answered within moments, mostly from memory: what it adds goes out with the
	 * rest.
	 */
	if (s->waits != WAIT_LOOKUP)
		replies_send(s);
}

static void
on_readable(struct stream *stream unused_arg, void *ctx)
{
	lmtp_session_run(ctx);
}

static void
on_secured(struct stream *stream unused_arg, void *ctx)
{
	struct lmtp_session *s = ctx;

	if (s->waits == WAIT_TLS)
		s->waits = WAIT_NONE;
	lmtp_session_run(s);
}

static void
on_gate_failed(struct stream *stream unused_arg, void *ctx unused_arg)
{
	/* No gates here: answers are written when they are true. */
}

static void
session_free(struct lmtp_session *s)
{
	struct lmtp_shard *shard = s->shard;

	lmtp_transaction_reset(s);
	buf_done(&s->out);
	loop_timer_cancel(shard->loop, &s->idle);
	stream_free(s->stream);
	list_remove(&s->in_shard);
	free(s);
	lmtp_shard_left(shard);
}

static void
on_closed(struct stream *stream unused_arg, void *ctx, enum err why)
{
	struct lmtp_session *s = ctx;

	log_event(LOG_DEBUG, "lmtp-closed", F_U64("session", s->id), F_STR("peer", s->peer),
	    F_ERR(why));
	session_free(s);
}

static void
on_idle(struct loop_timer *t)
{
	struct lmtp_session *s = container_of(t, struct lmtp_session, idle);

	/* What we make the client wait for is not its idleness. */
	if (s->waits == WAIT_NONE || s->waits == WAIT_TLS)
		session_close(s, "421 4.4.2 Idle for too long");
	else
		loop_timer_set(s->shard->loop, &s->idle, s->o->idle_ms);
}

static void
room_task(struct loop_task *t)
{
	struct lmtp_session *s = container_of(t, struct lmtp_session, room_task);

	if (s->waits == WAIT_ROOM)
		s->waits = WAIT_NONE;
	lmtp_session_run(s);
}

static void
room_wake(struct waiter *w)
{
	struct lmtp_session *s = container_of(w, struct lmtp_session, room);

	loop_post(s->shard->loop, &s->room_task);
}

void
lmtp_session_new(struct lmtp_shard *shard, int fd, const struct io_addr *peer, uint64_t id)
{
	static const struct stream_ops ops = {
		.readable = on_readable,
		.drained = on_readable,
		.gate_failed = on_gate_failed,
		.secured = on_secured,
		.closed = on_closed,
	};
	struct lmtp_session *s = xcalloc(1, sizeof(*s));

	s->shard = shard;
	s->o = lmtp_server_options(shard->server);
	s->id = id;
	s->peer = io_addr_text(peer, false, s->peer_text);
	snprintf(s->client_address, sizeof(s->client_address), "%.*s", STR_F(s->peer));
	s->is_trusted = str_eq(s->peer, STR("unix"));
	for (size_t i = 0; i < s->o->trusted_count; i++)
		s->is_trusted = s->is_trusted || str_eq(s->peer, s->o->trusted[i]);
	s->recipients_end = &s->recipients;
	s->out = BUF_MAX(SIZE_MAX);
	waiter_init(&s->room, room_wake);
	loop_task_init(&s->room_task, room_task);
	loop_timer_init(&s->idle, on_idle);
	list_add_tail(&shard->sessions, &s->in_shard);
	s->stream = stream_new(shard->loop, fd, &ops, s);
	stream_set_input_max(s->stream, INPUT_MAX);
	greet(s);
	replies_send(s);
	loop_timer_set(shard->loop, &s->idle, s->o->idle_ms);
}

void
lmtp_session_end(struct list *session)
{
	struct lmtp_session *s = list_item(session, struct lmtp_session, in_shard);

	s->is_stopping = true;
	stream_hurry(s->stream);
	if (s->waits == WAIT_DELIVERIES)
		return; /* answered first */
	session_close(s, "421 4.3.2 The server is stopping");
}

void
lmtp_session_drop(struct list *session)
{
	session_free(list_item(session, struct lmtp_session, in_shard));
}
