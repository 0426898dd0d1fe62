/*
 * progress.c - INPROGRESS (RFC 9585): while a command works for long, the client is told so every
 * ten seconds, with the messages that are done and those that there are where the command knows
 * them.
 *
 * A command says by its progress() whether a line may be written now; the timer runs only while
 * such a command waits.
 */
#include "session/core_int.h"

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
	uint64_t done = 0, goal = 0;

	if (!k->has_cmd || k->phase != PHASE_RUN || s->is_closing)
		return;
	if (!session_is_full(s) && k->cmd.entry->progress(s, &k->cmd, &done, &goal))
		tell_progress(s, &k->cmd, done, goal);
	loop_timer_set(k->loop, t, server_limits(s->server)->progress_ms);
}

void
core_progress_init(struct session_core *k)
{
	loop_timer_init(&k->progress, progress_fired);
}

void
core_progress_begin(struct session_core *k)
{
	if (k->cmd.entry->progress != NULL && !loop_timer_is_set(&k->progress))
		loop_timer_set(k->loop, &k->progress, server_limits(k->s.server)->progress_ms);
}

void
core_progress_end(struct session_core *k)
{
	if (loop_timer_is_set(&k->progress))
		loop_timer_cancel(k->loop, &k->progress);
}
