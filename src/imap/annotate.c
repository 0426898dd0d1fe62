/* annotate.c - see annotate.h. */
#include "imap/annotate.h"

bool
imap_annotate_is_pattern(struct str name)
{
	return str_chr(name, '*') != SIZE_MAX || str_chr(name, '%') != SIZE_MAX;
}

/* ---- names ---------------------------------------------------------------------------------- */

/* "1.2" behind the first slash; its length, 0: it is none. */
static size_t
part_of(struct str name, uint32_t path[ANNOTATE_DEPTH_MAX], size_t *count_out)
{
	size_t at = 1, count = 0;

	for (;;) {
		size_t from = at;

		while (at < name.n && chr_is_digit(name.p[at]))
			at++;
		if (at == from || name.p[from] == '0' || count == ANNOTATE_DEPTH_MAX
		    || !str_to_u32(str_sub(name, from, at), &path[count]))
			return 0;
		count++;
		if (at == name.n || name.p[at] != '.')
			break;
		at++;
	}
	*count_out = count;
	return at == name.n || name.p[at] == '/' ? at - 1 : 0;
}

size_t
imap_annotate_part(struct str name, uint32_t path[ANNOTATE_DEPTH_MAX])
{
	size_t count = 0;

	return part_of(name, path, &count) == 0 ? 0 : count;
}

/* The rules of 3.2, and of parts and /flags in 3.2.1. */
static bool
is_name(struct str name)
{
	uint32_t path[ANNOTATE_DEPTH_MAX];
	size_t count;

	if (name.n < 2 || name.n > ANNOTATE_NAME_MAX || name.p[0] != '/'
	    || name.p[name.n - 1] == '/')
		return false;
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];

		if (c < 0x20 || c >= 0x7F || (c == '/' && name.p[i + 1] == '/'))
			return false;
	}
	if (str_eq(name, STR("/flags")) || str_starts(name, STR("/flags/")))
		return false;
	return !chr_is_digit(name.p[1]) || part_of(name, path, &count) != 0;
}

static bool
is_of_vendor(struct str rest)
{
	return str_starts(rest, STR("/vendor/")) && rest.n > 8;
}

/* Whether it is registered, or a vendor's (3.2.1). */
static bool
is_registered(struct str name)
{
	static const struct str flags[] = {
		STR_INIT("/flags/seen"),
		STR_INIT("/flags/answered"),
		STR_INIT("/flags/flagged"),
		STR_INIT("/flags/forwarded"),
	};
	uint32_t path[ANNOTATE_DEPTH_MAX];
	size_t count, part = part_of(name, path, &count);
	struct str rest = part == 0 ? name : str_sub(name, 1 + part, name.n);

	for (size_t i = 0; part != 0 && i < ARRAY_LEN(flags); i++) {
		if (str_eq(rest, flags[i]))
			return true;
	}
	return str_eq(rest, STR("/comment")) || (part == 0 && str_eq(rest, STR("/altsubject")))
	    || is_of_vendor(rest);
}

static bool
is_flag(struct str name)
{
	uint32_t path[ANNOTATE_DEPTH_MAX];
	size_t count, part = part_of(name, path, &count);

	return part != 0 && str_starts(str_sub(name, 1 + part, name.n), STR("/flags/"));
}

/* A pattern may stand for names whatever it begins with. */
static bool
is_pattern(struct str name)
{
	return name.n > 0 && name.n <= ANNOTATE_NAME_MAX && str_is_ascii(name)
	    && str_chr(name, '\0') == SIZE_MAX && memmem(name.p, name.n, "//", 2) == NULL
	    && name.p[name.n - 1] != '/';
}

static bool
take_name(struct imap_scan *s, struct str *out)
{
	if (!imap_scan_astring(s, out))
		return false;
	if (!is_name(*out) || imap_annotate_is_pattern(*out))
		return imap_scan_fail(s, ERR_SYNTAX, "the name of an entry before here");
	return true;
}

