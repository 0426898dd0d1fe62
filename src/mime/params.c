/*
 * params.c - the parameters of Content-Type and Content-Disposition, with the continuations and
 * charsets of RFC 2231 undone: "name*0", "name*1" become name; "name*", "name*0*" become name,
 * extended, in UTF-8.
 */
#include "mime/charset.h"
#include "mime/content_int.h"
#include "mime/lex_int.h"
#include "mime/limits.h"

struct raw_param {
	struct str name; /* all of it, with its stars */
	struct str base; /* before the first star */
	struct str value;
	uint32_t index;  /* of a continuation; NO_INDEX without */
	bool is_encoded; /* ends in a star */
	bool is_used;
};

#define NO_INDEX UINT32_MAX

/* A piece of an unquoted value: up to a semicolon, white space, comment or quote. */
static bool
is_value_chr(char c)
{
	return !chr_is_wsp(c) && c != ';' && c != '(' && c != '"' && c != ',';
}

/* True when a "name=" begins here: the semicolon before it was forgotten. */
static bool
looks_like_param(struct mime_lex l)
{
	struct str token;

	if (!mime_lex_token(&l, &token))
		return false;
	mime_lex_skip(&l);
	return mime_lex_is(&l, '=');
}

/*
 * Reads a value. Names of files often come unquoted and with spaces in them, so for the parameters
 * that hold names everything up to the semicolon belongs to it.
 */
static void
parse_value(struct mime_lex *l, bool is_name, struct buf *out)
{
	mime_lex_skip(l);
	if (mime_lex_is(l, '"')) {
		mime_lex_quoted(l, out);
		return;
	}
	while (!mime_lex_is_end(l) && *l->p != ';') {
		const char *begin = l->p;

		while (!mime_lex_is_end(l) && is_value_chr(*l->p))
			l->p++;
		buf_add(out, begin, (size_t)(l->p - begin));
		if (!is_name || mime_lex_is_end(l))
			return;
		if (*l->p == '"' || *l->p == ',') {
			buf_chr(out, *l->p++);
			continue;
		}
		if (mime_lex_skip(l) && !mime_lex_is_end(l) && *l->p != ';') {
			if (looks_like_param(*l))
				return;
			buf_chr(out, ' ');
		}
	}
}

static void
split_name(struct raw_param *r)
{
	struct str s = r->name;
	size_t star;

	r->index = NO_INDEX;
	if (s.n > 1 && s.p[s.n - 1] == '*') {
		r->is_encoded = true;
		s.n--;
	}
	r->base = s;
	star = str_rchr(s, '*');
	if (star == SIZE_MAX || star == 0)
		return;
	/* At most 100 parameters are looked at, so a larger index can't be one of a whole. */
	if (str_to_u32(str_sub(s, star + 1, s.n), &r->index) && r->index < MIME_MAX_PARAMS)
		r->base = str_sub(s, 0, star);
	else
		r->index = NO_INDEX;
}

static size_t
parse_raw(struct mime_keeper *k, struct mime_lex *l, struct raw_param *raw, size_t max)
{
	struct buf value = BUF_MAX(MIME_MAX_HEADER_BYTES);
	size_t n = 0;

	while (n < max) {
		struct str name;

		mime_lex_skip(l);
		if (mime_lex_is_end(l))
			break;
		if (*l->p == '"') {
			buf_clear(&value);
			mime_lex_quoted(l, &value);
			continue;
		}
		if (!mime_lex_token(l, &name)) {
			l->p++;
			continue;
		}
		mime_lex_skip(l);
		if (!mime_lex_is(l, '='))
			continue;
		l->p++;
		raw[n] = (struct raw_param){ .name = mime_keep(k, name) };
		split_name(&raw[n]);
		buf_clear(&value);
		parse_value(l,
		    !raw[n].is_encoded
			&& (str_eq_nocase(raw[n].base, STR("name"))
			    || str_eq_nocase(raw[n].base, STR("filename"))),
		    &value);
		raw[n].value = value.n > 0 ? mime_keep(k, buf_str(&value)) : STR("");
		if (raw[n].name.p == NULL || raw[n].value.p == NULL)
			break;
		n++;
	}
	buf_done(&value);
	return n;
}

