/* supervisor.c - see supervisor.h. */
#include "proc/supervisor.h"

#include "base/log.h"
#include "io/loop.h"
#include "proc/certs.h"
#include "proc/channel.h"
#include "proc/child.h"
#include "proc/notify.h"
#include "proc/sandbox.h"
#include "proc/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	DEATHS = 10,
	DEATHS_MS = 60000, /* so many so soon, and the next start waits */
	RESTART_MIN_MS = 100,
	RESTART_MAX_MS = 10000,
	RESTART_SERVED_MAX_MS = 1000, /* for one that did serve */
	STOP_TIMEOUT_MS = 10000,      /* then SIGKILL */
	AGAIN_MS = 1000,
	CERTS_POLL_MS = 30000,
};

struct kid {
	struct supervisor *sup;
	enum role role;
	pid_t pid; /* 0: not running */
	struct channel channel;
	struct loop_fd readable;
	struct loop_timer restart;
	int64_t started_ms;
	int64_t deaths_ms[DEATHS]; /* a ring of when it died last; 0: it did not */
	unsigned death_count;      /* that were ever put there */
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

static void kid_start(struct kid *k);

static void
fail_start(struct supervisor *sup, const char *event, struct str detail)
{
	log_event(LOG_ERROR, event, F_STR("detail", str_trim(detail)));
	sup->status = 1;
}

/* --- Folders --- */

/* Makes the folder and gives it to the user, when we may. */
static bool
folder_make(const char *path, const char *user, mode_t mode, struct buf *why)
{
	struct passwd *pw = user != NULL && geteuid() == 0 ? getpwnam(user) : NULL;
	char *copy = xstrdup(str_c(path));
	bool ok;

	for (char *p = copy + 1; *p != '\0'; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		mkdir(copy, 0755);
		*p = '/';
	}
	free(copy);
	ok = mkdir(path, mode) == 0 || errno == EEXIST;
	if (ok && pw != NULL)
		ok = chown(path, pw->pw_uid, pw->pw_gid) == 0 && chmod(path, mode) == 0;
	if (!ok)
		buf_printf(why, "%s: %s", path, strerror(errno));
	else if (user != NULL && geteuid() == 0 && pw == NULL) {
		buf_printf(why, "there is no user \"%s\" (useradd --system %s)", user, user);
		ok = false;
	}
	return ok;
}

static bool
folders_make(const struct config *c, struct buf *why)
{
	struct arena a = ARENA_NONE;
	bool ok = folder_make(c->data_dir.p, NULL, 0755, why)
	    && folder_make(c->run_dir.p, NULL, 0755, why);

	for (unsigned i = 0; ok && i < ROLE_COUNT; i++)
		ok = folder_make(role_folder(&a, i, c), role_user(i, c).p, 0700, why);
	arena_done(&a);
	return ok;
}

/* --- Children --- */

static void
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

static void
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
 * The connections that a child has to others, once both are there: a new one to auth, or one for
 * each loop to key, whose threads wait.
 */
static void
connect_peers(struct supervisor *sup, enum role started)
{
	bool with_auth = started != ROLE_KEY && sup->kids[ROLE_AUTH].pid != 0;
	size_t lines = started != ROLE_AUTH && sup->kids[ROLE_KEY].pid != 0
	    ? config_loops(sup->config) + config_doors(sup->config)
	    : 0;

	if (sup->kids[ROLE_MAIL].pid == 0)
		return;
	if (with_auth)
		connect_mail(sup, ROLE_AUTH, SOCK_NONBLOCK, 0);
	for (size_t i = 0; i < lines; i++)
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

static void
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
				.service = sup->sockets.v[i].service,
				.text = sup->sockets.v[i].address },
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

/* Mail ends first, so that its clients hear BYE; the others when mail is gone; then we. */
static void
stop_next(struct supervisor *sup)
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

	k->deaths_ms[k->death_count++ % DEATHS] = now;
	tenth_last = k->deaths_ms[k->death_count % DEATHS];
	if (now - k->started_ms >= DEATHS_MS)
		k->delay_ms = 0;
	else if (k->delay_ms != 0)
		k->delay_ms =
		    MIN(2 * k->delay_ms, did_serve ? RESTART_SERVED_MAX_MS : RESTART_MAX_MS);
	else if (k->death_count >= DEATHS && now - tenth_last < DEATHS_MS) {
		k->delay_ms = RESTART_MIN_MS;
		log_event(LOG_ERROR, "alarm", F_C("role", role_table[k->role].name),
		    F_U64("deaths", DEATHS), F_U64("seconds", (uint64_t)(now - tenth_last) / 1000),
		    F_C("detail", "it keeps dying, and is started more slowly from now on"));
	}
}

