/* kid.c - see kid_int.h. */
#include "proc/kid_int.h"

#include "base/log.h"
#include "proc/child.h"
#include "proc/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	DEATHS_MS = 60000, /* KID_DEATHS in this time, and the next start waits */
	RESTART_MIN_MS = 100,
	RESTART_MAX_MS = 10000,
	RESTART_SERVED_MAX_MS = 1000, /* for one that did serve */
};

void
kid_send(struct kid *k, const struct proc_message *m, int fd)
{
	enum err e;

	if (k->pid == 0 || k->channel.fd < 0)
		return;
	e = channel_send(&k->channel, m, fd);
	if (e != ERR_OK) {
		log_event(LOG_ERROR, "child-deaf", F_C("role", role_table[k->role].name), F_ERR(e));
		kill(k->pid, SIGKILL);
	}
}

void
kid_send_config(struct kid *k)
{
	BUF_CLEAN struct buf text = BUF_MAX(CONFIG_TEXT_MAX);
	struct proc_message m = { .type = MESSAGE_CONFIG };

	config_format(k->sup->config, true, &text);
	m.text = buf_str(&text);
	kid_send(k, &m, -1);
}

/* A connection between mail and another child, each of which gets an end. */
static void
connect_mail(struct supervisor *sup, enum role to, int kind, size_t number)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | kind, 0, fds) != 0) {
		log_event(LOG_ERROR, "socketpair", F_C("detail", strerror(errno)));
		return;
	}
	kid_send(&sup->kids[to],
	    &(struct proc_message){ .type = MESSAGE_PEER,
		.role = ROLE_MAIL,
		.number = (uint8_t)number },
	    fds[0]);
	kid_send(&sup->kids[ROLE_MAIL],
	    &(struct proc_message){ .type = MESSAGE_PEER, .role = to, .number = (uint8_t)number },
	    fds[1]);
	close(fds[0]);
	close(fds[1]);
}

/*
 * The connections that a child has to others, once both are there: one for each loop to auth, and
 * to key, whose threads wait, for each door too.
 */
static void
connect_peers(struct supervisor *sup, enum role started)
{
	size_t auth_lines =
	    started != ROLE_KEY && sup->kids[ROLE_AUTH].pid != 0 ? config_loops(sup->config) : 0;
	size_t key_lines = started != ROLE_AUTH && sup->kids[ROLE_KEY].pid != 0
	    ? config_loops(sup->config) + config_doors(sup->config)
	    : 0;

	if (sup->kids[ROLE_MAIL].pid == 0)
		return;
	for (size_t i = 0; i < auth_lines; i++)
		connect_mail(sup, ROLE_AUTH, SOCK_NONBLOCK, i);
	for (size_t i = 0; i < key_lines; i++)
		connect_mail(sup, ROLE_KEY, 0, i);
}

/*
 * READY, which is all that they say: a child serves, or has taken other keys, and then mail may
 * have their certificates.
 */
static void
kid_ready(struct kid *k)
{
	struct supervisor *sup = k->sup;

	if (!k->is_ready)
		log_event(LOG_INFO, "child-ready", F_C("role", role_table[k->role].name),
		    F_U64("pid", k->pid), F_U64("ms", loop_now_ms(sup->loop) - k->started_ms));
	k->is_ready = true;
	if (k->role != ROLE_KEY || !sup->is_mail_behind)
		return;
	sup->is_mail_behind = false;
	kid_send(&sup->kids[ROLE_MAIL], &sup->certs.certs, -1);
}

static void
on_kid_readable(struct loop_fd *f)
{
	struct kid *k = container_of(f, struct kid, readable);
	struct supervisor *sup = k->sup;
	struct proc_message m;
	int fd;
	enum err e = channel_read(&k->channel, false);

	while (e == ERR_OK && (e = channel_next(&k->channel, false, &m, &fd)) == ERR_OK)
		kid_ready(k);
	if (e != ERR_WAIT)
		loop_fd_off(&k->readable); /* its end is told by SIGCHLD */
	for (unsigned i = 0; i < ROLE_COUNT; i++)
		if (!sup->kids[i].is_ready)
			return;
	if (sup->is_announced)
		return;
	sup->is_announced = true;
	notify_state("READY=1");
	if (sup->options->announce != NULL) {
		printf("%s\n", sup->options->announce);
		fflush(stdout);
	}
}

/*
 * The child is this same program, executed anew: it inherits nothing of the supervisor's memory
 * (keys, root's view of the system) and gets its own layout of addresses. All it needs comes
 * through the channel.
 */
static pid_t
kid_exec(enum role role, int channel)
{
	sigset_t none;
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	/* libevent blocks nothing, but its handlers must not run here before exec. */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (channel == CHILD_FD)
		fcntl(channel, F_SETFD, 0);
	else if (dup2(channel, CHILD_FD) < 0)
		_exit(1);
	/*
	 * Libraries free their copies of passwords and keys as they are: there the allocator
	 * overwrites what is freed.
	 */
	if (role == ROLE_AUTH || role == ROLE_KEY)
		setenv("GLIBC_TUNABLES", "glibc.malloc.perturb=165:glibc.malloc.tcache_count=0", 1);
	execl("/proc/self/exe", "posthornd", "--role", role_table[role].name, (char *)NULL);
	_exit(1);
}

