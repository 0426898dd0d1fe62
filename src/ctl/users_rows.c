/*
 * users_rows.c - see users_rows.h. A row: name, password, SCRAM verifiers, groups (texts),
 * disabled, created, changed (numbers).
 */
#include "ctl/users_rows.h"

#include "backup/pack.h"
#include "backup/wire.h"
#include "ctl/users_db.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { USERS_MAX_BYTES = 1 << 30 };

static enum err
add_row(void *arg, const struct user_row *row)
{
	struct buf *out = arg;

	wire_str(out, row->name);
	wire_str(out, row->password);
	for (unsigned i = 0; i < SCRAM_HASHES; i++)
		wire_str(out, row->scram[i]);
	wire_str(out, row->groups);
	wire_u64(out, row->is_disabled);
	wire_u64(out, (uint64_t)row->created_ms);
	wire_u64(out, (uint64_t)row->changed_ms);
	return buf_err(out);
}

static bool
take_row(struct str *rest, struct user_row *out)
{
	uint64_t disabled, created, changed;

	*out = (struct user_row){ 0 };
	if (!wire_take_str(rest, &out->name) || !wire_take_str(rest, &out->password))
		return false;
	for (unsigned i = 0; i < SCRAM_HASHES; i++) {
		if (!wire_take_str(rest, &out->scram[i]))
			return false;
	}
	if (!wire_take_str(rest, &out->groups) || !wire_take_u64(rest, &disabled)
	    || !wire_take_u64(rest, &created) || !wire_take_u64(rest, &changed))
		return false;
	out->is_disabled = disabled != 0;
	out->created_ms = (int64_t)created;
	out->changed_ms = (int64_t)changed;
	return true;
}

/*
 * Runs work() as the database's owner in another process; what it writes to its descriptor comes
 * into out.
 */
static int
as_owner(struct ctl *c, int (*work)(struct ctl *c, void *arg, int fd), void *arg, struct buf *out)
{
	int fds[2], status = -1;
	char piece[65536];
	ssize_t n;
	pid_t pid;

	if (pipe(fds) != 0)
		return ctl_fail("pipe: %s", strerror(errno));
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		_exit(work(c, arg, fds[1]));
	}
	close(fds[1]);
	while (pid > 0
	    && ((n = read(fds[0], piece, sizeof(piece))) > 0 || (n < 0 && errno == EINTR))) {
		if (n > 0)
			buf_add(out, piece, (size_t)n);
	}
	close(fds[0]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (pid < 0 || !WIFEXITED(status))
		return ctl_fail("a process for the users database: %s",
		    pid < 0 ? strerror(errno) : "it died");
	return WEXITSTATUS(status);
}

static int
read_all(struct ctl *c, void *arg, int fd)
{
	BUF_CLEAN struct buf rows = BUF_MAX(USERS_MAX_BYTES);
	struct users *u = ctl_users_open(c);
	enum err e;

	(void)arg;
	if (u == NULL)
		return CTL_FAILED;
	e = users_each(u, add_row, &rows);
	if (e != ERR_OK)
		return ctl_users_fail(u, e);
	users_close(u);
	return fd_write(fd, rows.p, rows.n) == ERR_OK ? CTL_OK : CTL_FAILED;
}

int
users_rows_read(struct ctl *c, struct buf *out)
{
	*out = BUF_MAX(USERS_MAX_BYTES);
	return as_owner(c, read_all, NULL, out);
}

struct adding {
	struct str rows, only;
};

static int
write_all(struct ctl *c, void *arg, int fd)
{
	const struct adding *a = arg;
	struct str rest = a->rows;
	struct users *u = ctl_users_open(c);
	struct user_row row;
	uint64_t added = 0;
	enum err e;

	if (u == NULL)
		return CTL_FAILED;
	e = users_begin(u);
	while (e == ERR_OK && take_row(&rest, &row)) {
		if (a->only.n != 0 && !str_eq(a->only, row.name))
			continue;
		e = users_add(u, &row);
		added += e == ERR_OK;
		if (e == ERR_EXISTS)
			e = ERR_OK;
	}
	if (e == ERR_OK)
		e = users_commit(u);
	if (e != ERR_OK)
		return ctl_users_fail(u, e);
	users_close(u);
	if (rest.n != 0)
		return ctl_fail("the backup's rows of the users database make no sense");
	return fd_write(fd, &added, sizeof(added)) == ERR_OK ? CTL_OK : CTL_FAILED;
}

int
users_rows_write(struct ctl *c, struct str rows, struct str only, uint64_t *added_out)
{
	BUF_CLEAN struct buf answer = BUF_MAX(sizeof(*added_out));
	struct adding a = { rows, only };
	int status = as_owner(c, write_all, &a, &answer);

	if (status == CTL_OK && answer.n == sizeof(*added_out))
		memcpy(added_out, answer.p, sizeof(*added_out));
	return status;
}
