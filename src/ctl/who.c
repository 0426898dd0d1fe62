/* who.c - posthorn who: live sessions. */
#include "ctl/commands.h"

#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

static const char *
text_of(json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s == NULL || *s == '\0' ? "-" : s;
}

static void
print_row(struct arena *a, const char *line)
{
	json_t *o = json_loads(line, 0, NULL);

	if (o == NULL)
		return;
	printf("%-8lld %-24s %-40s %-5s %8lld %s\n",
	    (long long)json_integer_value(json_object_get(o, "session")), text_of(o, "user"),
	    text_of(o, "peer"), json_is_true(json_object_get(o, "tls")) ? "tls" : "-",
	    (long long)json_integer_value(json_object_get(o, "commands")),
	    ctl_shown(a, str_c(text_of(o, "client"))));
	json_decref(o);
}

static int
who_run(struct ctl *c, int argc, char **argv)
{
	char *line = NULL;
	size_t cap = 0;
	FILE *f;
	int fd;

	if (argc != 0)
		return ctl_usage(&ctl_who, argv[0]);
	fd = ctl_connect(c);
	if (fd < 0)
		return CTL_FAILED;
	f = fdopen(fd, "r+");
	if (f == NULL) {
		close(fd);
		return ctl_fail("out of memory");
	}
	fputs("WHO\n", f);
	fflush(f);
	if (!c->is_json)
		printf("%-8s %-24s %-40s %-5s %8s %s\n", "SESSION", "USER", "PEER", "TLS",
		    "COMMANDS", "CLIENT");
	while (getline(&line, &cap, f) > 0) {
		if (c->is_json)
			fputs(line, stdout);
		else
			print_row(&c->arena, line);
	}
	free(line);
	fclose(f);
	return CTL_OK;
}

const struct ctl_command ctl_who = {
	.name = "who",
	.args = "",
	.summary = "List live sessions.",
	.run = who_run,
};
