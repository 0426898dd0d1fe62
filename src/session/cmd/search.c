/*
 * search.c - SEARCH and UID SEARCH: as "* SEARCH", or as "* ESEARCH" with RETURN or for IMAP4rev2 clients.
 *
 *     candidates one by one, at first here and then on the pool -> what was found -> saved as "$" -> answer, as the output takes it
 */
#include "session/scan.h"

#include "imap/search.h"
#include "session/cmd/commands.h"
#include "session/core.h"
#include "session/server.h"

enum search_step { STEP_BEGIN, STEP_SEARCH, STEP_HEAD, STEP_NUMBERS };

struct search_ctx {
	struct imap_search args;
	bool is_extended;		/* the answer is ESEARCH */
	enum search_step step;
	struct scan *scan;
	const struct scan_found *found;	/* from STEP_HEAD on */
	size_t at_range;		/* answer: the next range, and the next number in it */
	uint32_t at_number;
};

/* RFC 5182 2.1: a search that fails with NO leaves nothing saved, one that fails with BAD what was. */
static void
forget_saved(struct session *s, const struct search_ctx *x, enum err e)
{
	if ((x->args.returns & RETURN_SAVE) != 0 && err_reply(e) == ERR_REPLY_NO)
		rangeset_clear(&s->saved);
}

static enum err
search_parse(struct session *s, struct command *c, struct imap_scan *in)
{
	struct search_ctx *x = c->ctx;
	enum err e = imap_search_parse(in, &x->args);

	if (e == ERR_BADCHARSET)
		c->code = STR("BADCHARSET (UTF-8 US-ASCII)");
	if (e != ERR_OK) {
		forget_saved(s, x, e);
		return e;
	}
	/* All strings are UTF-8 then (RFC 6855 3). */
	if (x->args.has_charset && (s->enabled & ENABLED_UTF8) != 0) {
		imap_scan_fail(in, ERR_SYNTAX, "no CHARSET after ENABLE UTF8=ACCEPT");
		return ERR_SYNTAX;
	}
	x->is_extended = x->args.has_return || (s->enabled & ENABLED_IMAP4REV2) != 0;
	if (!x->args.has_return)
		x->args.returns = RETURN_ALL;
	return ERR_OK;
}

static enum err
begin(struct session *s, struct command *c, struct search_ctx *x)
{
	struct clock *clock = loop_clock(s->core->loop);
	struct scan_options o = { .pool = server_options(s->server)->pool, .clock = clock, .view = s->view, .wants_seqs = !c->is_uid,
		.is_first_enough = (x->args.returns & ~(unsigned)RETURN_SAVE) == RETURN_MIN };
	enum err e;

	/* Asking for a modseq switches CONDSTORE on (RFC 7162 3.1). */
	if (x->args.has_modseq)
		session_enable_condstore(s);
	e = search_new(c->arena, &x->args, s->view, &s->saved, clock->wall_ms(clock) / 1000, &o.search);
	if (e == ERR_SYNTAX)
		c->text = STR("There is no message with this number.");
	if (e != ERR_OK) {
		search_free(o.search);
		return e;
	}
	x->scan = scan_new(&o);
	x->step = STEP_SEARCH;
	return ERR_OK;
}

static enum err
search(struct session *s, struct search_ctx *x)
{
	enum err e = scan_run(x->scan, session_waiter(s));

	if (e == ERR_BUSY)
		return session_yield(s);
	if (e == ERR_OK) {
		x->found = scan_found(x->scan);
		x->step = STEP_HEAD;
	}
	return e;
}

/* RFC 5182 2.4: MIN and MAX without ALL and COUNT save just those messages. */
static void
save(struct session *s, struct search_ctx *x)
{
	unsigned returns = x->args.returns;

	if ((returns & RETURN_SAVE) == 0)
		return;
	rangeset_clear(&s->saved);
	if ((returns & (RETURN_ALL | RETURN_COUNT)) != 0 || (returns & (RETURN_MIN | RETURN_MAX)) == 0) {
		rangeset_copy(&s->saved, &x->found->uids);
		return;
	}
	if ((returns & RETURN_MIN) != 0 && x->found->min.v != 0)
		rangeset_add_one(&s->saved, x->found->min.v);
	if ((returns & RETURN_MAX) != 0 && x->found->max.v != 0)
		rangeset_add_one(&s->saved, x->found->max.v);
}

/* The modseq of what the answer tells of (RFC 7162 3.1.5, 3.1.10); 0: none is told. */
static uint64_t
modseq_told(const struct search_ctx *x)
{
	unsigned returns = x->args.returns;
	uint64_t modseq = 0;

	if (!x->args.has_modseq)
		return 0;
	if ((returns & (RETURN_ALL | RETURN_COUNT)) != 0)
		return x->found->all_modseq;
	if ((returns & RETURN_MIN) != 0)
		modseq = x->found->min_modseq;
	if ((returns & RETURN_MAX) != 0)
		modseq = MAX(modseq, x->found->max_modseq);
	return modseq;
}

