/* search_filter.c - FILTER (RFC 5466): from there on the words are those of the filter. */
#include "imap/search_int.h"

bool
imap_filter_is_name(struct str name)
{
	if (name.n == 0 || name.n > SEARCH_FILTER_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (!imap_is_atom_char(name.p[i]) || name.p[i] == '/')
			return false;
	return true;
}

/*
 * One that is not there, or names itself, or is no program: all the same to who searches (RFC 5466
 * 3.1).
 */
static bool
no_filter(struct search_parser *p, struct str name)
{
	p->s->error_name = name;
	return imap_scan_fail(p->s, ERR_NOFILTER, NULL);
}

/*
 * From here on the words are those of the filter. They are a program by themselves, so what they
 * open they close.
 */
static bool
enter_filter(struct search_parser *p, struct str name)
{
	const struct imap_filters *known = p->s->filters;
	struct imap_scan *in;
	struct str value;

	if (p->n_filters == SEARCH_FILTER_DEPTH_MAX || known == NULL
	    || !known->find(known->ctx, name, &value))
		return no_filter(p, name);
	for (size_t i = 0; i < p->n_filters; i++)
		if (str_eq_nocase(p->filters[i].name, name))
			return no_filter(p, name);
	if (value.n > SEARCH_FILTERS_MAX_BYTES - p->filter_bytes)
		return imap_scan_fail(p->s, ERR_LIMIT, "filters");
	p->filter_bytes += value.n;
	if (!imap_filter_is_valid(p->s->arena, value))
		return no_filter(p, name);
	in = arena_new(p->s->arena, struct imap_scan);
	imap_scan_init(in, p->s->arena, value, true);
	in->filters = known;
	p->filters[p->n_filters++] = (struct open_filter){ name, p->s };
	p->s = in;
	return true;
}

void
search_filters_leave(struct search_parser *p)
{
	while (p->n_filters > 0 && imap_scan_is_end(p->s))
		p->s = p->filters[--p->n_filters].outer;
}

bool
search_filter_take(struct search_parser *p)
{
	struct str name;

	if (!imap_scan_sp(p->s) || !imap_scan_atom(p->s, &name))
		return false;
	if (!imap_filter_is_name(name))
		return imap_scan_fail(p->s, ERR_SYNTAX, "the name of a filter");
	if (p->charset != NULL)
		return imap_scan_fail(p->s, ERR_FILTERCHARSET, NULL);
	return p->is_check || enter_filter(p, name);
}
