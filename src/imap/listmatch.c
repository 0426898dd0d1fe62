/* listmatch.c - see listmatch.h. */
#include "imap/listmatch.h"

#include "base/size.h"

#include <stdlib.h>

/*
 * State i of a pattern stands before its byte i; the one behind the last byte accepts. A wildcard
 * state stays while it eats and may be left without eating. All patterns lie one after the other in
 * one bit set, each with its accepting state.
 */
struct imap_listmatch {
	size_t n; /* states of all patterns */
	size_t n_words;
	char separator;
	uint64_t *by_byte;        /* 256 sets of n_words: states whose literal byte this is */
	uint64_t *star, *percent; /* states before "*" and "%" */
	/* the same, as long as they have eaten nothing, and must */
	uint64_t *first_star, *first_percent;
	uint64_t *accept;
	uint64_t *start;
};

static void
set_bit(uint64_t *set, size_t i)
{
	set[i / 64] |= (uint64_t)1 << (i % 64);
}

/* The pattern's first level is INBOX in some case, wholly written out. */
static bool
begins_with_inbox(struct str pattern, char separator)
{
	return str_starts_nocase(pattern, STR("INBOX"))
	    && (pattern.n == 5 || pattern.p[5] == separator || pattern.p[5] == '*'
		|| pattern.p[5] == '%');
}

/* How many wildcards the text begins with: together they are one, "*" if it is among them. */
static size_t
wildcards(struct str s)
{
	size_t n = 0;

	while (n < s.n && (s.p[n] == '*' || s.p[n] == '%'))
		n++;
	return n;
}

static struct imap_listmatch *
compile(struct arena *a, const struct str *patterns, size_t n, char separator, bool is_strict)
{
	struct imap_listmatch *m = arena_new(a, struct imap_listmatch);
	size_t at = 0;

	for (size_t i = 0; i < n; i++)
		m->n = size_add(m->n, size_add(size_mul(patterns[i].n, is_strict ? 2 : 1), 1));
	m->separator = separator;
	m->n_words = (m->n + 63) / 64;
	m->by_byte = arena_array(a, uint64_t, size_mul(256, m->n_words));
	m->star = arena_array(a, uint64_t, m->n_words);
	m->percent = arena_array(a, uint64_t, m->n_words);
	m->first_star = arena_array(a, uint64_t, m->n_words);
	m->first_percent = arena_array(a, uint64_t, m->n_words);
	m->accept = arena_array(a, uint64_t, m->n_words);
	m->start = arena_array(a, uint64_t, m->n_words);
	for (size_t i = 0; i < n; i++) {
		bool is_inbox = !is_strict && begins_with_inbox(patterns[i], separator);

		set_bit(m->start, at);
		for (size_t j = 0; j < patterns[i].n; j++) {
			/* Names of the store have it in capitals. */
			char c = is_inbox && j < 5 ? "INBOX"[j] : patterns[i].p[j];
			size_t run = wildcards(str_sub(patterns[i], j, patterns[i].n));

			if (run > 0) {
				bool has_star =
				    str_chr(str_sub(patterns[i], j, j + run), '*') != SIZE_MAX;

				if (is_strict)
					set_bit(has_star ? m->first_star : m->first_percent, at++);
				set_bit(has_star ? m->star : m->percent, at++);
				j += run - 1;
			} else {
				set_bit(m->by_byte + (size_t)(unsigned char)c * m->n_words, at++);
			}
		}
		set_bit(m->accept, at++);
	}
	return m;
}

struct imap_listmatch *
imap_listmatch_new(struct arena *a, const struct str *patterns, size_t n, char separator)
{
	return compile(a, patterns, n, separator, false);
}

struct imap_listmatch *
imap_listmatch_new_strict(struct arena *a, const struct str *patterns, size_t n, char separator)
{
	return compile(a, patterns, n, separator, true);
}

/*
 * Adds the states reached by leaving wildcards without eating. No two stand side by side, so one
 * step does.
 */
static void
leave_wildcards(const struct imap_listmatch *m, uint64_t *set)
{
	uint64_t carry = 0;

	for (size_t i = 0; i < m->n_words; i++) {
		uint64_t left = set[i] & (m->star[i] | m->percent[i]);

		set[i] |= left << 1 | carry;
		carry = left >> 63;
	}
}

/* One byte of the name: from becomes to. True while any state is left. */
static bool
step(const struct imap_listmatch *m, const uint64_t *from, unsigned char c, uint64_t *to)
{
	const uint64_t *literal = m->by_byte + (size_t)c * m->n_words;
	uint64_t carry = 0, any = 0;

	for (size_t i = 0; i < m->n_words; i++) {
		uint64_t moved = from[i]
		    & (literal[i] | m->first_star[i]
			| (c == (unsigned char)m->separator ? 0 : m->first_percent[i]));
		uint64_t stayed = from[i]
		    & (c == (unsigned char)m->separator ? m->star[i] : m->star[i] | m->percent[i]);

		to[i] = moved << 1 | carry | stayed;
		carry = moved >> 63;
		any |= to[i];
	}
	leave_wildcards(m, to);
	return any != 0;
}

unsigned
imap_listmatch_run(const struct imap_listmatch *m, struct str name)
{
	enum { WORDS_ON_STACK = 64 };

	uint64_t stack[2 * WORDS_ON_STACK];
	uint64_t *heap =
	    m->n_words > WORDS_ON_STACK ? xcalloc(2 * m->n_words, sizeof(*heap)) : NULL;
	uint64_t *now = heap != NULL ? heap : stack, *then = now + m->n_words;
	unsigned result = LISTMATCH_NO;
	bool is_alive = m->n > 0;

	memcpy(now, m->start, m->n_words * sizeof(*now));
	leave_wildcards(m, now);
	for (size_t i = 0; i < name.n && is_alive; i++) {
		uint64_t *t = now;

		is_alive = step(m, now, (unsigned char)name.p[i], then);
		now = then;
		then = t;
	}
	for (size_t i = 0; i < m->n_words && is_alive; i++) {
		if ((now[i] & m->accept[i]) != 0)
			result |= LISTMATCH_YES;
	}
	/* A name below has the separator and at least one more byte. */
	if (is_alive && name.n > 0 && step(m, now, (unsigned char)m->separator, then)) {
		for (size_t i = 0; i < m->n_words; i++) {
			if ((then[i] & ~m->accept[i]) != 0)
				result |= LISTMATCH_CHILDREN;
		}
	}
	free(heap);
	return result;
}
