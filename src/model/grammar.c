/*
 * grammar.c - see grammar.h. A recursive descent that reads each byte once; the first thing that is
 * wrong is kept.
 */
#include "model/grammar.h"

#include "base/attr.h"

#include <stdint.h>

enum { DEPTH_MAX = 2000, ENVELOPE_FIELDS = 10 };

struct grammar {
	const char *p, *end;
	bool is_utf8;
	const char *wrong;
};

static void
wrong(struct grammar *g, const char *what)
{
	if (g->wrong == NULL)
		g->wrong = what;
	g->p = g->end;
}

static bool
is_at(const struct grammar *g, char c)
{
	return g->p < g->end && *g->p == c;
}

static bool
take(struct grammar *g, char c)
{
	if (!is_at(g, c))
		return false;
	g->p++;
	return true;
}

static void
want(struct grammar *g, char c, const char *what)
{
	if (!take(g, c))
		wrong(g, what);
}

static struct str
rest(const struct grammar *g)
{
	return str_make(g->p, (size_t)(g->end - g->p));
}

/* ---- what everything is made of ---- */

static bool
is_atom_chr(char c)
{
	return c > ' ' && c < 0x7F && strchr("(){\"%*\\]", c) == NULL;
}

/* ASTRING-CHARs, up to a character that ends it here. Returns how many. */
static size_t
atom_until(struct grammar *g, char stop)
{
	const char *from = g->p;

	while (g->p < g->end && *g->p != stop && (is_atom_chr(*g->p) || *g->p == ']'))
		g->p++;
	return (size_t)(g->p - from);
}

static size_t
atom(struct grammar *g)
{
	return atom_until(g, '\0');
}

static bool
number(struct grammar *g, uint64_t *out)
{
	const char *from = g->p;

	while (g->p < g->end && chr_is_digit(*g->p))
		g->p++;
	return str_to_u64(str_make(from, (size_t)(g->p - from)), out);
}

static void
quoted(struct grammar *g)
{
	const char *from = g->p;

	want(g, '"', "no quoted string");
	while (g->p < g->end && *g->p != '"') {
		unsigned char c = (unsigned char)*g->p++;

		if (c == '\r' || c == '\n' || c == '\0')
			wrong(g, "a line end or NUL in a quoted string");
		else if (c >= 0x80 && !g->is_utf8)
			wrong(g, "8 bits in a quoted string");
		else if (c == '\\' && !take(g, '"') && !take(g, '\\'))
			wrong(g, "a backslash that quotes nothing");
	}
	if (g->wrong == NULL && !str_is_utf8(str_make(from, (size_t)(g->p - from))))
		wrong(g, "a quoted string that is no UTF-8");
	want(g, '"', "a quoted string without end");
}

static void
literal(struct grammar *g)
{
	bool is_binary = take(g, '~');
	uint64_t n;

	want(g, '{', "no literal");
	if (!number(g, &n))
		wrong(g, "a literal without length");
	want(g, '}', "a literal without }");
	want(g, '\r', "a literal without line end");
	want(g, '\n', "a literal without line end");
	if (n > (uint64_t)(g->end - g->p)) {
		wrong(g, "a literal that is cut short");
		return;
	}
	if (!is_binary && n > 0 && memchr(g->p, '\0', n) != NULL)
		wrong(g, "NUL in a literal");
	g->p += n;
}

static size_t value(struct grammar *g, unsigned depth);

/*
 * "(" ... ")": what it holds is separated by one space, but for lists, which may follow each other.
 * Returns how much.
 */
static size_t
list(struct grammar *g, unsigned depth)
{
	size_t count = 0;

	want(g, '(', "no list");
	if (depth == DEPTH_MAX)
		wrong(g, "lists too deep");
	while (g->p < g->end && !is_at(g, ')')) {
		bool was_list = is_at(g, '(');

		value(g, depth + 1);
		count++;
		if (is_at(g, ')') || (was_list && is_at(g, '(')))
			continue;
		want(g, ' ', "no space between the values of a list");
		if (is_at(g, ')'))
			wrong(g, "a space before )");
	}
	want(g, ')', "a list without end");
	return count;
}

/* "[" ... "]" behind a name: BODY[HEADER.FIELDS (A B)]. The name of a header field may be a]b. */
static void
section(struct grammar *g)
{
	want(g, '[', "no section");
	while (g->p < g->end && !is_at(g, ']')) {
		if (is_at(g, '('))
			list(g, 0);
		else if (is_at(g, ' ') || is_atom_chr(*g->p))
			g->p++;
		else
			wrong(g, "what is in a section");
	}
	want(g, ']', "a section without end");
}

/* One value; of a list, how many it holds. */
static size_t
value(struct grammar *g, unsigned depth)
{
	if (is_at(g, '('))
		return list(g, depth);
	if (is_at(g, '"')) {
		quoted(g);
	} else if (is_at(g, '{') || str_starts(rest(g), STR("~{"))) {
		literal(g);
	} else {
		if (take(g, '\\') && take(g, '*'))
			return 0;
		if (atom(g) == 0)
			wrong(g, "no value");
	}
	return 0;
}

static void
text(struct grammar *g)
{
	if (g->p == g->end)
		wrong(g, "no text");
	for (const char *c = g->p; c < g->end; c++) {
		if (*c == '\r' || *c == '\n' || *c == '\0')
			wrong(g, "a line end or NUL in text");
	}
	if (g->wrong == NULL && !(g->is_utf8 ? str_is_utf8(rest(g)) : str_is_ascii(rest(g))))
		wrong(g, "text that the client can't read");
	g->p = g->end;
}

/* ---- responses ---- */

