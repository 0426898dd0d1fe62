/*
 * enable.c - ENABLE (RFC 5161, RFC 9051 6.3.1): what can't be enabled is ignored, what was enabled
 * is told.
 */
#include "session/cmd/commands.h"
#include "session/context.h"
#include "session/metadata.h"

/* QRESYNC switches CONDSTORE on too (RFC 7162 3.2.3). */
static const struct {
	struct str name;
	unsigned bits;
} can_enable[] = {
	{ STR_INIT("CONDSTORE"), ENABLED_CONDSTORE },
	{ STR_INIT("QRESYNC"), ENABLED_QRESYNC | ENABLED_CONDSTORE },
	{ STR_INIT("UTF8=ACCEPT"), ENABLED_UTF8 },
	{ STR_INIT("IMAP4rev2"), ENABLED_IMAP4REV2 },
	{ STR_INIT("UIDONLY"), ENABLED_UIDONLY },
	{ STR_INIT("METADATA"), ENABLED_METADATA },
	{ STR_INIT("METADATA-SERVER"), ENABLED_METADATA_SERVER },
};

struct enable_ctx {
	bool is_wanted[ARRAY_LEN(can_enable)];
};

static enum err
enable_parse(unused_arg struct session *s, struct command *c, struct imap_scan *in)
{
	struct enable_ctx *x = c->ctx;
	struct str name;

	do {
		if (!imap_scan_atom(in, &name))
			return imap_scan_err(in);
		for (size_t i = 0; i < ARRAY_LEN(can_enable); i++)
			x->is_wanted[i] =
			    x->is_wanted[i] || str_eq_nocase(name, can_enable[i].name);
	} while (!imap_scan_is_end(in) && imap_scan_sp(in));
	return imap_scan_end(in) ? ERR_OK : imap_scan_err(in);
}

static enum err
enable_run(struct session *s, struct command *c)
{
	struct enable_ctx *x = c->ctx;
	struct buf *b = session_out(s);
	unsigned added = 0;

	buf_lit(b, "* ENABLED");
	for (size_t i = 0; i < ARRAY_LEN(can_enable); i++) {
		if (!x->is_wanted[i] || (s->enabled & can_enable[i].bits) == can_enable[i].bits)
			continue;
		added |= can_enable[i].bits;
		buf_chr(b, ' ');
		buf_str_add(b, can_enable[i].name);
	}
	reply_end(b);
	if ((added & ENABLED_CONDSTORE) != 0)
		session_enable_condstore(s);
	if ((added & (ENABLED_METADATA | ENABLED_METADATA_SERVER)) != 0)
		metadata_enable(s);
	s->enabled |= added;
	if ((added & ENABLED_UIDONLY) != 0)
		contexts_forget_numbered(s);
	return ERR_OK;
}

const struct imap_command cmd_enable = {
	.name = "ENABLE",
	.states = IN_LOGGED_IN,
	.capability = CAP_ENABLE,
	.args = "capabilities",
	.spec = "RFC 5161, RFC 9051 6.3.1",
	.summary = "Switch extensions on.",
	.ctx_size = sizeof(struct enable_ctx),
	.parse = enable_parse,
	.run = enable_run,
};
