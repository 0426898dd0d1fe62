/*
 * move.c - a session goes from one loop to another.
 *
 *     door ── has shaken hands ──► loop ── has had much, and goes on ──► loop aside
 *                                   ▲                                      │
 *                                   └── between commands, has rested ──────┘
 *
 * A command that lasts, and who asks without end, is worked on by a loop whose thread gives way to
 * those of the others, and an account by one of them only; so they have of the processors what is
 * left. A command is moved between two calls of its run(): what it waits for is asked for again
 * there.
 *
 * Nothing of the session is posted to the loop that it leaves once its waiters are cancelled, and
 * none wakes before it has arrived; so no lock is needed.
 */
#include "session/core_int.h"

#include "session/context.h"
#include "session/notify.h"
#include "session/server.h"

/*
 * It stays at least so long: the loop aside does not know what it has had before, so at first it
 * seems to have rested there.
 */
#define ASIDE_MIN_US 20000

/* Its first task on another loop. */
static void
arrive(struct session_core *k)
{
	core_wake_init(k);
	loop_timer_set(k->loop, &k->timer, k->timer.due_ms - loop_now_ms(k->loop));
	if (k->has_cmd && k->phase == PHASE_RUN)
		core_progress_begin(k);
	stream_enter(k->s.stream, k->loop);
	core_gate_enter(k);
	if (k->s.contexts != NULL)
		contexts_set_timer(&k->s);
	server_session_arrived(k->s.server, k);
}

static void
leave(struct session_core *k, struct loop *to, void (*arrived)(struct loop_task *t))
{
	stream_leave(k->s.stream);
	waiter_cancel(&k->waiter);
	core_gate_leave(k);
	notify_leave(&k->s);
	if (k->s.contexts != NULL)
		contexts_stop_timer(&k->s);
	core_progress_end(k);
	loop_timer_cancel(k->loop, &k->timer);
	core_turn_done(k);
	loop_task_init(&k->wake_task, arrived);
	k->loop = to;
	loop_post(to, &k->wake_task);
}

/* ---- from the door ---- */

static void
arrived_from_door(struct loop_task *t)
{
	struct session_core *k = container_of(t, struct session_core, wake_task);

	arrive(k);
	if (!k->s.is_closing)
		core_greet(k);
}

void
session_move(struct session *s, struct loop *loop)
{
	struct session_core *k = s->core;

	must(k->phase == PHASE_IDLE && !k->has_cmd && k->out.n == 0);
	leave(k, loop, arrived_from_door);
}

/* ---- aside, and back ---- */

static void
arrived(struct loop_task *t)
{
	struct session_core *k = container_of(t, struct session_core, wake_task);

	arrive(k);
	core_go_on(k);
}

bool
core_may_step_aside(const struct session_core *k)
{
	struct clock *c = loop_clock(k->loop);

	return !k->is_aside && k->s.account != NULL && !k->s.is_closing
	    && server_options(k->s.server)->aside_count > 0
	    && loop_share_lasts(k->loop, account_id(k->s.account).v, c->mono_us(c))
	    && stream_may_leave(k->s.stream);
}

void
core_step_aside(struct session_core *k)
{
	struct clock *c = loop_clock(k->loop);

	k->is_aside = true;
	k->aside_since_us = c->mono_us(c);
	leave(k, server_goes_aside(k->s.server, k), arrived);
}

bool
core_may_return(const struct session_core *k)
{
	struct clock *c = loop_clock(k->loop);
	int64_t now_us;

	if (!k->is_aside || k->s.is_closing
	    || (!k->is_idling && (k->phase != PHASE_IDLE || k->has_cmd)))
		return false;
	now_us = c->mono_us(c);
	return stream_may_leave(k->s.stream) && now_us - k->aside_since_us >= ASIDE_MIN_US
	    && (k->s.account == NULL
		|| loop_share_has_rested(k->loop, account_id(k->s.account).v, now_us));
}

void
core_return(struct session_core *k)
{
	k->is_aside = false;
	leave(k, server_returns(k->s.server, k), arrived);
}
