/*
 * life.c - a session's life: its connection, from the greeting to the end, what is true of it before
 * and after a login, and the time that it may take.
 */
#include "session/core_int.h"

#include "session/foreign.h"
#include "session/metadata.h"
#include "session/notify.h"
#include "session/server.h"

#include <stdlib.h>

/* Limits of a command before and after login. */
static const struct imap_framer_limits limits_before = { .line_max = 8192,
	.literal_max = 1024,
	.command_max = 10240 };
static const struct imap_framer_limits limits_after = { .line_max = 65536,
	.literal_max = 65536,
	.command_max = 262144 };

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
	struct session_core *k = s->core;

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
	struct session_core *k = s->core;

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

static void
readable(unused_arg struct stream *stream, void *ctx)
{
	struct session_core *k = ctx;

	k->last_input_ms = loop_now_ms(k->loop);
	if (stream_is_eof(k->s.stream))
		core_progress_eof(k);
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

void
core_greet(struct session_core *k)
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
		core_greet(k);
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
		core_rest(k);
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
	core_output_init(k);
	k->peer = *peer;
	k->last_input_ms = loop_now_ms(loop);
	k->started_ms = loop_clock(loop)->wall_ms(loop_clock(loop));
	list_init(&k->in_server);
	imap_framer_init(&k->framer, &limits_before);
	core_turn_init(k);
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
		core_greet(k);
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
	core_greet(k);
	return &k->s;
}

void
session_free(struct session *s)
{
	struct session_core *k = s->core;

	s->is_closing = true;
	server_session_closed(s->server, k);
	core_command_clear(k);
	core_gate_done(k);
	core_turn_done(k);
	loop_timer_cancel(k->loop, &k->timer);
	stream_free(s->stream);
	account_leave(s);
	buf_done(&k->out);
	free((char *)k->client_id.p);
	free(k);
}
