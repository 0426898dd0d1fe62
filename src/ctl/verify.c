/* verify.c - posthorn verify: proves the store, and makes anew what can be. */
#include "ctl/admin_client.h"
#include "ctl/commands.h"
#include "ctl/owner.h"

#include "store/store.h"
#include "store/verify.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* Statuses of its own: what a script wants to know. */
enum { VERIFY_CLEAN = 0, VERIFY_REPAIRABLE = 1, VERIFY_LOST = 2, VERIFY_IMPOSSIBLE = 3 };

struct run {
	struct ctl *c;
	uint64_t bytes, told_bytes;
	uint64_t rate; /* bytes a second; 0: as fast as it goes */
	int64_t started_us;
};

static void
found(void *ctx, const struct verify_finding *f)
{
	struct run *r = ctx;
	BUF_CLEAN struct buf line = BUF_MAX(1 << 20);

	if (r->c->is_json)
		verify_finding_json(f, &line);
	else
		verify_finding_text(f, &line);
	printf("%.*s\n", STR_F(buf_str(&line)));
}

static bool
pace(void *ctx, uint64_t bytes)
{
	struct clock *clock = clock_system();
	struct run *r = ctx;
	int64_t early_us;

	r->bytes += bytes;
	if (r->rate != 0) {
		early_us = r->started_us + (int64_t)((double)r->bytes * 1e6 / (double)r->rate)
		    - clock->mono_us(clock);
		if (early_us > 1000) {
			struct timespec pause = { .tv_sec = early_us / 1000000,
				.tv_nsec = early_us % 1000000 * 1000 };

			nanosleep(&pause, NULL);
		}
	}
	if (ctl_shows_progress(r->c) && r->bytes - r->told_bytes >= (64u << 20)) {
		r->told_bytes = r->bytes;
		fprintf(stderr, "\r%llu MB read ", (unsigned long long)(r->bytes >> 20));
	}
	return true;
}

/*
 * As root the tool becomes the store's owner (owner.h). Without such a user it stays root: a server
 * that root has started needs that user, and one that was not has root's files.
 */
static bool
become_owner(struct ctl *c, const char *dir)
{
	struct ctl_owner owner;

	return geteuid() != 0 || !ctl_owner_of(dir, c->config->user, &owner)
	    || ctl_owner_become(&owner);
}

static void
tell_count(uint64_t n, const char *one, const char *many, const char *end)
{
	printf("%llu %s%s", (unsigned long long)n, n == 1 ? one : many, end);
}

static void
tell_sums_to_people(const struct verify_result *r)
{
	tell_count(r->accounts, "account", "accounts", ", ");
	tell_count(r->mailboxes, "mailbox", "mailboxes", ", ");
	tell_count(r->messages, "message", "messages", ", ");
	tell_count(r->bytes, "byte", "bytes", " read: ");
	tell_count(r->findings, "finding", "findings", ", ");
	printf("%llu repaired, %llu lost\n", (unsigned long long)r->repaired,
	    (unsigned long long)r->lost);
}

static int
tell_sums(struct ctl *c, const struct verify_result *r, enum err e)
{
	if (c->is_json)
		printf(
		    "{\"accounts\":%llu,\"mailboxes\":%llu,\"messages\":%llu,\"bytes\":%llu,\"findings\":%llu,\"repaired\":%llu,\"lost\":%llu}\n",
		    (unsigned long long)r->accounts, (unsigned long long)r->mailboxes,
		    (unsigned long long)r->messages, (unsigned long long)r->bytes,
		    (unsigned long long)r->findings, (unsigned long long)r->repaired,
		    (unsigned long long)r->lost);
	else if (!c->is_quiet)
		tell_sums_to_people(r);
	if (e != ERR_OK) {
		ctl_fail("%s", err_text(e));
		return VERIFY_IMPOSSIBLE;
	}
	return r->lost > 0 ? VERIFY_LOST : r->findings > 0 ? VERIFY_REPAIRABLE : VERIFY_CLEAN;
}

static int
tell_closed(enum err e, struct str detail)
{
	if (e == ERR_INUSE) {
		ctl_fail("somebody else has the store open");
		return VERIFY_IMPOSSIBLE;
	}
	ctl_fail("the store can't be opened: %.*s", STR_F(detail));
	if (memmem(detail.p, detail.n, "newer version", 13) != NULL)
		return VERIFY_IMPOSSIBLE;
	if (e == ERR_CORRUPT)
		ctl_fail(
		    "the list of the store's files, or its log, is damaged; copy the folder away, then restore it from a backup");
	return e == ERR_CORRUPT ? VERIFY_LOST : VERIFY_IMPOSSIBLE;
}

