/*
 * restore_whole.c - a whole backup into a data directory without mail. The store is built beside
 * its place, synced, given to its owner, and renamed: there is a whole store or none.
 */
#include "ctl/restore.h"
#include "ctl/users_rows.h"

#include "backup/rebuild.h"
#include "base/clock.h"
#include "proc/roles.h"
#include "store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int
restore_users(struct ctl *c, const struct restore *r, struct str only, uint64_t *added_out)
{
	BUF_CLEAN struct buf rows = BUF_MAX(SIZE_MAX / 2), piece = BUF_MAX(SIZE_MAX / 2);

	*added_out = 0;
	for (size_t i = 0; i < r->manifest.user_count; i++) {
		enum err e = repo_read(r->repo, &r->manifest.users[i], &piece);

		if (e != ERR_OK)
			return ctl_fail("the users database in the backup can't be read (%s)",
			    err_name(e));
		buf_str_add(&rows, buf_str(&piece));
	}
	return rows.n == 0 ? CTL_OK : users_rows_write(c, buf_str(&rows), only, added_out);
}

/* ---- folders --------------------------------------------------------------------------------- */

/* Calls fn with the name of each file. False when one of the calls was. */
static bool
each_file(const char *folder, bool (*fn)(int dir_fd, const char *name, void *arg), void *arg)
{
	DIR *d = opendir(folder);
	bool is_good = d != NULL;
	struct dirent *e;

	while (is_good && (e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			is_good = fn(dirfd(d), e->d_name, arg);
	}
	if (d != NULL)
		closedir(d);
	return is_good;
}

static bool
remove_file(int dir_fd, const char *name, void *arg)
{
	(void)arg;
	return unlinkat(dir_fd, name, 0) == 0;
}

static bool
remove_folder(const char *folder)
{
	return access(folder, F_OK) != 0
	    || (each_file(folder, remove_file, NULL) && rmdir(folder) == 0);
}

/* Synced, and its owner's: arg is that user, or NULL. */
static bool
settle_file(int dir_fd, const char *name, void *arg)
{
	const struct passwd *pw = arg;
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	bool is_good =
	    fd >= 0 && fsync(fd) == 0 && (pw == NULL || fchown(fd, pw->pw_uid, pw->pw_gid) == 0);

	if (fd >= 0)
		close(fd);
	return is_good;
}

static bool
settle_folder(const char *folder, struct passwd *pw)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool is_good = fd >= 0 && each_file(folder, settle_file, pw) && fsync(fd) == 0
	    && (pw == NULL || fchown(fd, pw->pw_uid, pw->pw_gid) == 0);

	if (fd >= 0)
		close(fd);
	return is_good;
}

/* The user that the mail process runs as; NULL: as we do. */
static int
find_owner(struct ctl *c, struct passwd **pw_out)
{
	struct str user = role_user(ROLE_MAIL, c->config);

	*pw_out = NULL;
	if (geteuid() != 0 || user.n == 0 || str_eq(user, STR("root")))
		return CTL_OK;
	*pw_out = getpwnam(user.p);
	return *pw_out != NULL ? CTL_OK : ctl_fail("there is no user \"%s\" (option user)", user.p);
}

static int
find_no_mail(const char *folder)
{
	BUF_CLEAN struct buf path = CTL_PATH;

	if (access(ctl_path(&path, folder, "CURRENT"), F_OK) == 0)
		return ctl_fail(
		    "%s has mail already. A whole backup is restored into a data directory without mail; with --account, what is "
		    "missing is added to the mail that is there",
		    folder);
	return CTL_OK;
}

static bool
give(int fd, const struct passwd *pw)
{
	return pw == NULL || fchown(fd, pw->pw_uid, pw->pw_gid) == 0;
}

/*
 * The file that is locked, made when it is missing. What is there may be anything, for the folder is not
 * ours: no link is followed, and nothing is given away but what was made here. -1: errno says why.
 */
