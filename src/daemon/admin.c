/* admin.c - see admin.h. */
#include "daemon/admin.h"

#include "base/arena.h"
#include "base/list.h"
#include "base/log.h"
#include "base/thread.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WORKERS_MAX = 4 };

struct worker {
	struct list node;
	const struct service_store *service;
	pthread_t thread;
	int fd;
	_Atomic(bool) is_done;
};

struct admin {
	struct service_store service;
	struct list workers;
	size_t count;
};

struct admin *
admin_new(const struct service_store *service)
{
	struct admin *a = xcalloc(1, sizeof(*a));

	a->service = *service;
	list_init(&a->workers);
	service_sweep();
	return a;
}

static void
worker_end(struct admin *a, struct worker *w)
{
	pthread_join(w->thread, NULL);
	close(w->fd);
	list_remove(&w->node);
	a->count--;
	free(w);
}

void
admin_free(struct admin *a)
{
	if (a == NULL)
		return;
	list_each(&a->workers, w, struct worker, node) shutdown(w->fd, SHUT_RDWR);
	list_each(&a->workers, w, struct worker, node) worker_end(a, w);
	free(a);
}

static void *
work(void *arg)
{
	struct worker *w = arg;

	thread_begin("admin", THREAD_PATIENT);
	service_run(w->service, w->fd);
	shutdown(w->fd, SHUT_RDWR);
	atomic_store(&w->is_done, true);
	return NULL;
}

enum err
admin_serve(struct admin *a, int fd)
{
	struct worker *w;
	int flags = fcntl(fd, F_GETFL);

	list_each(&a->workers, old, struct worker, node)
	{
		if (atomic_load(&old->is_done))
			worker_end(a, old);
	}
	if (a->count >= WORKERS_MAX || flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) != 0)
		return ERR_BUSY;
	w = xcalloc(1, sizeof(*w));
	w->service = &a->service;
	w->fd = fd;
	list_init(&w->node);
	if (pthread_create(&w->thread, NULL, work, w) != 0) {
		free(w);
		return ERR_NOMEM;
	}
	list_add_tail(&a->workers, &w->node);
	a->count++;
	return ERR_OK;
}
