/*
 * rocks_commit.c - the committer: the only thread that writes.
 *
 *     queue ── take ──> check ──> batch ──> log, rows, one sync ──> callbacks, in order
 *       ^                 |                        |
 *       |              refused: told              failed: final,
 *       |              in its turn                nothing is written any more
 *       └── what comes during the sync is the next batch: the sync is the timer
 */
#include "base/bell.h"
#include "base/thread.h"
#include "kv/rocks_int.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

/* Idle that long: the log says itself that its last batch was synced. */
#define IDLE_MARK_US 1000000
/* While there is more to sweep the pause is at least that, and so many times what a step took. */
#define SWEEP_PAUSE_US 10000
#define SWEEP_PAUSES 50
/* So many wait for no more: a loop may have a long turn. */
#define COMMITS_AWAITED 8u

/* ---- the queue */

static void
commit_ring(struct bell *b)
{
	sem_post(&container_of(b, struct rocks, commit_bell)->bell);
}

void
rocks_commit(struct kv *kv, struct kv_commit *c)
{
	struct rocks *r = rocks_of(kv);
	unsigned count;

	must(!r->options.read_only);
	pthread_mutex_lock(&r->lock);
	list_add_tail(&r->commits, &c->node);
	count = ++r->commit_count;
	pthread_mutex_unlock(&r->lock);
	/* each loop, for the turn of the one that came first may last longer */
	if (count == COMMITS_AWAITED)
		sem_post(&r->bell);
	else
		bell_ring_later(&r->commit_bell);
}

enum err
rocks_chunk_write(struct kv *kv, struct kv_chunk *c)
{
	struct rocks *r = rocks_of(kv);
	enum err e = ERR_WAIT;

	pthread_mutex_lock(&r->lock);
	if (atomic_load(&r->is_failed)) {
		e = ERR_IO;
	} else if (r->chunk_count < CHUNKS_QUEUED) {
		list_add_tail(&r->chunks, &c->node);
		r->chunk_count++;
		sem_post(&r->bell);
		e = ERR_OK;
	}
	pthread_mutex_unlock(&r->lock);
	return e;
}

struct drop {
	struct list node;
	uint64_t stage_id;
	uint32_t count;
};

void
rocks_stage_drop(struct kv *kv, uint64_t stage_id, uint32_t count)
{
	struct rocks *r = rocks_of(kv);
	struct drop *d = xcalloc(1, sizeof(*d));

	d->stage_id = stage_id;
	d->count = count;
	pthread_mutex_lock(&r->lock);
	list_add_tail(&r->drops, &d->node);
	sem_post(&r->bell);
	pthread_mutex_unlock(&r->lock);
}

void
rocks_request(struct rocks *r, struct rocks_request *q)
{
	pthread_mutex_lock(&r->lock);
	q->is_done = false;
	list_add_tail(&r->requests, &q->node);
	sem_post(&r->bell);
	while (!q->is_done)
		pthread_cond_wait(&r->done, &r->lock);
	pthread_mutex_unlock(&r->lock);
}

/* ---- rounds */

struct round {
	struct list commits; /* taken, in order */
	struct list chunks, drops, requests;
	size_t put; /* commits in the batch */
	bool is_synced;
};

static void
list_move_all(struct list *from, struct list *to)
{
	list_init(to);
	if (list_is_empty(from))
		return;
	*to = *from;
	to->next->prev = to;
	to->prev->next = to;
	list_init(from);
}

/* Locked. */
static void
round_take(struct rocks *r, struct round *round)
{
	*round = (struct round){ .put = 0 };
	list_move_all(&r->commits, &round->commits);
	r->commit_count = 0;
	list_move_all(&r->chunks, &round->chunks);
	list_move_all(&r->drops, &round->drops);
	list_move_all(&r->requests, &round->requests);
}

