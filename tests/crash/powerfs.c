/*
 * powerfs.c - a file system in memory whose power can be cut (disk.h), for tests with the real
 * daemon. It speaks the kernel's FUSE protocol itself, so that it needs no library; root mounts it.
 *
 *     powerfs FOLDER
 *
 * Commands come on the standard input, one a line; each is answered by a line.
 *
 *     arm N           freeze after N more changes (writes, syncs, names); "frozen" is told then. A frozen file system answers
 *                     nobody, as a machine without power; but who waits for it can be killed. 0: not at all
 *     freeze          at once
 *     cut KIND SEED   forgets what the power cut would lose (enum cut), and is mounted anew: "cut BYTES NAMES" that were lost.
 *                     The processes that used it must have been killed
 *     full on|off     whether there is no room; the first write that finds none comes before anybody is told how much is left
 *     lie on|off      whether a sync only says that it was done: for the test of the test
 *     quit
 *
 * Files are not kept in the kernel's cache, so that every write and sync of the daemon comes here
 * in its order.
 */
#include "disk.h"

#include "base/arena.h"
#include "base/list.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	WRITE_MAX = 128 * 1024,
	REQUEST_MAX = WRITE_MAX + 4096,
	CACHE_S = 60,          /* nobody else changes anything */
	FREE_BLOCKS = 1 << 24, /* of 4 KiB: never full */
};

/* A folder being read: its names when it was opened, as the kernel wants them. */
struct listing {
	struct list node;
	char *p;
	size_t n;
};

struct powerfs {
	const char *folder;
	struct disk *disk;
	int fd;
	struct list listings;
	bool is_frozen, is_lying, is_full, has_run_full;
	unsigned long left; /* changes until it freezes; 0: it does not */
	char request[REQUEST_MAX];
	char command[256];
	size_t command_n;
};

/* ---- answers */

static void
answer(struct powerfs *fs, const struct fuse_in_header *in, int error, const void *p, size_t n)
{
	struct fuse_out_header out = { .unique = in->unique, .error = -error };
	struct iovec v[2] = { { &out, sizeof(out) }, { (void *)p, error == 0 ? n : 0 } };
	ssize_t r;

	out.len = (uint32_t)(sizeof(out) + v[1].iov_len);
	r = writev(fs->fd, v, 2);
	(void)r; /* who asked may have been killed */
}

static void
attr_of(const struct node *node, struct fuse_attr *a)
{
	*a = (struct fuse_attr){
		.ino = node->ino,
		.size = node->data.n,
		.blocks = (node->data.n + 511) / 512,
		.mode = node->mode,
		.uid = node->uid,
		.gid = node->gid,
		.nlink = S_ISDIR(node->mode) ? 2 : node->links,
		.blksize = 4096,
		.mtime = (uint64_t)node->changed.tv_sec,
		.mtimensec = (uint32_t)node->changed.tv_nsec,
		.ctime = (uint64_t)node->changed.tv_sec,
		.ctimensec = (uint32_t)node->changed.tv_nsec,
		.atime = (uint64_t)node->changed.tv_sec,
	};
}

static void
entry_of(const struct node *node, struct fuse_entry_out *e)
{
	*e = (struct fuse_entry_out){ .nodeid = node->ino,
		.entry_valid = CACHE_S,
		.attr_valid = CACHE_S };
	attr_of(node, &e->attr);
}

static void
answer_entry(struct powerfs *fs, const struct fuse_in_header *in, int error,
    const struct node *node)
{
	struct fuse_entry_out e = { 0 };

	if (error == 0)
		entry_of(node, &e);
	answer(fs, in, error, &e, sizeof(e));
}

static void
answer_attr(struct powerfs *fs, const struct fuse_in_header *in, const struct node *node)
{
	struct fuse_attr_out a = { .attr_valid = CACHE_S };

	attr_of(node, &a.attr);
	answer(fs, in, 0, &a, sizeof(a));
}

/* ---- requests */

static void
do_init(struct powerfs *fs, const struct fuse_in_header *in, const struct fuse_init_in *arg)
{
	struct fuse_init_out out = { .major = FUSE_KERNEL_VERSION,
		.minor = MIN(arg->minor, 31),
		.max_readahead = 0,
		.flags = arg->flags & (FUSE_BIG_WRITES | FUSE_MAX_PAGES),
		.max_write = WRITE_MAX,
		.max_background = 64,
		.congestion_threshold = 48,
		.time_gran = 1,
		.max_pages = WRITE_MAX / 4096 };

	answer(fs, in, 0, &out, sizeof(out));
}