static bool
take_match(struct imap_scan *s, struct str *out)
{
	if (!imap_scan_list_mailbox(s, out))
		return false;
	if (imap_annotate_is_pattern(*out) ? !is_pattern(*out) : !is_name(*out))
		return imap_scan_fail(s, ERR_SYNTAX, "the name of an entry before here");
	return true;
}

/* ---- attributes ----------------------------------------------------------------------------- */

static bool
take_attribute(struct imap_scan *s, unsigned *out)
{
	static const struct {
		struct str name;
		unsigned atts;
	} all[] = {
		{ STR_INIT("value"), ANNOTATE_VALUE_PRIV | ANNOTATE_VALUE_SHARED },
		{ STR_INIT("value.priv"), ANNOTATE_VALUE_PRIV },
		{ STR_INIT("value.shared"), ANNOTATE_VALUE_SHARED },
		{ STR_INIT("size"), ANNOTATE_SIZE_PRIV | ANNOTATE_SIZE_SHARED },
		{ STR_INIT("size.priv"), ANNOTATE_SIZE_PRIV },
		{ STR_INIT("size.shared"), ANNOTATE_SIZE_SHARED },
	};
	struct str name;

	if (!imap_scan_astring(s, &name))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		if (str_eq(all[i].name, name)) {
			*out |= all[i].atts;
			return true;
		}
	}
	return imap_scan_fail(s, ERR_SYNTAX, "an attribute before here");
}

/* "value.priv" or "value.shared". */
static bool
take_one_value(struct imap_scan *s, bool *is_shared_out)
{
	unsigned atts = 0;

	if (!take_attribute(s, &atts))
		return false;
	*is_shared_out = atts == ANNOTATE_VALUE_SHARED;
	return atts == ANNOTATE_VALUE_PRIV || atts == ANNOTATE_VALUE_SHARED
	    || imap_scan_fail(s, ERR_SYNTAX, "value.priv or value.shared before here");
}

/* ---- FETCH ---------------------------------------------------------------------------------- */

static bool
add_match(struct imap_scan *s, struct imap_annotate_fetch *f)
{
	struct str name;

	if (!take_match(s, &name))
		return false;
	if (f->names == NULL) {
		f->names = arena_array(s->arena, struct str, ANNOTATE_ENTRIES_MAX);
		f->patterns = arena_array(s->arena, struct str, ANNOTATE_ENTRIES_MAX);
	}
	if (f->name_count + f->pattern_count == ANNOTATE_ENTRIES_MAX)
		return imap_scan_fail(s, ERR_LIMIT, "fewer entries");
	if (imap_annotate_is_pattern(name)) {
		if (f->pattern_count == ANNOTATE_PATTERNS_MAX)
			return imap_scan_fail(s, ERR_LIMIT, "fewer entries with wildcards");
		f->patterns[f->pattern_count++] = name;
		return true;
	}
	for (size_t i = 0; i < f->name_count; i++) {
		if (str_eq(f->names[i], name))
			return true;
	}
	f->names[f->name_count++] = name;
	return true;
}

/* One, or a list of at least one. */
static bool
take_some(struct imap_scan *s, struct imap_annotate_fetch *f,
    bool (*take)(struct imap_scan *s, struct imap_annotate_fetch *f))
{
	bool is_first = true;

	if (!imap_scan_at(s, '('))
		return take(s, f);
	if (!imap_scan_list_open(s))
		return false;
	while (imap_scan_list_more(s, &is_first)) {
		if (!take(s, f))
			return false;
	}
	if (imap_scan_err(s) == ERR_OK && is_first)
		return imap_scan_fail(s, ERR_SYNTAX, "an entry or attribute");
	return imap_scan_err(s) == ERR_OK;
}

static bool
add_attribute(struct imap_scan *s, struct imap_annotate_fetch *f)
{
	return take_attribute(s, &f->atts);
}

bool
imap_annotate_fetch(struct imap_scan *s, struct imap_annotate_fetch *out)
{
	return imap_scan_chr(s, '(') && take_some(s, out, add_match) && imap_scan_sp(s)
	    && take_some(s, out, add_attribute) && imap_scan_chr(s, ')');
}

