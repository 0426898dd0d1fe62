/*
 * manual.c - writes the parts of the manual pages that are made from tables, in mdoc; `make docs`
 * puts them into docs/man/.
 */
#include "ctl/commands.h"

#include <stdio.h>

/* Text with mdoc's own characters made harmless: a leading dot or quote, and backslashes. */
static void
put_text(const char *s)
{
	bool is_start = true;

	for (; *s != '\0'; s++) {
		if (is_start && (*s == '.' || *s == '\''))
			fputs("\\&", stdout);
		if (*s == '\\')
			fputs("\\e", stdout);
		else
			putchar(*s);
		is_start = *s == '\n';
	}
}

static void
put_options(void)
{
	for (size_t i = 0; i < config_option_count; i++) {
		const struct config_option *o = &config_options[i];
		BUF_CLEAN struct buf expected = BUF_MAX(1024);

		config_expected(o, &expected);
		buf_chr(&expected, '\0');
		printf(".It Ic %s No = Ar value\n", o->name);
		put_text(o->help);
		putchar('\n');
		if (o->kind != CONFIG_STR && o->kind != CONFIG_LIST) {
			fputs(config_is_list(o->kind) ? "Each is " : "The value is ", stdout);
			put_text(expected.p);
			fputs(".\n", stdout);
		}
		fputs("Default: ", stdout);
		if (o->kind == CONFIG_STR || o->kind == CONFIG_PATH)
			putchar('"');
		put_text(o->def);
		if (o->kind == CONFIG_STR || o->kind == CONFIG_PATH)
			putchar('"');
		printf(".\n%s\n", o->can_reload ? "A reload changes it." : "A restart changes it.");
	}
}

static void
put_commands(void)
{
	for (size_t i = 0; ctl_commands[i] != NULL; i++) {
		const struct ctl_command *cmd = ctl_commands[i];

		printf(".It Ic %s", cmd->name);
		if (cmd->args[0] != '\0')
			printf(" No \"%s\"", cmd->args);
		putchar('\n');
		put_text(cmd->help != NULL ? cmd->help : cmd->summary);
		putchar('\n');
	}
}

static int
manual_run(struct ctl *c, int argc, char **argv)
{
	(void)c;
	if (argc == 1 && strcmp(argv[0], "options") == 0)
		put_options();
	else if (argc == 1 && strcmp(argv[0], "commands") == 0)
		put_commands();
	else
		return ctl_usage(&ctl_manual, NULL);
	return CTL_OK;
}

const struct ctl_command ctl_manual = {
	.name = "manual",
	.args = "options | commands",
	.summary = "Write the parts of the manual pages that are made from tables.",
	.needs_no_config = true,
	.run = manual_run,
};
