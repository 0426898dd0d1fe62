/*
 * gate.c - the output gate: what a session writes after a change of its own is not sent before that
 * change is durable; and the snapshots that a session so may show before others do.
 *
 * A gate in the stream's queue names a version of an account. Gates open in their order, so one
 * waiter a session is registered, for the first that is closed; when that account's durable version
 * moves, the stream looks at its gates again. A gate that has opened may stay in the stream's queue
 * for as long as the client does not read.
 */
#include "session/core_int.h"

#include "session/foreign.h"
#include "session/notify.h"

#include <stdlib.h>

struct gate {
	struct stream_gate g;
	struct list node; /* in k->gates, while it is closed */
	struct session_core *k;
	struct account *account; /* referenced */
	uint64_t version;
};

static enum gate_state
gate_state(struct stream_gate *g)
{
	struct gate *gate = container_of(g, struct gate, g);

	switch (account_durability(gate->account, gate->version)) {
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

	list_remove(&gate->node);
	account_unref(gate->account);
	free(gate);
}

/* Registers for the first gate that is closed; true when some had opened, which it forgets. */
static bool
watch(struct session_core *k)
{
	struct gate *first;
	bool has_opened = false;

	while ((first = list_first(&k->gates, struct gate, node)) != NULL
	    && account_wait_durable(first->account, first->version, &k->gate_waiter) != ERR_WAIT) {
		list_remove(&first->node);
		has_opened = true;
	}
	return has_opened;
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

	watch(k);
	stream_gate_changed(k->s.stream);
}

/* Puts a gate for this version of the account into the output. */
static void
gate_add(struct session_core *k, struct account *a, uint64_t version)
{
	struct gate *gate = xcalloc(1, sizeof(*gate));

	*gate = (struct gate){ .g = { .state = gate_state, .release = gate_release },
		.k = k,
		.account = account_ref(a),
		.version = version };
	core_flush(k);
	list_add_tail(&k->gates, &gate->node);
	stream_gate(k->s.stream, &gate->g);
	if (watch(k))
		loop_post(k->loop, &k->gate_task);
}

void
core_gate_init(struct session_core *k)
{
	list_init(&k->gates);
	waiter_init(&k->gate_waiter, gate_woken);
	loop_task_init(&k->gate_task, gate_task);
}

void
core_gate_leave(struct session_core *k)
{
	waiter_cancel(&k->gate_waiter);
	loop_task_cancel(k->loop, &k->gate_task);
}

void
core_gate_enter(struct session_core *k)
{
	if (!list_is_empty(&k->gates))
		loop_post(k->loop, &k->gate_task);
}

void
core_gate_done(struct session_core *k)
{
	core_gate_leave(k);
}

struct snapshot *
session_snapshot(struct session *s)
{
	struct snapshot *now = account_snapshot(s->account, s->own);

	/* Once the durable version has passed our own, there is nothing to remember. */
	if (s->own != NULL && now != s->own) {
		snapshot_unref(s->own);
		s->own = NULL;
	}
	return now;
}

struct snapshot *
session_snapshot_of(struct session *s, struct account *a)
{
	return a == s->account ? session_snapshot(s) : foreign_snapshot(s, a);
}

/* Nothing written from here on leaves before that version is durable. */
static void
wait_for(struct session *s, struct snapshot *after)
{
	gate_add(s->core, snapshot_account(after), snapshot_version(after));
	if (snapshot_account(after) != s->account) {
		foreign_committed(s, after);
		return;
	}
	if (s->own != NULL)
		snapshot_unref(s->own);
	s->own = after;
}

void
session_committed(struct session *s, struct snapshot *after)
{
	if (after == NULL)
		return;
	notify_committed(s, after);
	wait_for(s, after);
}

void
session_committed_if(struct session *s, struct snapshot *after, const struct mailbox_info *mailbox)
{
	if (mailbox != NULL && mailbox->version == snapshot_version(after))
		notify_committed(s, after);
	wait_for(s, after);
}

static void
saw_latest_of(struct session *s, struct account *a)
{
	struct snapshot *latest = account_pending(a);

	/* Our own last commit has its gate already. */
	if (latest != NULL && s->own != NULL && snapshot_account(latest) == s->account
	    && snapshot_version(s->own) == snapshot_version(latest))
		snapshot_unref(latest);
	else if (latest != NULL)
		wait_for(s, latest);
}

void
session_saw_latest(struct session *s)
{
	if (s->account != NULL)
		saw_latest_of(s, s->account);
	if (s->view != NULL && view_account(s->view) != s->account)
		saw_latest_of(s, view_account(s->view));
}
