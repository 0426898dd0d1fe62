/* backup.c - posthorn backup, backup list, backup verify. */
#include "ctl/admin_client.h"
#include "ctl/commands.h"
#include "ctl/users_rows.h"

#include "backup/check.h"
#include "backup/service.h"
#include "backup/source.h"
#include "base/clock.h"
#include "proc/roles.h"
#include "store/store.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What is backed up: a store at a moment. */
struct moment {
	/* keeps the checkpoint while it is open; -1: the store itself, which nobody has open */
	int daemon;
	const char *folder;
	int64_t time_ms;
	struct kv *kv;
};

static int
moment_open(struct ctl *c, struct moment *m)
{
	const char *folder = role_folder(&c->arena, ROLE_MAIL, c->config);
	BUF_CLEAN struct buf name = BUF_MAX(WIRE_MAX_BYTES), detail = BUF_MAX(4096);
	struct kv_options o = { .read_only = true };
	enum err e;

	m->folder = folder;
	m->time_ms = clock_system()->wall_ms(clock_system());
	m->daemon = admin_connect(c);
	if (m->daemon == -2)
		return CTL_FAILED;
	if (m->daemon >= 0) {
		if (wire_send(m->daemon, 'C', STR("")) != ERR_OK
		    || admin_expect(m->daemon, 'C', &name) != CTL_OK)
			return ctl_fail("no checkpoint of the store could be made");
		m->folder = arena_printf(&c->arena, "%s/%.*s", folder, STR_F(buf_str(&name))).p;
	}
	o.dir = m->folder;
	store_merge_functions(&o);
	e = kv_rocks_open(&o, &m->kv, &detail);
	return e == ERR_OK
	    ? CTL_OK
	    : ctl_fail("%s: %s %.*s", m->folder, err_name(e), STR_F(buf_str(&detail)));
}

static void
moment_close(struct moment *m)
{
	if (m->kv != NULL)
		kv_close(m->kv);
	if (m->daemon >= 0)
		close(m->daemon);
	m->kv = NULL;
	m->daemon = -1;
}

/* Says what is wrong with a folder of backups. */
static int
repo_fail(const char *path, enum err e, struct buf *detail)
{
	if (e == ERR_NOTFOUND)
		return ctl_fail("%s: there is no such backup", path);
	return ctl_fail("%s: %.*s (%s)", path, STR_F(buf_str(detail)), err_name(e));
}

/* ---- backup ---------------------------------------------------------------------------------- */

static int
say_done(struct ctl *c, struct repo *r, const char *name, const struct manifest *m,
    const struct source_progress *p, FILE *to)
{
	uint64_t objects, bytes = repo_written(r, &objects);

	if (c->is_json) {
		json_t *o = json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "backup", name,
		    "accounts", (json_int_t)p->accounts - 1, "messages", (json_int_t)p->messages,
		    "new_messages", (json_int_t)p->new_messages, "new_objects", (json_int_t)objects,
		    "new_bytes", (json_int_t)bytes, "damaged", (json_int_t)p->damaged, "gaps",
		    (json_int_t)p->gaps);

		json_dumpf(o, to, JSON_COMPACT);
		fputc('\n', to);
		json_decref(o);
	} else if (!c->is_quiet) {
		fprintf(to,
		    "%s: %zu accounts, %llu messages, of which %llu new; %llu bytes written\n",
		    name, m->account_count - 1, (unsigned long long)p->messages,
		    (unsigned long long)p->new_messages, (unsigned long long)bytes);
	}
	if (p->gaps != 0)
		ctl_fail(
		    "what the store can't read of the accounts named above is not in the backup, all else is; `posthorn verify` says more of it, and is to be run with --repair after a restore");
	if (p->damaged == 0)
		return p->gaps == 0 ? CTL_OK : CTL_FAILED;
	return ctl_fail(
	    "%llu damaged messages are not in the backup, all others are; `posthorn verify` says more of them",
	    (unsigned long long)p->damaged);
}

static int
take(struct ctl *c, struct repo *r, struct str users, FILE *to)
{
	BUF_CLEAN struct buf text = BUF_MAX(SIZE_MAX / 2), detail = BUF_MAX(1 << 20);
	struct source_progress progress = { 0 };
	struct moment moment = { .daemon = -1 };
	struct manifest m = { .format = kv_format(),
		.retention_ms = (int64_t)c->config->retention };
	char name[TIME_TEXT_BYTES + 1];
	int status = moment_open(c, &moment);
	enum err e = ERR_OK;

	if (status == CTL_OK) {
		m.time_ms = moment.time_ms;
		time_format(m.time_ms, name);
		e = source_run(moment.kv, r, users, &c->arena, &m, &progress, &detail);
	}
	moment_close(&moment);
	if (status != CTL_OK)
		return status;
	fprintf(stderr, "%.*s", STR_F(buf_str(&detail)));
	if (e == ERR_OK) {
		manifest_format(&m, &text);
		e = repo_finish(r, name, buf_str(&text));
	}
	if (e != ERR_OK)
		return ctl_fail("the backup failed: %s (%s); earlier ones are as they were",
		    e == ERR_FULL ? "no room is left there" : err_text(e), err_name(e));
	return say_done(c, r, name, &m, &progress, to);
}

