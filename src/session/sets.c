/* sets.c - from the sets that clients write to UIDs of the view (RFC 9051 9: sequence-set; RFC 5182: "$"). */
#include "session/session.h"

/*
 * Between two messages of the view there is no third, so a range of sequence numbers is the range between the UIDs of its
 * ends.
 */
static enum err
seqs_to_uids(struct session *s, const struct rangeset *seqs, struct rangeset *uids_out)
{
	for (size_t i = 0; i < seqs->n; i++) {
		struct uid first, last;

		if (!view_uid(s->view, (struct seqnum){ seqs->r[i].first }, &first) ||
		    !view_uid(s->view, (struct seqnum){ seqs->r[i].last }, &last))
			return ERR_SYNTAX;
		rangeset_add(uids_out, first.v, last.v);
	}
	return ERR_OK;
}

enum err
session_uids(struct session *s, const struct seqset *set, bool is_uid, struct rangeset *uids_out)
{
	RANGESET_CLEAN struct rangeset numbers = RANGESET_NONE;
	RANGESET_CLEAN struct rangeset uids = RANGESET_NONE;
	uint32_t exists = view_exists(s->view);
	enum err e;

	if (is_uid) {
		seqset_resolve(set, view_last_uid(s->view).v, &s->saved, uids_out);
		return ERR_OK;
	}
	/* "*" of an empty mailbox names no message: BAD, as is any number above EXISTS (RFC 9051 9, seq-number). */
	if (set->has_star && exists == 0)
		return ERR_SYNTAX;
	seqset_resolve(set, exists, &RANGESET_NONE, &numbers);
	e = seqs_to_uids(s, &numbers, &uids);
	if (e != ERR_OK)
		return e;
	/* What was saved are UIDs already; those that are gone name nothing. */
	rangeset_union(uids_out, &uids, set->has_saved ? &s->saved : &RANGESET_NONE);
	return ERR_OK;
}
