/* collation.c - see collation.h. */
#include "mime/collation.h"

#include "base/bytes.h"
#include "mime/casemap.h"

static const struct str names[COLLATIONS] = {
	[COLLATION_UNICODE_CASEMAP] = STR_INIT("i;unicode-casemap"),
	[COLLATION_ASCII_CASEMAP] = STR_INIT("i;ascii-casemap"),
	[COLLATION_OCTET] = STR_INIT("i;octet"),
	[COLLATION_ASCII_NUMERIC] = STR_INIT("i;ascii-numeric"),
};

struct str
mime_collation_name(enum mime_collation c)
{
	return names[c];
}

static void
ascii_upper(struct str s, struct buf *out)
{
	char *to = buf_reserve(out, s.n);

	if (to == NULL)
		return;
	for (size_t i = 0; i < s.n; i++)
		to[i] = chr_upper(s.p[i]);
	out->n += s.n;
}

/*
 * How many digits, and they, without leading zeros: so longer numbers are greater. What is no
 * number is greater than all.
 */
static void
ascii_number(struct str s, struct buf *out)
{
	char count[4];
	size_t from = 0, end = 0;

	while (end < s.n && chr_is_digit(s.p[end]))
		end++;
	if (end == 0) {
		buf_lit(out, "\xFF\xFF\xFF\xFF");
		return;
	}
	while (from + 1 < end && s.p[from] == '0')
		from++;
	put_be32(count, (uint32_t)(end - from));
	buf_add(out, count, sizeof(count));
	buf_str_add(out, str_sub(s, from, end));
}

void
mime_collate(enum mime_collation c, struct str utf8, struct buf *out)
{
	if (c == COLLATION_ASCII_NUMERIC)
		ascii_number(utf8, out);
	else
		mime_collate_part(c, utf8, out);
}

void
mime_collate_part(enum mime_collation c, struct str utf8, struct buf *out)
{
	switch (c) {
	case COLLATION_UNICODE_CASEMAP:
		mime_casemap(utf8, out);
		return;
	case COLLATION_ASCII_CASEMAP:
		ascii_upper(utf8, out);
		return;
	case COLLATION_OCTET:
	case COLLATION_ASCII_NUMERIC:
	case COLLATIONS:
		buf_str_add(out, utf8);
		return;
	}
}

/* "*" stands for any text; the last one seen is gone back to when what follows does not fit. */
bool
mime_collation_matches(enum mime_collation c, struct str wild)
{
	const struct str name = names[c];
	size_t at = 0, w = 0, star = SIZE_MAX, star_at = 0;

	while (at < name.n) {
		if (w < wild.n && wild.p[w] == '*') {
			star = w++;
			star_at = at;
		} else if (w < wild.n && chr_lower(wild.p[w]) == name.p[at]) {
			w++;
			at++;
		} else if (star != SIZE_MAX) {
			w = star + 1;
			at = ++star_at;
		} else {
			return false;
		}
	}
	while (w < wild.n && wild.p[w] == '*')
		w++;
	return w == wild.n;
}