static int
prune(struct ctl *c, const char *path, size_t keep)
{
	BUF_CLEAN struct buf detail = BUF_MAX(4096);
	struct repo *r;
	uint64_t freed;
	size_t removed;
	enum err e = repo_open(path, REPO_WRITE, &r, &detail);

	if (e != ERR_OK)
		return repo_fail(path, e, &detail);
	e = backup_prune(r, keep, &removed, &freed);
	repo_close(r);
	if (e != ERR_OK)
		return ctl_fail(
		    "%s: older backups can't be removed (%s); `posthorn backup verify` says more",
		    path, err_name(e));
	if (!c->is_quiet && !c->is_json && removed != 0)
		printf("%zu older backups removed, %llu bytes\n", removed,
		    (unsigned long long)freed);
	return CTL_OK;
}

static int
backup_run(struct ctl *c, int argc, char **argv)
{
	BUF_CLEAN struct buf users = BUF_MAX(0), detail = BUF_MAX(4096);
	const char *keep_text = NULL;
	struct repo *r = NULL;
	bool is_stream;
	uint32_t keep = 0;
	int status;
	enum err e;

	if (ctl_option(&argc, argv, "--keep", &keep_text)
	    && (!str_to_u32(str_c(keep_text), &keep) || keep == 0))
		return ctl_usage(&ctl_backup, "--keep is how many backups stay, at least 1");
	if (ctl_stray_option(&argc, argv) != NULL || argc != 1)
		return ctl_usage(&ctl_backup, NULL);
	is_stream = strcmp(argv[0], "-") == 0;
	if (is_stream && (keep != 0 || isatty(STDOUT_FILENO)))
		return ctl_usage(&ctl_backup,
		    keep != 0 ? "a stream has one backup" : "a stream is not for a terminal");
	if (is_stream) {
		r = repo_stream(STDOUT_FILENO);
	} else {
		e = repo_open(argv[0], REPO_WRITE, &r, &detail);
		if (e != ERR_OK)
			return repo_fail(argv[0], e, &detail);
		for (size_t i = 0; repo_damaged_pack(r, i) != NULL; i++)
			ctl_fail("%s is damaged; what it had is stored again",
			    repo_damaged_pack(r, i));
	}
	status = users_rows_read(c, &users);
	if (status == CTL_OK)
		status = take(c, r, buf_str(&users), is_stream ? stderr : stdout);
	repo_close(r);
	if (status == CTL_OK && keep != 0)
		status = prune(c, argv[0], keep);
	return status;
}

/* ---- list ------------------------------------------------------------------------------------ */

