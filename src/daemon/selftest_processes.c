/* selftest_processes.c - what no process of ours may do to others, or become. */
#include "daemon/selftest_int.h"

#include "base/attr.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static int
wait_for(pid_t pid)
{
	if (pid == 0)
		_exit(0);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return tried(pid);
}

static int
make_process(unused_arg const struct ground *g)
{
	return wait_for(fork());
}

static int
make_process_anew(unused_arg const struct ground *g)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	int e = wait_for((pid_t)syscall(SYS_clone3, &args, sizeof(args)));

	return e == ENOSYS ? EPERM : e; /* how the C library is told to use clone */
}

static int
make_namespace(unused_arg const struct ground *g)
{
	return wait_for((pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
}

static int
execute(const char *path, const char *argument)
{
	char *const argv[] = { (char *)"true", (char *)(uintptr_t)argument, NULL };

	execv(path, argv);
	return errno;
}

static int
execute_program(unused_arg const struct ground *g)
{
	return execute("/bin/true", NULL);
}

static int
execute_ourselves(unused_arg const struct ground *g)
{
	return execute("/proc/self/exe", "--version");
}

static int
signal_parent(unused_arg const struct ground *g)
{
	return tried(kill(getppid(), 0));
}

static int
signal_group(unused_arg const struct ground *g)
{
	return tried(kill(0, 0));
}

static int
signal_first(unused_arg const struct ground *g)
{
	return tried(kill(1, 0));
}

static int
signal_thread(unused_arg const struct ground *g)
{
	return tried(syscall(SYS_tgkill, getppid(), getppid(), 0));
}

static int
handle_parent(unused_arg const struct ground *g)
{
	return tried(syscall(SYS_pidfd_open, getppid(), 0));
}

static int
trace_parent(unused_arg const struct ground *g)
{
	return tried(ptrace(PTRACE_SEIZE, getppid(), 0, 0));
}

static int
read_parent(unused_arg const struct ground *g)
{
	char to[8];
	struct iovec here = { to, sizeof(to) }, there = { (void *)(uintptr_t)g, sizeof(to) };

	return tried(process_vm_readv(getppid(), &here, 1, &there, 1, 0));
}

static int
compare_parent(unused_arg const struct ground *g)
{
	return tried(syscall(SYS_kcmp, getpid(), getppid(), 2, 0, 0)); /* KCMP_FILES */
}

static int
become_root(unused_arg const struct ground *g)
{
	return tried(setresuid(0, 0, 0));
}

static int
become_group(unused_arg const struct ground *g)
{
	return tried(setresgid(0, 0, 0));
}

static int
gain_capability(unused_arg const struct ground *g)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { .effective = ~0u, .permitted = ~0u },
		{ .effective = 0x1ff, .permitted = 0x1ff } };

	return tried(syscall(SYS_capset, &head, data));
}

static int
gain_net_admin(unused_arg const struct ground *g)
{
	return tried(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_ADMIN, 0, 0));
}

static int
allow_core(unused_arg const struct ground *g)
{
	return tried(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

static int
raise_limit(unused_arg const struct ground *g)
{
	const struct rlimit rl = { 1 << 20, 1 << 20 };

	return tried(setrlimit(RLIMIT_CORE, &rl));
}

static const struct act acts[] = {
	ACT(BY_ALL, "clone into a namespace", make_namespace),
	ACT(BY_CHILDREN, "fork", make_process),
	ACT(BY_ALL, "clone3", make_process_anew),
	ACT(BY_ALL, "execute /bin/true", execute_program),
	ACT(BY_CHILDREN, "execute itself", execute_ourselves),
	ACT(BY_CHILDREN, "signal the supervisor", signal_parent),
	ACT(BY_CHILDREN, "signal its group", signal_group),
	ACT(BY_CHILDREN, "signal process 1", signal_first),
	ACT(BY_CHILDREN, "signal another's thread", signal_thread),
	ACT(BY_ALL, "open a process", handle_parent),
	ACT(BY_ALL, "trace the supervisor", trace_parent),
	ACT(BY_ALL, "read another's memory", read_parent),
	ACT(BY_ALL, "compare with another", compare_parent),
	ACT(BY_CHILDREN, "become root", become_root),
	ACT(BY_CHILDREN, "join root's group", become_group),
	ACT(BY_ALL, "gain all capabilities", gain_capability),
	ACT(BY_ALL, "gain an ambient capability", gain_net_admin),
	ACT(BY_CHILDREN, "allow core dumps", allow_core),
	ACT(BY_CHILDREN, "raise a limit", raise_limit),
	CALL(BY_ALL, "execveat", execveat, -1, BAD_ADDRESS),
	CALL(BY_ALL, "memfd_create", memfd_create, BAD_ADDRESS, 0),
	CALL(BY_ALL, "queue a signal", rt_sigqueueinfo, -1, 0, BAD_ADDRESS),
	CALL(BY_ALL, "take another's descriptor", pidfd_getfd, -1, 0, 0),
	CALL(BY_ALL, "be traced", ptrace, PTRACE_TRACEME, 0, 0, 0),
	CALL(BY_ALL, "write another's memory", process_vm_writev, -1, 0, 0, 0, 0),
	CALL(BY_CHILDREN, "setgroups", setgroups, 0, 0),
	CALL(BY_ALL, "setfsuid", setfsuid, -1),
	CALL(BY_ALL, "personality", personality, ADDR_NO_RANDOMIZE),
	CALL(BY_ALL, "set another's priority", sched_setscheduler, -1, 0, 0),
};
const struct act_group selftest_processes = { acts, ARRAY_LEN(acts) };
