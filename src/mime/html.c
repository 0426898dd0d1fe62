/*
 * html.c - see html_int.h. A state for each place a piece may end in, as in HTML's own tokenizer;
 * names longer than any that matter are cut.
 */
#include "mime/html_int.h"

#include "mime/charset.h"

#include <stdlib.h>

/* HTML 4's, and XML's apostrophe; sorted. */
static const struct entity {
	const char *name;
	uint32_t c;
} entities[] = {
	{ "AElig", 0xC6 },
	{ "Aacute", 0xC1 },
	{ "Acirc", 0xC2 },
	{ "Agrave", 0xC0 },
	{ "Alpha", 0x391 },
	{ "Aring", 0xC5 },
	{ "Atilde", 0xC3 },
	{ "Auml", 0xC4 },
	{ "Beta", 0x392 },
	{ "Ccedil", 0xC7 },
	{ "Chi", 0x3A7 },
	{ "Dagger", 0x2021 },
	{ "Delta", 0x394 },
	{ "ETH", 0xD0 },
	{ "Eacute", 0xC9 },
	{ "Ecirc", 0xCA },
	{ "Egrave", 0xC8 },
	{ "Epsilon", 0x395 },
	{ "Eta", 0x397 },
	{ "Euml", 0xCB },
	{ "Gamma", 0x393 },
	{ "Iacute", 0xCD },
	{ "Icirc", 0xCE },
	{ "Igrave", 0xCC },
	{ "Iota", 0x399 },
	{ "Iuml", 0xCF },
	{ "Kappa", 0x39A },
	{ "Lambda", 0x39B },
	{ "Mu", 0x39C },
	{ "Ntilde", 0xD1 },
	{ "Nu", 0x39D },
	{ "OElig", 0x152 },
	{ "Oacute", 0xD3 },
	{ "Ocirc", 0xD4 },
	{ "Ograve", 0xD2 },
	{ "Omega", 0x3A9 },
	{ "Omicron", 0x39F },
	{ "Oslash", 0xD8 },
	{ "Otilde", 0xD5 },
	{ "Ouml", 0xD6 },
	{ "Phi", 0x3A6 },
	{ "Pi", 0x3A0 },
	{ "Prime", 0x2033 },
	{ "Psi", 0x3A8 },
	{ "Rho", 0x3A1 },
	{ "Scaron", 0x160 },
	{ "Sigma", 0x3A3 },
	{ "THORN", 0xDE },
	{ "Tau", 0x3A4 },
	{ "Theta", 0x398 },
	{ "Uacute", 0xDA },
	{ "Ucirc", 0xDB },
	{ "Ugrave", 0xD9 },
	{ "Upsilon", 0x3A5 },
	{ "Uuml", 0xDC },
	{ "Xi", 0x39E },
	{ "Yacute", 0xDD },
	{ "Yuml", 0x178 },
	{ "Zeta", 0x396 },
	{ "aacute", 0xE1 },
	{ "acirc", 0xE2 },
	{ "acute", 0xB4 },
	{ "aelig", 0xE6 },
	{ "agrave", 0xE0 },
	{ "alefsym", 0x2135 },
	{ "alpha", 0x3B1 },
	{ "amp", 0x26 },
	{ "and", 0x2227 },
	{ "ang", 0x2220 },
	{ "apos", 0x27 },
	{ "aring", 0xE5 },
	{ "asymp", 0x2248 },
	{ "atilde", 0xE3 },
	{ "auml", 0xE4 },
	{ "bdquo", 0x201E },
	{ "beta", 0x3B2 },
	{ "brvbar", 0xA6 },
	{ "bull", 0x2022 },
	{ "cap", 0x2229 },
	{ "ccedil", 0xE7 },
	{ "cedil", 0xB8 },
	{ "cent", 0xA2 },
	{ "chi", 0x3C7 },
	{ "circ", 0x2C6 },
	{ "clubs", 0x2663 },
	{ "cong", 0x2245 },
	{ "copy", 0xA9 },
	{ "crarr", 0x21B5 },
	{ "cup", 0x222A },
	{ "curren", 0xA4 },
	{ "dArr", 0x21D3 },
	{ "dagger", 0x2020 },
	{ "darr", 0x2193 },
	{ "deg", 0xB0 },
	{ "delta", 0x3B4 },
	{ "diams", 0x2666 },
	{ "divide", 0xF7 },
	{ "eacute", 0xE9 },
	{ "ecirc", 0xEA },
	{ "egrave", 0xE8 },
	{ "empty", 0x2205 },
	{ "emsp", 0x2003 },
	{ "ensp", 0x2002 },
	{ "epsilon", 0x3B5 },
	{ "equiv", 0x2261 },
	{ "eta", 0x3B7 },
	{ "eth", 0xF0 },
	{ "euml", 0xEB },
	{ "euro", 0x20AC },
	{ "exist", 0x2203 },
	{ "fnof", 0x192 },
	{ "forall", 0x2200 },
	{ "frac12", 0xBD },
	{ "frac14", 0xBC },
	{ "frac34", 0xBE },
	{ "frasl", 0x2044 },
	{ "gamma", 0x3B3 },
	{ "ge", 0x2265 },
	{ "gt", 0x3E },
	{ "hArr", 0x21D4 },
	{ "harr", 0x2194 },
	{ "hearts", 0x2665 },
	{ "hellip", 0x2026 },
	{ "iacute", 0xED },
	{ "icirc", 0xEE },
	{ "iexcl", 0xA1 },
	{ "igrave", 0xEC },
	{ "image", 0x2111 },
	{ "infin", 0x221E },
	{ "int", 0x222B },
	{ "iota", 0x3B9 },
	{ "iquest", 0xBF },
	{ "isin", 0x2208 },
	{ "iuml", 0xEF },
	{ "kappa", 0x3BA },
	{ "lArr", 0x21D0 },
	{ "lambda", 0x3BB },
	{ "lang", 0x2329 },
	{ "laquo", 0xAB },
	{ "larr", 0x2190 },
	{ "lceil", 0x2308 },
	{ "ldquo", 0x201C },
	{ "le", 0x2264 },
	{ "lfloor", 0x230A },
	{ "lowast", 0x2217 },
	{ "loz", 0x25CA },
	{ "lrm", 0x200E },
	{ "lsaquo", 0x2039 },
	{ "lsquo", 0x2018 },
	{ "lt", 0x3C },
	{ "macr", 0xAF },
	{ "mdash", 0x2014 },
	{ "micro", 0xB5 },
	{ "middot", 0xB7 },
	{ "minus", 0x2212 },
	{ "mu", 0x3BC },
	{ "nabla", 0x2207 },
	{ "nbsp", 0xA0 },
	{ "ndash", 0x2013 },
	{ "ne", 0x2260 },
	{ "ni", 0x220B },
	{ "not", 0xAC },
	{ "notin", 0x2209 },
	{ "nsub", 0x2284 },
	{ "ntilde", 0xF1 },
	{ "nu", 0x3BD },
	{ "oacute", 0xF3 },
	{ "ocirc", 0xF4 },
	{ "oelig", 0x153 },
	{ "ograve", 0xF2 },
	{ "oline", 0x203E },
	{ "omega", 0x3C9 },
	{ "omicron", 0x3BF },
	{ "oplus", 0x2295 },
	{ "or", 0x2228 },
	{ "ordf", 0xAA },
	{ "ordm", 0xBA },
	{ "oslash", 0xF8 },
	{ "otilde", 0xF5 },
	{ "otimes", 0x2297 },
	{ "ouml", 0xF6 },
	{ "para", 0xB6 },
	{ "part", 0x2202 },
	{ "permil", 0x2030 },
	{ "perp", 0x22A5 },
	{ "phi", 0x3C6 },
	{ "pi", 0x3C0 },
	{ "piv", 0x3D6 },
	{ "plusmn", 0xB1 },
	{ "pound", 0xA3 },
	{ "prime", 0x2032 },
	{ "prod", 0x220F },
	{ "prop", 0x221D },
	{ "psi", 0x3C8 },
	{ "quot", 0x22 },
	{ "rArr", 0x21D2 },
	{ "radic", 0x221A },
	{ "rang", 0x232A },
	{ "raquo", 0xBB },
	{ "rarr", 0x2192 },
	{ "rceil", 0x2309 },
	{ "rdquo", 0x201D },
	{ "real", 0x211C },
	{ "reg", 0xAE },
	{ "rfloor", 0x230B },
	{ "rho", 0x3C1 },
	{ "rlm", 0x200F },
	{ "rsaquo", 0x203A },
	{ "rsquo", 0x2019 },
	{ "sbquo", 0x201A },
	{ "scaron", 0x161 },
	{ "sdot", 0x22C5 },
	{ "sect", 0xA7 },
	{ "shy", 0xAD },
	{ "sigma", 0x3C3 },
	{ "sigmaf", 0x3C2 },
	{ "sim", 0x223C },
	{ "spades", 0x2660 },
	{ "sub", 0x2282 },
	{ "sube", 0x2286 },
	{ "sum", 0x2211 },
	{ "sup", 0x2283 },
	{ "sup1", 0xB9 },
	{ "sup2", 0xB2 },
	{ "sup3", 0xB3 },
	{ "supe", 0x2287 },
	{ "szlig", 0xDF },
	{ "tau", 0x3C4 },
	{ "there4", 0x2234 },
	{ "theta", 0x3B8 },
	{ "thetasym", 0x3D1 },
	{ "thinsp", 0x2009 },
	{ "thorn", 0xFE },
	{ "tilde", 0x2DC },
	{ "times", 0xD7 },
	{ "trade", 0x2122 },
	{ "uArr", 0x21D1 },
	{ "uacute", 0xFA },
	{ "uarr", 0x2191 },
	{ "ucirc", 0xFB },
	{ "ugrave", 0xF9 },
	{ "uml", 0xA8 },
	{ "upsih", 0x3D2 },
	{ "upsilon", 0x3C5 },
	{ "uuml", 0xFC },
	{ "weierp", 0x2118 },
	{ "xi", 0x3BE },
	{ "yacute", 0xFD },
	{ "yen", 0xA5 },
	{ "yuml", 0xFF },
	{ "zeta", 0x3B6 },
	{ "zwj", 0x200D },
	{ "zwnj", 0x200C },
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

static bool
is_blank(uint32_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f';
}

/* White space is one blank, however much there is of it and of whatever kind. */
static void
blank_add(struct mime_html *h, struct buf *out)
{
	if (!h->is_blank)
		buf_chr(out, ' ');
	h->is_blank = true;
}

/* What joins, parts or turns letters and shows nothing itself is left out, so that words are found. */
static void
reference_add(struct mime_html *h, uint32_t c, struct buf *out)
{
	if (is_blank(c) || c == 0xA0) {
		blank_add(h, out);
	} else if (c != 0xAD && (c < 0x200C || c > 0x200F)) {
		codepoint_add(c, out);
		h->is_blank = false;
	}
}

/* "#8364", "#x20AC". False when it is no number. */
static bool
number_entity(struct mime_html *h, struct str name, struct buf *out)
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
	/* Those numbers are none of Unicode's characters, and many mean windows-1252's. */
	if (c >= 0x80 && c < 0xA0)
		c = mime_charset_windows_1252((unsigned char)c);
	reference_add(h, c, out);
	return true;
}