static void
do_create(struct powerfs *fs, const struct fuse_in_header *in, struct node *folder,
    const struct fuse_create_in *arg)
{
	struct {
		struct fuse_entry_out e;
		struct fuse_open_out o;
	} out = { .o = { .open_flags = FOPEN_DIRECT_IO } };
	struct node *node;
	int error = disk_make(fs->disk, folder, (const char *)(arg + 1),
	    S_IFREG | (arg->mode & 07777), in->uid, in->gid, &node);

	if (error == 0)
		entry_of(node, &out.e);
	answer(fs, in, error, &out, sizeof(out));
}

static void
do_make(struct powerfs *fs, const struct fuse_in_header *in, struct node *folder, const char *name,
    mode_t mode)
{
	struct node *node = NULL;
	int error = disk_make(fs->disk, folder, name, mode, in->uid, in->gid, &node);

	answer_entry(fs, in, error, node);
}

static void
do_setattr(struct powerfs *fs, const struct fuse_in_header *in, struct node *node,
    const struct fuse_setattr_in *arg)
{
	if (arg->valid & FATTR_MODE)
		node->mode = (node->mode & S_IFMT) | (arg->mode & 07777);
	if (arg->valid & FATTR_UID)
		node->uid = arg->uid;
	if (arg->valid & FATTR_GID)
		node->gid = arg->gid;
	if (arg->valid & FATTR_SIZE)
		disk_truncate(node, arg->size);
	answer_attr(fs, in, node);
}

static void
do_open(struct powerfs *fs, const struct fuse_in_header *in, const struct node *node)
{
	struct fuse_open_out out = { .open_flags = FOPEN_DIRECT_IO };
	struct listing *l;

	if (in->opcode == FUSE_OPENDIR) {
		l = xcalloc(1, sizeof(*l));
		list_add_tail(&fs->listings, &l->node);
		for (size_t i = 0; i < node->names.n; i++) {
			const struct entry *e = &node->names.v[i];
			struct fuse_dirent d = { .ino = e->node->ino,
				.namelen = (uint32_t)strlen(e->name),
				.type = (e->node->mode & S_IFMT) >> 12 };
			size_t n = FUSE_DIRENT_ALIGN(sizeof(d) + d.namelen);

			d.off = l->n + n;
			l->p = xrealloc(l->p, l->n + n);
			memset(l->p + l->n, 0, n);
			memcpy(l->p + l->n, &d, FUSE_NAME_OFFSET);
			memcpy(l->p + l->n + FUSE_NAME_OFFSET, e->name, d.namelen);
			l->n += n;
		}
		out.open_flags = 0;
		out.fh = (uint64_t)(uintptr_t)l;
	}
	answer(fs, in, 0, &out, sizeof(out));
}

/* Whole entries only. */
static void
do_readdir(struct powerfs *fs, const struct fuse_in_header *in, const struct fuse_read_in *arg)
{
	const struct listing *l = (const struct listing *)(uintptr_t)arg->fh;
	size_t from = MIN(arg->offset, l->n), n = 0;

	while (from + n < l->n) {
		const struct fuse_dirent *d = (const struct fuse_dirent *)(l->p + from + n);
		size_t one = FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + d->namelen);

		if (n + one > arg->size)
			break;
		n += one;
	}
	answer(fs, in, 0, l->p + from, n);
}

static void
do_read(struct powerfs *fs, const struct fuse_in_header *in, const struct node *node,
    const struct fuse_read_in *arg)
{
	size_t from = MIN(arg->offset, node->data.n);

	answer(fs, in, 0, node->data.p + from, MIN(arg->size, node->data.n - from));
}

static void
do_write(struct powerfs *fs, const struct fuse_in_header *in, struct node *node,
    const struct fuse_write_in *arg)
{
	struct fuse_write_out out = { .size = arg->size };

	if (fs->is_full && arg->offset + arg->size > node->data.n) {
		fs->has_run_full = true;
		answer(fs, in, ENOSPC, NULL, 0);
		return;
	}
	disk_write(node, arg->offset, (const char *)(arg + 1), arg->size);
	answer(fs, in, 0, &out, sizeof(out));
}

static void
do_fallocate(struct powerfs *fs, const struct fuse_in_header *in, struct node *node,
    const struct fuse_fallocate_in *arg)
{
	static const char zeros[4096];
	uint64_t end = arg->offset + arg->length;

	if (arg->mode & FALLOC_FL_PUNCH_HOLE)
		for (uint64_t at = arg->offset; at < MIN(end, node->data.n); at += sizeof(zeros))
			disk_write(node, at, zeros,
			    MIN(sizeof(zeros), MIN(end, node->data.n) - at));
	else if (!(arg->mode & FALLOC_FL_KEEP_SIZE) && end > node->data.n)
		disk_truncate(node, end);
	answer(fs, in, 0, NULL, 0);
}

