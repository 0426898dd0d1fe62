/* main.c - finds the subcommand and calls it. */
#include "ctl/ctl.h"

#include "ctl/commands.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef POSTHORN_CONFIG
#define POSTHORN_CONFIG "/etc/posthorn/posthornd.conf"
#endif

/* The length of a character that must not reach a terminal, or 0. */
static size_t
unshowable(struct str s)
{
	unsigned char c = (unsigned char)s.p[0], d = s.n > 1 ? (unsigned char)s.p[1] : 0,
		      e = s.n > 2 ? (unsigned char)s.p[2] : 0;

	if (c < 0x20 || c == 0x7F)
		return 1;
	if (c == 0xC2 && d >= 0x80 && d < 0xA0)
		return 2;
	/* U+2028 to U+202E, U+2066 to U+2069 */
	if (c == 0xE2
	    && ((d == 0x80 && e >= 0xA8 && e <= 0xAE) || (d == 0x81 && e >= 0xA6 && e <= 0xA9)))
		return 3;
	return 0;
}

const char *
ctl_shown(struct arena *a, struct str text)
{
	BUF_CLEAN struct buf b = BUF_MAX(4 * text.n + 1);

	while (text.n > 0) {
		size_t n = unshowable(text);

		if (n == 0)
			buf_chr(&b, text.p[0]);
		for (size_t i = 0; i < n; i++)
			buf_printf(&b, "\\x%02x", (unsigned char)text.p[i]);
		text = str_sub(text, MAX(n, (size_t)1), text.n);
	}
	return arena_cstr(a, buf_str(&b));
}

int
ctl_fail(const char *fmt, ...)
{
	struct arena a = ARENA_NONE;
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	must(vasprintf(&text, fmt, ap) >= 0);
	va_end(ap);
	fprintf(stderr, "posthorn: %s\n", ctl_shown(&a, str_c(text)));
	free(text);
	arena_done(&a);
	return CTL_FAILED;
}

int
ctl_usage(const struct ctl_command *cmd, const char *what)
{
	if (what != NULL)
		fprintf(stderr, "posthorn: %s\n", what);
	fprintf(stderr, "usage: posthorn %s %s\n", cmd->name, cmd->args);
	return CTL_USAGE;
}

const char *
ctl_path(struct buf *b, const char *dir, const char *name)
{
	buf_clear(b);
	buf_printf(b, "%s/%s", dir, name);
	buf_chr(b, '\0');
	return b->p;
}

static void
take_out(int *argc, char **argv, int at, int count)
{
	memmove(argv + at, argv + at + count, (size_t)(*argc - at - count + 1) * sizeof(*argv));
	*argc -= count;
}

bool
ctl_option(int *argc, char **argv, const char *name, const char **value_out)
{
	size_t n = strlen(name);

	for (int i = 0; i < *argc && strcmp(argv[i], "--") != 0; i++) {
		if (strncmp(argv[i], name, n) != 0)
			continue;
		if (value_out == NULL && argv[i][n] == '\0') {
			take_out(argc, argv, i, 1);
			return true;
		}
		if (value_out != NULL && argv[i][n] == '=') {
			*value_out = argv[i] + n + 1;
			take_out(argc, argv, i, 1);
			return true;
		}
		if (value_out != NULL && argv[i][n] == '\0' && i + 1 < *argc) {
			*value_out = argv[i + 1];
			take_out(argc, argv, i, 2);
			return true;
		}
	}
	return false;
}

void
ctl_take_shared(int *argc, char **argv)
{
	static char shared[] = "/shared";

	if (!ctl_option(argc, argv, "--shared", NULL))
		return;
	/* There was room for the option. */
	memmove(argv + 1, argv, (size_t)*argc * sizeof(*argv));
	argv[0] = shared;
	(*argc)++;
}

const char *
ctl_stray_option(int *argc, char **argv)
{
	for (int i = 0; i < *argc; i++) {
		if (strcmp(argv[i], "--") == 0) {
			take_out(argc, argv, i, 1);
			return NULL;
		}
		if (argv[i][0] == '-' && argv[i][1] != '\0')
			return argv[i];
	}
	return NULL;
}

bool
ctl_shows_progress(const struct ctl *c)
{
	return !c->is_quiet && isatty(STDERR_FILENO);
}

