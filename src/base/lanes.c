/*
 * lanes.c - see lanes.h. The lanes that are not empty form a ring; who is served goes to its end.
 */
#include "base/lanes.h"

#include "base/attr.h"
#include "base/hash.h"

enum { SHARE_INVERSE = 4, BURST_US = 2000, DEBT_MAX_US = 100000 };

static uint16_t
lane_of(uint64_t owner)
{
	return hash_u64(owner) % LANES;
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
	if (l->last != NULL) {
		lane->next = l->last->next;
		l->last->next = lane;
	} else {
		lane->next = lane;
	}
	l->last = lane;
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
	struct lane *lane = &l->lanes[i->lane], *before;
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
	if (lane->head != NULL)
		return;
	for (before = lane; before->next != lane; before = before->next)
		;
	ring_remove_behind(l, before);
}

void
lanes_spend(struct lanes *l, uint64_t owner, int64_t now_us, int64_t spent_us)
{
	struct lane *lane = &l->lanes[lane_of(owner)];

	lane->paid_us = MAX(lane->paid_us, now_us) + SHARE_INVERSE * spent_us;
	lane->paid_us = MIN(lane->paid_us, now_us + SHARE_INVERSE * DEBT_MAX_US);
}

bool
lanes_has_overspent(const struct lanes *l, uint64_t owner, int64_t now_us)
{
	return l->lanes[lane_of(owner)].paid_us - now_us > SHARE_INVERSE * BURST_US;
}
