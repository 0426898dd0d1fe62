/* sandbox_test.c - what a confined process can't do any more. Each case runs in a process of its own. */
#include "proc/sandbox.h"

#include "base/test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HELD = 0, BROKE = 1, WEAK = 2 };	/* WEAK: this kernel or build can't */

static void *nothing(void *arg) { return arg; }

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
	struct sandbox s = { .folder = folder, .is_confined = true };
	char inside[128];
	pthread_t t;

	snprintf(inside, sizeof(inside), "%s/file", folder);
	if (sandbox_enter(&s, &why) != ERR_OK)
		return BROKE;
	if (why.n > 0) {
		fprintf(stderr, "# %.*s\n", STR_F(buf_str(&why)));
		return WEAK;
	}
	if (!can_open(inside, O_RDWR | O_CREAT) || unlink(inside) != 0 || !can_open("/dev/urandom", O_RDONLY))
		return BROKE;
	if (can_open("/etc/passwd", O_RDONLY) || can_open("/tmp/posthorn-escaped", O_RDWR | O_CREAT))
		return BROKE;
	if (socket(AF_INET, SOCK_STREAM, 0) >= 0 || errno != EPERM)
		return BROKE;
	if (fork() >= 0 || errno != EPERM)
		return BROKE;
	execl("/bin/true", "true", (char *)NULL);
	if (errno != EPERM)
		return BROKE;
	if (pthread_create(&t, NULL, nothing, NULL) != 0)	/* threads it may have */
		return BROKE;
	pthread_join(t, NULL);
	return HELD;
}

static void
test_confined(void)
{
	char folder[] = "/tmp/posthorn-sandbox-XXXXXX";
	int status = -1;
	pid_t pid;

	must(mkdtemp(folder) != NULL);
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(in_sandbox(folder));
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status) && (WEXITSTATUS(status) == HELD || WEXITSTATUS(status) == WEAK));
	rmdir(folder);
}

static void
test_unknown_user(void)
{
	BUF_CLEAN struct buf why = BUF_MAX(1000);
	struct sandbox s = { .folder = "/tmp", .user = "no-such-user-here" };

	CHECK(sandbox_enter(&s, &why) == ERR_NOPERM);
	CHECK_STR(buf_str(&why), STR("there is no user \"no-such-user-here\""));
}

TEST_MAIN(TEST(test_confined), TEST(test_unknown_user))
