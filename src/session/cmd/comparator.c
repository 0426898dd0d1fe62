/*
 * comparator.c - COMPARATOR: by which collation texts are searched and sorted in this session (RFC
 * 5255 4.7, RFC 4790).
 */
#include "session/cmd/commands.h"

#include "session/session.h"

enum { ORDERS_MAX = 64, ORDER_BYTES_MAX = 255 };

struct comparator_ctx {
	struct str orders[ORDERS_MAX];
	size_t count;
};

static enum err
comparator_parse(unused_arg struct session *s, struct command *c, struct imap_scan *in)
{
	struct comparator_ctx *x = c->ctx;

	while (!imap_scan_is_end(in)) {
		if (x->count > 0 && !imap_scan_sp(in))
			return imap_scan_err(in);
		if (x->count == ORDERS_MAX) {
			imap_scan_fail(in, ERR_LIMIT, "comparators");
			return ERR_LIMIT;
		}
		if (!imap_scan_list_mailbox(in, &x->orders[x->count]))
			return imap_scan_err(in);
		if (x->orders[x->count].n == 0 || x->orders[x->count].n > ORDER_BYTES_MAX) {
			imap_scan_fail(in, ERR_SYNTAX, "a comparator");
			return ERR_SYNTAX;
		}
		x->count++;
	}
	return imap_scan_end(in) ? ERR_OK : imap_scan_err(in);
}

static bool
matches(enum mime_collation by, struct str order)
{
	if (str_eq_nocase(order, STR("default")))
		return by == COLLATION_UNICODE_CASEMAP;
	/*
	 * The direction that may stand before it: "-" would turn everything round, which SORT has
	 * REVERSE for.
	 */
	if (str_starts(order, STR("+")))
		order = str_sub(order, 1, order.n);
	return mime_collation_matches(by, order);
}

static bool
matches_any(const struct comparator_ctx *x, enum mime_collation by)
{
	for (size_t i = 0; i < x->count; i++)
		if (matches(by, x->orders[i]))
			return true;
	return false;
}

static bool
choose(const struct comparator_ctx *x, enum mime_collation *out)
{
	for (size_t i = 0; i < x->count; i++) {
		for (unsigned by = 0; by < COLLATIONS; by++) {
			if (matches(by, x->orders[i])) {
				*out = by;
				return true;
			}
		}
	}
	return false;
}

/* Those that match, when they are more than one. */
static void
tell_matching(struct session *s, const struct comparator_ctx *x)
{
	struct buf *b = session_out(s);
	unsigned count = 0;
	bool is_first;

	for (unsigned by = 0; by < COLLATIONS; by++)
		count += matches_any(x, by);
	if (count < 2)
		return;
	buf_chr(b, ' ');
	reply_list_open(b, &is_first);
	for (unsigned by = 0; by < COLLATIONS; by++) {
		if (!matches_any(x, by))
			continue;
		reply_item(b, &is_first);
		reply_astring(b, mime_collation_name(by), REPLY_ASCII);
	}
	reply_list_close(b);
}

static enum err
comparator_run(struct session *s, struct command *c)
{
	struct comparator_ctx *x = c->ctx;

	if (x->count > 0 && !choose(x, &s->collation)) {
		c->code = STR("BADCOMPARATOR");
		c->text = STR("No such comparator.");
		return ERR_CANNOT;
	}
	buf_lit(session_out(s), "* COMPARATOR ");
	reply_astring(session_out(s), mime_collation_name(s->collation), REPLY_ASCII);
	tell_matching(s, x);
	reply_end(session_out(s));
	return ERR_OK;
}

const struct imap_command cmd_comparator = {
	.name = "COMPARATOR",
	.states = IN_LOGGED_IN,
	.capability = CAP_I18NLEVEL,
	.args = "*(comparator)",
	.spec = "RFC 5255 4.7",
	.summary = "Tell or choose how texts are compared.",
	.ctx_size = sizeof(struct comparator_ctx),
	.parse = comparator_parse,
	.run = comparator_run,
};
