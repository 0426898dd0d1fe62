/*
 * rocks_readers.c - the threads that read: for who waits, for who will soon want what is read, and
 * for who has had more than his share of that.
 */
#include "base/heap.h"
#include "base/thread.h"
#include "kv/rocks_cxx.h"
#include "kv/rocks_int.h"

#include <stdlib.h>

/* Rows and blocks of the cache that a reader takes memory for: the first of it. */
#define HEAP_BYTES (48u << 20)
#define READING_US 250000 /* between two reads of somebody who goes on reading */

static int64_t
now_us(void)
{
	return clock_system()->mono_us(clock_system());
}

void
rocks_reading(struct rocks *r)
{
	rocks_env_reading(r->env, now_us() + READING_US);
}

/* Who is woken wants the lock at once, so it is let go first. */
void
rocks_job_add(struct rocks *r, struct rocks_job *j)
{
	list_init(&j->node);
	pthread_mutex_lock(&r->read_lock);
	list_add_tail(&r->jobs, &j->node);
	pthread_mutex_unlock(&r->read_lock);
	pthread_cond_signal(&r->jobs_changed);
}

void
rocks_job_ahead(struct rocks *r, struct account_id account, struct rocks_job *j)
{
	struct rocks_ahead *to;

	j->lane = (struct lane_item){ 0 };
	j->account = account.v;
	pthread_mutex_lock(&r->read_lock);
	/* What was spent is noted in one of them, wherever it was. */
	to = lanes_has_overspent(&r->ahead.lanes, account.v, now_us()) ? &r->late : &r->ahead;
	lanes_add(&to->lanes, &j->lane, account.v);
	pthread_mutex_unlock(&r->read_lock);
	pthread_cond_signal(&to->changed);
}

/* The next that is waited for, or NULL when the readers end; locked. */
static struct rocks_job *
job_next(struct rocks *r)
{
	struct rocks_job *j;

	while (list_is_empty(&r->jobs) && !r->readers_end)
		pthread_cond_wait(&r->jobs_changed, &r->read_lock);
	j = list_first(&r->jobs, struct rocks_job, node);
	if (j != NULL)
		list_remove(&j->node);
	return j;
}

/* Without the lock. */
static void
job_run(struct rocks *r, struct rocks_job *j)
{
	rocks_reading(r);
	j->run(j);
}

static void
jobs_run(struct rocks *r)
{
	struct rocks_job *j;

	pthread_mutex_lock(&r->read_lock);
	while ((j = job_next(r)) != NULL) {
		pthread_mutex_unlock(&r->read_lock);
		job_run(r, j);
		pthread_mutex_lock(&r->read_lock);
	}
	pthread_mutex_unlock(&r->read_lock);
}

static struct rocks_job *
ahead_next(struct rocks *r, struct rocks_ahead *a)
{
	struct lane_item *i;

	while (lanes_is_empty(&a->lanes) && !r->readers_end)
		pthread_cond_wait(&a->changed, &r->read_lock);
	i = lanes_take(&a->lanes);
	return i != NULL ? container_of(i, struct rocks_job, lane) : NULL;
}

/* Whoever has much read ahead pays for it. */
static void
ahead_jobs_run(struct rocks *r, struct rocks_ahead *a)
{
	struct rocks_job *j;

	pthread_mutex_lock(&r->read_lock);
	while ((j = ahead_next(r, a)) != NULL) {
		const uint64_t account = j->account;
		int64_t spent_us;

		pthread_mutex_unlock(&r->read_lock);
		spent_us = -clock_thread_us();
		job_run(r, j);
		spent_us += clock_thread_us();
		pthread_mutex_lock(&r->read_lock);
		lanes_spend(&r->ahead.lanes, account, now_us(), spent_us);
	}
	pthread_mutex_unlock(&r->read_lock);
}

static void *
reader_run(void *arg)
{
	thread_begin("kv-read", THREAD_STEADY);
	rocksdb_set_perf_level(rocksdb_disable);
	heap_prepare(HEAP_BYTES);
	jobs_run(arg);
	return NULL;
}

static void *
ahead_run(void *arg)
{
	thread_begin("kv-ahead", THREAD_STEADY);
	rocksdb_set_perf_level(rocksdb_disable);
	heap_prepare(HEAP_BYTES);
	ahead_jobs_run(arg, &((struct rocks *)arg)->ahead);
	return NULL;
}

static void *
late_run(void *arg)
{
	thread_begin("kv-late", THREAD_PATIENT);
	rocksdb_set_perf_level(rocksdb_disable);
	heap_prepare(HEAP_BYTES);
	ahead_jobs_run(arg, &((struct rocks *)arg)->late);
	return NULL;
}

enum err
rocks_readers_start(struct rocks *r)
{
	static void *(*const runs[])(void *arg) = { reader_run, ahead_run, late_run };
	const unsigned count = r->options.reader_threads != 0 ? r->options.reader_threads : 2;

	r->readers = xcalloc(ARRAY_LEN(runs) * count, sizeof(*r->readers));
	for (; r->reader_count < ARRAY_LEN(runs) * count; r->reader_count++) {
		if (pthread_create(&r->readers[r->reader_count], NULL,
			runs[r->reader_count / count], r)
		    != 0)
			return ERR_NOMEM;
	}
	return ERR_OK;
}

void
rocks_readers_stop(struct rocks *r)
{
	pthread_mutex_lock(&r->read_lock);
	r->readers_end = true;
	pthread_cond_broadcast(&r->jobs_changed);
	pthread_cond_broadcast(&r->ahead.changed);
	pthread_cond_broadcast(&r->late.changed);
	pthread_mutex_unlock(&r->read_lock);
	for (unsigned i = 0; i < r->reader_count; i++)
		pthread_join(r->readers[i], NULL);
	free(r->readers);
	for (unsigned i = 0; i < UNPACKED_KEPT; i++)
		kv_bytes_unref(r->unpacked[i].bytes);
}
