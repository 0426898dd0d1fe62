/*
 * waiter.h - how a computation that can't go on yet is called again.
 *
 * A function that must wait registers the caller's waiter and returns ERR_WAIT. When what it waited
 * for may be there, the waiter is taken off and its wake function runs, in whatever thread brought
 * the news and with the list's lock held: it only posts to its own loop. The caller then calls the
 * function again, which succeeds, fails or waits again; waking without need is harmless. A waiter
 * is in one list at a time; waiter_cancel() takes it off and returns only when its wake function is
 * not running.
 */
#ifndef BASE_WAITER_H
#define BASE_WAITER_H

#include "base/list.h"

#include <pthread.h>
#include <stdatomic.h>

struct waitlist {
	pthread_mutex_t lock;
	struct list head;
};

struct waiter {
	struct list node;
	void (*wake)(struct waiter *w);
	_Atomic(struct waitlist *) in;
};

void waitlist_init(struct waitlist *l);
/** Wakes whoever is left, then destroys the lock. */
void waitlist_done(struct waitlist *l);
void waitlist_wake_all(struct waitlist *l);
void waiter_init(struct waiter *w, void (*wake)(struct waiter *w));
/** Registers w, taking it off the list it was in. */
void waiter_wait(struct waiter *w, struct waitlist *l);
void waiter_cancel(struct waiter *w);

#endif
