/*
 * server.h - the auth process's work: answers who is who, from the users database. One loop; hashes
 * run on a bounded pool.
 */
#ifndef AUTH_SERVER_H
#define AUTH_SERVER_H

#include "auth/password.h"
#include "base/err.h"
#include "base/str.h"

struct auth_server;
struct loop;

struct auth_settings {
	const char *users_path;
	unsigned workers;
	uint64_t cache_ms; /* remember verified passwords */
	uint64_t failure_delay_ms;
	struct password_cost cost; /* of new verifiers */
	const struct str *domains; /* ours; none: every domain. Copied */
	size_t domain_count;
};

/* Something worth a log line: the layer does not log itself. Texts are valid during the call. */
struct auth_event {
	/* "login", "login-failed", "password-upgraded", "users-error" */
	const char *event;
	struct str user, mech, service, peer;
	enum err err;
	const char *detail; /* of an error, or NULL */
};

typedef void auth_event_fn(void *arg, const struct auth_event *ev);

/**
 * @s  copied, but for users_path, which is only used here. ERR_IO, ERR_CORRUPT: the users database;
 *     ERR_NOMEM.
 */
must_use enum err auth_server_new(struct loop *loop, const struct auth_settings *s,
    auth_event_fn *on_event, void *arg, struct auth_server **out);
/** Changes what a reload can change: all but the path and the number of workers. */
void auth_server_configure(struct auth_server *srv, const struct auth_settings *s);
/** Takes over a connected stream socket to a mail process. */
void auth_server_attach(struct auth_server *srv, int fd);
void auth_server_free(struct auth_server *srv);

#endif