static int
hex_digit(char c)
{
	if (chr_is_digit(c))
		return c - '0';
	c = chr_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void
percent_decode(struct str s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '%' && i + 2 < s.n && hex_digit(s.p[i + 1]) >= 0
		    && hex_digit(s.p[i + 2]) >= 0) {
			buf_chr(out, (char)(hex_digit(s.p[i + 1]) * 16 + hex_digit(s.p[i + 2])));
			i += 2;
		} else {
			buf_chr(out, s.p[i]);
		}
	}
}

/* Cuts the charset'language' off the first piece of an extended value. */
static struct str
take_charset(struct str *value)
{
	size_t first = str_chr(*value, '\''), second;
	struct str charset;

	if (first == SIZE_MAX)
		return STR_NONE;
	second = str_chr(str_sub(*value, first + 1, value->n), '\'');
	if (second == SIZE_MAX)
		return STR_NONE;
	charset = str_sub(*value, 0, first);
	*value = str_sub(*value, first + 1 + second + 1, value->n);
	return charset;
}

static struct raw_param *
find_piece(struct raw_param *raw, size_t n, struct str base, uint32_t index)
{
	for (size_t i = 0; i < n; i++)
		if (!raw[i].is_used && raw[i].index == index && str_eq_nocase(raw[i].base, base))
			return &raw[i];
	return NULL;
}

/* Joins the pieces of one parameter, from the one with index 0 or with none but a star on. */
static struct mime_param
join(struct mime_keeper *k, struct raw_param *raw, size_t n, struct raw_param *first)
{
	struct mime_param p = { .name = first->base };
	struct buf bytes = BUF_MAX(MIME_MAX_HEADER_BYTES),
		   text = BUF_MAX(3 * MIME_MAX_HEADER_BYTES);
	struct mime_charset *cs = NULL;
	struct str charset = STR_NONE;
	uint32_t index = 0;

	for (struct raw_param *r = first; r != NULL; r = find_piece(raw, n, first->base, ++index)) {
		struct str value = r->value;

		r->is_used = true;
		if (r->is_encoded) {
			p.is_extended = true;
			if (r == first)
				charset = take_charset(&value);
			percent_decode(value, &bytes);
		} else {
			buf_str_add(&bytes, value);
		}
		if (first->index == NO_INDEX)
			break;
	}
	if (p.is_extended) {
		ignore_err(mime_charset_open(charset, MIME_CHARSET_GUESS, &cs),
		    "a guess always opens");
		mime_charset_feed(cs, buf_str(&bytes), &text);
		mime_charset_finish(cs, &text);
		mime_charset_close(cs);
	}
	p.value = p.is_extended ? buf_str(&text) : buf_str(&bytes);
	p.value = p.value.n > 0 ? mime_keep(k, p.value) : STR("");
	buf_done(&bytes);
	buf_done(&text);
	return p;
}

struct mime_param *
mime_params_parse(struct mime_keeper *k, struct str s)
{
	struct raw_param raw[MIME_MAX_PARAMS];
	struct mime_lex l = mime_lex(s);
	struct mime_param *first = NULL, **tail = &first;
	size_t n = parse_raw(k, &l, raw, MIME_MAX_PARAMS);

	for (size_t i = 0; i < n; i++) {
		struct mime_param p;
		struct raw_param *begin = &raw[i];

		if (begin->is_used)
			continue;
		/*
		 * A continuation stands where its first piece to appear stands; one without a
		 * beginning stays as it is.
		 */
		if (begin->index != NO_INDEX && begin->index > 0)
			begin = find_piece(raw, n, begin->base, 0);
		if (begin == NULL || (begin->index == NO_INDEX && !begin->is_encoded)) {
			p = (struct mime_param){ .name = raw[i].name, .value = raw[i].value };
			raw[i].is_used = true;
		} else {
			p = join(k, raw, n, begin);
		}
		if (p.value.p == NULL)
			break;
		*tail = arena_new(k->a, struct mime_param);
		**tail = p;
		tail = &(*tail)->next;
	}
	return first;
}