static void
round_fill(struct rocks *r, struct round *round)
{
	rocks_queue_sort(r, &round->commits);
	list_each(&round->commits, c, struct kv_commit, node)
	{
		c->e = rocks_commit_check(r, c);
		if (c->e != ERR_OK)
			continue;
		rocks_commit_accept(r, c);
		round->put++;
		round->is_synced = round->is_synced || (!c->is_lazy && !r->options.no_sync);
	}
	if (round->put > 1)
		list_each(&round->commits, c, struct kv_commit, node) if (c->e == ERR_OK)
		    rocks_puts_note(r, c);
	list_each(&round->commits, c, struct kv_commit, node) if (c->e == ERR_OK)
	    rocks_commit_put(r, c);
}

static void
round_chunks(struct rocks *r, struct round *round)
{
	list_each(&round->chunks, c, struct kv_chunk, node) rocks_chunk_put(r, c);
	list_each(&round->drops, d, struct drop, node)
	{
		rocks_stage_delete(r, d->stage_id, d->count);
		list_remove(&d->node);
		free(d);
	}
}

static void
round_end(struct rocks *r, struct round *round, enum err e)
{
	unsigned chunks = 0;

	/* One wake-up a loop, when all commits have been told. */
	bells_hold();
	list_each(&round->commits, c, struct kv_commit, node)
	{
		list_remove(&c->node);
		if (c->e == ERR_OK)
			c->e = e;
		kv_commit_end(c);
	}
	bells_release();
	list_each(&round->chunks, c, struct kv_chunk, node)
	{
		list_remove(&c->node);
		free((char *)c->value.p);
		free(c);
		chunks++;
	}
	if (chunks > 0) {
		pthread_mutex_lock(&r->lock);
		r->chunk_count -= chunks;
		pthread_mutex_unlock(&r->lock);
		waitlist_wake_all(&r->kv.chunk_waiters);
	}
}

static void
round_run(struct rocks *r, struct round *round)
{
	bool has_chunks = !list_is_empty(&round->chunks) || !list_is_empty(&round->drops);
	enum err e = ERR_OK;

	if (atomic_load(&r->is_failed)) {
		list_each(&round->commits, c, struct kv_commit, node) c->e = ERR_IO;
		list_each(&round->drops, d, struct drop, node)
		{
			list_remove(&d->node);
			free(d);
		}
		round_end(r, round, ERR_IO);
		return;
	}
	r->batch_no++;
	r->displaced_count = 0;
	rocks_batch_mark(r);
	round_chunks(r, round);
	round_fill(r, round);
	rocks_links_flush(r);
	if (round->put > 0 || has_chunks)
		e = rocks_batch_write(r, round->is_synced);
	else
		rocksdb_writebatch_clear(r->batch); /* everything was refused */
	if (round->put > 0)
		atomic_fetch_add(&r->stat_batches, 1);
	round_end(r, round, e);
}

/* It is no use, or it is done. */
static bool
is_idle_marked(const struct rocks *r)
{
	return r->is_marked || atomic_load(&r->is_failed) || r->options.no_sync;
}

/*
 * The last batch has nothing behind it that proves it was synced; damage to it would pass for a
 * torn tail.
 */
static void
idle_mark_when_due(struct rocks *r, int64_t now_us)
{
	if (is_idle_marked(r) || now_us < r->busy_us + IDLE_MARK_US)
		return;
	rocks_batch_mark(r);
	ignore_err(rocks_batch_write(r, false), "it has set is_failed");
	rocks_marks_write(r->marks, r->durable_seq, true);
	r->is_marked = true;
}

/*
 * Once in a while, busy or not: bytes that have had no links for the grace period. Where there are
 * many, step by step, between which others have their turns.
 */
static void
sweep_when_due(struct rocks *r, int64_t now_us)
{
	int64_t now_ms = r->kv.clock->wall_ms(r->kv.clock), end_us;

	if (now_us < r->sweep_due_us)
		return;
	ignore_err(rocks_sweep_step(r, now_ms - (int64_t)r->kv.grace_ms, &r->sweep),
	    "tried again in a minute");
	end_us = clock_system()->mono_us(clock_system());
	r->sweep_due_us = end_us
	    + (r->sweep.is_more ? MAX((end_us - now_us) * SWEEP_PAUSES, SWEEP_PAUSE_US)
				: ROCKS_SWEEP_US);
}

