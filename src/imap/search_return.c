/* search_return.c - what SEARCH, SORT and ESEARCH are to return: RETURN (...). */
#include "imap/search.h"

#include "imap/fetch.h"
#include "imap/scan.h"

bool
imap_search_partial(struct imap_scan *s, struct imap_partial *out)
{
	struct imap_partial p = { .is_from_end = imap_scan_try_chr(s, '-') };

	if (!imap_scan_nz_number(s, &p.first) || !imap_scan_chr(s, ':')
	    || (p.is_from_end && !imap_scan_chr(s, '-')) || !imap_scan_nz_number(s, &p.last))
		return false;
	/* 500:400 is the same as 400:500. */
	*out = (struct imap_partial){ .is_from_end = p.is_from_end,
		.first = MIN(p.first, p.last),
		.last = MAX(p.first, p.last),
		.is_turned = p.first > p.last };
	return true;
}

/*
 * UPDATE ["(" fetch-att *(SP fetch-att) ")"], with a space as in the examples, or without as in the
 * grammar (RFC 5465 7, 8).
 */
static bool
take_update_items(struct imap_scan *s, struct imap_search *out)
{
	struct imap_fetch items = { 0 };
	size_t from = s->at;

	if (from < s->in.n && s->in.p[from] == ' ')
		from++;
	if (from == s->in.n || s->in.p[from] != '(')
		return true;
	s->at = from;
	if (!imap_fetch_items(s, &items))
		return false;
	out->update_items = str_sub(s->in, from, s->at);
	return true;
}

static bool
take_return_option(struct imap_scan *s, struct imap_search *out)
{
	static const struct {
		struct str name;
		unsigned bit;
	} options[] = {
		{ STR_INIT("MIN"), RETURN_MIN },
		{ STR_INIT("MAX"), RETURN_MAX },
		{ STR_INIT("ALL"), RETURN_ALL },
		{ STR_INIT("COUNT"), RETURN_COUNT },
		{ STR_INIT("SAVE"), RETURN_SAVE },
		{ STR_INIT("PARTIAL"), RETURN_PARTIAL },
		{ STR_INIT("RELEVANCY"), RETURN_RELEVANCY },
		{ STR_INIT("CONTEXT"), RETURN_CONTEXT },
		{ STR_INIT("UPDATE"), RETURN_UPDATE },
	};

	const unsigned lists = RETURN_ALL | RETURN_PARTIAL;
	size_t i = 0;

	while (i < ARRAY_LEN(options) && !imap_scan_try_atom(s, options[i].name))
		i++;
	if (i == ARRAY_LEN(options))
		return imap_scan_fail(s, ERR_SYNTAX,
		    "MIN, MAX, ALL, COUNT, SAVE, PARTIAL, RELEVANCY, CONTEXT or UPDATE");
	/* One PARTIAL, or one ALL, or neither (RFC 9394 3.1). */
	if ((options[i].bit & lists) != 0 && (out->returns & lists & ~(unsigned)RETURN_ALL) != 0)
		return imap_scan_fail(s, ERR_SYNTAX, "only one PARTIAL or ALL");
	if (options[i].bit == RETURN_PARTIAL && (out->returns & RETURN_ALL) != 0)
		return imap_scan_fail(s, ERR_SYNTAX, "only one PARTIAL or ALL");
	out->returns |= options[i].bit;
	if (options[i].bit == RETURN_UPDATE)
		return take_update_items(s, out);
	return options[i].bit != RETURN_PARTIAL
	    || (imap_scan_sp(s) && imap_search_partial(s, &out->partial));
}

bool
imap_search_return(struct imap_scan *s, struct imap_search *out)
{
	if (!imap_scan_try_atom(s, STR("RETURN")))
		return imap_scan_err(s) == ERR_OK;
	out->has_return = true;
	if (!imap_scan_sp(s) || !imap_scan_list_open(s))
		return false;
	for (bool is_first = true; imap_scan_list_more(s, &is_first);) {
		if (!take_return_option(s, out))
			return false;
	}
	if (imap_scan_err(s) != ERR_OK)
		return false;
	if (out->returns == 0)
		out->returns = RETURN_ALL;
	return imap_scan_sp(s);
}
