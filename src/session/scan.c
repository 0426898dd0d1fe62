/* scan.c - see scan.h. */
#include "session/scan.h"

#include "store/store.h"

#include <pthread.h>
#include <stdlib.h>

enum {
	HOME_US = 300,          /* how long a search may be to be done on the loop */
	HOME_BYTES = 32 * 1024, /* of text at a time */
	UNTIMED = 8,            /* messages between two looks at the clock */
	/* on the pool, where others of the same account wait for their turn */
	STEP_US = 2000,
	/* of a search are prompt; what lasts longer is patient */
	PROMPT_US = 20000,
	/* An account may have an eighth of the time in this way: half of lanes_spend()'s. */
	PROMPT_WEIGHT = 2,
};

enum scan_state { SCAN_HOME, SCAN_QUEUED, SCAN_WAITING, SCAN_ENDED };

struct scan {
	struct scan_options o;
	struct entry entry; /* being matched */
	struct seqnum seq;
	bool has_entry;
	uint32_t from; /* next UID to look at; 0: none is left */
	struct scan_found found;
	size_t relevancy_count, relevancy_cap;
	int64_t until_us;  /* of the step */
	int64_t home_us;   /* used on the loop so far */
	int64_t prompt_us; /* used of the prompt pool */
	bool is_at_home;   /* this step is done on the loop */
	bool is_prompt;    /* this step is done by the prompt pool */
	bool is_over;      /* search_match() was told to stop */
	struct job job;
	struct arena arena;   /* the session's, when it has gone */
	struct waiter waiter; /* on the pool: for the store */
	pthread_mutex_t lock; /* what follows */
	enum scan_state state;
	bool is_woken; /* while it ran */
	atomic_bool is_abandoned;
	atomic_uint looked_at;
	enum err result;
	struct waitlist ended;
};

static void scan_job(struct job *j);
static void scan_woken(struct waiter *w);

/* Asked by the search between pieces of text. */
static bool
is_step_over(void *ctx, size_t next_bytes)
{
	struct scan *x = ctx;

	x->is_over = x->o.clock->mono_us(x->o.clock) >= x->until_us
	    || (x->is_at_home && next_bytes > HOME_BYTES)
	    || atomic_load_explicit(&x->is_abandoned, memory_order_relaxed);
	return x->is_over;
}

static void
scan_job_done(unused_arg struct job *j)
{
}

struct scan *
scan_new(const struct scan_options *o)
{
	struct scan *x = xcalloc(1, sizeof(*x));

	x->o = *o;
	x->o.view = view_ref(o->view);
	x->from = 1;
	x->job = (struct job){ .run = scan_job,
		.done = scan_job_done,
		.owner = account_id(view_account(o->view)).v };
	waiter_init(&x->waiter, scan_woken);
	pthread_mutex_init(&x->lock, NULL);
	waitlist_init(&x->ended);
	atomic_init(&x->is_abandoned, false);
	atomic_init(&x->looked_at, 0);
	search_set_yield(o->search, is_step_over, x);
	return x;
}

const struct scan_found *
scan_found(const struct scan *x)
{
	return &x->found;
}

const struct search *
scan_search(const struct scan *x)
{
	return x->o.search;
}

uint32_t
scan_looked_at(const struct scan *x)
{
	return atomic_load_explicit(&x->looked_at, memory_order_relaxed);
}

static void
scan_destroy(struct scan *x)
{
	waiter_cancel(&x->waiter);
	search_free(x->o.search);
	view_close(x->o.view);
	rangeset_done(&x->found.uids);
	rangeset_done(&x->found.seqs);
	free(x->found.relevancy);
	waitlist_done(&x->ended);
	pthread_mutex_destroy(&x->lock);
	arena_done(&x->arena);
	free(x);
}

/* ---- searching ---- */

