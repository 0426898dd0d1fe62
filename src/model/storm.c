/* storm.c - see storm.h. */
#include "model/storm.h"

#include "imap/flags.h"
#include "kv/kv.h"

#include <stdlib.h>

enum { WARM_STEPS = 30 };

static uint64_t
rnd(struct storm *s, uint64_t n)
{
	return sim_random(&s->r.sim, n);
}

/* ---- the storm ---- */

static void
plan_one(struct storm *s, struct player *p, uint32_t at, struct plan *out)
{
	for (;;) {
		plan_make(&s->r, p, rnd(s, 3) != 0, at, out);
		if (out->act.op != ACT_SELECT && out->act.op != ACT_CLOSE
		    && out->act.op != ACT_UNSELECT && out->act.op != ACT_SEARCH)
			return;
		plan_done(out);
	}
}

static void
plan_idle(struct plan *out)
{
	*out = (struct plan){ .act.op = ACT_IDLE, .text = BUF_MAX(16), .may_expunge = true };
	buf_lit(&out->text, "IDLE");
}

static void
send_one(struct storm *s, uint32_t i)
{
	struct player *p = &s->r.players[i];

	if (p->phase != PLAYER_IN && p->phase != PLAYER_SELECTED)
		return;
	for (uint32_t k = 0, count = 1 + (uint32_t)rnd(s, STORM_EACH); k < count; k++) {
		struct plan *plan = &s->plans[i][k];

		if (p->phase == PLAYER_SELECTED && rnd(s, 4) == 0)
			plan_idle(plan);
		else
			plan_one(s, p, k, plan);
		answer_clear(&p->answers[k]);
		run_log(&s->r, 'C', p, buf_str(&plan->text));
		s->count[i] = k + 1;
		picture_send(&p->pic, plan->may_expunge, buf_str(&plan->text));
		s->was_sent[plan->act.op] = true;
		if (plan->act.op == ACT_IDLE || plan->act.op == ACT_EXPUNGE
		    || plan->act.op == ACT_MOVE || plan->act.op == ACT_FETCH)
			break;
	}
}

static void
take_delivery(struct storm *s)
{
	struct str line = sim_line(&s->r.mta);

	if (!s->is_delivering || line.p == NULL)
		return;
	run_log(&s->r, 'S', NULL, line);
	s->is_delivered = str_starts(line, STR("250 "));
	sim_consume(&s->r.mta, line);
}

void
storm_take(struct storm *s)
{
	for (uint32_t i = 0; i < PLAYERS; i++)
		run_take(&s->r, &s->r.players[i], s->plans[i], s->count[i]);
	take_delivery(s);
}

static void
tell_turn(struct storm *s, bool begins)
{
	if (s->serves != NULL)
		s->serves(begins);
}

void
storm_rage(struct storm *s)
{
	struct run *r = &s->r;
	BUF_CLEAN struct buf text = BUF_MAX(1 << 20);

	buf_str_add(&text, buf_str(&s->message));
	if (s->is_delivering) {
		run_log(r, 'C', NULL, STR("(the message)"));
		sim_send(&r->mta, buf_str(&text));
		r->is_mta_awaited = true;
	}
	for (uint32_t i = 0; i < PLAYERS; i++) {
		send_one(s, i);
		tell_turn(s, true);
		for (uint64_t turns = rnd(s, 3); turns > 0; turns--)
			sim_turn(&r->sim);
		tell_turn(s, false);
	}
	tell_turn(s, true);
	sim_settle(&r->sim);
	tell_turn(s, false);
	r->is_mta_awaited = false;
	storm_take(s);
	if (r->sim.is_stuck)
		run_fail(r, "somebody is not answered");
}

/* ---- what they were told, against what is left ---- */

struct state_box *
storm_box(struct state *s, uint32_t validity)
{
	for (uint32_t i = 0; i < s->n; i++) {
		if (!s->box[i].is_level && s->box[i].validity == validity)
			return &s->box[i];
	}
	return NULL;
}

/* A message before and after; NULL: it was or is not there. */
static const struct state_message *
message_in(const struct state_box *b, uint32_t uid)
{
	int at = b != NULL ? state_message(b, uid) : -1;

	return at >= 0 ? &b->m[at] : NULL;
}

/* What the client believed of it before the storm. */
static bool
is_old_belief(const struct storm *s, uint32_t i, const struct seen *m)
{
	for (uint32_t k = 0; k < s->before_n[i]; k++) {
		if (s->before[i][k].uid == m->uid)
			return s->before[i][k].flags == m->flags;
	}
	return false;
}

