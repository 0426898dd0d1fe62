/*
 * session.c - see session.h. session_run() takes what it can of the input; whatever must be waited for (a look-up, room for bytes,
 * deliveries) sets `waits` and calls it again when it is over.
 */
#include "lmtp/session.h"

#include "auth/client.h"
#include "base/clock.h"
#include "base/log.h"
#include "io/stream.h"
#include "lmtp/command.h"
#include "lmtp/data.h"
#include "lmtp/delivery.h"
#include "lmtp/trace.h"
#include "store/arrival.h"
#include "store/message.h"

#include <stdio.h>
#include <stdlib.h>

enum { INPUT_MAX = 64 * 1024, REPLIES_MAX = 16 * 1024 };

enum mode {
	MODE_COMMAND,
	MODE_LONG_LINE,		/* the rest of a line that was too long is being skipped */
	MODE_DATA,
	MODE_CHUNK,		/* BDAT */
	MODE_ENDING,		/* nothing is read any more */
};

enum wait { WAIT_NONE, WAIT_LOOKUP, WAIT_ROOM, WAIT_DELIVERIES, WAIT_TLS };

struct recipient {
	struct recipient *next;
	struct lmtp_session *session;
	struct str path;		/* as it was sent */
	struct str user, folder;
	struct delivery delivery;
};

struct lmtp_session {
	struct list in_shard;		/* first */
	struct lmtp_shard *shard;
	const struct lmtp_options *o;
	struct stream *stream;
	uint64_t id, transaction;
	char peer_text[IO_ADDR_TEXT_MAX];
	struct str peer;
	bool is_trusted, is_local;
	bool is_stopping;		/* 421 when what is under way is answered */
	uint32_t bad_commands;
	enum mode mode;
	enum wait waits;
	struct loop_timer idle;
	struct buf out;			/* replies, sent together when the input is used up or something takes long */

	char client[LMTP_NAME_MAX + 1];	/* of LHLO; empty before it */
	char client_address[LMTP_NAME_MAX + 1];	/* the peer's, or of XCLIENT */

	/* The transaction. */
	struct arena arena;
	bool has_sender;
	struct str sender;		/* reverse-path as it was sent */
	enum lmtp_body body;
	bool is_smtputf8;
	struct recipient *recipients, **recipients_end;
	uint32_t recipient_count, pending;
	struct auth_lookup *lookup;
	struct arena lookup_arena;	/* of what follows: refused recipients leave nothing behind */
	struct lmtp_path looked_up;
	struct str folder;		/* "+detail" of what is looked up, when it has been cut off */

	/* Its body. */
	struct arrival *arrival;
	enum err body_error;		/* the rest is skipped */
	struct lmtp_data data;
	size_t owed;			/* bytes at the start of the input that are the message's, dots done */
	bool owes_cr;
	uint64_t chunk_left;
	bool is_chunk_last, is_chunk_refused;
	struct waiter room;
	struct loop_task room_task;
};

static void session_run(struct lmtp_session *s);

/* ---- replies ------------------------------------------------------------------------------------------------------ */

static void
replies_send(struct lmtp_session *s)
{
	stream_write(s->stream, buf_str(&s->out));
	buf_done(&s->out);
}

static void
reply(struct lmtp_session *s, const char *line)
{
	buf_c(&s->out, line);
	buf_lit(&s->out, "\r\n");
}

/* Recipients are shown as they were sent: without control characters, and short. */
static void
reply_path(struct lmtp_session *s, const char *code, struct str path, const char *text)
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
	reply(s, line);
	replies_send(s);
	s->mode = MODE_ENDING;
	stream_close(s->stream);
}

/* A mistake of the client's; too many end the session. */
static void
refuse(struct lmtp_session *s, const char *line)
{
	if (++s->bad_commands >= s->o->bad_commands_max)
		session_close(s, "421 4.7.0 Too many errors");
	else
		reply(s, line);
}

/* ---- transactions ------------------------------------------------------------------------------------------------- */

static void
transaction_reset(struct lmtp_session *s)
{
	if (s->lookup != NULL)
		auth_lookup_cancel(s->lookup);
	s->lookup = NULL;
	for (struct recipient *r = s->recipients; r != NULL; r = r->next)
		delivery_cancel(&r->delivery);
	waiter_cancel(&s->room);
	loop_task_cancel(s->shard->loop, &s->room_task);
	arrival_unref(s->arrival);
	s->arrival = NULL;
	s->body_error = ERR_OK;
	s->recipients = NULL;
	s->recipients_end = &s->recipients;
	s->recipient_count = 0;
	s->has_sender = false;
	s->owed = 0;
	s->owes_cr = false;
	s->waits = WAIT_NONE;
	arena_reset(&s->arena);
	arena_reset(&s->lookup_arena);
}

