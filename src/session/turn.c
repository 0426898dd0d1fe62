/*
 * turn.c - when a session goes on: its turns of the loop, and who wakes it.
 *
 * A turn lasts a millisecond at most. A command that has had one, and an account that has had more
 * than its part of the loop, go on in shares (io/loop.h).
 */
#include "session/core_int.h"

#include "session/notify.h"

enum {
	TURN_MAX_US = 1000,
	SHARE_MAX_US = 300,
};

/* Notes what this turn took. */
static void
turn_end(struct session_core *k)
{
	struct clock *c = loop_clock(k->loop);
	int64_t now_us = c->mono_us(c), spent_us = now_us - k->turn_began_us;

	if (k->has_cmd)
		k->command_us += spent_us;
	if (k->s.account != NULL)
		loop_share_spend(k->loop, account_id(k->s.account).v, now_us, spent_us);
}

/*
 * Does what there is to do for this turn. True: the session is to return to the loops where it came
 * from, and goes on there.
 */
static bool
work(struct session_core *k, bool *goes_on)
{
	while (!k->s.is_closing && !session_is_full(&k->s)) {
		if (core_may_return(k)) {
			*goes_on = true;
			return true;
		}
		if (!core_step(k))
			break;
		if (session_should_yield(&k->s)) {
			*goes_on = true;
			core_go_on(k);
			break;
		}
	}
	return false;
}

void
core_continue(struct session_core *k)
{
	struct session *s = &k->s;
	bool goes_on = false, returns;

	if (k->is_inside)
		return;
	k->is_inside = true;
	k->wants_output = false;
	k->turn_began_us = loop_clock(k->loop)->mono_us(loop_clock(k->loop));
	returns = work(k, &goes_on);
	if (session_is_full(s))
		k->wants_output = goes_on = true;
	core_flush(k);
	turn_end(k);
	k->is_inside = k->is_share = false;
	if (k->wants_output)
		notify_count_changes(s);
	if (stream_is_eof(s->stream) && !goes_on && !s->is_closing
	    && (k->phase == PHASE_IDLE || k->phase == PHASE_LITERAL || k->phase == PHASE_SKIP
		|| k->phase == PHASE_DISCARD || k->wants_line)) {
		k->end_reason = "the client went away";
		s->is_closing = true;
		stream_close(s->stream);
	}
	core_rest(k);
	if (returns)
		core_return(k);
}

void
core_go_on(struct session_core *k)
{
	struct clock *c = loop_clock(k->loop);
	struct account *a = k->s.account;

	if (a != NULL
	    && (k->is_inside || k->command_us >= TURN_MAX_US || k->share.item.is_queued
		|| loop_share_is_due(k->loop, account_id(a).v, c->mono_us(c))))
		loop_share_post(k->loop, &k->share, account_id(a).v);
	else if (k->is_inside)
		loop_post(k->loop, &k->wake_task);
	else
		core_continue(k);
}

void
core_news(struct session_core *k)
{
	bool is_free = (k->phase == PHASE_IDLE && !k->has_cmd) || k->is_idling;

	if (k->s.is_closing)
		return;
	if (k->wants_output)
		notify_late(&k->s);
	else if (is_free)
		core_go_on(k);
	/* else told at the end of what is going on */
}

static void
share(struct loop_share *s)
{
	struct session_core *k = container_of(s, struct session_core, share);

	if (core_may_step_aside(k)) {
		core_step_aside(k);
		return;
	}
	k->is_share = true;
	core_continue(k);
}

static void
woken(struct waiter *w)
{
	struct session_core *k = container_of(w, struct session_core, waiter);

	loop_post(k->loop, &k->wake_task);
}

static void
wake_task(struct loop_task *t)
{
	core_go_on(container_of(t, struct session_core, wake_task));
}

void
session_wake(struct session *s)
{
	struct session_core *k = s->core;

	loop_post(k->loop, &k->wake_task);
}

enum err
session_yield(struct session *s)
{
	core_go_on(s->core);
	return ERR_WAIT;
}

bool
session_should_yield(struct session *s)
{
	struct session_core *k = s->core;
	struct clock *c = loop_clock(k->loop);

	return c->mono_us(c) - k->turn_began_us > (k->is_share ? SHARE_MAX_US : TURN_MAX_US);
}

struct waiter *
session_waiter(struct session *s)
{
	return &s->core->waiter;
}

void
core_wake_init(struct session_core *k)
{
	loop_task_init(&k->wake_task, wake_task);
}

void
core_turn_init(struct session_core *k)
{
	waiter_init(&k->waiter, woken);
	core_wake_init(k);
	loop_share_init(&k->share, share);
}

void
core_turn_done(struct session_core *k)
{
	loop_task_cancel(k->loop, &k->wake_task);
	loop_share_cancel(k->loop, &k->share);
}
