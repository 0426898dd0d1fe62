/* sort.c - see sort.h. */
#include "imap/sort.h"

static const struct {
	struct str name;
	enum imap_sort_key key;
} keys[] = {
	{ STR_INIT("ANNOTATION"), SORT_ANNOTATION },
	{ STR_INIT("ARRIVAL"), SORT_ARRIVAL },
	{ STR_INIT("CC"), SORT_CC },
	{ STR_INIT("DATE"), SORT_DATE },
	{ STR_INIT("DISPLAYFROM"), SORT_DISPLAYFROM },
	{ STR_INIT("DISPLAYTO"), SORT_DISPLAYTO },
	{ STR_INIT("FROM"), SORT_FROM },
	{ STR_INIT("RELEVANCY"), SORT_RELEVANCY },
	{ STR_INIT("SIZE"), SORT_SIZE },
	{ STR_INIT("SUBJECT"), SORT_SUBJECT },
	{ STR_INIT("TO"), SORT_TO },
};

static bool
add_criterion(struct imap_scan *s, struct imap_sort *out, struct imap_sort_criterion c)
{
	for (size_t i = 0; i < out->n; i++) {
		const struct imap_sort_criterion *have = &out->criteria[i];

		if (have->key == c.key
		    && (c.key != SORT_ANNOTATION
			|| (str_eq(have->entry, c.entry) && have->is_shared == c.is_shared)))
			return true;
	}
	if (out->n == SORT_CRITERIA_MAX)
		return imap_scan_fail(s, ERR_LIMIT, "fewer annotations");
	out->criteria[out->n++] = c;
	return true;
}

static bool
take_criteria(struct imap_scan *s, struct imap_sort *out)
{
	if (!imap_scan_list_open(s))
		return false;
	for (bool is_first = true; imap_scan_list_more(s, &is_first);) {
		struct imap_sort_criterion c = { .is_reverse =
						     imap_scan_try_atom(s, STR("REVERSE")) };
		size_t i = 0;

		if (c.is_reverse && !imap_scan_sp(s))
			return false;
		while (i < ARRAY_LEN(keys) && !imap_scan_try_atom(s, keys[i].name))
			i++;
		if (i == ARRAY_LEN(keys))
			return imap_scan_fail(s, ERR_SYNTAX, "a sort key");
		c.key = keys[i].key;
		if (c.key == SORT_ANNOTATION
		    && (!imap_scan_sp(s) || !imap_annotate_sort(s, &c.entry, &c.is_shared)))
			return false;
		if (!add_criterion(s, out, c))
			return false;
	}
	if (imap_scan_err(s) == ERR_OK && out->n == 0)
		imap_scan_fail(s, ERR_SYNTAX, "a sort key");
	return imap_scan_err(s) == ERR_OK;
}

/* SP charset SP keys */
static bool
take_search(struct imap_scan *s, struct imap_search *out)
{
	struct str charset;

	out->has_charset = out->is_charset_needed = true;
	return imap_scan_sp(s) && imap_scan_astring(s, &charset) && imap_scan_sp(s)
	    && imap_search_program(s, charset, out);
}

enum err
imap_sort_parse(struct imap_scan *s, struct imap_sort *out)
{
	*out = (struct imap_sort){ 0 };
	if (!imap_search_return(s, &out->search) || !take_criteria(s, out)
	    || !take_search(s, &out->search))
		return imap_scan_err(s);
	for (size_t i = 0; i < out->n; i++)
		if (out->criteria[i].key == SORT_RELEVANCY && !out->search.has_fuzzy)
			imap_scan_fail(s, ERR_SYNTAX, "FUZZY together with RELEVANCY");
	return imap_scan_err(s);
}

enum err
imap_thread_parse(struct imap_scan *s, struct imap_thread *out)
{
	*out = (struct imap_thread){ 0 };
	if (imap_scan_try_atom(s, STR("ORDEREDSUBJECT")))
		out->algorithm = THREAD_ORDEREDSUBJECT;
	else if (imap_scan_try_atom(s, STR("REFERENCES")))
		out->algorithm = THREAD_REFERENCES;
	else if (imap_scan_try_atom(s, STR("REFS")))
		out->algorithm = THREAD_REFS;
	else
		imap_scan_fail(s, ERR_SYNTAX, "ORDEREDSUBJECT, REFERENCES or REFS");
	if (imap_scan_err(s) != ERR_OK || !take_search(s, &out->search))
		return imap_scan_err(s);
	return ERR_OK;
}
