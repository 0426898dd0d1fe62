/*
 * server_int.h - what the files of the server share: server.c (ports, ending), server_who.c (who is
 * there), server_move.c (on which loop).
 */
#ifndef SESSION_SERVER_INT_H
#define SESSION_SERVER_INT_H

#include "session/server.h"

#include "base/list.h"
#include "io/loop.h"

#include <pthread.h>
#include <stdatomic.h>

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

/* The place of a loop's sessions. */
struct home *server_home(struct server *srv, struct loop *loop);
/* A session that was just made takes its place. */
void server_register(struct server *srv, struct session_core *k, bool is_counted);
/* The session is on no loop of those aside any more. With the lock. */
void server_leave_aside(struct who *w);

#endif
