/*
 * server.c - see server.h.
 *
 * Each loop has a list of its sessions, which only that loop touches. What other threads may ask
 * for, the number of sessions and the lines of `who`, is kept beside it in one list of all under a
 * mutex.
 */
#include "session/server_int.h"

#include "auth/client.h"
#include "base/arena.h"
#include "base/log.h"
#include "io/listener.h"
#include "io/stream.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

enum { UNKNOWN_PER_PREFIX = 32, SESSIONS_MAX = 20000 };

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
	server_register(srv, s->core, is_counted);
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

	server_register(srv, s->core, false);
	server_session_changed(srv, s->core);
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
	list_add_tail(&server_home(srv, k->loop)->sessions, &k->in_server);
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
