/* convert.c - see convert.h. */
#include "imap/convert.h"

/* ---- media types ----------------------------------------------------------------------------- */

/* type-name or subtype-name of RFC 4288 4.2 */
static bool
is_name(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (!chr_is_alpha(s.p[i]) && !chr_is_digit(s.p[i])
		    && (s.p[i] == '\0' || strchr("!#$&.+-^_", s.p[i]) == NULL))
			return false;
	}
	return s.n > 0 && s.n <= 127;
}

static bool
is_type(struct str s, bool may_be_pattern)
{
	size_t slash = str_chr(s, '/');
	struct str subtype = str_sub(s, slash == SIZE_MAX ? s.n : slash + 1, s.n);

	if (may_be_pattern && str_eq(s, STR("*")))
		return true;
	return slash != SIZE_MAX && is_name(str_sub(s, 0, slash))
	    && (is_name(subtype) || (may_be_pattern && str_eq(subtype, STR("*"))));
}

bool
imap_conversion_matches(struct str pattern, struct str type)
{
	if (str_eq(pattern, STR("*")))
		return true;
	if (str_ends(pattern, STR("/*")))
		return str_starts_nocase(type, str_sub(pattern, 0, pattern.n - 1));
	return str_eq_nocase(pattern, type);
}

/* ---- CONVERT --------------------------------------------------------------------------------- */

static bool
take_params(struct imap_scan *s, struct imap_convert *c)
{
	c->params = arena_array(s->arena, struct convert_param, CONVERT_PARAMS_MAX);
	if (!imap_scan_chr(s, '('))
		return false;
	do {
		struct convert_param *p = &c->params[c->param_count];

		if (c->param_count == CONVERT_PARAMS_MAX)
			return imap_scan_fail(s, ERR_LIMIT, "fewer parameters");
		if (!imap_scan_astring(s, &p->name) || !imap_scan_sp(s)
		    || !imap_scan_astring(s, &p->value))
			return false;
		c->param_count++;
	} while (imap_scan_try_chr(s, ' '));
	return imap_scan_chr(s, ')');
}

/* convert-params */
static bool
take_target(struct imap_scan *s, struct imap_convert *c)
{
	if (!imap_scan_chr(s, '('))
		return false;
	if (!imap_scan_try_atom(s, STR("NIL"))) {
		if (!imap_scan_string(s, &c->type))
			return false;
		if (!is_type(c->type, false))
			return imap_scan_fail(s, ERR_SYNTAX, "a media type");
	}
	if (imap_scan_try_chr(s, ' ') && !take_params(s, c))
		return false;
	return imap_scan_chr(s, ')');
}

/* "[1.2]" as BINARY has it. */
static bool
take_parts(struct imap_scan *s, struct imap_section *sec)
{
	if (!imap_scan_chr(s, '[') || !imap_fetch_section(s, sec))
		return false;
	if (sec->kind != SECTION_BODY)
		return imap_scan_fail(s, ERR_SYNTAX, "part numbers only");
	return imap_scan_chr(s, ']');
}

/* "[HEADER]", "[1.HEADER]", "[1.MIME]" */
static bool
take_header(struct imap_scan *s, struct imap_section *sec)
{
	if (!imap_scan_chr(s, '[') || !imap_fetch_section(s, sec))
		return false;
	if (sec->kind != SECTION_HEADER && sec->kind != SECTION_MIME)
		return imap_scan_fail(s, ERR_SYNTAX, "HEADER or MIME");
	return imap_scan_chr(s, ']');
}

static const struct {
	struct str name;
	enum convert_item_kind kind;
} items[] = {
	{ STR_INIT("BINARY"), CONVERT_BINARY },
	{ STR_INIT("BINARY.SIZE"), CONVERT_BINARY_SIZE },
	{ STR_INIT("BODYPARTSTRUCTURE"), CONVERT_BODYPARTSTRUCTURE },
	{ STR_INIT("AVAILABLECONVERSIONS"), CONVERT_AVAILABLE },
	{ STR_INIT("BODY"), CONVERT_HEADER },
};

