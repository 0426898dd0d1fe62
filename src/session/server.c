/*
 * server.c - see server.h.
 *
 * Each loop has a list of its sessions, which only that loop touches. What other threads may ask
 * for, the number of sessions and the lines of `who`, is kept beside it in one list of all under a
 * mutex.
 */
#include "session/server.h"

#include "auth/client.h"
#include "base/arena.h"
#include "base/log.h"
#include "io/listener.h"
#include "io/stream.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { UNKNOWN_PER_PREFIX = 32, SESSIONS_MAX = 20000, LOG_CLIENT_MAX = 200 };

/* What `who` tells of a session. Under the server's lock. */
struct who {
	struct list in_server;
	struct list in_aside; /* in none: its loop is not one of those aside */
	struct aside *aside;  /* then NULL */
	uint64_t account;     /* while it is there */
	uint64_t id;
	int64_t started_ms;
	char peer[IO_ADDR_TEXT_MAX];
	size_t peer_n;
	char *user, *client; /* NULL: not known */
	/* in the limit of unknown connections; the session's loop only */
	bool is_counted;
	bool is_secured;
};

struct home {
	struct server *srv;
	struct loop *loop;
	struct list sessions; /* of struct session_core */
	struct loop_task bye, end;
};

/* A loop for those who have had much. Under the server's lock. */
struct aside {
	struct list sessions; /* of struct who */
	size_t count;
};

/* One listening socket. */
struct port {
	struct list in_server;
	struct server *srv;
	struct listener *listener;
	bool is_tls_implicit;
};

struct server {
	struct server_options options;
	struct home *homes; /* first those of the loops, then the doors', then those aside */
	size_t home_count;
	struct aside *asides; /* options.aside_count */
	struct prefix_limit *unknown;
	struct list ports;
	pthread_mutex_t lock; /* over all */
	struct list all;      /* of struct who */
	size_t count;
	atomic_uint_fast64_t next_id;
	atomic_size_t next_home; /* who comes in at a door goes there */
	/* Ending. */
	atomic_bool is_ending;
	/* loops that have not told their sessions; connections come before that */
	atomic_size_t byes_left;
	struct loop_timer grace;
	struct loop_task ended;
	void (*done)(void *ctx);
	void *done_ctx;
};

/* --- Options --- */

const struct server_options *
server_options(const struct server *srv)
{
	return &srv->options;
}

const struct server_limits *
server_limits(const struct server *srv)
{
	return &srv->options.limits;
}

static void
fill_defaults(struct server_options *o)
{
	struct server_limits *l = &o->limits;

	if (l->append_max_bytes == 0)
		l->append_max_bytes = 64 * 1024 * 1024;
	if (l->login_timeout_ms == 0)
		l->login_timeout_ms = 60 * 1000;
	if (l->idle_timeout_ms == 0)
		l->idle_timeout_ms = 30 * 60 * 1000;
	if (l->keepalive_ms == 0)
		l->keepalive_ms = 120 * 1000;
	if (l->progress_ms == 0)
		l->progress_ms = 10 * 1000;
	if (l->bad_commands_max == 0)
		l->bad_commands_max = 20;
	if (o->namespace_other.p == NULL)
		o->namespace_other = STR("Other Users");
	if (o->namespace_shared.p == NULL)
		o->namespace_shared = STR("Shared");
	if (o->unknown_per_prefix_max == 0)
		o->unknown_per_prefix_max = UNKNOWN_PER_PREFIX;
	if (o->sessions_max == 0)
		o->sessions_max = SESSIONS_MAX;
}

/* --- Registry --- */

static struct home *
home_of(struct server *srv, struct loop *loop)
{
	for (size_t i = 0; i < srv->home_count; i++) {
		if (srv->homes[i].loop == loop)
			return &srv->homes[i];
	}
	must(false);
	return NULL;
}

/* A session that was just made takes its place. */
static void
register_session(struct server *srv, struct session_core *k, bool is_counted)
{
	struct who *w = xcalloc(1, sizeof(*w));
	char text[IO_ADDR_TEXT_MAX];
	struct str peer = io_addr_text(&k->peer, false, text);

	k->s.id = atomic_fetch_add(&srv->next_id, 1) + 1;
	k->server_data = w;
	list_add_tail(&home_of(srv, k->loop)->sessions, &k->in_server);
	w->id = k->s.id;
	w->started_ms = k->started_ms;
	memcpy(w->peer, peer.p, peer.n);
	w->peer_n = peer.n;
	w->is_counted = is_counted;
	list_init(&w->in_aside);
	pthread_mutex_lock(&srv->lock);
	list_add_tail(&srv->all, &w->in_server);
	srv->count++;
	pthread_mutex_unlock(&srv->lock);
	log_event(LOG_DEBUG, "session-begin", F_U64("session", w->id),
	    F_STR("peer", str_make(w->peer, w->peer_n)));
}

