/*
 * core.c - see core.h: running a command, and telling what has changed. Commands are made of bytes
 * in input.c; turn.c says when it goes on.
 */
#include "session/core_int.h"

#include "base/log.h"
#include "session/metadata.h"
#include "session/notify.h"
#include "session/urlauth.h"

/*
 * What is pipelined behind uses sequence numbers: then EXPUNGE now would make them mean other
 * messages (RFC 9051 5.5).
 */
static bool
is_seq_user_next(struct session_core *k)
{
	struct str input = stream_input(k->s.stream);
	const struct imap_command *entry;
	struct imap_scan in;
	struct str tag, name;
	struct arena scratch = ARENA_NONE;
	bool is_user = false;

	if (input.n == 0 || (k->s.enabled & ENABLED_UIDONLY) != 0)
		return false;
	imap_scan_init(&in, &scratch, str_sub(input, 0, 128), false);
	if (imap_scan_tag(&in, &tag) && imap_scan_sp(&in)) {
		unsigned users = imap_scan_try_atom(&in, STR("UID")) && imap_scan_sp(&in)
		    ? SEARCHES
		    : USES_SEQS | SEARCHES;

		entry = imap_scan_atom(&in, &name) ? imap_command_find(name) : NULL;
		is_user = entry != NULL && (entry->flags & users) != 0;
	}
	arena_done(&scratch);
	return is_user;
}

static enum view_tell
may_tell(struct session_core *k)
{
	unsigned flags = k->cmd.entry->flags;

	if ((flags & USES_SEQS) != 0 && !k->cmd.is_uid)
		return (flags & BREAKS_SEQS) != 0 ? TELL_ALL : TELL_NO_EXPUNGE;
	/* EXPUNGE and CLOSE must tell what they did; others can leave it for later. */
	if ((flags & BREAKS_SEQS) == 0 && is_seq_user_next(k))
		return TELL_NO_EXPUNGE;
	return TELL_ALL;
}

/* False: the command waits. */
static bool
run_command(struct session_core *k)
{
	enum err e;

	k->wants_output = k->wants_line = false;
	if (k->phase == PHASE_RUN) {
		e = k->cmd.entry->run(&k->s, &k->cmd);
		if (e == ERR_WAIT) {
			core_progress_begin(k);
			return false;
		}
		if ((k->cmd.entry->flags & CHANGES) != 0)
			session_saw_latest(&k->s);
		k->result = e;
		/*
		 * What the command has begun to tell is told to its end: half of it would leave the
		 * client with wrong numbers.
		 */
		k->phase = PHASE_TELL;
	}
	if (k->s.view != NULL && (k->cmd.entry->flags & NO_TELL) == 0 && !k->s.is_closing) {
		e = session_tell(&k->s, may_tell(k));
		if (e == ERR_WAIT)
			return false;
		if (e != ERR_OK && k->result == ERR_OK)
			k->result = e;
		tell_held_back(&k->s);
	}
	if ((k->cmd.entry->flags & NO_TELL) == 0 && !k->s.is_closing) {
		metadata_tell(&k->s);
		urlauth_tell(&k->s);
		if (notify_tell(&k->s) == ERR_WAIT)
			return false;
	}
	core_answer(k);
	return true;
}

/* What NOTIFY asked for, between two commands. False: it waits. */
static bool
tell_news(struct session_core *k)
{
	struct session *s = &k->s;
	enum err e = ERR_OK;

	k->wants_output = false;
	if (s->view != NULL && notify_selected_events(s) != 0)
		e = session_tell(s,
		    notify_tells_expunge(s) && !is_seq_user_next(k) ? TELL_ALL : TELL_NO_EXPUNGE);
	if (e == ERR_OK)
		e = notify_tell(s);
	if (e == ERR_WAIT)
		return false;
	if (e != ERR_OK) {
		log_event(LOG_ERROR, "notify-failed", F_U64("session", s->id),
		    F_STR("user", s->user), F_ERR(e));
		core_tell_reset(k);
		notify_overflow(s);
	}
	waiter_cancel(&k->waiter);
	k->phase = PHASE_IDLE;
	return true;
}

/* False: there is nothing to do before more comes. */
static bool
between_commands(struct session_core *k)
{
	if (core_frame_input(k))
		return true;
	if (k->has_cmd || !notify_has_news(&k->s))
		return false;
	k->phase = PHASE_NEWS;
	return true;
}

bool
core_step(struct session_core *k)
{
	switch (k->phase) {
	case PHASE_IDLE:
		return between_commands(k);
	case PHASE_NEWS:
		return tell_news(k);
	case PHASE_DISCARD:
		return core_frame_input(k);
	case PHASE_LITERAL:
	case PHASE_SKIP:
		return core_stream_literal(k);
	case PHASE_RUN:
	case PHASE_TELL:
		return run_command(k);
	}
	return false;
}
