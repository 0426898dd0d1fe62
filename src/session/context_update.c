/*
 * context_update.c - what a change of the mailbox changes in the contexts: see context.h. One after
 * the other, in steps.
 */
#include "session/context_int.h"

#include "base/size.h"
#include "session/core.h"

#include <stdlib.h>

enum {
	TIMER_MOST_MS = 60 * 1000, /* the clock may have been set meanwhile */
	/*
	 * a mailbox is looked through for OLDER and YOUNGER at most once a second for each so many
	 */
	AGE_MESSAGES_S = 100 * 1000,
};

static int64_t
now_s(const struct session *s)
{
	struct clock *clock = loop_clock(s->core->loop);

	return clock->wall_ms(clock) / 1000;
}

/* ---- OLDER and YOUNGER ---- */

static void
add_delay(struct context *x, int64_t delay_s)
{
	for (size_t i = 0; i < x->delay_count; i++)
		if (x->delays_s[i] == delay_s)
			return;
	if (x->delay_count == DELAYS_MAX)
		x->has_many_delays = true;
	else
		x->delays_s[x->delay_count++] = delay_s;
}

void
context_find_delays(struct context *x, const struct imap_search_key *k)
{
	if (k->kind == SEARCH_OLDER)
		add_delay(x, (int64_t)k->number);
	else if (k->kind == SEARCH_YOUNGER)
		add_delay(x, (int64_t)k->number + 1);
	for (const struct imap_search_key *c = k->children; c != NULL; c = c->next)
		context_find_delays(x, c);
}

static bool
is_due(const struct context *x, int64_t now)
{
	return x->delay_count > 0 && (now >= x->next_s || now < x->judged_s);
}

bool
context_is_due(const struct session *s)
{
	const int64_t now = now_s(s);

	for (const struct context *x = s->contexts->first; x != NULL; x = x->next)
		if (is_due(x, now))
			return true;
	return false;
}

void
contexts_set_timer(struct session *s)
{
	struct contexts *c = s->contexts;
	int64_t next_s = INT64_MAX, wait_ms;

	for (const struct context *x = c->first; x != NULL; x = x->next)
		if (x->delay_count > 0)
			next_s = MIN(next_s, x->next_s);
	if (next_s == INT64_MAX)
		return;
	wait_ms = (next_s - now_s(s)) * 1000;
	loop_timer_set(s->core->loop, &c->timer,
	    MIN(MAX(wait_ms, (int64_t)1000), (int64_t)TIMER_MOST_MS));
}

/*
 * One message: whether it is judged otherwise now than when all were looked at, and when it is the
 * next time.
 */
static void
look_at_age(struct contexts *c, const struct context *x, const struct entry *e)
{
	for (size_t i = 0; i < x->delay_count; i++) {
		int64_t at_s = e->internal_s + x->delays_s[i];

		if (at_s > c->now_s)
			c->next_s = MIN(c->next_s, at_s);
		/* A clock that was set back has undone what it had done. */
		if ((at_s > x->judged_s) != (at_s > c->now_s))
			rangeset_add_one(&c->among, e->uid.v);
	}
}

/* All messages when it is time, else those that have come. */
static enum err
look_at_ages(struct session *s, struct contexts *c, struct context *x)
{
	struct entry e;

	for (unsigned n = 1; view_next(s->view, c->at_uid, &e, NULL); n++) {
		look_at_age(c, x, &e);
		if (e.uid.v == UINT32_MAX)
			break;
		c->at_uid = e.uid.v + 1;
		if (n % 256 == 0 && session_should_yield(s))
			return session_yield(s);
	}
	x->next_s = MAX(c->next_s, c->now_s + 1 + view_exists(s->view) / AGE_MESSAGES_S);
	if (c->next_s == INT64_MAX)
		x->next_s = INT64_MAX;
	x->judged_s = c->now_s;
	return ERR_OK;
}

static void
begin_ages(struct session *s, struct contexts *c, const struct context *x)
{
	bool is_all;

	c->now_s = now_s(s);
	is_all = is_due(x, c->now_s);
	if (!is_all)
		c->now_s = x->judged_s;
	c->at_uid = is_all ? 1 : c->new_uid;
	c->next_s = is_all ? INT64_MAX : x->next_s;
}

/* ---- what there is to tell ---- */

