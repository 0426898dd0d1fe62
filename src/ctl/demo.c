/*
 * demo.c - a throw-away server in one line, for tests, benchmarks and other people's test suites:
 * writes a configuration and the users into a folder, then becomes posthornd. Passwords are hashed
 * cheaply and only once, so that hundreds of users are there in a moment.
 */
#include "ctl/commands.h"
#include "ctl/users_db.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { USERS_MAX = 100000, OPTIONS_MAX = 32, PORT_IMAP = 143, PORT_IMAPS = 993, PORT_LMTP = 24 };

struct demo {
	char dir[PATH_MAX]; /* absolute */
	uint32_t users, port_base;
	const char *password;
	const char *options[OPTIONS_MAX]; /* "name=value" */
	size_t option_count;
};

/* Where posthornd is: beside this program, in a build tree, or installed. */
static bool
find_daemon(char out[PATH_MAX])
{
	static const char *const places[] = { "posthornd", "../daemon/posthornd",
		"../sbin/posthornd" };
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n <= 0)
		return false;
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (slash == NULL)
		return false;
	*slash = '\0';
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		int length = snprintf(out, PATH_MAX, "%s/%s", self, places[i]);

		if (length > 0 && length < PATH_MAX && access(out, X_OK) == 0)
			return true;
	}
	return false;
}

/* Started by root, the processes become users of their own, where there are such users. */
static const char *
users_of_processes(const struct config *defaults)
{
	if (geteuid() != 0)
		return "";
	if (getpwnam(defaults->user.p) != NULL && getpwnam(defaults->auth_user.p) != NULL
	    && getpwnam(defaults->key_user.p) != NULL)
		return "";
	fputs(
	    "posthorn: demo: the processes stay root: there are no users posthorn, posthorn-auth and posthorn-key\n",
	    stderr);
	return "user = \"root\"\nauth_user = \"root\"\nkey_user = \"root\"\n";
}

/* "name" of "name = value". */
static struct str
name_of(struct str line)
{
	return str_trim(str_sub(line, 0, MIN(str_chr(line, '='), line.n)));
}

/* True when an option from the index-th on sets this one, too. */
static bool
is_set_later(const struct demo *d, size_t index, struct str line)
{
	for (size_t i = index; i < d->option_count; i++)
		if (str_eq(name_of(str_c(d->options[i])), name_of(line)))
			return true;
	return false;
}

/* Each option once: the last --set of it, else ours. */
static void
put_options(FILE *f, const struct demo *d, struct str ours)
{
	struct str line;

	while (str_split(&ours, '\n', &line))
		if (line.n > 0 && !is_set_later(d, 0, line))
			fprintf(f, "%.*s\n", STR_F(line));
	for (size_t i = 0; i < d->option_count; i++)
		if (!is_set_later(d, i + 1, str_c(d->options[i])))
			fprintf(f, "%s\n", d->options[i]);
}

static int
write_config(const struct demo *d, const struct config *defaults, const char *path)
{
	BUF_CLEAN struct buf ours = BUF_MAX(CONFIG_TEXT_MAX);
	FILE *f = fopen(path, "we");

	if (f == NULL)
		return ctl_fail("%s: %s", path, strerror(errno));
	buf_printf(&ours,
	    "data_dir = \"%s/data\"\n"
	    "run_dir = \"%s/run\"\n"
	    "imap_listen = {\"127.0.0.1:%u\"}\n"
	    "imaps_listen = {\"127.0.0.1:%u\"}\n"
	    "lmtp_listen = {\"127.0.0.1:%u\", \"unix:%s/run/lmtp\"}\n"
	    "hostname = \"localhost\"\n"
	    "auth_failure_delay = 0s\n"
	    "password_hash_memory = 1M\n"
	    "password_hash_passes = 1\n"
	    "scram_iterations = 4096\n"
	    "%s",
	    d->dir, d->dir, d->port_base + PORT_IMAP, d->port_base + PORT_IMAPS,
	    d->port_base + PORT_LMTP, d->dir, users_of_processes(defaults));
	fputs("# Written by posthorn demo.\n", f);
	put_options(f, d, buf_str(&ours));
	if (fclose(f) != 0)
		return ctl_fail("%s: %s", path, strerror(errno));
	return CTL_OK;
}

/* user1 … userN, all with the one password. */
static int
add_users(struct ctl *c, const struct demo *d)
{
	struct user_row row = { .created_ms = clock_system()->wall_ms(clock_system()) };
	struct users *u = ctl_users_open(c);
	enum err e;

	if (u == NULL)
		return CTL_FAILED;
	row.changed_ms = row.created_ms;
	e = ctl_verifiers(c, str_c(d->password), &row);
	if (e == ERR_OK)
		e = users_begin(u);
	for (uint32_t i = 1; e == ERR_OK && i <= d->users; i++) {
		char name[32];

		snprintf(name, sizeof(name), "user%u", i);
		row.name = str_c(name);
		e = users_set_verifiers(u, &row, STR_NONE);
		if (e == ERR_UNKNOWN)
			e = users_add(u, &row);
	}
	if (e == ERR_OK)
		e = users_commit(u);
	if (e != ERR_OK)
		ctl_users_fail(u, e);
	users_close(u);
	return e == ERR_OK ? CTL_OK : CTL_FAILED;
}