static void
check_known(struct storm *s, uint32_t i, const struct seen *m, const struct state_box *was,
    const struct state_box *is)
{
	const struct player *p = &s->r.players[i];
	const struct state_message *old = message_in(was, m->uid), *now = message_in(is, m->uid);

	if (m->uid >= is->uidnext)
		run_fail(&s->r, "UID %u was told, which there is not", m->uid);
	if (p->pic.is_condstore && m->modseq > s->left.version)
		run_fail(&s->r, "modseq %llu was told, which there is not",
		    (unsigned long long)m->modseq);
	if (now == NULL || !m->has_flags || is_old_belief(s, i, m))
		return;
	if (old != NULL && old->modseq == now->modseq && m->flags != now->flags)
		run_fail(&s->r, "flags %x of UID %u were told, which are %x still", m->flags,
		    m->uid, now->flags);
	if (p->pic.is_condstore && m->modseq == now->modseq && m->flags != now->flags)
		run_fail(&s->r, "flags %x of UID %u were told, which are %x at this modseq",
		    m->flags, m->uid, now->flags);
}

static void
check_seen(struct storm *s, uint32_t i)
{
	struct player *p = &s->r.players[i];
	struct state_box *was = storm_box(&s->r.state, p->pic.validity),
			 *is = storm_box(&s->left, p->pic.validity);
	uint32_t unknown = 0, known = s->before_n[i] > 0 ? s->before[i][s->before_n[i] - 1].uid : 0;

	if ((p->phase != PLAYER_SELECTED && p->phase != PLAYER_IDLE) || was == NULL || is == NULL)
		return;
	s->pictures++;
	for (uint32_t k = 0; k < p->pic.n; k++) {
		if (p->pic.m[k].uid == 0)
			unknown++;
		else
			check_known(s, i, &p->pic.m[k], was, is);
	}
	if (unknown > is->uidnext - 1 - known)
		run_fail(&s->r, "%u new messages were told, there are %u", unknown,
		    is->uidnext - 1 - known);
	for (uint32_t k = 0; k < s->before_n[i]; k++) {
		uint32_t at = 0;

		while (at < p->pic.n && p->pic.m[at].uid != s->before[i][k].uid)
			at++;
		if (at == p->pic.n && message_in(is, s->before[i][k].uid) != NULL)
			run_fail(&s->r, "UID %u was told to be gone, and is there",
			    s->before[i][k].uid);
	}
}

/* UIDs that an answer gave are given. */
static void
check_given(struct storm *s, const struct answer *a, const struct rangeset *uids)
{
	struct state_box *is = storm_box(&s->left, a->validity);

	if (is == NULL && !s->was_sent[ACT_DELETE])
		run_fail(&s->r, "messages were put into mailbox %u, which is not there",
		    a->validity);
	if (is != NULL && rangeset_max(uids) >= is->uidnext)
		run_fail(&s->r, "UID %u was given in %s, where %u is the next", rangeset_max(uids),
		    is->name, is->uidnext);
}

static void
check_stored(struct storm *s, const struct player *p, const struct plan *plan,
    const struct answer *a)
{
	struct state_box *was = storm_box(&s->r.state, p->pic.validity),
			 *is = storm_box(&s->left, p->pic.validity);
	const struct act *act = &plan->act;

	for (uint32_t i = 0; i < plan->target_count && act->is_uid; i++) {
		const struct state_message *old = message_in(was, plan->targets[i]),
					   *now = message_in(is, plan->targets[i]);
		uint16_t flags;

		if (old == NULL || now == NULL || old->modseq != now->modseq
		    || rangeset_contains(&a->uids, now->uid))
			continue;
		flags = act->how == HOW_SET ? act->flags
		    : act->how == HOW_ADD   ? now->flags | act->flags
					    : (uint16_t)(now->flags & ~act->flags);
		if (flags != now->flags)
			run_fail(&s->r, "STORE of UID %u was OK, and its flags are %x still",
			    now->uid, now->flags);
	}
}

static void
check_expunged(struct storm *s, const struct player *p, const struct plan *plan)
{
	struct state_box *was = storm_box(&s->r.state, p->pic.validity),
			 *is = storm_box(&s->left, p->pic.validity);

	for (uint32_t i = 0; was != NULL && i < was->n; i++) {
		const struct state_message *old = &was->m[i], *now = message_in(is, old->uid);
		bool is_named = !plan->act.is_uid;

		for (uint32_t k = 0; k < plan->target_count; k++)
			is_named |= plan->targets[k] == old->uid;
		if (is_named && now != NULL && (old->flags & FLAG_DELETED) != 0
		    && old->modseq == now->modseq)
			run_fail(&s->r, "EXPUNGE was OK, and UID %u is there still", now->uid);
	}
}

/*
 * Where no other command of the storm could have changed it, a name is there or not as was
 * answered.
 */
