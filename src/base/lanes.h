/*
 * lanes.h - a queue that serves owners in rotation, however much each of them has queued.
 *
 *     owner 7:  a b c d e      taken:  a x b y c d e
 *     owner 9:  x y
 *
 * Owners (accounts) are numbers, hashed to lanes; two that share a lane share its turn. Items are
 * embedded by their users, so nothing allocates. Not thread-safe.
 */
#ifndef BASE_LANES_H
#define BASE_LANES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LANES = 512 };

struct lane_item {
	struct lane_item *next;
	uint16_t lane;
	bool is_queued;
};

struct lane {
	struct lane_item *head, *tail;
	struct lane *next; /* the ring of those that are not empty, nor held */
	int64_t paid_us;   /* see lanes_spend() */
	bool is_held;
};

struct lanes {
	struct lane *last; /* of the ring; NULL: all are empty, or held */
	struct lane lanes[LANES];
};

/** All zero is an empty queue. Adding what is queued does nothing. */
void lanes_add(struct lanes *l, struct lane_item *i, uint64_t owner);
/** The next in rotation, or NULL. */
struct lane_item *lanes_take(struct lanes *l);
/** Also fine when it is not queued. */
void lanes_remove(struct lanes *l, struct lane_item *i);
/**
 * Nothing is taken of this lane (an item's), whatever is added, until it is let go: true when it
 * has something then.
 */
void lanes_hold(struct lanes *l, uint16_t lane);
bool lanes_let_go(struct lanes *l, uint16_t lane);

/**
 * Notes time that an owner had of what is shared. It may have a quarter of all time, and 2 ms at
 * once; above that lanes_has_overspent() is true, until time has passed (half a second at most).
 */
void lanes_spend(struct lanes *l, uint64_t owner, int64_t now_us, int64_t spent_us);
bool lanes_has_overspent(const struct lanes *l, uint64_t owner, int64_t now_us);
/** Above it by 20 ms: what it does lasts. */
bool lanes_has_squandered(const struct lanes *l, uint64_t owner, int64_t now_us);
/** It has had no more than its part lately. */
bool lanes_has_rested(const struct lanes *l, uint64_t owner, int64_t now_us);

/** There is nothing to take. */
static inline bool
lanes_is_empty(const struct lanes *l)
{
	return l->last == NULL;
}

#endif
