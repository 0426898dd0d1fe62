/*
 * child.h - how a process that the supervisor started learns what to do, and hears from it later.
 *
 *     child_open() ──► CONFIG, TLS, LISTEN, PEER until GO ──► child_confine() ──► … ──► child_ready() ──► child_watch()
 */
#ifndef PROC_CHILD_H
#define PROC_CHILD_H

#include "io/loop.h"
#include "proc/channel.h"
#include "proc/sockets.h"

enum { CHILD_FD = 3 }; /* the channel's descriptor in a child */

/* Certificates as they came, in the child's own memory. */
struct child_tls {
	struct proc_message_cert certs[MESSAGE_CERTS_MAX];
	size_t count;
	struct str client_ca;
	struct arena arena;
};

/* A connection to another child. */
struct child_peer {
	enum role who;
	unsigned number; /* below PEER_LINES_MAX; of several to the same one */
	int fd;
};

enum { CHILD_PEERS_MAX = 2 * PEER_LINES_MAX + ROLE_COUNT };

struct child;

struct child_events {
	void (*configured)(struct child *ch); /* config is a new one */
	void (*certified)(struct child *ch);  /* so is tls */
	/* a new connection to another child, the callee's */
	void (*peer)(struct child *ch, const struct child_peer *p);
	/* asked to, or the supervisor is gone; once */
	void (*stop)(struct child *ch);
};

struct child {
	enum role role;
	struct channel channel;
	struct config *config;
	/* the one that it started with: what only a restart changes is used from there, as long as it runs */
	struct config *config_first;
	struct child_tls tls;
	struct bound listeners[SOCKETS_MAX];
	size_t listener_count;
	/* that came before child_watch(), which tells of them */
	struct child_peer peers[CHILD_PEERS_MAX];
	size_t peer_count;
	const struct child_events *events;
	struct loop_fd readable;
	struct loop_signal term;
	bool is_stopping;
};

/** Reads messages until GO. Sets up the log. ERR_CLOSED, ERR_CORRUPT, ERR_CONFIG: end. */
must_use enum err child_open(struct child *ch, enum role role);
/**
 * Goes to the folder (see role_folder()), then leaves the privileges, as its role and configuration
 * say, and logs what the kernel can't do. Files are opened relative to the folder from then on: the
 * new user need not have a right to those above it, which may be somebody's home.
 */
must_use enum err child_confine(struct child *ch, const char *folder);
/**
 * From now on the loop hears the supervisor, and SIGTERM. Tells at once of the connections that
 * there are.
 */
void child_watch(struct child *ch, struct loop *loop, const struct child_events *events);
/** Overwrites the certificates and keys as they came, once they are in use. */
void child_forget_tls(struct child *ch);
/** Tells that it serves, or that it has taken the keys that came. */
void child_ready(struct child *ch);
void child_close(struct child *ch);

#endif