static char *
copy_or_null(struct str s)
{
	return s.p != NULL ? xstrdup(s) : NULL;
}

/* Out of the limit of unknown connections, if it was in it. */
static void
uncount(struct server *srv, struct session_core *k)
{
	struct who *w = k->server_data;

	if (!w->is_counted)
		return;
	w->is_counted = false;
	prefix_leave(srv->unknown, &k->peer);
}

void
server_session_changed(struct server *srv, struct session_core *k)
{
	struct who *w = k->server_data;

	if (w == NULL)
		return;
	if (k->s.account != NULL)
		uncount(srv, k);
	pthread_mutex_lock(&srv->lock);
	free(w->user);
	free(w->client);
	w->user = copy_or_null(k->s.user);
	w->client = copy_or_null(k->client_id);
	w->is_secured = stream_ssl(k->s.stream) != NULL;
	pthread_mutex_unlock(&srv->lock);
}

static void
log_end(const struct session_core *k, const struct who *w)
{
	struct stream_stats st = stream_stats(k->s.stream);
	struct clock *c = loop_clock(k->loop);

	log_event(LOG_INFO, "session-end", F_U64("session", k->s.id), F_STR("user", k->s.user),
	    F_STR("peer", str_make(w->peer, w->peer_n)),
	    F_STR("client", str_sub(k->client_id, 0, LOG_CLIENT_MAX)),
	    F_C("reason", k->end_reason != NULL ? k->end_reason : "server ends"),
	    F_U64("commands", k->command_count), F_U64("bytes_in", st.in_bytes),
	    F_U64("bytes_out", st.out_bytes),
	    F_I64("seconds", (c->wall_ms(c) - k->started_ms) / 1000));
}

/* With the lock. */
static void
leave_aside(struct who *w)
{
	if (w->aside == NULL)
		return;
	list_remove(&w->in_aside);
	w->aside->count--;
	w->aside = NULL;
}

void
server_session_closed(struct server *srv, struct session_core *k)
{
	struct who *w = k->server_data;
	size_t left;

	log_end(k, w);
	uncount(srv, k);
	list_remove(&k->in_server);
	pthread_mutex_lock(&srv->lock);
	list_remove(&w->in_server);
	leave_aside(w);
	left = --srv->count;
	pthread_mutex_unlock(&srv->lock);
	free(w->user);
	free(w->client);
	free(w);
	k->server_data = NULL;
	if (left == 0 && atomic_load(&srv->is_ending))
		loop_post(srv->options.loops[0], &srv->ended);
}

size_t
server_session_count(const struct server *srv)
{
	struct server *s = (struct server *)srv;
	size_t n;

	pthread_mutex_lock(&s->lock);
	n = s->count;
	pthread_mutex_unlock(&s->lock);
	return n;
}

size_t
server_aside_count(struct server *srv)
{
	size_t n = 0;

	pthread_mutex_lock(&srv->lock);
	for (size_t i = 0; i < srv->options.aside_count; i++)
		n += srv->asides[i].count;
	pthread_mutex_unlock(&srv->lock);
	return n;
}

/* A JSON string; what is no UTF-8 is shown byte by byte. */
static void
add_json(struct buf *out, const char *key, struct str s)
{
	bool is_utf8 = str_is_utf8(s);

	buf_printf(out, ",\"%s\":\"", key);
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < 0x20 || c == 0x7F || (c >= 0x80 && !is_utf8))
			buf_printf(out, "\\u%04x", c);
		else if (c == '"' || c == '\\')
			buf_printf(out, "\\%c", c);
		else
			buf_chr(out, (char)c);
	}
	buf_chr(out, '"');
}

void
server_who(struct server *srv, struct buf *out)
{
	pthread_mutex_lock(&srv->lock);
	list_each(&srv->all, w, struct who, in_server)
	{
		buf_printf(out, "{\"session\":%llu,\"protocol\":\"imap\",\"since\":%lld,\"tls\":%s",
		    (unsigned long long)w->id, (long long)(w->started_ms / 1000),
		    w->is_secured ? "true" : "false");
		add_json(out, "peer", str_make(w->peer, w->peer_n));
		if (w->user != NULL)
			add_json(out, "user", str_c(w->user));
		if (w->client != NULL)
			add_json(out, "client", str_c(w->client));
		buf_lit(out, "}\n");
	}
	pthread_mutex_unlock(&srv->lock);
}

/* --- Connections --- */