void
contexts_note(struct session *s, const struct view_changes *changes)
{
	struct contexts *c = s->contexts;
	struct rangeset both = RANGESET_NONE;
	uint32_t uidnext, last;
	bool has_star = false;

	if (c == NULL || c->first == NULL)
		return;
	for (struct context *x = c->first; x != NULL; x = x->next) {
		has_star = has_star || x->has_star;
		rangeset_done(&x->fetched);
	}
	for (int i = 0; i < 2; i++) {
		const struct rangeset *gone = i == 0 ? changes->vanished : changes->ghosts;

		if (gone == NULL)
			continue;
		rangeset_union(&both, &c->gone, gone);
		rangeset_copy(&c->gone, &both);
	}
	rangeset_done(&both);
	for (uint32_t i = 0; i < changes->changed_count; i++)
		rangeset_add_one(&c->changed, changes->changed[i].v);
	uidnext = view_mailbox(s->view)->uidnext;
	last = view_last_uid(s->view).v;
	c->new_uid = c->next_uid;
	if (uidnext > c->next_uid)
		rangeset_add(&c->changed, c->next_uid, uidnext - 1);
	c->next_uid = MAX(c->next_uid, uidnext);
	if (has_star && last != c->last_uid) {
		if (c->last_uid != 0)
			rangeset_add_one(&c->changed, c->last_uid);
		if (last != 0)
			rangeset_add_one(&c->changed, last);
	}
	c->last_uid = last;
	if (rangeset_is_empty(&c->gone) && rangeset_is_empty(&c->changed) && !context_is_due(s))
		return;
	c->phase = CONTEXTS_GONE;
	c->cursor = c->first;
	c->step = UPDATE_BEGIN;
}

/* The list of a context without these, and with those: what was done in which order. */
static void
take_out(struct contexts *c, struct context *x, const struct rangeset *uids)
{
	struct rangeset left = RANGESET_NONE;

	if (x->is_sorted)
		ranking_remove(&x->ranking, uids, &c->removed.list, &c->removed.n);
	rangeset_subtract(&left, &x->told, uids);
	rangeset_done(&x->told);
	x->told = left;
}

static void
put_in(struct contexts *c, struct context *x, const struct rangeset *uids)
{
	struct rangeset both = RANGESET_NONE;
	struct ranking added;

	if (x->is_sorted) {
		ranking_init(&added, CONTEXTS_MOST_BYTES);
		context_rank(c->sort, &added);
		ranking_insert(&x->ranking, &added, &c->added.list, &c->added.n);
		ranking_done(&added);
	}
	rangeset_union(&both, &x->told, uids);
	rangeset_done(&x->told);
	x->told = both;
}

/* Of a SEARCH: in mailbox order, whose positions the client finds itself. */
static void
places_of_set(const struct rangeset *uids, struct context_places *out)
{
	out->list = xmalloc(size_mul(rangeset_count(uids) + 1, sizeof(*out->list)));
	out->n = 0;
	for (size_t i = 0; i < uids->n; i++)
		for (uint64_t uid = uids->r[i].first; uid <= uids->r[i].last; uid++)
			out->list[out->n++] = (struct place){ 0, (uint32_t)uid };
}

/* The numbers of a set before a UID that is in it. */
static uint64_t
rank_in(const struct rangeset *set, uint32_t uid)
{
	uint64_t n = 0;
	size_t at = rangeset_find(set, uid);

	for (size_t i = 0; i < at; i++)
		n += (uint64_t)set->r[i].last - set->r[i].first + 1;
	return n + uid - set->r[at].first;
}

/*
 * The message number that the client knows it by: EXPUNGE, which it has not seen, tells the last
 * first.
 */
static uint32_t
number_before(struct session *s, const struct view_changes *changes, uint32_t uid)
{
	if (changes->vanished != NULL && rangeset_contains(changes->vanished, uid))
		return changes
		    ->expunge_seqs[changes->expunge_count - 1 - rank_in(changes->vanished, uid)];
	return view_seq(s->view, (struct uid){ uid }).v;
}

