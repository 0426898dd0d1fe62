/*
 * subject.c - see subject.h. The numbers are those of the steps in RFC 5256 2.1.
 *
 * Done by the letter, steps 3 and 4 look at the same run of "[...]" again and again; but what they
 * find at its end does not depend on where they began, so here a run is looked at once, and the
 * work is linear.
 */
#include "mime/subject.h"

#include "mime/header.h"

static bool
is_wsp(char c)
{
	return c == ' ' || c == '\t';
}

static struct str
skip_wsp(struct str s)
{
	size_t i = 0;

	while (i < s.n && is_wsp(s.p[i]))
		i++;
	return str_sub(s, i, s.n);
}

/* subj-blob: "[" anything but brackets "]" *WSP. Takes it off. */
static bool
blob_take(struct str *s)
{
	size_t i = 1;

	if (s->n == 0 || s->p[0] != '[')
		return false;
	while (i < s->n && s->p[i] != '[' && s->p[i] != ']')
		i++;
	if (i == s->n || s->p[i] != ']')
		return false;
	*s = skip_wsp(str_sub(*s, i + 1, s->n));
	return true;
}

/* subj-refwd: ("re" / "fw" / "fwd") *WSP [subj-blob] ":". Takes it off. */
static bool
refwd_take(struct str *s)
{
	struct str rest;

	if (str_starts_nocase(*s, STR("fwd")))
		rest = str_sub(*s, 3, s->n);
	else if (str_starts_nocase(*s, STR("re")) || str_starts_nocase(*s, STR("fw")))
		rest = str_sub(*s, 2, s->n);
	else
		return false;
	rest = skip_wsp(rest);
	blob_take(&rest);
	if (rest.n == 0 || rest.p[0] != ':')
		return false;
	*s = str_sub(rest, 1, rest.n);
	return true;
}

/* Steps 3 to 5. */
static struct str
leaders_remove(struct str s, bool *is_reply)
{
	for (;;) {
		struct str at, last;

		s = skip_wsp(s);
		at = last = s;
		for (;;) {
			struct str before = at;

			if (!blob_take(&at))
				break;
			last = before;
		}
		if (refwd_take(&at)) {
			*is_reply = true;
			s = at;
			continue;
		}
		/* Blobs go as long as something stays. */
		return at.n > 0 ? at : last;
	}
}

/* Step 2. */
static struct str
trailers_remove(struct str s, bool *is_reply)
{
	for (;;) {
		if (s.n > 0 && is_wsp(s.p[s.n - 1])) {
			s.n--;
		} else if (s.n >= 5 && str_eq_nocase(str_sub(s, s.n - 5, s.n), STR("(fwd)"))) {
			s.n -= 5;
			*is_reply = true;
		} else {
			return s;
		}
	}
}

/* Step 1: one line, decoded, blanks run together. */
static void
text_of(struct str value, struct buf *out)
{
	struct buf text = BUF_MAX(4 * value.n + 64);

	mime_value_text(value, &text);
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (c == '\t' || c == '\r' || c == '\n')
			c = ' ';
		if (c != ' ' || out->n == 0 || out->p[out->n - 1] != ' ')
			buf_chr(out, c);
	}
	buf_done(&text);
}

bool
mime_subject_base(struct str value, struct buf *out)
{
	struct buf text = BUF_MAX(4 * value.n + 64);
	bool is_reply = false;
	struct str s;

	text_of(value, &text);
	s = buf_str(&text);
	for (;;) {
		s = trailers_remove(s, &is_reply);
		s = leaders_remove(s, &is_reply);
		/* Step 6. */
		if (s.n < 6 || !str_starts_nocase(s, STR("[fwd:")) || s.p[s.n - 1] != ']')
			break;
		s = str_sub(s, 5, s.n - 1);
		is_reply = true;
	}
	buf_str_add(out, s);
	buf_done(&text);
	return is_reply;
}
