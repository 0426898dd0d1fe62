/*
 * server.c - see server.h. A session belongs to the shard of its loop; only that loop touches it.
 * `open` counts sessions, and while shutting down also the shards that have not told theirs; at
 * zero the server is done.
 */
#include "lmtp/server.h"

#include "base/arena.h"
#include "base/log.h"
#include "io/listener.h"
#include "io/loop.h"
#include "lmtp/session.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct shard {
	struct lmtp_shard s;
	struct loop_task stop;
	struct loop_timer grace;
};

struct listening {
	struct listening *next;
	struct listener *listener;
};

struct lmtp_server {
	struct lmtp_options o;
	struct str *trusted;
	char *hostname;
	struct listening *listening;
	struct shard *shards;
	atomic_size_t sessions, open;
	atomic_uint_fast64_t ids;
	atomic_bool is_stopping;
	int64_t grace_ms;
	struct loop_task done_task;
	void (*done)(void *ctx);
	void *done_ctx;
};

static void shard_stop(struct loop_task *t);
static void shard_grace_over(struct loop_timer *t);

static void
server_done(struct loop_task *t)
{
	struct lmtp_server *srv = container_of(t, struct lmtp_server, done_task);

	srv->done(srv->done_ctx);
}

struct lmtp_server *
lmtp_server_new(const struct lmtp_options *o)
{
	struct lmtp_server *srv = xcalloc(1, sizeof(*srv));

	srv->o = *o;
	srv->hostname = xstrdup(o->hostname);
	srv->o.hostname = str_c(srv->hostname);
	srv->trusted = xcalloc(o->trusted_count + 1, sizeof(*srv->trusted));
	for (size_t i = 0; i < o->trusted_count; i++)
		srv->trusted[i] = str_c(xstrdup(o->trusted[i]));
	srv->o.trusted = srv->trusted;
	if (srv->o.message_max_bytes == 0)
		srv->o.message_max_bytes = (uint64_t)64 << 20;
	if (srv->o.recipients_max == 0)
		srv->o.recipients_max = 2000;
	if (srv->o.bad_commands_max == 0)
		srv->o.bad_commands_max = 20;
	if (srv->o.sessions_max == 0)
		srv->o.sessions_max = 1000;
	if (srv->o.idle_ms == 0)
		srv->o.idle_ms = 300000;
	srv->shards = xcalloc(o->loop_count, sizeof(*srv->shards));
	for (size_t i = 0; i < o->loop_count; i++) {
		struct shard *sh = &srv->shards[i];

		sh->s.server = srv;
		sh->s.loop = o->loops[i];
		list_init(&sh->s.sessions);
		loop_task_init(&sh->stop, shard_stop);
		loop_timer_init(&sh->grace, shard_grace_over);
	}
	loop_task_init(&srv->done_task, server_done);
	return srv;
}

const struct lmtp_options *
lmtp_server_options(const struct lmtp_server *srv)
{
	return &srv->o;
}

size_t
lmtp_server_session_count(const struct lmtp_server *srv)
{
	return atomic_load(&srv->sessions);
}