static void
prepare_gone(struct session *s, struct contexts *c, struct context *x,
    const struct view_changes *changes)
{
	RANGESET_CLEAN struct rangeset uids = RANGESET_NONE;

	rangeset_intersect(&uids, &x->told, &c->gone);
	if (rangeset_is_empty(&uids))
		return;
	take_out(c, x, &uids);
	if (!x->is_sorted)
		places_of_set(&uids, &c->removed);
	for (size_t i = 0; !x->is_uid && i < c->removed.n; i++)
		c->removed.list[i].number = number_before(s, changes, c->removed.list[i].number);
}

enum err
contexts_tell_gone(struct session *s, const struct view_changes *changes)
{
	struct contexts *c = s->contexts;
	enum err e;

	if (c == NULL || c->phase != CONTEXTS_GONE)
		return ERR_OK;
	while (c->cursor != NULL) {
		if (c->step == UPDATE_BEGIN)
			prepare_gone(s, c, c->cursor, changes);
		c->step = UPDATE_REMOVE;
		e = context_places_write(s, c->cursor, &c->removed);
		if (e != ERR_OK)
			return e;
		c->step = UPDATE_BEGIN;
		c->cursor = c->cursor->next;
	}
	rangeset_clear(&c->gone);
	c->phase = CONTEXTS_CHANGED;
	c->cursor = c->first;
	return ERR_OK;
}

/* ---- messages that have changed or come ---- */

/* Nothing else by which messages are sorted ever changes. */
static bool
can_move(const struct context *x)
{
	for (size_t i = 0; i < x->sort->n; i++)
		if (x->sort->criteria[i].key == SORT_RELEVANCY
		    || x->sort->criteria[i].key == SORT_ANNOTATION)
			return true;
	return false;
}

static void
take(void *ctx, const struct entry *e, struct seqnum seq, unsigned relevancy)
{
	struct contexts *c = ctx;
	const struct context *x = c->cursor;

	if (can_move(x) || !rangeset_contains(&x->told, e->uid.v))
		sort_add(c->sort, e, seq, relevancy);
}

static void
begin(struct session *s, struct contexts *c, struct context *x)
{
	rangeset_copy(&c->among, &c->changed);
	if (x->delay_count > 0)
		begin_ages(s, c, x);
	c->step = x->delay_count > 0 ? UPDATE_AGE : UPDATE_FIND;
}

static void
begin_finding(struct session *s, struct contexts *c, struct context *x)
{
	if (x->is_sorted)
		c->sort = sort_new(s->view, x->sort);
	c->command = (struct command){ .tag = x->tag };
	c->finding = (struct finding){ .args = &x->sort->search,
		.view = s->view,
		.arena = &c->scratch,
		.is_elsewhere = true,
		.among = &c->among,
		.take = x->is_sorted ? take : NULL,
		.take_ctx = c };
}

/* Of messages that are new, not of those that have changed (RFC 5465 7). */
static void
begin_fetch(struct session *s, struct contexts *c, struct context *x, const struct rangeset *came)
{
	RANGESET_CLEAN struct rangeset uids = RANGESET_NONE;

	rangeset_copy(&uids, came);
	if (c->new_uid > 1)
		rangeset_remove(&uids, 1, c->new_uid - 1);
	if (rangeset_is_empty(&uids))
		return;
	c->fetch = fetch_news_new(s, x->fetch, &uids);
	contexts_fetched(s, x->fetch, c->fetch);
	rangeset_copy(&x->fetched, &uids);
}

void
contexts_fetched(const struct session *s, const struct imap_fetch *what, struct fetch_news *f)
{
	if (s->contexts == NULL)
		return;
	for (const struct context *x = s->contexts->first; x != NULL; x = x->next) {
		if (x->fetch != NULL && !rangeset_is_empty(&x->fetched)
		    && str_eq(x->fetch->text, what->text))
			fetch_news_leave_out(f, &x->fetched);
	}
}