static int
entity_cmp(const void *name, const void *e)
{
	return str_cmp(*(const struct str *)name, str_c(((const struct entity *)e)->name));
}

static bool
named_entity(struct mime_html *h, struct str name, struct buf *out)
{
	const struct entity *e =
	    bsearch(&name, entities, ARRAY_LEN(entities), sizeof(entities[0]), entity_cmp);

	if (e == NULL)
		return false;
	reference_add(h, e->c, out);
	return true;
}

/* An entity is over; what is none is text. */
static void
entity_end(struct mime_html *h, bool has_semicolon, struct buf *out)
{
	struct str name = str_make(h->name, h->name_count);

	h->state = HTML_TEXT;
	if (number_entity(h, name, out) || named_entity(h, name, out))
		return;
	h->is_blank = false;
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
	if (is_block(h)) {
		buf_chr(out, '\n');
		h->is_blank = true;
	} else if (name_is(h, "td") || name_is(h, "th") || name_is(h, "img")) {
		blank_add(h, out);
	}
}

static void feed_chr(struct mime_html *h, char c, struct buf *out);

/* What began as a tag is text. */
static void
no_tag(struct mime_html *h, char c, struct buf *out)
{
	h->state = HTML_TEXT;
	feed_chr(h, c, out);
}

static void
feed_tag_open(struct mime_html *h, char c, struct buf *out)
{
	bool is_hidden = h->hidden[0] != '\0';

	h->is_closing = c == '/';
	if (c == '/') {
		h->state = HTML_TAG_NAME;
	} else if (is_hidden) {
		/* Nothing but its end tag ends a script: "if (a<b)", and "<!--" is none in a style. */
		no_tag(h, c, out);
	} else if (chr_is_alpha(c)) {
		name_add(h, chr_lower(c));
		h->state = HTML_TAG_NAME;
	} else if (c == '!' || c == '?') {
		h->state = c == '!' ? HTML_TAG_NAME : HTML_TAG_REST;
		name_add(h, c);
	} else {
		/* "a < b" */
		h->is_blank = false;
		buf_chr(out, '<');
		no_tag(h, c, out);
	}
}

