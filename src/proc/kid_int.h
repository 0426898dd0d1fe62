/*
 * kid_int.h - the processes that the supervisor keeps: each is started, told its configuration and
 * connected with the others (kid.c), and all of them are watched, reloaded and ended
 * (supervisor.c).
 */
#ifndef PROC_KID_INT_H
#define PROC_KID_INT_H

#include "io/loop.h"
#include "proc/certs.h"
#include "proc/channel.h"
#include "proc/roles.h"
#include "proc/sockets.h"
#include "proc/supervisor.h"

#include <sys/types.h>

/* Of so many the moments are kept. */
enum { KID_DEATHS = 10 };

struct kid {
	struct supervisor *sup;
	enum role role;
	pid_t pid; /* 0: not running */
	struct channel channel;
	struct loop_fd readable;
	struct loop_timer restart;
	int64_t started_ms;
	int64_t deaths_ms[KID_DEATHS]; /* a ring of when it died last; 0: it did not */
	unsigned death_count;          /* that were ever put there */
	/* before the next start; 0: it is not dying again and again */
	int64_t delay_ms;
	bool is_ready;
};

struct supervisor {
	const struct supervisor_options *options;
	struct loop *loop;
	struct config *config;
	struct sockets sockets;
	struct certs certs;
	struct kid kids[ROLE_COUNT];
	struct loop_signal hup, term, interrupt, chld;
	struct loop_timer certs_poll, deadline;
	bool is_announced, is_stopping, is_killing;
	/* it gets its new certificates when their keys are where they belong */
	bool is_mail_behind;
	int64_t stopping_ms;
	int status;
};

/** Makes it one that does not run yet. */
void kid_init(struct kid *k, struct supervisor *sup, enum role role);
/** Starts it, connects it with those that run; tries again later when that does not work. */
void kid_start(struct kid *k);
/** It has ended with this status of waitpid(): it is started again, or the next one is stopped. */
void kid_ended(struct kid *k, int status);
/** Sends it something, when it runs; fd: -1, or a descriptor that stays ours. */
void kid_send(struct kid *k, const struct proc_message *m, int fd);
/** Sends it the supervisor's configuration. */
void kid_send_config(struct kid *k);
/** Stops one that runs, mail first, so that its clients hear BYE; when none does, the loop. */
void kids_stop_next(struct supervisor *sup);

#endif
