/*
 * upgrade.h - the two jobs of the pool: checking a password, and making new verifiers for one that
 * was right.
 */
#ifndef AUTH_UPGRADE_H
#define AUTH_UPGRADE_H

#include "auth/server_int.h"

#include <stdatomic.h>

struct verify {
	struct job job;
	struct auth_server *server;
	struct exchange *x;            /* NULL: nobody waits any more */
	atomic_bool is_unwanted;       /* that the pool sees too, and does not hash */
	struct str verifier, password; /* in the job's own memory */
	bool is_right;
	struct arena arena;
};

/** Checks a password on a pool, then calls done on the loop. ERR_BUSY: the queue is full. */
must_use enum err verify_submit(struct auth_server *srv, struct exchange *x, bool is_from_known,
    struct str verifier, struct str password, void (*done)(struct verify *v), struct verify **out);
void verify_free(struct verify *v);
/**
 * Makes the verifiers that this user should have, and stores them if the old one is still there.
 * Nobody waits for it.
 */
void upgrade_if_outdated(struct auth_server *srv, const struct user_row *row, struct str password);
/**
 * Sets all verifiers of a row for a password; texts are put into the arena. For the tool too. Slow.
 */
must_use enum err verifiers_make(struct arena *a, struct str password,
    const struct password_cost *cost, struct user_row *row);

#endif