/* Of several loops each may take one more at the same time. */
static void
refuse(int fd)
{
	const struct str words = STR("421 4.3.2 Too many connections; come back in a moment\r\n");

	if (send(fd, words.p, words.n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_event(LOG_DEBUG, "refusal-not-sent", F_C("reason", strerror(errno)));
	log_event(LOG_WARNING, "connection-refused", F_C("service", "lmtp"),
	    F_C("reason", "too many sessions"));
	close(fd);
}

void
lmtp_server_serve(struct lmtp_server *srv, struct loop *loop, int fd, const struct io_addr *peer)
{
	if (lmtp_server_session_count(srv) >= srv->o.sessions_max) {
		refuse(fd);
		return;
	}
	for (size_t i = 0; i < srv->o.loop_count; i++) {
		struct lmtp_shard *s = &srv->shards[i].s;

		if (s->loop != loop)
			continue;
		atomic_fetch_add(&srv->sessions, 1);
		atomic_fetch_add(&srv->open, 1);
		lmtp_session_new(s, fd, peer, atomic_fetch_add(&srv->ids, 1) + 1);
		if (atomic_load(&srv->is_stopping))
			lmtp_session_end(s->sessions.prev);
		return;
	}
	must(!"a loop of the server");
}

static void
accepted(void *ctx, struct loop *loop, int fd, const struct io_addr *peer)
{
	lmtp_server_serve(ctx, loop, fd, peer);
}

void
lmtp_server_listen(struct lmtp_server *srv, int fd)
{
	static const struct listener_ops ops = { .accepted = accepted };
	struct listening *l = xcalloc(1, sizeof(*l));

	l->listener =
	    listener_open(srv->o.loops[0], srv->o.loops, srv->o.loop_count, fd, NULL, &ops, srv);
	l->next = srv->listening;
	srv->listening = l;
}

void
lmtp_server_stop_listening(struct lmtp_server *srv)
{
	while (srv->listening != NULL) {
		struct listening *l = srv->listening;

		srv->listening = l->next;
		listener_close(l->listener);
		free(l);
	}
}

/* ---- the end --------------------------------------------------------------------------------- */

static void
open_less(struct lmtp_server *srv)
{
	if (atomic_fetch_sub(&srv->open, 1) == 1 && atomic_load(&srv->is_stopping))
		loop_post(srv->o.loops[0], &srv->done_task);
}

void
lmtp_shard_left(struct lmtp_shard *s)
{
	struct shard *sh = container_of(s, struct shard, s);

	if (list_is_empty(&s->sessions))
		loop_timer_cancel(s->loop, &sh->grace);
	atomic_fetch_sub(&s->server->sessions, 1);
	open_less(s->server);
}

static void
shard_stop(struct loop_task *t)
{
	struct shard *sh = container_of(t, struct shard, stop);
	struct list *n, *next;

	for (n = sh->s.sessions.next; n != &sh->s.sessions; n = next) {
		next = n->next;
		lmtp_session_end(n);
	}
	if (!list_is_empty(&sh->s.sessions))
		loop_timer_set(sh->s.loop, &sh->grace, sh->s.server->grace_ms);
	open_less(sh->s.server);
}

static void
shard_grace_over(struct loop_timer *t)
{
	struct shard *sh = container_of(t, struct shard, grace);

	while (!list_is_empty(&sh->s.sessions))
		lmtp_session_drop(sh->s.sessions.next);
}

void
lmtp_server_shutdown(struct lmtp_server *srv, int64_t grace_ms, void (*done)(void *ctx), void *ctx)
{
	lmtp_server_stop_listening(srv);
	srv->grace_ms = grace_ms;
	srv->done = done;
	srv->done_ctx = ctx;
	atomic_fetch_add(&srv->open, srv->o.loop_count);
	atomic_store(&srv->is_stopping, true);
	for (size_t i = 0; i < srv->o.loop_count; i++)
		loop_post(srv->o.loops[i], &srv->shards[i].stop);
}

void
lmtp_server_free(struct lmtp_server *srv)
{
	if (srv == NULL)
		return;
	lmtp_server_stop_listening(srv);
	atomic_store(&srv->is_stopping, false);
	for (size_t i = 0; i < srv->o.loop_count; i++) {
		struct shard *sh = &srv->shards[i];

		while (!list_is_empty(&sh->s.sessions))
			lmtp_session_drop(sh->s.sessions.next);
		loop_task_cancel(sh->s.loop, &sh->stop);
		loop_timer_cancel(sh->s.loop, &sh->grace);
	}
	loop_task_cancel(srv->o.loops[0], &srv->done_task);
	for (size_t i = 0; i < srv->o.trusted_count; i++)
		free((char *)(uintptr_t)srv->trusted[i].p);
	free(srv->trusted);
	free(srv->hostname);
	free(srv->shards);
	free(srv);
}
