/*
 * selftest.c - see selftest.h.
 *
 *     data/auth  data/key  data/mail  data/supervisor    each with `own` and links that lead out
 *     outside                                  a file that anybody may read and write
 */
#include "daemon/selftest.h"

#include "base/log.h"
#include "daemon/selftest_int.h"
#include "proc/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SUPERVISOR = ROLE_COUNT, PROCESSES, NOT_CONFINED = 255 };

struct selftest {
	struct config *config;
	struct arena arena;
	const char *dir;
	bool is_confining;
	unsigned tried, done;
};

static const char *
name_of(unsigned who)
{
	return who == SUPERVISOR ? "supervisor" : role_table[who].name;
}

static const char *
folder_of(struct selftest *t, unsigned who)
{
	return who == SUPERVISOR ? arena_printf(&t->arena, "%s/data/supervisor", t->dir).p
				 : role_folder(&t->arena, who, t->config);
}

static bool
make_file(const char *path, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && fchmod(fd, mode) == 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

/* The role's folder, as the supervisor makes it. */
static bool
make_folder(struct selftest *t, unsigned who)
{
	const char *folder = folder_of(t, who), *own = arena_printf(&t->arena, "%s/own", folder).p;
	const char *other = who == ROLE_MAIL ? "../auth/own" : "../mail/own";
	struct passwd *pw =
	    who != SUPERVISOR && geteuid() == 0 ? getpwnam(role_user(who, t->config).p) : NULL;

	return mkdir(folder, 0700) == 0 && make_file(own, 0600)
	    && symlink("/etc/passwd", arena_printf(&t->arena, "%s/escape", folder).p) == 0
	    && symlink(other, arena_printf(&t->arena, "%s/sideways", folder).p) == 0
	    && (pw == NULL
		|| (chown(own, pw->pw_uid, pw->pw_gid) == 0
		    && chown(folder, pw->pw_uid, pw->pw_gid) == 0));
}

static bool
make_ground(struct selftest *t)
{
	const char *data = arena_printf(&t->arena, "%s/data", t->dir).p;

	umask(022);
	if (chmod(t->dir, 0777) != 0 || mkdir(data, 0755) != 0
	    || !make_file(arena_printf(&t->arena, "%s/outside", t->dir).p, 0666))
		return false;
	t->config->data_dir = t->config->run_dir = str_c(data);
	for (unsigned who = 0; who < PROCESSES; who++)
		if (!make_folder(t, who))
			return false;
	return true;
}

static void
remove_ground(struct selftest *t)
{
	static const char *const files[] = { "own", "escape", "sideways", "made", "linked" };

	for (unsigned who = 0; who < PROCESSES; who++) {
		const char *folder = folder_of(t, who);

		for (size_t i = 0; i < ARRAY_LEN(files); i++)
			unlink(arena_printf(&t->arena, "%s/%s", folder, files[i]).p);
		rmdir(folder);
	}
	unlink(arena_printf(&t->arena, "%s/outside", t->dir).p);
	rmdir(arena_printf(&t->arena, "%s/data", t->dir).p);
	rmdir(t->dir);
}

/* In a process of its own: its end says how it went. */
static _Noreturn void
do_act(struct selftest *t, unsigned who, const struct act *act, const struct ground *g)
{
	BUF_CLEAN struct buf why = BUF_MAX(1024);
	int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC), e;
	enum err confined;

	if (nowhere < 0 || chdir(folder_of(t, who)) != 0)
		_exit(NOT_CONFINED);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		dup2(nowhere, fd);
	if (t->is_confining) {
		confined = who == SUPERVISOR ? sandbox_enter_supervisor(t->config, &why)
					     : sandbox_enter(who, t->config, &why);
		if (confined != ERR_OK)
			_exit(NOT_CONFINED);
	}
	if (act->run != NULL)
		e = act->run(g);
	else
		e = syscall(act->call, act->args[0], act->args[1], act->args[2], act->args[3],
			act->args[4])
			< 0
		    ? errno
		    : 0;
	_exit(e);
}

