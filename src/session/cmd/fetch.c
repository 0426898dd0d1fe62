/*
 * fetch.c - FETCH and UID FETCH.
 *
 *     VANISHED (EARLIER) -> [too many: the last ones] -> for each window of 64 messages: set \Seen if some section asks for it, one commit
 *                             -> for each message: its record is loaded -> "* n FETCH (" items, sections ")"
 *
 * What can't be read is left out, the other messages are answered, and the tagged reply says why.
 * Of a message that somebody else expunged, which the client has not been told of, what is still
 * there is answered, else NO [EXPUNGEISSUED] at the end (RFC 2180 4.1).
 */
#include "session/cmd/fetch_int.h"

#include "session/cmd/annotate.h"
#include "session/cmd/fetch_news.h"
#include "session/cmd/message_limit.h"
#include "session/cmd/message_set.h"

#include <stdlib.h>

enum {
	WINDOW_MESSAGES = 64,
	/* whose records are asked for together, when half of the last ones are answered */
	PREFETCH_MESSAGES = 256,
	MANY_MESSAGES = 128, /* more are read past the cache */
	/* the same, when their texts are wanted: then for the sake of reading these together */
	MANY_TEXTS = 4,
	/* answered from the mailbox's pages alone between two looks at the clock */
	UNTIMED_MESSAGES = 32,
	/* the same with records that were read ahead, but for sections */
	UNTIMED_RECORDS = 8,
};

/* ---- arguments ---- */

static void
find_needs(struct fetch_ctx *x)
{
	x->needs_message = (x->args.atts & SUMMARY_ATTS) != 0 || x->args.n_sections > 0
	    || annotate_needs_parts(x->annotations);
	x->need = MESSAGE_SUMMARY;
	x->needs_header_only = x->args.n_sections > 0 && (x->args.atts & SUMMARY_ATTS) == 0
	    && !annotate_needs_parts(x->annotations);
	for (size_t i = 0; i < x->args.n_sections; i++) {
		const struct imap_section *sec = &x->args.sections[i];

		if (fetch_section_is_of_header(sec))
			x->need = MESSAGE_WHOLE;
		else
			x->needs_header_only = false;
	}
}

static enum err
fetch_parse(struct session *s, struct command *c, struct imap_scan *in)
{
	struct fetch_ctx *x = c->ctx;
	struct imap_scan set = *in;
	enum err e = message_set_scan(s, c, in, &x->messages.uids);

	if (e != ERR_OK)
		return e;
	if (!imap_scan_seqset(&set, &x->set))
		return imap_scan_err(&set);
	if (!imap_scan_sp(in))
		return imap_scan_err(in);
	e = imap_fetch_parse(in, &x->args);
	if (e != ERR_OK)
		return e;
	if (x->args.has_vanished && (!c->is_uid || (s->enabled & ENABLED_QRESYNC) == 0)) {
		imap_scan_fail(in, ERR_SYNTAX, "UID FETCH after ENABLE QRESYNC with VANISHED");
		return ERR_SYNTAX;
	}
	if (x->args.has_partial && !c->is_uid) {
		imap_scan_fail(in, ERR_SYNTAX, "UID FETCH with PARTIAL");
		return ERR_SYNTAX;
	}
	if (x->args.has_partial) {
		e = fetch_messages_take_part(s, c, &x->messages, &x->args.partial);
		if (e != ERR_OK)
			return e;
	}
	/* UIDFETCH begins with it (RFC 9586 3.3). */
	if (c->is_uid && (s->enabled & ENABLED_UIDONLY) == 0)
		x->args.atts |= FETCH_UID;
	x->annotations = annotate_asked_new(c->arena, x->args.annotations);
	find_needs(x);
	return ERR_OK;
}

/* ---- before the messages ---- */

