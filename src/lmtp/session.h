/*
 * session.h - one LMTP client.
 *
 * 	        LHLO          MAIL          RCPT (looked up)        DATA, BDAT
 * 	GREETED ────► READY ────► MAIL ──────────────────► MAIL ───────────────► body ──► delivering ──► READY
 *
 * The body streams into one arrival, whatever the number of recipients; each recipient then gets a
 * delivery of its own and an answer of its own, when it is durable (RFC 2033 4.2). Commands are
 * answered in the order in which they came.
 */
#ifndef LMTP_SESSION_H
#define LMTP_SESSION_H

#include "base/list.h"
#include "io/prefix.h"
#include "lmtp/server.h"

struct lmtp_session;

/* The sessions of one loop. */
struct lmtp_shard {
	struct lmtp_server *server;
	struct loop *loop;
	struct list sessions; /* struct lmtp_session, its first member */
};

/** Begins with the greeting. Takes over fd; adds itself to the shard. */
void lmtp_session_new(struct lmtp_shard *shard, int fd, const struct io_addr *peer, uint64_t id);
/** 421 as soon as what is being delivered is answered. */
void lmtp_session_end(struct list *session);
/** At once. */
void lmtp_session_drop(struct list *session);

/* --- What the server gives its sessions --- */
const struct lmtp_options *lmtp_server_options(const struct lmtp_server *srv);
/** A session has left its shard. */
void lmtp_shard_left(struct lmtp_shard *s);

#endif
