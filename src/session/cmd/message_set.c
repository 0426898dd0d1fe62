/* message_set.c - see message_set.h. */
#include "session/cmd/message_set.h"

enum err
message_set_scan(struct session *s, struct command *c, struct imap_scan *in,
    struct rangeset *uids_out)
{
	struct seqset set;
	enum err e;

	if (!imap_scan_seqset(in, &set))
		return imap_scan_err(in);
	e = session_uids(s, &set, c->is_uid, uids_out);
	if (e == ERR_SYNTAX)
		c->text = STR("There is no message with this number.");
	return e;
}

/* What a message must have, besides being in the set. */
struct want {
	bool has_since, is_deleted;
	uint64_t since;
};

static bool
next_of_view(const struct view *v, uint32_t from, struct want want, struct entry *out,
    struct seqnum *seq_out)
{
	if (want.has_since)
		return view_next_changed(v, from, want.since, out, seq_out);
	if (want.is_deleted)
		return view_next_flags(v, from, FLAG_DELETED, 0, out, seq_out);
	return view_next(v, from, out, seq_out);
}

/*
 * Goes on to the next member of the set that the view has. Both sides skip what the other does not
 * have, so a set of few messages in a large mailbox costs as little as a set of everything in a
 * small one.
 */
static bool
next(const struct view *v, const struct rangeset *uids, uint32_t from, struct want want,
    struct entry *out, struct seqnum *seq_out)
{
	for (;;) {
		uint32_t at = rangeset_next(uids, from);

		if (at == 0 || !next_of_view(v, at, want, out, seq_out))
			return false;
		if (rangeset_contains(uids, out->uid.v))
			return true;
		from = out->uid.v;
	}
}

bool
message_set_next(const struct view *v, const struct rangeset *uids, uint32_t from,
    struct entry *out, struct seqnum *seq_out)
{
	return next(v, uids, from, (struct want){ 0 }, out, seq_out);
}

bool
message_set_next_changed(const struct view *v, const struct rangeset *uids, uint32_t from,
    uint64_t since, struct entry *out, struct seqnum *seq_out)
{
	return next(v, uids, from, (struct want){ .has_since = true, .since = since }, out,
	    seq_out);
}

bool
message_set_next_deleted(const struct view *v, const struct rangeset *uids, uint32_t from,
    struct entry *out)
{
	return next(v, uids, from, (struct want){ .is_deleted = true }, out, NULL);
}

/* The last message with a UID of at most `from`. */
static bool
previous_of_view(const struct view *v, uint32_t from, struct entry *out, struct seqnum *seq_out)
{
	struct seqnum seq;
	struct uid uid;

	if (!view_next(v, from, out, &seq))
		seq.v = view_exists(v);
	else if (out->uid.v != from)
		seq.v--;
	if (seq.v == 0 || !view_uid(v, seq, &uid) || !view_entry(v, uid, out))
		return false;
	if (seq_out != NULL)
		*seq_out = seq;
	return true;
}

bool
message_set_previous(const struct view *v, const struct rangeset *uids, uint32_t from,
    struct entry *out, struct seqnum *seq_out)
{
	for (;;) {
		size_t i = rangeset_find(uids, from);

		if (i == uids->n || uids->r[i].first > from) {
			if (i == 0)
				return false;
			from = uids->r[--i].last;
		}
		if (!previous_of_view(v, from, out, seq_out))
			return false;
		if (out->uid.v >= uids->r[i].first)
			return true;
		from = out->uid.v;
	}
}

bool
message_set_has_ghosts(const struct view *v, const struct rangeset *uids)
{
	struct entry e;

	if (view_ghosts(v) == 0)
		return false;
	for (uint32_t at = 1; at != 0 && message_set_next(v, uids, at, &e, NULL);
	     at = e.uid.v + 1) {
		if (e.is_ghost)
			return true;
	}
	return false;
}

void
message_set_ranges(const struct view *v, const struct rangeset *uids, struct rangeset *seqs_out)
{
	for (size_t i = 0; i < uids->n; i++) {
		struct range r = uids->r[i];
		struct seqnum first, behind = { view_exists(v) + 1 };
		struct entry e;

		if (!view_next(v, r.first, &e, &first) || e.uid.v > r.last)
			continue;
		if (r.last != UINT32_MAX && !view_next(v, r.last + 1, &e, &behind))
			behind.v = view_exists(v) + 1;
		rangeset_add(seqs_out, first.v, behind.v - 1);
	}
}

void
message_set_to_seqs(const struct view *v, const struct rangeset *uids, struct rangeset *seqs_out)
{
	struct entry e;
	struct seqnum seq;

	for (uint32_t at = 1; at != 0 && message_set_next(v, uids, at, &e, &seq); at = e.uid.v + 1)
		rangeset_add_one(seqs_out, seq.v);
}

struct str
message_set_modseq_code(const struct session *s, struct arena *a)
{
	if ((s->enabled & ENABLED_CONDSTORE) == 0 || s->view == NULL)
		return STR_NONE;
	return arena_printf(a, "HIGHESTMODSEQ %llu",
	    (unsigned long long)view_highestmodseq(s->view));
}