static enum err
tell_vanished(struct session *s, struct command *c, struct fetch_ctx *x)
{
	RANGESET_CLEAN struct rangeset known = RANGESET_NONE;
	struct rangeset *vanished = NULL;
	uint32_t uidnext = view_mailbox(s->view)->uidnext;
	enum err e;

	if (!x->args.has_vanished)
		return ERR_OK;
	/*
	 * "*" reaches to the highest UID that ever was, else the last messages could vanish untold.
	 */
	seqset_resolve(&x->set, MAX(uidnext - 1, view_last_uid(s->view).v), &s->saved, &known);
	e = view_vanished_since(s->view, x->args.changedsince, &known, session_waiter(s), c->arena,
	    &vanished);
	if (e != ERR_OK)
		return e;
	if (vanished != NULL && !rangeset_is_empty(vanished)) {
		reply_untagged(session_out(s));
		buf_lit(session_out(s), "VANISHED (EARLIER) ");
		reply_rangeset(session_out(s), vanished);
		reply_end(session_out(s));
	}
	return ERR_OK;
}

/* Of the next messages, from *at on. */
static size_t
next_numbers(struct session *s, const struct fetch_ctx *x, uint32_t *at, struct msgno *numbers,
    size_t most)
{
	struct entry e;
	size_t n = 0;

	while (n < most && fetch_messages_next(s, &x->messages, *at, &e, NULL)) {
		numbers[n++] = e.msgno;
		*at = fetch_messages_behind(&x->messages, e.uid.v);
	}
	if (n < most)
		*at = 0;
	return n;
}

/* Some section takes more of a message than its header. */
static bool
wants_text(const struct fetch_ctx *x)
{
	for (size_t i = 0; i < x->args.n_sections; i++) {
		const struct imap_section *sec = &x->args.sections[i];

		if (sec->n_path > 0 || sec->kind == SECTION_BODY || sec->kind == SECTION_TEXT)
			return true;
	}
	return false;
}

/* Whether the messages are read ahead, or found in the cache of records. */
static void
decide_ahead(struct session *s, struct fetch_ctx *x)
{
	const bool texts = wants_text(x);
	const size_t many = texts ? MANY_TEXTS : MANY_MESSAGES;
	struct msgno numbers[MANY_MESSAGES];
	uint32_t at = x->at;

	x->is_ahead_decided = true;
	if (next_numbers(s, x, &at, numbers, many) < many)
		return;
	x->ahead = message_ahead_new(view_account(s->view), x->need, texts);
	if (x->needs_header_only)
		message_ahead_headers_only(x->ahead);
	x->ahead_at = x->at;
}

void
fetch_read_ahead(struct session *s, struct fetch_ctx *x)
{
	struct entry e;

	while (x->ahead_at != 0 && !message_ahead_is_full(x->ahead)) {
		bool has_next;

		while ((has_next = fetch_messages_next(s, &x->messages, x->ahead_at, &e, NULL))
		    && message_ahead_add(x->ahead, e.msgno, e.size_bytes))
			x->ahead_at = fetch_messages_behind(&x->messages, e.uid.v);
		if (!has_next)
			x->ahead_at = 0;
		message_ahead_begin(x->ahead);
	}
}

/* Asks for the records of the next messages, so that they are there when their turn comes. */
static void
prefetch(struct session *s, struct fetch_ctx *x)
{
	struct msgno numbers[PREFETCH_MESSAGES];
	uint32_t at = x->at;
	size_t n = next_numbers(s, x, &at, numbers, PREFETCH_MESSAGES / 2);

	x->is_prefetched = at == 0;
	if (at != 0) {
		x->prefetch_at = at;
		n += next_numbers(s, x, &at, numbers + n, PREFETCH_MESSAGES / 2);
	}
	if (n > 1)
		message_prefetch(view_account(s->view), numbers, n, x->need);
}

/* Looks ahead: asks for records, and notes which of the next messages become \Seen. */
static void
open_window(struct session *s, struct fetch_ctx *x)
{
	bool may_set = x->args.sets_seen && (s->rights & RIGHT_S) != 0
	    && !view_is_read_only(s->view) && !view_is_gone(s->view);
	uint32_t at = x->at;
	struct entry e;
	size_t n = 0;

	rangeset_clear(&x->unseen);
	rangeset_clear(&x->seen);
	if (!x->needs_message || (x->ahead != NULL && !may_set)) {
		/* Nothing becomes \Seen, and what is read is asked for elsewhere: one window for all. */
		x->window_end = x->messages.lowest.v == 0 ? UINT32_MAX : 1;
		x->step = STEP_MESSAGES;
		return;
	}
	while (n < WINDOW_MESSAGES && fetch_messages_next(s, &x->messages, at, &e, NULL)) {
		n++;
		if (may_set && !e.is_ghost && (e.flags & FLAG_SEEN) == 0)
			rangeset_add_one(&x->unseen, e.uid.v);
		x->window_end = e.uid.v;
		at = fetch_messages_behind(&x->messages, e.uid.v);
	}
	if (x->needs_message && !x->is_ahead_decided)
		decide_ahead(s, x);
	if (x->needs_message && x->ahead == NULL && !x->is_prefetched
	    && !fetch_messages_is_behind(&x->messages, x->prefetch_at,
		fetch_messages_behind(&x->messages, x->at)))
		prefetch(s, x);
	x->cursor = rangeset_is_empty(&x->unseen) ? UINT32_MAX : 0;
	x->step = STEP_SET_SEEN;
}

