/*
 * sim.h - for tests: the whole server in one thread, on a virtual clock, from a seed. IMAP and LMTP
 * sessions over socket pairs, a stand-in for the auth process, and an engine that is stepped by
 * hand, so that loads and commits complete late and in any order; or another engine, which is then
 * waited for.
 */
#ifndef MODEL_SIM_H
#define MODEL_SIM_H

#include "base/list.h"
#include "base/test.h"
#include "io/loop.h"
#include "session/server.h"
#include "store/store.h"

struct auth_client;
struct lmtp_server;

struct sim_clock {
	struct clock clock;
	int64_t now_us;
};

struct sim {
	struct sim_clock clock;
	struct loop *loop;
	struct kv *kv;
	bool is_manual; /* the engine in memory, stepped by sim_turn() */
	struct store *store;
	struct auth_client *auth;
	struct server *server;
	struct lmtp_server *lmtp;
	int auth_fd; /* the stand-in's end */
	struct loop_fd auth_ready;
	struct buf auth_in;
	bool has_asked;    /* something came for the stand-in in this turn */
	struct list conns; /* struct sim_conn */
	uint64_t random;
	struct str choices; /* bytes that sim_random() takes first */
	/* every login and every recipient is this user; p NULL: the one that is named */
	struct str guest;
	/* of 100 turns in which the engine could complete something, so many let it wait */
	unsigned patience;
	/* completed by the engine; it stops at the maximum (0: never) */
	uint64_t steps, steps_max;
	bool is_stopped; /* it completes nothing more */
	bool is_stuck;   /* an answer did not come in a hundred thousand turns */
	/*
	 * Another engine completes in its own time: settling lasts while this says that an answer
	 * is still awaited.
	 */
	bool (*awaits)(void *ctx);
	void *awaits_ctx;
};

/* One client's end. */
struct sim_conn {
	struct list in_sim;
	struct sim *sim;
	int fd;         /* -1: not connected */
	struct buf in;  /* received and not yet looked at */
	struct buf out; /* not yet taken by the socket */
	bool is_eof;
	bool is_deaf; /* the client reads nothing, until this is false again */
};

/** Engine in memory for sim_open(). */
struct kv *sim_memory(uint64_t seed);
/** @kv  stays the caller's; may hold what an earlier server left */
void sim_open(struct sim *s, struct kv *kv, bool is_manual, uint64_t seed);

/* What is lower than usual; 0: it is as usual. */
struct sim_limits {
	uint32_t messages;     /* MESSAGELIMIT (RFC 9738); usually there is none */
	uint32_t commit_pages; /* of the store */
};

void sim_open_limited(struct sim *s, struct kv *kv, bool is_manual, uint64_t seed,
    struct sim_limits limits);
/** Ends all sessions, completes what waits in the engine, closes the store. */
void sim_close(struct sim *s);
/**
 * The same when the process dies with nothing completed; for the engine in memory the power goes
 * too.
 */
void sim_cut(struct sim *s);

/** A number below n, from the seed. */
uint64_t sim_random(struct sim *s, uint64_t n);
/** One turn of the loop, and at most one completion of the engine. False: nothing happened. */
bool sim_turn(struct sim *s);
/** Turns until nothing happens any more: every command that can end has ended. */
void sim_settle(struct sim *s);
/**
 * For who waits for the engine and nothing else: one completion, or a moment. False: nothing will
 * come.
 */
bool sim_wait(struct sim *s);

void sim_connect(struct sim *s, struct sim_conn *c);
void sim_connect_lmtp(struct sim *s, struct sim_conn *c);
void sim_disconnect(struct sim_conn *c);
void sim_send(struct sim_conn *c, struct str bytes);
/** Takes what the server has sent; sim_turn() does. False: nothing. */
bool sim_pull(struct sim_conn *c);
/**
 * The next complete response without its line end, literals included as they came; p NULL: there is
 * none. Valid until sim_consume().
 */
struct str sim_line(const struct sim_conn *c);
/** Forgets the line that sim_line() gave. */
void sim_consume(struct sim_conn *c, struct str line);

#endif