static void
note(struct scan *x)
{
	const struct entry *e = &x->entry;
	struct scan_found *f = &x->found;

	rangeset_add_one(&f->uids, e->uid.v);
	if (x->o.wants_seqs)
		rangeset_add_one(&f->seqs, x->seq.v);
	if (f->min.v == 0) {
		f->min = e->uid;
		f->min_modseq = e->modseq;
	}
	if (x->o.wants_relevancy) {
		if (x->relevancy_count == x->relevancy_cap) {
			x->relevancy_cap = MAX(2 * x->relevancy_cap, (size_t)64);
			f->relevancy = xrealloc(f->relevancy, x->relevancy_cap);
		}
		f->relevancy[x->relevancy_count++] = (uint8_t)search_relevancy(x->o.search);
	}
	f->max = e->uid;
	f->max_modseq = e->modseq;
	f->all_modseq = MAX(f->all_modseq, e->modseq);
}

static void
note_page(struct scan *x, const struct view_page *p, uint64_t matches)
{
	struct scan_found *f = &x->found;

	if (matches == 0)
		return;
	if (x->o.is_first_enough)
		matches &= -matches;
	if (f->min.v == 0)
		f->min.v = p->first + (unsigned)__builtin_ctzll(matches);
	f->max.v = p->first + 63 - (unsigned)__builtin_clzll(matches);
	while (matches != 0) {
		unsigned from = (unsigned)__builtin_ctzll(matches);
		uint64_t behind = ~matches & UINT64_MAX << from;
		unsigned n = (behind == 0 ? 64 : (unsigned)__builtin_ctzll(behind)) - from;

		rangeset_add(&f->uids, p->first + from, p->first + from + n - 1);
		if (x->o.wants_seqs) {
			uint32_t seq = view_page_seq(p, from).v;

			rangeset_add(&f->seqs, seq, seq + n - 1);
		}
		matches = behind == 0 ? 0 : matches & UINT64_MAX << (from + n);
	}
}

/* The same as step(), of a program that entries decide; the store is not waited for. */
static enum err
step_pages(struct scan *x)
{
	struct view_page p;
	uint64_t matches;

	while (x->from != 0 && search_page(x->o.search, x->from, &p, &matches)) {
		note_page(x, &p, matches);
		x->from = p.first + 64;
		atomic_store_explicit(&x->looked_at, p.before + bits_count(p.present),
		    memory_order_relaxed);
		if (matches != 0 && x->o.is_first_enough)
			break;
		if (is_step_over(x, 0))
			return ERR_BUSY;
	}
	return ERR_OK;
}

/* ERR_OK: all is searched. ERR_BUSY: the step is over. ERR_WAIT: w waits for the store. */
static enum err
step(struct scan *x, struct waiter *w)
{
	unsigned n = 0;

	if (search_is_of_entries(x->o.search) && !x->o.wants_relevancy)
		return step_pages(x);
	x->is_over = false;
	while (x->has_entry
	    || (x->from != 0 && search_candidate(x->o.search, x->from, &x->entry, &x->seq))) {
		bool is_match;
		enum err e;

		if (!x->has_entry && n++ % UNTIMED == 0 && is_step_over(x, 0))
			return ERR_BUSY;
		x->has_entry = true;
		e = search_match(x->o.search, &x->entry, w, &is_match);
		if (e != ERR_OK)
			return e == ERR_WAIT && x->is_over ? ERR_BUSY : e;
		x->has_entry = false;
		x->from = x->entry.uid.v + 1;
		atomic_store_explicit(&x->looked_at, x->seq.v, memory_order_relaxed);
		if (!is_match)
			continue;
		note(x);
		if (x->o.is_first_enough)
			break;
	}
	return ERR_OK;
}

/* ---- on the pool ---- */

static bool
may_be_prompt(const struct scan *x)
{
	return x->o.prompt_pool != NULL && x->prompt_us < PROMPT_US
	    && !jobs_has_overspent(x->o.prompt_pool, x->job.owner, x->o.clock->mono_us(x->o.clock));
}

/* With the lock, and only while the pool has not refused: a session has one scan at most. */
static bool
enqueue(struct scan *x)
{
	x->is_prompt = may_be_prompt(x) && jobs_submit(x->o.prompt_pool, &x->job, NULL) == ERR_OK;
	if (!x->is_prompt && (x->o.pool == NULL || jobs_submit(x->o.pool, &x->job, NULL) != ERR_OK))
		return false;
	x->state = SCAN_QUEUED;
	return true;
}

/*
 * A step on the pool. What counts is the processor's time: on a busy machine a thread waits for it
 * longer than it has it.
 */
