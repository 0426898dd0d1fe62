/*
 * sandbox_test.c - what a confined process can't do any more. Each case runs in a process of its
 * own. More: posthornd --sandbox-selftest.
 */
#include "proc/sandbox.h"

#include "base/test.h"
#include "proc/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HELD = 0, BROKE = 1, WEAK = 2 }; /* WEAK: this kernel can't */

static struct config *
config_of(const char *text)
{
	BUF_CLEAN struct buf errors = BUF_MAX(1000);
	struct config *c = NULL;

	must(config_parse("test", str_c(text), &c, &errors) == ERR_OK);
	return c;
}

static void *
nothing(void *arg)
{
	return arg;
}

static bool
can_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int
in_sandbox(const char *folder)
{
	BUF_CLEAN struct buf why = BUF_MAX(1000);
	struct config *c =
	    config_of("user = \"root\"\nauth_user = \"root\"\nkey_user = \"root\"\n");
	int status = HELD;
	pthread_t t;

	if (chdir(folder) != 0 || sandbox_enter(ROLE_MAIL, c, &why) != ERR_OK)
		return BROKE;
	config_free(c);
	if (why.n > 0) {
		fprintf(stderr, "# %.*s\n", STR_F(buf_str(&why)));
		return WEAK;
	}
	if (!can_open("file", O_RDWR | O_CREAT) || unlink("file") != 0
	    || !can_open("/dev/urandom", O_RDONLY))
		status = BROKE;
	if (can_open("/tmp/posthorn-escaped", O_RDWR | O_CREAT)
	    || socket(AF_INET, SOCK_STREAM, 0) >= 0 || errno != EPERM)
		status = BROKE;
	if (pthread_create(&t, NULL, nothing, NULL) != 0) /* threads it may have */
		return BROKE;
	pthread_join(t, NULL);
	return status;
}

static int
run_in_child(int (*what)(const char *folder))
{
	char folder[] = "/tmp/posthorn-sandbox-XXXXXX";
	int status = -1;
	pid_t pid;

	must(mkdtemp(folder) != NULL);
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(what(folder));
	must(waitpid(pid, &status, 0) == pid);
	rmdir(folder);
	return status;
}

static void
test_confined(void)
{
	int status = run_in_child(in_sandbox);

	CHECK(WIFEXITED(status) && (WEXITSTATUS(status) == HELD || WEXITSTATUS(status) == WEAK));
}

static int
becomes_unknown(unused_arg const char *folder)
{
	BUF_CLEAN struct buf why = BUF_MAX(1000);
	struct config *c = config_of("user = \"no-such-user-here\"\n");
	enum err e = sandbox_enter(ROLE_MAIL, c, &why);

	config_free(c);
	return e == ERR_NOPERM
		&& str_eq(buf_str(&why), STR("there is no user \"no-such-user-here\""))
	    ? HELD
	    : BROKE;
}

static void
test_unknown_user(void)
{
	int status = geteuid() == 0 ? run_in_child(becomes_unknown) : HELD;

	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == HELD);
}

/* What the handler writes; the call must be none that the C library makes on the way. */
static int
denied(const char *folder, int call, int *result_out)
{
	char path[128], line[512] = "";
	int fd, status = -1;
	ssize_t n;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/log", folder);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	unlink(path);
	must(fd >= 0);
	pid = fork();
	if (pid == 0) {
		dup2(fd, STDERR_FILENO);
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
		    || !filter_enter(CALLS_COMMON | CALLS_SANITIZER))
			_exit(WEAK);
		/* Twice: one line. */
		_exit(syscall(call, -1, -1, -1) == -1 && errno == EPERM
			    && syscall(call, -1, -1, -1) == -1
			? HELD
			: BROKE);
	}
	must(waitpid(pid, &status, 0) == pid);
	n = pread(fd, line, sizeof(line) - 1, 0);
	close(fd);
	*result_out = status;
	if (n <= 0 || strncmp(line, "time=20", 7) != 0 || line[n - 1] != '\n'
	    || strchr(line, '\n') != line + n - 1)
		return BROKE;
	return strstr(line, "event=sandbox-denied call=socket result=EPERM\n") != NULL
		|| strstr(line, "event=sandbox-denied call=mount result=killed\n") != NULL
	    ? HELD
	    : BROKE;
}

static int
tells(const char *folder)
{
	int status, told = denied(folder, SYS_socket, &status);

	if (WIFEXITED(status) && WEXITSTATUS(status) == WEAK)
		return WEAK;
	if (told != HELD || !WIFEXITED(status) || WEXITSTATUS(status) != HELD)
		return BROKE;
	told = denied(folder, SYS_mount, &status);
	return told == HELD && WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS ? HELD : BROKE;
}

/* What no server does kills; the rest is refused; both are told, once. */
static void
test_denials_are_told(void)
{
	int status = run_in_child(tells);

	CHECK(WIFEXITED(status) && (WEXITSTATUS(status) == HELD || WEXITSTATUS(status) == WEAK));
}

TEST_MAIN(TEST(test_confined), TEST(test_unknown_user), TEST(test_denials_are_told))
