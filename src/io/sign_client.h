/*
 * sign_client.h - asks the process that keeps the private keys for signatures. The mail process's
 * side: each loop has a connection of its own, so no handshake waits for another loop, and no lock
 * is taken.
 *
 *     stream_tls.c      SSL_do_handshake() in a job of OpenSSL (ASYNC_start_job), on a stack of its own
 *         │                 └─ tls_remote.c: the provider, asked to sign, pauses the job
 *         ▼
 *     sign_ask_for()  ──►  the other process  ──►  answered(), and the handshake goes on where it paused
 *
 * Nothing blocks. When the other process dies, what it had not answered is asked again of the next
 * one, which is there within 100 ms; a question that ended two of them, or has waited for
 * SIGN_WAIT_MS, is refused.
 */
#ifndef IO_SIGN_CLIENT_H
#define IO_SIGN_CLIENT_H

#include "base/list.h"
#include "io/loop.h"
#include "io/sign_wire.h"

struct sign_client;

enum {
	SIGN_WAIT_MS = 5000,
	/*
	 * Handshakes of a loop that wait for a signature at the same time: each has a stack of 32
	 * KiB, of which it uses 8. The others wait before they begin.
	 */
	SIGN_JOBS_MAX = 128,
};

/* One signature. In the asker's memory, until it is answered or cancelled. */
struct sign_question {
	struct list in_line;
	struct sign_ask ask;      /* the id is given by sign_ask_for() */
	unsigned char *signature; /* where it goes; room for `room` bytes */
	size_t room, n;
	bool is_answered; /* n == 0: refused */
	unsigned sent_count;
	int64_t asked_ms;
	void (*answered)(void *ctx);
	void *ctx;
};

/* A handshake that waits for a job; see SIGN_JOBS_MAX. */
struct sign_waiter {
	struct list in_line;
	bool is_waiting;
	bool is_called; /* and has not tried yet: who tries puts false here */
	void (*call)(void *ctx);
	void *ctx;
};

/** Before the loops run. They outlive it. */
struct sign_client *sign_client_new(struct loop *const *loops, size_t count);
/** When the loops have ended and nothing waits any more. Takes NULL. */
void sign_client_free(struct sign_client *c);
/**
 * Any thread: a connection for the loop with this number, in place of the one that it had. The
 * callee's; closed if there is no such loop.
 */
void sign_client_attach(struct sign_client *c, size_t number, int fd);

/* On the loop's thread. */
void sign_ask_for(struct sign_client *c, struct loop *loop, struct sign_question *q);
/** It is not asked any more: is_answered, and answered() is not called. */
void sign_cancel(struct sign_question *q);
/** No job is free: call() is called when one may be, and then the handshake is tried again. */
void sign_wait_for_job(struct sign_client *c, struct loop *loop, struct sign_waiter *w);
/** A handshake has given its job back. */
void sign_job_done(struct sign_client *c, struct loop *loop);
/** Before its memory goes. One that was called and has not tried again lets the next one try. */
void sign_waiter_cancel(struct sign_client *c, struct loop *loop, struct sign_waiter *w);

#endif
