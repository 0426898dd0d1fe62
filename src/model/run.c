/* run.c - see run.h: a history, and the single steps in it. */
#include "model/run.h"

#include "imap/flags.h"
#include "kv/kv.h"
#include "store/mailbox.h"

#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

static uint64_t
rnd(struct run *r, uint64_t n)
{
	return sim_random(&r->sim, n);
}

/* ---- what is said ---- */

void
run_log(struct run *r, char side, const struct player *p, struct str line)
{
	char *to = r->log[r->log_next++ % LOG_LINES];
	int who = p != NULL ? (int)(p - r->players) + 1 : 0;

	snprintf(to, LOG_WIDTH, "%u %d %c %.*s", r->step, who, side, (int)MIN(line.n, 300), line.p);
	for (char *c = to; *c != '\0'; c++) {
		if (*c == '\r' || *c == '\n')
			*c = '~';
	}
	if (r->is_verbose)
		printf("# %s\n", to);
}

void
run_fail(struct run *r, const char *fmt, ...)
{
	va_list ap;

	for (uint32_t i = r->log_next > LOG_LINES ? r->log_next - LOG_LINES : 0;
	     i < r->log_next && !r->is_verbose; i++)
		printf("# %s\n", r->log[i % LOG_LINES]);
	printf("# failed: ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	if (r->again[0] == '\0')
		snprintf(r->again, sizeof(r->again), "build/src/model/server_model_test 1 %llu %u",
		    (unsigned long long)r->seed, r->step + 1);
	printf("\n# again: %s\n", r->again);
	fflush(stdout);
	if (r->is_fuzzed)
		abort();
	_exit(1); /* threads of an engine may be in the middle of something */
}

static void
say(struct run *r, struct player *p, const struct plan *plan)
{
	run_log(r, 'C', p, buf_str(&plan->text));
	picture_send(&p->pic, plan->may_expunge, buf_str(&plan->text));
	r->commands++;
}

/* ---- comparing everything ---- */

bool
run_wait(void *ctx)
{
	return sim_wait(ctx);
}

void
run_compare(struct run *r)
{
	char why[300];

	if (state_read(r->account, &r->contents, run_wait, &r->sim, &r->real) != ERR_OK)
		run_fail(r, "the account can't be read");
	if (!state_equals(&r->state, &r->real, why, sizeof(why)))
		run_fail(r, "%s", why);
}

void
run_learn(struct run *r)
{
	struct snapshot *now = account_snapshot(r->account, NULL);
	uint32_t highest = r->validity_highest;

	for (uint32_t i = 0; i < r->state.n; i++) {
		struct state_box *b = &r->state.box[i];
		const struct mailbox_info *info = snapshot_mailbox(now, str_c(b->name));

		if (b->is_level || b->validity != 0)
			continue;
		if (info == NULL || info->is_noselect || info->uidvalidity <= r->validity_highest)
			run_fail(r, "the new mailbox %s is not there, or has an old UIDVALIDITY",
			    b->name);
		b->validity = info->uidvalidity;
		highest = MAX(highest, b->validity);
	}
	r->validity_highest = highest;
	snapshot_unref(now);
}

/* ---- connections ---- */

/* One command whose answer is OK; it is not part of the history. */
static void
must_do(struct run *r, struct player *p, const char *text)
{
	struct plan plan = { .text = BUF_MAX(4096), .may_expunge = true };

	buf_c(&plan.text, text);
	answer_clear(&p->answers[0]);
	p->first_tag = p->pic.tag + 1;
	say(r, p, &plan);
	sim_settle(&r->sim);
	run_take(r, p, &plan, 1);
	if (strcmp(p->answers[0].condition, "OK") != 0)
		run_fail(r, "%s is refused", text);
	plan_done(&plan);
}

/* Things that are asked for once and then hold. */
static void
set_out(struct run *r, struct player *p)
{
	static const char *const languages[] = { "de", "fr", "es" };
	char text[40];

	if (rnd(r, 3) == 0) {
		p->pic.is_immediate = rnd(r, 2) == 0;
		must_do(r, p,
		    p->pic.is_immediate
			? "NOTIFY SET (selected (MessageNew (UID FLAGS) MessageExpunge FlagChange))"
			: "NOTIFY SET (selected-delayed (MessageNew (UID FLAGS) MessageExpunge FlagChange))");
		p->is_notified = true;
	}
	if (rnd(r, 3) == 0) {
		snprintf(text, sizeof(text), "LANGUAGE %s",
		    languages[rnd(r, ARRAY_LEN(languages))]);
		p->pic.is_utf8 = true;
		must_do(r, p, text);
		p->is_foreign = true;
	}
}

static void
connect_player(struct run *r, struct player *p)
{
	static const char *const enable[KINDS] = { [KIND_CONDSTORE] = "ENABLE CONDSTORE",
		[KIND_QRESYNC] = "ENABLE QRESYNC",
		[KIND_REV2] = "ENABLE IMAP4rev2" };

	memset(&p->pic, 0, sizeof(p->pic));
	sim_connect(&r->sim, &p->pic.conn);
	sim_settle(&r->sim);
	must_do(r, p, "LOGIN joe secret");
	if (enable[p->kind] != NULL)
		must_do(r, p, enable[p->kind]);
	p->pic.is_condstore = p->kind == KIND_CONDSTORE || p->kind == KIND_QRESYNC;
	p->pic.is_qresync = p->kind == KIND_QRESYNC;
	p->pic.is_rev2 = p->kind == KIND_REV2;
	p->phase = PLAYER_IN;
	p->box = 0;
	rangeset_clear(&p->saved);
	kept_forget(p, ~0u);
	p->is_notified = p->is_foreign = false;
	if (r->has_notes)
		set_out(r, p);
}

/* It goes away without a word, with what it knows. */
static void
disconnect_player(struct run *r, struct player *p)
{
	struct state_box *b = state_box_by_id(&r->state, p->box);

	run_log(r, 'C', p, STR("(goes away)"));
	p->has_old = p->kind == KIND_QRESYNC && b != NULL
	    && (p->phase == PLAYER_SELECTED || p->phase == PLAYER_IDLE);
	if (p->has_old) {
		snprintf(p->old_name, sizeof(p->old_name), "%s", b->name);
		p->old_validity = p->pic.validity;
		p->old_known = p->pic.known_at_reply;
		p->old_n = p->pic.n;
		memcpy(p->old, p->pic.m, sizeof(p->old));
	}
	sim_disconnect(&p->pic.conn);
	p->phase = PLAYER_OFF;
	sim_settle(&r->sim);
}

/* ---- SELECT ---- */

static void
check_resync(struct run *r, struct player *p, const struct state_box *b, bool has_known,
    const struct rangeset *known)
{
	uint32_t k = 0;

	for (uint32_t i = 0; i < b->n; i++) {
		const struct state_message *m = &b->m[i];

		if (has_known && !rangeset_contains(known, m->uid))
			continue;
		if (k == p->old_n || p->old[k].uid != m->uid)
			run_fail(r, "after QRESYNC the client does not know UID %u", m->uid);
		if (p->old[k].flags != m->flags || p->old[k].modseq != m->modseq)
			run_fail(r, "after QRESYNC UID %u has flags %x modseq %llu, want %x %llu",
			    m->uid, p->old[k].flags, (unsigned long long)p->old[k].modseq, m->flags,
			    (unsigned long long)m->modseq);
		k++;
	}
	if (k != p->old_n)
		run_fail(r, "after QRESYNC the client believes in UID %u", p->old[k].uid);
	r->resyncs++;
}

/* Selects; with QRESYNC if it was there before. */
static void
select_box(struct run *r, struct player *p, struct plan *plan)
{
	RANGESET_CLEAN struct rangeset known = RANGESET_NONE;
	struct state_box *b;
	bool is_resync = p->has_old && p->kind == KIND_QRESYNC,
	     has_known = is_resync && p->old_n > 0 && rnd(r, 2) == 0;

	if (is_resync) {
		snprintf(plan->act.name, sizeof(plan->act.name), "%s", p->old_name);
		buf_clear(&plan->text);
		buf_printf(&plan->text, "%s %s (QRESYNC (%u %llu",
		    plan->is_examine ? "EXAMINE" : "SELECT", p->old_name, p->old_validity,
		    (unsigned long long)p->old_known);
		for (uint32_t i = 0; i < p->old_n; i++)
			rangeset_add_one(&known, p->old[i].uid);
		if (has_known) {
			buf_lit(&plan->text, " ");
			rangeset_format(&known, &plan->text);
		}
		buf_lit(&plan->text, "))");
	}
	b = state_box(&r->state, plan->act.name);
	p->pic.is_selecting = true;
	if (p->phase == PLAYER_IN)
		picture_clear(&p->pic);
	answer_clear(&p->answers[0]);
	p->first_tag = p->pic.tag + 1;
	say(r, p, plan);
	sim_settle(&r->sim);
	run_take(r, p, plan, 1);
	p->pic.is_selecting = false;
	p->phase = PLAYER_IN;
	p->box = 0;
	rangeset_clear(&p->saved);
	kept_forget(p, ~0u);
	if ((b != NULL && !b->is_level) != (strcmp(p->answers[0].condition, "OK") == 0))
		run_fail(r, "SELECT %s is answered %s", plan->act.name, p->answers[0].condition);
	if (b == NULL || b->is_level) {
		picture_clear(&p->pic);
		p->has_old = false;
		return;
	}
	if (b->validity != 0 && b->validity != p->pic.validity)
		run_fail(r, "UIDVALIDITY of %s is %u, was %u", b->name, p->pic.validity,
		    b->validity);
	b->validity = p->pic.validity;
	p->phase = PLAYER_SELECTED;
	p->box = b->id;
	p->is_read_only = plan->is_examine;
	p->selection = ++r->selections;
	if (is_resync && p->old_validity == p->pic.validity)
		check_resync(r, p, b, has_known, &known);
	p->has_old = false;
	check_picture(r, p, false);
}

/* ---- single steps ---- */

static void
player_left(struct player *p)
{
	picture_clear(&p->pic);
	p->phase = PLAYER_IN;
	p->box = 0;
	kept_forget(p, ~0u);
}

/* One to three commands of one client, which are answered one after the other. */
static void
single(struct run *r, struct player *p)
{
	uint32_t count = rnd(r, 4) == 0 ? 2 + (uint32_t)rnd(r, 2) : 1, before_n = p->pic.n;
	struct plan plans[ANSWERS];
	struct seen before[PICTURE_MAX];
	bool with_ghosts = false;
	char why[300];

	for (uint32_t i = 0; i < count; i++) {
		plan_make(r, p, i > 0, i, &plans[i]);
		if (plans[i].act.op == ACT_SELECT) {
			select_box(r, p, &plans[0]);
			plan_done(&plans[0]);
			return;
		}
		/* What expunges changes what is behind it. */
		if (plans[i].act.op == ACT_EXPUNGE || plans[i].act.op == ACT_MOVE
		    || plans[i].act.op == ACT_CLOSE || plans[i].act.op == ACT_UNSELECT
		    || plans[i].act.op == ACT_FETCH)
			count = i + 1;
	}
	memcpy(before, p->pic.m, sizeof(before));
	p->first_tag = p->pic.tag + 1;
	for (uint32_t i = 0; i < count; i++) {
		answer_clear(&p->answers[i]);
		say(r, p, &plans[i]);
	}
	sim_settle(&r->sim);
	run_take(r, p, plans, count);
	for (uint32_t i = 0; i < count; i++) {
		struct outcome o;

		if (plans[i].act.op == ACT_SEARCH || plans[i].act.op == ACT_STATUS
		    || plans[i].act.op == ACT_LIST || plans[i].act.op == ACT_FETCH
		    || plans[i].act.op == ACT_GETMETADATA)
			check_answer(r, p, &plans[i], &p->answers[i], before, before_n);
		state_apply(&r->state, &plans[i].act, &o);
		if ((plans[i].act.op < ACT_OPS_THAT_CHANGE || plans[i].act.op == ACT_CLOSE)
		    && !answer_fits(&plans[i], &p->answers[i], &o, why, sizeof(why)))
			run_fail(r, "%s: %s", plans[i].text.p, why);
		if (plans[i].act.op == ACT_CLOSE || plans[i].act.op == ACT_UNSELECT)
			player_left(p);
		with_ghosts = !plans[i].may_expunge;
	}
	run_learn(r);
	check_picture(r, p, with_ghosts);
	for (uint32_t i = 0; i < count; i++)
		plan_done(&plans[i]);
}

static void
idle(struct run *r, struct player *p)
{
	struct plan plan = { .text = BUF_MAX(64), .may_expunge = true };

	buf_c(&plan.text, "IDLE");
	p->first_tag = p->pic.tag + 1;
	answer_clear(&p->answers[0]);
	say(r, p, &plan);
	sim_settle(&r->sim);
	run_take(r, p, &plan, 1);
	p->phase = PLAYER_IDLE;
	check_picture(r, p, false);
	plan_done(&plan);
}

static void
idle_end(struct run *r, struct player *p)
{
	struct plan plan = { 0 };

	run_log(r, 'C', p, STR("DONE"));
	sim_send(&p->pic.conn, STR("DONE\r\n"));
	sim_settle(&r->sim);
	run_take(r, p, &plan, 1);
	if (strcmp(p->answers[0].condition, "OK") != 0)
		run_fail(r, "IDLE does not end");
	p->phase = PLAYER_SELECTED;
	check_picture(r, p, false);
}

/* ---- mail coming in ---- */

/* The MTA says something and awaits a reply that begins so. */
static void
mta_say(struct run *r, struct str text, const char *code)
{
	struct str line, last = STR_NONE;

	run_log(r, 'C', NULL, text);
	sim_send(&r->mta, text);
	r->is_mta_awaited = true;
	sim_settle(&r->sim);
	r->is_mta_awaited = false;
	while ((line = sim_line(&r->mta)).p != NULL) {
		run_log(r, 'S', NULL, line);
		last = str_sub(line, 0, 3);
		if (!str_starts(line, str_c(code)))
			run_fail(r, "LMTP answers %.*s", STR_F(line));
		sim_consume(&r->mta, line);
	}
	if (last.p == NULL)
		run_fail(r, "LMTP does not answer");
}

void
run_deliver_begin(struct run *r, struct buf *text, struct act *a)
{
	*a = (struct act){ .op = ACT_APPEND, .name = "INBOX", .add_count = 1 };
	mta_say(r, STR("MAIL FROM:<a@example.org>\r\nRCPT TO:<joe@example.org>\r\n"), "250");
	mta_say(r, STR("DATA\r\n"), "354");
	a->add[0].content = plan_message(r, true, text);
	buf_lit(text, ".\r\n");
	r->commands++;
}

static void
deliver(struct run *r)
{
	BUF_CLEAN struct buf text = BUF_MAX(1 << 20);
	struct outcome o;
	struct act a;

	run_deliver_begin(r, &text, &a);
	mta_say(r, buf_str(&text), "250");
	state_apply(&r->state, &a, &o);
}

/* ---- a history ---- */

static void
no_wake(unused_arg struct waiter *w)
{
}

/* Somebody has not been answered yet: no line with the last tag (or the "+" of IDLE) has come. */
bool
run_awaits(void *ctx)
{
	struct run *r = ctx;

	for (uint32_t i = 0; i < PLAYERS; i++) {
		const struct picture *p = &r->players[i].pic;
		char tag[16];

		if (r->players[i].phase == PLAYER_IDLE || p->is_idling || p->conn.sim == NULL
		    || p->conn.fd < 0 || p->conn.is_eof || p->tag == p->tag_done)
			continue;
		snprintf(tag, sizeof(tag), "\nt%u ", p->tag);
		if (p->conn.in.n > 0
		    && (memmem(p->conn.in.p, p->conn.in.n, tag, strlen(tag)) != NULL
			|| str_starts(buf_str(&p->conn.in), str_c(tag + 1))
			|| memmem(p->conn.in.p, p->conn.in.n, "+ idling", 8) != NULL))
			continue;
		return true;
	}
	return r->is_mta_awaited && !r->mta.is_eof && r->mta.in.n == 0;
}

void
run_open(struct run *r, struct kv *kv, bool is_manual, uint64_t seed)
{
	run_open_limited(r, kv, is_manual, seed, (struct sim_limits){ 0 });
}

void
run_open_limited(struct run *r, struct kv *kv, bool is_manual, uint64_t seed,
    struct sim_limits limits)
{
	struct waiter w;

	must(limits.messages == 0 || limits.messages >= STATE_ADDS);
	memset(r, 0, sizeof(*r));
	r->seed = seed;
	r->limit = limits.messages;
	sim_open_limited(&r->sim, kv, is_manual, seed, limits);
	r->sim.awaits = run_awaits;
	r->sim.awaits_ctx = r;
	waiter_init(&w, no_wake);
	while (store_account_open(r->sim.store, STR("joe"), ACCOUNT_CREATE, &w, &r->account)
	    == ERR_WAIT)
		must(sim_wait(&r->sim));
	waiter_cancel(&w);
	if (state_read(r->account, &r->contents, run_wait, &r->sim, &r->state) != ERR_OK)
		run_fail(r, "the account can't be read");
	r->state.commit_pages = limits.commit_pages;
	for (uint32_t i = 0; i < r->state.n; i++) {
		r->state.box[i].id = ++r->state.next_id;
		r->validity_highest = MAX(r->validity_highest, r->state.box[i].validity);
	}
	sim_connect_lmtp(&r->sim, &r->mta);
	r->is_mta_awaited = true;
	sim_settle(&r->sim);
	r->is_mta_awaited = false;
	sim_consume(&r->mta, sim_line(&r->mta));
	mta_say(r, STR("LHLO mx.example\r\n"), "250");
	for (uint32_t i = 0; i < PLAYERS; i++)
		r->players[i].kind = (enum player_kind)rnd(r, KINDS);
	r->sim.patience = (unsigned)rnd(r, 60);
}

void
run_close(struct run *r)
{
	struct kv *kv = r->sim.kv;

	for (uint32_t i = 0; i < PLAYERS; i++) {
		for (uint32_t k = 0; k < ANSWERS; k++)
			answer_clear(&r->players[i].answers[k]);
		rangeset_done(&r->players[i].saved);
	}
	sim_settle(&r->sim);
	account_unref(r->account);
	sim_close(&r->sim);
	kv_close(kv);
}

static void
watcher_say(struct run *r, const char *text)
{
	picture_send(&r->watcher.pic, true, str_c(text));
	sim_settle(&r->sim);
}

/* Takes what the watcher was told; is_asked: what answers its own commands is none of its news. */
static void
watcher_look(struct run *r, bool is_asked)
{
	struct watcher *w = &r->watcher;
	struct told t;

	while (picture_next(&w->pic, &t)) {
		run_log(r, 'N', NULL, t.line);
		if (w->pic.wrong[0] != '\0')
			run_fail(r, "%s", w->pic.wrong);
		if (!is_asked || t.kind == TOLD_STATUS)
			watcher_take(w, &t);
		else if (t.kind == TOLD_TAGGED && !str_eq(t.condition, STR("OK")))
			run_fail(r, "the watcher is refused");
	}
	if (w->wrong[0] != '\0')
		run_fail(r, "watcher: %s", w->wrong);
}

void
run_watch(struct run *r)
{
	watcher_begin(&r->watcher, &r->sim, &r->state);
	sim_settle(&r->sim);
	sim_consume(&r->watcher.pic.conn, sim_line(&r->watcher.pic.conn));
	watcher_say(r, "LOGIN joe secret");
	watcher_say(r, "ENABLE CONDSTORE");
	watcher_say(r,
	    "NOTIFY SET STATUS (personal (MessageNew MessageExpunge FlagChange MailboxName "
	    "SubscriptionChange MailboxMetadataChange ServerMetadataChange))");
	watcher_look(r, true);
}

/* What happened it is told without asking. */
static void
check_watcher(struct run *r)
{
	if (!r->watcher.is_there)
		return;
	watcher_look(r, false);
	watcher_check(&r->watcher, &r->state);
	if (r->watcher.wrong[0] != '\0')
		run_fail(r, "watcher: %s", r->watcher.wrong);
}

/* Those who idle, or have asked to be notified, are told at once. */
static void
check_idlers(struct run *r)
{
	struct plan plan = { 0 };

	for (uint32_t i = 0; i < PLAYERS; i++) {
		struct player *p = &r->players[i];

		if (p->phase == PLAYER_IDLE) {
			run_take(r, p, &plan, 1);
			check_picture(r, p, false);
		} else if (p->phase == PLAYER_SELECTED && p->is_notified) {
			run_take(r, p, &plan, 0);
			check_picture(r, p, !p->pic.is_immediate);
		}
	}
}

void
run_step(struct run *r)
{
	struct player *p = &r->players[rnd(r, PLAYERS)];
	uint64_t what = rnd(r, 100);

	r->step++;
	if (r->sim.is_stuck)
		run_fail(r, "somebody is not answered");
	if (p->phase == PLAYER_OFF) {
		connect_player(r, p);
	} else if (what < 2) {
		disconnect_player(r, p);
	} else if (p->phase == PLAYER_IDLE) {
		idle_end(r, p);
	} else if (what < 5 && p->phase == PLAYER_SELECTED && !r->is_calm) {
		idle(r, p);
	} else if (what < 8 && r->deliveries < DELIVERIES_MAX
	    && state_box(&r->state, "INBOX")->n < 100) {
		deliver(r);
	} else if (what < 18 && !r->is_calm) {
		run_burst(r);
	} else if (what < 20) {
		run_compare(r);
	} else {
		single(r, p);
	}
	check_idlers(r);
	check_watcher(r);
}