static void
do_mail(struct lmtp_session *s, const struct lmtp_command *c)
{
	if (s->client[0] == '\0') {
		refuse(s, "503 5.5.1 LHLO first");
	} else if (s->has_sender) {
		refuse(s, "503 5.5.1 A transaction is under way");
	} else if (c->path.is_utf8 && !c->is_smtputf8) {
		refuse(s, "553 5.6.7 Such an address needs SMTPUTF8");
	} else if (c->has_size && c->size > s->o->message_max_bytes) {
		reply(s, "552 5.3.4 The message is too big");
	} else {
		s->sender = arena_str(&s->arena, c->path.text);
		s->body = c->body;
		s->is_smtputf8 = c->is_smtputf8;
		s->has_sender = true;
		s->transaction++;
		reply(s, "250 2.1.0 OK");
	}
}

/* ---- recipients --------------------------------------------------------------------------------------------------- */

static void looked_up(void *arg, enum err e, struct str user);

static void
lookup_begin(struct lmtp_session *s, struct str address)
{
	s->waits = WAIT_LOOKUP;
	auth_lookup(s->o->auth, s->shard->loop, address, looked_up, s, &s->lookup);
}

static void
recipient_add(struct lmtp_session *s, struct str user)
{
	struct recipient *r = arena_new(&s->arena, struct recipient);

	r->session = s;
	r->path = arena_str(&s->arena, s->looked_up.text);
	r->user = arena_str(&s->arena, user);
	r->folder = arena_str(&s->arena, s->folder);
	*s->recipients_end = r;
	s->recipients_end = &r->next;
	s->recipient_count++;
}

/* The address with its "+detail" cut off, which becomes the folder; false when it has none. */
static bool
detail_cut(struct lmtp_session *s, struct str *address_out)
{
	struct str local = str_sub(s->looked_up.address, 0, s->looked_up.local_bytes);
	size_t plus = str_chr(local, s->o->delimiter);
	struct buf BUF_CLEAN plain = BUF_MAX(LMTP_PATH_MAX);

	if (s->o->delimiter == '\0' || s->folder.p != NULL || plus == SIZE_MAX || plus == 0)
		return false;
	buf_str_add(&plain, str_sub(local, 0, plus));
	buf_str_add(&plain, str_sub(s->looked_up.address, local.n, s->looked_up.address.n));
	s->folder = arena_str(&s->lookup_arena, str_sub(local, plus + 1, local.n));
	*address_out = arena_str(&s->lookup_arena, buf_str(&plain));
	return true;
}

static void
looked_up(void *arg, enum err e, struct str user)
{
	struct lmtp_session *s = arg;
	struct str address;

	s->lookup = NULL;
	s->waits = WAIT_NONE;
	if (e == ERR_UNKNOWN && detail_cut(s, &address)) {
		lookup_begin(s, address);
		return;
	}
	switch (e) {
	case ERR_OK:
		recipient_add(s, user);
		reply_path(s, "250 2.1.5", s->looked_up.text, "OK");
		break;
	case ERR_UNKNOWN:
		reply_path(s, "550 5.1.1", s->looked_up.text, "No such user here");
		break;
	case ERR_CONTACTADMIN:
		reply_path(s, "550 5.2.1", s->looked_up.text, "This mailbox is disabled");
		break;
	default:
		reply_path(s, "451 4.3.0", s->looked_up.text, "Try again later");
		break;
	}
	if (e != ERR_OK)
		log_event(LOG_INFO, "lmtp-refused", F_U64("session", s->id), F_STR("peer", s->peer),
		    F_STR("from", s->sender), F_STR("to", s->looked_up.text), F_ERR(e));
	session_run(s);
}

static void
do_rcpt(struct lmtp_session *s, const struct lmtp_command *c)
{
	if (!s->has_sender) {
		refuse(s, "503 5.5.1 MAIL first");
	} else if (c->path.is_utf8 && !s->is_smtputf8) {
		refuse(s, "553 5.6.7 Such an address needs SMTPUTF8");
	} else if (s->recipient_count >= s->o->recipients_max) {
		reply(s, "452 4.5.3 Too many recipients");
	} else {
		arena_reset(&s->lookup_arena);
		s->looked_up = c->path;
		s->looked_up.text = arena_str(&s->lookup_arena, c->path.text);
		s->looked_up.address = arena_str(&s->lookup_arena, c->path.address);
		s->folder = STR_NONE;
		lookup_begin(s, s->looked_up.address);
	}
}

