/* config.c - config check and show. */
#include "ctl/commands.h"

#include <stdio.h>

static int
check_run(struct ctl *c, int argc, char **argv)
{
	if (ctl_stray_option(&argc, argv) != NULL || argc != 0)
		return ctl_usage(&ctl_config_check, NULL);
	/* Loading it was the check. */
	if (!c->is_quiet)
		printf("%s: good\n", c->config_path != NULL ? c->config_path : "no file, all defaults");
	return CTL_OK;
}

static int
show_run(struct ctl *c, int argc, char **argv)
{
	bool only_changed = ctl_option(&argc, argv, "--changed", NULL);
	BUF_CLEAN struct buf text = BUF_MAX(CONFIG_TEXT_MAX * 2);

	if (ctl_stray_option(&argc, argv) != NULL || argc > 1)
		return ctl_usage(&ctl_config_show, NULL);
	if (argc == 0) {
		config_format(c->config, only_changed, &text);
		printf("%.*s", STR_F(buf_str(&text)));
		return CTL_OK;
	}
	for (size_t i = 0; i < config_option_count; i++) {
		if (!str_eq(str_c(config_options[i].name), str_c(argv[0])))
			continue;
		config_format_value(c->config, &config_options[i], &text);
		printf("%.*s\n", STR_F(buf_str(&text)));
		return CTL_OK;
	}
	return ctl_fail("there is no option \"%s\"", argv[0]);
}

/* The manual page's section on options, in mdoc; `make docs` puts it into posthornd.conf.5. */
static int
manual_run(struct ctl *c, int argc, char **argv)
{
	(void)c;
	(void)argc;
	(void)argv;
	for (size_t i = 0; i < config_option_count; i++) {
		const struct config_option *o = &config_options[i];
		BUF_CLEAN struct buf expected = BUF_MAX(1024);

		config_expected(o, &expected);
		printf(".It Ic %s No = Ar value\n%s\n", o->name, o->help);
		if (o->kind != CONFIG_STR && o->kind != CONFIG_LIST)
			printf("%s is %.*s.\n", o->kind == CONFIG_ADDRS ? "Each" : "The value", STR_F(buf_str(&expected)));
		if (o->kind == CONFIG_STR)
			printf("Default: \\(dq%s\\(dq.\n", o->def);
		else
			printf("Default: %s.\n", o->def);
		printf("%s\n", o->can_reload ? "Can be changed by a reload." : "A change needs a restart.");
	}
	return CTL_OK;
}

const struct ctl_command ctl_config_check = {
	.name = "config check",
	.args = "",
	.summary = "Check the configuration, and say what is wrong where.",
	.run = check_run,
};
const struct ctl_command ctl_config_show = {
	.name = "config show",
	.args = "[--changed] [OPTION]",
	.summary = "Show all options, or one.",
	.help = "Shows every option with its value, as a file that would give the same; --changed: only those that differ from their "
	    "default. With OPTION only that one's value.",
	.run = show_run,
};
const struct ctl_command ctl_config_manual = {
	.name = "config manual",
	.args = "",
	.summary = "Write the options as the manual page has them.",
	.needs_no_config = true,
	.run = manual_run,
};