static int
verify_folder(struct ctl *c, const char *dir, bool may_repair, uint64_t rate)
{
	struct clock *clock = clock_system();
	struct run r = { .c = c, .rate = rate, .started_us = clock->mono_us(clock) };
	struct kv_options ko = { .dir = dir, .read_only = !may_repair, .cache_bytes = 32 << 20 };
	struct verify_options o = { .may_repair = may_repair,
		.found = found,
		.pace = pace,
		.ctx = &r };
	struct verify_result result = { 0 };
	BUF_CLEAN struct buf detail = BUF_MAX(65536);
	enum err e;

	store_merge_functions(&ko);
	e = kv_rocks_open(&ko, &o.kv, &detail);
	if (e != ERR_OK)
		return tell_closed(e, buf_str(&detail));
	e = verify_run(&o, &result);
	kv_close(o.kv);
	if (ctl_shows_progress(c))
		fputc('\r', stderr);
	return tell_sums(c, &result, e);
}

/*
 * What is proved is a checkpoint: the same files as the daemon's, and it stays while the connection
 * does.
 */
static int
verify_running(struct ctl *c, int daemon, const char *dir, uint64_t rate)
{
	BUF_CLEAN struct buf name = BUF_MAX(WIRE_MAX_BYTES), path = CTL_PATH;

	if (wire_send(daemon, 'C', STR("")) != ERR_OK
	    || admin_expect(daemon, 'C', &name) != CTL_OK) {
		ctl_fail("no checkpoint of the store could be made");
		return VERIFY_IMPOSSIBLE;
	}
	buf_chr(&name, '\0');
	ignore_err(nice(10) == -1 ? ERR_NOPERM : ERR_OK, "it may be nice already");
	return verify_folder(c, ctl_path(&path, dir, name.p), false, rate);
}

/* "8M": bytes a second. */
static bool
rate_parse(const char *text, uint64_t *rate_out)
{
	struct str s = str_c(text);
	unsigned shift = 0;

	if (s.n > 0 && (chr_lower(s.p[s.n - 1]) == 'm' || chr_lower(s.p[s.n - 1]) == 'k')) {
		shift = chr_lower(s.p[s.n - 1]) == 'm' ? 20 : 10;
		s.n--;
	}
	if (!str_to_u64(s, rate_out) || *rate_out > UINT64_MAX >> shift)
		return false;
	*rate_out <<= shift;
	return true;
}

static int
verify_command(struct ctl *c, int argc, char **argv)
{
	bool may_repair = ctl_option(&argc, argv, "--repair", NULL);
	BUF_CLEAN struct buf path = CTL_PATH;
	const char *dir, *data, *rate_text = "0";
	uint64_t rate;
	int daemon, status;

	ctl_option(&argc, argv, "--rate", &rate_text);
	if (argc != 0 || !rate_parse(rate_text, &rate)) {
		ctl_usage(&ctl_verify, NULL);
		return VERIFY_IMPOSSIBLE;
	}
	data = arena_printf(&c->arena, "%.*s", STR_F(c->config->data_dir)).p;
	dir = ctl_path(&path, data, "mail");
	daemon = admin_connect(c);
	if (daemon == -2)
		return VERIFY_IMPOSSIBLE;
	if (daemon >= 0 && may_repair) {
		close(daemon);
		ctl_fail(
		    "posthornd is running: it can be verified so, but not repaired; stop it first");
		return VERIFY_IMPOSSIBLE;
	}
	if (!become_owner(c, dir)) {
		ctl_fail("can't become the owner of %s: %s", dir, strerror(errno));
		return VERIFY_IMPOSSIBLE;
	}
	if (access(dir, F_OK) != 0) {
		ctl_fail("%s: %s", dir, strerror(errno));
		return VERIFY_IMPOSSIBLE;
	}
	if (daemon < 0)
		return verify_folder(c, dir, may_repair, rate);
	status = verify_running(c, daemon, dir, rate);
	close(daemon);
	return status;
}

const struct ctl_command ctl_verify = {
	.name = "verify",
	.args = "[--repair] [--rate BYTES]",
	.summary = "Prove that everything stored is whole, and name what is not.",
	.help =
	    "Reads the whole store: every table against its checksums, every message's bytes against their digest, every count against "
	    "what it counts, every record against the message that it was made from. Each thing that is wrong is one line (with --json an object): "
	    "its sort, the account, mailbox and UID that it concerns, and whether it is `wrong` (it can be made anew), `lost` (it can't) or `repaired`. "
	    "A running server goes on: a checkpoint of its store is verified, and --rate (\"8M\": bytes a second) leaves it the disk. "
	    "With --repair, for which posthornd must be stopped, what can be made anew is: UIDs, flags and modseqs stay what they are. "
	    "What is lost stays named until it is expunged or restored from a backup; the server refuses it with [CORRUPTION] and serves everything else. "
	    "The exit status is 0 when nothing was found, 1 when all that was found is repaired or can be, 2 when something is lost, 3 when it could not be looked at.",
	.failed_status = VERIFY_IMPOSSIBLE,
	.run = verify_command,
};