/* ---- answering ---------------------------------------------------------------------------------------------------- */

static const char *
result_code(const struct lmtp_session *s, enum err e, const char **text_out)
{
	switch (e) {
	case ERR_OK:
		*text_out = "Delivered";
		return "250 2.0.0";
	case ERR_TOOBIG:
		*text_out = "The message is too big";
		return "552 5.3.4";
	case ERR_FULL:
		*text_out = "No room for more mail at the moment";
		return "452 4.3.1";
	case ERR_OVERQUOTA:
		*text_out = "The mailbox is full";
		return s->o->is_overquota_permanent ? "552 5.2.2" : "452 4.2.2";
	case ERR_LIMIT:
		*text_out = "The mailbox holds as many messages as it may";
		return "452 4.2.2";
	default:
		*text_out = "Try again later";
		return "451 4.3.0";
	}
}

static void
recipient_answer(struct lmtp_session *s, const struct recipient *r, enum err e)
{
	const struct delivery *d = &r->delivery;
	const char *text, *code = result_code(s, e, &text);

	reply_path(s, code, r->path, text);
	log_event(e == ERR_OK ? LOG_INFO : LOG_WARNING, e == ERR_OK ? "delivered" : "not-delivered", F_U64("session", s->id),
	    F_U64("transaction", s->transaction), F_STR("peer", s->peer), F_STR("from", s->sender), F_STR("to", r->path),
	    F_STR("user", r->user), F_STR("mailbox", d->is_inbox || r->folder.n == 0 ? STR("INBOX") : r->folder),
	    F_U64("uid", d->uid.v), F_U64("size", s->arrival != NULL ? arrival_size(s->arrival) : 0), F_ERR(e));
}

/* All are done: answers in the order of the recipients. */
static void
deliveries_end(struct lmtp_session *s)
{
	for (const struct recipient *r = s->recipients; r != NULL; r = r->next)
		recipient_answer(s, r, s->body_error != ERR_OK ? s->body_error : r->delivery.result);
	transaction_reset(s);
}

static void
delivery_done(struct delivery *d)
{
	struct lmtp_session *s = container_of(d, struct recipient, delivery)->session;

	if (--s->pending != 0)
		return;
	deliveries_end(s);
	session_run(s);
}

static void
prefix_make(struct lmtp_session *s, struct recipient *r, int64_t now_s)
{
	const bool is_tls = stream_ssl(s->stream) != NULL, is_utf8 = s->is_smtputf8;
	struct buf BUF_CLEAN out = BUF_MAX(MESSAGE_PREFIX_MAX);
	char id[40];

	snprintf(id, sizeof(id), "%llx.%llx.%llx", (unsigned long long)now_s, (unsigned long long)s->id,
	    (unsigned long long)s->transaction);
	trace_format(&(struct trace){
		.sender = s->sender,
		.recipient = r->path,
		.client = str_c(s->client),
		.client_address = str_c(s->client_address),
		.hostname = s->o->hostname,
		.protocol = is_utf8 ? (is_tls ? "UTF8LMTPS" : "UTF8LMTP") : (is_tls ? "LMTPS" : "LMTP"),
		.id = str_c(id),
		.now_s = now_s,
	}, &out);
	must(buf_err(&out) == ERR_OK);
	r->delivery.prefix = arena_str(&s->arena, buf_str(&out));
}

/* The body is complete: every recipient gets a delivery, all at once. */
static void
deliveries_begin(struct lmtp_session *s)
{
	const int64_t now_s = s->o->clock->wall_ms(s->o->clock) / 1000;

	s->mode = MODE_COMMAND;
	if (s->body_error == ERR_OK)
		s->body_error = arrival_finish(s->arrival);
	if (s->body_error != ERR_OK) {
		deliveries_end(s);
		return;
	}
	s->waits = WAIT_DELIVERIES;
	s->pending = s->recipient_count + 1;	/* one for this loop: deliveries may end inside it */
	for (struct recipient *r = s->recipients; r != NULL; r = r->next) {
		struct delivery *d = &r->delivery;

		prefix_make(s, r, now_s);
		d->store = s->o->store;
		d->loop = s->shard->loop;
		d->user = r->user;
		d->folder = r->folder;
		d->arrival = s->arrival;
		d->done = delivery_done;
		delivery_begin(d);
	}
	if (--s->pending == 0)
		deliveries_end(s);
}

