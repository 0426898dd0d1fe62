/*
 * tell.c - tells a session what has changed in its mailbox: EXPUNGE or VANISHED, EXISTS, RECENT,
 * FETCH FLAGS (RFC 9051 7.3, 7.4, 7.5; RFC 7162 3.2.10).
 *
 * Order: what vanished first, with the sequence numbers that the client still has; then the new
 * numbers; then flags, by the new sequence numbers. What it does to results that are kept up to
 * date is told before what vanished, and at the end (context.h). A long difference is told in
 * steps, as the output takes it.
 */
#include "session/cmd/fetch_news.h"
#include "session/context.h"
#include "session/core_int.h"
#include "session/flag_lists.h"
#include "session/metadata.h"
#include "session/notify.h"
#include "session/target.h"
#include "session/urlauth.h"
#include "store/annotation.h"

void
core_tell_reset(struct session_core *k)
{
	if (!k->tell.is_active)
		return;
	fetch_news_free(&k->s, k->tell.fetch);
	arena_done(&k->tell.arena);
	k->tell = (struct session_tell){ 0 };
}

static bool
tells_uid(const struct session *s)
{
	/*
	 * What a UID command causes must have it (RFC 9051 6.4.9); RFC 7162 3.2.4 asks for it once
	 * CONDSTORE is on, RFC 9051 7.5.2 recommends it, RFC 5465 5.1 wants it. UIDFETCH begins
	 * with it (RFC 9586 3.3).
	 */
	if ((s->enabled & ENABLED_UIDONLY) != 0)
		return false;
	return s->notify != NULL || (s->core->has_cmd && s->core->cmd.is_uid)
	    || (s->enabled & (ENABLED_CONDSTORE | ENABLED_IMAP4REV2)) != 0;
}

void
session_begin_fetch(struct session *s, struct seqnum seq, struct uid uid)
{
	bool is_uidonly = (s->enabled & ENABLED_UIDONLY) != 0;
	struct buf *b = session_out(s);

	reply_untagged(b);
	reply_number(b, is_uidonly ? uid.v : seq.v);
	buf_c(b, is_uidonly ? " UIDFETCH (" : " FETCH (");
}

/* The names of annotations that changed, without their values (RFC 5257 4.4). */
static void
tell_notes(struct session *s, struct str names)
{
	struct buf *b = session_out(s);
	struct annotation here;
	bool is_first;

	if (names.n == 0)
		return;
	buf_lit(b, " ANNOTATION ");
	reply_list_open(b, &is_first);
	while (annotation_next(&names, &here)) {
		reply_item(b, &is_first);
		reply_astring(b, here.name, REPLY_ASCII);
	}
	reply_list_close(b);
}

static void
end_fetch(struct session *s, const struct entry *e, bool is_uid, bool has_items)
{
	struct buf *b = session_out(s);

	if (is_uid) {
		buf_c(b, has_items ? " UID " : "UID ");
		reply_number(b, e->uid.v);
		has_items = true;
	}
	if ((s->enabled & ENABLED_CONDSTORE) != 0) {
		buf_c(b, has_items ? " MODSEQ (" : "MODSEQ (");
		reply_number(b, e->modseq);
		buf_chr(b, ')');
	}
	buf_chr(b, ')');
	reply_end(b);
}

static bool
has_uid(const struct session *s, bool is_uid)
{
	return (is_uid && (s->enabled & ENABLED_UIDONLY) == 0) || tells_uid(s);
}

static void
tell_flags(struct session *s, const struct entry *e, struct seqnum seq, bool is_uid,
    struct str notes)
{
	const struct mailbox_info *m = view_mailbox(s->view);
	unsigned system = e->flags;

	if (e->is_recent && (s->enabled & ENABLED_IMAP4REV2) == 0)
		system |= FLAG_RECENT;
	session_begin_fetch(s, seq, e->uid);
	buf_lit(session_out(s), "FLAGS ");
	reply_flags(session_out(s), system, e->keywords, m->keywords, m->keyword_count);
	tell_notes(s, notes);
	end_fetch(s, e, has_uid(s, is_uid), true);
}

void
session_tell_flags(struct session *s, const struct entry *e, struct seqnum seq, bool is_uid)
{
	tell_flags(s, e, seq, is_uid, STR_NONE);
}

void
session_tell_modseq(struct session *s, const struct entry *e, struct seqnum seq, bool is_uid)
{
	session_begin_fetch(s, seq, e->uid);
	end_fetch(s, e, has_uid(s, is_uid), false);
}

/*
 * NOTIFY itself tells what has gathered, as NOOP would; what was new then is counted, not fetched.
 */
static bool
is_told_everything(const struct session *s)
{
	return s->core->has_cmd && (s->core->cmd.entry->flags & TELLS_ALL) != 0;
}

/*
 * What the command under way does to messages of the selected mailbox is its answer, and no event
 * (RFC 5465 1).
 */
static bool
answers_with_messages(const struct session *s)
{
	const struct session_core *k = s->core;

	if (!k->has_cmd || k->is_idling)
		return false;
	return k->phase == PHASE_RUN || (k->cmd.entry->flags & WRITES) != 0;
}

