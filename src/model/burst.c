/* burst.c - several clients at the same time. */
#include "model/run.h"

#include <stdlib.h>

enum { ACTORS = PLAYERS + 1, EACH = 2, DEPTH = ACTORS * EACH };

/* Who acts in a burst, and what was answered. The MTA is the last actor. */
struct actor {
	struct player *p; /* NULL: the MTA */
	struct plan plans[EACH];
	struct answer *answers;
	uint32_t count;
};

struct burst {
	struct run *r;
	struct actor actors[ACTORS];
	struct state states[DEPTH + 1]; /* after so many commands, in the order that is tried */
	char why[360];
	uint32_t depth_max; /* how far the order that came farthest did */
	uint64_t version;   /* before */
	struct answer delivered;
};

static uint64_t
rnd(struct run *r, uint64_t n)
{
	return sim_random(&r->sim, n);
}

/*
 * Commands of different sessions may take their versions in another order than the one that
 * explains what they did: a RENAME, and a COPY that had found its mailbox under the old name. So of
 * what has changed it only counts that the modseq is new.
 */
static void
forget_order(const struct burst *b, struct state *model)
{
	for (uint32_t i = 0; i < model->n; i++) {
		struct state_box *box = &model->box[i];
		struct state_box *real = state_box(&b->r->real, box->name);

		if (real == NULL || real->n != box->n)
			continue;
		if (box->highest > b->version && real->highest > b->version)
			box->highest = real->highest;
		for (uint32_t k = 0; k < box->n; k++) {
			if (box->m[k].modseq > b->version && real->m[k].modseq > b->version)
				box->m[k].modseq = real->m[k].modseq;
		}
	}
}

static bool explain(struct burst *b, uint32_t depth, uint32_t *at);

/* A FETCH of bodies that looked in this state sets \Seen on what had none there. */
static void
look_in(struct state *s, const struct plan *plan, struct act *act)
{
	const struct state_box *box = state_box_by_id(s, act->box);

	act->n = 0;
	for (uint32_t k = 0; k < plan->target_count; k++) {
		int at = box != NULL ? state_message(box, plan->targets[k]) : -1;

		if (at >= 0 && (box->m[at].flags & FLAG_SEEN) == 0)
			act->uids[act->n++] = plan->targets[k];
	}
}

/*
 * Goes on with the next command of an actor, which puts messages into a mailbox of that name.
 * looked: after so many commands a FETCH of bodies looked what has no \Seen, and sets it now; 0:
 * before all others, when it saw what its client had been told.
 */
static bool
explain_next(struct burst *b, uint32_t depth, uint32_t *at, uint32_t i, const char *name,
    uint32_t looked)
{
	struct actor *a = &b->actors[i];
	struct state *next = &b->states[depth + 1];
	struct act act;
	struct outcome o;
	char why[320];

	act = a->plans[at[i]].act;
	snprintf(act.name, sizeof(act.name), "%s", name);
	if (looked > 0)
		look_in(&b->states[looked], &a->plans[at[i]], &act);
	*next = b->states[depth];
	state_apply(next, &act, &o);
	if (!answer_fits(&a->plans[at[i]], &a->answers[at[i]], &o, why, sizeof(why))) {
		if (depth >= b->depth_max) {
			snprintf(b->why, sizeof(b->why), "player %u: %s", i + 1, why);
			b->depth_max = depth;
		}
		return false;
	}
	at[i]++;
	if (explain(b, depth + 1, at))
		return true;
	at[i]--;
	return false;
}

/*
 * What the mailbox is called by now that had the name when the burst began: a command that found it
 * before a RENAME was durable puts its messages there. NULL: it is called the same, or gone.
 */
static const char *
renamed(struct burst *b, uint32_t depth, const struct act *a)
{
	const struct state_box *before = state_box(&b->states[0], a->name),
			       *now = before != NULL
	    ? state_box_by_id(&b->states[depth], before->id)
	    : NULL;

	if (a->op != ACT_APPEND && a->op != ACT_COPY && a->op != ACT_MOVE
	    && a->op != ACT_SETMETADATA)
		return NULL;
	return now != NULL && strcmp(now->name, a->name) != 0 ? now->name : NULL;
}

/* Tries all orders of what is left from this state on. */
static bool
explain(struct burst *b, uint32_t depth, uint32_t *at)
{
	struct state *s = &b->states[depth], *next = &b->states[depth + 1];
	const struct act *act;
	const char *other;
	bool is_over = true;
	char why[320];

	for (uint32_t i = 0; i < ACTORS; i++) {
		const struct actor *a = &b->actors[i];

		if (at[i] == a->count)
			continue;
		is_over = false;
		act = &a->plans[at[i]].act;
		for (uint32_t looked = 0; looked <= (act->sees ? depth : 0); looked++) {
			if (explain_next(b, depth, at, i, act->name, looked))
				return true;
		}
		other = renamed(b, depth, act);
		if (other != NULL && explain_next(b, depth, at, i, other, 0))
			return true;
	}
	if (!is_over)
		return false;
	b->r->orders++;
	*next = *s;
	forget_order(b, next);
	if (state_equals(next, &b->r->real, why, sizeof(why))) {
		b->r->state = *next;
		return true;
	}
	snprintf(b->why, sizeof(b->why), "%s", why);
	b->depth_max = DEPTH;
	return false;
}