/* ---- the body ----------------------------------------------------------------------------------------------------- */

static void
body_begin(struct lmtp_session *s)
{
	if (s->arrival == NULL)
		s->arrival = arrival_new(s->o->store);
}

/* Gives bytes to the arrival; after an error they are dropped. ERR_WAIT: none taken. */
static enum err
body_write(struct lmtp_session *s, struct str bytes, size_t *taken_out)
{
	enum err e;

	*taken_out = bytes.n;
	if (s->body_error != ERR_OK || s->is_chunk_refused)
		return ERR_OK;
	e = arrival_write(s->arrival, bytes, taken_out, &s->room);
	if (e == ERR_WAIT) {
		s->waits = WAIT_ROOM;
		return e;
	}
	if (e != ERR_OK) {
		s->body_error = e;
		*taken_out = bytes.n;
	}
	return ERR_OK;
}

/* False: it waits, or more input is needed. */
static bool
data_step(struct lmtp_session *s)
{
	struct str in = stream_input(s->stream), rest = in, piece;
	size_t taken;

	if (s->owes_cr) {
		if (body_write(s, STR("\r"), &taken) == ERR_WAIT)
			return false;
		s->owes_cr = false;
	} else if (s->owed != 0) {
		if (body_write(s, str_sub(in, 0, s->owed), &taken) == ERR_WAIT)
			return false;
		stream_consume(s->stream, taken);
		s->owed -= taken;
	} else if (s->data.state == LMTP_DATA_END) {
		deliveries_begin(s);
	} else if (in.n == 0) {
		return false;
	} else {
		piece = lmtp_data_next(&s->data, &rest);
		if (piece.p == in.p && piece.n != 0) {
			s->owed = piece.n;
		} else {
			s->owes_cr = piece.n != 0;
			stream_consume(s->stream, in.n - rest.n);
		}
	}
	return true;
}

static void
chunk_end(struct lmtp_session *s)
{
	s->mode = MODE_COMMAND;
	if (s->is_chunk_refused)
		refuse(s, "503 5.5.1 No valid recipients");
	else if (s->is_chunk_last)
		deliveries_begin(s);
	else if (s->body_error == ERR_TOOBIG)
		reply(s, "552 5.3.4 The message is too big");
	else
		reply(s, "250 2.0.0 OK");
}

static bool
chunk_step(struct lmtp_session *s)
{
	struct str in = stream_input(s->stream);
	size_t taken;

	if (s->chunk_left == 0) {
		chunk_end(s);
		return true;
	}
	if (in.n == 0 || body_write(s, str_sub(in, 0, (size_t)MIN(s->chunk_left, in.n)), &taken) == ERR_WAIT)
		return false;
	stream_consume(s->stream, taken);
	s->chunk_left -= taken;
	return true;
}

static void
do_data(struct lmtp_session *s)
{
	if (s->recipient_count == 0) {
		refuse(s, s->has_sender ? "503 5.5.1 No valid recipients" : "503 5.5.1 MAIL and RCPT first");
	} else if (s->arrival != NULL) {
		refuse(s, "503 5.5.1 BDAT has begun");
	} else if (s->body == LMTP_BODY_BINARYMIME) {
		refuse(s, "503 5.5.1 BINARYMIME needs BDAT");
	} else {
		body_begin(s);
		s->data = LMTP_DATA_START;
		s->is_chunk_refused = false;
		s->mode = MODE_DATA;
		reply(s, "354 End with <CR><LF>.<CR><LF>");
	}
}

static void
do_bdat(struct lmtp_session *s, const struct lmtp_command *c)
{
	s->chunk_left = c->size;
	s->is_chunk_last = c->is_last;
	s->is_chunk_refused = s->recipient_count == 0;
	if (!s->is_chunk_refused)
		body_begin(s);
	s->mode = MODE_CHUNK;
}

/* ---- commands ----------------------------------------------------------------------------------------------------- */

