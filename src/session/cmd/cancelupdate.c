/*
 * cancelupdate.c - CANCELUPDATE: the results of searches are not kept up to date any more (RFC 5267
 * 4.3.5).
 */
#include "session/cmd/commands.h"

#include "session/context.h"

struct cancelupdate_ctx {
	struct str tags[CONTEXTS_MAX];
	size_t count;
};

static enum err
cancelupdate_parse(unused_arg struct session *s, struct command *c, struct imap_scan *in)
{
	struct cancelupdate_ctx *x = c->ctx;

	do {
		if (x->count == CONTEXTS_MAX) {
			imap_scan_fail(in, ERR_LIMIT, "tags");
			return ERR_LIMIT;
		}
		if (!imap_scan_string(in, &x->tags[x->count++]))
			return imap_scan_err(in);
	} while (!imap_scan_is_end(in) && imap_scan_sp(in));
	return imap_scan_end(in) ? ERR_OK : imap_scan_err(in);
}

static enum err
cancelupdate_run(struct session *s, struct command *c)
{
	struct cancelupdate_ctx *x = c->ctx;
	bool are_known = true;

	for (size_t i = 0; i < x->count; i++)
		are_known = context_cancel(s, x->tags[i]) && are_known;
	if (are_known)
		return ERR_OK;
	c->text = STR("No search with this tag is being updated.");
	return ERR_UNKNOWN;
}

const struct imap_command cmd_cancelupdate = {
	.name = "CANCELUPDATE",
	.states = IN_SELECTED,
	.capability = CAP_CONTEXT_SEARCH,
	.args = "tag ...",
	.spec = "RFC 5267 4.3.5",
	.summary = "End the updates of earlier searches.",
	.ctx_size = sizeof(struct cancelupdate_ctx),
	.parse = cancelupdate_parse,
	.run = cancelupdate_run,
};