static void
send_all(struct burst *b)
{
	struct run *r = b->r;

	for (uint32_t i = 0; i < PLAYERS; i++) {
		struct actor *a = &b->actors[i];
		struct player *p = &r->players[i];

		if (p->phase != PLAYER_IN && p->phase != PLAYER_SELECTED)
			continue;
		a->p = p;
		a->answers = p->answers;
		a->count = (uint32_t)rnd(r, EACH + 1);
		p->first_tag = p->pic.tag + 1;
		for (uint32_t k = 0; k < a->count; k++) {
			plan_make(r, p, true, k, &a->plans[k]);
			answer_clear(&p->answers[k]);
			run_log(r, 'C', p, buf_str(&a->plans[k].text));
			picture_send(&p->pic, a->plans[k].may_expunge, buf_str(&a->plans[k].text));
			r->commands++;
			if (a->plans[k].act.op == ACT_EXPUNGE || a->plans[k].act.op == ACT_MOVE
			    || a->plans[k].act.op == ACT_FETCH)
				a->count = k + 1;
		}
		/* Some begin when others are under way. */
		for (uint64_t turns = rnd(r, 3); turns > 0; turns--)
			sim_turn(&r->sim);
	}
}

static void
deliver(struct burst *b)
{
	struct run *r = b->r;
	struct actor *a = &b->actors[PLAYERS];
	BUF_CLEAN struct buf text = BUF_MAX(1 << 20);

	if (r->deliveries == DELIVERIES_MAX || rnd(r, 4) != 0
	    || state_box(&r->state, "INBOX")->n > 100)
		return;
	run_deliver_begin(r, &text, &a->plans[0].act);
	run_log(r, 'C', NULL, STR("(the message)"));
	sim_send(&r->mta, buf_str(&text));
	a->count = 1;
	a->answers = &b->delivered;
}

static void
take_delivery(struct burst *b)
{
	struct run *r = b->r;
	struct actor *a = &b->actors[PLAYERS];
	struct str line = sim_line(&r->mta);

	if (a->count == 0)
		return;
	if (line.p == NULL || !str_starts(line, STR("250 ")))
		run_fail(r, "LMTP answers %.*s", STR_F(line));
	run_log(r, 'S', NULL, line);
	sim_consume(&r->mta, line);
	b->delivered.is_there = true;
	strcpy(b->delivered.condition, "OK");
	a->plans[0].is_delivery = true;
}

/* When all are done and have asked once more, all pictures are true. */
static void
look_again(struct burst *b)
{
	struct run *r = b->r;

	for (uint32_t i = 0; i < PLAYERS; i++) {
		struct player *p = &r->players[i];
		struct plan plan = { 0 };

		if (p->phase != PLAYER_IN && p->phase != PLAYER_SELECTED)
			continue;
		p->first_tag = p->pic.tag + 1;
		answer_clear(&p->answers[0]);
		run_log(r, 'C', p, STR("NOOP"));
		picture_send(&p->pic, true, STR("NOOP"));
		r->commands++;
		sim_settle(&r->sim);
		run_take(r, p, &plan, 1);
		check_picture(r, p, false);
	}
}

void
run_burst(struct run *r)
{
	static struct burst b;
	uint32_t at[ACTORS] = { 0 };

	memset(b.actors, 0, sizeof(b.actors));
	b.r = r;
	b.depth_max = 0;
	b.version = r->state.version;
	answer_clear(&b.delivered);
	deliver(&b);
	send_all(&b);
	sim_settle(&r->sim);
	for (uint32_t i = 0; i < PLAYERS; i++) {
		if (b.actors[i].p != NULL)
			run_take(r, b.actors[i].p, b.actors[i].plans, b.actors[i].count);
	}
	take_delivery(&b);
	if (state_read(r->account, &r->contents, run_wait, &r->sim, &r->real) != ERR_OK)
		run_fail(r, "the account can't be read");
	b.states[0] = r->state;
	if (!explain(&b, 0, at))
		run_fail(r, "no order explains the burst: %s", b.why);
	r->bursts++;
	run_learn(r);
	for (uint32_t i = 0; i < PLAYERS; i++) {
		struct actor *a = &b.actors[i];

		for (uint32_t k = 0; k < a->count; k++) {
			/* What its own silent STOREs left, beside others', it cannot know. */
			if (a->plans[k].act.op == ACT_STORE && a->plans[k].act.is_silent)
				picture_forget_flags(&a->p->pic);
			plan_done(&a->plans[k]);
		}
	}
	look_again(&b);
}
