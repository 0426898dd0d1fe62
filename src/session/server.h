/*
 * server.h - what all IMAP sessions share: store, auth client, TLS, limits, and the registry of who
 * is connected.
 *
 * One struct server serves any number of listening sockets; its sessions are dealt out to the
 * loops. Made, told to listen and ended on the thread of loops[0], while the loops run or before
 * they do.
 */
#ifndef SESSION_SERVER_H
#define SESSION_SERVER_H

#include "base/buf.h"
#include "io/prefix.h"
#include "session/core.h"

struct auth_client;
struct jobs;
struct store;
struct tls;

enum server_cleartext { SERVER_CLEARTEXT_LOCAL, SERVER_CLEARTEXT_ALWAYS, SERVER_CLEARTEXT_NEVER };

/* Everything is borrowed for the life of the server, but for numbers. 0 of a limit: the default. */
struct server_options {
	struct store *store;
	struct auth_client *auth;
	struct tls *tls; /* NULL: neither STARTTLS nor implicit TLS */
	struct loop *const *loops;
	size_t loop_count;
	/*
	 * On which connections that begin with TLS shake hands, and which they leave then for one
	 * of the loops; 0: they do so there. No others are served by them.
	 */
	struct loop *const *doors;
	size_t door_count;
	/*
	 * Where those are served who have had much of the loops, by threads that give way to theirs;
	 * 0: nowhere.
	 */
	struct loop *const *asides;
	size_t aside_count;
	struct jobs *pool;        /* for long searches; NULL: they are done on the loops */
	struct jobs *prompt_pool; /* for their first moments; NULL: none */
	struct server_limits limits;
	/* connections an address prefix that have not logged in; 32 */
	uint32_t unknown_per_prefix_max;
	size_t sessions_max;            /* of all; 20,000 */
	const struct str *quota_admins; /* users who may set everybody's quota */
	size_t quota_admin_count;
	bool refuses_anyone; /* users can't grant rights to "anyone" */
	/*
	 * Names of the namespaces (session/target.h) without the separator at their end; NULL: the
	 * default; empty: there is none.
	 */
	struct str namespace_other, namespace_shared;
	/* what absolute IMAP URLs call this server; empty: none of them means it */
	struct str hostname;
	/* "submit+=relay": who may fetch URLs made for an application (session/urlauth.c) */
	const struct str *urlauth_entities;
	size_t urlauth_entity_count;
	/* annotations of the server (RFC 5464 3.2.1.1); empty: none */
	struct str admin_uri, server_comment;
	/* "name value": searches by name for all users (RFC 5466) */
	const struct str *shared_filters, *filter_descriptions;
	size_t shared_filter_count, filter_description_count;
	enum language language;          /* what LANGUAGE "default" means */
	enum server_cleartext cleartext; /* who may send passwords without TLS */
};

struct server *server_new(const struct server_options *o);
/** Accepts from a listening socket, which stays the caller's. May be called several times. */
void server_listen(struct server *srv, int fd, bool is_tls_implicit);
/**
 * Serves one connection, accepted elsewhere, on the loop that calls (loops[0] or another of them).
 */
void server_serve(struct server *srv, struct loop *loop, int fd, const struct io_addr *peer,
    bool is_tls_implicit);
/**
 * The same for a client that the operating system vouches for: it is logged in as user. Takes over
 * account.
 */
void server_serve_preauth(struct server *srv, struct loop *loop, int fd, struct str user,
    struct account *account);
/** Accepts no more; those connected stay. */
void server_stop_listening(struct server *srv);
/**
 * Says BYE to everybody and ends them, at the latest after grace_ms; then calls done on loops[0],
 * once. Implies server_stop_listening().
 */
void server_shutdown(struct server *srv, int64_t grace_ms, void (*done)(void *ctx), void *ctx);
/** After server_shutdown() is done, or when the loops no longer run: ends what is left at once. */
void server_free(struct server *srv);

/** Any thread: sessions now, and those of them that are logged in. */
size_t server_session_count(const struct server *srv);
/**
 * Any thread: appends a JSON object a session and line:
 * {"session":7,"user":"joe","peer":"192.0.2.1",...}.
 */
void server_who(struct server *srv, struct buf *out);

/* --- For the files of session/ --- */
const struct server_options *server_options(const struct server *srv);
/**
 * Its handshake is over: true when that was at a door, and it is on its way to another loop
 * (session_move()).
 */
bool server_takes_in(struct server *srv, struct session_core *k);
/**
 * A session that has logged in leaves its loop for one aside, the same for all of an account as
 * long as any is there: which. And it leaves that again for one of the others.
 */
struct loop *server_goes_aside(struct server *srv, struct session_core *k);
struct loop *server_returns(struct server *srv, struct session_core *k);
/** How many sessions are aside. Any thread. */
size_t server_aside_count(struct server *srv);
void server_session_arrived(struct server *srv, struct session_core *k);
/** What `who` tells of this session has changed: it has logged in, or told its ID. */
void server_session_changed(struct server *srv, struct session_core *k);

#endif
