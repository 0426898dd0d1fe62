/*
 * html.c - see html_int.h. A state for each place a piece may end in; names longer than any that
 * matter are cut.
 */
#include "mime/html_int.h"

static const struct {
	const char *name, *text;
} entities[] = {
	{ "amp", "&" },
	{ "lt", "<" },
	{ "gt", ">" },
	{ "quot", "\"" },
	{ "apos", "'" },
	{ "nbsp", " " },
	{ "shy", "" },
	{ "zwnj", "" },
	{ "zwj", "" },
	{ "copy", "\xc2\xa9" },
	{ "reg", "\xc2\xae" },
	{ "trade", "\xe2\x84\xa2" },
	{ "hellip", "\xe2\x80\xa6" },
	{ "ndash", "\xe2\x80\x93" },
	{ "mdash", "\xe2\x80\x94" },
	{ "lsquo", "\xe2\x80\x98" },
	{ "rsquo", "\xe2\x80\x99" },
	{ "ldquo", "\xe2\x80\x9c" },
	{ "rdquo", "\xe2\x80\x9d" },
	{ "bull", "\xe2\x80\xa2" },
	{ "middot", "\xc2\xb7" },
	{ "euro", "\xe2\x82\xac" },
	{ "pound", "\xc2\xa3" },
	{ "yen", "\xc2\xa5" },
	{ "cent", "\xc2\xa2" },
	{ "sect", "\xc2\xa7" },
	{ "laquo", "\xc2\xab" },
	{ "raquo", "\xc2\xbb" },
	{ "times", "\xc3\x97" },
	{ "deg", "\xc2\xb0" },
	{ "szlig", "\xc3\x9f" },
	{ "auml", "\xc3\xa4" },
	{ "ouml", "\xc3\xb6" },
	{ "uuml", "\xc3\xbc" },
	{ "Auml", "\xc3\x84" },
	{ "Ouml", "\xc3\x96" },
	{ "Uuml", "\xc3\x9c" },
	{ "eacute", "\xc3\xa9" },
	{ "egrave", "\xc3\xa8" },
	{ "ecirc", "\xc3\xaa" },
	{ "agrave", "\xc3\xa0" },
	{ "aacute", "\xc3\xa1" },
	{ "acirc", "\xc3\xa2" },
	{ "aring", "\xc3\xa5" },
	{ "Aring", "\xc3\x85" },
	{ "aelig", "\xc3\xa6" },
	{ "oslash", "\xc3\xb8" },
	{ "Oslash", "\xc3\x98" },
	{ "ccedil", "\xc3\xa7" },
	{ "ntilde", "\xc3\xb1" },
	{ "iacute", "\xc3\xad" },
	{ "oacute", "\xc3\xb3" },
	{ "uacute", "\xc3\xba" },
	{ "ocirc", "\xc3\xb4" },
	{ "icirc", "\xc3\xae" },
	{ "ugrave", "\xc3\xb9" },
};

static bool
name_is(const struct mime_html *h, const char *name)
{
	return str_eq(str_make(h->name, h->name_count), str_c(name));
}

static void
name_add(struct mime_html *h, char c)
{
	if (h->name_count < sizeof(h->name))
		h->name[h->name_count++] = c;
}

static void
codepoint_add(uint32_t c, struct buf *out)
{
	if (c == 0 || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) {
		buf_lit(out, "\xef\xbf\xbd");
	} else if (c < 0x80) {
		buf_chr(out, (char)c);
	} else {
		if (c < 0x800) {
			buf_chr(out, (char)(0xC0 | c >> 6));
		} else if (c < 0x10000) {
			buf_chr(out, (char)(0xE0 | c >> 12));
			buf_chr(out, (char)(0x80 | (c >> 6 & 63)));
		} else {
			buf_chr(out, (char)(0xF0 | c >> 18));
			buf_chr(out, (char)(0x80 | (c >> 12 & 63)));
			buf_chr(out, (char)(0x80 | (c >> 6 & 63)));
		}
		buf_chr(out, (char)(0x80 | (c & 63)));
	}
}

/* "#8364", "#x20AC". False when it is no number. */
static bool
number_entity(struct str name, struct buf *out)
{
	uint32_t c = 0;
	bool is_hex = name.n > 2 && chr_lower(name.p[1]) == 'x';

	if (name.n < 2 || name.p[0] != '#')
		return false;
	for (size_t i = is_hex ? 2 : 1; i < name.n; i++) {
		char d = chr_lower(name.p[i]);
		uint32_t v = 16;

		if (chr_is_digit(d))
			v = (uint32_t)(d - '0');
		else if (is_hex && d >= 'a' && d <= 'f')
			v = (uint32_t)(d - 'a' + 10);

		if (v == 16)
			return false;
		c = c > 0x10FFFF ? c : c * (is_hex ? 16 : 10) + v;
	}
	codepoint_add(c == 0xA0 ? ' ' : c, out);
	return true;
}

