/* scan.c - see scan.h. */
#include "imap/scan.h"

#include "imap/utf7.h"

/* What a byte may be part of, RFC 9051 9. */
enum char_class {
	CHAR_ATOM = 1 << 0,
	CHAR_ASTRING = 1 << 1,
	CHAR_TAG = 1 << 2,
	CHAR_LIST = 1 << 3,
	CHAR_SEQ = 1 << 4,
};

/*
 * atom-specials: ( ) { SP CTL list-wildcards quoted-specials resp-specials; bytes above 0x7F are no
 * CHAR.
 */
#define C (CHAR_ATOM | CHAR_ASTRING | CHAR_TAG | CHAR_LIST)
#define N (C | CHAR_SEQ)
#define X (CHAR_ATOM | CHAR_ASTRING | CHAR_LIST) /* + */
#define R (CHAR_ASTRING | CHAR_TAG | CHAR_LIST)  /* ] */
#define P CHAR_LIST                              /* % */
#define W (CHAR_LIST | CHAR_SEQ)                 /* * */

/* clang-format off */
static const unsigned char char_classes[256] = {
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	0, C, 0, C, N, P, C, C, 0, 0, W, X, N, C, C, C, /*  !"#$%&'().+,-.. */
	N, N, N, N, N, N, N, N, N, N, N, C, C, C, C, C, /* 0123456789:;<=>? */
	C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, /* @ABCDEFGHIJKLMNO */
	C, C, C, C, C, C, C, C, C, C, C, C, 0, R, C, C, /* PQRSTUVWXYZ[\]^_ */
	C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, /* `abcdefghijklmno */
	C, C, C, C, C, C, C, C, C, C, C, 0, C, C, C, 0, /* pqrstuvwxyz{|}~. */
};
/* clang-format on */

#undef C
#undef N
#undef X
#undef R
#undef P
#undef W

static unsigned
char_class(char c)
{
	return char_classes[(unsigned char)c];
}

bool
imap_is_atom_char(char c)
{
	return (char_class(c) & CHAR_ATOM) != 0;
}

bool
imap_is_astring_char(char c)
{
	return (char_class(c) & CHAR_ASTRING) != 0;
}

bool
imap_is_tag_char(char c)
{
	return (char_class(c) & CHAR_TAG) != 0;
}

void
imap_scan_init(struct imap_scan *s, struct arena *a, struct str command, bool is_utf8)
{
	*s = (struct imap_scan){ .in = command, .arena = a, .is_utf8 = is_utf8, .err = ERR_OK };
}

bool
imap_scan_fail(struct imap_scan *s, enum err e, const char *expected)
{
	if (s->err == ERR_OK) {
		s->err = e;
		s->expected = expected;
		s->error_at = s->at;
	}
	return false;
}

void
imap_scan_error(const struct imap_scan *s, struct buf *b)
{
	if (s->err == ERR_SYNTAX && s->expected != NULL && s->error_at >= s->in.n)
		buf_printf(b, "Expected %s at the end of the command.", s->expected);
	else if (s->err == ERR_SYNTAX && s->expected != NULL)
		buf_printf(b, "Expected %s at byte %zu of the command.", s->expected,
		    s->error_at + 1);
	else if (s->err == ERR_LIMIT && s->expected != NULL)
		buf_printf(b, "Too many or too long: %s.", s->expected);
	else
		buf_c(b, err_text(s->err));
}

int
imap_scan_peek(const struct imap_scan *s)
{
	return s->at < s->in.n ? (unsigned char)s->in.p[s->at] : -1;
}

bool
imap_scan_at(const struct imap_scan *s, char c)
{
	return s->at < s->in.n && s->in.p[s->at] == c;
}

bool
imap_scan_is_end(const struct imap_scan *s)
{
	return s->at == s->in.n;
}

/* Bytes of the class from here on. */
static struct str
run_of(const struct imap_scan *s, unsigned class)
{
	size_t i = s->at;

	while (i < s->in.n && (char_class(s->in.p[i]) & class) != 0)
		i++;
	return str_make(s->in.p + s->at, i - s->at);
}

bool
imap_scan_at_atom(const struct imap_scan *s, struct str name)
{
	return str_eq_nocase(run_of(s, CHAR_ATOM), name);
}

bool
imap_scan_end(struct imap_scan *s)
{
	if (s->err != ERR_OK)
		return false;
	if (!imap_scan_is_end(s))
		return imap_scan_fail(s, ERR_SYNTAX, "nothing more");
	return true;
}

