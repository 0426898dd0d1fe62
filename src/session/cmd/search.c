/*
 * search.c - SEARCH and UID SEARCH: as "* SEARCH", or as "* ESEARCH" with RETURN or for IMAP4rev2
 * clients.
 *
 *     what was found -> saved as "$" -> answer, as the output takes it
 */
#include "base/size.h"
#include "session/cmd/commands.h"
#include "session/cmd/esearch_reply.h"
#include "session/cmd/finding.h"
#include "session/cmd/message_limit.h"
#include "session/context.h"

#include <stdlib.h>

enum search_step { STEP_BEGIN, STEP_FIND, STEP_ANSWER };

struct search_ctx {
	struct imap_search args;
	bool is_extended; /* the answer is ESEARCH */
	enum search_step step;
	struct finding finding;
	const struct scan_found *found; /* from STEP_ANSWER on */
	struct esearch_reply reply;
	/* when only the last messages were searched: of "* SEARCH", from the highest down */
	uint32_t *downward;
	size_t count;
	struct numbers_reply plain; /* "* SEARCH" */
};

static enum err
search_parse(struct session *s, struct command *c, struct imap_scan *in)
{
	struct search_ctx *x = c->ctx;
	enum err e;

	finding_know_filters(s, c, in);
	e = finding_parsed(s, c, in, &x->args, imap_search_parse(in, &x->args));
	if (e != ERR_OK)
		return e;
	x->is_extended = x->args.has_return || (s->enabled & ENABLED_IMAP4REV2) != 0;
	if (!x->args.has_return)
		x->args.returns = RETURN_ALL;
	return ERR_OK;
}

static void
begin(struct session *s, struct command *c, struct search_ctx *x)
{
	/* The first is enough when nothing else is asked for. */
	x->finding = (struct finding){ .args = &x->args,
		.view = s->view,
		.arena = c->arena,
		.wants_seqs = !c->is_uid,
		.when_limited = FINDING_HIGHEST,
		.limit = session_message_limit(s),
		.is_first_enough = (x->args.returns & ~(unsigned)RETURN_SAVE) == RETURN_MIN };
	x->step = STEP_FIND;
}

static struct numbers
numbers_found(const struct command *c, const struct search_ctx *x)
{
	return numbers_of_set(c->is_uid ? &x->found->uids : &x->found->seqs);
}

/* The modseq of what the answer tells of (RFC 7162 3.1.5, 3.1.10); 0: none is told. */
static uint64_t
modseq_told(const struct search_ctx *x)
{
	unsigned returns = x->args.returns;
	uint64_t modseq = 0;

	if (!x->args.has_modseq)
		return 0;
	if ((returns & (RETURN_ALL | RETURN_COUNT | RETURN_PARTIAL | RETURN_RELEVANCY)) != 0)
		return x->found->all_modseq;
	if ((returns & RETURN_MIN) != 0)
		modseq = x->found->min_modseq;
	if ((returns & RETURN_MAX) != 0)
		modseq = MAX(modseq, x->found->max_modseq);
	return modseq;
}

static enum err
answer(struct session *s, struct command *c, struct search_ctx *x)
{
	const struct numbers all = x->downward != NULL
	    ? (struct numbers){ .list = x->downward, .n = x->count }
	    : numbers_found(c, x);

	if (!x->is_extended)
		return numbers_reply_write(s, &x->plain, "* SEARCH", &all, modseq_told(x));
	if (!esearch_is_told(&x->args))
		return ERR_OK;
	x->reply.args = &x->args;
	x->reply.is_uid = c->is_uid;
	x->reply.all = all;
	x->reply.modseq = modseq_told(x);
	x->reply.relevancy = x->found->relevancy;
	return esearch_reply_write(s, c, &x->reply);
}

/* As they were searched (RFC 9738 3.1). */
static void
turn_over(const struct command *c, struct search_ctx *x)
{
	const struct rangeset *all = c->is_uid ? &x->found->uids : &x->found->seqs;

	x->count = rangeset_count(all);
	x->downward = xmalloc(size_mul(x->count + 1, sizeof(*x->downward)));
	for (size_t i = 0, at = x->count; i < all->n; i++)
		for (uint64_t n = all->r[i].first; n <= all->r[i].last; n++)
			x->downward[--at] = (uint32_t)n;
}

static void
found(struct session *s, const struct command *c, struct search_ctx *x)
{
	const struct numbers uids = numbers_of_set(&x->found->uids);

	esearch_save(s, &x->args, &uids, &x->found->uids);
	if (x->finding.is_cut && !x->is_extended)
		turn_over(c, x);
	x->step = STEP_ANSWER;
}

static void
keep_updated(struct session *s, struct command *c, struct search_ctx *x)
{
	if ((x->args.returns & RETURN_UPDATE) == 0)
		return;
	if (x->finding.is_cut) {
		context_refuse(s, c->tag, STR("Not all messages were searched."));
		return;
	}
	context_begin(s,
	    &(struct context_options){ .tag = c->tag,
		.is_uid = c->is_uid,
		.search = scan_search(x->finding.scan),
		.uids = &x->found->uids });
}

static enum err
search_run(struct session *s, struct command *c)
{
	struct search_ctx *x = c->ctx;
	enum err e = ERR_OK;

	if (x->step == STEP_BEGIN)
		begin(s, c, x);
	if (x->step == STEP_FIND) {
		e = finding_run(s, c, &x->finding, &x->found);
		if (e == ERR_OK)
			found(s, c, x);
	}
	finding_forget_saved(s, &x->args, e);
	if (e == ERR_OK)
		e = answer(s, c, x);
	if (e == ERR_OK)
		keep_updated(s, c, x);
	if (e == ERR_OK)
		message_limit_tell(s, c, x->finding.lowest);
	return e;
}

static bool
search_progress(unused_arg struct session *s, const struct command *c, uint64_t *done_out,
    uint64_t *goal_out)
{
	const struct search_ctx *x = c->ctx;

	finding_progress(&x->finding, done_out, goal_out);
	return x->step <= STEP_FIND;
}

static void
search_done(struct session *s, struct command *c)
{
	struct search_ctx *x = c->ctx;

	esearch_reply_done(&x->reply);
	free(x->downward);
	finding_done(s, &x->finding);
}

const struct imap_command cmd_search = {
	.name = "SEARCH",
	.uid = true,
	.states = IN_SELECTED,
	.flags = USES_SEQS | SEARCHES,
	.capability = CAP_IMAP4REV1,
	.args =
	    "[RETURN ([MIN] [MAX] [ALL | PARTIAL range] [COUNT] [SAVE] [RELEVANCY] [CONTEXT] [UPDATE [(items)]]) SP] [CHARSET charset SP] keys",
	.spec =
	    "RFC 9051 6.4.4 and 6.4.9, RFC 4731, RFC 5032, RFC 5182, RFC 5267, RFC 6203, RFC 7162 3.1.5, RFC 8474, RFC 8514, RFC 9394, RFC 9738 3.1",
	.summary = "Find messages.",
	.ctx_size = sizeof(struct search_ctx),
	.parse = search_parse,
	.run = search_run,
	.progress = search_progress,
	.done = search_done,
};
