/* bell.c - see bell.h. */
#include "base/bell.h"

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>

/* A process has a loop a core; what is beyond that many is rung at once. */
enum { HELD_MAX = 64 };

static _Thread_local struct {
	struct bell *bells[HELD_MAX];
	size_t count;
	bool is_on;
} held;

void
bell_ring(struct bell *b)
{
	for (size_t i = 0; i < held.count; i++)
		if (held.bells[i] == b)
			return;
	if (held.is_on && held.count < HELD_MAX)
		held.bells[held.count++] = b;
	else
		b->ring(b);
}

void
bells_hold(void)
{
	must(!held.is_on);
	held.is_on = true;
}

void
bells_release(void)
{
	size_t count = held.count;

	must(held.is_on);
	held.is_on = false;
	held.count = 0;
	for (size_t i = 0; i < count; i++)
		held.bells[i]->ring(held.bells[i]);
}

static _Thread_local struct {
	struct bell *bell; /* the first; there is hardly ever another */
	bool is_on;
} turn;

void
bell_ring_later(struct bell *b)
{
	if (turn.is_on && (turn.bell == NULL || turn.bell == b))
		turn.bell = b;
	else
		b->ring(b);
}

void
bells_turn(void)
{
	turn.is_on = true;
}

void
bells_turn_end(void)
{
	struct bell *b = turn.bell;

	turn.is_on = false;
	turn.bell = NULL;
	if (b != NULL)
		b->ring(b);
}