static void
do_statfs(struct powerfs *fs, const struct fuse_in_header *in)
{
	uint64_t left = fs->has_run_full ? 0 : FREE_BLOCKS;
	struct fuse_statfs_out out = { .st = { .blocks = FREE_BLOCKS,
					   .bfree = left,
					   .bavail = left,
					   .files = 1 << 20,
					   .ffree = 1 << 20,
					   .bsize = 4096,
					   .frsize = 4096,
					   .namelen = 255 } };

	answer(fs, in, 0, &out, sizeof(out));
}

static void
listing_free(struct listing *l)
{
	list_remove(&l->node);
	free(l->p);
	free(l);
}

static bool
is_change(uint32_t opcode)
{
	switch (opcode) {
	case FUSE_CREATE:
	case FUSE_MKNOD:
	case FUSE_MKDIR:
	case FUSE_UNLINK:
	case FUSE_RMDIR:
	case FUSE_RENAME:
	case FUSE_RENAME2:
	case FUSE_LINK:
	case FUSE_WRITE:
	case FUSE_FSYNC:
	case FUSE_FSYNCDIR:
	case FUSE_SETATTR:
	case FUSE_FALLOCATE:
		return true;
	default:
		return false;
	}
}

static void
dispatch(struct powerfs *fs, const struct fuse_in_header *in, void *arg)
{
	struct node *node = disk_node(fs->disk, in->nodeid);
	const char *name = arg;
	struct node *other;

	if (node == NULL && in->nodeid != 0) {
		answer(fs, in, ESTALE, NULL, 0);
		return;
	}
	switch (in->opcode) {
	case FUSE_INIT:
		do_init(fs, in, arg);
		break;
	case FUSE_LOOKUP:
		other = disk_find(node, name);
		answer_entry(fs, in, other != NULL ? 0 : ENOENT, other);
		break;
	case FUSE_GETATTR:
		answer_attr(fs, in, node);
		break;
	case FUSE_SETATTR:
		do_setattr(fs, in, node, arg);
		break;
	case FUSE_CREATE:
		do_create(fs, in, node, arg);
		break;
	case FUSE_MKNOD:
		do_make(fs, in, node, (char *)arg + sizeof(struct fuse_mknod_in),
		    ((struct fuse_mknod_in *)arg)->mode);
		break;
	case FUSE_MKDIR:
		do_make(fs, in, node, (char *)arg + sizeof(struct fuse_mkdir_in),
		    S_IFDIR | (((struct fuse_mkdir_in *)arg)->mode & 07777));
		break;
	case FUSE_LINK:
		other = disk_node(fs->disk, ((struct fuse_link_in *)arg)->oldnodeid);
		answer_entry(fs, in,
		    disk_link(fs->disk, other, node, (char *)arg + sizeof(struct fuse_link_in)),
		    other);
		break;
	case FUSE_UNLINK:
	case FUSE_RMDIR:
		answer(fs, in, disk_remove(fs->disk, node, name, in->opcode == FUSE_RMDIR), NULL,
		    0);
		break;
	case FUSE_RENAME:
	case FUSE_RENAME2:
		other = disk_node(fs->disk, ((struct fuse_rename_in *)arg)->newdir);
		name += in->opcode == FUSE_RENAME ? sizeof(struct fuse_rename_in)
						  : sizeof(struct fuse_rename2_in);
		answer(fs, in, disk_rename(fs->disk, node, name, other, name + strlen(name) + 1),
		    NULL, 0);
		break;
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		do_open(fs, in, node);
		break;
	case FUSE_READ:
		do_read(fs, in, node, arg);
		break;
	case FUSE_READDIR:
		do_readdir(fs, in, arg);
		break;
	case FUSE_WRITE:
		do_write(fs, in, node, arg);
		break;
	case FUSE_FSYNC:
	case FUSE_FSYNCDIR:
		if (!fs->is_lying)
			disk_sync(fs->disk, node);
		answer(fs, in, 0, NULL, 0);
		break;
	case FUSE_FALLOCATE:
		do_fallocate(fs, in, node, arg);
		break;
	case FUSE_STATFS:
		do_statfs(fs, in);
		break;
	case FUSE_RELEASEDIR:
		listing_free((struct listing *)(uintptr_t)((struct fuse_release_in *)arg)->fh);
		answer(fs, in, 0, NULL, 0);
		break;
	case FUSE_RELEASE:
		answer(fs, in, 0, NULL, 0);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
	case FUSE_DESTROY:
		break; /* not answered */
	default:
		/*
		 * FUSE_FLUSH too: the kernel then asks no more, else a process that was killed
		 * would wait for the answer.
		 */
		answer(fs, in, ENOSYS, NULL, 0);
		break;
	}
}

