/* language.c - LANGUAGE: in which language the words for people are told (RFC 5255 3). */
#include "session/cmd/commands.h"

#include "session/cmd/namespace_reply.h"
#include "session/server.h"

enum { RANGES_MAX = 64 };

struct language_ctx {
	struct str ranges[RANGES_MAX];
	size_t count;
};

static enum err
language_parse(unused_arg struct session *s, struct command *c, struct imap_scan *in)
{
	struct language_ctx *x = c->ctx;

	while (!imap_scan_is_end(in)) {
		if (x->count > 0 && !imap_scan_sp(in))
			return imap_scan_err(in);
		if (x->count == RANGES_MAX) {
			imap_scan_fail(in, ERR_LIMIT, "languages");
			return ERR_LIMIT;
		}
		if (!imap_scan_astring(in, &x->ranges[x->count]))
			return imap_scan_err(in);
		if (!language_is_range(x->ranges[x->count])) {
			imap_scan_fail(in, ERR_SYNTAX, "a language");
			return ERR_SYNTAX;
		}
		x->count++;
	}
	return imap_scan_end(in) ? ERR_OK : imap_scan_err(in);
}

/* The first that is known, by the first range that asks for one. */
static bool
choose(struct session *s, const struct language_ctx *x, enum language *out)
{
	for (size_t i = 0; i < x->count; i++) {
		if (str_eq_nocase(x->ranges[i], STR("default")) || str_eq(x->ranges[i], STR("*"))) {
			*out = server_options(s->server)->language;
			return true;
		}
		if (language_match(x->ranges[i], out))
			return true;
	}
	return false;
}

static void
tell(struct session *s, enum language first, enum language last)
{
	struct buf *b = session_out(s);
	bool is_first;

	buf_lit(b, "* LANGUAGE ");
	reply_list_open(b, &is_first);
	for (unsigned l = first; l <= last; l++) {
		reply_item(b, &is_first);
		reply_astring(b, language_tag(l), REPLY_ASCII);
	}
	reply_list_close(b);
	reply_end(b);
}

static enum err
language_run(struct session *s, struct command *c)
{
	struct language_ctx *x = c->ctx;
	enum language chosen;

	if (x->count == 0) {
		tell(s, 0, LANGUAGES - 1);
		return ERR_OK;
	}
	if (!choose(s, x, &chosen)) {
		c->text = STR("None of these languages is spoken here.");
		return ERR_UNKNOWN;
	}
	s->language = chosen;
	tell(s, chosen, chosen);
	if (s->account != NULL)
		namespace_reply(s);
	c->text = STR("This is the language from now on.");
	return ERR_OK;
}

const struct imap_command cmd_language = {
	.name = "LANGUAGE",
	.states = IN_ANY,
	.capability = CAP_LANGUAGE,
	.args = "*(language)",
	.spec = "RFC 5255 3",
	.summary = "Tell or choose the language of the words in responses.",
	.ctx_size = sizeof(struct language_ctx),
	.parse = language_parse,
	.run = language_run,
};
