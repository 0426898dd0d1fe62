/*
 * undelete.c - posthorn undelete: what was expunged or deleted comes back, through the running
 * daemon.
 */
#include "ctl/admin_client.h"
#include "ctl/commands.h"

#include "backup/image.h"
#include "backup/manifest.h"

#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

struct undelete {
	const char *account, *mailbox, *message;
	int64_t since_ms, at_ms;
	uint32_t uid;
	bool is_dry;
};

static void
say_message(struct ctl *c, struct str body)
{
	struct str mailbox, email;
	uint64_t uid, gone, size;
	char when[TIME_TEXT_BYTES + 1];

	if (!wire_take_str(&body, &mailbox) || !wire_take_u64(&body, &uid)
	    || !wire_take_u64(&body, &gone) || !wire_take_u64(&body, &size)
	    || !wire_take_str(&body, &email))
		return;
	time_format((int64_t)gone, when);
	if (c->is_json) {
		json_t *o = json_pack("{s:s%,s:I,s:s,s:I,s:s%}", "mailbox", mailbox.p, mailbox.n,
		    "uid", (json_int_t)uid, "deleted", when, "size", (json_int_t)size, "emailid",
		    email.p, email.n);

		json_dumpf(o, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(o);
	} else if (!c->is_quiet) {
		printf("%s %10llu %12llu %-16.*s %.*s\n", when, (unsigned long long)uid,
		    (unsigned long long)size, STR_F(email), STR_F(mailbox));
	}
}

static int
ask(struct ctl *c, const struct undelete *u, int fd)
{
	BUF_CLEAN struct buf body = BUF_MAX(WIRE_MAX_BYTES);
	struct str rest;
	uint64_t count, unread;
	char kind = 0;
	enum err e;

	wire_str(&body, str_c(u->account));
	wire_str(&body, str_c(u->mailbox));
	wire_u64(&body, (uint64_t)u->since_ms);
	wire_u64(&body, (uint64_t)u->at_ms);
	wire_u64(&body, u->uid);
	wire_str(&body, str_c(u->message));
	wire_u64(&body, u->is_dry);
	if (buf_err(&body) != ERR_OK)
		return ctl_fail("that is too long");
	e = wire_send(fd, 'R', buf_str(&body));
	if (!c->is_json && !c->is_quiet)
		printf("%-24s %10s %12s %-16s %s\n", "DELETED", "UID", "BYTES", "EMAILID",
		    "MAILBOX");
	while (e == ERR_OK && (e = wire_receive(fd, &kind, &body)) == ERR_OK && kind == 'I')
		say_message(c, buf_str(&body));
	if (e != ERR_OK)
		return ctl_fail(
		    "posthornd ended the connection (%s); what it had not told of may have come back or not: the same command "
		    "again does the rest",
		    err_name(e));
	rest = buf_str(&body);
	if (kind == 'X')
		return str_starts(str_sub(rest, 4, rest.n), STR("UNKNOWN"))
		    ? ctl_fail("there is no account \"%s\"", u->account)
		    : admin_fail(rest);
	if (kind != 'D' || !wire_take_u64(&rest, &count) || !wire_take_u64(&rest, &unread))
		return ctl_fail("posthornd gave an answer that makes no sense");
	if (!c->is_json && !c->is_quiet)
		printf("%llu messages %s\n", (unsigned long long)count,
		    u->is_dry ? "can come back" : "came back");
	if (unread != 0)
		return ctl_fail(
		    "damage in the store hides some of what went, which can't come back; all else can. `posthorn verify` says more of it");
	return CTL_OK;
}

static int
options(int *argc, char **argv, struct undelete *u)
{
	const char *since = NULL, *at = NULL, *uid = NULL;

	*u = (struct undelete){ .at_ms = IMAGE_NOW };
	ctl_option(argc, argv, "--account", &u->account);
	ctl_option(argc, argv, "--mailbox", &u->mailbox);
	ctl_option(argc, argv, "--message", &u->message);
	u->is_dry = ctl_option(argc, argv, "--dry-run", NULL);
	if (ctl_option(argc, argv, "--since", &since) && !time_parse(str_c(since), &u->since_ms))
		return ctl_usage(&ctl_undelete,
		    "--since is a time in UTC such as 2026-11-22T04:15:00Z, or @ and seconds since 1970");
	if (ctl_option(argc, argv, "--at", &at) && !time_parse(str_c(at), &u->at_ms))
		return ctl_usage(&ctl_undelete,
		    "--at is a time in UTC such as 2026-11-22T04:15:00Z, or @ and seconds since 1970");
	if (ctl_option(argc, argv, "--uid", &uid)
	    && (!str_to_u32(str_c(uid), &u->uid) || u->uid == 0))
		return ctl_usage(&ctl_undelete, "--uid is a number");
	if (ctl_stray_option(argc, argv) != NULL || *argc != 0 || u->account == NULL
	    || (since != NULL && at != NULL))
		return ctl_usage(&ctl_undelete, NULL);
	return u->uid != 0 && u->mailbox == NULL
	    ? ctl_usage(&ctl_undelete, "--mailbox says where that UID was")
	    : CTL_OK;
}

static int
undelete_run(struct ctl *c, int argc, char **argv)
{
	struct undelete u;
	int status = options(&argc, argv, &u), fd;

	if (status != CTL_OK)
		return status;
	fd = admin_connect(c);
	if (fd == -1)
		ctl_fail("posthornd is not running with this configuration; start it first");
	if (fd < 0)
		return CTL_FAILED;
	status = ask(c, &u, fd);
	close(fd);
	return status;
}

const struct ctl_command ctl_undelete = {
	.name = "undelete",
	.args =
	    "--account A [--mailbox M] [--uid N | --message EMAILID] [--since T | --at T] [--dry-run]",
	.summary = "Bring back expunged messages and deleted mailboxes.",
	.help =
	    "Brings back what was expunged or deleted within the time of retention (option retention), while the server runs: clients "
	    "see it at once. Nothing that is there is changed or doubled; what comes back gets new UIDs and keeps its flags (but for "
	    "\\Deleted), keywords and dates. Messages go into the mailbox that they were in; one that was deleted is made again. "
	    "--since brings back what went since a time, --at what was there at a time and is gone; without them all that can come back "
	    "does. A message that was moved is not gone. --mailbox, --uid (the one it had) and --message choose; --dry-run only lists.",
	.run = undelete_run,
};
