/*
 * user.c - user add, passwd, list, delete: rows of the users database. The auth process sees a
 * change at the next login.
 */
#include "ctl/commands.h"
#include "ctl/users_db.h"

#include "auth/client.h"
#include "auth/name.h"
#include "auth/password.h"
#include "base/clock.h"
#include "store/sharing.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static int64_t
now_ms(void)
{
	return clock_system()->wall_ms(clock_system());
}

/* A line of standard input without its end; NULL at the end of it. */
static char *
read_line(struct ctl *c)
{
	char line[PASSWORD_MAX_BYTES + 2];
	size_t n;

	if (fgets(line, sizeof(line), stdin) == NULL)
		return NULL;
	n = strcspn(line, "\r\n");
	line[n] = '\0';
	return arena_cstr(&c->arena, str_make(line, n));
}

/*
 * Asks on the terminal, twice, without showing it; from a pipe one line is read. NULL after
 * telling.
 */
static const char *
ask_password(struct ctl *c)
{
	struct termios shown, hidden;
	const char *once, *again;

	if (!isatty(STDIN_FILENO)) {
		once = read_line(c);
		if (once == NULL)
			ctl_fail(
			    "no password: give it as a line on standard input, or with --password");
		return once;
	}
	tcgetattr(STDIN_FILENO, &shown);
	hidden = shown;
	hidden.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
	fputs("Password: ", stderr);
	once = read_line(c);
	fputs("\nAgain: ", stderr);
	again = read_line(c);
	fputc('\n', stderr);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
	if (once == NULL || again == NULL || strcmp(once, again) != 0) {
		ctl_fail("the two are not the same");
		return NULL;
	}
	return once;
}

/*
 * What the user shall log in with, by the options: a hash brought along, a password, or one that is
 * asked for.
 */
static int
credentials(struct ctl *c, const char *password, const char *hash, struct user_row *row)
{
	if (hash != NULL) {
		if (!password_is_verifier(str_c(hash)))
			return ctl_fail(
			    "\"%.40s\" has no scheme that is known, such as {ARGON2ID}, {CRYPT}, {SHA512-CRYPT}, {BLF-CRYPT}, "
			    "{SSHA256}, {PLAIN}",
			    hash);
		row->password = str_c(hash);
		row->scram[SCRAM_SHA1] = row->scram[SCRAM_SHA256] = STR("");
		return CTL_OK;
	}
	if (password == NULL)
		password = ask_password(c);
	if (password == NULL)
		return CTL_FAILED;
	if (*password == '\0' || strlen(password) > PASSWORD_MAX_BYTES)
		return ctl_fail("a password has 1 to %d bytes", PASSWORD_MAX_BYTES);
	if (ctl_verifiers(c, str_c(password), row) != ERR_OK)
		return ctl_fail(
		    "the password can't be hashed (options password_hash_memory, password_hash_passes)");
	return CTL_OK;
}