/*
 * The client does not want to know of messages in the selected mailbox: for it the mailbox stays as
 * it is until it changes it.
 */
static bool
stands_still(const struct session *s)
{
	return notify_selected_events(s) == 0 && !answers_with_messages(s)
	    && !view_is_resting(s->view);
}

static enum err
tell_vanished(struct session *s, struct session_tell *t)
{
	struct buf *b = session_out(s);

	if (t->changes.vanished == NULL)
		return ERR_OK;
	if ((s->enabled & (ENABLED_QRESYNC | ENABLED_UIDONLY)) != 0) {
		if (t->at_expunge == 0 && !rangeset_is_empty(t->changes.vanished)) {
			buf_lit(b, "* VANISHED ");
			reply_rangeset(b, t->changes.vanished);
			reply_end(b);
		}
		t->at_expunge = 1;
		return ERR_OK;
	}
	for (; t->at_expunge < t->changes.expunge_count; t->at_expunge++) {
		if (session_is_full(s))
			return session_wait_output(s);
		reply_untagged_number(b, t->changes.expunge_seqs[t->at_expunge], "EXPUNGE");
	}
	return ERR_OK;
}

static void
tell_head(struct session *s, struct session_tell *t)
{
	if (t->is_head_done)
		return;
	t->is_head_done = true;
	if (t->changes.has_new_keywords)
		flag_lists_reply(s);
	if (t->changes.is_exists_new)
		reply_untagged_number(session_out(s), t->changes.exists, "EXISTS");
	if (t->changes.is_recent_new && (s->enabled & ENABLED_IMAP4REV2) == 0)
		reply_untagged_number(session_out(s), t->changes.recent, "RECENT");
}

/*
 * What NOTIFY wants to see of new messages, but for those that the session put there itself (RFC
 * 5465 5.2).
 */
static void
begin_fetch(struct session *s, struct session_tell *t, uint32_t uidnext)
{
	const struct imap_fetch *what = notify_fetch(s);
	uint32_t now = view_mailbox(s->view)->uidnext;
	struct rangeset uids = RANGESET_NONE;

	if (what == NULL)
		return;
	if (uidnext < now)
		rangeset_add(&uids, uidnext, now - 1);
	notify_take_own_messages(s, &uids);
	if (t->changes.is_exists_new && !rangeset_is_empty(&uids) && notify_selected_events(s) != 0
	    && !is_told_everything(s))
		t->fetch = fetch_news_new(s, what, &uids);
	rangeset_done(&uids);
}

static enum err
tell_new(struct session *s, struct session_tell *t)
{
	enum err e;

	if (t->fetch == NULL)
		return ERR_OK;
	e = fetch_news_run(s, t->fetch);
	if (e == ERR_WAIT)
		return e;
	fetch_news_free(s, t->fetch);
	t->fetch = NULL;
	return e;
}

/*
 * Own changes by STORE .SILENT are not told, but for their modseqs (RFC 7162 3.1.3). The modseq of a
 * message whose flags the command's own answer is about to tell comes with them: of who is cut off
 * between the two nobody could say what he knows.
 */
static void
tell_one(struct session *s, struct uid uid, struct str notes)
{
	struct seqnum seq;
	struct entry e;

	if (!view_next(s->view, uid.v, &e, &seq) || e.uid.v != uid.v)
		return;
	if (s->answered != NULL && notes.n == 0 && rangeset_contains(s->answered, uid.v))
		return;
	if (!rangeset_contains(&s->silenced, uid.v)) {
		tell_flags(s, &e, seq, false, notes);
	} else if ((s->enabled & ENABLED_CONDSTORE) != 0) {
		session_tell_modseq(s, &e, seq, false);
	}
}

/* A command that did a part of what it was to do did the last messages first (RFC 9738 3.1). */
static bool
is_told_downward(const struct session *s)
{
	return s->core->has_cmd && s->core->cmd.limited_to != 0;
}

/* The i-th of the messages that have changed, to who is told these events of all of them. */
static void
tell_nth(struct session *s, const struct session_tell *t, unsigned events, uint32_t i)
{
	struct str notes = STR_NONE;

	if (is_told_downward(s))
		i = t->changes.changed_count - 1 - i;
	if (t->changes.notes != NULL && (events & NOTIFY_ANNOTATION_CHANGE) != 0)
		notes = t->changes.notes[i];
	if ((events & NOTIFY_FLAG_CHANGE) != 0 || notes.n > 0)
		tell_one(s, t->changes.changed[i], notes);
}

static enum err
tell_changed(struct session *s, struct session_tell *t)
{
	unsigned events = notify_selected_events(s);

	if (answers_with_messages(s))
		events |= NOTIFY_FLAG_CHANGE;
	if ((events & (NOTIFY_FLAG_CHANGE | NOTIFY_ANNOTATION_CHANGE)) == 0)
		return ERR_OK;
	for (; t->at_changed < t->changes.changed_count; t->at_changed++) {
		if (session_is_full(s))
			return session_wait_output(s);
		if ((t->at_changed & 63) == 63 && session_should_yield(s)) {
			t->at_changed++;
			tell_nth(s, t, events, t->at_changed - 1);
			return session_yield(s);
		}
		tell_nth(s, t, events, t->at_changed);
	}
	return ERR_OK;
}