static void
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
		stop_next(sup);
		return;
	}
	if (!sup->is_announced && !was_ready) {
		/* It never served: nobody is helped by trying for ever. */
		sup->status = 1;
		sup->is_stopping = true;
		stop_next(sup);
		return;
	}
	kid_count_death(k, was_ready);
	if (k->delay_ms == 0)
		kid_start(k);
	else
		loop_timer_set(sup->loop, &k->restart, k->delay_ms);
}

static void
on_chld(struct loop_signal *s)
{
	struct supervisor *sup = container_of(s, struct supervisor, chld);
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (unsigned i = 0; i < ROLE_COUNT; i++)
			if (sup->kids[i].pid == pid)
				kid_ended(&sup->kids[i], status);
}

/* --- Ending and reloading --- */

static void
stop(struct supervisor *sup)
{
	if (sup->is_stopping) {
		/*
		 * Asked again by somebody who has waited, and not by the same signal sent to the
		 * process and to its group: at once.
		 */
		if (loop_now_ms(sup->loop) - sup->stopping_ms < AGAIN_MS)
			return;
		sup->is_killing = true;
		for (unsigned i = 0; i < ROLE_COUNT; i++)
			if (sup->kids[i].pid != 0)
				kill(sup->kids[i].pid, SIGKILL);
		return;
	}
	log_event(LOG_INFO, "stopping");
	notify_state("STOPPING=1");
	sup->is_stopping = true;
	sup->stopping_ms = loop_now_ms(sup->loop);
	loop_timer_cancel(sup->loop, &sup->certs_poll);
	loop_timer_set(sup->loop, &sup->deadline, STOP_TIMEOUT_MS);
	stop_next(sup);
}

static void
on_term(struct loop_signal *s)
{
	stop(container_of(s, struct supervisor, term));
}

static void
on_interrupt(struct loop_signal *s)
{
	stop(container_of(s, struct supervisor, interrupt));
}

static void
on_deadline(struct loop_timer *t)
{
	struct supervisor *sup = container_of(t, struct supervisor, deadline);

	log_event(LOG_WARNING, "stopping",
	    F_C("detail", "children did not end in time and are killed"));
	stop(sup);
	loop_timer_set(sup->loop, &sup->deadline, STOP_TIMEOUT_MS);
}

static void
reload_certs(struct supervisor *sup)
{
	BUF_CLEAN struct buf why = BUF_MAX(4096);
	struct certs fresh;

	if (certs_load(sup->config, &fresh, &why) != ERR_OK) {
		log_event(LOG_ERROR, "certificates", F_STR("detail", buf_str(&why)),
		    F_C("result", "the old ones stay"));
		return;
	}
	certs_done(&sup->certs);
	sup->certs = fresh;
	sup->is_mail_behind = true;
	kid_send(&sup->kids[ROLE_KEY], &sup->certs.keys, -1);
	log_event(LOG_INFO, "certificates", F_C("result", "loaded"));
}

static void
on_certs_poll(struct loop_timer *t)
{
	struct supervisor *sup = container_of(t, struct supervisor, certs_poll);

	if (certs_have_changed(&sup->certs, sup->config))
		reload_certs(sup);
	loop_timer_set(sup->loop, t, CERTS_POLL_MS);
}

/*
 * The configuration after a reload: options that are only looked at when a process starts keep
 * their value, and a line says so.
 */
static struct config *
merge_reloaded(const struct config *old, struct config *fresh)
{
	BUF_CLEAN struct buf text = BUF_MAX(CONFIG_TEXT_MAX), errors = BUF_MAX(4096);
	struct config *merged;

	for (size_t i = 0; i < config_option_count; i++) {
		const struct config_option *o = &config_options[i];
		BUF_CLEAN struct buf a = BUF_MAX(CONFIG_TEXT_MAX), b = BUF_MAX(CONFIG_TEXT_MAX);

		config_format_value(old, o, &a);
		config_format_value(fresh, o, &b);
		if (!o->can_reload && !str_eq(buf_str(&a), buf_str(&b)))
			log_event(LOG_WARNING, "reload", F_C("option", o->name),
			    F_C("result", "needs a restart"));
		buf_printf(&text, "%s = %.*s\n", o->name, STR_F(buf_str(o->can_reload ? &b : &a)));
	}
	config_free(fresh);
	return config_parse("reload", buf_str(&text), &merged, &errors) == ERR_OK ? merged : NULL;
}

