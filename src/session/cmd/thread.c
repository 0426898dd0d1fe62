/*
 * thread.c - THREAD and UID THREAD (RFC 5256): found -> arranged -> answer, as the output takes it.
 */
#include "search/thread.h"

#include "session/cmd/commands.h"
#include "session/cmd/finding.h"

enum thread_step { STEP_BEGIN, STEP_FIND, STEP_ARRANGE, STEP_HEAD, STEP_WRITE };

struct thread_ctx {
	struct imap_thread args;
	enum thread_step step;
	struct finding finding;
	const struct scan_found *found;
	struct thread *thread;
};

static enum err
thread_parse(struct session *s, struct command *c, struct imap_scan *in)
{
	struct thread_ctx *x = c->ctx;

	finding_know_filters(s, c, in);
	return finding_parsed(s, c, in, &x->args.search, imap_thread_parse(in, &x->args));
}

static void
expect(void *ctx, size_t count)
{
	thread_expect(ctx, count);
}

static void
take(void *ctx, const struct entry *e, struct seqnum seq, unused_arg unsigned relevancy)
{
	thread_add(ctx, e, seq);
}

static void
begin(struct session *s, struct command *c, struct thread_ctx *x)
{
	x->thread = thread_new(view_account(s->view), x->args.algorithm, x->args.search.collation);
	x->finding = (struct finding){ .args = &x->args.search,
		.view = s->view,
		.arena = c->arena,
		.when_limited = FINDING_REFUSES,
		.limit = session_message_limit(s),
		.take = take,
		.expect = expect,
		.take_ctx = x->thread };
	x->step = STEP_FIND;
}

static enum err
write_threads(struct session *s, struct command *c, struct thread_ctx *x)
{
	do {
		if (session_is_full(s))
			return session_wait_output(s);
	} while (!thread_write(x->thread, c->is_uid, session_out(s)));
	reply_end(session_out(s));
	return ERR_OK;
}

static enum err
thread_command_run(struct session *s, struct command *c)
{
	struct thread_ctx *x = c->ctx;
	enum err e = ERR_OK;

	if (x->step == STEP_BEGIN)
		begin(s, c, x);
	if (x->step == STEP_FIND) {
		e = finding_run(s, c, &x->finding, &x->found);
		if (e == ERR_OK)
			x->step = STEP_ARRANGE;
	}
	if (e == ERR_OK && x->step == STEP_ARRANGE) {
		e = thread_run(x->thread, session_waiter(s), finding_should_yield, s);
		if (e == ERR_OK)
			x->step = STEP_HEAD;
	}
	if (e == ERR_OK && x->step == STEP_HEAD) {
		buf_c(session_out(s), thread_count(x->thread) > 0 ? "* THREAD " : "* THREAD");
		x->step = STEP_WRITE;
	}
	if (e == ERR_OK && x->step == STEP_WRITE)
		e = write_threads(s, c, x);
	return e;
}

static bool
thread_progress(unused_arg struct session *s, const struct command *c, uint64_t *done_out,
    uint64_t *goal_out)
{
	const struct thread_ctx *x = c->ctx;

	finding_progress(&x->finding, done_out, goal_out);
	return x->step < STEP_HEAD;
}

static void
thread_done(struct session *s, struct command *c)
{
	struct thread_ctx *x = c->ctx;

	waiter_cancel(session_waiter(s));
	thread_free(x->thread);
	finding_done(s, &x->finding);
}

const struct imap_command cmd_thread = {
	.name = "THREAD",
	.uid = true,
	.states = IN_SELECTED,
	.flags = USES_SEQS | SEARCHES,
	.capability = CAP_THREAD_REFERENCES,
	.args = "ORDEREDSUBJECT | REFERENCES | REFS SP charset SP keys",
	.spec = "RFC 5256, RFC 9738 3.3, draft-ietf-morg-inthread",
	.summary = "Find messages and arrange them into threads.",
	.ctx_size = sizeof(struct thread_ctx),
	.parse = thread_parse,
	.run = thread_command_run,
	.progress = thread_progress,
	.done = thread_done,
};
