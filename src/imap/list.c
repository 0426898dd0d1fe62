/* list.c - see list.h. */
#include "imap/list.h"

#include "imap/utf7.h"

/* An option's name and bit. */
struct option {
	struct str name;
	unsigned bit;
};

static const struct option select_options[] = {
	{ STR_INIT("SUBSCRIBED"), LIST_SELECT_SUBSCRIBED },
	{ STR_INIT("REMOTE"), LIST_SELECT_REMOTE },
	{ STR_INIT("RECURSIVEMATCH"), LIST_SELECT_RECURSIVEMATCH },
	{ STR_INIT("SPECIAL-USE"), LIST_SELECT_SPECIAL_USE },
};

static const struct option return_options[] = {
	{ STR_INIT("SUBSCRIBED"), LIST_RETURN_SUBSCRIBED },
	{ STR_INIT("CHILDREN"), LIST_RETURN_CHILDREN },
	{ STR_INIT("SPECIAL-USE"), LIST_RETURN_SPECIAL_USE },
	{ STR_INIT("STATUS"), LIST_RETURN_STATUS },
	{ STR_INIT("MYRIGHTS"), LIST_RETURN_MYRIGHTS },
	{ STR_INIT("METADATA"), LIST_RETURN_METADATA },
};

/* One option of the table, its bit added. */
static bool
take_option(struct imap_scan *s, const struct option *options, size_t n, const char *expected,
    unsigned *bit_out)
{
	for (size_t i = 0; i < n; i++) {
		if (imap_scan_try_atom(s, options[i].name)) {
			*bit_out = options[i].bit;
			return true;
		}
	}
	return imap_scan_fail(s, ERR_SYNTAX, expected);
}

/* "(SUBSCRIBED RECURSIVEMATCH)" and the space behind it, if it is there. */
static bool
take_selection(struct imap_scan *s, struct imap_list *out)
{
	unsigned bit = 0;

	if (!imap_scan_at(s, '('))
		return imap_scan_err(s) == ERR_OK;
	out->is_extended = true;
	if (!imap_scan_list_open(s))
		return false;
	for (bool is_first = true; imap_scan_list_more(s, &is_first);) {
		if (!take_option(s, select_options, ARRAY_LEN(select_options), "a selection option",
			&bit))
			return false;
		out->select |= bit;
	}
	if ((out->select & LIST_SELECT_RECURSIVEMATCH) != 0
	    && (out->select & ~(unsigned)LIST_SELECT_REMOTE) == LIST_SELECT_RECURSIVEMATCH)
		return imap_scan_fail(s, ERR_SYNTAX, "an option that RECURSIVEMATCH can follow");
	return imap_scan_sp(s);
}

/*
 * A pattern behind its reference. One that no name can match is passed over in silence (RFC 9051
 * 6.3.9).
 */
static bool
take_pattern(struct imap_scan *s, struct imap_list *out)
{
	struct str raw, pattern;

	if (!imap_scan_list_mailbox(s, &raw))
		return false;
	if (!str_is_utf8(raw))
		return imap_scan_fail(s, ERR_SYNTAX, "a mailbox pattern in UTF-8 before here");
	if (raw.n > LIST_PATTERN_BYTES_MAX)
		return imap_scan_fail(s, ERR_LIMIT, "a mailbox pattern");
	if (out->n_patterns == LIST_PATTERNS_MAX)
		return imap_scan_fail(s, ERR_LIMIT, "mailbox patterns");
	if (imap_name_decode_pattern(s->arena, raw, s->is_utf8, &pattern) != ERR_OK)
		return true;
	if (out->patterns == NULL)
		out->patterns = arena_array(s->arena, struct str, LIST_PATTERNS_MAX);
	out->is_root_query = out->n_patterns == 0 && pattern.n == 0;
	/*
	 * A pattern that begins with the separator is not absolute here: one hierarchy, names never
	 * begin with it.
	 */
	if (out->reference.n > 0 && pattern.n > 0)
		pattern = arena_printf(s->arena, "%.*s%.*s", STR_F(out->reference), STR_F(pattern));
	out->patterns[out->n_patterns++] = pattern;
	return true;
}

static bool
take_patterns(struct imap_scan *s, struct imap_list *out)
{
	bool is_first = true;

	if (!imap_scan_at(s, '('))
		return take_pattern(s, out);
	out->is_extended = true;
	if (!imap_scan_list_open(s))
		return false;
	while (imap_scan_list_more(s, &is_first)) {
		if (!take_pattern(s, out))
			return false;
	}
	if (imap_scan_err(s) == ERR_OK && is_first)
		return imap_scan_fail(s, ERR_SYNTAX, "a mailbox pattern");
	return imap_scan_err(s) == ERR_OK;
}

/* "RETURN (CHILDREN STATUS (MESSAGES))", if it is there. */
static bool
take_return(struct imap_scan *s, struct imap_list *out)
{
	unsigned bit = 0;

	if (imap_scan_is_end(s))
		return true;
	out->is_extended = true;
	if (!imap_scan_sp(s))
		return false;
	if (!imap_scan_try_atom(s, STR("RETURN")))
		return imap_scan_fail(s, ERR_SYNTAX, "RETURN");
	if (!imap_scan_sp(s) || !imap_scan_list_open(s))
		return false;
	for (bool is_first = true; imap_scan_list_more(s, &is_first);) {
		if (!take_option(s, return_options, ARRAY_LEN(return_options), "a return option",
			&bit))
			return false;
		out->returns |= bit;
		if (bit == LIST_RETURN_STATUS
		    && (!imap_scan_sp(s) || !imap_status_items(s, &out->status_items)))
			return false;
		if (bit == LIST_RETURN_METADATA
		    && (!imap_scan_sp(s) || !imap_metadata_entries(s, &out->metadata)))
			return false;
	}
	return imap_scan_err(s) == ERR_OK;
}

static bool
take_reference(struct imap_scan *s, struct imap_list *out)
{
	struct str raw;
	enum err e;

	if (!imap_scan_astring(s, &raw))
		return false;
	if (raw.n > LIST_PATTERN_BYTES_MAX)
		return imap_scan_fail(s, ERR_LIMIT, "a reference name");
	e = imap_name_decode_pattern(s->arena, raw, s->is_utf8, &out->reference);
	return (e == ERR_OK || imap_scan_fail(s, e, "a reference name")) && imap_scan_sp(s);
}

enum err
imap_list_parse(struct imap_scan *s, struct imap_list *out)
{
	struct imap_list list = { 0 };

	if (!take_selection(s, &list) || !take_reference(s, &list) || !take_patterns(s, &list)
	    || !take_return(s, &list) || !imap_scan_end(s))
		return imap_scan_err(s);
	/* With any option the empty pattern is no question, and names nothing (RFC 5258 3). */
	list.is_root_query = list.is_root_query && !list.is_extended;
	*out = list;
	return ERR_OK;
}

enum err
imap_list_parse_plain(struct imap_scan *s, struct imap_list *out)
{
	struct imap_list list = { 0 };

	if (!take_reference(s, &list) || !take_pattern(s, &list) || !imap_scan_end(s))
		return imap_scan_err(s);
	*out = list;
	return ERR_OK;
}