static int
open_lock(const char *folder, const struct passwd *pw, bool may_make)
{
	BUF_CLEAN struct buf path = CTL_PATH;
	const char *name = ctl_path(&path, folder, "lock");
	int fd = -1;

	if (may_make && mkdir(folder, 0700) == 0) {
		if (pw != NULL && chown(folder, pw->pw_uid, pw->pw_gid) != 0)
			return -1;
	} else if (may_make && errno != EEXIST) {
		return -1;
	}
	if (may_make)
		fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return open(name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (give(fd, pw))
		return fd;
	close(fd);
	return -1;
}

/*
 * Locks the folder, which has no mail, as who opens a store does: until the restored one has its
 * place no daemon begins another there, which would be lost with all that it has taken, and no other
 * restore builds beside it. *fd_out: the lock; -1 when there is no folder, and this is only a look.
 */
static int
lock_place(const char *folder, const struct passwd *pw, bool is_dry, int *fd_out)
{
	*fd_out = open_lock(folder, pw, !is_dry);
	if (*fd_out < 0 && is_dry && errno == ENOENT)
		return CTL_OK;
	if (*fd_out < 0)
		return ctl_fail("%s/lock: %s", folder, strerror(errno));
	if (flock(*fd_out, LOCK_EX | LOCK_NB) != 0)
		return ctl_fail(
		    "%s is in use, by posthornd, which is to be stopped first, or by another restore",
		    folder);
	return find_no_mail(folder); /* it may have come before the lock was ours */
}

/* ---- restoring ------------------------------------------------------------------------------- */

static int
build(const struct restore *r, const char *folder, struct rebuild_progress *progress)
{
	BUF_CLEAN struct buf detail = BUF_MAX(1 << 20);
	struct kv_options o = { .dir = folder, .no_sync = true };
	struct kv *kv;
	enum err e;

	store_merge_functions(&o);
	e = kv_rocks_open(&o, &kv, &detail);
	if (e != ERR_OK)
		return ctl_fail("%s: %.*s (%s)", folder, STR_F(buf_str(&detail)), err_name(e));
	e = rebuild_run(r->repo, &r->manifest, kv, clock_system()->wall_ms(clock_system()),
	    progress, &detail);
	kv_close(kv);
	fprintf(stderr, "%.*s", STR_F(buf_str(&detail)));
	return e == ERR_OK
	    ? CTL_OK
	    : ctl_fail(
		"the backup can't be restored as a whole (%s): `posthorn backup verify` says what is wrong; "
		"with --account what can be read is restored, account by account",
		err_name(e));
}

static int
put_in_place(const char *from, const char *to, struct passwd *pw)
{
	BUF_CLEAN struct buf parent = BUF_MAX(65536);
	int fd;

	buf_add(&parent, to, str_rchr(str_c(to), '/'));
	buf_chr(&parent, '\0');
	if (!settle_folder(from, pw))
		return ctl_fail("%s: %s", from, strerror(errno));
	/* One that is empty is replaced; one that somebody has just put something into is not. */
	if (!each_file(to, remove_file, NULL) || rename(from, to) != 0)
		return ctl_fail("%s can't take its place as %s: %s", from, to, strerror(errno));
	fd = open(parent.p, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0)
		ctl_fail("%s: %s", parent.p, strerror(errno));
	if (fd >= 0)
		close(fd);
	return CTL_OK;
}

static void
say(struct ctl *c, const struct restore *r, const struct rebuild_progress *p, uint64_t users)
{
	if (c->is_json) {
		json_t *o = json_pack("{s:s,s:I,s:I,s:I,s:I}", "backup", r->backup, "accounts",
		    (json_int_t)p->accounts, "messages", (json_int_t)p->messages, "lost",
		    (json_int_t)p->lost, "users", (json_int_t)users);

		json_dumpf(o, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(o);
	} else if (!c->is_quiet) {
		printf("%s: %llu accounts, %llu messages, %llu users\n", r->backup,
		    (unsigned long long)p->accounts, (unsigned long long)p->messages,
		    (unsigned long long)users);
	}
}

/* With the lock of its place. */
static int
restore_locked(struct ctl *c, const struct restore *r, const char *folder, struct passwd *pw)
{
	const char *beside = arena_printf(&c->arena, "%s.restoring", folder).p;
	struct rebuild_progress progress = { 0 };
	uint64_t users = 0;
	int status;

	if (!remove_folder(beside))
		return ctl_fail("%s: %s", beside, strerror(errno));
	status = build(r, beside, &progress);
	if (status == CTL_OK)
		status = restore_users(c, r, STR(""), &users);
	if (status == CTL_OK)
		status = put_in_place(beside, folder, pw);
	if (status != CTL_OK) {
		remove_folder(beside);
		return status;
	}
	say(c, r, &progress, users);
	return progress.lost == 0
	    ? CTL_OK
	    : ctl_fail("%llu messages are lost: their bytes are not in the backup",
		(unsigned long long)progress.lost);
}

int
restore_whole(struct ctl *c, const struct restore *r)
{
	const char *folder = role_folder(&c->arena, ROLE_MAIL, c->config);
	struct passwd *pw;
	int status = find_owner(c, &pw), lock = -1;

	if (status == CTL_OK)
		status = find_no_mail(folder);
	if (status == CTL_OK && !r->is_dry)
		mkdir(c->config->data_dir.p, 0755);
	if (status == CTL_OK)
		status = lock_place(folder, pw, r->is_dry, &lock);
	if (status == CTL_OK && !r->is_dry)
		status = restore_locked(c, r, folder, pw);
	if (lock >= 0)
		close(lock);
	return status;
}