bool
imap_scan_try_chr(struct imap_scan *s, char c)
{
	if (!imap_scan_at(s, c))
		return false;
	s->at++;
	return true;
}

bool
imap_scan_try_atom(struct imap_scan *s, struct str name)
{
	if (!imap_scan_at_atom(s, name))
		return false;
	s->at += name.n;
	return true;
}

bool
imap_scan_chr(struct imap_scan *s, char c)
{
	static const char *const names[] = { "(", ")", "[", "]", "<", ">", "." };
	const char *name = "another character";

	if (s->err == ERR_OK && imap_scan_try_chr(s, c))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (names[i][0] == c)
			name = names[i];
	}
	return imap_scan_fail(s, ERR_SYNTAX, name);
}

bool
imap_scan_sp(struct imap_scan *s)
{
	if (s->err == ERR_OK && imap_scan_try_chr(s, ' '))
		return true;
	return imap_scan_fail(s, ERR_SYNTAX, "a space");
}

/* Takes a run that may not be empty. */
static bool
take_run(struct imap_scan *s, unsigned class, const char *expected, struct str *out)
{
	struct str run;

	if (s->err != ERR_OK)
		return false;
	run = run_of(s, class);
	if (run.n == 0)
		return imap_scan_fail(s, ERR_SYNTAX, expected);
	s->at += run.n;
	*out = run;
	return true;
}

bool
imap_scan_tag(struct imap_scan *s, struct str *out)
{
	return take_run(s, CHAR_TAG, "a tag", out);
}

bool
imap_scan_atom(struct imap_scan *s, struct str *out)
{
	return take_run(s, CHAR_ATOM, "a word", out);
}

/*
 * A quoted string; the quote is here. Any byte but NUL, CR and LF is taken: clients send 8-bit text
 * in quotes.
 */
static bool
take_quoted(struct imap_scan *s, struct str *out)
{
	size_t from = s->at + 1, end = from, escapes = 0, n = 0;
	char *p;

	while (end < s->in.n && s->in.p[end] != '"') {
		char c = s->in.p[end++];

		if (c == '\0' || c == '\r' || c == '\n')
			return imap_scan_fail(s, ERR_SYNTAX,
			    "a quoted string without line ends and NUL");
		if (c != '\\')
			continue;
		escapes++;
		if (end >= s->in.n || (s->in.p[end] != '"' && s->in.p[end] != '\\'))
			return imap_scan_fail(s, ERR_SYNTAX,
			    "a quote or a backslash behind a backslash");
		end++;
	}
	if (end >= s->in.n)
		return imap_scan_fail(s, ERR_SYNTAX, "a closing quote");
	s->at = end + 1;
	if (escapes == 0) {
		*out = str_make(s->in.p + from, end - from);
		return true;
	}
	p = arena_alloc(s->arena, end - from);
	for (size_t i = from; i < end; i++) {
		if (s->in.p[i] == '\\')
			i++;
		p[n++] = s->in.p[i];
	}
	*out = str_make(p, n);
	return true;
}

/* "{n}" or "{n+}" from here on, without what follows it. Moves behind it. */
static bool
take_literal_head(struct imap_scan *s, struct imap_literal *out)
{
	size_t i = s->at;
	size_t digits;
	struct imap_literal lit = { .is_sync = true };

	if (i < s->in.n && s->in.p[i] == '~') {
		lit.is_binary = true;
		i++;
	}
	if (i >= s->in.n || s->in.p[i] != '{')
		return imap_scan_fail(s, ERR_SYNTAX, "a literal");
	digits = ++i;
	while (i < s->in.n && chr_is_digit(s->in.p[i]))
		i++;
	if (!str_to_u64(str_sub(s->in, digits, i), &lit.size) || lit.size > INT64_MAX)
		return imap_scan_fail(s, ERR_SYNTAX, "the size of a literal");
	if (i < s->in.n && s->in.p[i] == '+') {
		lit.is_sync = false;
		i++;
	}
	if (i >= s->in.n || s->in.p[i] != '}')
		return imap_scan_fail(s, ERR_SYNTAX, "}");
	s->at = i + 1;
	*out = lit;
	return true;
}

