/*
 * posthornd.c - the daemon's program: the supervisor, and, started by it with --role, each of the
 * processes.
 */
#include "base/log.h"
#include "daemon/roles.h"
#include "daemon/selftest.h"
#include "proc/roles.h"
#include "proc/supervisor.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DEFAULT_CONFIG "/etc/posthorn/posthornd.conf"

static void
usage(FILE *to)
{
	fputs(
	    "usage: posthornd [-c FILE] [-t] [-a TEXT] [--sandbox-selftest]\n"
	    "  -c, --config FILE   the configuration (" DEFAULT_CONFIG
	    "; without that file: all defaults)\n"
	    "  -t, --test          check the configuration, and end\n"
	    "  -a, --announce TEXT write TEXT to standard output when all processes serve\n"
	    "      --sandbox-selftest  try what the processes may not do, and say how each was denied\n"
	    "  -V, --version\n"
	    "  -h, --help\n",
	    to);
}

static int
run_role(const char *name)
{
	switch (role_find(name)) {
	case ROLE_AUTH:
		return auth_main();
	case ROLE_KEY:
		return key_main();
	case ROLE_MAIL:
		return mail_main();
	case ROLE_COUNT:
		break;
	}
	fprintf(stderr, "posthornd: no such role: %s\n", name);
	return 2;
}

/* Reads the configuration; the default file may be missing, a named one may not. */
static struct config *
read_config(const char **path)
{
	BUF_CLEAN struct buf errors = BUF_MAX(65536);
	struct config *c = NULL;
	enum err e;

	if (*path == NULL && access(DEFAULT_CONFIG, F_OK) != 0 && errno == ENOENT) {
		e = config_parse("defaults", STR(""), &c, &errors);
	} else {
		if (*path == NULL)
			*path = DEFAULT_CONFIG;
		e = config_load(*path, &c, &errors);
	}
	if (e != ERR_OK)
		fprintf(stderr, "%.*s", STR_F(buf_str(&errors)));
	return c;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "test", no_argument, NULL, 't' },
		{ "announce", required_argument, NULL, 'a' },
		{ "role", required_argument, NULL, 'R' },
		{ "sandbox-selftest", no_argument, NULL, 'S' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct supervisor_options o = { 0 };
	bool only_test = false, tests_sandbox = false;
	int c, status = 0;

	while ((c = getopt_long(argc, argv, "c:ta:Vh", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			o.config_path = optarg;
			break;
		case 't':
			only_test = true;
			break;
		case 'a':
			o.announce = optarg;
			break;
		case 'R':
			return run_role(optarg);
		case 'S':
			tests_sandbox = true;
			break;
		case 'V':
			puts("posthornd " POSTHORN_VERSION);
			return 0;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind < argc) {
		usage(stderr);
		return 2;
	}
	o.config = read_config(&o.config_path);
	if (o.config == NULL)
		return 1;
	if (tests_sandbox)
		status = sandbox_selftest(o.config);
	if (only_test || tests_sandbox) {
		config_free(o.config);
		return status;
	}
	return supervisor_run(&o);
}
