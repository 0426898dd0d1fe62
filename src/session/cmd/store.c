/*
 * store.c - STORE and UID STORE, of flags or annotations.
 *
 *     [.SILENT: tell what others changed] -> [annotations: are the parts there?] -> commits, 64 pages each -> FETCH of what changed -> FETCH of those that had the flags already
 *
 * Messages that were changed are told by the session, as everybody else is told of them; with that
 * the view learns which messages were gone already.
 */
#include "imap/store.h"

#include "session/cmd/annotate.h"
#include "session/cmd/commands.h"
#include "session/cmd/message_limit.h"
#include "session/cmd/message_set.h"
#include "session/flag_lists.h"

enum store_step { STEP_CATCH_UP, STEP_PARTS, STEP_CHANGE, STEP_TELL_CHANGED, STEP_TELL_SAME };

struct store_ctx {
	struct imap_store args;
	struct rangeset uids;
	enum store_step step;
	struct uid
	    lowest; /* of more messages than one may change at once: of those that are; 0: all */
	uint32_t cursor;
	struct rangeset changed, modified;
	struct notes_change notes; /* with args.is_annotation */
	/* next UID to look at: whose parts, and for those that were not changed */
	uint32_t at;
	/* of the account, that our next commit should follow if nobody comes between */
	uint64_t version;
	bool is_raced; /* somebody did */
};

static enum err
store_parse(struct session *s, struct command *c, struct imap_scan *in)
{
	struct store_ctx *x = c->ctx;
	enum err e = message_set_scan(s, c, in, &x->uids);

	if (e != ERR_OK)
		return e;
	if (!imap_scan_sp(in))
		return imap_scan_err(in);
	e = imap_store_parse(in, &x->args);
	if (e == ERR_OK && x->args.is_annotation)
		annotate_changes(s, c->arena, &x->args, &x->notes);
	return e;
}

/*
 * What others changed is told before a silent change, so that it is not mistaken for our own (RFC
 * 9051 6.4.6). No EXPUNGE: the client may have used sequence numbers. What comes between this and
 * our commits shows in the account's version.
 */
static enum err
catch_up(struct session *s, struct store_ctx *x)
{
	struct snapshot *now;
	enum err e;

	if (x->args.is_silent) {
		now = session_snapshot_of(s, view_account(s->view));
		x->version = snapshot_version(now);
		snapshot_unref(now);
		e = session_tell(s, TELL_NO_EXPUNGE);
		if (e != ERR_OK)
			return e;
	}
	x->lowest = message_limit_cut(s, &x->uids);
	x->at = 1;
	x->step = STEP_PARTS;
	return ERR_OK;
}

/* A part that is named must be there, in each message (RFC 5257 3.2.1). */
static enum err
check_parts(struct session *s, struct store_ctx *x)
{
	enum err e = x->args.is_annotation
	    ? annotate_check_parts(s, &x->args.annotation, &x->uids, &x->at)
	    : ERR_OK;

	if (e == ERR_OK)
		x->step = STEP_CHANGE;
	return e;
}

/* The next commit. */
static enum err
change_some(struct session *s, struct store_ctx *x, const struct flags_change *f,
    struct snapshot **after)
{
	if (x->args.is_annotation)
		return messages_annotate(s->view, &x->uids, &x->notes, &x->cursor,
		    session_waiter(s), &x->changed, &x->modified, after);
	return messages_store(s->view, &x->uids, f, &x->cursor, session_waiter(s), &x->changed,
	    &x->modified, after);
}

/* A commit of ours was made. */
static void
committed(struct session *s, struct store_ctx *x, struct snapshot *after)
{
	if (after == NULL)
		return;
	x->is_raced = x->is_raced || snapshot_version(after) != x->version + 1;
	x->version = snapshot_version(after);
	session_committed(s, after);
}

static enum err
change(struct session *s, struct store_ctx *x)
{
	static const enum flags_op ops[] = {
		[STORE_REPLACE] = FLAGS_SET,
		[STORE_ADD] = FLAGS_ADD,
		[STORE_REMOVE] = FLAGS_REMOVE,
	};
	const struct flags_change f = {
		.op = ops[x->args.mode],
		.flags = (uint16_t)x->args.flags.system,
		.keywords = x->args.flags.keywords,
		.keyword_count = (uint32_t)x->args.flags.n_keywords,
		.has_unchangedsince = x->args.has_unchangedsince,
		.unchangedsince = x->args.unchangedsince,
		.fixed = (uint16_t)(FLAGS_STORABLE & ~changeable_flags(s->rights)),
		.keeps_keywords = (s->rights & RIGHT_W) == 0,
	};

	while (x->cursor != UINT32_MAX) {
		struct snapshot *after = NULL;
		enum err e = change_some(s, x, &f, &after);

		committed(s, x, after);
		if (e != ERR_OK)
			return e;
		if (x->cursor != UINT32_MAX && session_should_yield(s))
			return session_yield(s);
	}
	/* Others' changes on top of which ours were made would be silenced with them. */
	if (x->args.is_silent && !x->is_raced) {
		struct rangeset all = RANGESET_NONE;

		rangeset_union(&all, &s->silenced, &x->changed);
		rangeset_done(&s->silenced);
		s->silenced = all;
	}
	x->at = x->lowest.v == 0 ? 1 : UINT32_MAX;
	x->step = STEP_TELL_CHANGED;
	return ERR_OK;
}

static enum err
tell_changed(struct session *s, struct command *c, struct store_ctx *x)
{
	enum err e;

	/* Before, so that it is told in that order. */
	message_limit_tell(s, c, x->lowest);
	e = session_tell(s, TELL_NO_EXPUNGE);
	if (e == ERR_OK)
		x->step = STEP_TELL_SAME;
	return e;
}

