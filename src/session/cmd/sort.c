/*
 * sort.c - SORT and UID SORT (RFC 5256, 5957): as "* SORT", or as "* ESEARCH" with RETURN (RFC
 * 5267).
 *
 *     found -> put into order -> saved as "$" -> answer, as the output takes it
 */
#include "search/sort.h"

#include "base/size.h"
#include "session/cmd/commands.h"
#include "session/cmd/esearch_reply.h"
#include "session/cmd/finding.h"
#include "session/context.h"

#include <stdlib.h>

enum sort_step { STEP_BEGIN, STEP_FIND, STEP_SORT, STEP_ANSWER };

struct sort_ctx {
	struct imap_sort args;
	enum sort_step step;
	struct finding finding;
	struct sort *sort;
	uint8_t *relevancy;             /* in their order */
	uint32_t *told;                 /* UIDs or sequence numbers in their order */
	const struct scan_found *found; /* from STEP_SORT on */
	struct esearch_reply reply;
	struct numbers_reply plain; /* "* SORT" */
};

static enum err
sort_parse(struct session *s, struct command *c, struct imap_scan *in)
{
	struct sort_ctx *x = c->ctx;

	finding_know_filters(s, c, in);
	return finding_parsed(s, c, in, &x->args.search, imap_sort_parse(in, &x->args));
}

static void
expect(void *ctx, size_t count)
{
	sort_expect(ctx, count);
}

static void
take(void *ctx, const struct entry *e, struct seqnum seq, unsigned relevancy)
{
	sort_add(ctx, e, seq, relevancy);
}

static void
begin(struct session *s, struct command *c, struct sort_ctx *x)
{
	x->sort = sort_new(s->view, &x->args);
	x->finding = (struct finding){ .args = &x->args.search,
		.view = s->view,
		.arena = c->arena,
		/* Any number can be put into order, by what is stored for it (RFC 9738 3.3). */
		.when_limited = FINDING_REFUSES_TO_READ,
		.limit = session_message_limit(s),
		.take = take,
		.expect = expect,
		.take_ctx = x->sort };
	x->step = STEP_FIND;
}

static uint32_t *
list_numbers(const struct sort *sort, bool is_uid)
{
	uint32_t *list = xmalloc(size_mul(sort_count(sort) + 1, sizeof(*list)));

	for (size_t i = 0; i < sort_count(sort); i++) {
		const struct sort_message *m = sort_message(sort, i);

		list[i] = is_uid ? m->uid.v : m->seq.v;
	}
	return list;
}

static void
save(struct session *s, struct command *c, struct sort_ctx *x)
{
	uint32_t *uids;
	struct numbers n;

	if ((x->args.search.returns & RETURN_SAVE) == 0)
		return;
	uids = c->is_uid ? x->told : list_numbers(x->sort, true);
	n = (struct numbers){ .list = uids, .n = sort_count(x->sort) };
	esearch_save(s, &x->args.search, &n, &x->found->uids);
	if (uids != x->told)
		free(uids);
}

/*
 * The highest modseq of the messages that the answer tells of (RFC 7162 3.1.9, 3.1.10); 0: none is
 * told.
 */
static uint64_t
modseq_told(struct session *s, const struct sort_ctx *x)
{
	const unsigned returns = x->args.search.returns;
	const size_t count = sort_count(x->sort);
	uint64_t modseq = 0;
	struct entry e;

	if (!x->args.search.has_modseq || count == 0)
		return 0;
	if (!x->args.search.has_return
	    || (returns & (RETURN_ALL | RETURN_COUNT | RETURN_PARTIAL | RETURN_RELEVANCY)) != 0)
		return x->found->all_modseq;
	if ((returns & RETURN_MIN) != 0 && view_entry(s->view, sort_message(x->sort, 0)->uid, &e))
		modseq = e.modseq;
	if ((returns & RETURN_MAX) != 0
	    && view_entry(s->view, sort_message(x->sort, count - 1)->uid, &e))
		modseq = MAX(modseq, e.modseq);
	return modseq;
}

