/*
 * lanes.c - see lanes.h. The lanes that are not empty form a ring; who is served goes to its end.
 */
#include "base/lanes.h"

#include "base/attr.h"
#include "base/hash.h"

enum { SHARE_INVERSE = 4, BURST_US = 2000, LASTING_US = 20000, DEBT_MAX_US = 100000 };

static uint16_t
lane_of(uint64_t owner)
{
	return hash_u64(owner) % LANES;
}

/* At the end of the ring. */
static void
ring_add(struct lanes *l, struct lane *lane)
{
	if (l->last != NULL) {
		lane->next = l->last->next;
		l->last->next = lane;
	} else {
		lane->next = lane;
	}
	l->last = lane;
}

void
lanes_add(struct lanes *l, struct lane_item *i, uint64_t owner)
{
	struct lane *lane;

	if (i->is_queued)
		return;
	i->lane = lane_of(owner);
	i->next = NULL;
	i->is_queued = true;
	lane = &l->lanes[i->lane];
	if (lane->head != NULL) {
		lane->tail->next = i;
		lane->tail = i;
		return;
	}
	lane->head = lane->tail = i;
	if (!lane->is_held)
		ring_add(l, lane);
}

/* Takes the lane behind `before` out of the ring: it is empty. */
static void
ring_remove_behind(struct lanes *l, struct lane *before)
{
	struct lane *lane = before->next;

	if (lane == before) {
		l->last = NULL;
		return;
	}
	before->next = lane->next;
	if (l->last == lane)
		l->last = before;
}

static void
ring_remove(struct lanes *l, struct lane *lane)
{
	struct lane *before = lane;

	while (before->next != lane)
		before = before->next;
	ring_remove_behind(l, before);
}

struct lane_item *
lanes_take(struct lanes *l)
{
	struct lane_item *i;
	struct lane *lane;

	if (l->last == NULL)
		return NULL;
	lane = l->last->next;
	i = lane->head;
	lane->head = i->next;
	i->is_queued = false;
	if (lane->head == NULL)
		ring_remove_behind(l, l->last);
	else
		l->last = lane;
	return i;
}

void
lanes_remove(struct lanes *l, struct lane_item *i)
{
	struct lane *lane = &l->lanes[i->lane];
	struct lane_item *last = NULL;

	if (!i->is_queued)
		return;
	for (struct lane_item **at = &lane->head; *at != NULL; at = &(*at)->next) {
		if (*at == i) {
			*at = i->next;
			break;
		}
		last = *at;
	}
	i->is_queued = false;
	if (lane->tail == i)
		lane->tail = last;
	if (lane->head == NULL && !lane->is_held)
		ring_remove(l, lane);
}

void
lanes_hold(struct lanes *l, uint16_t i)
{
	struct lane *lane = &l->lanes[i];

	if (lane->is_held)
		return;
	lane->is_held = true;
	if (lane->head != NULL)
		ring_remove(l, lane);
}

bool
lanes_let_go(struct lanes *l, uint16_t i)
{
	struct lane *lane = &l->lanes[i];

	if (!lane->is_held)
		return false;
	lane->is_held = false;
	if (lane->head != NULL)
		ring_add(l, lane);
	return lane->head != NULL;
}

void
lanes_spend(struct lanes *l, uint64_t owner, int64_t now_us, int64_t spent_us)
{
	struct lane *lane = &l->lanes[lane_of(owner)];

	lane->paid_us = MAX(lane->paid_us, now_us) + SHARE_INVERSE * spent_us;
	lane->paid_us = MIN(lane->paid_us, now_us + SHARE_INVERSE * DEBT_MAX_US);
}

/* What it has had beyond its part, in the owner's own time. */
static int64_t
debt_us(const struct lanes *l, uint64_t owner, int64_t now_us)
{
	return (l->lanes[lane_of(owner)].paid_us - now_us) / SHARE_INVERSE;
}

bool
lanes_has_overspent(const struct lanes *l, uint64_t owner, int64_t now_us)
{
	return debt_us(l, owner, now_us) > BURST_US;
}

bool
lanes_has_squandered(const struct lanes *l, uint64_t owner, int64_t now_us)
{
	return debt_us(l, owner, now_us) > LASTING_US;
}

bool
lanes_has_rested(const struct lanes *l, uint64_t owner, int64_t now_us)
{
	return debt_us(l, owner, now_us) <= 0;
}
