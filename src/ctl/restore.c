/* restore.c - posthorn restore: finds the backup, and what of it is wanted. */
#include "ctl/restore.h"
#include "ctl/commands.h"
#include "ctl/users_db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A stream from a pipe is kept in a file without a name: what it names comes before the names. */
static int
spool(struct buf *detail, struct repo **out)
{
	const char *folder = getenv("TMPDIR");
	char piece[65536];
	int fd = open(folder != NULL ? folder : "/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	enum err e = ERR_OK;
	ssize_t n = 0;

	if (fd < 0)
		return ctl_fail("%s: %s", folder != NULL ? folder : "/var/tmp", strerror(errno));
	while (e == ERR_OK && (n = read(STDIN_FILENO, piece, sizeof(piece))) > 0)
		e = fd_write(fd, piece, (size_t)n);
	if (e != ERR_OK || n < 0) {
		close(fd);
		return ctl_fail(
		    "the stream can't be kept for the time of the restore: %s (TMPDIR says where)",
		    strerror(errno));
	}
	e = repo_open_stream(fd, out, detail);
	return e == ERR_OK ? CTL_OK : ctl_fail("standard input: %.*s", STR_F(buf_str(detail)));
}

static int
open_repo(const char *path, struct repo **out)
{
	BUF_CLEAN struct buf detail = BUF_MAX(4096);
	enum err e;

	if (strcmp(path, "-") == 0)
		return spool(&detail, out);
	e = repo_open(path, REPO_READ, out, &detail);
	if (e == ERR_NOTFOUND)
		return ctl_fail("%s: there is no such backup", path);
	return e == ERR_OK ? CTL_OK
			   : ctl_fail("%s: %.*s (%s)", path, STR_F(buf_str(&detail)), err_name(e));
}

/*
 * The backup that shows a moment best: the first one after it whose undo records lead back to it;
 * else the last one before it, as it is. Without a moment, the last.
 */
static int
choose(struct ctl *c, struct restore *r, const char *name)
{
	struct manifest m;
	bool leads_back = false;
	enum err e = ERR_NOTFOUND;

	for (size_t i = 0; repo_backup_name(r->repo, i) != NULL && !leads_back; i++) {
		const char *candidate = repo_backup_name(r->repo, i);

		if (name != NULL && strcmp(name, candidate) != 0)
			continue;
		e = backup_manifest(r->repo, candidate, &c->arena, &m);
		if (e == ERR_NEWER)
			return ctl_fail(
			    "backup %s is of format %u, made by a newer version of this program, which knows formats up to %u; "
			    "--backup names an older one",
			    candidate, m.format, kv_format());
		if (e != ERR_OK && name != NULL)
			break;
		if (e != ERR_OK) {
			ctl_fail("the manifest of backup %s is damaged; it is passed over",
			    candidate);
			continue;
		}
		leads_back = r->at_ms != IMAGE_NOW && m.time_ms >= r->at_ms
		    && m.time_ms - m.retention_ms <= r->at_ms;
		if (r->at_ms != IMAGE_NOW && m.time_ms > r->at_ms && !leads_back)
			continue;
		r->backup = candidate;
		r->manifest = m;
	}
	if (r->backup == NULL)
		return ctl_fail("%s",
		    name != NULL ? e == ERR_NOTFOUND ? "there is no backup of this name"
						     : "the manifest of this backup is damaged"
			: r->at_ms != IMAGE_NOW ? "no backup shows that time"
						: "there is no backup");
	if (r->at_ms != IMAGE_NOW && r->manifest.time_ms <= r->at_ms)
		r->at_ms = IMAGE_NOW;
	return CTL_OK;
}

static int
options(struct ctl *c, int *argc, char **argv, struct restore *r, const char **name_out)
{
	const char *at = NULL, *uid = NULL;

	r->at_ms = IMAGE_NOW;
	ctl_option(argc, argv, "--account", &r->account);
	ctl_option(argc, argv, "--mailbox", &r->mailbox);
	ctl_option(argc, argv, "--message", &r->message);
	ctl_option(argc, argv, "--to", &r->to);
	ctl_option(argc, argv, "--backup", name_out);
	r->is_dry = ctl_option(argc, argv, "--dry-run", NULL);
	r->is_added = ctl_option(argc, argv, "--add", NULL);
	if (ctl_option(argc, argv, "--at", &at) && !time_parse(str_c(at), &r->at_ms))
		return ctl_usage(&ctl_restore,
		    "--at is a time in UTC such as 2026-11-22T04:15:00Z, or @ and seconds since 1970");
	if (ctl_option(argc, argv, "--uid", &uid)
	    && (!str_to_u32(str_c(uid), &r->uid) || r->uid == 0))
		return ctl_usage(&ctl_restore, "--uid is a number");
	if (ctl_stray_option(argc, argv) != NULL || *argc != 1)
		return ctl_usage(&ctl_restore, NULL);
	if (r->account == NULL
	    && (r->mailbox != NULL || r->message != NULL || r->to != NULL || r->uid != 0
		|| at != NULL))
		return ctl_usage(&ctl_restore, "--account says whose mail that is");
	r->is_added = r->is_added || r->account != NULL;
	if (r->to != NULL && (r->to = ctl_user_name(c, r->to)) == NULL)
		return CTL_FAILED;
	if (r->uid != 0 && r->mailbox == NULL)
		return ctl_usage(&ctl_restore, "--mailbox says where that UID is");
	return CTL_OK;
}

static int
restore_run(struct ctl *c, int argc, char **argv)
{
	struct restore r = { 0 };
	const char *name = NULL;
	int status = options(c, &argc, argv, &r, &name);

	if (status == CTL_OK)
		status = open_repo(argv[0], &r.repo);
	if (status == CTL_OK)
		status = choose(c, &r, name);
	if (status == CTL_OK)
		status = r.is_added ? restore_into(c, &r) : restore_whole(c, &r);
	repo_close(r.repo);
	return status;
}

const struct ctl_command ctl_restore = {
	.name = "restore",
	.args =
	    "SRC|- [--account A [--mailbox M] [--uid N | --message EMAILID] [--at T] [--to B] | --add] [--backup NAME] [--dry-run]",
	.summary = "Restore from a backup: everything, an account, a mailbox, a message.",
	.help =
	    "With --account, mail of that account is added to what the running server has: what a mailbox has already stays as it "
	    "is, the rest comes with new UIDs and keeps its flags (but for \\Deleted), keywords and dates; mailboxes that are missing are "
	    "made, and the user when missing too. --mailbox, --uid (the one it had) and --message choose; --to is another account to put "
	    "it into; --at a time that is restored, from the backup that shows it best. --add does the same for all accounts. "
	    "Without these a whole backup is restored into a data directory without mail, while no server runs: all accounts with "
	    "their mailboxes, UIDs, flags and dates, and the users. So that nothing a client may have seen after the backup is given "
	    "out again, UIDs go on about a million higher, and clients look at all flags once. The last backup of the folder is "
	    "taken, or the one that --backup names. --dry-run changes nothing.",
	.run = restore_run,
};