static void
feed_tag_name(struct mime_html *h, char c, struct buf *out)
{
	if (chr_is_alpha(c) || chr_is_digit(c) || c == '-' || c == ':') {
		name_add(h, chr_lower(c));
		if (name_is(h, "!--")) {
			h->state = HTML_COMMENT;
			h->dashes = 2;
		}
	} else if (h->hidden[0] != '\0'
	    && !(name_is(h, h->hidden) && (c == '>' || c == '/' || is_blank(c)))) {
		no_tag(h, c, out);
	} else if (c == '>') {
		tag_end(h, out);
	} else {
		h->state = HTML_TAG_REST;
	}
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
		else if (h->hidden[0] != '\0')
			return;
		else if (c == '&')
			h->state = HTML_ENTITY;
		else if (is_blank((unsigned char)c))
			blank_add(h, out);
		else {
			buf_chr(out, c);
			h->is_blank = false;
		}
		return;
	case HTML_TAG_OPEN:
		feed_tag_open(h, c, out);
		return;
	case HTML_TAG_NAME:
		feed_tag_name(h, c, out);
		return;
	case HTML_TAG_REST:
		if (c == '>')
			tag_end(h, out);
		else if (c == '=')
			h->state = HTML_TAG_EQUALS;
		return;
	case HTML_TAG_EQUALS:
		if (c == '>') {
			tag_end(h, out);
		} else if (c == '"' || c == '\'') {
			h->quote = c;
			h->state = HTML_TAG_QUOTED;
		} else if (!is_blank(c)) {
			h->state = HTML_TAG_VALUE;
		}
		return;
	case HTML_TAG_VALUE:
		if (c == '>')
			tag_end(h, out);
		else if (is_blank(c))
			h->state = HTML_TAG_REST;
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

void
mime_html_finish(struct mime_html *h, struct buf *out)
{
	if (h->state == HTML_ENTITY)
		entity_end(h, false, out);
	else if (h->state == HTML_TAG_OPEN && h->hidden[0] == '\0')
		buf_chr(out, '<');
	h->state = HTML_TEXT;
}