/* A literal with its bytes; the brace is here. */
static bool
take_literal(struct imap_scan *s, struct str *out)
{
	struct imap_literal lit;
	struct str text;

	if (!take_literal_head(s, &lit))
		return false;
	imap_scan_try_chr(s, '\r');
	if (!imap_scan_try_chr(s, '\n') || lit.size > s->in.n - s->at)
		return imap_scan_fail(s, ERR_SYNTAX, "the bytes of the literal");
	text = str_make(s->in.p + s->at, (size_t)lit.size);
	if (!lit.is_binary && str_chr(text, '\0') != SIZE_MAX)
		return imap_scan_fail(s, ERR_SYNTAX, "a literal without NUL");
	s->at += text.n;
	*out = text;
	return true;
}

bool
imap_scan_string(struct imap_scan *s, struct str *out)
{
	if (s->err != ERR_OK)
		return false;
	if (imap_scan_at(s, '"'))
		return take_quoted(s, out);
	if (imap_scan_at(s, '{'))
		return take_literal(s, out);
	return imap_scan_fail(s, ERR_SYNTAX, "a string");
}

static bool
is_string_here(const struct imap_scan *s)
{
	return imap_scan_at(s, '"') || imap_scan_at(s, '{');
}

bool
imap_scan_astring(struct imap_scan *s, struct str *out)
{
	return is_string_here(s) ? imap_scan_string(s, out)
				 : take_run(s, CHAR_ASTRING, "a word or a string", out);
}

bool
imap_scan_literal8(struct imap_scan *s, struct str *out)
{
	if (s->err != ERR_OK)
		return false;
	return imap_scan_at(s, '~') ? take_literal(s, out)
				    : imap_scan_fail(s, ERR_SYNTAX, "a literal8");
}

bool
imap_scan_nstring(struct imap_scan *s, struct str *out)
{
	if (s->err == ERR_OK && !is_string_here(s) && imap_scan_try_atom(s, STR("NIL"))) {
		*out = STR_NONE;
		return true;
	}
	return imap_scan_string(s, out);
}

/* Digits, at most as many as the type holds. */
static bool
take_number(struct imap_scan *s, uint64_t max, const char *expected, uint64_t *out)
{
	size_t i = s->at;
	uint64_t v;

	if (s->err != ERR_OK)
		return false;
	while (i < s->in.n && chr_is_digit(s->in.p[i]))
		i++;
	if (!str_to_u64(str_sub(s->in, s->at, i), &v) || v > max)
		return imap_scan_fail(s, ERR_SYNTAX, expected);
	s->at = i;
	*out = v;
	return true;
}

bool
imap_scan_number(struct imap_scan *s, uint32_t *out)
{
	uint64_t v;

	if (!take_number(s, UINT32_MAX, "a number", &v))
		return false;
	*out = (uint32_t)v;
	return true;
}

bool
imap_scan_nz_number(struct imap_scan *s, uint32_t *out)
{
	size_t at = s->at;
	uint32_t v;

	if (!imap_scan_number(s, &v))
		return false;
	if (v == 0) {
		s->at = at;
		return imap_scan_fail(s, ERR_SYNTAX, "a number above 0");
	}
	*out = v;
	return true;
}

bool
imap_scan_number64(struct imap_scan *s, uint64_t *out)
{
	return take_number(s, INT64_MAX, "a number", out);
}

bool
imap_scan_modseq(struct imap_scan *s, uint64_t *out)
{
	return take_number(s, INT64_MAX, "a mod-sequence", out);
}

bool
imap_scan_date(struct imap_scan *s, int32_t *days_out)
{
	size_t at = s->at;
	struct str text;

	if (!imap_scan_astring(s, &text))
		return false;
	if (imap_date_parse(text, days_out))
		return true;
	s->at = at;
	return imap_scan_fail(s, ERR_SYNTAX, "a date");
}

bool
imap_scan_datetime(struct imap_scan *s, struct imap_datetime *out)
{
	size_t at = s->at;
	struct str text;

	if (s->err != ERR_OK)
		return false;
	if (!imap_scan_at(s, '"'))
		return imap_scan_fail(s, ERR_SYNTAX, "a date and time in quotes");
	if (!take_quoted(s, &text))
		return false;
	if (imap_datetime_parse(text, out))
		return true;
	s->at = at;
	return imap_scan_fail(s, ERR_SYNTAX, "a date and time");
}

