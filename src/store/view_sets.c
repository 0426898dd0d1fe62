/*
 * view_sets.c - from the sets that clients write to UIDs of a view (RFC 9051 9: sequence-set; RFC
 * 5182: "$").
 */
#include "imap/seqset.h"
#include "store/view.h"

/*
 * Between two neighbours of the view there is no third message, so a range of sequence numbers is
 * the range between the UIDs of its ends.
 */
static enum err
seqs_to_uids(const struct view *v, const struct rangeset *seqs, struct rangeset *uids_out)
{
	for (size_t i = 0; i < seqs->n; i++) {
		struct uid first, last;

		if (!view_uid(v, (struct seqnum){ seqs->r[i].first }, &first)
		    || !view_uid(v, (struct seqnum){ seqs->r[i].last }, &last))
			return ERR_SYNTAX;
		rangeset_add(uids_out, first.v, last.v);
	}
	return ERR_OK;
}

enum err
view_resolve(const struct view *v, const struct seqset *set, bool is_uid,
    const struct rangeset *saved, struct rangeset *uids_out)
{
	RANGESET_CLEAN struct rangeset numbers = RANGESET_NONE;
	RANGESET_CLEAN struct rangeset uids = RANGESET_NONE;
	const struct rangeset none = RANGESET_NONE;
	uint32_t exists = view_exists(v);
	enum err e;

	if (saved == NULL)
		saved = &none;
	if (is_uid) {
		seqset_resolve(set, view_last_uid(v).v, saved, uids_out);
		return ERR_OK;
	}
	/*
	 * Clients ask for 1:* of empty mailboxes. By the letter it is BAD (RFC 9051 9 seq-number);
	 * it names nothing.
	 */
	if (!set->has_star || exists > 0)
		seqset_resolve(set, exists, &none, &numbers);
	e = seqs_to_uids(v, &numbers, &uids);
	if (e != ERR_OK)
		return e;
	/* What was saved are UIDs already; those that are gone name nothing. */
	rangeset_union(uids_out, &uids, set->has_saved ? saved : &none);
	return ERR_OK;
}
