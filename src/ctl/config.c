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
		printf("%s: good\n",
		    c->config_path != NULL ? c->config_path : "no file, all defaults");
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
	.help =
	    "Shows every option with its value, as a file that would give the same; --changed: only those that differ from their "
	    "default. With OPTION only that one's value.",
	.run = show_run,
};
