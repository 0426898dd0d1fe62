/* select.c - see select.h. */
#include "imap/select.h"

void
imap_select_done(struct imap_select *sel)
{
	rangeset_done(&sel->known_uids);
	rangeset_done(&sel->match_seqs);
	rangeset_done(&sel->match_uids);
}

/* A set of plain numbers: RFC 7162 7 known-uids, known-sequence-set. No "*" and no "$". */
static bool
take_known(struct imap_scan *s, struct rangeset *out)
{
	struct seqset set;

	if (!imap_scan_seqset(s, &set))
		return false;
	if (set.has_star || set.has_saved)
		return imap_scan_fail(s, ERR_SYNTAX, "a set of numbers without * and $");
	seqset_resolve(&set, 0, NULL, out);
	return true;
}

/* "(" known-sequence-set SP known-uid-set ")" */
static bool
take_match(struct imap_scan *s, struct imap_select *out)
{
	out->has_seq_match = true;
	if (!imap_scan_chr(s, '(') || !take_known(s, &out->match_seqs) || !imap_scan_sp(s)
	    || !take_known(s, &out->match_uids) || !imap_scan_chr(s, ')'))
		return false;
	if (rangeset_count(&out->match_seqs) != rangeset_count(&out->match_uids))
		return imap_scan_fail(s, ERR_SYNTAX, "as many UIDs as sequence numbers");
	return true;
}

/* "(" uidvalidity SP modseq [SP known-uids] [SP match-data] ")" */
static bool
take_qresync(struct imap_scan *s, struct imap_select *out)
{
	out->is_qresync = true;
	if (!imap_scan_sp(s) || !imap_scan_chr(s, '(') || !imap_scan_nz_number(s, &out->uidvalidity)
	    || !imap_scan_sp(s) || !imap_scan_modseq(s, &out->modseq))
		return false;
	if (imap_scan_at(s, ' ')) {
		if (!imap_scan_sp(s))
			return false;
		if (!imap_scan_at(s, '(')) {
			out->has_known_uids = true;
			if (!take_known(s, &out->known_uids))
				return false;
			if (imap_scan_at(s, ' ') && (!imap_scan_sp(s) || !take_match(s, out)))
				return false;
		} else if (!take_match(s, out)) {
			return false;
		}
	}
	return imap_scan_chr(s, ')');
}

static bool
take_parameters(struct imap_scan *s, struct imap_select *out)
{
	bool is_first = true;

	if (!imap_scan_sp(s) || !imap_scan_list_open(s))
		return false;
	while (imap_scan_list_more(s, &is_first)) {
		if (imap_scan_try_atom(s, STR("CONDSTORE"))) {
			out->is_condstore = true;
			continue;
		}
		if (imap_scan_try_atom(s, STR("ANNOTATE"))) {
			out->is_annotate = true;
			continue;
		}
		if (out->is_qresync || !imap_scan_try_atom(s, STR("QRESYNC")))
			return imap_scan_fail(s, ERR_SYNTAX, "CONDSTORE, QRESYNC or ANNOTATE");
		if (!take_qresync(s, out))
			return false;
	}
	if (is_first)
		return imap_scan_fail(s, ERR_SYNTAX, "CONDSTORE or QRESYNC");
	return imap_scan_err(s) == ERR_OK;
}

enum err
imap_select_parse(struct imap_scan *s, struct imap_select *out)
{
	*out = (struct imap_select){ 0 };
	if (!imap_scan_mailbox(s, &out->mailbox))
		return imap_scan_err(s);
	if (!imap_scan_is_end(s) && !take_parameters(s, out))
		return imap_scan_err(s);
	if (!imap_scan_end(s))
		return imap_scan_err(s);
	return ERR_OK;
}