static void
check_names(struct storm *s, const struct plan *plan, const struct answer *a)
{
	const struct act *act = &plan->act;
	struct state_box *was = state_box(&s->r.state, act->name),
			 *is = state_box(&s->left, act->name);
	bool is_ok = strcmp(a->condition, "OK") == 0, was_box = was != NULL && !was->is_level,
	     is_box = is != NULL && !is->is_level;
	bool goes = s->was_sent[ACT_DELETE] || s->was_sent[ACT_RENAME];

	if (act->op == ACT_CREATE && !goes && !is_box
	    && (is_ok || strcmp(a->code, "ALREADYEXISTS") == 0))
		run_fail(&s->r, "CREATE %s was answered %s, and it is not there", act->name,
		    a->condition);
	if ((act->op == ACT_DELETE || act->op == ACT_RENAME) && was_box && is_box
	    && was->validity == is->validity && strcmp(act->name, "INBOX") != 0
	    && (is_ok || strcmp(a->code, "NONEXISTENT") == 0) && (act->op == ACT_DELETE || !goes))
		run_fail(&s->r, "%s was answered %s [%s], and it is there still", plan->text.p,
		    a->condition, a->code);
	if (strcmp(a->code, "TRYCREATE") == 0 && was_box && is_box && was->validity == is->validity
	    && !s->was_sent[ACT_RENAME])
		run_fail(&s->r, "%s was not there, and is", act->name);
	if (act->op == ACT_SUBSCRIBE && is_ok && !goes && !s->was_sent[ACT_UNSUBSCRIBE]
	    && (is == NULL || !is->is_subscribed))
		run_fail(&s->r, "SUBSCRIBE %s was OK, and it is not subscribed to", act->name);
	if (act->op == ACT_UNSUBSCRIBE && is_ok && !goes && !s->was_sent[ACT_SUBSCRIBE]
	    && is != NULL && is->is_subscribed)
		run_fail(&s->r, "UNSUBSCRIBE %s was OK, and it is subscribed to", act->name);
}

/*
 * Numbers of a mailbox that has not changed are those of before; others are not higher than what
 * there is.
 */
static void
check_status(struct storm *s, const struct answer *a)
{
	unsigned messages, uidnext, validity, unseen, deleted, was_unseen = 0;
	struct state_box *was, *is;
	char name[STATE_NAME];

	if (sscanf(a->status, "%39s (MESSAGES %u UIDNEXT %u UIDVALIDITY %u UNSEEN %u DELETED %u)",
		name, &messages, &uidnext, &validity, &unseen, &deleted)
	    != 6)
		return;
	was = storm_box(&s->r.state, validity);
	is = storm_box(&s->left, validity);
	if (is == NULL && was == NULL && !s->was_sent[ACT_DELETE])
		run_fail(&s->r, "STATUS of mailbox %u, which there is not", validity);
	if (is == NULL)
		return;
	if (uidnext > is->uidnext)
		run_fail(&s->r, "STATUS %s, when UIDNEXT is %u", a->status, is->uidnext);
	if (was == NULL || was->highest != is->highest)
		return;
	for (uint32_t i = 0; i < was->n; i++)
		was_unseen += (was->m[i].flags & FLAG_SEEN) == 0;
	if (messages != was->n || unseen != was_unseen)
		run_fail(&s->r, "STATUS %s of a mailbox that has not changed", a->status);
}

static void
check_list(struct storm *s, const struct plan *plan, const struct answer *a)
{
	bool moves = s->was_sent[ACT_DELETE] || s->was_sent[ACT_RENAME];

	for (uint32_t i = 0; i < a->name_count && plan->list == LIST_ALL; i++) {
		if (state_box(&s->left, a->names[i]) == NULL
		    && state_box(&s->r.state, a->names[i]) == NULL && !moves)
			run_fail(&s->r, "%s was listed, which there is not", a->names[i]);
	}
	for (uint32_t i = 0; i < s->left.n && plan->list == LIST_ALL && !plan->has_percent; i++) {
		const struct state_box *is = &s->left.box[i],
				       *was = state_box(&s->r.state, is->name);
		uint32_t k = 0;

		while (k < a->name_count && strcmp(a->names[k], is->name) != 0)
			k++;
		if (k == a->name_count && was != NULL && !was->is_level
		    && was->validity == is->validity && !s->was_sent[ACT_RENAME])
			run_fail(&s->r, "%s was not listed, and is there", is->name);
	}
}

