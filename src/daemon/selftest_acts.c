/*
 * selftest_acts.c - what no process of ours may do. Each act fits on a line or in a short function.
 * They are all harmless when they succeed, for they are also run without a sandbox, to see that it
 * is the sandbox that denies them.
 */
#include "daemon/selftest_int.h"

#include "base/attr.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROOM 4096

static int
tried(long rc)
{
	return rc < 0 ? errno : 0;
}

/* --- Files --- */

static int
try_open(const char *path, int flags)
{
	return tried(open(path, flags | O_CLOEXEC, 0600));
}

static int
neighbour_file(const struct ground *g, const char *name, int flags)
{
	char path[PATH_MAX + 16];
	int e;

	snprintf(path, sizeof(path), "%.*s/%s", (int)(strrchr(g->outside, '/') - g->outside),
	    g->outside, name);
	e = try_open(path, flags);
	if (e == 0 && (flags & O_CREAT) != 0)
		unlink(path);
	return e;
}

static int
read_outside(const struct ground *g)
{
	return try_open(g->outside, O_RDONLY);
}

static int
read_passwd(unused_arg const struct ground *g)
{
	return try_open("/etc/passwd", O_RDONLY);
}

static int
read_neighbour(const struct ground *g)
{
	return try_open(g->neighbour, O_RDONLY);
}

static int
list_root(unused_arg const struct ground *g)
{
	return try_open("/", O_RDONLY | O_DIRECTORY);
}

static int
list_above(unused_arg const struct ground *g)
{
	return try_open("..", O_RDONLY | O_DIRECTORY);
}

static int
follow_link(unused_arg const struct ground *g)
{
	return try_open("escape", O_RDONLY);
}

static int
follow_sideways(unused_arg const struct ground *g)
{
	return try_open("sideways", O_RDONLY);
}

static int
through_proc(unused_arg const struct ground *g)
{
	return try_open("/proc/self/root/etc/passwd", O_RDONLY);
}

static int
through_cwd(unused_arg const struct ground *g)
{
	return try_open("/proc/self/cwd/../../outside", O_RDONLY);
}

static int
own_memory(unused_arg const struct ground *g)
{
	return try_open("/proc/self/mem", O_RDWR);
}

static int
kernel_setting(unused_arg const struct ground *g)
{
	return try_open("/proc/sys/kernel/hostname", O_WRONLY);
}

static int
write_outside(const struct ground *g)
{
	return try_open(g->outside, O_WRONLY);
}

static int
make_outside(const struct ground *g)
{
	return neighbour_file(g, "made", O_WRONLY | O_CREAT);
}

static int
truncate_outside(const struct ground *g)
{
	return tried(truncate(g->outside, 0));
}

static int
rename_outside(const struct ground *g)
{
	return tried(rename(g->outside, g->outside));
}

static int
make_in_shared_memory(unused_arg const struct ground *g)
{
	int e = try_open("/dev/shm/posthorn-selftest", O_RDWR | O_CREAT);

	unlink("/dev/shm/posthorn-selftest");
	return e;
}

static int
link_outside(const struct ground *g)
{
	int e = tried(link(g->outside, "linked"));

	unlink("linked");
	return e == EXDEV ? EPERM : e; /* Landlock's word for it; both are in one file system */
}

static int
move_out(const struct ground *g)
{
	char to[PATH_MAX + 8];
	int e;

	snprintf(to, sizeof(to), "%s.moved", g->outside);
	e = tried(rename("own", to));
	if (e == 0)
		rename(to, "own");
	return e;
}

static int
remove_outside(const struct ground *g)
{
	int e = tried(unlink(g->outside));

	if (e == 0)
		close(open(g->outside, O_RDWR | O_CREAT | O_CLOEXEC, 0666));
	return e;
}

static int
make_symlink(unused_arg const struct ground *g)
{
	int e = tried(symlink("/etc/passwd", "made"));

	unlink("made");
	return e;
}

static int
make_fifo(unused_arg const struct ground *g)
{
	int e = tried(mkfifo("made", 0600));

	unlink("made");
	return e;
}

static int
make_device(unused_arg const struct ground *g)
{
	int e = tried(mknod("made", S_IFCHR | 0600, 0x101));

	unlink("made");
	return e;
}