static void
serve(struct server *srv, struct loop *loop, int fd, const struct io_addr *peer,
    bool is_tls_implicit, bool is_counted)
{
	struct session *s;

	if (atomic_load(&srv->is_ending) || (is_tls_implicit && srv->options.tls == NULL)) {
		if (is_counted)
			prefix_leave(srv->unknown, peer);
		close(fd);
		return;
	}
	s = session_new(srv, loop, fd, peer, is_tls_implicit ? srv->options.tls : NULL);
	register_session(srv, s->core, is_counted);
}

static void
accepted(void *ctx, struct loop *loop, int fd, const struct io_addr *peer)
{
	static const char bye[] =
	    "* BYE [UNAVAILABLE] Too many connections; come back in a moment.\r\n";
	struct port *port = ctx;
	struct server *srv = port->srv;

	if (server_session_count(srv) >= srv->options.sessions_max) {
		if (!port->is_tls_implicit
		    && send(fd, bye, sizeof(bye) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			log_event(LOG_DEBUG, "refusal-not-sent", F_C("reason", strerror(errno)));
		log_event(LOG_WARNING, "connection-refused", F_C("reason", "too many sessions"));
		prefix_leave(srv->unknown, peer);
		close(fd);
		return;
	}
	serve(port->srv, loop, fd, peer, port->is_tls_implicit, true);
}

static void
refused(unused_arg void *ctx, const struct io_addr *peer, int errno_code)
{
	char text[IO_ADDR_TEXT_MAX];

	if (errno_code != 0)
		log_event(LOG_ERROR, "accept-failed", F_C("reason", strerror(errno_code)));
	else
		log_event(LOG_WARNING, "connection-refused",
		    F_STR("peer", io_addr_text(peer, false, text)),
		    F_C("reason", "too many connections that have not logged in"));
}

static const struct listener_ops listener_ops = { .accepted = accepted, .refused = refused };

void
server_listen(struct server *srv, int fd, bool is_tls_implicit)
{
	const struct server_options *o = &srv->options;
	struct port *port = xcalloc(1, sizeof(*port));
	bool is_at_door = is_tls_implicit && o->door_count > 0;

	port->srv = srv;
	port->is_tls_implicit = is_tls_implicit;
	list_add_tail(&srv->ports, &port->in_server);
	port->listener = listener_open(o->loops[0], is_at_door ? o->doors : o->loops,
	    is_at_door ? o->door_count : o->loop_count, fd, srv->unknown, &listener_ops, port);
}

void
server_serve(struct server *srv, struct loop *loop, int fd, const struct io_addr *peer,
    bool is_tls_implicit)
{
	serve(srv, loop, fd, peer, is_tls_implicit, false);
}

void
server_serve_preauth(struct server *srv, struct loop *loop, int fd, struct str user,
    struct account *account)
{
	struct session *s = session_new_preauth(srv, loop, fd, user, account);

	register_session(srv, s->core, false);
	server_session_changed(srv, s->core);
}

/* One of the loops; in turns, which go on from here to there. */
static struct loop *
next_loop(struct server *srv)
{
	return srv->options.loops[atomic_fetch_add(&srv->next_home, 1) % srv->options.loop_count];
}

bool
server_takes_in(struct server *srv, struct session_core *k)
{
	size_t i = (size_t)(home_of(srv, k->loop) - srv->homes);

	if (i < srv->options.loop_count || i >= srv->options.loop_count + srv->options.door_count)
		return false;
	list_remove(&k->in_server);
	session_move(&k->s, next_loop(srv));
	return true;
}

static bool
has_account(const struct aside *a, uint64_t account)
{
	list_each(&a->sessions, w, struct who, in_aside) if (w->account == account) return true;
	return false;
}

struct loop *
server_goes_aside(struct server *srv, struct session_core *k)
{
	const size_t count = srv->options.aside_count;
	struct who *w = k->server_data;
	size_t best = 0;

	list_remove(&k->in_server);
	pthread_mutex_lock(&srv->lock);
	w->account = account_id(k->s.account).v;
	for (size_t i = 0; i < count; i++) {
		if (has_account(&srv->asides[i], w->account)) {
			best = i;
			break;
		}
		if (srv->asides[i].count < srv->asides[best].count)
			best = i;
	}
	w->aside = &srv->asides[best];
	list_add_tail(&w->aside->sessions, &w->in_aside);
	w->aside->count++;
	pthread_mutex_unlock(&srv->lock);
	return srv->options.asides[best];
}

struct loop *
server_returns(struct server *srv, struct session_core *k)
{
	list_remove(&k->in_server);
	pthread_mutex_lock(&srv->lock);
	leave_aside(k->server_data);
	pthread_mutex_unlock(&srv->lock);
	return next_loop(srv);
}

/* --- Ending --- */

/* A port stays in memory until the server goes: connections may be on their way through it. */
void
server_stop_listening(struct server *srv)
{
	list_each(&srv->ports, port, struct port, in_server)
	{
		listener_close(port->listener);
		port->listener = NULL;
	}
}

static void
say_bye(struct session_core *k)
{
	stream_hurry(k->s.stream);
	if (k->s.is_closing)
		return;
	k->end_reason = "shutdown";
	session_bye(&k->s, STR("UNAVAILABLE"),
	    STR("The server is going down; come back in a moment."));
}

static void
bye_run(struct loop_task *t)
{
	struct home *h = container_of(t, struct home, bye);

	list_each(&h->sessions, k, struct session_core, in_server) say_bye(k);
	if (atomic_fetch_sub(&h->srv->byes_left, 1) == 1)
		loop_post(h->srv->options.loops[0], &h->srv->ended);
}

/* Those who were on their way have not heard that the server ends. */
void
server_session_arrived(struct server *srv, struct session_core *k)
{
	list_add_tail(&home_of(srv, k->loop)->sessions, &k->in_server);
	if (atomic_load(&srv->is_ending))
		say_bye(k);
}

static void
end_run(struct loop_task *t)
{
	struct home *h = container_of(t, struct home, end);

	list_each(&h->sessions, k, struct session_core, in_server) session_free(&k->s);
}

static void
grace_fired(struct loop_timer *t)
{
	struct server *srv = container_of(t, struct server, grace);

	for (size_t i = 0; i < srv->home_count; i++)
		loop_post(srv->homes[i].loop, &srv->homes[i].end);
}

static void
ended_run(struct loop_task *t)
{
	struct server *srv = container_of(t, struct server, ended);
	void (*done)(void *ctx) = srv->done;

	if (done == NULL || server_session_count(srv) > 0 || atomic_load(&srv->byes_left) > 0)
		return;
	srv->done = NULL;
	loop_timer_cancel(srv->options.loops[0], &srv->grace);
	done(srv->done_ctx);
}

void
server_shutdown(struct server *srv, int64_t grace_ms, void (*done)(void *ctx), void *ctx)
{
	must(!atomic_load(&srv->is_ending));
	srv->done = done;
	srv->done_ctx = ctx;
	server_stop_listening(srv);
	atomic_store(&srv->is_ending, true);
	atomic_store(&srv->byes_left, srv->home_count);
	loop_timer_set(srv->options.loops[0], &srv->grace, grace_ms);
	for (size_t i = 0; i < srv->home_count; i++)
		loop_post(srv->homes[i].loop, &srv->homes[i].bye);
}

/* --- Life --- */

struct server *
server_new(const struct server_options *o)
{
	struct server *srv = xcalloc(1, sizeof(*srv));

	must(o->loop_count > 0);
	srv->options = *o;
	fill_defaults(&srv->options);
	srv->home_count = o->loop_count + o->door_count + o->aside_count;
	srv->homes = xcalloc(srv->home_count, sizeof(srv->homes[0]));
	for (size_t i = 0; i < srv->home_count; i++) {
		struct home *h = &srv->homes[i];

		h->srv = srv;
		h->loop = i < o->loop_count ? o->loops[i]
		    : i < o->loop_count + o->door_count
		    ? o->doors[i - o->loop_count]
		    : o->asides[i - o->loop_count - o->door_count];
		list_init(&h->sessions);
		loop_task_init(&h->bye, bye_run);
		loop_task_init(&h->end, end_run);
	}
	srv->asides = xcalloc(MAX(o->aside_count, (size_t)1), sizeof(srv->asides[0]));
	for (size_t i = 0; i < o->aside_count; i++)
		list_init(&srv->asides[i].sessions);
	srv->unknown = prefix_limit_new(srv->options.unknown_per_prefix_max);
	list_init(&srv->ports);
	list_init(&srv->all);
	pthread_mutex_init(&srv->lock, NULL);
	atomic_init(&srv->next_id, 0);
	atomic_init(&srv->next_home, 0);
	atomic_init(&srv->is_ending, false);
	atomic_init(&srv->byes_left, 0);
	loop_timer_init(&srv->grace, grace_fired);
	loop_task_init(&srv->ended, ended_run);
	return srv;
}

void
server_free(struct server *srv)
{
	if (srv == NULL)
		return;
	server_stop_listening(srv);
	for (size_t i = 0; i < srv->home_count; i++) {
		struct home *h = &srv->homes[i];

		end_run(&h->end);
		loop_task_cancel(h->loop, &h->bye);
		loop_task_cancel(h->loop, &h->end);
	}
	loop_timer_cancel(srv->options.loops[0], &srv->grace);
	loop_task_cancel(srv->options.loops[0], &srv->ended);
	list_each(&srv->ports, port, struct port, in_server)
	{
		list_remove(&port->in_server);
		free(port);
	}
	prefix_limit_free(srv->unknown);
	pthread_mutex_destroy(&srv->lock);
	free(srv->asides);
	free(srv->homes);
	free(srv);
}