static enum err
pool_step(struct scan *x)
{
	int64_t began_us = clock_thread_us(), spent_us;
	enum err e;

	x->until_us = x->o.clock->mono_us(x->o.clock) + STEP_US;
	e = step(x, &x->waiter);
	if (x->is_prompt) {
		spent_us = clock_thread_us() - began_us;
		x->prompt_us += spent_us;
		jobs_spend(x->o.prompt_pool, x->job.owner, x->o.clock->mono_us(x->o.clock),
		    PROMPT_WEIGHT * spent_us);
	}
	return e;
}

static void
end(struct scan *x, enum err e)
{
	x->result = e;
	x->state = SCAN_ENDED;
	waitlist_wake_all(&x->ended); /* with the lock, so that x is still there */
}

/* Any thread, with the lock of the list that w was in. */
static void
scan_woken(struct waiter *w)
{
	struct scan *x = container_of(w, struct scan, waiter);

	pthread_mutex_lock(&x->lock);
	if (x->state != SCAN_WAITING)
		x->is_woken = true;
	else if (!atomic_load(&x->is_abandoned) && !enqueue(x))
		end(x, ERR_LIMIT);
	pthread_mutex_unlock(&x->lock);
}

static void
scan_job(struct job *j)
{
	struct scan *x = container_of(j, struct scan, job);
	enum err e = ERR_OK;
	bool is_abandoned;

	pthread_mutex_lock(&x->lock);
	x->is_woken = false;
	pthread_mutex_unlock(&x->lock);
	if (!atomic_load(&x->is_abandoned))
		e = pool_step(x);
	pthread_mutex_lock(&x->lock);
	is_abandoned = atomic_load(&x->is_abandoned);
	if (!is_abandoned && e == ERR_WAIT && !x->is_woken)
		x->state = SCAN_WAITING;
	else if (!is_abandoned && (e == ERR_WAIT || e == ERR_BUSY)) {
		if (!enqueue(x))
			end(x, ERR_LIMIT);
	} else if (!is_abandoned)
		end(x, e);
	pthread_mutex_unlock(&x->lock);
	if (is_abandoned)
		scan_destroy(x);
}

/* ---- on the session's loop ---- */

/* On the loop, for a moment; what takes longer goes to the pool. */
static enum err
run_at_home(struct scan *x, struct waiter *w)
{
	int64_t began_us = x->o.clock->mono_us(x->o.clock);
	bool is_heavy = x->o.pool != NULL && search_is_heavy(x->o.search);
	enum err e = ERR_BUSY;

	if (!is_heavy && x->home_us < HOME_US) {
		x->is_at_home = x->o.pool != NULL;
		x->until_us = began_us + HOME_US - x->home_us;
		e = step(x, w);
		x->is_at_home = false;
		x->home_us += x->o.clock->mono_us(x->o.clock) - began_us;
	}
	if (e != ERR_BUSY)
		return e;
	waiter_cancel(w); /* here, for who wakes it has its list's lock first and then this one */
	pthread_mutex_lock(&x->lock);
	if (enqueue(x)) {
		waiter_wait(w, &x->ended);
		e = ERR_WAIT;
	}
	pthread_mutex_unlock(&x->lock);
	x->home_us = e == ERR_BUSY ? 0 : x->home_us;
	return e;
}

enum err
scan_run(struct scan *x, struct waiter *w)
{
	enum err e;

	if (x->state == SCAN_HOME) /* only this thread takes it from there */
		return run_at_home(x, w);
	pthread_mutex_lock(&x->lock);
	e = x->result;
	if (x->state != SCAN_ENDED) {
		waiter_wait(w, &x->ended);
		e = ERR_WAIT;
	}
	pthread_mutex_unlock(&x->lock);
	return e;
}

void
scan_free(struct scan *x, struct arena *arena)
{
	bool is_queued;

	if (x == NULL)
		return;
	pthread_mutex_lock(&x->lock);
	is_queued = x->state == SCAN_QUEUED;
	if (is_queued) {
		x->arena = *arena;
		*arena = ARENA_NONE;
	}
	atomic_store(&x->is_abandoned, true);
	pthread_mutex_unlock(&x->lock);
	/* The pool has it and frees it; or nobody has it, and from now on nobody will. */
	if (!is_queued)
		scan_destroy(x);
}