static int
make_set_user_id(unused_arg const struct ground *g)
{
	int fd = open("own", O_RDWR | O_CLOEXEC);

	if (fd < 0) /* without its file it proves nothing, unless it may open none */
		return errno == EPERM || errno == EACCES ? errno : 0;
	return tried(fchmod(fd, 04755));
}

/* --- What the keeper of the keys may not do even where it is --- */

static int
read_own(unused_arg const struct ground *g)
{
	return try_open("own", O_RDONLY);
}

static int
write_own(unused_arg const struct ground *g)
{
	return try_open("own", O_WRONLY);
}

static int
make_own(unused_arg const struct ground *g)
{
	return try_open("made", O_WRONLY | O_CREAT);
}

static int
list_own(unused_arg const struct ground *g)
{
	return try_open(".", O_RDONLY | O_DIRECTORY);
}

static int
remove_own(unused_arg const struct ground *g)
{
	return tried(unlink("own"));
}

static int
read_program(unused_arg const struct ground *g)
{
	return try_open("/proc/self/exe", O_RDONLY);
}

static int
map_file(unused_arg const struct ground *g)
{
	return try_open("/dev/zero", O_RDWR);
}

static int
accept_client(unused_arg const struct ground *g)
{
	int e = tried(accept4(STDIN_FILENO, NULL, NULL, SOCK_CLOEXEC));

	return e == EPERM || e == EACCES ? e : 0; /* that it is no socket is no denial */
}

static int
chmod_outside(const struct ground *g)
{
	return tried(chmod(g->outside, 0666));
}

static int
chown_outside(const struct ground *g)
{
	return tried(chown(g->outside, geteuid(), getegid()));
}

static int
label_outside(const struct ground *g)
{
	return tried(syscall(SYS_setxattr, g->outside, "user.x", "x", 1, 0));
}

static int
parent_memory(unused_arg const struct ground *g)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", getppid());
	return try_open(path, O_RDONLY);
}

static int
parent_environment(unused_arg const struct ground *g)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/environ", getppid());
	return try_open(path, O_RDONLY);
}

/* --- Processes --- */

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

/* --- Rights --- */

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

/* --- Network --- */

static int
make_socket(int family, int type, int protocol)
{
	int fd = socket(family, type | SOCK_CLOEXEC, protocol);

	return fd >= 0 || (errno != EPERM && errno != EACCES) ? 0 : errno;
}

static int
tcp4(unused_arg const struct ground *g)
{
	return make_socket(AF_INET, SOCK_STREAM, 0);
}

static int
tcp6(unused_arg const struct ground *g)
{
	return make_socket(AF_INET6, SOCK_STREAM, 0);
}

static int
udp(unused_arg const struct ground *g)
{
	return make_socket(AF_INET, SOCK_DGRAM, 0);
}

static int
raw(unused_arg const struct ground *g)
{
	return make_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
}

static int
packet(unused_arg const struct ground *g)
{
	return make_socket(AF_PACKET, SOCK_RAW, 0);
}

static int
netlink(unused_arg const struct ground *g)
{
	return make_socket(AF_NETLINK, SOCK_RAW, 0);
}

static int
kernel_crypto(unused_arg const struct ground *g)
{
	return make_socket(AF_ALG, SOCK_SEQPACKET, 0);
}

static int
vsock(unused_arg const struct ground *g)
{
	return make_socket(AF_VSOCK, SOCK_STREAM, 0);
}

static int
unix_stream(unused_arg const struct ground *g)
{
	return make_socket(AF_UNIX, SOCK_STREAM, 0);
}

static int
unix_datagram(unused_arg const struct ground *g)
{
	return make_socket(AF_UNIX, SOCK_DGRAM, 0);
}

static int
datagram_pair(unused_arg const struct ground *g)
{
	int fds[2];

	return tried(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds));
}

/* With a socket that it has. */
static int
on_pair(int (*what)(int fd, const struct sockaddr *to, socklen_t n))
{
	const struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "made" };
	int fds[2], e;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
		return 0;
	e = tried(what(fds[0], (const struct sockaddr *)&un, sizeof(un)));
	/* that it is connected already is no denial */
	return e == EPERM || e == EACCES ? e : 0;
}

