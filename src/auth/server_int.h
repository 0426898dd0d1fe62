/* server_int.h - between server.c (connections, lookups) and exchange.c (one authentication). */
#ifndef AUTH_SERVER_INT_H
#define AUTH_SERVER_INT_H

#include "auth/remember.h"
#include "auth/server.h"
#include "auth/throttle.h"
#include "auth/users.h"
#include "auth/wire.h"
#include "base/hash.h"
#include "base/list.h"
#include "io/jobs.h"

#include <gsasl.h>
#include <stdatomic.h>

enum { EXCHANGES_MAX = 8192, JOBS_MAX = 512, KNOWN_JOBS_MAX = 64 };

struct auth_server {
	struct loop *loop;
	struct users *users;
	struct jobs *jobs;
	/*
	 * passwords of accounts from where they are known: a flood of guesses does not queue before
	 * them
	 */
	struct jobs *known_jobs;
	struct remember *remember;
	struct throttle *throttle;
	Gsasl *gsasl;
	struct password_cost cost;
	struct arena domains_arena;
	const struct str *domains;
	size_t domain_count;
	/* verifier that unknown users are measured against */
	char dummy[VERIFIER_MAX_BYTES + 1];
	unsigned char fake_secret[32];
	auth_event_fn *on_event;
	void *event_arg;
	struct list conns;
	size_t jobs_running;   /* that point to us */
	atomic_bool is_ending; /* nothing that waits is hashed any more */
};

/* A mail process. */
struct conn {
	struct list node;
	struct auth_server *server;
	int fd;
	struct buf in, out;
	struct loop_fd readable, writable;
	struct loop_task flush;
	struct hash exchanges; /* struct exchange by id */
};

struct exchange;

/**
 * Finds the account for a name or address: as it is, then its local part when the domain is ours.
 * ERR_UNKNOWN.
 */
must_use enum err server_find_user(struct auth_server *srv, struct arena *a, struct str name,
    struct user_row *out);
/**
 * The name that failures are counted for, one for all spellings and addresses of an account,
 * whether there is such an account or not: else the delays would tell. In the arena, or the name
 * itself.
 */
struct str server_account_name(struct auth_server *srv, struct arena *a, struct str name);
void server_event(struct auth_server *srv, const struct auth_event *ev);
/** Queues a message to the mail process. */
void conn_send(struct conn *c, const struct wire_message *m);

/**
 * A BEGIN. Answers through conn_send(), at once or later; adds itself to the connection's exchanges
 * while it lives.
 */
void exchange_begin(struct conn *c, uint64_t id, const struct auth_start *start);
void exchange_respond(struct exchange *x, struct str response);
/** Takes it out of its connection and frees it, now or when its job is done. No answer. */
void exchange_end(struct exchange *x);
/** For the connection's table. */
bool exchange_has_id(const void *item, const void *key);

#endif