/* An entity is over; what is none is text. */
static void
entity_end(struct mime_html *h, bool has_semicolon, struct buf *out)
{
	struct str name = str_make(h->name, h->name_count);

	h->state = HTML_TEXT;
	if (h->hidden[0] != '\0' || number_entity(name, out))
		return;
	for (size_t i = 0; i < ARRAY_LEN(entities); i++)
		if (name_is(h, entities[i].name)) {
			buf_c(out, entities[i].text);
			return;
		}
	buf_chr(out, '&');
	buf_str_add(out, name);
	if (has_semicolon)
		buf_chr(out, ';');
}

static bool
is_hiding(const struct mime_html *h)
{
	return name_is(h, "script") || name_is(h, "style") || name_is(h, "title")
	    || name_is(h, "noscript") || name_is(h, "template");
}

static bool
is_block(const struct mime_html *h)
{
	static const char *const names[] = {
		"p",
		"div",
		"br",
		"tr",
		"li",
		"ul",
		"ol",
		"table",
		"h1",
		"h2",
		"h3",
		"h4",
		"h5",
		"h6",
		"hr",
		"pre",
		"blockquote",
		"body",
		"head",
		"html",
		"section",
		"article",
		"header",
		"footer",
		"center",
		"dt",
		"dd",
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (name_is(h, names[i]))
			return true;
	return false;
}

static void
tag_end(struct mime_html *h, struct buf *out)
{
	h->state = HTML_TEXT;
	if (h->hidden[0] != '\0') {
		if (h->is_closing && name_is(h, h->hidden))
			h->hidden[0] = '\0';
		return;
	}
	if (!h->is_closing && is_hiding(h)) {
		memcpy(h->hidden, h->name, h->name_count);
		h->hidden[h->name_count] = '\0';
	} else if (name_is(h, "blockquote")) {
		if (!h->is_closing)
			h->quote_depth++;
		else if (h->quote_depth > 0)
			h->quote_depth--;
	}
	if (is_block(h))
		buf_chr(out, '\n');
	else if (name_is(h, "td") || name_is(h, "th") || name_is(h, "img"))
		buf_chr(out, ' ');
}

static void
feed_chr(struct mime_html *h, char c, struct buf *out)
{
	switch (h->state) {
	case HTML_ENTITY:
		if (h->name_count < sizeof(h->name)
		    && (chr_is_alpha(c) || chr_is_digit(c) || (c == '#' && h->name_count == 0))) {
			name_add(h, c);
			return;
		}
		entity_end(h, c == ';', out);
		if (c == ';')
			return;
		feed_chr(h, c, out);
		return;
	case HTML_TEXT:
		h->name_count = 0;
		if (c == '<')
			h->state = HTML_TAG_OPEN;
		else if (c == '&')
			h->state = HTML_ENTITY;
		else if (h->hidden[0] == '\0')
			buf_chr(out, c == '\r' || c == '\n' ? ' ' : c);
		return;
	case HTML_TAG_OPEN:
		h->is_closing = c == '/';
		if (chr_is_alpha(c)) {
			name_add(h, chr_lower(c));
			h->state = HTML_TAG_NAME;
		} else if (c == '/') {
			h->state = HTML_TAG_NAME;
		} else if (c == '!' || c == '?') {
			h->state = c == '!' ? HTML_TAG_NAME : HTML_TAG_REST;
			name_add(h, c);
		} else {
			/* "a < b" */
			h->state = HTML_TEXT;
			if (h->hidden[0] == '\0')
				buf_chr(out, '<');
			feed_chr(h, c, out);
		}
		return;
	case HTML_TAG_NAME:
		if (c == '>') {
			tag_end(h, out);
		} else if (chr_is_alpha(c) || chr_is_digit(c) || c == '-' || c == ':') {
			name_add(h, chr_lower(c));
			if (name_is(h, "!--")) {
				h->state = HTML_COMMENT;
				h->dashes = 2;
			}
		} else {
			h->state = HTML_TAG_REST;
		}
		return;
	case HTML_TAG_REST:
		if (c == '>') {
			tag_end(h, out);
		} else if ((c == '"' || c == '\'') && h->hidden[0] == '\0') {
			h->quote = c;
			h->state = HTML_TAG_QUOTED;
		}
		return;
	case HTML_TAG_QUOTED:
		if (c == h->quote)
			h->state = HTML_TAG_REST;
		return;
	case HTML_COMMENT:
		if (c == '>' && h->dashes >= 2)
			h->state = HTML_TEXT;
		h->dashes = c == '-' ? (uint8_t)MIN(h->dashes + 1, 2) : 0;
		return;
	}
}

void
mime_html_feed(struct mime_html *h, struct str in, struct buf *out)
{
	for (size_t i = 0; i < in.n; i++)
		feed_chr(h, in.p[i], out);
}