/* What was found is compared with what was told. */
static void
compare(struct session *s, struct contexts *c, struct context *x)
{
	RANGESET_CLEAN struct rangeset was = RANGESET_NONE, left = RANGESET_NONE,
				       came = RANGESET_NONE;

	rangeset_intersect(&was, &x->told, &c->among);
	rangeset_subtract(&left, &was, &c->found->uids);
	/* Those that were sorted: see take(). */
	if (x->is_sorted && can_move(x)) {
		RANGESET_CLEAN struct rangeset moved = RANGESET_NONE, both = RANGESET_NONE;

		rangeset_copy(&came, &c->found->uids);
		rangeset_intersect(&moved, &came, &x->told);
		rangeset_union(&both, &left, &moved);
		rangeset_copy(&left, &both);
	} else {
		rangeset_subtract(&came, &c->found->uids, &x->told);
	}
	if (x->fetch != NULL)
		begin_fetch(s, c, x, &came);
	if (!rangeset_is_empty(&left)) {
		take_out(c, x, &left);
		if (!x->is_sorted)
			places_of_set(&left, &c->removed);
	}
	if (!rangeset_is_empty(&came)) {
		put_in(c, x, &came);
		if (!x->is_sorted)
			places_of_set(&came, &c->added);
	}
	c->added.is_add = true;
	for (size_t i = 0; !x->is_uid && i < c->removed.n; i++)
		c->removed.list[i].number =
		    view_seq(s->view, (struct uid){ c->removed.list[i].number }).v;
	for (size_t i = 0; !x->is_uid && i < c->added.n; i++)
		c->added.list[i].number =
		    view_seq(s->view, (struct uid){ c->added.list[i].number }).v;
}

static void
drop_finding(struct session *s, struct contexts *c)
{
	if (c->finding.args != NULL)
		finding_done(s, &c->finding);
	c->finding = (struct finding){ 0 };
	sort_free(c->sort);
	c->sort = NULL;
	c->found = NULL;
	arena_reset(&c->scratch);
	rangeset_clear(&c->among);
}

void
context_update_drop(struct session *s, struct contexts *c)
{
	drop_finding(s, c);
	fetch_news_free(s, c->fetch);
	c->fetch = NULL;
	rangeset_done(&c->among);
	context_places_done(&c->removed);
	context_places_done(&c->added);
}

static enum err
update(struct session *s, struct contexts *c, struct context *x)
{
	enum err e = ERR_OK;

	if (c->step == UPDATE_BEGIN)
		begin(s, c, x);
	if (c->step == UPDATE_AGE) {
		e = look_at_ages(s, c, x);
		if (e == ERR_OK)
			c->step = UPDATE_FIND;
	}
	if (e == ERR_OK && c->step == UPDATE_FIND) {
		if (c->finding.args == NULL)
			begin_finding(s, c, x);
		e = finding_run(s, &c->command, &c->finding, &c->found);
		if (e == ERR_OK)
			c->step = UPDATE_SORT;
	}
	if (e == ERR_OK && c->step == UPDATE_SORT) {
		if (x->is_sorted)
			e = sort_run(c->sort, session_waiter(s), finding_should_yield, s);
		if (e == ERR_OK) {
			compare(s, c, x);
			drop_finding(s, c);
			c->step = UPDATE_FETCH;
		}
	}
	if (e == ERR_OK && c->step == UPDATE_FETCH) {
		if (c->fetch != NULL)
			e = fetch_news_run(s, c->fetch);
		if (e != ERR_OK)
			return e;
		fetch_news_free(s, c->fetch);
		c->fetch = NULL;
		c->step = UPDATE_REMOVE;
	}
	if (e == ERR_OK && c->step == UPDATE_REMOVE) {
		e = context_places_write(s, x, &c->removed);
		if (e == ERR_OK)
			c->step = UPDATE_ADD;
	}
	if (e == ERR_OK && c->step == UPDATE_ADD)
		e = context_places_write(s, x, &c->added);
	if (e == ERR_OK
	    && (contexts_bytes(c) > CONTEXTS_MOST_BYTES || ranking_is_over(&x->ranking)))
		e = ERR_LIMIT;
	return e;
}

enum err
contexts_tell_changed(struct session *s)
{
	struct contexts *c = s->contexts;

	if (c == NULL || c->phase != CONTEXTS_CHANGED)
		return ERR_OK;
	while (c->cursor != NULL) {
		struct context *x = c->cursor;
		enum err e = update(s, c, x);

		if (e == ERR_WAIT || e == ERR_CLOSED)
			return e;
		c->step = UPDATE_BEGIN;
		if (e == ERR_OK) {
			c->cursor = x->next;
			continue;
		}
		context_refuse(s, x->tag, STR("This search is not updated any more."));
		context_update_drop(s, c);
		context_end(c, x);
	}
	rangeset_clear(&c->changed);
	c->phase = CONTEXTS_REST;
	contexts_set_timer(s);
	return ERR_OK;
}
