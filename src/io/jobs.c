/* jobs.c - see jobs.h. One queue behind one mutex; jobs last far longer than the lock is held. */
#include "io/jobs.h"

#include "base/arena.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

struct jobs {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct job *head, **tail;
	size_t queued, queue_max;
	pthread_t *threads;
	unsigned running, busy, max;	/* threads started, those in a job, most there may be */
	bool is_ending;
};

struct jobs *
jobs_new(unsigned threads, size_t queue_max)
{
	struct jobs *p = xcalloc(1, sizeof(*p));

	must(threads > 0);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->more, NULL);
	p->tail = &p->head;
	p->queue_max = queue_max;
	p->max = threads;
	p->threads = xcalloc(threads, sizeof(p->threads[0]));
	return p;
}

static void
run_done(struct loop_task *t)
{
	struct job *j = container_of(t, struct job, task);

	j->done(j);
}

static void *
worker(void *arg)
{
	struct jobs *p = arg;
	struct job *j;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		while (p->head == NULL && !p->is_ending)
			pthread_cond_wait(&p->more, &p->lock);
		j = p->head;
		if (j == NULL)
			break;
		p->head = j->next;
		if (p->head == NULL)
			p->tail = &p->head;
		p->queued--;
		p->busy++;
		pthread_mutex_unlock(&p->lock);
		j->run(j);
		if (j->loop != NULL)
			loop_post(j->loop, &j->task);
		else
			j->done(j);
		pthread_mutex_lock(&p->lock);
		p->busy--;
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* A thread that gets no signals: those belong to the main thread's loop. SIGSYS is the sandbox's answer to this very thread. */
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

	j->next = NULL;
	j->loop = loop;
	loop_task_init(&j->task, run_done);
	pthread_mutex_lock(&p->lock);
	must(!p->is_ending);
	if (p->queued >= p->queue_max + (p->max - p->busy))
		e = ERR_BUSY;
	else if (p->running - p->busy <= p->queued && p->running < p->max && !start_thread(p) && p->running == 0)
		e = ERR_BUSY;
	if (e == ERR_OK) {
		*p->tail = j;
		p->tail = &j->next;
		p->queued++;
		pthread_cond_signal(&p->more);
	}
	pthread_mutex_unlock(&p->lock);
	return e;
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
