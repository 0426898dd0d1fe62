/* selftest_files.c - files that no process of ours may touch. */
#include "daemon/selftest_int.h"

#include "base/attr.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

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

static const struct act acts[] = {
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
	ACT(BY_KEY, "read a file of its own", read_own),
	ACT(BY_KEY, "write a file of its own", write_own),
	ACT(BY_KEY, "make a file of its own", make_own),
	ACT(BY_KEY, "list its folder", list_own),
	ACT(BY_KEY, "remove a file of its own", remove_own),
	ACT(BY_KEY, "read its program", read_program),
	ACT(BY_KEY, "open a device", map_file),
	CALL(BY_ALL, "name a file by handle", name_to_handle_at, -1, BAD_ADDRESS),
	CALL(BY_ALL, "open a file by handle", open_by_handle_at, -1, BAD_ADDRESS),
	CALL(BY_ALL, "watch all files", fanotify_init, 0, 0),
};
const struct act_group selftest_files = { acts, ARRAY_LEN(acts) };
