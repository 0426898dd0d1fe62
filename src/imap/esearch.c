/* esearch.c - see esearch.h. */
#include "imap/esearch.h"

static bool
take_name(struct imap_scan *s, enum imap_source_depth depth, struct imap_source_name ***tail,
    size_t *count)
{
	struct imap_source_name *n;

	if (*count == ESEARCH_NAMES_MAX)
		return imap_scan_fail(s, ERR_LIMIT, "mailbox names");
	++*count;
	n = arena_new(s->arena, struct imap_source_name);
	n->depth = depth;
	**tail = n;
	*tail = &n->next;
	return imap_scan_mailbox(s, &n->name);
}

/* One mailbox, or a list of them. */
static bool
take_names(struct imap_scan *s, enum imap_source_depth depth, struct imap_source_name ***tail,
    size_t *count)
{
	bool is_first = true;

	if (!imap_scan_sp(s))
		return false;
	if (!imap_scan_at(s, '('))
		return take_name(s, depth, tail, count);
	if (!imap_scan_list_open(s))
		return false;
	while (imap_scan_list_more(s, &is_first)) {
		if (!take_name(s, depth, tail, count))
			return false;
	}
	if (imap_scan_err(s) == ERR_OK && is_first)
		imap_scan_fail(s, ERR_SYNTAX, "a mailbox");
	return imap_scan_err(s) == ERR_OK;
}

static bool
take_sources(struct imap_scan *s, struct imap_esearch *out)
{
	static const struct {
		struct str name;
		unsigned bit;
	} words[] = {
		{ STR_INIT("selected"), SOURCE_SELECTED },
		{ STR_INIT("inboxes"), SOURCE_INBOXES },
		{ STR_INIT("personal"), SOURCE_PERSONAL },
		{ STR_INIT("subscribed"), SOURCE_SUBSCRIBED },
	};

	static const struct {
		struct str name;
		enum imap_source_depth depth;
	} trees[] = {
		{ STR_INIT("mailboxes"), SOURCE_MAILBOX },
		{ STR_INIT("subtree-one"), SOURCE_SUBTREE_ONE },
		{ STR_INIT("subtree"), SOURCE_SUBTREE },
	};
	struct imap_source_name **tail = &out->names;
	size_t count = 0;
	bool is_first = true;

	if (!imap_scan_sp(s) || !imap_scan_list_open(s))
		return false;
	while (imap_scan_list_more(s, &is_first)) {
		size_t i = 0, j = 0;

		while (i < ARRAY_LEN(words) && !imap_scan_try_atom(s, words[i].name))
			i++;
		if (i < ARRAY_LEN(words)) {
			out->sources |= words[i].bit;
			continue;
		}
		while (j < ARRAY_LEN(trees) && !imap_scan_try_atom(s, trees[j].name))
			j++;
		if (j == ARRAY_LEN(trees))
			return imap_scan_fail(s, ERR_SYNTAX, "where to search");
		if (!take_names(s, trees[j].depth, &tail, &count))
			return false;
	}
	if (imap_scan_err(s) == ERR_OK && is_first)
		imap_scan_fail(s, ERR_SYNTAX, "where to search");
	return imap_scan_err(s) == ERR_OK && imap_scan_sp(s);
}

enum err
imap_esearch_parse(struct imap_scan *s, struct imap_esearch *out)
{
	enum err e;

	*out = (struct imap_esearch){ 0 };
	if (imap_scan_try_atom(s, STR("IN")) && !take_sources(s, out))
		return imap_scan_err(s);
	if (out->sources == 0 && out->names == NULL)
		out->sources = SOURCE_SELECTED;
	e = imap_search_parse(s, &out->search);
	if (e != ERR_OK)
		return e;
	if (!out->search.has_return)
		out->search.returns = RETURN_ALL;
	/* What is saved is of the selected mailbox (RFC 7377 2.2). */
	if ((out->search.returns & RETURN_SAVE) != 0
	    && (out->sources != SOURCE_SELECTED || out->names != NULL))
		imap_scan_fail(s, ERR_SYNTAX, "SAVE in the selected mailbox only");
	return imap_scan_err(s);
}