/* "[code data] text", or only the text. */
static void
condition_rest(struct grammar *g)
{
	want(g, ' ', "no space before the text");
	if (take(g, '[')) {
		while (g->p < g->end && (is_atom_chr(*g->p)))
			g->p++;
		while (g->p < g->end && !is_at(g, ']')) {
			if (is_at(g, '"'))
				quoted(g);
			else if (*g->p == '\r' || *g->p == '\n' || *g->p == '\0')
				wrong(g, "a line end or NUL in a response code");
			else
				g->p++;
		}
		want(g, ']', "a response code without end");
		want(g, ' ', "no space behind the response code");
	}
	text(g);
}

static bool
is_condition(struct str name, bool is_tagged)
{
	if (str_eq(name, STR("OK")) || str_eq(name, STR("NO")) || str_eq(name, STR("BAD")))
		return true;
	return !is_tagged && (str_eq(name, STR("BYE")) || str_eq(name, STR("PREAUTH")));
}

static void
item_value(struct grammar *g, struct str name)
{
	bool is_list = is_at(g, '(');
	size_t count;
	uint64_t n = 0;

	if (str_eq(name, STR("UID")) || str_eq(name, STR("RFC822.SIZE"))) {
		if (!number(g, &n) || (n == 0 && str_eq(name, STR("UID"))))
			wrong(g, "no number");
		return;
	}
	if (!is_list
	    && (str_eq(name, STR("FLAGS")) || str_eq(name, STR("MODSEQ"))
		|| str_eq(name, STR("BODYSTRUCTURE")) || str_eq(name, STR("ENVELOPE"))
		|| str_eq(name, STR("EMAILID"))))
		wrong(g, "an item of FETCH that should be a list");
	count = value(g, 0);
	if (str_eq(name, STR("ENVELOPE")) && count != ENVELOPE_FIELDS)
		wrong(g, "an ENVELOPE without ten fields");
}

/* "(name value name value)" */
static void
fetch(struct grammar *g)
{
	want(g, ' ', "no space in FETCH");
	want(g, '(', "no list in FETCH");
	while (g->p < g->end && !is_at(g, ')')) {
		const char *from = g->p;
		struct str name;

		if (atom_until(g, '[') == 0)
			wrong(g, "an item of FETCH without name");
		name = str_make(from, (size_t)(g->p - from));
		if (is_at(g, '[')) {
			section(g);
			atom(g);
		}
		want(g, ' ', "no space behind the name of an item");
		item_value(g, name);
		if (!is_at(g, ')'))
			want(g, ' ', "no space between items");
	}
	want(g, ')', "a FETCH without end");
}

static void
values(struct grammar *g)
{
	want(g, ' ', "no space behind the name of a response");
	while (g->p < g->end) {
		bool was_list = is_at(g, '(');

		value(g, 0);
		/* THREAD (1 2)(3) */
		if (g->p < g->end && !(was_list && is_at(g, '(')))
			want(g, ' ', "no space between values");
	}
}

static void
untagged(struct grammar *g)
{
	const char *from = g->p;
	struct str name;
	uint64_t n;

	if (g->p < g->end && chr_is_digit(*g->p)) {
		if (!number(g, &n) || n > UINT32_MAX)
			wrong(g, "not the number of a message");
		want(g, ' ', "no space behind a number");
		name = rest(g);
		if (str_eq(name, STR("EXISTS")) || str_eq(name, STR("RECENT"))
		    || (n > 0 && str_eq(name, STR("EXPUNGE")))) {
			g->p = g->end;
			return;
		}
		if (n == 0)
			wrong(g, "message 0");
		name = str_sub(name, 0, MIN(str_chr(name, ' '), name.n));
		g->p += name.n;
		if (str_eq(name, STR("FETCH")) || str_eq(name, STR("UIDFETCH")))
			fetch(g);
		else if (str_eq(name, STR("CONVERTED")))
			values(g); /* RFC 5259 */
		else
			wrong(g, "no response with a number");
		return;
	}
	if (atom(g) == 0)
		wrong(g, "a response without name");
	name = str_make(from, (size_t)(g->p - from));
	if (is_condition(name, false)) {
		condition_rest(g);
		return;
	}
	if (g->p == g->end
	    && (str_eq(name, STR("SEARCH")) || str_eq(name, STR("SORT"))
		|| str_eq(name, STR("THREAD")) || str_eq(name, STR("ENABLED"))))
		return;
	for (size_t i = 0; i < name.n; i++) {
		if (chr_lower(name.p[i]) == name.p[i] && chr_is_alpha(name.p[i]))
			wrong(g, "a response whose name is not in capitals");
	}
	values(g);
}

static void
tagged(struct grammar *g)
{
	struct str name;

	while (g->p < g->end && *g->p != '+' && (is_atom_chr(*g->p) || *g->p == ']'))
		g->p++;
	want(g, ' ', "no space behind the tag");
	name = str_sub(rest(g), 0, MIN(str_chr(rest(g), ' '), (size_t)(g->end - g->p)));
	if (!is_condition(name, true))
		wrong(g, "a tagged response that says neither OK nor NO nor BAD");
	else
		g->p += name.n;
	condition_rest(g);
}

const char *
grammar_check(struct str response, bool is_utf8)
{
	struct grammar g = { .p = response.p, .end = response.p + response.n, .is_utf8 = is_utf8 };

	if (str_starts(response, STR("+ "))) {
		g.p += 2;
		if (g.p < g.end)
			text(&g);
	} else if (str_starts(response, STR("* "))) {
		g.p += 2;
		untagged(&g);
	} else {
		tagged(&g);
	}
	if (g.p < g.end)
		wrong(&g, "more than a response");
	return g.wrong;
}