int
ctl_connect(struct ctl *c)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int n =
	    snprintf(sa.sun_path, sizeof(sa.sun_path), "%.*s/control", STR_F(c->config->run_dir));
	int fd;

	if (n < 0 || (size_t)n >= sizeof(sa.sun_path)) {
		ctl_fail("run_dir is too long for a socket: %.*s", STR_F(c->config->run_dir));
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0)
		return fd;
	if (errno == EACCES)
		ctl_fail(
		    "%s: permission denied; run this as root or as the user that posthornd runs as",
		    sa.sun_path);
	else
		ctl_fail("%s: %s; is posthornd running with this configuration?", sa.sun_path,
		    strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Whether the command is called so, or by two words that begin with this one. NULL: all are. */
static bool
is_in_group(const struct ctl_command *cmd, const char *group)
{
	struct str rest = str_c(cmd->name), word = STR_NONE;

	return group == NULL || (str_split(&rest, ' ', &word) && str_eq(word, str_c(group)));
}

static bool
has_group(const char *group)
{
	for (size_t i = 0; ctl_commands[i] != NULL; i++) {
		if (is_in_group(ctl_commands[i], group))
			return true;
	}
	return false;
}

static int
usage(FILE *to, const char *group)
{
	fputs("usage: posthorn [-c FILE] [--json] [--quiet] COMMAND ...\n\ncommands:\n", to);
	for (size_t i = 0; ctl_commands[i] != NULL; i++) {
		if (is_in_group(ctl_commands[i], group))
			fprintf(to, "  %-16s %s\n  %-16s   %s\n", ctl_commands[i]->name,
			    ctl_commands[i]->args, "", ctl_commands[i]->summary);
	}
	return to == stderr ? CTL_USAGE : CTL_OK;
}

static bool
is_help(const char *word)
{
	return strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* A name may be two words. *words_out: how many arguments it took. */
static const struct ctl_command *
find(int argc, char **argv, int *words_out)
{
	for (size_t i = 0; ctl_commands[i] != NULL; i++) {
		struct str rest = str_c(ctl_commands[i]->name), word;
		int words = 0;
		bool is_same = true;

		while (is_same && str_split(&rest, ' ', &word)) {
			is_same = words < argc && str_eq(word, str_c(argv[words]));
			words++;
		}
		if (is_same) {
			*words_out = words;
			return ctl_commands[i];
		}
	}
	return NULL;
}

static int
load_config(struct ctl *c)
{
	BUF_CLEAN struct buf errors = BUF_MAX(65536);
	enum err e;

	if (c->config_path == NULL && access(POSTHORN_CONFIG, F_OK) == 0)
		c->config_path = POSTHORN_CONFIG;
	e = c->config_path == NULL ? config_parse("defaults", STR(""), &c->config, &errors)
				   : config_load(c->config_path, &c->config, &errors);
	if (e == ERR_OK)
		return CTL_OK;
	fprintf(stderr, "%.*s", STR_F(buf_str(&errors)));
	return ctl_fail("the configuration is wrong; nothing was done");
}

static int
failed_status(const struct ctl_command *cmd)
{
	return cmd->failed_status != 0 ? cmd->failed_status : CTL_FAILED;
}

/* Whoever ends a pipe early (head) has what he wanted. */
static bool
is_reader_gone(void)
{
	struct pollfd p = { .fd = STDOUT_FILENO, .events = POLLOUT };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLERR) != 0;
}

/* What was said is said: a full disk takes nothing. */
static int
end_output(const struct ctl_command *cmd, int status)
{
	if ((fflush(stdout) == 0 && ferror(stdout) == 0) || is_reader_gone())
		return status;
	ctl_fail("not all of the output could be written");
	return status == CTL_OK ? failed_status(cmd) : status;
}

int
main(int argc, char **argv)
{
	struct ctl c = { 0 };
	const struct ctl_command *cmd;
	int words = 0, status;

	signal(SIGPIPE, SIG_IGN);
	argc--;
	argv++;
	if (!ctl_option(&argc, argv, "-c", &c.config_path))
		ctl_option(&argc, argv, "--config", &c.config_path);
	c.is_json = ctl_option(&argc, argv, "--json", NULL);
	c.is_quiet = ctl_option(&argc, argv, "--quiet", NULL);
	if (argc == 0)
		return usage(stderr, NULL);
	if (is_help(argv[0]))
		return usage(stdout, argc > 1 && has_group(argv[1]) ? argv[1] : NULL);
	cmd = find(argc, argv, &words);
	if (cmd == NULL && has_group(argv[0]) && (argc == 1 || is_help(argv[1])))
		return usage(argc == 1 ? stderr : stdout, argv[0]);
	if (cmd == NULL) {
		ctl_fail("unknown command \"%s%s%s\"; `posthorn help` lists them", argv[0],
		    argc > 1 ? " " : "", argc > 1 ? argv[1] : "");
		return CTL_USAGE;
	}
	if (ctl_option(&argc, argv, "--help", NULL)) {
		printf("usage: posthorn %s %s\n\n%s\n", cmd->name, cmd->args,
		    cmd->help != NULL ? cmd->help : cmd->summary);
		return CTL_OK;
	}
	if (!cmd->needs_no_config && load_config(&c) != CTL_OK)
		return failed_status(cmd);
	status = cmd->run(&c, argc - words, argv + words);
	config_free(c.config);
	arena_done(&c.arena);
	return end_output(cmd, status);
}
