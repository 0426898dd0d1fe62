/* jobs.c - see jobs.h. Lanes behind one mutex; jobs last far longer than the lock is held. */
#include "io/jobs.h"

#include "base/arena.h"
#include "base/thread.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

struct jobs {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct lanes lanes;
	size_t queued, queue_max;
	pthread_t *threads;
	unsigned running, busy, max; /* threads started, those in a job, most there may be */
	unsigned owner_max;          /* of them in jobs of one owner */
	unsigned busy_for[LANES];    /* of them in jobs of its lane */
	bool is_ending, is_nice;
};

struct jobs *
jobs_new(unsigned threads, size_t queue_max)
{
	struct jobs *p = xcalloc(1, sizeof(*p));

	must(threads > 0);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->more, NULL);
	p->queue_max = queue_max;
	p->max = p->owner_max = threads;
	p->threads = xcalloc(threads, sizeof(p->threads[0]));
	return p;
}

struct jobs *
jobs_new_nice(unsigned threads, unsigned owner_max, size_t queue_max)
{
	struct jobs *p = jobs_new(threads, queue_max);

	must(owner_max > 0);
	p->owner_max = owner_max;
	p->is_nice = true;
	return p;
}

static void
run_done(struct loop_task *t)
{
	struct job *j = container_of(t, struct job, task);

	j->done(j);
}

/* With the lock, as what follows. Who has as many threads as he may have is passed over. */
static struct job *
take(struct jobs *p)
{
	struct lane_item *i = lanes_take(&p->lanes);

	if (i == NULL)
		return NULL;
	p->queued--;
	p->busy++;
	if (++p->busy_for[i->lane] == p->owner_max)
		lanes_hold(&p->lanes, i->lane);
	return container_of(i, struct job, item);
}

/* A job of that lane is over; it may have gone. */
static void
put(struct jobs *p, uint16_t lane)
{
	p->busy--;
	p->busy_for[lane]--;
	if (lanes_let_go(&p->lanes, lane))
		pthread_cond_signal(&p->more); /* this thread may take another's */
}

static void *
worker(void *arg)
{
	struct jobs *p = arg;

	thread_begin("jobs", p->is_nice ? THREAD_PATIENT : THREAD_STEADY);
	pthread_mutex_lock(&p->lock);
	for (;;) {
		struct loop *loop;
		struct job *j;
		uint16_t lane;

		while (lanes_is_empty(&p->lanes) && !p->is_ending)
			pthread_cond_wait(&p->more, &p->lock);
		j = take(p);
		if (j == NULL)
			break;
		loop = j->loop;
		lane = j->item.lane;
		pthread_mutex_unlock(&p->lock);
		j->run(j);
		if (loop != NULL)
			loop_post(loop, &j->task);
		pthread_mutex_lock(&p->lock);
		put(p, lane);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/*
 * A thread that gets no signals: those belong to the main thread's loop. SIGSYS is the sandbox's
 * answer to this very thread.
 */
static bool
start_thread(struct jobs *p)
{
	sigset_t all, before;
	int failed;

	sigfillset(&all);
	sigdelset(&all, SIGSYS);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&p->threads[p->running], NULL, worker, p);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed != 0)
		return false;
	p->running++;
	return true;
}

enum err
jobs_submit(struct jobs *p, struct job *j, struct loop *loop)
{
	enum err e = ERR_OK;

	j->loop = loop;
	loop_task_init(&j->task, run_done);
	pthread_mutex_lock(&p->lock);
	must(!p->is_ending);
	if (p->queued >= p->queue_max + (p->max - p->busy))
		e = ERR_BUSY;
	else if (p->running - p->busy <= p->queued && p->running < p->max && !start_thread(p)
	    && p->running == 0)
		e = ERR_BUSY;
	if (e == ERR_OK) {
		lanes_add(&p->lanes, &j->item, j->owner);
		p->queued++;
	}
	pthread_mutex_unlock(&p->lock);
	if (e == ERR_OK) /* without the lock: who is woken wants it at once */
		pthread_cond_signal(&p->more);
	return e;
}

void
jobs_spend(struct jobs *p, uint64_t owner, int64_t now_us, int64_t spent_us)
{
	pthread_mutex_lock(&p->lock);
	lanes_spend(&p->lanes, owner, now_us, spent_us);
	pthread_mutex_unlock(&p->lock);
}

bool
jobs_has_overspent(struct jobs *p, uint64_t owner, int64_t now_us)
{
	bool has;

	pthread_mutex_lock(&p->lock);
	has = lanes_has_overspent(&p->lanes, owner, now_us);
	pthread_mutex_unlock(&p->lock);
	return has;
}

void
jobs_free(struct jobs *p)
{
	if (p == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	p->is_ending = true;
	pthread_cond_broadcast(&p->more);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->running; i++)
		pthread_join(p->threads[i], NULL);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->more);
	free(p->threads);
	free(p);
}
