/*
 * config_text.c - what is wrong with a configuration's text before anything in it is understood: a
 * quotation mark or a brace that nothing closes, a value that is missing. libconfuse tells these
 * where the file ends, or at what it takes for the value.
 */
#include "proc/config_int.h"

struct scan {
	char *p;
	size_t n, i;
	unsigned line;
	unsigned brace_line;  /* of the one that is open, or 0 */
	unsigned equals_line; /* where a value is awaited, or 0 */
	struct str name;      /* what was read last that may be an option's */
};

static void
blank_to(struct scan *s, size_t end)
{
	for (; s->i < end; s->i++)
		if (s->p[s->i] == '\n')
			s->line++;
		else
			s->p[s->i] = ' ';
}

/*
 * Comments are blanked, in place: libconfuse counts the lines that end in one of '#' twice more.
 * True when there was one.
 */
static bool
comment(struct scan *s)
{
	struct str rest = str_make(s->p + s->i, s->n - s->i);
	size_t end;

	if (str_starts(rest, STR("/*"))) {
		const char *close = memmem(rest.p + 2, rest.n - 2, "*/", 2);

		blank_to(s, close == NULL ? s->n : (size_t)(close + 2 - s->p));
		return true;
	}
	if (rest.p[0] != '#' && !str_starts(rest, STR("//")))
		return false;
	end = str_chr(rest, '\n');
	blank_to(s, end == SIZE_MAX ? s->n : s->i + end);
	return true;
}

static bool
is_word(char c)
{
	return strchr(" \t\r\n\"'{}=,+#", c) == NULL;
}

/* A text in quotation marks. None has a line's end in it, but behind a backslash. */
static bool
quoted(struct scan *s)
{
	char quote = s->p[s->i++];

	for (; s->i < s->n && s->p[s->i] != quote; s->i++) {
		if (s->p[s->i] == '\n')
			return false;
		if (s->p[s->i] == '\\' && s->i + 1 < s->n && s->p[++s->i] == '\n')
			s->line++;
	}
	if (s->i >= s->n)
		return false;
	s->i++;
	return true;
}

static bool
wrong(const struct scan *s, const char *file, unsigned line, const char *what, struct buf *errors)
{
	buf_printf(errors, "%s:%u: ", file, line);
	if (s->name.n > 0)
		buf_printf(errors, "%.*s: ", (int)MIN(s->name.n, 100), s->name.p);
	buf_printf(errors, "%s\n", what);
	return false;
}

/* The next word, text or sign. */
static bool
token(struct scan *s, const char *file, struct buf *errors)
{
	char c = s->p[s->i];
	bool may_be_later = c == '"' || c == '\'' || c == '{';
	bool is_value = s->equals_line != 0 || s->brace_line != 0;
	unsigned line = s->line;
	size_t from = s->i;

	if (s->equals_line != 0 && s->equals_line != s->line && !may_be_later)
		return wrong(s, file, s->equals_line, "its value is missing", errors);
	if (c == '=') {
		s->equals_line = s->line;
		s->i++;
		return true;
	}
	s->equals_line = 0;
	if (c == '"' || c == '\'')
		return quoted(s)
		    || wrong(s, file, line, "a quotation mark is not closed on its line", errors);
	if (c == '{' || c == '}')
		s->brace_line = c == '{' ? s->line : 0;
	if (!is_word(c)) {
		s->i++;
		return true;
	}
	while (s->i < s->n && is_word(s->p[s->i]))
		s->i++;
	if (!is_value)
		s->name = str_make(s->p + from, s->i - from);
	return true;
}

bool
config_text_prepare(const char *file, char *p, size_t n, struct buf *errors)
{
	struct scan s = { .p = p, .n = n, .line = 1 };

	while (s.i < n) {
		if (p[s.i] == '\n') {
			s.line++;
			s.i++;
		} else if (strchr(" \t\r", p[s.i]) != NULL) {
			s.i++;
		} else if (!comment(&s) && !token(&s, file, errors)) {
			return false;
		}
	}
	if (s.equals_line != 0)
		return wrong(&s, file, s.equals_line, "its value is missing", errors);
	if (s.brace_line != 0)
		return wrong(&s, file, s.brace_line, "a brace is not closed", errors);
	return true;
}