/*
 * The rights of the selected mailbox, when its list may have changed. Without the right to read it
 * is as a deleted one; other changes show in what can be changed (RFC 4314 5.1.1).
 */
static void
check_rights(struct session *s, const struct snapshot *now)
{
	const struct mailbox_info *m;
	unsigned rights;

	if (snapshot_version(now) <= view_version(s->view) || view_is_gone(s->view))
		return;
	m = snapshot_mailbox_by_id(now, view_mailbox(s->view)->id);
	if (m == NULL || m->is_noselect)
		return;
	rights = target_rights(s, now, m);
	if ((rights & RIGHT_R) == 0) {
		view_revoke(s->view);
		rights = 0;
	}
	if (rights != s->rights) {
		s->rights = rights;
		if (rights != 0)
			flag_lists_reply(s);
	}
}

void
session_check_rights(struct session *s)
{
	struct snapshot *now;

	/*
	 * In one's own account nothing is lost but by one's own commands, or nearly so: those tell
	 * it.
	 */
	if (s->view == NULL || view_account(s->view) == s->account)
		return;
	now = session_snapshot_of(s, view_account(s->view));
	check_rights(s, now);
	snapshot_unref(now);
}

/* The mailbox was deleted, or its rights: nobody goes on reading what is not his. */
static bool
is_lost(const struct session *s, const struct snapshot *now)
{
	const struct mailbox_info *m = snapshot_mailbox_by_id(now, view_mailbox(s->view)->id);

	return s->rights == 0 || m == NULL || m->is_noselect;
}

enum err
session_tell(struct session *s, enum view_tell tell)
{
	struct session_core *k = s->core;
	struct session_tell *t = &k->tell;
	enum err e;

	if (s->view == NULL)
		return ERR_OK;
	if (!t->is_active) {
		struct snapshot *now = session_snapshot_of(s, view_account(s->view));
		uint32_t uidnext = view_mailbox(s->view)->uidnext;

		check_rights(s, now);
		if (stands_still(s) && !is_lost(s, now)) {
			snapshot_unref(now);
			return ERR_OK;
		}
		/*
		 * Also when there is no news of this mailbox: the view must come to know the
		 * version, or IDLE would be woken by it again and again.
		 */
		e = view_refresh(s->view, now, tell, session_waiter(s), &t->arena, &t->changes);
		snapshot_unref(now);
		if (e != ERR_OK)
			return e;
		t->is_active = true;
		contexts_note(s, &t->changes);
		begin_fetch(s, t, uidnext);
	}
	e = contexts_tell_gone(s, &t->changes);
	if (e == ERR_OK)
		e = tell_vanished(s, t);
	if (e != ERR_OK)
		return e;
	tell_head(s, t);
	e = tell_changed(s, t);
	if (e == ERR_OK)
		e = contexts_tell_changed(s);
	/*
	 * What NOTIFY fetches of new messages comes behind the ADDTO that tells of them (RFC 5465
	 * 5.2), and does not repeat what their UPDATE has fetched.
	 */
	if (e == ERR_OK && t->fetch != NULL)
		contexts_fetched(s, notify_fetch(s), t->fetch);
	if (e == ERR_OK)
		e = tell_new(s, t);
	if (e != ERR_OK)
		return e;
	core_tell_reset(k);
	rangeset_done(&s->silenced);
	return ERR_OK;
}

void
session_select(struct session *s, struct view *v, unsigned rights)
{
	core_tell_reset(s->core);
	contexts_free(s);
	view_close(s->view);
	s->view = v;
	s->rights = rights;
	rangeset_done(&s->saved);
	rangeset_done(&s->silenced);
	batches_free(s->batches);
	s->batches = NULL;
	metadata_selected(s);
	urlauth_look(s);
	notify_selected(s);
}

void
session_enable_condstore(struct session *s)
{
	BUF_CLEAN struct buf code = BUF_MAX(64);

	if ((s->enabled & ENABLED_CONDSTORE) != 0)
		return;
	s->enabled |= ENABLED_CONDSTORE;
	if (s->view == NULL)
		return;
	reply_code_number(&code, "HIGHESTMODSEQ", view_highestmodseq(s->view));
	session_untagged(s, "OK", buf_str(&code), STR("MODSEQ is told from now on."));
}

void
tell_held_back(struct session *s)
{
	BUF_CLEAN struct buf code = BUF_MAX(64);

	if ((s->enabled & ENABLED_CONDSTORE) == 0 || s->view == NULL
	    || view_highestmodseq(s->view) >= view_mailbox(s->view)->highestmodseq)
		return;
	reply_code_number(&code, "HIGHESTMODSEQ", view_highestmodseq(s->view));
	session_untagged(s, "OK", buf_str(&code), STR("Expunged messages are told later."));
}