/* ---- STORE and APPEND ----------------------------------------------------------------------- */

/* In an APPEND literals are collected one by one. */
static bool
is_announced(struct imap_scan *s)
{
	struct imap_scan ahead = *s;
	struct imap_literal lit;

	if (imap_scan_err(s) != ERR_OK || (!imap_scan_at(s, '{') && !imap_scan_at(s, '~'))
	    || !imap_scan_literal_open(&ahead, &lit))
		return false;
	imap_scan_fail(s, ERR_EXISTS, "the literal");
	return true;
}

bool
imap_annotate_value(struct imap_scan *s, struct str *out)
{
	return imap_scan_at(s, '~') ? imap_scan_literal8(s, out) : imap_scan_nstring(s, out);
}

static bool
add_value(struct imap_scan *s, struct imap_annotate_store *out, struct str entry)
{
	struct imap_annotate_value v = { .entry = entry };

	if (is_announced(s) || !take_one_value(s, &v.is_shared) || !imap_scan_sp(s)
	    || is_announced(s) || !imap_annotate_value(s, &v.value))
		return false;
	if (is_flag(entry) && v.value.p != NULL && !str_eq(v.value, STR("0"))
	    && !str_eq(v.value, STR("1")))
		return imap_scan_fail(s, ERR_SYNTAX, "\"0\", \"1\" or NIL before here");
	for (size_t i = 0; i < out->count; i++) {
		if (str_eq(out->values[i].entry, entry)
		    && out->values[i].is_shared == v.is_shared) {
			out->values[i] = v;
			return true;
		}
	}
	if (out->values == NULL)
		out->values =
		    arena_array(s->arena, struct imap_annotate_value, ANNOTATE_ENTRIES_MAX);
	if (out->count == ANNOTATE_ENTRIES_MAX)
		return imap_scan_fail(s, ERR_LIMIT, "fewer annotations");
	out->values[out->count++] = v;
	return true;
}

/* entry SP "(" attribute SP value ... ")" */
static bool
take_entry(struct imap_scan *s, struct imap_annotate_store *out)
{
	bool is_first = true;
	struct str entry;

	if (is_announced(s) || !take_name(s, &entry))
		return false;
	if (!is_registered(entry))
		return imap_scan_fail(s, ERR_SYNTAX,
		    "a registered name, or one of a vendor, before here");
	if (!imap_scan_sp(s) || !imap_scan_list_open(s))
		return false;
	while (imap_scan_list_more(s, &is_first)) {
		if (!add_value(s, out, entry))
			return false;
	}
	if (imap_scan_err(s) == ERR_OK && is_first)
		return imap_scan_fail(s, ERR_SYNTAX, "value.priv or value.shared");
	return imap_scan_err(s) == ERR_OK;
}

bool
imap_annotate_store(struct imap_scan *s, struct imap_annotate_store *out)
{
	bool is_first = true;

	if (!imap_scan_list_open(s))
		return false;
	while (imap_scan_list_more(s, &is_first)) {
		if (!take_entry(s, out))
			return false;
	}
	if (imap_scan_err(s) == ERR_OK && is_first)
		return imap_scan_fail(s, ERR_SYNTAX, "an entry");
	return imap_scan_err(s) == ERR_OK;
}

/* ---- SEARCH and SORT ------------------------------------------------------------------------ */

bool
imap_annotate_search(struct imap_scan *s, struct str *pattern_out, unsigned *atts_out)
{
	*atts_out = 0;
	if (!take_match(s, pattern_out) || !imap_scan_sp(s) || !take_attribute(s, atts_out))
		return false;
	return (*atts_out & (ANNOTATE_SIZE_PRIV | ANNOTATE_SIZE_SHARED)) == 0
	    || imap_scan_fail(s, ERR_SYNTAX, "value, value.priv or value.shared before here");
}

bool
imap_annotate_sort(struct imap_scan *s, struct str *entry_out, bool *is_shared_out)
{
	return take_name(s, entry_out) && imap_scan_sp(s) && take_one_value(s, is_shared_out);
}
