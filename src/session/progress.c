/*
 * progress.c - INPROGRESS (RFC 9585): while a command works for long, the client is told so every
 * ten seconds, with the messages that are done and those that there are where the command knows
 * them.
 *
 * A command says by its progress() whether a line may be written now; the timer runs only while
 * such a command waits.
 *
 * The end of what a client sends does not tell whether it has gone or waits for the answers; the
 * connection does, when something is sent. So then a line is written soon, and if the answer is a
 * reset, nobody waits for the command, and it ends with the session. What changes something does not.
 */
#include "session/core_int.h"

enum { EOF_MS = 250 }; /* how soon, and how often it is looked for a reset */

/*
 * The client sends no more, and what is done for it nobody else would miss. A command that changes
 * something goes on to its end.
 */
static bool
may_be_for_nobody(const struct session_core *k)
{
	return stream_is_eof(k->s.stream) && (k->cmd.entry->flags & CHANGES) == 0;
}

static int64_t
next_ms(const struct session_core *k)
{
	int64_t interval_ms = server_limits(k->s.server)->progress_ms;

	return may_be_for_nobody(k) ? MIN(EOF_MS, interval_ms) : interval_ms;
}

static void
tell_progress(struct session *s, const struct command *c, uint64_t done, uint64_t goal)
{
	BUF_CLEAN struct buf code = BUF_MAX(SIZE_MAX / 2);
	struct arena a = ARENA_NONE;
	struct str text;

	/* A tag with "]" would end the code (RFC 9585 4). */
	buf_lit(&code, "INPROGRESS (");
	if (str_chr(c->tag, ']') == SIZE_MAX)
		reply_string(&code, c->tag, REPLY_ASCII);
	else
		buf_lit(&code, "NIL");
	if (goal == 0 && done == 0) {
		buf_lit(&code, " NIL NIL)");
		text = STR("Still at work.");
	} else if (goal == 0) {
		buf_printf(&code, " %llu NIL)", (unsigned long long)done);
		text = language_format(&a, s->language, STR("%s done so far."),
		    arena_printf(&a, "%llu", (unsigned long long)done));
	} else {
		/* What is done is less than all, or the command would be over. */
		done = MIN(done, goal - 1);
		buf_printf(&code, " %llu %llu)", (unsigned long long)done,
		    (unsigned long long)goal);
		text = language_format(&a, s->language, STR("%s% done."),
		    arena_printf(&a, "%llu", (unsigned long long)(done * 100 / goal)));
	}
	session_untagged(s, "OK", buf_str(&code), text);
	arena_done(&a);
	core_flush(s->core);
}

static void
progress_fired(struct loop_timer *t)
{
	struct session_core *k = container_of(t, struct session_core, progress);
	struct session *s = &k->s;
	int64_t now_ms = loop_now_ms(k->loop);
	uint64_t done = 0, goal = 0;

	if (!k->has_cmd || k->phase != PHASE_RUN || s->is_closing)
		return;
	if (may_be_for_nobody(k) && stream_is_reset(s->stream))
		return;
	if (now_ms >= k->progress_due_ms && !session_is_full(s)
	    && k->cmd.entry->progress(s, &k->cmd, &done, &goal)) {
		tell_progress(s, &k->cmd, done, goal);
		k->progress_due_ms = now_ms + server_limits(s->server)->progress_ms;
	}
	loop_timer_set(k->loop, t, next_ms(k));
}

void
core_progress_init(struct session_core *k)
{
	loop_timer_init(&k->progress, progress_fired);
}

static void
tell_after(struct session_core *k, int64_t ms)
{
	k->progress_due_ms = loop_now_ms(k->loop) + ms;
	loop_timer_set(k->loop, &k->progress, ms);
}

void
core_progress_begin(struct session_core *k)
{
	if (k->cmd.entry->progress != NULL && !loop_timer_is_set(&k->progress))
		tell_after(k, next_ms(k));
}

void
core_progress_eof(struct session_core *k)
{
	if (loop_timer_is_set(&k->progress) && may_be_for_nobody(k))
		tell_after(k, next_ms(k));
}

void
core_progress_end(struct session_core *k)
{
	if (loop_timer_is_set(&k->progress))
		loop_timer_cancel(k->loop, &k->progress);
}