/*
 * \Seen of the window's messages in one commit, before they are answered: what is answered is true.
 */
static enum err
set_seen(struct session *s, struct fetch_ctx *x)
{
	const struct flags_change f = { .op = FLAGS_ADD, .flags = FLAG_SEEN };
	RANGESET_CLEAN struct rangeset modified = RANGESET_NONE;

	while (x->cursor != UINT32_MAX) {
		struct snapshot *after = NULL;
		enum err e = messages_store(s->view, &x->unseen, &f, &x->cursor, session_waiter(s),
		    &x->seen, &modified, &after);

		session_committed(s, after);
		if (e == ERR_WAIT)
			return e;
		if (after == NULL)
			session_saw_latest(s);
		/*
		 * A mailbox that can't be written to (no room, no right) can be read all the same.
		 */
		if (e != ERR_OK)
			break;
	}
	x->step = rangeset_is_empty(&x->seen) ? STEP_MESSAGES : STEP_TELL_SEEN;
	return ERR_OK;
}

/*
 * The view moves on to what was just stored. The messages' own answers tell the new flags (RFC 9051
 * 6.4.5), so it is not told twice.
 */
static enum err
tell_seen(struct session *s, struct fetch_ctx *x)
{
	enum err e;

	s->answered = &x->seen;
	e = session_tell(s, TELL_NO_EXPUNGE);
	s->answered = NULL;
	if (e == ERR_OK)
		x->step = STEP_MESSAGES;
	return e;
}

/* ---- all of them ---- */

/* How many may be answered between two looks at the clock. */
static unsigned
untimed_messages(const struct fetch_ctx *x)
{
	if (!x->needs_message)
		return UNTIMED_MESSAGES;
	return x->ahead != NULL && x->args.n_sections == 0 ? UNTIMED_RECORDS : 1;
}

/* Answers the messages of the window. */
static enum err
answer_window(struct session *s, struct fetch_ctx *x)
{
	for (;;) {
		struct fetch_message *m = &x->m;
		enum err e;

		if (!m->is_open) {
			session_pass_on(s);
			if (session_is_full(s))
				return session_wait_output(s);
			if (++x->untimed >= untimed_messages(x)) {
				x->untimed = 0;
				if (session_should_yield(s))
					return session_yield(s);
			}
			if (x->is_by_page)
				x->at = fetch_pages_write(s, &x->args, &x->messages.uids, x->at,
				    &x->flags_text);
			if (x->at == 0
			    || fetch_messages_is_behind(&x->messages, x->at, x->window_end)
			    || !fetch_messages_next(s, &x->messages, x->at, &m->entry, &m->seq)) {
				x->step = STEP_WINDOW;
				return ERR_OK;
			}
			m->is_open = true;
		}
		e = fetch_answer(s, x);
		if (e != ERR_OK)
			return e;
		x->at = fetch_messages_behind(&x->messages, m->entry.uid.v);
		fetch_message_close(m);
	}
}