static void
check_done(struct storm *s, const struct player *p, const struct plan *plan, const struct answer *a)
{
	bool is_ok = strcmp(a->condition, "OK") == 0;

	s->answers++;
	check_names(s, plan, a);
	switch (plan->act.op) {
	case ACT_APPEND:
	case ACT_COPY:
	case ACT_MOVE:
		if (is_ok && a->validity != 0)
			check_given(s, a, &a->uids);
		break;
	case ACT_STORE:
		if (is_ok)
			check_stored(s, p, plan, a);
		break;
	case ACT_EXPUNGE:
		if (is_ok)
			check_expunged(s, p, plan);
		break;
	case ACT_STATUS:
		check_status(s, a);
		break;
	case ACT_LIST:
		if (is_ok)
			check_list(s, plan, a);
		break;
	case ACT_SETMETADATA:
	case ACT_GETMETADATA:
	case ACT_ANNOTATE:
	case ACT_FETCH:
		storm_check_noted(s, p, plan, a);
		break;
	case ACT_CREATE:
	case ACT_DELETE:
	case ACT_RENAME:
	case ACT_SUBSCRIBE:
	case ACT_UNSUBSCRIBE:
	case ACT_OPS_THAT_CHANGE:
	case ACT_SEARCH:
	case ACT_NOOP:
	case ACT_CANCEL:
	case ACT_SELECT:
	case ACT_CLOSE:
	case ACT_UNSELECT:
	case ACT_IDLE:
	case ACT_DONE:
		break;
	}
}

static void
check_delivery(struct storm *s)
{
	bool may_go = s->was_sent[ACT_EXPUNGE] || s->was_sent[ACT_DELETE];

	for (uint32_t i = 0; i < s->left.n; i++) {
		for (uint32_t k = 0; k < s->left.box[i].n; k++) {
			if (s->left.box[i].m[k].content == s->delivery.add[0].content)
				return;
		}
	}
	if (!may_go)
		run_fail(&s->r, "the MTA was told 250, and the message is not there");
}

static void
check_all(struct storm *s)
{
	for (uint32_t i = 0; i < PLAYERS; i++) {
		struct player *p = &s->r.players[i];

		check_seen(s, i);
		for (uint32_t k = 0; k < s->count[i]; k++) {
			if (p->answers[k].is_there)
				check_done(s, p, &s->plans[i][k], &p->answers[k]);
		}
	}
	if (s->is_delivered)
		check_delivery(s);
}

/* ---- the server starts again ---- */

static void
no_wake(unused_arg struct waiter *w)
{
}

static void
read_what_is_left(struct storm *s, struct kv *kv, bool is_manual)
{
	struct account *account = NULL;
	struct waiter w;
	struct sim sim;
	enum err e;

	sim_open(&sim, kv, is_manual, 1);
	waiter_init(&w, no_wake);
	while ((e = store_account_open(sim.store, STR("joe"), ACCOUNT_EXISTING, &w, &account))
	    == ERR_WAIT)
		must(sim_wait(&sim));
	waiter_cancel(&w);
	if (e != ERR_OK || state_read(account, &s->r.contents, run_wait, &sim, &s->left) != ERR_OK)
		run_fail(&s->r, "the account can't be read afterwards");
	for (uint32_t i = 0; i < s->left.n; i++) {
		for (uint32_t k = 0; k < s->left.box[i].n; k++) {
			if (s->left.box[i].m[k].content == UINT32_MAX)
				run_fail(&s->r, "a message that nobody has sent");
		}
	}
	account_unref(account);
	sim_close(&sim);
}

void
storm_open(struct storm *s, struct kv *kv, bool is_manual, uint64_t seed)
{
	struct run *r = &s->r;

	memset(s, 0, sizeof(*s));
	run_open(r, kv, is_manual, seed);
	r->is_calm = !is_manual;
	r->has_notes = seed % 2 == 0;
	s->message = BUF_MAX(1 << 20);
	while (r->step < WARM_STEPS) {
		run_step(r);
		storm_keep_notes(s);
	}
	for (uint32_t i = 0; i < PLAYERS; i++) {
		struct player *p = &r->players[i];

		p->first_tag = p->pic.tag + 1;
		memcpy(s->before[i], p->pic.m, sizeof(p->pic.m));
		s->before_n[i] = p->pic.n;
	}
	s->is_delivering = r->deliveries < DELIVERIES_MAX && rnd(s, 2) == 0;
	if (s->is_delivering)
		run_deliver_begin(r, &s->message, &s->delivery);
}

void
storm_end(struct storm *s)
{
	account_unref(s->r.account);
	sim_cut(&s->r.sim);
}

void
storm_check(struct storm *s, struct kv *kv, bool is_manual)
{
	read_what_is_left(s, kv, is_manual);
	check_all(s);
}

void
storm_done(struct storm *s)
{
	for (uint32_t i = 0; i < PLAYERS; i++) {
		for (uint32_t k = 0; k < s->count[i]; k++)
			plan_done(&s->plans[i][k]);
		for (uint32_t k = 0; k < ANSWERS; k++)
			answer_clear(&s->r.players[i].answers[k]);
		rangeset_done(&s->r.players[i].saved);
	}
	buf_done(&s->message);
}
