/* header.c - see header.h. */
#include "mime/header.h"

#include "base/arena.h"
#include "mime/lex_int.h"
#include "mime/words.h"

#include <stdlib.h>

/* The length of the line that begins here, with its end. */
static size_t
line_length(struct str s)
{
	const char *lf = s.n > 0 ? memchr(s.p, '\n', s.n) : NULL;

	return lf != NULL ? (size_t)(lf - s.p) + 1 : s.n;
}

static bool
is_empty_line(struct str line)
{
	return str_eq(line, STR("\n")) || str_eq(line, STR("\r\n"));
}

bool
mime_header_next(struct str *rest, struct mime_field *field_out)
{
	struct str s = *rest;
	size_t n = line_length(s), colon, name_n;

	if (n == 0 || is_empty_line(str_make(s.p, n)))
		return false;
	colon = str_chr(str_make(s.p, n), ':');
	while (n < s.n && (s.p[n] == ' ' || s.p[n] == '\t'))
		n += line_length(str_sub(s, n, s.n));
	field_out->all = str_make(s.p, n);
	*rest = str_sub(s, n, s.n);
	if (colon == SIZE_MAX) {
		field_out->name = str_make(s.p, 0);
		field_out->value = field_out->all;
		return true;
	}
	name_n = colon;
	while (name_n > 0 && (s.p[name_n - 1] == ' ' || s.p[name_n - 1] == '\t'))
		name_n--;
	field_out->name = str_make(s.p, name_n);
	field_out->value = str_sub(field_out->all, colon + 1, n);
	return true;
}

bool
mime_header_find(struct str header, struct str name, struct mime_field *field_out)
{
	struct mime_field f;

	while (mime_header_next(&header, &f))
		if (f.name.n == name.n && str_eq_nocase(f.name, name)) {
			*field_out = f;
			return true;
		}
	return false;
}

enum { FEW_NAMES = 8 };

static bool
is_one_of(struct str name, const struct str *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (names[i].n == name.n && str_eq_nocase(names[i], name))
			return true;
	return false;
}

static int
name_cmp(const void *a, const void *b)
{
	return str_cmp_nocase(*(const struct str *)a, *(const struct str *)b);
}

void
mime_header_pick(struct str header, const struct str *names, size_t name_count, bool is_not,
    struct buf *out)
{
	/* Sorted, so that many names and many fields together stay linearithmic. */
	struct str *sorted = name_count > FEW_NAMES ? xcalloc(name_count, sizeof(*sorted)) : NULL;
	struct mime_field f;

	if (sorted != NULL) {
		memcpy(sorted, names, name_count * sizeof(*names));
		qsort(sorted, name_count, sizeof(*sorted), name_cmp);
	}
	while (mime_header_next(&header, &f)) {
		bool is_in = sorted == NULL
		    ? is_one_of(f.name, names, name_count)
		    : bsearch(&f.name, sorted, name_count, sizeof(*sorted), name_cmp) != NULL;

		if (is_in != is_not)
			buf_str_add(out, f.all);
	}
	if (header.n > 0)
		buf_add(out, header.p, line_length(header));
	free(sorted);
}

void
mime_value_unfold(struct str value, struct buf *out)
{
	value = str_trim(value);
	if (str_chr(value, '\n') == SIZE_MAX && str_chr(value, '\r') == SIZE_MAX) {
		buf_str_add(out, value);
		return;
	}
	while (value.n > 0) {
		size_t n = 0, end;
		bool is_fold = false;

		while (n < value.n && !chr_is_wsp(value.p[n]))
			n++;
		for (end = n; end < value.n && chr_is_wsp(value.p[end]); end++)
			is_fold = is_fold || value.p[end] == '\n';
		buf_add(out, value.p, n);
		if (is_fold) {
			buf_chr(out, ' ');
		} else {
			for (; n < end; n++)
				if (value.p[n] != '\r')
					buf_chr(out, value.p[n]);
		}
		value = str_sub(value, end, value.n);
	}
}

void
mime_value_text(struct str value, struct buf *out)
{
	struct buf flat = BUF_MAX(value.n + 1);

	mime_value_unfold(value, &flat);
	mime_words_decode(buf_str(&flat), out);
	buf_done(&flat);
}
