/* append.c - see append.h. */
#include "imap/append.h"

enum err
imap_append_open(struct imap_scan *s, struct str *mailbox_out)
{
	struct str name;

	if (imap_scan_mailbox(s, &name) && imap_scan_sp(s))
		*mailbox_out = name;
	return imap_scan_err(s);
}

/* The "{n}" of a message or a part; behind "UTF8" with "(" before it. */
static bool
take_literal(struct imap_scan *s, bool is_utf8, struct imap_literal *out)
{
	if (is_utf8 && (!imap_scan_sp(s) || !imap_scan_chr(s, '(')))
		return false;
	if (!imap_scan_literal_open(s, out))
		return false;
	return !is_utf8 || out->is_binary || imap_scan_fail(s, ERR_SYNTAX, "a literal8 in UTF8 ()");
}

enum err
imap_append_message(struct imap_scan *s, struct imap_append_message *out)
{
	struct imap_append_message m = { 0 };

	if (imap_scan_at(s, '(') && (!imap_scan_flag_list(s, &m.flags) || !imap_scan_sp(s)))
		return imap_scan_err(s);
	if (imap_scan_at(s, '"')) {
		m.has_date = true;
		if (!imap_scan_datetime(s, &m.date) || !imap_scan_sp(s))
			return imap_scan_err(s);
	}
	m.has_annotation = imap_scan_try_atom(s, STR("ANNOTATION"));
	if (m.has_annotation
	    && (!imap_scan_sp(s) || !imap_annotate_store(s, &m.annotation) || !imap_scan_sp(s)))
		return imap_scan_err(s);
	m.is_catenate = imap_scan_try_atom(s, STR("CATENATE"));
	if (m.is_catenate && (!imap_scan_sp(s) || !imap_scan_chr(s, '(')))
		return imap_scan_err(s);
	m.is_utf8 = !m.is_catenate && imap_scan_try_atom(s, STR("UTF8"));
	if (!m.is_catenate && !take_literal(s, m.is_utf8, &m.literal))
		return imap_scan_err(s);
	*out = m;
	return ERR_OK;
}

enum err
imap_append_part(struct imap_scan *s, struct imap_append_part *out)
{
	struct imap_append_part p = { 0 };

	if (imap_scan_err(s) != ERR_OK)
		return imap_scan_err(s);
	p.is_url = imap_scan_try_atom(s, STR("URL"));
	if (p.is_url) {
		struct imap_scan ahead;

		if (!imap_scan_sp(s))
			return imap_scan_err(s);
		ahead = *s;
		if (imap_scan_at(s, '{') && imap_scan_literal_open(&ahead, &p.literal))
			return ERR_EXISTS;
		if (!imap_scan_astring(s, &p.url))
			return imap_scan_err(s);
		*out = p;
		return ERR_OK;
	}
	p.is_utf8 = imap_scan_try_atom(s, STR("UTF8"));
	if (!p.is_utf8 && (!imap_scan_try_atom(s, STR("TEXT")) || !imap_scan_sp(s))) {
		imap_scan_fail(s, ERR_SYNTAX, "TEXT, URL or UTF8");
		return imap_scan_err(s);
	}
	if (!take_literal(s, p.is_utf8, &p.literal))
		return imap_scan_err(s);
	*out = p;
	return ERR_OK;
}

enum err
imap_append_next_part(struct imap_scan *s, bool was_utf8, bool *has_more_out)
{
	bool has_more;

	if (was_utf8 && !imap_scan_chr(s, ')'))
		return imap_scan_err(s);
	has_more = imap_scan_err(s) == ERR_OK && !imap_scan_try_chr(s, ')');
	if (has_more && !imap_scan_sp(s))
		return imap_scan_err(s);
	*has_more_out = has_more;
	return imap_scan_err(s);
}

enum err
imap_append_next(struct imap_scan *s, bool was_utf8, bool *has_more_out)
{
	bool has_more;

	if (was_utf8 && !imap_scan_chr(s, ')'))
		return imap_scan_err(s);
	/*
	 * Nothing but spaces is the end: a message that was sent in whole is not refused for them.
	 */
	has_more = str_trim(str_sub(s->in, s->at, s->in.n)).n > 0;
	if (has_more && !imap_scan_sp(s))
		return imap_scan_err(s);
	*has_more_out = has_more;
	return ERR_OK;
}