bool
imap_scan_seqset(struct imap_scan *s, struct seqset *out)
{
	size_t at = s->at;
	struct str text;
	enum err e;

	if (!take_run(s, CHAR_SEQ, "a set of numbers", &text))
		return false;
	e = seqset_parse(s->arena, text, out);
	if (e == ERR_OK)
		return true;
	s->at = at;
	return imap_scan_fail(s, e, "a set of numbers");
}

bool
imap_scan_mailbox(struct imap_scan *s, struct str *out)
{
	struct str text;
	enum err e;

	if (s->err != ERR_OK)
		return false;
	if (!is_string_here(s) && run_of(s, CHAR_ASTRING).n == 0)
		return imap_scan_fail(s, ERR_SYNTAX, "a mailbox name");
	if (!imap_scan_astring(s, &text))
		return false;
	if (!str_is_utf8(text))
		return imap_scan_fail(s, ERR_SYNTAX, "a mailbox name in UTF-8 before here");
	e = imap_name_decode(s->arena, text, s->is_utf8, out);
	return e == ERR_OK || imap_scan_fail(s, e, "a mailbox name");
}

bool
imap_scan_list_mailbox(struct imap_scan *s, struct str *out)
{
	return is_string_here(s) ? imap_scan_string(s, out)
				 : take_run(s, CHAR_LIST, "a mailbox pattern", out);
}

bool
imap_scan_list_open(struct imap_scan *s)
{
	return imap_scan_chr(s, '(');
}

bool
imap_scan_list_more(struct imap_scan *s, bool *is_first)
{
	if (s->err != ERR_OK)
		return false;
	if (imap_scan_try_chr(s, ')'))
		return false;
	if (!*is_first && !imap_scan_try_chr(s, ' '))
		return imap_scan_fail(s, ERR_SYNTAX, "a space or )");
	*is_first = false;
	return true;
}

static bool
add_keyword(struct imap_scan *s, struct str name, struct imap_flags *flags)
{
	if (name.n > KEYWORD_NAME_MAX)
		return imap_scan_fail(s, ERR_LIMIT, "a keyword");
	for (size_t i = 0; i < flags->n_keywords; i++) {
		if (str_eq_nocase(flags->keywords[i], name))
			return true;
	}
	if (flags->n_keywords == KEYWORDS_MAX)
		return imap_scan_fail(s, ERR_LIMIT, "keywords");
	if (flags->keywords == NULL)
		flags->keywords = arena_array(s->arena, struct str, KEYWORDS_MAX);
	flags->keywords[flags->n_keywords++] = name;
	return true;
}

/* One flag: a keyword, or a system flag that a client may set. */
static bool
take_flag(struct imap_scan *s, struct imap_flags *flags)
{
	size_t at = s->at;
	struct str name;
	unsigned bit;

	if (!imap_scan_try_chr(s, '\\'))
		return take_run(s, CHAR_ATOM, "a flag", &name) && add_keyword(s, name, flags);
	if (!take_run(s, CHAR_ATOM, "the name of a system flag", &name))
		return false;
	bit = imap_flags_system(str_make(name.p - 1, name.n + 1));
	if ((bit & FLAGS_STORABLE) == 0) {
		s->at = at;
		return imap_scan_fail(s, ERR_SYNTAX, "a system flag that can be set");
	}
	flags->system |= bit;
	return true;
}

bool
imap_scan_flag_list(struct imap_scan *s, struct imap_flags *out)
{
	struct imap_flags flags = { 0 };

	if (!imap_scan_list_open(s))
		return false;
	for (bool is_first = true; imap_scan_list_more(s, &is_first);) {
		if (!take_flag(s, &flags))
			return false;
	}
	*out = flags;
	return imap_scan_err(s) == ERR_OK;
}

bool
imap_scan_store_flags(struct imap_scan *s, struct imap_flags *out)
{
	struct imap_flags flags = { 0 };

	if (imap_scan_at(s, '('))
		return imap_scan_flag_list(s, out);
	do {
		if (!take_flag(s, &flags))
			return false;
	} while (!imap_scan_is_end(s) && imap_scan_sp(s));
	*out = flags;
	return imap_scan_err(s) == ERR_OK;
}

bool
imap_scan_literal_open(struct imap_scan *s, struct imap_literal *out)
{
	if (s->err != ERR_OK || !take_literal_head(s, out))
		return false;
	return s->at == s->in.n || imap_scan_fail(s, ERR_SYNTAX, "the end of the line");
}
