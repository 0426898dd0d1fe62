/*
 * capabilities.c - posthorn capabilities: what the server announces, from which RFC, when, and what
 * it needs.
 */
#include "ctl/commands.h"
#include "session/capability.h"

#include <jansson.h>
#include <stdio.h>

static void
needs_list(enum capability c, struct buf *b)
{
	for (enum capability other = 0; other < CAP_COUNT; other++) {
		if (!capability_needs(c, other))
			continue;
		buf_c(b, b->n > 0 ? ", " : "");
		buf_c(b, capabilities[other].name);
	}
}

static json_t *
row_json(enum capability c)
{
	json_t *needs = json_array();

	for (enum capability other = 0; other < CAP_COUNT; other++) {
		if (capability_needs(c, other))
			json_array_append_new(needs, json_string(capabilities[other].name));
	}
	return json_pack("{s:s, s:s, s:s, s:b, s:o}", "name", capabilities[c].name, "spec",
	    capabilities[c].spec, "shown", capability_when_text(c), "announced",
	    capabilities[c].when != CAP_NEVER_SHOWN, "needs", needs);
}

static void
print_table(bool is_markdown)
{
	const char *row = is_markdown ? "| %s | %s | %s | %s |\n" : "%-24s %-26s %-52s %s\n";

	printf(row, "Capability", "From", "Shown", "Needs");
	if (is_markdown)
		printf("|---|---|---|---|\n");
	for (enum capability c = 0; c < CAP_COUNT; c++) {
		BUF_CLEAN struct buf needs = BUF_MAX(4096);

		needs_list(c, &needs);
		buf_chr(&needs, '\0');
		printf(row, capabilities[c].name, capabilities[c].spec, capability_when_text(c),
		    needs.p);
	}
}

static int
capabilities_run(struct ctl *c, int argc, char **argv)
{
	bool is_markdown = ctl_option(&argc, argv, "--markdown", NULL);
	json_t *all;

	if (argc != 0)
		return ctl_usage(&ctl_capabilities, argv[0]);
	if (!c->is_json) {
		print_table(is_markdown);
		return CTL_OK;
	}
	all = json_array();
	for (enum capability i = 0; i < CAP_COUNT; i++)
		json_array_append_new(all, row_json(i));
	json_dumpf(all, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(all);
	return CTL_OK;
}

const struct ctl_command ctl_capabilities = {
	.name = "capabilities",
	.args = "[--markdown]",
	.summary = "List the IMAP extensions, their RFCs, and when each is announced.",
	.needs_no_config = true,
	.run = capabilities_run,
};
