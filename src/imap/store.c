/* store.c - see store.h. */
#include "imap/store.h"

static bool
take_modifiers(struct imap_scan *s, struct imap_store *out)
{
	bool is_first = true;

	if (!imap_scan_list_open(s))
		return false;
	while (imap_scan_list_more(s, &is_first)) {
		if (!imap_scan_try_atom(s, STR("UNCHANGEDSINCE")))
			return imap_scan_fail(s, ERR_SYNTAX, "UNCHANGEDSINCE");
		out->has_unchangedsince = true;
		if (!imap_scan_sp(s) || !imap_scan_modseq(s, &out->unchangedsince))
			return false;
	}
	if (is_first)
		return imap_scan_fail(s, ERR_SYNTAX, "UNCHANGEDSINCE");
	return imap_scan_err(s) == ERR_OK && imap_scan_sp(s);
}

/* "+FLAGS.SILENT". */
static bool
take_item(struct imap_scan *s, struct imap_store *out)
{
	if (imap_scan_try_chr(s, '+'))
		out->mode = STORE_ADD;
	else if (imap_scan_try_chr(s, '-'))
		out->mode = STORE_REMOVE;
	else
		out->mode = STORE_REPLACE;
	if (imap_scan_try_atom(s, STR("FLAGS")))
		return true;
	out->is_silent = true;
	return imap_scan_try_atom(s, STR("FLAGS.SILENT"))
	    || imap_scan_fail(s, ERR_SYNTAX, "FLAGS, FLAGS.SILENT or ANNOTATION");
}

enum err
imap_store_parse(struct imap_scan *s, struct imap_store *out)
{
	struct imap_store store = { 0 };

	if (imap_scan_err(s) != ERR_OK || (imap_scan_at(s, '(') && !take_modifiers(s, &store)))
		return imap_scan_err(s);
	if (imap_scan_try_atom(s, STR("ANNOTATION"))) {
		store.is_annotation = store.is_silent = true;
		if (!imap_scan_sp(s) || !imap_annotate_store(s, &store.annotation)
		    || !imap_scan_end(s))
			return imap_scan_err(s);
		*out = store;
		return ERR_OK;
	}
	if (!take_item(s, &store) || !imap_scan_sp(s) || !imap_scan_store_flags(s, &store.flags)
	    || !imap_scan_end(s))
		return imap_scan_err(s);
	*out = store;
	return ERR_OK;
}