static int
do_listen(int fd, unused_arg const struct sockaddr *to, unused_arg socklen_t n)
{
	return listen(fd, 1);
}

static int
do_send(int fd, const struct sockaddr *to, socklen_t n)
{
	return (int)sendto(fd, "x", 1, MSG_NOSIGNAL, to, n);
}

static int
connect_out(unused_arg const struct ground *g)
{
	return on_pair(connect);
}

static int
bind_name(unused_arg const struct ground *g)
{
	return on_pair(bind);
}

static int
listen_more(unused_arg const struct ground *g)
{
	return on_pair(do_listen);
}

static int
send_to_name(unused_arg const struct ground *g)
{
	return on_pair(do_send);
}

/* --- Memory and the terminal --- */

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

#define CALL(who_, name_, call_, ...)                                                              \
	{                                                                                          \
		.who = (who_), .name = (name_), .call = SYS_##call_, .args = { __VA_ARGS__ }       \
	}
#define ACT(who_, name_, run_)                                                                     \
	{                                                                                          \
		.who = (who_), .name = (name_), .run = (run_)                                      \
	}
#define BAD_ADDRESS 1

const struct act selftest_acts[] = {
	ACT(BY_CHILDREN, "read a file outside", read_outside),
	ACT(BY_CHILDREN, "read /etc/passwd", read_passwd),
	ACT(BY_CHILDREN, "read another process's folder", read_neighbour),
	ACT(BY_CHILDREN, "list /", list_root),
	ACT(BY_CHILDREN, "list the folder above", list_above),
	ACT(BY_CHILDREN, "follow a symbolic link out", follow_link),
	ACT(BY_CHILDREN, "follow one to another's folder", follow_sideways),
	ACT(BY_CHILDREN, "go through /proc/self/root", through_proc),
	ACT(BY_CHILDREN, "go through /proc/self/cwd", through_cwd),
	ACT(BY_ALL, "write a file outside", write_outside),
	ACT(BY_ALL, "make a file outside", make_outside),
	ACT(BY_ALL, "make a file in /dev/shm", make_in_shared_memory),
	ACT(BY_ALL, "truncate a file outside", truncate_outside),
	ACT(BY_ALL, "rename a file outside", rename_outside),
	ACT(BY_ALL, "link a file from outside", link_outside),
	ACT(BY_ALL, "move a file out", move_out),
	ACT(BY_ALL, "remove a file outside", remove_outside),
	ACT(BY_ALL, "make a symbolic link", make_symlink),
	ACT(BY_ALL, "make a named pipe", make_fifo),
	ACT(BY_ALL, "make a device", make_device),
	ACT(BY_ALL, "make a set-user-id file", make_set_user_id),
	ACT(BY_ALL, "chmod outside", chmod_outside),
	ACT(BY_ALL, "chown outside", chown_outside),
	ACT(BY_ALL, "set an attribute outside", label_outside),
	ACT(BY_ALL, "open its own memory", own_memory),
	ACT(BY_ALL, "open another's memory", parent_memory),
	ACT(BY_ALL, "read another's environment", parent_environment),
	ACT(BY_ALL, "write a kernel setting", kernel_setting),
	CALL(BY_ALL, "name a file by handle", name_to_handle_at, -1, BAD_ADDRESS),
	CALL(BY_ALL, "open a file by handle", open_by_handle_at, -1, BAD_ADDRESS),
	CALL(BY_ALL, "watch all files", fanotify_init, 0, 0),

	CALL(BY_ALL, "chroot", chroot, BAD_ADDRESS),
	CALL(BY_ALL, "pivot_root", pivot_root, BAD_ADDRESS, BAD_ADDRESS),
	CALL(BY_ALL, "mount", mount, BAD_ADDRESS, BAD_ADDRESS, BAD_ADDRESS),
	CALL(BY_ALL, "umount", umount2, BAD_ADDRESS),
	CALL(BY_ALL, "open a file system", fsopen, BAD_ADDRESS),
	CALL(BY_ALL, "open a tree", open_tree, -1, BAD_ADDRESS, 0),
	CALL(BY_ALL, "unshare", unshare, CLONE_NEWUSER),
	CALL(BY_ALL, "setns", setns, -1, 0),
	ACT(BY_ALL, "clone into a namespace", make_namespace),

	ACT(BY_CHILDREN, "fork", make_process),
	ACT(BY_ALL, "clone3", make_process_anew),
	ACT(BY_ALL, "execute /bin/true", execute_program),
	ACT(BY_CHILDREN, "execute itself", execute_ourselves),
	CALL(BY_ALL, "execveat", execveat, -1, BAD_ADDRESS),
	CALL(BY_ALL, "memfd_create", memfd_create, BAD_ADDRESS, 0),
	ACT(BY_CHILDREN, "signal the supervisor", signal_parent),
	ACT(BY_CHILDREN, "signal its group", signal_group),
	ACT(BY_CHILDREN, "signal process 1", signal_first),
	ACT(BY_CHILDREN, "signal another's thread", signal_thread),
	CALL(BY_ALL, "queue a signal", rt_sigqueueinfo, -1, 0, BAD_ADDRESS),
	ACT(BY_ALL, "open a process", handle_parent),
	CALL(BY_ALL, "take another's descriptor", pidfd_getfd, -1, 0, 0),
	ACT(BY_ALL, "trace the supervisor", trace_parent),
	CALL(BY_ALL, "be traced", ptrace, PTRACE_TRACEME, 0, 0, 0),
	ACT(BY_ALL, "read another's memory", read_parent),
	CALL(BY_ALL, "write another's memory", process_vm_writev, -1, 0, 0, 0, 0),
	ACT(BY_ALL, "compare with another", compare_parent),

	ACT(BY_CHILDREN, "become root", become_root),
	ACT(BY_CHILDREN, "join root's group", become_group),
	CALL(BY_CHILDREN, "setgroups", setgroups, 0, 0),
	CALL(BY_ALL, "setfsuid", setfsuid, -1),
	ACT(BY_ALL, "gain all capabilities", gain_capability),
	ACT(BY_ALL, "gain an ambient capability", gain_net_admin),
	ACT(BY_CHILDREN, "allow core dumps", allow_core),
	ACT(BY_CHILDREN, "raise a limit", raise_limit),
	CALL(BY_ALL, "personality", personality, ADDR_NO_RANDOMIZE),
	CALL(BY_ALL, "set another's priority", sched_setscheduler, -1, 0, 0),

	ACT(BY_ALL, "TCP over IPv4", tcp4),
	ACT(BY_ALL, "TCP over IPv6", tcp6),
	ACT(BY_ALL, "UDP", udp),
	ACT(BY_ALL, "raw socket", raw),
	ACT(BY_ALL, "packet socket", packet),
	ACT(BY_ALL, "netlink socket", netlink),
	ACT(BY_ALL, "kernel crypto socket", kernel_crypto),
	ACT(BY_ALL, "vsock", vsock),
	ACT(BY_CHILDREN, "unix socket", unix_stream),
	ACT(BY_CHILDREN, "unix datagram socket", unix_datagram),
	ACT(BY_CHILDREN, "pair of datagram sockets", datagram_pair),
	ACT(BY_CHILDREN, "connect", connect_out),
	ACT(BY_ALL, "bind", bind_name),
	ACT(BY_ALL, "listen", listen_more),
	ACT(BY_CHILDREN, "send to an address", send_to_name),

	ACT(BY_KEY, "read a file of its own", read_own),
	ACT(BY_KEY, "write a file of its own", write_own),
	ACT(BY_KEY, "make a file of its own", make_own),
	ACT(BY_KEY, "list its folder", list_own),
	ACT(BY_KEY, "remove a file of its own", remove_own),
	ACT(BY_KEY, "read its program", read_program),
	ACT(BY_KEY, "open a device", map_file),
	ACT(BY_KEY, "accept a connection", accept_client),

	ACT(BY_ALL, "make data executable", code_from_data),
	ACT(BY_ALL, "map writable code", writable_code),
	ACT(BY_CHILDREN, "map more code", more_code),
	ACT(BY_ALL, "type into the terminal", type_into_terminal),

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
const size_t selftest_act_count = ARRAY_LEN(selftest_acts);