void
kid_start(struct kid *k)
{
	struct supervisor *sup = k->sup;
	int fds[2];

	k->is_ready = false;
	k->started_ms = loop_now_ms(sup->loop);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
		log_event(LOG_ERROR, "socketpair", F_C("detail", strerror(errno)));
		loop_timer_set(sup->loop, &k->restart, RESTART_MAX_MS);
		return;
	}
	k->pid = kid_exec(k->role, fds[1]);
	close(fds[1]);
	if (k->pid < 0) {
		log_event(LOG_ERROR, "fork", F_C("detail", strerror(errno)));
		close(fds[0]);
		k->pid = 0;
		loop_timer_set(sup->loop, &k->restart, RESTART_MAX_MS);
		return;
	}
	channel_init(&k->channel, fds[0]);
	loop_fd_init(sup->loop, &k->readable, fds[0], false, on_kid_readable);
	loop_fd_on(&k->readable);
	kid_send_config(k);
	if (k->role == ROLE_KEY)
		kid_send(k, &sup->certs.keys, -1);
	if (k->role == ROLE_MAIL) {
		kid_send(k, &sup->certs.certs, -1);
		for (size_t i = 0; i < sup->sockets.n; i++)
			kid_send(k,
			    &(struct proc_message){ .type = MESSAGE_LISTEN,
				.service = sup->sockets.v[i].service },
			    sup->sockets.v[i].fd);
	}
	connect_peers(sup, k->role);
	kid_send(k, &(struct proc_message){ .type = MESSAGE_GO }, -1);
}

static void
on_restart(struct loop_timer *t)
{
	kid_start(container_of(t, struct kid, restart));
}

void
kids_stop_next(struct supervisor *sup)
{
	static const enum role order[] = { ROLE_MAIL, ROLE_KEY, ROLE_AUTH };

	_Static_assert(ARRAY_LEN(order) == ROLE_COUNT, "every child must be stopped");
	for (unsigned i = 0; i < ROLE_COUNT; i++) {
		struct kid *k = &sup->kids[order[i]];

		loop_timer_cancel(sup->loop, &k->restart);
		if (k->pid == 0)
			continue;
		if (!sup->is_killing) /* else it ends without being asked */
			kid_send(k, &(struct proc_message){ .type = MESSAGE_STOP }, -1);
		return;
	}
	loop_stop(sup->loop);
}

/*
 * One that dies is started at once, for its clients wait; but not for ever: after ten deaths in a
 * minute each start waits twice as long as the one before, until one has lived for a minute.
 */
static void
kid_count_death(struct kid *k, bool did_serve)
{
	int64_t now = loop_now_ms(k->sup->loop);
	int64_t tenth_last;

	k->deaths_ms[k->death_count++ % KID_DEATHS] = now;
	tenth_last = k->deaths_ms[k->death_count % KID_DEATHS];
	if (now - k->started_ms >= DEATHS_MS)
		k->delay_ms = 0;
	else if (k->delay_ms != 0)
		k->delay_ms =
		    MIN(2 * k->delay_ms, did_serve ? RESTART_SERVED_MAX_MS : RESTART_MAX_MS);
	else if (k->death_count >= KID_DEATHS && now - tenth_last < DEATHS_MS) {
		k->delay_ms = RESTART_MIN_MS;
		log_event(LOG_ERROR, "alarm", F_C("role", role_table[k->role].name),
		    F_U64("deaths", KID_DEATHS),
		    F_U64("seconds", (uint64_t)(now - tenth_last) / 1000),
		    F_C("detail",
			k->role == ROLE_MAIL
			    ? "it keeps dying, and is started more slowly from now on; where nothing above says why, stop the server and run posthorn verify"
			    : "it keeps dying, and is started more slowly from now on"));
	}
}

void
kid_ended(struct kid *k, int status)
{
	struct supervisor *sup = k->sup;
	bool was_ready = k->is_ready;

	loop_fd_off(&k->readable);
	channel_done(&k->channel);
	log_event(sup->is_stopping ? LOG_INFO : LOG_ERROR, "child-ended",
	    F_C("role", role_table[k->role].name), F_U64("pid", k->pid),
	    F_C("how", WIFSIGNALED(status) ? "signal" : "exit"),
	    F_I64("status", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)));
	k->pid = 0;
	k->is_ready = false;
	if (sup->is_stopping) {
		kids_stop_next(sup);
		return;
	}
	if (!sup->is_announced && !was_ready) {
		/* It never served: nobody is helped by trying for ever. */
		sup->status = 1;
		sup->is_stopping = true;
		kids_stop_next(sup);
		return;
	}
	kid_count_death(k, was_ready);
	if (k->delay_ms == 0)
		kid_start(k);
	else
		loop_timer_set(sup->loop, &k->restart, k->delay_ms);
}

void
kid_init(struct kid *k, struct supervisor *sup, enum role role)
{
	*k = (struct kid){ .sup = sup, .role = role, .channel.fd = -1 };
	loop_timer_init(&k->restart, on_restart);
}
