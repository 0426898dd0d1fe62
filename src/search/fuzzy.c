/*
 * fuzzy.c - FUZZY text keys (RFC 6203): words instead of exact strings.
 *
 * Text is in casemap form, so letters have no case, and accents are characters of their own, which
 * are left out. A key matches when each of its words is near some word of the text: the same, its
 * beginning, inside it, or one or two letters away when it is long enough. How near makes the
 * relevancy. Ideographs and kana are words each.
 */
#include "search/search_int.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

enum {
	SCORE_SAME = 100,
	SCORE_PREFIX = 90,
	SCORE_INSIDE = 75,
	SCORE_ONE_OFF = 60,
	SCORE_TWO_OFF = 40,
	SCORE_LEAST = 30, /* becomes relevancy 0 */
	WORDS_MAX = 32,   /* of a key; what comes behind does not count */
};

static bool
is_word_alone(UChar32 c)
{
	return c >= 0x2E80 && !u_isdigit(c);
}

static bool
is_accent(UChar32 c)
{
	return c >= 0x300 && u_charType(c) == U_NON_SPACING_MARK;
}

static void
end_word(struct fuzzy_reader *r, fuzzy_word_fn *fn, void *ctx)
{
	if (r->n > 0)
		fn(ctx, r->letters, r->n);
	r->n = 0;
}

void
fuzzy_read(struct fuzzy_reader *r, struct str folded, bool is_last, fuzzy_word_fn *fn, void *ctx)
{
	size_t i = 0;

	while (i < folded.n) {
		UChar32 c;

		U8_NEXT((const uint8_t *)folded.p, i, folded.n, c);
		if (is_accent(c))
			continue;
		if (c < 0 || !u_isalnum(c)) {
			end_word(r, fn, ctx);
			continue;
		}
		if (is_word_alone(c) || r->n == FUZZY_LETTERS_MAX)
			end_word(r, fn, ctx);
		r->letters[r->n++] = (uint32_t)c;
		if (is_word_alone(c))
			end_word(r, fn, ctx);
	}
	if (is_last)
		end_word(r, fn, ctx);
}

static void
add_word(void *ctx, const uint32_t *letters, unsigned n)
{
	struct fuzzy *f = ctx;

	if (f->count == WORDS_MAX)
		return;
	memcpy(f->words[f->count].letters, letters, n * sizeof(*letters));
	f->words[f->count++].n = n;
}

struct fuzzy *
fuzzy_new(struct arena *a, struct str folded)
{
	struct fuzzy_reader r = { 0 };
	struct fuzzy *f = arena_new(a, struct fuzzy);

	f->words = arena_array(a, struct fuzzy_word, WORDS_MAX);
	fuzzy_read(&r, folded, true, add_word, f);
	return f->count > 0 ? f : NULL;
}

void
fuzzy_reset(struct fuzzy *f)
{
	for (uint32_t i = 0; i < f->count; i++)
		f->words[i].best = 0;
}

/*
 * Letters to insert, take out, change or swap with the next, until one word is the other; max + 1
 * when they are more than max.
 */
static unsigned
distance(const struct fuzzy_word *w, const uint32_t *letters, unsigned n, unsigned max)
{
	uint8_t d[FUZZY_LETTERS_MAX + 1][FUZZY_LETTERS_MAX + 1];

	if ((w->n > n ? w->n - n : n - w->n) > max)
		return max + 1;
	for (unsigned j = 0; j <= n; j++)
		d[0][j] = (uint8_t)j;
	for (unsigned i = 1; i <= w->n; i++) {
		unsigned least = i;

		d[i][0] = (uint8_t)i;
		for (unsigned j = 1; j <= n; j++) {
			unsigned v = d[i - 1][j - 1] + (w->letters[i - 1] != letters[j - 1]);

			v = MIN(v, MIN(d[i - 1][j], d[i][j - 1]) + 1u);
			if (i > 1 && j > 1 && w->letters[i - 1] == letters[j - 2]
			    && w->letters[i - 2] == letters[j - 1])
				v = MIN(v, d[i - 2][j - 2] + 1u);
			d[i][j] = (uint8_t)v;
			least = MIN(least, v);
		}
		if (least > max)
			return max + 1;
	}
	return d[w->n][n];
}

static bool
is_inside(const struct fuzzy_word *w, const uint32_t *letters, unsigned n)
{
	for (unsigned at = 1; at + w->n <= n; at++)
		if (memcmp(w->letters, letters + at, w->n * sizeof(*letters)) == 0)
			return true;
	return false;
}

static unsigned
word_score(const struct fuzzy_word *w, const uint32_t *letters, unsigned n)
{
	unsigned max = w->n >= 8 ? 2 : w->n >= 4 ? 1 : 0, away;

	if (n >= w->n && memcmp(w->letters, letters, w->n * sizeof(*letters)) == 0)
		return n == w->n ? SCORE_SAME : w->n > 1 ? SCORE_PREFIX : 0;
	if (w->n > 2 && is_inside(w, letters, n))
		return SCORE_INSIDE;
	if (max == 0)
		return 0;
	away = distance(w, letters, n, max);
	return away > max ? 0 : away == 1 ? SCORE_ONE_OFF : SCORE_TWO_OFF;
}

void
fuzzy_see(void *ctx, const uint32_t *letters, unsigned n)
{
	struct fuzzy *f = ctx;

	for (uint32_t i = 0; i < f->count; i++)
		if (f->words[i].best < SCORE_SAME)
			f->words[i].best =
			    MAX(f->words[i].best, word_score(&f->words[i], letters, n));
}

unsigned
fuzzy_score(const struct fuzzy *f)
{
	unsigned sum = 0;

	for (uint32_t i = 0; i < f->count; i++) {
		if (f->words[i].best == 0)
			return 0;
		sum += f->words[i].best;
	}
	return sum / f->count;
}

static void
collect(const struct node *n, unsigned *sum, unsigned *count)
{
	if (n->fuzzy != NULL && !n->key->is_not && n->text_truth == IS_YES) {
		*sum += n->score;
		++*count;
	}
	for (const struct node *c = n->children; c != NULL; c = c->next)
		collect(c, sum, count);
}

unsigned
search_relevancy(const struct search *s)
{
	unsigned sum = 0, count = 0, score;

	collect(s->root, &sum, &count);
	score = count == 0 ? SCORE_SAME : sum / count;
	return score <= SCORE_LEAST ? 1 : (score - SCORE_LEAST) * 100 / (SCORE_SAME - SCORE_LEAST);
}