static void
say(const char *text)
{
	puts(text);
	fflush(stdout);
}

/* One request. False: the file system was unmounted. */
static bool
serve(struct powerfs *fs)
{
	ssize_t n = read(fs->fd, fs->request, sizeof(fs->request) - 1);
	const struct fuse_in_header *in = (const struct fuse_in_header *)fs->request;

	if (n < 0)
		return errno == EINTR || errno == EAGAIN || errno == ENOENT;
	fs->request[n] = '\0';
	dispatch(fs, in, fs->request + sizeof(*in));
	if (is_change(in->opcode) && fs->left > 0 && --fs->left == 0) {
		fs->is_frozen = true;
		say("frozen");
	}
	return true;
}

/* ---- mounting and commands */

static bool
mount_it(struct powerfs *fs)
{
	char options[128];

	fs->fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fs->fd < 0)
		return false;
	snprintf(options, sizeof(options),
	    "fd=%d,rootmode=40755,user_id=0,group_id=0,allow_other,default_permissions", fs->fd);
	return mount("powerfs", fs->folder, "fuse.powerfs", MS_NOSUID | MS_NODEV, options) == 0;
}

static void
unmount_it(struct powerfs *fs)
{
	umount2(fs->folder, MNT_DETACH);
	close(fs->fd); /* whoever still waits gets an error */
	while (!list_is_empty(&fs->listings))
		listing_free(container_of(fs->listings.next, struct listing, node));
}

static bool
cut(struct powerfs *fs, unsigned how, unsigned long long seed)
{
	char line[64];
	size_t bytes, names;

	unmount_it(fs);
	disk_cut(fs->disk, how % CUT_KINDS, seed, &bytes, &names);
	fs->is_frozen = false;
	fs->left = 0;
	if (!mount_it(fs))
		return false;
	snprintf(line, sizeof(line), "cut %zu %zu", bytes, names);
	say(line);
	return true;
}

/* False: it is the end. */
static bool
command(struct powerfs *fs, const char *text)
{
	unsigned how;
	unsigned long long seed;

	if (sscanf(text, "arm %lu", &fs->left) == 1)
		say("armed");
	else if (sscanf(text, "cut %u %llu", &how, &seed) == 2)
		return cut(fs, how, seed);
	else if (strcmp(text, "freeze") == 0) {
		fs->is_frozen = true;
		say("frozen");
	} else if (strncmp(text, "full ", 5) == 0) {
		fs->is_full = strcmp(text, "full on") == 0;
		fs->has_run_full &= fs->is_full;
		say("full");
	} else if (strncmp(text, "lie ", 4) == 0) {
		fs->is_lying = strcmp(text, "lie on") == 0;
		say("lying");
	} else
		return false;
	return true;
}

/* Reads what there is and carries out whole lines. */
static bool
commands(struct powerfs *fs)
{
	ssize_t n = read(STDIN_FILENO, fs->command + fs->command_n,
	    sizeof(fs->command) - 1 - fs->command_n);
	char *end;

	if (n <= 0)
		return false;
	fs->command_n += (size_t)n;
	fs->command[fs->command_n] = '\0';
	while ((end = strchr(fs->command, '\n')) != NULL) {
		*end = '\0';
		if (!command(fs, fs->command))
			return false;
		fs->command_n -= (size_t)(end + 1 - fs->command);
		memmove(fs->command, end + 1, fs->command_n + 1);
	}
	return fs->command_n < sizeof(fs->command) - 1;
}

int
main(int argc, char **argv)
{
	struct powerfs *fs = xcalloc(1, sizeof(*fs));
	int status = 0;

	if (argc != 2) {
		fputs("usage: powerfs FOLDER\n", stderr);
		return 2;
	}
	list_init(&fs->listings);
	fs->folder = argv[1];
	fs->disk = disk_new();
	if (!mount_it(fs)) {
		printf("can't mount on %s: %s\n", fs->folder, strerror(errno));
		disk_free(fs->disk);
		free(fs);
		return 1;
	}
	say("mounted");
	for (;;) {
		struct pollfd p[] = { { .fd = STDIN_FILENO, .events = POLLIN },
			{ .fd = fs->is_frozen ? -1 : fs->fd, .events = POLLIN } };

		if (poll(p, ARRAY_LEN(p), -1) < 0 && errno != EINTR)
			status = 1;
		if (status != 0 || (p[0].revents != 0 && !commands(fs)))
			break;
		if (!fs->is_frozen && p[1].revents != 0 && !serve(fs)) {
			fputs("powerfs: unmounted by somebody else\n", stderr);
			status = 1;
			break;
		}
	}
	unmount_it(fs);
	disk_free(fs->disk);
	free(fs);
	return status;
}
