/* selftest_kernel.c - what no process of ours may ask of the kernel, nor do with its own memory. */
#include "daemon/selftest_int.h"

#include "base/attr.h"

#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ROOM 4096

static int
code_from_data(unused_arg const struct ground *g)
{
	void *p = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? 0 : tried(mprotect(p, ROOM, PROT_READ | PROT_EXEC));
}

static int
map_executable(int protection)
{
	return mmap(NULL, ROOM, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
	    ? errno
	    : 0;
}

static int
writable_code(unused_arg const struct ground *g)
{
	return map_executable(PROT_READ | PROT_WRITE | PROT_EXEC);
}

static int
more_code(unused_arg const struct ground *g)
{
	return map_executable(PROT_READ | PROT_EXEC);
}

static int
type_into_terminal(unused_arg const struct ground *g)
{
	int e = tried(ioctl(STDIN_FILENO, TIOCSTI, NULL));

	return e == EPERM || e == EACCES ? e : 0;
}

static const struct act acts[] = {
	ACT(BY_ALL, "make data executable", code_from_data),
	ACT(BY_ALL, "map writable code", writable_code),
	ACT(BY_CHILDREN, "map more code", more_code),
	ACT(BY_ALL, "type into the terminal", type_into_terminal),

	CALL(BY_ALL, "chroot", chroot, BAD_ADDRESS),
	CALL(BY_ALL, "pivot_root", pivot_root, BAD_ADDRESS, BAD_ADDRESS),
	CALL(BY_ALL, "mount", mount, BAD_ADDRESS, BAD_ADDRESS, BAD_ADDRESS),
	CALL(BY_ALL, "umount", umount2, BAD_ADDRESS),
	CALL(BY_ALL, "open a file system", fsopen, BAD_ADDRESS),
	CALL(BY_ALL, "open a tree", open_tree, -1, BAD_ADDRESS, 0),
	CALL(BY_ALL, "unshare", unshare, CLONE_NEWUSER),
	CALL(BY_ALL, "setns", setns, -1, 0),

	CALL(BY_ALL, "bpf", bpf, -1, BAD_ADDRESS, 0),
	CALL(BY_ALL, "perf_event_open", perf_event_open, BAD_ADDRESS, 0, -1, -1, 0),
	CALL(BY_ALL, "userfaultfd", userfaultfd, 1), /* user mode only: anybody may */
	CALL(BY_ALL, "io_uring", io_uring_setup, 1, BAD_ADDRESS),
	CALL(BY_ALL, "keyctl", keyctl, 0, -2, 0),
	CALL(BY_ALL, "add_key", add_key, BAD_ADDRESS, 0, 0, 0, 0),
	CALL(BY_ALL, "request_key", request_key, BAD_ADDRESS, 0, 0, 0),
	CALL(BY_ALL, "load a module", init_module, BAD_ADDRESS, 1, BAD_ADDRESS),
	CALL(BY_ALL, "load a module from a file", finit_module, -1, BAD_ADDRESS, 0),
	CALL(BY_ALL, "remove a module", delete_module, BAD_ADDRESS, 0),
	CALL(BY_ALL, "load a kernel", kexec_load, 0, 0, 0, -1),
	CALL(BY_ALL, "reboot", reboot, 0, 0, 0, 0),
	CALL(BY_ALL, "swapon", swapon, BAD_ADDRESS, 0),
	CALL(BY_ALL, "process accounting", acct, BAD_ADDRESS),
	CALL(BY_ALL, "kernel log", syslog, 10, 0, 0),
	CALL(BY_ALL, "set the clock", clock_settime, 0, BAD_ADDRESS),
	CALL(BY_ALL, "tune the clock", adjtimex, BAD_ADDRESS),
	CALL(BY_ALL, "set the host's name", sethostname, BAD_ADDRESS, 1),
	CALL(BY_ALL, "quotactl", quotactl, 0, 0, 0, 0),
#ifdef SYS_iopl
	CALL(BY_ALL, "iopl", iopl, 0),
	CALL(BY_ALL, "modify_ldt", modify_ldt, 0, 0, 0),
#endif
};
const struct act_group selftest_kernel = { acts, ARRAY_LEN(acts) };