static bool
try_act(struct selftest *t, unsigned who, const struct act *act, const struct ground *g)
{
	int status = 0, e;
	pid_t pid = fork();

	if (pid == 0)
		do_act(t, who, act, g);
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		fprintf(stderr, "posthornd: fork: %s\n", strerror(errno));
		return false;
	}
	e = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
	if (e == NOT_CONFINED) {
		fprintf(stderr, "posthornd: the sandbox of %s can't be entered\n", name_of(who));
		return false;
	}
	t->tried++;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) {
		printf("%-10s  %-32s killed\n", name_of(who), act->name);
	} else if (e == EPERM || e == EACCES) {
		printf("%-10s  %-32s refused (%s)\n", name_of(who), act->name,
		    e == EPERM ? "EPERM" : "EACCES");
	} else {
		printf("%-10s  %-32s NOT DENIED (%s)\n", name_of(who), act->name,
		    e == 0 ? "done" : strerrorname_np(e));
		t->done++;
	}
	fflush(stdout);
	return true;
}

/*
 * Can it be entered at all, and what does the kernel lack? Tried apart, for there is no way back.
 */
static bool
try_sandbox(struct selftest *t, unsigned who)
{
	BUF_CLEAN struct buf why = BUF_MAX(1024);
	int status = 0;
	pid_t pid = fork();
	enum err e;

	if (pid == 0) {
		if (chdir(folder_of(t, who)) != 0)
			buf_c(&why, strerror(errno));
		e = who == SUPERVISOR ? sandbox_enter_supervisor(t->config, &why)
				      : sandbox_enter(who, t->config, &why);
		if (why.n > 0)
			fprintf(stderr, "posthornd: %s: %.*s\n", name_of(who),
			    STR_F(buf_str(&why)));
		_exit(e == ERR_OK ? 0 : 1);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static bool
try_group(struct selftest *t, unsigned who, unsigned kind, const struct act_group *group,
    const struct ground *g)
{
	for (size_t i = 0; i < group->count; i++)
		if ((group->acts[i].who & kind) != 0 && !try_act(t, who, &group->acts[i], g))
			return false;
	return true;
}

static bool
try_all(struct selftest *t)
{
	static const struct act_group *const groups[] = { &selftest_files, &selftest_processes,
		&selftest_sockets, &selftest_kernel };
	struct ground g;
	unsigned kind;

	snprintf(g.outside, sizeof(g.outside), "%s/outside", t->dir);
	for (unsigned who = 0; who < PROCESSES; who++) {
		snprintf(g.neighbour, sizeof(g.neighbour), "%s/own",
		    folder_of(t, who == ROLE_MAIL ? ROLE_AUTH : ROLE_MAIL));
		kind = who == SUPERVISOR ? BY_SUPERVISOR
		    : who == ROLE_KEY    ? BY_CHILDREN | BY_KEY
					 : BY_CHILDREN;
		if (t->is_confining && !try_sandbox(t, who))
			return false;
		for (size_t i = 0; i < ARRAY_LEN(groups); i++)
			if (!try_group(t, who, kind, groups[i], &g))
				return false;
	}
	return true;
}

int
sandbox_selftest(struct config *c)
{
	char dir[] = "/tmp/posthorn-selftest-XXXXXX";
	struct selftest t = { .config = c, .is_confining = c->sandbox != SANDBOX_OFF };
	bool ok;

	t.dir = mkdtemp(dir);
	if (t.dir == NULL) {
		fprintf(stderr, "posthornd: %s: %s\n", dir, strerror(errno));
		return 1;
	}
	log_setup(LOG_INFO, "selftest");
	ok = make_ground(&t);
	if (!ok)
		fprintf(stderr, "posthornd: %s: %s\n", dir, strerror(errno));
	ok = ok && try_all(&t);
	remove_ground(&t);
	arena_done(&t.arena);
	if (ok && t.done == 0)
		printf("%u acts tried, all denied\n", t.tried);
	else
		printf("%u acts tried, %u NOT DENIED%s\n", t.tried, t.done,
		    t.is_confining ? "" : ": the sandbox is off");
	return ok && t.done == 0 ? 0 : 1;
}
