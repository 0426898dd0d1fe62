/* service_int.h - one connection of the service, shared by the files that do its work. */
#ifndef BACKUP_SERVICE_INT_H
#define BACKUP_SERVICE_INT_H

#include "backup/service.h"
#include "backup/wire.h"

#include <pthread.h>

struct putting; /* putting.h */

/* A waiter for a thread that may block. */
struct sleeper {
	struct waiter w;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool is_woken;
};

void sleeper_init(struct sleeper *s);
void sleeper_done(struct sleeper *s);
void sleeper_wait(struct sleeper *s);
/* Calls until it need not wait any more. */
#define UNTIL_DONE(sleeper, call)                                                                  \
	({                                                                                         \
		enum err e_;                                                                       \
		while ((e_ = (call)) == ERR_WAIT)                                                  \
			sleeper_wait(sleeper);                                                     \
		e_;                                                                                \
	})

struct connection {
	const struct service_store *service;
	int fd;
	struct sleeper sleeper;
	struct buf in, out;
	char checkpoint[64];     /* its folder; "": none */
	struct putting *putting; /* messages of a backup that are put back; NULL: none yet */
	const char *why;         /* of an error, in other words than its own; or NULL */
};

must_use enum err answer_done(struct connection *c, uint64_t count);

#endif