/* In a process of its own: opening the database gives root's rights away, which posthornd needs. */
static int
add_users_apart(struct ctl *c, const struct demo *d)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		exit(add_users(c, d));
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return ctl_fail("fork: %s", strerror(errno));
	return WIFEXITED(status) ? WEXITSTATUS(status) : CTL_FAILED;
}

static bool
number(const char *text, uint32_t lowest, uint32_t highest, uint32_t *out)
{
	return text != NULL && str_to_u32(str_c(text), out) && *out >= lowest && *out <= highest;
}

static int
parse(struct demo *d, int argc, char **argv)
{
	const char *dir = NULL, *users = "10", *port_base = "10000";

	d->password = "secret";
	ctl_option(&argc, argv, "--dir", &dir);
	ctl_option(&argc, argv, "--users", &users);
	ctl_option(&argc, argv, "--password", &d->password);
	ctl_option(&argc, argv, "--port-base", &port_base);
	while (d->option_count < OPTIONS_MAX
	    && ctl_option(&argc, argv, "--set", &d->options[d->option_count]))
		d->option_count++;
	if (ctl_stray_option(&argc, argv) != NULL || argc != 0 || dir == NULL
	    || *d->password == '\0')
		return ctl_usage(&ctl_demo, NULL);
	if (!number(users, 0, USERS_MAX, &d->users))
		return ctl_usage(&ctl_demo, "--users is a number up to 100000");
	if (!number(port_base, 0, 65535 - PORT_IMAPS, &d->port_base))
		return ctl_usage(&ctl_demo, "--port-base is a number up to 64542");
	if (mkdir(dir, 0755) != 0 && errno != EEXIST)
		return ctl_fail("%s: %s", dir, strerror(errno));
	if (realpath(dir, d->dir) == NULL)
		return ctl_fail("%s: %s", dir, strerror(errno));
	/* The configuration's texts are quoted, the socket's path is short: see sun_path. */
	if (strpbrk(d->dir, "\"\\$") != NULL || strlen(d->dir) > 80)
		return ctl_fail(
		    "--dir is longer than 80 bytes, or contains a quote, backslash or dollar");
	return CTL_OK;
}

static int
demo_run(struct ctl *c, int argc, char **argv)
{
	BUF_CLEAN struct buf errors = BUF_MAX(65536);
	struct demo d = { .option_count = 0 };
	char daemon[PATH_MAX], path[PATH_MAX + 32], announce[256];
	struct config *defaults;
	int status = parse(&d, argc, argv);

	if (status != CTL_OK)
		return status;
	if (!find_daemon(daemon))
		return ctl_fail("posthornd is not beside this program");
	if (config_parse("defaults", STR(""), &defaults, &errors) != ERR_OK)
		return ctl_fail("%.*s", STR_F(buf_str(&errors)));
	snprintf(path, sizeof(path), "%s/posthornd.conf", d.dir);
	status = write_config(&d, defaults, path);
	config_free(defaults);
	if (status != CTL_OK)
		return status;
	if (config_load(path, &c->config, &errors) != ERR_OK) {
		fprintf(stderr, "%.*s", STR_F(buf_str(&errors)));
		return CTL_FAILED;
	}
	status = add_users_apart(c, &d);
	if (status != CTL_OK)
		return status;
	snprintf(announce, sizeof(announce),
	    "ready imap=127.0.0.1:%u imaps=127.0.0.1:%u lmtp=127.0.0.1:%u users=user1..user%u",
	    d.port_base + PORT_IMAP, d.port_base + PORT_IMAPS, d.port_base + PORT_LMTP, d.users);
	execl(daemon, "posthornd", "-c", path, "-a", announce, (char *)NULL);
	return ctl_fail("%s: %s", daemon, strerror(errno));
}

const struct ctl_command ctl_demo = {
	.name = "demo",
	.args = "--dir DIR [--users N] [--password P] [--port-base B] [--set OPTION=VALUE]...",
	.summary = "Run a throw-away server in the foreground.",
	.help =
	    "Runs a server on 127.0.0.1 with its store in DIR and users user1 to userN (10), all with the password P (secret). IMAP "
	    "is on port B+143, IMAP over TLS on B+993, LMTP on B+24 (B: 10000). It prints a line that begins with \"ready\" when it "
	    "serves; SIGTERM ends it. --set sets an option in its configuration, instead of what the demo would.",
	.needs_no_config = true,
	.run = demo_run,
};