static enum err
fetch_step(struct session *s, struct command *c, struct fetch_ctx *x)
{
	struct entry e;
	enum err err;

	switch (x->step) {
	case STEP_VANISHED:
		if (x->args.has_changedsince || (x->args.atts & FETCH_MODSEQ) != 0)
			session_enable_condstore(s);
		err = tell_vanished(s, c, x);
		if (err != ERR_OK)
			return err;
		x->messages.has_since = x->args.has_changedsince;
		x->messages.since = x->args.changedsince;
		x->step = STEP_LIMIT;
		return ERR_OK;
	case STEP_LIMIT:
		err = fetch_messages_limit(s, &x->messages);
		if (err != ERR_OK)
			return err;
		x->at = x->prefetch_at = fetch_messages_first(&x->messages);
		x->is_by_page = x->messages.lowest.v == 0 && fetch_pages_may(s, &x->args);
		x->step = STEP_WINDOW;
		return ERR_OK;
	case STEP_WINDOW:
		if (!fetch_messages_next(s, &x->messages, x->at, &e, NULL))
			return ERR_END;
		x->at = e.uid.v;
		open_window(s, x);
		return ERR_OK;
	case STEP_SET_SEEN:
		return set_seen(s, x);
	case STEP_TELL_SEEN:
		return tell_seen(s, x);
	case STEP_MESSAGES:
		return answer_window(s, x);
	}
	return ERR_BUG;
}

static enum err
fetch_run(struct session *s, struct command *c)
{
	struct fetch_ctx *x = c->ctx;
	enum err e;

	do {
		e = fetch_step(s, c, x);
	} while (e == ERR_OK);
	if (e != ERR_END)
		return e;
	message_limit_tell(s, c, x->messages.lowest);
	return x->result;
}

static void
ctx_done(struct session *s, struct fetch_ctx *x)
{
	/* A reader must not wait when it goes. */
	waiter_cancel(session_waiter(s));
	fetch_message_close(&x->m);
	message_ahead_free(x->ahead);
	fetch_messages_done(&x->messages);
	rangeset_done(&x->seen);
	rangeset_done(&x->unseen);
}

static void
fetch_done(struct session *s, struct command *c)
{
	ctx_done(s, c->ctx);
}

/* ---- that nobody asked for ---- */

struct fetch_news {
	struct fetch_ctx x;
	struct arena arena;
};

struct fetch_news *
fetch_news_new(struct session *s, const struct imap_fetch *what, const struct rangeset *uids)
{
	struct fetch_news *f = xcalloc(1, sizeof(*f));

	f->x = (struct fetch_ctx){ .args = *what, .step = STEP_WINDOW, .at = 1 };
	f->x.args.sets_seen = false;
	if ((s->enabled & ENABLED_UIDONLY) != 0)
		f->x.args.atts &= ~(unsigned)FETCH_UID;
	else if ((s->enabled & ENABLED_CONDSTORE) != 0)
		f->x.args.atts |= FETCH_UID;
	if ((s->enabled & ENABLED_CONDSTORE) != 0)
		f->x.args.atts |= FETCH_MODSEQ;
	rangeset_copy(&f->x.messages.uids, uids);
	f->x.annotations = annotate_asked_new(&f->arena, what->annotations);
	find_needs(&f->x);
	return f;
}

void
fetch_news_leave_out(struct fetch_news *f, const struct rangeset *uids)
{
	RANGESET_CLEAN struct rangeset left = RANGESET_NONE;

	rangeset_subtract(&left, &f->x.messages.uids, uids);
	rangeset_copy(&f->x.messages.uids, &left);
}

enum err
fetch_news_run(struct session *s, struct fetch_news *f)
{
	enum err e;

	do {
		e = fetch_step(s, NULL, &f->x);
	} while (e == ERR_OK);
	return e == ERR_WAIT || e == ERR_CLOSED ? e : ERR_OK;
}

void
fetch_news_free(struct session *s, struct fetch_news *f)
{
	if (f == NULL)
		return;
	ctx_done(s, &f->x);
	arena_done(&f->arena);
	free(f);
}

const struct imap_command cmd_fetch = {
	.name = "FETCH",
	.uid = true,
	.states = IN_SELECTED,
	.flags = USES_SEQS,
	.capability = CAP_IMAP4REV1,
	.args =
	    "sequence-set SP (macro | item | (items)) [SP ([CHANGEDSINCE modseq] [VANISHED] [PARTIAL range])]",
	.spec =
	    "RFC 9051 6.4.5 and 6.4.9, RFC 3516, RFC 5257 4.3 and 4.4, RFC 7162 3.1.4 and 3.2.6, RFC 8474, RFC 8514, RFC 8970, RFC 9394 3.3, RFC 9738 3.1",
	.summary = "Read messages and what is known of them.",
	.ctx_size = sizeof(struct fetch_ctx),
	.parse = fetch_parse,
	.run = fetch_run,
	.done = fetch_done,
};