static void
item(struct session *s, const char *name, uint64_t value)
{
	buf_chr(session_out(s), ' ');
	buf_c(session_out(s), name);
	buf_chr(session_out(s), ' ');
	reply_number(session_out(s), value);
}

static const struct rangeset *
numbers(const struct command *c, const struct search_ctx *x)
{
	return c->is_uid ? &x->found->uids : &x->found->seqs;
}

/* Everything of ESEARCH but the numbers of ALL, which come last so that they can be written in steps. */
static void
write_extended_head(struct session *s, struct command *c, struct search_ctx *x)
{
	const struct rangeset *n = numbers(c, x);
	uint64_t modseq = modseq_told(x);

	reply_untagged(session_out(s));
	buf_lit(session_out(s), "ESEARCH (TAG ");
	reply_string(session_out(s), c->tag, REPLY_ASCII);
	buf_chr(session_out(s), ')');
	if (c->is_uid)
		buf_lit(session_out(s), " UID");
	if ((x->args.returns & RETURN_MIN) != 0 && !rangeset_is_empty(n))
		item(s, "MIN", rangeset_min(n));
	if ((x->args.returns & RETURN_MAX) != 0 && !rangeset_is_empty(n))
		item(s, "MAX", rangeset_max(n));
	if ((x->args.returns & RETURN_COUNT) != 0)
		item(s, "COUNT", rangeset_count(n));
	if (modseq != 0)
		item(s, "MODSEQ", modseq);
	if ((x->args.returns & RETURN_ALL) != 0 && !rangeset_is_empty(n))
		buf_lit(session_out(s), " ALL ");
}

/* The beginning of the answer; ERR_END: nothing more is to be written. */
static enum err
write_head(struct session *s, struct command *c, struct search_ctx *x)
{
	x->step = STEP_NUMBERS;
	save(s, x);
	if (!x->is_extended) {
		reply_untagged(session_out(s));
		buf_lit(session_out(s), "SEARCH");
		return ERR_OK;
	}
	/* RETURN (SAVE) alone asks for no answer (RFC 5182 2.1). */
	if (x->args.returns == RETURN_SAVE)
		return ERR_END;
	write_extended_head(s, c, x);
	if ((x->args.returns & RETURN_ALL) != 0)
		return ERR_OK;
	reply_end(session_out(s));
	return ERR_END;
}

/* The numbers, one by one or as ranges, and the end of the line. */
static enum err
write_numbers(struct session *s, struct command *c, struct search_ctx *x)
{
	const struct rangeset *n = numbers(c, x);
	struct buf *b = session_out(s);

	for (; x->at_range < n->n; x->at_range++, x->at_number = 0) {
		struct range r = n->r[x->at_range];

		if (session_is_full(s))
			return session_wait_output(s);
		if (x->is_extended) {
			reply_rangeset(b, &(struct rangeset){ .r = &r, .n = 1 });
			if (x->at_range + 1 < n->n)
				buf_chr(b, ',');
			continue;
		}
		/* at_number is how many of the range are written. */
		for (; x->at_number <= r.last - r.first; x->at_number++) {
			if ((x->at_number & 1023) == 1023 && session_is_full(s))
				return session_wait_output(s);
			buf_chr(b, ' ');
			reply_number(b, r.first + x->at_number);
		}
	}
	if (!x->is_extended && modseq_told(x) != 0) {
		buf_lit(b, " (MODSEQ ");
		reply_number(b, modseq_told(x));
		buf_chr(b, ')');
	}
	reply_end(b);
	return ERR_OK;
}

static enum err
search_run(struct session *s, struct command *c)
{
	struct search_ctx *x = c->ctx;
	enum err e = ERR_OK;

	if (x->step == STEP_BEGIN)
		e = begin(s, c, x);
	if (e == ERR_OK && x->step == STEP_SEARCH)
		e = search(s, x);
	forget_saved(s, x, e);
	if (e == ERR_OK && x->step == STEP_HEAD)
		e = write_head(s, c, x);
	if (e == ERR_OK && x->step == STEP_NUMBERS)
		e = write_numbers(s, c, x);
	return e == ERR_END ? ERR_OK : e;
}

static void
search_done(struct session *s, struct command *c)
{
	struct search_ctx *x = c->ctx;

	/* A search must not wait when it goes. */
	waiter_cancel(session_waiter(s));
	scan_free(x->scan, c->arena);
}

const struct imap_command cmd_search = {
	.name = "SEARCH",
	.uid = true,
	.states = IN_SELECTED,
	.flags = USES_SEQS,
	.capability = CAP_IMAP4REV1,
	.args = "[RETURN ([MIN] [MAX] [ALL] [COUNT] [SAVE]) SP] [CHARSET charset SP] keys",
	.spec = "RFC 9051 6.4.4 and 6.4.9, RFC 4731, RFC 5032, RFC 5182, RFC 7162 3.1.5, RFC 8474, RFC 8514",
	.summary = "Find messages.",
	.ctx_size = sizeof(struct search_ctx),
	.parse = search_parse,
	.run = search_run,
	.done = search_done,
};
