/*
 * server.h - mail coming in from a mail transfer agent: LMTP (RFC 2033) on unix sockets and TCP.
 *
 * One struct lmtp_server serves any number of listening sockets; its sessions are dealt out to the
 * loops. Made, told to listen and ended on the thread of loops[0], while the loops run or before
 * they do.
 */
#ifndef LMTP_SERVER_H
#define LMTP_SERVER_H

#include "base/buf.h"
#include "io/prefix.h"

struct auth_client;
struct clock;
struct loop;
struct lmtp_server;
struct store;
struct tls;

/*
 * Everything is borrowed for the life of the server, but for numbers and trusted. 0 of a limit: the
 * default.
 */
struct lmtp_options {
	struct store *store;
	struct auth_client *auth;
	struct clock *clock;
	struct tls *tls; /* NULL: no STARTTLS */
	struct loop *const *loops;
	size_t loop_count;
	struct str hostname;        /* of greeting and Received */
	uint64_t message_max_bytes; /* told in SIZE; the store's limit: 64 MiB */
	uint32_t recipients_max;    /* of a message; 2,000 */
	uint32_t bad_commands_max;  /* 20: then 421 */
	/* connections at the same time; 1,000: they leave descriptors to those who read mail */
	uint32_t sessions_max;
	int64_t idle_ms; /* 300,000: 421 (RFC 5321 4.5.3.2.7) */
	/* addresses that may say XCLIENT: "192.0.2.1"; unix sockets always may */
	const struct str *trusted;
	size_t trusted_count;
	/* "+-": joe+box@ and joe-box@ are delivered into "box" of joe; empty: no such addresses */
	struct str delimiters;
	bool is_overquota_permanent; /* 552 5.2.2 instead of 452 4.2.2 */
};

struct lmtp_server *lmtp_server_new(const struct lmtp_options *o);
/** Accepts from a listening socket, which stays the caller's. May be called several times. */
void lmtp_server_listen(struct lmtp_server *srv, int fd);
/**
 * Serves one connection, accepted elsewhere, on the loop that calls (loops[0] or another of them),
 * or says 421 when there are too many.
 */
void lmtp_server_serve(struct lmtp_server *srv, struct loop *loop, int fd,
    const struct io_addr *peer);
/** Accepts no more; those connected stay. */
void lmtp_server_stop_listening(struct lmtp_server *srv);
/**
 * Lets deliveries that have begun be answered, says 421 to everybody and ends them, at the latest
 * after grace_ms; then calls done on loops[0], once. Implies lmtp_server_stop_listening().
 */
void lmtp_server_shutdown(struct lmtp_server *srv, int64_t grace_ms, void (*done)(void *ctx),
    void *ctx);
/**
 * After lmtp_server_shutdown() is done, or when the loops no longer run: ends what is left at once.
 */
void lmtp_server_free(struct lmtp_server *srv);

/** Any thread: sessions now. */
size_t lmtp_server_session_count(const struct lmtp_server *srv);

#endif