static void
do_lhlo(struct lmtp_session *s, const struct lmtp_command *c)
{
	struct buf *out = &s->out;

	transaction_reset(s);
	memcpy(s->client, c->argument.p, c->argument.n);
	s->client[c->argument.n] = '\0';
	buf_lit(out, "250-");
	buf_str_add(out, s->o->hostname);
	buf_lit(out, "\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250-CHUNKING\r\n250-BINARYMIME\r\n"
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
		refuse(s, "502 5.5.1 Not here");
	} else if (stream_ssl(s->stream) != NULL) {
		refuse(s, "503 5.5.1 TLS is on already");
	} else {
		transaction_reset(s);
		s->client[0] = '\0';
		reply(s, "220 2.0.0 Ready");
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
		refuse(s, "550 5.7.1 You may not");
	} else if (s->has_sender) {
		refuse(s, "503 5.5.1 A transaction is under way");
	} else {
		if (c->xclient.addr.p != NULL)
			snprintf(s->client_address, sizeof(s->client_address), "%.*s", STR_F(c->xclient.addr));
		s->client[0] = '\0';
		log_event(LOG_INFO, "lmtp-xclient", F_U64("session", s->id), F_STR("peer", s->peer), F_STR("addr", c->xclient.addr),
		    F_STR("name", c->xclient.name), F_STR("helo", c->xclient.helo));
		greet(s);
	}
}

static void
do_syntax_error(struct lmtp_session *s, const struct lmtp_command *c, enum err e)
{
	if (e == ERR_UNKNOWN)
		refuse(s, "555 5.5.4 Unknown parameter");
	else if (c->verb == LMTP_MAIL)
		refuse(s, "501 5.1.7 Not a reverse-path and parameters");
	else if (c->verb == LMTP_RCPT)
		refuse(s, "501 5.1.3 Not a forward-path");
	else
		refuse(s, "501 5.5.4 Syntax error");
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
		do_mail(s, &c);
		break;
	case LMTP_RCPT:
		do_rcpt(s, &c);
		break;
	case LMTP_DATA:
		do_data(s);
		break;
	case LMTP_BDAT:
		do_bdat(s, &c);
		break;
	case LMTP_RSET:
		transaction_reset(s);
		reply(s, "250 2.0.0 OK");
		break;
	case LMTP_NOOP:
		reply(s, "250 2.0.0 OK");
		break;
	case LMTP_QUIT:
		session_close(s, "221 2.0.0 Bye");
		break;
	case LMTP_VRFY:
		reply(s, "252 2.5.2 Try RCPT");
		break;
	case LMTP_HELP:
		reply(s, "214 2.0.0 RFC 2033");
		break;
	case LMTP_STARTTLS:
		do_starttls(s);
		break;
	case LMTP_XCLIENT:
		do_xclient(s, &c);
		break;
	case LMTP_HELO:
		refuse(s, "500 5.5.1 This is LMTP: say LHLO");
		break;
	case LMTP_UNKNOWN:
		refuse(s, "500 5.5.1 Unknown command");
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
		refuse(s, "500 5.5.6 The line is too long");
	}
	return true;
}

/* ---- running ------------------------------------------------------------------------------------------------------ */

static bool
session_step(struct lmtp_session *s)
{
	switch (s->mode) {
	case MODE_COMMAND:
		return command_step(s);
	case MODE_LONG_LINE:
		return long_line_step(s);
	case MODE_DATA:
		return data_step(s);
	case MODE_CHUNK:
		return chunk_step(s);
	case MODE_ENDING:
		break;
	}
	return false;
}

/* As far as it goes without waiting. */
static void
session_steps(struct lmtp_session *s)
{
	while (s->waits == WAIT_NONE && s->mode != MODE_ENDING && s->out.n < REPLIES_MAX && !stream_is_full(s->stream)) {
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

static void
session_run(struct lmtp_session *s)
{
	loop_timer_set(s->shard->loop, &s->idle, s->o->idle_ms);
	session_steps(s);
	while (s->out.n >= REPLIES_MAX) {
		replies_send(s);
		session_steps(s);
	}
	/* A look-up is answered within moments, mostly from memory: what it adds goes out with the rest. */
	if (s->waits != WAIT_LOOKUP)
		replies_send(s);
}

static void
on_readable(struct stream *stream unused_arg, void *ctx)
{
	session_run(ctx);
}

static void
on_secured(struct stream *stream unused_arg, void *ctx)
{
	struct lmtp_session *s = ctx;

	if (s->waits == WAIT_TLS)
		s->waits = WAIT_NONE;
	session_run(s);
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

	transaction_reset(s);
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

	log_event(LOG_DEBUG, "lmtp-closed", F_U64("session", s->id), F_STR("peer", s->peer), F_ERR(why));
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
	session_run(s);
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
		.readable = on_readable, .drained = on_readable, .gate_failed = on_gate_failed, .secured = on_secured,
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
	if (s->waits == WAIT_DELIVERIES)
		return;		/* answered first */
	session_close(s, "421 4.3.2 The server is stopping");
}

void
lmtp_session_drop(struct list *session)
{
	session_free(list_item(session, struct lmtp_session, in_shard));
}
