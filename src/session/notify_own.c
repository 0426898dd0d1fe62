/*
 * notify_own.c - what a session does itself, which is no news to it (RFC 5465 5).
 *
 * A mailbox knows the version of its last change and of the one before it: when the first is our
 * commit and the second is what the client knows, then nobody else has changed it in between.
 */
#include "session/notify_int.h"

struct notify_note *
notify_note_find(struct notify_note *notes, const struct account *a, struct mailbox_id id)
{
	for (size_t i = 0; i < NOTIFY_NOTES; i++) {
		if (notes[i].mailbox == id.v && notes[i].account == account_id(a).v)
			return &notes[i];
	}
	return NULL;
}

/* The oldest makes room. */
void
notify_note_put(struct notify_note *notes, size_t *next, const struct account *a,
    struct mailbox_id id, uint64_t version)
{
	struct notify_note *note = notify_note_find(notes, a, id);

	if (note == NULL)
		note = &notes[(*next)++ % NOTIFY_NOTES];
	*note =
	    (struct notify_note){ .account = account_id(a).v, .mailbox = id.v, .version = version };
}

void
notify_done_by_us(struct session *s, struct account *a, struct mailbox_id id)
{
	struct notify *n = s->notify;

	if (n != NULL && notify_watch_of(n, a) != NULL)
		notify_note_put(n->ours, &n->ours_next, a, id, NOTIFY_ANY_VERSION);
}

/*
 * Whether nobody else changed the mailbox between what the client knows and our commit, the last
 * one to touch it.
 */
static bool
is_ours_alone(struct notify *n, const struct account *a, const struct mailbox_info *before,
    const struct mailbox_info *after)
{
	struct notify_note *note = notify_note_find(n->ours, a, after->id);

	if (after->version_before == (before == NULL ? 0 : before->version))
		return true;
	return note != NULL && note->version == after->version_before;
}

/*
 * New messages of ours in the selected mailbox: they are not fetched for the client (RFC 5465 5.2).
 */
static void
note_messages(struct session *s, struct notify *n, const struct snapshot *after)
{
	const struct mailbox_info *m, *seen;
	uint64_t version;
	uint32_t uidnext;

	if (notify_fetch(s) == NULL || s->view == NULL
	    || view_account(s->view) != snapshot_account(after))
		return;
	seen = view_mailbox(s->view);
	m = snapshot_mailbox_by_id(after, seen->id);
	if (m == NULL || m->version != snapshot_version(after))
		return;
	version = n->mailbox_version != 0 ? n->mailbox_version : seen->version;
	uidnext = n->mailbox_version != 0 ? n->mailbox_uidnext : seen->uidnext;
	if (m->version_before == version && m->uidnext > uidnext)
		rangeset_add(&n->own_messages, uidnext, m->uidnext - 1);
	n->mailbox_version = m->version;
	n->mailbox_uidnext = m->uidnext;
}

void
notify_committed(struct session *s, const struct snapshot *after)
{
	struct account *a = snapshot_account(after);
	struct notify *n = s->notify;
	struct notify_watch *w;
	const struct mailbox_info *was, *is;
	struct snapshot_difference d;
	bool is_all_ours = true;

	if (n == NULL)
		return;
	note_messages(s, n, after);
	w = notify_watch_of(n, a);
	if (w == NULL || w->known == NULL || w->now != NULL)
		return;
	d = (struct snapshot_difference){ .before = w->known, .after = after };
	while (snapshot_difference_next(&d, &was, &is)) {
		struct notify_note *note =
		    notify_note_find(n->ours, a, is != NULL ? is->id : was->id);

		if (is != NULL && is->version == snapshot_version(after)
		    && is_ours_alone(n, a, was, is))
			notify_note_put(n->ours, &n->ours_next, a, is->id, is->version);
		else if (note == NULL
		    || (note->version != NOTIFY_ANY_VERSION
			&& (is == NULL || note->version != is->version)))
			is_all_ours = false;
	}
	if (!is_all_ours)
		return;
	snapshot_unref(w->known);
	w->known = snapshot_ref((struct snapshot *)after);
	for (size_t i = 0; i < NOTIFY_NOTES; i++) {
		if (n->ours[i].account == account_id(a).v)
			n->ours[i].mailbox = 0;
	}
}

void
notify_take_own_messages(struct session *s, struct rangeset *uids)
{
	RANGESET_CLEAN struct rangeset left = RANGESET_NONE;
	struct notify *n = s->notify;

	n->mailbox_version = 0;
	if (rangeset_is_empty(&n->own_messages))
		return;
	rangeset_subtract(&left, uids, &n->own_messages);
	rangeset_copy(uids, &left);
	rangeset_done(&n->own_messages);
}