static int
said(struct ctl *c, const char *name, const char *what)
{
	if (c->is_json) {
		json_t *o = json_pack("{s:s,s:s}", "user", name, "result", what);

		json_dumpf(o, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(o);
	} else if (!c->is_quiet) {
		printf("%s: %s\n", name, what);
	}
	return CTL_OK;
}

static int
add_run(struct ctl *c, int argc, char **argv)
{
	const char *password = NULL, *hash = NULL, *name;
	struct user_row row = { .created_ms = now_ms() };
	struct users *u;
	int status;
	enum err e;

	ctl_option(&argc, argv, "--password", &password);
	ctl_option(&argc, argv, "--hash", &hash);
	if (ctl_stray_option(&argc, argv) != NULL || argc != 1)
		return ctl_usage(&ctl_user_add, NULL);
	name = ctl_user_name(c, argv[0]);
	u = name != NULL ? ctl_users_open(c) : NULL;
	if (u == NULL)
		return CTL_FAILED;
	row.name = str_c(name);
	row.changed_ms = row.created_ms;
	status = credentials(c, password, hash, &row);
	if (status == CTL_OK) {
		e = users_add(u, &row);
		if (e == ERR_EXISTS)
			status = ctl_fail(
			    "there is a user \"%s\" already; `posthorn user passwd %s` changes the password",
			    name, name);
		else if (e != ERR_OK)
			status = ctl_users_fail(u, e);
		else
			status = said(c, name, "added");
	}
	users_close(u);
	return status;
}

/* What is changed, and nothing else: it may be long since the row was read. */
static enum err
passwd_write(struct users *u, const struct user_row *row, bool has_verifiers, bool has_state)
{
	enum err e = users_begin(u);

	if (e == ERR_OK && has_verifiers)
		e = users_set_verifiers(u, row, STR_NONE);
	if (e == ERR_OK && has_state)
		e = users_set_disabled(u, row->name, row->is_disabled, row->changed_ms);
	return e == ERR_OK ? users_commit(u) : e;
}

static int
passwd_run(struct ctl *c, int argc, char **argv)
{
	const char *password = NULL, *hash = NULL, *name;
	bool disable = ctl_option(&argc, argv, "--disable", NULL),
	     enable = ctl_option(&argc, argv, "--enable", NULL), has_verifiers;
	struct user_row row;
	struct users *u;
	int status = CTL_OK;
	enum err e;

	ctl_option(&argc, argv, "--password", &password);
	ctl_option(&argc, argv, "--hash", &hash);
	if (ctl_stray_option(&argc, argv) != NULL || argc != 1 || (disable && enable))
		return ctl_usage(&ctl_user_passwd, NULL);
	name = ctl_user_name(c, argv[0]);
	u = name != NULL ? ctl_users_open(c) : NULL;
	if (u == NULL)
		return CTL_FAILED;
	e = users_find(u, &c->arena, str_c(name), &row);
	if (e == ERR_OK) {
		has_verifiers = (!disable && !enable) || password != NULL || hash != NULL;
		row.is_disabled = disable;
		if (has_verifiers)
			status = credentials(c, password, hash, &row);
		row.changed_ms = now_ms();
		if (status == CTL_OK)
			e = passwd_write(u, &row, has_verifiers, disable || enable);
	}
	if (e == ERR_UNKNOWN)
		status = ctl_fail("there is no user \"%s\"", name);
	else if (e != ERR_OK)
		status = ctl_users_fail(u, e);
	else if (status == CTL_OK)
		said(c, name, disable ? "disabled" : enable ? "enabled" : "password changed");
	users_close(u);
	return status;
}

static enum err
list_one(void *arg, const struct user_row *row)
{
	struct ctl *c = arg;
	time_t created = (time_t)(row->created_ms / 1000);
	size_t end = str_chr(row->password, '}');
	struct str scheme = end != SIZE_MAX ? str_sub(row->password, 1, end) : STR("none");
	char when[32] = "";
	struct tm tm;

	if (gmtime_r(&created, &tm) != NULL)
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (c->is_json) {
		json_t *o = json_pack("{s:s%,s:b,s:s%,s:b,s:s}", "user", row->name.p, row->name.n,
		    "disabled", row->is_disabled, "scheme", scheme.p, scheme.n, "scram",
		    row->scram[SCRAM_SHA256].n > 0, "created", when);

		json_dumpf(o, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(o);
	} else {
		printf("%-32.*s %-14.*s %-8s %s\n", STR_F(row->name), STR_F(scheme),
		    row->is_disabled ? "disabled" : "", when);
	}
	return ERR_OK;
}

static int
list_run(struct ctl *c, int argc, char **argv)
{
	struct users *u;
	enum err e;
	int status = CTL_OK;

	if (ctl_stray_option(&argc, argv) != NULL || argc != 0)
		return ctl_usage(&ctl_user_list, NULL);
	u = ctl_users_open(c);
	if (u == NULL)
		return CTL_FAILED;
	e = users_each(u, list_one, c);
	if (e != ERR_OK)
		status = ctl_users_fail(u, e);
	users_close(u);
	return status;
}

/* Has the daemon delete the account with its mail. */
static int
delete_mail(int control, const char *name)
{
	char answer[512];
	FILE *f = fdopen(control, "r+");
	int status;

	if (f == NULL)
		return ctl_fail("%s", strerror(errno));
	fprintf(f, "DELETE %s\n", name);
	fflush(f);
	if (fgets(answer, sizeof(answer), f) == NULL)
		status = ctl_fail("the server ended the connection");
	else
		status = strcmp(answer, "OK\n") == 0
		    ? CTL_OK
		    : ctl_fail("the mail can't be deleted: %.*s", STR_F(str_trim(str_c(answer))));
	fclose(f);
	return status;
}

static int
delete_run(struct ctl *c, int argc, char **argv)
{
	bool with_mail = ctl_option(&argc, argv, "--mail", NULL);
	int control = -1;
	const char *name;
	struct users *u;
	int status;
	enum err e;

	if (ctl_stray_option(&argc, argv) != NULL || argc != 1)
		return ctl_usage(&ctl_user_delete, NULL);
	name = ctl_user_name(c, argv[0]);
	/* Connected before anything is deleted, and before root's rights are given away. */
	if (name == NULL || (with_mail && (control = ctl_connect(c)) < 0))
		return CTL_FAILED;
	u = ctl_users_open(c);
	if (u == NULL)
		return CTL_FAILED;
	e = users_delete(u, str_c(name));
	if (e == ERR_UNKNOWN && !with_mail)
		status = ctl_fail("there is no user \"%s\"", name);
	else if (e != ERR_OK && e != ERR_UNKNOWN)
		status = ctl_users_fail(u, e);
	else
		status = with_mail ? delete_mail(control, name) : CTL_OK;
	if (status == CTL_OK)
		said(c, name,
		    with_mail && e == ERR_UNKNOWN
			? "there is no such user; the mail is deleted, if there was any"
			: with_mail
			? "deleted with the mail"
			: "deleted; the mail stays, and is there when the user is added again");
	users_close(u);
	return status;
}

/* ---- groups ---- */

static int
str_order(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* The names of groups in their one spelling, sorted, each once. */
static int
groups_format(struct ctl *c, int argc, char **argv, struct buf *out)
{
	struct str names[SHARING_GROUPS_MAX];

	if (argc > SHARING_GROUPS_MAX)
		return ctl_fail("a user is a member of at most %d groups", SHARING_GROUPS_MAX);
	for (int i = 0; i < argc; i++) {
		if (name_normalise(&c->arena, str_c(argv[i]), &names[i]) != ERR_OK
		    || str_chr(names[i], ',') != SIZE_MAX)
			return ctl_fail("\"%s\" is no name that a group can have", argv[i]);
	}
	if (argc > 0)
		qsort(names, (size_t)argc, sizeof(names[0]), str_order);
	for (int i = 0; i < argc; i++) {
		if (i > 0 && str_eq(names[i], names[i - 1]))
			continue;
		if (out->n > 0)
			buf_chr(out, ',');
		buf_str_add(out, names[i]);
	}
	return out->n > AUTH_GROUPS_MAX ? ctl_fail("the names of the groups are too long") : CTL_OK;
}

static int
groups_run(struct ctl *c, int argc, char **argv)
{
	bool is_cleared = ctl_option(&argc, argv, "--none", NULL);
	BUF_CLEAN struct buf groups = BUF_MAX(65536);
	struct user_row row;
	const char *name;
	struct users *u;
	int status;
	enum err e;

	if (ctl_stray_option(&argc, argv) != NULL || argc < 1 || (is_cleared && argc != 1))
		return ctl_usage(&ctl_user_groups, NULL);
	name = ctl_user_name(c, argv[0]);
	if (name == NULL)
		return CTL_FAILED;
	status = groups_format(c, argc - 1, argv + 1, &groups);
	u = status == CTL_OK ? ctl_users_open(c) : NULL;
	if (u == NULL)
		return CTL_FAILED;
	if (argc > 1 || is_cleared) {
		e = users_set_groups(u, str_c(name), buf_str(&groups), now_ms());
	} else {
		e = users_find(u, &c->arena, str_c(name), &row);
		if (e == ERR_OK)
			buf_str_add(&groups, row.groups);
	}
	if (e == ERR_UNKNOWN)
		status = ctl_fail("there is no user \"%s\"", name);
	else if (e != ERR_OK)
		status = ctl_users_fail(u, e);
	else
		status = said(c, name,
		    groups.n > 0 ? arena_cstr(&c->arena, buf_str(&groups)) : "in no group");
	users_close(u);
	return status;
}

const struct ctl_command ctl_user_groups = {
	.name = "user groups",
	.args = "NAME [GROUP ... | --none]",
	.summary = "Show or set the groups of a user.",
	.help =
	    "Groups stand in access control lists of mailboxes, as $ and their name (see mailbox acl). A group is there as soon as "
	    "somebody is its member. A change counts from the user's next login on.",
	.run = groups_run,
};
const struct ctl_command ctl_user_add = {
	.name = "user add",
	.args = "NAME [--password P | --hash HASH]",
	.summary = "Add a user, who can log in at once.",
	.help =
	    "Adds a user. Without --password it is asked for, or read as a line from standard input when that is no terminal. "
	    "--hash takes what another system has stored, with its scheme in front: {ARGON2ID}, {CRYPT}, {SHA512-CRYPT}, {BLF-CRYPT}, "
	    "{SSHA256} and others; it is replaced by Argon2id when the user logs in. A name may be an address, name@domain.",
	.run = add_run,
};
const struct ctl_command ctl_user_passwd = {
	.name = "user passwd",
	.args = "NAME [--password P | --hash HASH] [--disable | --enable]",
	.summary = "Change a password, or who may log in.",
	.help =
	    "Changes the password, as `user add` takes it. --disable keeps the user and the mail but lets nobody log in, and mail "
	    "for the user is refused; --enable ends that.",
	.run = passwd_run,
};
const struct ctl_command ctl_user_list = {
	.name = "user list",
	.args = "",
	.summary = "List the users.",
	.run = list_run,
};
const struct ctl_command ctl_user_delete = {
	.name = "user delete",
	.args = "NAME [--mail]",
	.summary = "Delete a user; with --mail the mail too.",
	.help =
	    "Deletes a user, who can't log in any more. The mail stays in the store, and is there when the user is added again; with "
	    "--mail it is deleted too, by the running server. That works for a user who was deleted before, too.",
	.run = delete_run,
};