static void
make_label(struct imap_scan *s, struct str name, struct convert_item *item)
{
	const struct imap_section *sec = &item->section;
	BUF_CLEAN struct buf b = BUF_MAX(SIZE_MAX / 2);

	buf_str_add(&b, name);
	for (size_t i = 0; i < sec->n_path; i++)
		buf_printf(&b, "%c%u", i == 0 ? '[' : '.', sec->path[i]);
	if (sec->n_path == 0)
		buf_chr(&b, '[');
	if (item->kind == CONVERT_HEADER && sec->n_path > 0)
		buf_chr(&b, '.');
	if (item->kind == CONVERT_HEADER)
		buf_c(&b, sec->kind == SECTION_MIME ? "MIME" : "HEADER");
	buf_chr(&b, ']');
	if (sec->has_partial)
		buf_printf(&b, "<%llu>", (unsigned long long)sec->offset);
	item->label = arena_str(s->arena, buf_str(&b));
}

static struct str
name_here(const struct imap_scan *s)
{
	size_t i = s->at;

	while (i < s->in.n && (chr_is_alpha(s->in.p[i]) || s->in.p[i] == '.'))
		i++;
	return str_sub(s->in, s->at, i);
}

/* convert-att. An item that is there twice is answered once. */
static bool
take_item(struct imap_scan *s, struct imap_convert *c)
{
	struct convert_item item = { 0 };
	struct str name = name_here(s);
	size_t i = 0;

	if (imap_scan_try_atom(s, STR("UID"))) {
		c->has_uid = true;
		return true;
	}
	while (i < ARRAY_LEN(items) && !str_eq_nocase(items[i].name, name))
		i++;
	if (i == ARRAY_LEN(items))
		return imap_scan_fail(s, ERR_SYNTAX, "an item to convert");
	s->at += name.n;
	item.kind = items[i].kind;
	if (item.kind == CONVERT_HEADER ? !take_header(s, &item.section)
					: !take_parts(s, &item.section))
		return false;
	if (item.kind == CONVERT_BINARY && !imap_fetch_partial(s, &item.section))
		return false;
	if (item.kind == CONVERT_HEADER && c->type.p != NULL)
		return imap_scan_fail(s, ERR_SYNTAX, "no media type with headers");
	make_label(s, items[i].name, &item);
	for (size_t k = 0; k < c->item_count; k++) {
		if (str_eq(c->items[k].label, item.label)
		    && c->items[k].section.length == item.section.length)
			return true;
	}
	if (c->item_count == CONVERT_ITEMS_MAX)
		return imap_scan_fail(s, ERR_LIMIT, "fewer items to convert");
	c->items[c->item_count++] = item;
	return true;
}

enum err
imap_convert_parse(struct imap_scan *s, struct imap_convert *out)
{
	struct imap_convert c = { .items = arena_array(s->arena, struct convert_item,
				      CONVERT_ITEMS_MAX) };

	if (!take_target(s, &c) || !imap_scan_sp(s))
		return imap_scan_err(s);
	if (imap_scan_try_chr(s, '(')) {
		do {
			if (!take_item(s, &c))
				return imap_scan_err(s);
		} while (imap_scan_try_chr(s, ' '));
		if (!imap_scan_chr(s, ')'))
			return imap_scan_err(s);
	} else if (!take_item(s, &c)) {
		return imap_scan_err(s);
	}
	if (!imap_scan_end(s))
		return imap_scan_err(s);
	*out = c;
	return ERR_OK;
}

/* ---- CONVERSIONS ----------------------------------------------------------------------------- */

static bool
take_pattern(struct imap_scan *s, struct str *out)
{
	return imap_scan_astring(s, out)
	    && (is_type(*out, true) || imap_scan_fail(s, ERR_SYNTAX, "a media type"));
}

enum err
imap_conversions_parse(struct imap_scan *s, struct imap_conversions *out)
{
	struct imap_conversions c;

	if (!take_pattern(s, &c.from) || !imap_scan_sp(s) || !take_pattern(s, &c.to)
	    || !imap_scan_end(s))
		return imap_scan_err(s);
	*out = c;
	return ERR_OK;
}