static void
sorted(struct session *s, struct command *c, struct sort_ctx *x)
{
	x->told = list_numbers(x->sort, c->is_uid);
	save(s, c, x);
	x->reply.args = &x->args.search;
	x->reply.is_uid = c->is_uid;
	x->reply.all = (struct numbers){ .list = x->told, .n = sort_count(x->sort) };
	x->reply.modseq = modseq_told(s, x);
	if ((x->args.search.returns & RETURN_RELEVANCY) != 0) {
		x->relevancy = xmalloc(sort_count(x->sort) + 1);
		for (size_t i = 0; i < sort_count(x->sort); i++)
			x->relevancy[i] = sort_message(x->sort, i)->relevancy;
		x->reply.relevancy = x->relevancy;
	}
	x->step = STEP_ANSWER;
}

static enum err
answer(struct session *s, struct command *c, struct sort_ctx *x)
{
	if (!x->args.search.has_return)
		return numbers_reply_write(s, &x->plain, "* SORT", &x->reply.all, x->reply.modseq);
	return esearch_is_told(&x->args.search) ? esearch_reply_write(s, c, &x->reply) : ERR_OK;
}

static enum err
sort_command_run(struct session *s, struct command *c)
{
	struct sort_ctx *x = c->ctx;
	enum err e = ERR_OK;

	if (x->step == STEP_BEGIN)
		begin(s, c, x);
	if (x->step == STEP_FIND) {
		e = finding_run(s, c, &x->finding, &x->found);
		if (e == ERR_OK)
			x->step = STEP_SORT;
	}
	if (e == ERR_OK && x->step == STEP_SORT) {
		e = sort_run(x->sort, session_waiter(s), finding_should_yield, s);
		if (e == ERR_OK)
			sorted(s, c, x);
	}
	finding_forget_saved(s, &x->args.search, e);
	if (e == ERR_OK)
		e = answer(s, c, x);
	if (e == ERR_OK && (x->args.search.returns & RETURN_UPDATE) != 0)
		context_begin(s,
		    &(struct context_options){ .tag = c->tag,
			.is_uid = c->is_uid,
			.search = scan_search(x->finding.scan),
			.uids = &x->found->uids,
			.criteria = &x->args,
			.sort = x->sort });
	return e;
}

static bool
sort_progress(unused_arg struct session *s, const struct command *c, uint64_t *done_out,
    uint64_t *goal_out)
{
	const struct sort_ctx *x = c->ctx;

	finding_progress(&x->finding, done_out, goal_out);
	return x->step < STEP_ANSWER;
}

static void
sort_done(struct session *s, struct command *c)
{
	struct sort_ctx *x = c->ctx;

	waiter_cancel(session_waiter(s));
	sort_free(x->sort);
	esearch_reply_done(&x->reply);
	free(x->told);
	free(x->relevancy);
	finding_done(s, &x->finding);
}

const struct imap_command cmd_sort = {
	.name = "SORT",
	.uid = true,
	.states = IN_SELECTED,
	.flags = USES_SEQS | SEARCHES,
	.capability = CAP_SORT,
	.args =
	    "[RETURN ([MIN] [MAX] [ALL | PARTIAL range] [COUNT] [SAVE] [RELEVANCY] [CONTEXT] [UPDATE [(items)]]) SP] (criteria) SP charset SP keys",
	.spec =
	    "RFC 5256, RFC 5957, RFC 5267, RFC 6203, RFC 7162 3.1.9 and 3.1.10, RFC 9394, RFC 9738 3.3",
	.summary = "Find messages and put them into an order.",
	.ctx_size = sizeof(struct sort_ctx),
	.parse = sort_parse,
	.run = sort_command_run,
	.progress = sort_progress,
	.done = sort_done,
};