static void
list_one(struct ctl *c, struct repo *r, const char *name)
{
	struct arena a = ARENA_NONE;
	uint64_t messages = 0, bytes = 0;
	struct manifest m;
	enum err e = backup_manifest(r, name, &a, &m);
	char when[TIME_TEXT_BYTES + 1];

	for (size_t i = 0; e == ERR_OK && i < m.account_count; i++) {
		messages += m.accounts[i].messages;
		bytes += m.accounts[i].size_bytes;
	}
	time_format(e == ERR_OK ? m.time_ms : 0, when);
	if (c->is_json && e == ERR_NEWER) {
		json_t *o = json_pack("{s:s,s:b,s:b}", "backup", name, "damaged", 0, "newer", 1);

		json_dumpf(o, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(o);
	} else if (c->is_json) {
		json_t *o = json_pack("{s:s,s:s,s:b,s:b,s:I,s:I,s:I}", "backup", name, "time", when,
		    "damaged", e != ERR_OK, "newer", 0, "accounts",
		    (json_int_t)(e == ERR_OK ? m.account_count - 1 : 0), "messages",
		    (json_int_t)messages, "size", (json_int_t)bytes);

		json_dumpf(o, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(o);
	} else if (e == ERR_OK) {
		printf("%-24s %8zu %10llu %14llu\n", strcmp(name, "stream") == 0 ? when : name,
		    m.account_count - 1, (unsigned long long)messages, (unsigned long long)bytes);
	} else {
		printf("%-24s %s\n", name, e == ERR_NEWER ? "newer than this program" : "damaged");
	}
	arena_done(&a);
}

static int
list_run(struct ctl *c, int argc, char **argv)
{
	BUF_CLEAN struct buf detail = BUF_MAX(4096);
	struct repo *r;
	enum err e;

	if (ctl_stray_option(&argc, argv) != NULL || argc != 1)
		return ctl_usage(&ctl_backup_list, NULL);
	e = repo_open(argv[0], REPO_READ, &r, &detail);
	if (e != ERR_OK)
		return repo_fail(argv[0], e, &detail);
	if (!c->is_json)
		printf("%-24s %8s %10s %14s\n", "TIME", "ACCOUNTS", "MESSAGES", "BYTES");
	for (size_t i = 0; repo_backup_name(r, i) != NULL; i++)
		list_one(c, r, repo_backup_name(r, i));
	repo_close(r);
	return CTL_OK;
}

/* ---- verify ---------------------------------------------------------------------------------- */

static void
tell_damage(void *ctx, const struct damage *d)
{
	struct ctl *c = ctx;

	if (c->is_json) {
		json_t *o = json_pack("{s:s,s:s,s:s,s:s%,s:s%,s:I}", "damage", d->what, "file",
		    d->file != NULL ? d->file : "", "backup", d->backup != NULL ? d->backup : "",
		    "user", d->user.n != 0 ? d->user.p : "", d->user.n, "mailbox",
		    d->mailbox.n != 0 ? d->mailbox.p : "", d->mailbox.n, "uid", (json_int_t)d->uid);

		json_dumpf(o, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(o);
		return;
	}
	if (d->file != NULL)
		printf("%s: ", d->file);
	if (d->backup != NULL && d->file == NULL)
		printf("backup %s: ", d->backup);
	if (d->user.n != 0)
		printf("account %.*s: ", STR_F(d->user));
	if (d->mailbox.n != 0)
		printf("mailbox %.*s, UID %u: ", STR_F(d->mailbox), d->uid);
	puts(d->what);
}

/* With may_repair it is opened to write, which would make a folder: so it is read first. */
static enum err
verify_open(const char *path, bool may_repair, struct repo **out, struct buf *detail)
{
	enum err e = repo_open(path, REPO_READ, out, detail);

	if (e != ERR_OK || !may_repair)
		return e;
	repo_close(*out);
	return repo_open(path, REPO_WRITE, out, detail);
}

static void
tell_sums(const struct ctl *c, const struct check_sums *sums, size_t packs)
{
	if (c->is_json)
		printf(
		    "{\"backups\":%llu,\"objects\":%llu,\"bytes\":%llu,\"damages\":%llu,\"repaired\":%zu}\n",
		    (unsigned long long)sums->backups, (unsigned long long)sums->objects,
		    (unsigned long long)sums->bytes, (unsigned long long)sums->damages, packs);
	else if (!c->is_quiet)
		printf("%llu backups, %llu objects, %llu bytes: %s\n",
		    (unsigned long long)sums->backups, (unsigned long long)sums->objects,
		    (unsigned long long)sums->bytes, sums->damages == 0 ? "good" : "DAMAGED");
	if (packs != 0 && !c->is_json && !c->is_quiet)
		printf(
		    "%zu %s written anew without what is damaged: the next backup stores it again, as far as the server has it\n",
		    packs, packs == 1 ? "file was" : "files were");
}

static int
verify_run(struct ctl *c, int argc, char **argv)
{
	bool may_repair = ctl_option(&argc, argv, "--repair", NULL);
	BUF_CLEAN struct buf detail = BUF_MAX(4096);
	struct check_sums sums;
	size_t packs = 0;
	struct repo *r;
	enum err e;

	if (ctl_stray_option(&argc, argv) != NULL || argc != 1)
		return ctl_usage(&ctl_backup_verify, NULL);
	e = verify_open(argv[0], may_repair, &r, &detail);
	if (e != ERR_OK)
		return repo_fail(argv[0], e, &detail);
	e = backup_check(r, tell_damage, c, &sums);
	if (e == ERR_OK && may_repair)
		e = repo_drop_damaged(r, &packs);
	repo_close(r);
	if (e != ERR_OK)
		return repo_fail(argv[0], e, &detail);
	tell_sums(c, &sums, packs);
	return sums.damages == 0 ? CTL_OK : CTL_FAILED;
}

const struct ctl_command ctl_backup = {
	.name = "backup",
	.args = "DEST|- [--keep N]",
	.summary = "Back up everything into a folder, or to standard output.",
	.help =
	    "Makes a backup of all mail and the users database: of one moment, while the server runs or while it does not. A second "
	    "backup into the same folder stores only what is new. All is compressed, and named by its SHA-256. A backup is there "
	    "when all of it is on the disk, or not at all; whatever interrupts it, earlier ones stay as they are. --keep removes "
	    "all but the last N backups, and what only they needed. What can't be read in the store is named and left out, and the exit "
	    "status is 1; then no older backup is removed. With - the backup is a stream on standard output, which may be "
	    "kept as a file and restored from it.",
	.run = backup_run,
};
const struct ctl_command ctl_backup_list = {
	.name = "backup list",
	.args = "DEST",
	.summary = "List the backups of a folder.",
	.run = list_run,
};
const struct ctl_command ctl_backup_verify = {
	.name = "backup verify",
	.args = "DEST [--repair]",
	.summary = "Check that backups can be restored, to the last byte.",
	.help =
	    "Reads every byte of a folder of backups, or of a stream in a file, and follows each backup to each of its messages. What is "
	    "damaged is named: file, account, mailbox, UID. The exit status is 1 when anything is. With --repair what is damaged is taken out "
	    "of a folder's files: the next backup stores it again, as far as the server has it, and earlier backups are whole again too.",
	.run = verify_run,
};