/* From the highest UID down when there is a limit (RFC 9738 3.1). */
static bool
next_to_tell(struct session *s, const struct store_ctx *x, struct entry *e, struct seqnum *seq)
{
	if (x->at == 0)
		return false;
	return x->lowest.v == 0 ? message_set_next(s->view, &x->uids, x->at, e, seq)
				: message_set_previous(s->view, &x->uids, x->at, e, seq);
}

/*
 * "The new value of the flags is returned" (RFC 9051 6.4.6): also when it is the old one. With
 * UNCHANGEDSINCE the modseq is, .SILENT or not (RFC 7162 3.1.3).
 */
static enum err
tell_same(struct session *s, struct command *c, struct store_ctx *x)
{
	struct entry e;
	struct seqnum seq;

	while ((!x->args.is_silent || x->args.has_unchangedsince) && next_to_tell(s, x, &e, &seq)) {
		if (session_is_full(s))
			return session_wait_output(s);
		if (session_should_yield(s))
			return session_yield(s);
		x->at = x->lowest.v == 0 ? e.uid.v + 1 : e.uid.v - 1;
		if (e.is_ghost || rangeset_contains(&x->changed, e.uid.v)
		    || rangeset_contains(&x->modified, e.uid.v))
			continue;
		if (x->args.is_silent)
			session_tell_modseq(s, &e, seq, c->is_uid);
		else
			session_tell_flags(s, &e, seq, c->is_uid);
	}
	return ERR_OK;
}

/* "MODIFIED 7,9": in the numbers that the command used (RFC 7162 3.1.3). */
static struct str
modified_code(struct session *s, struct command *c, const struct rangeset *uids)
{
	BUF_CLEAN struct buf b = BUF_MAX(SIZE_MAX / 2);
	RANGESET_CLEAN struct rangeset seqs = RANGESET_NONE;

	if (!c->is_uid)
		message_set_to_seqs(s->view, uids, &seqs);
	reply_code_modified(&b, c->is_uid ? uids : &seqs);
	return arena_str(c->arena, buf_str(&b));
}

/*
 * Whether the rights allow anything of what is asked for: if they do, the rest is passed over in
 * silence (RFC 4314 4). To take all flags away names every flag.
 */
static bool
may_change_some(const struct session *s, const struct imap_store *args)
{
	unsigned may = changeable_flags(s->rights);

	if (args->is_annotation)
		return annotate_may_store(&args->annotation, s->rights);
	if (args->mode == STORE_REPLACE && args->flags.system == 0 && args->flags.n_keywords == 0)
		return may != 0;
	if (args->flags.system == 0 && args->flags.n_keywords == 0)
		return true;
	return (args->flags.system & may) != 0
	    || (args->flags.n_keywords != 0 && (s->rights & RIGHT_W) != 0);
}

static enum err
store_run(struct session *s, struct command *c)
{
	struct store_ctx *x = c->ctx;
	enum err e = ERR_OK;

	/* One's own annotations are changed by who may change nothing else (RFC 5257 3.4). */
	if (x->args.is_annotation ? s->is_examined : view_is_read_only(s->view))
		return ERR_READONLY;
	if (!view_is_gone(s->view) && !may_change_some(s, &x->args))
		return ERR_NOPERM;
	if (x->args.has_unchangedsince)
		session_enable_condstore(s);
	if (x->step == STEP_CATCH_UP)
		e = catch_up(s, x);
	if (e == ERR_OK && x->step == STEP_PARTS)
		e = check_parts(s, x);
	if (e == ERR_OK && x->step == STEP_CHANGE)
		e = change(s, x);
	if (e == ERR_OK && x->step == STEP_TELL_CHANGED)
		e = tell_changed(s, c, x);
	if (e == ERR_OK)
		e = tell_same(s, c, x);
	if (e == ERR_WAIT)
		return e;
	if (!rangeset_is_empty(&x->modified))
		c->code = modified_code(s, c, &x->modified);
	/* RFC 2180 4.2.1; a UID that is gone is passed over in silence (RFC 9051 6.4.9). */
	if (e == ERR_OK && !c->is_uid && message_set_has_ghosts(s->view, &x->uids))
		e = ERR_EXPUNGED;
	return e;
}

static bool
store_progress(struct session *s, const struct command *c, uint64_t *done_out, uint64_t *goal_out)
{
	const struct store_ctx *x = c->ctx;

	*done_out = rangeset_count(&x->changed);
	*goal_out = message_limit_count(s->view, &x->uids);
	return x->step == STEP_CHANGE;
}

static void
store_done(unused_arg struct session *s, struct command *c)
{
	struct store_ctx *x = c->ctx;

	rangeset_done(&x->uids);
	rangeset_done(&x->changed);
	rangeset_done(&x->modified);
}

const struct imap_command cmd_store = {
	.name = "STORE",
	.uid = true,
	.states = IN_SELECTED,
	.flags = USES_SEQS | WRITES | JUDGES | CHANGES,
	.capability = CAP_IMAP4REV1,
	.args =
	    "sequence-set SP [(UNCHANGEDSINCE modseq) SP] ([+|-]FLAGS[.SILENT] SP flags | ANNOTATION (entries))",
	.spec = "RFC 9051 6.4.6 and 6.4.9, RFC 4314 4, RFC 5257 4.5, RFC 7162 3.1.3, RFC 9738 3.1",
	.summary = "Change flags or annotations of messages.",
	.ctx_size = sizeof(struct store_ctx),
	.parse = store_parse,
	.run = store_run,
	.progress = store_progress,
	.done = store_done,
};
