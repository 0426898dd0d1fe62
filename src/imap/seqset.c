/* seqset.c - see seqset.h. */
#include "imap/seqset.h"

#include "base/size.h"

#include <stdlib.h>

void
rangeset_done(struct rangeset *s)
{
	free(s->r);
	*s = RANGESET_NONE;
}

static void
reserve(struct rangeset *s, size_t cap)
{
	if (cap <= s->cap)
		return;
	s->cap = MAX(cap, s->cap == 0 ? 2 : size_mul(s->cap, 2));
	s->r = xrealloc(s->r, size_mul(s->cap, sizeof(*s->r)));
}

/*
 * Behind all that is there: joins the last range or makes a new one. first may not be below the
 * last range's first.
 */
static void
append(struct rangeset *s, uint32_t first, uint32_t last)
{
	if (s->n > 0 && (uint64_t)first <= (uint64_t)s->r[s->n - 1].last + 1) {
		s->r[s->n - 1].last = MAX(s->r[s->n - 1].last, last);
		return;
	}
	reserve(s, s->n + 1);
	s->r[s->n++] = (struct range){ first, last };
}

size_t
rangeset_find(const struct rangeset *s, uint32_t v)
{
	size_t lo = 0, hi = s->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (s->r[mid].last < v)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Puts count ranges in the place of those from i to j (exclusive). */
static void
replace(struct rangeset *s, size_t i, size_t j, const struct range *with, size_t count)
{
	reserve(s, s->n - (j - i) + count);
	memmove(s->r + i + count, s->r + j, (s->n - j) * sizeof(*s->r));
	if (count > 0)
		memcpy(s->r + i, with, count * sizeof(*with));
	s->n = s->n - (j - i) + count;
}

void
rangeset_add(struct rangeset *s, uint32_t first, uint32_t last)
{
	struct range r = { first, last };
	size_t i, j;

	must(first >= 1 && first <= last);
	if (s->n == 0 || first >= s->r[s->n - 1].first) {
		append(s, first, last);
		return;
	}
	i = j = rangeset_find(s, first - 1);
	while (j < s->n && (uint64_t)s->r[j].first <= (uint64_t)last + 1)
		j++;
	if (i < j) {
		r.first = MIN(first, s->r[i].first);
		r.last = MAX(last, s->r[j - 1].last);
	}
	replace(s, i, j, &r, 1);
}

void
rangeset_remove(struct rangeset *s, uint32_t first, uint32_t last)
{
	struct range left[2];
	size_t count = 0, i, j;

	must(first <= last);
	i = j = rangeset_find(s, first);
	while (j < s->n && s->r[j].first <= last)
		j++;
	if (i == j)
		return;
	if (s->r[i].first < first)
		left[count++] = (struct range){ s->r[i].first, first - 1 };
	if (s->r[j - 1].last > last)
		left[count++] = (struct range){ last + 1, s->r[j - 1].last };
	replace(s, i, j, left, count);
}

bool
rangeset_contains(const struct rangeset *s, uint32_t v)
{
	size_t i = rangeset_find(s, v);

	return i < s->n && s->r[i].first <= v;
}

uint32_t
rangeset_next(const struct rangeset *s, uint32_t v)
{
	size_t i = rangeset_find(s, v);

	return i == s->n ? 0 : MAX(v, s->r[i].first);
}

uint64_t
rangeset_bits(const struct rangeset *s, uint32_t v)
{
	const uint64_t end = (uint64_t)v + 63;
	uint64_t bits = 0;

	for (size_t i = rangeset_find(s, v); i < s->n && s->r[i].first <= end; i++) {
		uint32_t from = MAX(s->r[i].first, v) - v;
		uint32_t to = (uint32_t)(MIN((uint64_t)s->r[i].last, end) - v);

		bits |= UINT64_MAX << from & UINT64_MAX >> (63 - to);
	}
	return bits;
}

uint64_t
rangeset_count(const struct rangeset *s)
{
	uint64_t count = 0;

	for (size_t i = 0; i < s->n; i++)
		count += (uint64_t)s->r[i].last - s->r[i].first + 1;
	return count;
}

bool
rangeset_eq(const struct rangeset *a, const struct rangeset *b)
{
	return a->n == b->n && (a->n == 0 || memcmp(a->r, b->r, a->n * sizeof(*a->r)) == 0);
}

void
rangeset_copy(struct rangeset *out, const struct rangeset *a)
{
	reserve(out, a->n);
	if (a->n > 0)
		memcpy(out->r, a->r, a->n * sizeof(*a->r));
	out->n = a->n;
}

void
rangeset_union(struct rangeset *out, const struct rangeset *a, const struct rangeset *b)
{
	size_t i = 0, j = 0;

	out->n = 0;
	reserve(out, MAX(a->n, b->n));
	while (i < a->n || j < b->n) {
		bool is_a = j == b->n || (i < a->n && a->r[i].first <= b->r[j].first);
		const struct range *r = is_a ? &a->r[i++] : &b->r[j++];

		append(out, r->first, r->last);
	}
}

void
rangeset_intersect(struct rangeset *out, const struct rangeset *a, const struct rangeset *b)
{
	size_t i = 0, j = 0;

	out->n = 0;
	while (i < a->n && j < b->n) {
		uint32_t first = MAX(a->r[i].first, b->r[j].first);
		uint32_t last = MIN(a->r[i].last, b->r[j].last);

		if (first <= last)
			append(out, first, last);
		if (a->r[i].last < b->r[j].last)
			i++;
		else
			j++;
	}
}

void
rangeset_subtract(struct rangeset *out, const struct rangeset *a, const struct rangeset *b)
{
	size_t j = 0;

	out->n = 0;
	for (size_t i = 0; i < a->n; i++) {
		uint64_t first = a->r[i].first, last = a->r[i].last;

		while (j < b->n && b->r[j].last < first)
			j++;
		/*
		 * The last range of b looked at may reach into the next one of a, so j stays at it.
		 */
		while (j < b->n && b->r[j].first <= last && first <= last) {
			if (b->r[j].first > first)
				append(out, (uint32_t)first, b->r[j].first - 1);
			first = (uint64_t)b->r[j].last + 1;
			if (first <= last)
				j++;
		}
		if (first <= last)
			append(out, (uint32_t)first, (uint32_t)last);
	}
}

void
rangeset_format(const struct rangeset *s, struct buf *b)
{
	for (size_t i = 0; i < s->n; i++) {
		if (i > 0)
			buf_chr(b, ',');
		buf_u64(b, s->r[i].first);
		if (s->r[i].last != s->r[i].first) {
			buf_chr(b, ':');
			buf_u64(b, s->r[i].last);
		}
	}
}

static int
by_first(const void *pa, const void *pb)
{
	const struct range *a = pa, *b = pb;

	return (a->first > b->first) - (a->first < b->first);
}

/* Makes a set of ranges in any order, overlapping or not. */
static void
sort_and_join(struct rangeset *s)
{
	size_t n = s->n;

	for (size_t i = 1; i < n; i++) {
		if (s->r[i].first < s->r[i - 1].first) {
			qsort(s->r, n, sizeof(*s->r), by_first);
			break;
		}
	}
	s->n = 0;
	for (size_t i = 0; i < n; i++) {
		struct range r = s->r[i];

		append(s, r.first, r.last);
	}
}

/* seq-number: nz-number or "*". */
static bool
parse_number(struct str s, uint32_t *out)
{
	if (str_eq(s, STR("*"))) {
		*out = SEQ_STAR;
		return true;
	}
	return s.n > 0 && s.p[0] != '0' && str_to_u32(s, out);
}

static bool
parse_range(struct str s, struct range *out)
{
	size_t colon = str_chr(s, ':');

	if (!parse_number(str_sub(s, 0, colon), &out->first))
		return false;
	out->last = out->first;
	return colon == SIZE_MAX || parse_number(str_sub(s, colon + 1, s.n), &out->last);
}

enum err
seqset_parse(struct arena *a, struct str text, struct seqset *out)
{
	struct seqset set = { 0 };
	size_t count = 1;
	struct str word;

	if (text.n == 0 || text.p[text.n - 1] == ',')
		return ERR_SYNTAX;
	for (size_t i = 0; i < text.n; i++)
		count += text.p[i] == ',';
	if (count > SEQSET_RANGES_MAX)
		return ERR_LIMIT;
	set.r = arena_array(a, struct range, count);
	while (str_split(&text, ',', &word)) {
		struct range *r = &set.r[set.n];

		if (str_eq(word, STR("$"))) {
			set.has_saved = true;
			continue;
		}
		if (!parse_range(word, r))
			return ERR_SYNTAX;
		if (r->first == SEQ_STAR || r->last == SEQ_STAR)
			set.has_star = true;
		set.n++;
	}
	*out = set;
	return ERR_OK;
}

void
seqset_resolve(const struct seqset *s, uint32_t star, const struct rangeset *saved,
    struct rangeset *out)
{
	out->n = 0;
	reserve(out, s->n);
	for (size_t i = 0; i < s->n; i++) {
		uint32_t first = s->r[i].first == SEQ_STAR ? star : s->r[i].first;
		uint32_t last = s->r[i].last == SEQ_STAR ? star : s->r[i].last;

		if (first == 0)
			first = last;
		if (last == 0)
			last = first;
		if (first != 0)
			out->r[out->n++] = (struct range){ MIN(first, last), MAX(first, last) };
	}
	if (s->has_saved && saved != NULL) {
		reserve(out, size_add(out->n, saved->n));
		if (saved->n > 0)
			memcpy(out->r + out->n, saved->r, saved->n * sizeof(*saved->r));
		out->n += saved->n;
	}
	sort_and_join(out);
}

enum err
rangeset_parse(struct str text, struct rangeset *out)
{
	struct rangeset set = RANGESET_NONE;
	struct str word;

	if (text.n > 0 && text.p[text.n - 1] == ',')
		return ERR_SYNTAX;
	while (text.n > 0 && str_split(&text, ',', &word)) {
		struct range r;

		if (!parse_range(word, &r) || r.first == SEQ_STAR || r.last == SEQ_STAR) {
			rangeset_done(&set);
			return ERR_SYNTAX;
		}
		if (set.n >= SEQSET_RANGES_MAX) {
			rangeset_done(&set);
			return ERR_LIMIT;
		}
		reserve(&set, set.n + 1);
		set.r[set.n++] = (struct range){ MIN(r.first, r.last), MAX(r.first, r.last) };
	}
	sort_and_join(&set);
	rangeset_done(out);
	*out = set;
	return ERR_OK;
}
