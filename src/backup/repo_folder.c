/* repo_folder.c - the folder that a repository is in. */
#include "backup/repo_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARK_TEXT "Posthorn backup folder 1\n"

static int
name_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/*
 * Names in a folder, sorted, without those that begin with a dot; malloc'ed array, names in the
 * arena.
 */
static enum err
folder_list(struct repo *r, const char *folder, char ***names_out, size_t *count_out)
{
	int fd = openat(r->dir_fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	size_t count = 0, cap = 0;
	char **names = NULL;
	struct dirent *e;

	if (d == NULL) {
		if (fd >= 0)
			close(fd);
		return ERR_IO;
	}
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		if (count == cap) {
			cap = MAX(64, cap * 2);
			names = xrealloc(names, cap * sizeof(*names));
		}
		names[count++] = arena_cstr(&r->arena, str_c(e->d_name));
	}
	closedir(d);
	if (count > 1)
		qsort(names, count, sizeof(*names), name_cmp);
	*names_out = names;
	*count_out = count;
	return ERR_OK;
}

static enum err
load_packs(struct repo *r)
{
	BUF_CLEAN struct buf path = PATH_BUF;
	char **names = NULL;
	size_t count = 0;
	enum err e = folder_list(r, "packs", &names, &count);

	for (size_t i = 0; i < count; i++) {
		struct str name = str_c(names[i]);

		if (str_ends(name, STR(".pack")))
			repo_add_pack(r,
			    openat(r->dir_fd, repo_path(&path, "packs", names[i]),
				O_RDONLY | O_CLOEXEC),
			    name);
		else if (r->may_write)
			repo_unlink(r, "packs", names[i]);
	}
	free(names);
	return e;
}

static enum err
load_backups(struct repo *r)
{
	char **names = NULL;
	size_t count = 0, n = 0;
	enum err e = folder_list(r, "backups", &names, &count);

	for (size_t i = 0; i < count; i++) {
		if (chr_is_digit(names[i][0]))
			names[n++] = names[i];
		else if (r->may_write)
			repo_unlink(r, "backups", names[i]);
	}
	r->backups = names;
	r->backup_count = n;
	return e;
}

enum err
folder_sync(struct repo *r, const char *name)
{
	int fd = openat(r->dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum err e = fd >= 0 && fsync(fd) == 0 ? ERR_OK : ERR_IO;

	if (fd >= 0)
		close(fd);
	return e;
}

enum err
folder_put(struct repo *r, const char *folder, const char *name, struct str bytes)
{
	BUF_CLEAN struct buf path = PATH_BUF, tmp = PATH_BUF;
	/* A hidden name: what an interruption leaves must not make the folder somebody else's. */
	int fd = openat(r->dir_fd, repo_path(&tmp, folder, ".tmp"),
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	enum err e = ERR_IO;

	if (fd < 0)
		return errno == ENOSPC ? ERR_FULL : ERR_IO;
	e = fd_write(fd, bytes.p, bytes.n);
	if (e == ERR_OK && fsync(fd) != 0)
		e = ERR_IO;
	close(fd);
	if (e == ERR_OK
	    && renameat(r->dir_fd, tmp.p, r->dir_fd, repo_path(&path, folder, name)) != 0)
		e = ERR_IO;
	if (e != ERR_OK) {
		repo_unlink(r, folder, ".tmp");
		return e;
	}
	return folder_sync(r, folder);
}

static enum err
make_folder(const char *path, struct repo *r)
{
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return errno == ENOSPC ? ERR_FULL : ERR_IO;
	r->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return r->dir_fd >= 0 ? ERR_OK : ERR_IO;
}

/* Whether it is a folder of ours; one that is empty becomes one. */
static enum err
mark_check(struct repo *r, struct buf *detail)
{
	char text[sizeof(MARK_TEXT)] = "";
	int fd = openat(r->dir_fd, "posthorn-backup", O_RDONLY | O_CLOEXEC);
	char **names = NULL;
	size_t count = 0;
	enum err e;

	if (fd >= 0) {
		e = fd_pread(fd, text, sizeof(text) - 1, 0);
		close(fd);
		if (e == ERR_OK && strcmp(text, MARK_TEXT) == 0)
			return ERR_OK;
		buf_lit(detail, "it is a backup folder of another version");
		return ERR_CORRUPT;
	}
	e = folder_list(r, ".", &names, &count);
	free(names);
	if (e == ERR_OK && r->may_write && count == 0)
		e = folder_put(r, ".", "posthorn-backup", STR(MARK_TEXT));
	else if (e == ERR_OK)
		e = ERR_CORRUPT;
	if (e == ERR_CORRUPT)
		buf_c(detail,
		    r->may_write ? "the folder is neither empty nor a backup folder"
				 : "it is no backup folder");
	return e;
}

static enum err
lock_take(struct repo *r, struct buf *detail)
{
	r->lock_fd = openat(r->dir_fd, "lock",
	    r->may_write ? O_RDWR | O_CREAT | O_CLOEXEC : O_RDONLY | O_CLOEXEC, 0600);
	if (r->lock_fd < 0)
		/* a copy without it, or on a medium that is never written */
		return r->may_write ? ERR_IO : ERR_OK;
	if (flock(r->lock_fd, (r->may_write ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0)
		return ERR_OK;
	buf_lit(detail, "another backup, restore or check is using it");
	return ERR_INUSE;
}

enum err
folder_open(struct repo *r, const char *path, struct buf *detail)
{
	enum err e = ERR_OK;

	if (r->may_write)
		e = make_folder(path, r);
	else if ((r->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		e = errno == ENOENT ? ERR_NOTFOUND : ERR_IO;
	if (e == ERR_OK)
		e = mark_check(r, detail);
	if (e == ERR_OK)
		e = lock_take(r, detail);
	if (e == ERR_OK && r->may_write
	    && ((mkdirat(r->dir_fd, "packs", 0700) != 0 && errno != EEXIST)
		|| (mkdirat(r->dir_fd, "backups", 0700) != 0 && errno != EEXIST)))
		e = errno == ENOSPC ? ERR_FULL : ERR_IO;
	if (e == ERR_OK)
		e = load_packs(r);
	if (e == ERR_OK)
		e = load_backups(r);
	if (e != ERR_OK && detail->n == 0)
		buf_c(detail, errno != 0 ? strerror(errno) : err_name(e));
	return e;
}