static void
on_hup(struct loop_signal *s)
{
	struct supervisor *sup = container_of(s, struct supervisor, hup);
	BUF_CLEAN struct buf errors = BUF_MAX(4096);
	struct config *fresh;

	if (sup->is_stopping)
		return;
	if (sup->options->config_path != NULL) {
		if (config_load(sup->options->config_path, &fresh, &errors) != ERR_OK) {
			log_event(LOG_ERROR, "reload", F_STR("detail", str_trim(buf_str(&errors))),
			    F_C("result", "the old one stays"));
			return;
		}
		fresh = merge_reloaded(sup->config, fresh);
		if (fresh == NULL) {
			log_event(LOG_ERROR, "reload", F_C("detail", "too long"),
			    F_C("result", "the old one stays"));
			return;
		}
		config_free(sup->config);
		sup->config = fresh;
		log_setup(fresh->log_level, "supervisor");
	}
	for (unsigned i = 0; i < ROLE_COUNT; i++)
		kid_send_config(&sup->kids[i]);
	reload_certs(sup);
	log_event(LOG_INFO, "reload", F_C("result", "done"));
}

/* --- Life --- */

static void
raise_limits(const struct config *c)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
		rlim_t want =
		    MAX(rl.rlim_max, (rlim_t)(geteuid() == 0 ? c->connections_max + 4096 : 0));

		rl.rlim_cur = rl.rlim_max = want;
		if (setrlimit(RLIMIT_NOFILE, &rl) != 0 && getrlimit(RLIMIT_NOFILE, &rl) == 0) {
			rl.rlim_cur = rl.rlim_max;
			setrlimit(RLIMIT_NOFILE, &rl);
		}
	}
}

static void
watch(struct supervisor *sup)
{
	loop_signal_on(sup->loop, &sup->chld, SIGCHLD, on_chld);
	loop_signal_on(sup->loop, &sup->hup, SIGHUP, on_hup);
	loop_signal_on(sup->loop, &sup->term, SIGTERM, on_term);
	loop_signal_on(sup->loop, &sup->interrupt, SIGINT, on_interrupt);
	loop_timer_init(&sup->certs_poll, on_certs_poll);
	loop_timer_init(&sup->deadline, on_deadline);
	loop_timer_set(sup->loop, &sup->certs_poll, CERTS_POLL_MS);
	for (unsigned i = 0; i < ROLE_COUNT; i++) {
		sup->kids[i] = (struct kid){ .sup = sup, .role = i, .channel.fd = -1 };
		loop_timer_init(&sup->kids[i].restart, on_restart);
	}
}

static void
confine(struct supervisor *sup)
{
	BUF_CLEAN struct buf why = BUF_MAX(1024);

	if (sandbox_enter_supervisor(sup->config, &why) != ERR_OK)
		fail_start(sup, "sandbox", buf_str(&why));
	else if (why.n > 0)
		log_event(LOG_WARNING, "sandbox", F_STR("detail", buf_str(&why)));
}

int
supervisor_run(const struct supervisor_options *o)
{
	struct supervisor sup = { .options = o, .config = o->config };
	BUF_CLEAN struct buf why = BUF_MAX(4096);

	log_setup(sup.config->log_level, "supervisor");
	signal(SIGPIPE, SIG_IGN);
	sandbox_hide_memory();
	raise_limits(sup.config);
	sockets_inherit(&sup.sockets);
	if (!folders_make(sup.config, &why))
		fail_start(&sup, "folders", buf_str(&why));
	else if (sockets_bind(&sup.sockets, sup.config, &why) != ERR_OK)
		fail_start(&sup, "listen", buf_str(&why));
	else if (certs_load(sup.config, &sup.certs, &why) != ERR_OK)
		fail_start(&sup, "certificates", buf_str(&why));
	else
		confine(&sup);
	if (sup.status == 0) {
		sup.loop = loop_new(clock_system());
		watch(&sup);
		kid_start(&sup.kids[ROLE_AUTH]);
		kid_start(&sup.kids[ROLE_KEY]);
		kid_start(&sup.kids[ROLE_MAIL]);
		loop_run(sup.loop);
		loop_signal_off(&sup.chld);
		loop_signal_off(&sup.hup);
		loop_signal_off(&sup.term);
		loop_signal_off(&sup.interrupt);
		loop_free(sup.loop);
	}
	sockets_close(&sup.sockets);
	certs_done(&sup.certs);
	config_free(sup.config);
	return sup.status;
}
