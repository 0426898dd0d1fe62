/* metadata.c - see metadata.h. */
#include "imap/metadata.h"

#include "imap/utf7.h"

/*
 * Scope, and what follows it: a whole name of an entry has two levels at least, one of a vendor
 * four (RFC 5464 3.2).
 */
static bool
is_good_entry(struct str name, bool is_whole)
{
	unsigned levels = 0;

	if (name.n == 0 || name.n > METADATA_NAME_MAX || name.p[0] != '/'
	    || name.p[name.n - 1] == '/')
		return false;
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];

		if (c < 0x20 || c >= 0x7F || c == '*' || c == '%'
		    || (c == '/' && name.p[i + 1] == '/'))
			return false;
		levels += c == '/';
	}
	if (!imap_metadata_covers(STR("/private"), METADATA_DEPTH_INFINITY, name)
	    && !imap_metadata_covers(STR("/shared"), METADATA_DEPTH_INFINITY, name))
		return false;
	if (!is_whole)
		return true;
	if (imap_metadata_covers(STR("/private/vendor"), METADATA_DEPTH_INFINITY, name)
	    || imap_metadata_covers(STR("/shared/vendor"), METADATA_DEPTH_INFINITY, name))
		return levels >= 4;
	return levels >= 2;
}

static bool
take_entry(struct imap_scan *s, struct imap_metadata *out, bool is_whole)
{
	struct str name;

	if (!imap_scan_astring(s, &name))
		return false;
	if (!is_good_entry(name, is_whole))
		return imap_scan_fail(s, ERR_SYNTAX, "the name of an entry before here");
	if (out->count == METADATA_ENTRIES_MAX)
		return imap_scan_fail(s, ERR_LIMIT, "fewer entries");
	if ((out->count & (out->count - 1)) == 0) { /* 0, 1, 2, 4, …: full */
		struct metadata_entry *more = arena_array(s->arena, struct metadata_entry,
		    out->count == 0 ? 1 : out->count * 2);

		if (out->count != 0)
			memcpy(more, out->entries, out->count * sizeof(*more));
		out->entries = more;
	}
	out->entries[out->count++] = (struct metadata_entry){ .name = name };
	return true;
}

bool
imap_metadata_entries(struct imap_scan *s, struct imap_metadata *out)
{
	if (!imap_scan_list_open(s))
		return false;
	for (bool is_first = true; imap_scan_list_more(s, &is_first);) {
		if (!take_entry(s, out, false))
			return false;
	}
	if (imap_scan_err(s) == ERR_OK && out->count == 0)
		return imap_scan_fail(s, ERR_SYNTAX, "an entry");
	return imap_scan_err(s) == ERR_OK;
}

static bool
take_depth(struct imap_scan *s, unsigned *depth_out)
{
	uint32_t n;

	if (imap_scan_try_atom(s, STR("infinity"))) {
		*depth_out = METADATA_DEPTH_INFINITY;
		return true;
	}
	if (!imap_scan_number(s, &n))
		return false;
	*depth_out = n;
	return n <= 1 || imap_scan_fail(s, ERR_SYNTAX, "0, 1 or infinity");
}

static bool
take_options(struct imap_scan *s, struct imap_metadata *out)
{
	if (!imap_scan_list_open(s))
		return false;
	for (bool is_first = true; imap_scan_list_more(s, &is_first);) {
		if (imap_scan_try_atom(s, STR("MAXSIZE"))) {
			if (!imap_scan_sp(s) || !imap_scan_number(s, &out->maxsize))
				return false;
			out->has_maxsize = true;
		} else if (imap_scan_try_atom(s, STR("DEPTH"))) {
			if (!imap_scan_sp(s) || !take_depth(s, &out->depth))
				return false;
		} else {
			return imap_scan_fail(s, ERR_SYNTAX, "MAXSIZE or DEPTH");
		}
	}
	return imap_scan_err(s) == ERR_OK;
}

/* A mailbox, or the server: the empty name. */
static bool
take_mailbox(struct imap_scan *s, struct imap_metadata *out)
{
	struct str raw;
	enum err e;

	if (!imap_scan_astring(s, &raw))
		return false;
	out->is_server = raw.n == 0;
	if (out->is_server)
		return true;
	if (!str_is_utf8(raw))
		return imap_scan_fail(s, ERR_SYNTAX, "a mailbox name in UTF-8 before here");
	e = imap_name_decode(s->arena, raw, s->is_utf8, &out->mailbox);
	return e == ERR_OK || imap_scan_fail(s, e, "a mailbox name");
}

/* In a list here are options: names of entries begin with a slash. */
static bool
has_options(const struct imap_scan *s)
{
	return imap_scan_at(s, '(') && s->at + 1 < s->in.n && chr_is_alpha(s->in.p[s->at + 1]);
}

enum err
imap_getmetadata_parse(struct imap_scan *s, struct imap_metadata *out)
{
	struct imap_metadata m = { 0 };

	if (imap_scan_at(s, '(') && (!take_options(s, &m) || !imap_scan_sp(s)))
		return imap_scan_err(s);
	if (!take_mailbox(s, &m) || !imap_scan_sp(s))
		return imap_scan_err(s);
	if (has_options(s) && (!take_options(s, &m) || !imap_scan_sp(s)))
		return imap_scan_err(s);
	if (imap_scan_at(s, '(') ? !imap_metadata_entries(s, &m) : !take_entry(s, &m, false))
		return imap_scan_err(s);
	/* several without parentheses: examples of RFC 5464 4.4.1 */
	while (!imap_scan_is_end(s)) {
		if (!imap_scan_sp(s) || !take_entry(s, &m, false))
			return imap_scan_err(s);
	}
	*out = m;
	return ERR_OK;
}

/* value = nstring / literal8 */
static bool
take_value(struct imap_scan *s, struct str *out)
{
	if (imap_scan_at(s, '~') ? !imap_scan_literal8(s, out) : !imap_scan_nstring(s, out))
		return false;
	if (out->p != NULL && out->n == 0)
		*out = STR("");
	return true;
}

enum err
imap_setmetadata_parse(struct imap_scan *s, struct imap_metadata *out)
{
	struct imap_metadata m = { 0 };

	if (!take_mailbox(s, &m) || !imap_scan_sp(s) || !imap_scan_list_open(s))
		return imap_scan_err(s);
	for (bool is_first = true; imap_scan_list_more(s, &is_first);) {
		if (!take_entry(s, &m, true) || !imap_scan_sp(s)
		    || !take_value(s, &m.entries[m.count - 1].value))
			return imap_scan_err(s);
	}
	if (imap_scan_err(s) == ERR_OK && m.count == 0)
		imap_scan_fail(s, ERR_SYNTAX, "an entry");
	if (imap_scan_err(s) != ERR_OK || !imap_scan_end(s))
		return imap_scan_err(s);
	*out = m;
	return ERR_OK;
}

bool
imap_metadata_is_private(struct str entry)
{
	return imap_metadata_covers(STR("/private"), METADATA_DEPTH_INFINITY, entry);
}

bool
imap_metadata_covers(struct str base, unsigned depth, struct str entry)
{
	struct str below;

	if (!str_starts_nocase(entry, base))
		return false;
	if (entry.n == base.n)
		return true;
	if (depth == 0 || entry.p[base.n] != '/')
		return false;
	below = str_sub(entry, base.n + 1, entry.n);
	return depth == METADATA_DEPTH_INFINITY || str_chr(below, '/') == SIZE_MAX;
}
