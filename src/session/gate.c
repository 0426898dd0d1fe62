/*
 * gate.c - the output gate: what a session writes after a change of its own is not sent before that change is durable.
 *
 * A gate in the stream's queue names an account version. One waiter a session is registered with the account while any gate
 * is queued; when the durable version moves, the stream looks at its gates again.
 */
#include "session/core.h"

#include <stdlib.h>

struct gate {
	struct stream_gate g;
	struct session_core *k;
	uint64_t version;
};

static enum gate_state
gate_state(struct stream_gate *g)
{
	struct gate *gate = container_of(g, struct gate, g);

	switch (account_durability(gate->k->s.account, gate->version)) {
	case VERSION_DURABLE:
		return GATE_OPEN;
	case VERSION_FAILED:
		return GATE_FAILED;
	case VERSION_PENDING:
		break;
	}
	return GATE_CLOSED;
}

static void
gate_release(struct stream_gate *g)
{
	struct gate *gate = container_of(g, struct gate, g);

	gate->k->gates--;
	free(gate);
}

/* Registers for the next move; when it has moved already, the gates are looked at in the next turn. */
static void
watch(struct session_core *k)
{
	struct snapshot *own = k->s.own;

	if (k->gates == 0 || own == NULL)
		return;
	if (account_wait_durable(k->s.account, snapshot_version(own), &k->gate_waiter) != ERR_WAIT)
		loop_post(k->loop, &k->gate_task);
}

static void
gate_woken(struct waiter *w)
{
	struct session_core *k = container_of(w, struct session_core, gate_waiter);

	loop_post(k->loop, &k->gate_task);
}

static void
gate_task(struct loop_task *t)
{
	struct session_core *k = container_of(t, struct session_core, gate_task);

	stream_gate_changed(k->s.stream);
	if (k->gates > 0 && k->s.own != NULL &&
	    account_durability(k->s.account, snapshot_version(k->s.own)) == VERSION_PENDING)
		watch(k);
}

void
core_gate(struct session_core *k, uint64_t version)
{
	struct gate *gate = xcalloc(1, sizeof(*gate));

	*gate = (struct gate){ .g = { .state = gate_state, .release = gate_release }, .k = k, .version = version };
	core_flush(k);
	k->gates++;
	stream_gate(k->s.stream, &gate->g);
	watch(k);
}

void
core_gate_init(struct session_core *k)
{
	waiter_init(&k->gate_waiter, gate_woken);
	loop_task_init(&k->gate_task, gate_task);
}

void
core_gate_done(struct session_core *k)
{
	waiter_cancel(&k->gate_waiter);
	loop_task_cancel(k->loop, &k->gate_task);
}