/* When there is something to do that nobody asks for. */
static int64_t
due_us(const struct rocks *r)
{
	return is_idle_marked(r) ? r->sweep_due_us
				 : MIN(r->sweep_due_us, r->busy_us + IDLE_MARK_US);
}

/* Locked. */
static bool
queue_is_empty(const struct rocks *r)
{
	return list_is_empty(&r->commits) && list_is_empty(&r->chunks) && list_is_empty(&r->drops)
	    && list_is_empty(&r->requests) && !r->is_closing;
}

/*
 * Locked again when it returns. Waits for something to do, until then at most. (A semaphore and not
 * a condition: glibc takes the mutex after a condition as if others waited for it, which costs
 * every commit a system call.)
 */
static void
queue_wait(struct rocks *r, int64_t until_us)
{
	const struct timespec until = { .tv_sec = until_us / 1000000,
		.tv_nsec = until_us % 1000000 * 1000 };

	while (sem_trywait(&r->bell) == 0)
		; /* for what came while we were busy */
	while (queue_is_empty(r)) {
		int rc;

		pthread_mutex_unlock(&r->lock);
		rc = sem_clockwait(&r->bell, CLOCK_MONOTONIC, &until);
		rc = rc < 0 ? errno : 0;
		pthread_mutex_lock(&r->lock);
		if (rc == ETIMEDOUT)
			return;
	}
}

/* Behind the batch that they were taken with; commits that were put off come later. */
static void
requests_run(struct rocks *r, struct list *requests)
{
	list_each(requests, q, struct rocks_request, node)
	{
		list_remove(&q->node);
		q->run(q);
		pthread_mutex_lock(&r->lock);
		q->is_done = true;
		pthread_cond_broadcast(&r->done);
		pthread_mutex_unlock(&r->lock);
	}
}

static void *
committer_run(void *arg)
{
	struct rocks *r = arg;
	struct round round;
	bool is_over = false;

	thread_begin("kv-commit", THREAD_PROMPT);
	rocksdb_set_perf_level(rocksdb_disable); /* nobody asks how many keys it compares */
	while (!is_over) {
		int64_t now_us;
		bool has_round;

		pthread_mutex_lock(&r->lock);
		queue_wait(r, due_us(r));
		round_take(r, &round);
		is_over = r->is_closing && list_is_empty(&round.commits)
		    && list_is_empty(&round.chunks) && list_is_empty(&round.drops)
		    && list_is_empty(&round.requests);
		pthread_mutex_unlock(&r->lock);
		has_round = !list_is_empty(&round.commits) || !list_is_empty(&round.chunks)
		    || !list_is_empty(&round.drops);
		if (has_round)
			round_run(r, &round);
		requests_run(r, &round.requests);
		now_us = clock_system()->mono_us(clock_system());
		if (has_round)
			r->busy_us = now_us;
		idle_mark_when_due(r, now_us);
		sweep_when_due(r, now_us);
	}
	return NULL;
}

enum err
rocks_committer_start(struct rocks *r)
{
	r->commit_bell.ring = commit_ring;
	if (pthread_create(&r->committer, NULL, committer_run, r) != 0)
		return ERR_NOMEM;
	r->has_committer = true;
	return ERR_OK;
}

void
rocks_committer_stop(struct rocks *r)
{
	if (r->has_committer) {
		pthread_mutex_lock(&r->lock);
		r->is_closing = true;
		sem_post(&r->bell);
		pthread_mutex_unlock(&r->lock);
		pthread_join(r->committer, NULL);
		r->has_committer = false;
	}
	if (r->batch != NULL)
		rocksdb_writebatch_destroy(r->batch);
	r->batch = NULL;
	free(r->displaced);
	r->displaced = NULL;
}
