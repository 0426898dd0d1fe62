/* language.c - see language.h. */
#include "session/language.h"

#include "base/size.h"
#include "session/language_texts.h"

#include <string.h>

static const struct str tags[LANGUAGES] = {
	[LANGUAGE_DEFAULT] = STR_INIT("i-default"),
	[LANGUAGE_ENGLISH] = STR_INIT("en"),
	[LANGUAGE_DE] = STR_INIT("de"),
	[LANGUAGE_ES] = STR_INIT("es"),
	[LANGUAGE_FR] = STR_INIT("fr"),
	[LANGUAGE_JA] = STR_INIT("ja"),
	[LANGUAGE_ZH] = STR_INIT("zh"),
};

struct str
language_tag(enum language l)
{
	return tags[l];
}

bool
language_find(struct str tag, enum language *out)
{
	for (unsigned l = 0; l < LANGUAGES; l++) {
		if (!str_eq_nocase(tags[l], tag))
			continue;
		*out = l;
		return true;
	}
	return false;
}

/* 1*8ALPHA, then 1*8(ALPHA / DIGIT), or "*" anywhere. */
bool
language_is_range(struct str range)
{
	struct str rest = range, word;
	bool is_first = true;

	if (range.n == 0 || range.p[range.n - 1] == '-')
		return false;
	while (str_split(&rest, '-', &word)) {
		bool is_good = word.n > 0 && word.n <= 8;

		for (size_t i = 0; i < word.n && is_good; i++)
			is_good = chr_is_alpha(word.p[i]) || (!is_first && chr_is_digit(word.p[i]));
		if (!is_good && !str_eq(word, STR("*")))
			return false;
		is_first = false;
	}
	return true;
}

/* Without its last subtag, and without one of a single character that would then be the last. */
static struct str
shorten(struct str range)
{
	size_t dash = str_rchr(range, '-');

	if (dash == SIZE_MAX)
		return STR("");
	range = str_sub(range, 0, dash);
	return dash >= 2 && range.p[dash - 2] == '-' ? str_sub(range, 0, dash - 2) : range;
}

bool
language_match(struct str range, enum language *out)
{
	/* "i-default" is asked for by its whole name. */
	for (; range.n > 0; range = shorten(range)) {
		if (language_find(range, out))
			return true;
	}
	return false;
}

struct str
language_text(enum language l, struct str english)
{
	size_t low = 0, high = language_text_count;

	if (l < LANGUAGE_DE || english.p == NULL)
		return english;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = str_cmp(str_c(language_texts[middle].english), english);

		if (order == 0)
			return language_texts[middle].in[l - LANGUAGE_DE] == NULL
			    ? english
			    : str_c(language_texts[middle].in[l - LANGUAGE_DE]);
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return english;
}

struct str
language_format(struct arena *a, enum language l, struct str english, struct str with)
{
	struct str text = language_text(l, english);
	size_t at = 0;
	char *out;

	while (at + 1 < text.n && (text.p[at] != '%' || text.p[at + 1] != 's'))
		at++;
	if (at + 1 >= text.n)
		return text;
	out = arena_alloc(a, size_add(text.n, with.n));
	memcpy(out, text.p, at);
	if (with.n > 0)
		memcpy(out + at, with.p, with.n);
	memcpy(out + at + with.n, text.p + at + 2, text.n - at - 2);
	return str_make(out, text.n - 2 + with.n);
}
