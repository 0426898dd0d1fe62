/*
 * waiter.c - see waiter.h. `in` changes only under the lock of the list that it names; a list
 * outlives its waiters.
 */
#include "base/waiter.h"

void
waitlist_init(struct waitlist *l)
{
	pthread_mutex_init(&l->lock, NULL);
	list_init(&l->head);
}

void
waitlist_wake_all(struct waitlist *l)
{
	pthread_mutex_lock(&l->lock);
	list_each(&l->head, w, struct waiter, node)
	{
		list_remove(&w->node);
		w->wake(w);
		/* last: until then waiter_cancel() waits for the lock */
		atomic_store(&w->in, NULL);
	}
	pthread_mutex_unlock(&l->lock);
}

void
waitlist_done(struct waitlist *l)
{
	waitlist_wake_all(l);
	pthread_mutex_destroy(&l->lock);
}

void
waiter_init(struct waiter *w, void (*wake)(struct waiter *w))
{
	list_init(&w->node);
	w->wake = wake;
	atomic_init(&w->in, NULL);
}

void
waiter_cancel(struct waiter *w)
{
	struct waitlist *l = atomic_load(&w->in);

	if (l == NULL) {
		return;
	}
	pthread_mutex_lock(&l->lock);
	if (atomic_load(&w->in) == l) {
		list_remove(&w->node);
		atomic_store(&w->in, NULL);
	}
	pthread_mutex_unlock(&l->lock);
}

void
waiter_wait(struct waiter *w, struct waitlist *l)
{
	waiter_cancel(w);
	pthread_mutex_lock(&l->lock);
	atomic_store(&w->in, l);
	list_add_tail(&l->head, &w->node);
	pthread_mutex_unlock(&l->lock);
}
