/* str.c - see str.h. */
#include "base/str.h"

int
str_cmp(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n == 0 ? 0 : memcmp(a.p, b.p, n);

	if (c != 0)
		return c;
	return (a.n > b.n) - (a.n < b.n);
}

int
str_cmp_nocase(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;

	for (size_t i = 0; i < n; i++) {
		int c = (unsigned char)chr_lower(a.p[i]) - (unsigned char)chr_lower(b.p[i]);

		if (c != 0)
			return c;
	}
	return (a.n > b.n) - (a.n < b.n);
}

#define ALL(c) (0x0101010101010101u * (c))

/* Eight letters at a time: the high bit of each byte of `upper` is that of an ASCII capital. */
static uint64_t
lower_eight(const char *p)
{
	uint64_t w, low, upper;

	memcpy(&w, p, 8);
	low = w & ALL(0x7F);
	upper = ((low + ALL(0x80 - 'A')) ^ (low + ALL(0x7F - 'Z'))) & ~w & ALL(0x80);
	return w | upper >> 2;
}

bool
str_same_nocase(const char *a, const char *b, size_t n)
{
	size_t i = 0;

	for (; i + 8 <= n; i += 8)
		if (lower_eight(a + i) != lower_eight(b + i))
			return false;
	for (; i < n; i++)
		if (chr_lower(a[i]) != chr_lower(b[i]))
			return false;
	return true;
}

bool
str_starts_nocase(struct str s, struct str prefix)
{
	return s.n >= prefix.n && str_eq_nocase(str_make(s.p, prefix.n), prefix);
}

bool
str_ends(struct str s, struct str suffix)
{
	return s.n >= suffix.n && str_eq(str_sub(s, s.n - suffix.n, s.n), suffix);
}

size_t
str_rchr(struct str s, char c)
{
	const char *p = s.n == 0 ? NULL : memrchr(s.p, c, s.n);

	return p == NULL ? SIZE_MAX : (size_t)(p - s.p);
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str
str_trim(struct str s)
{
	while (s.n > 0 && is_space(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && is_space(s.p[s.n - 1]))
		s.n--;
	return s;
}

bool
str_split(struct str *rest, char sep, struct str *head_out)
{
	size_t i;

	if (rest->p == NULL)
		return false;
	i = str_chr(*rest, sep);
	if (i == SIZE_MAX) {
		*head_out = *rest;
		*rest = STR_NONE;
		return true;
	}
	*head_out = str_make(rest->p, i);
	*rest = str_make(rest->p + i + 1, rest->n - i - 1);
	return true;
}

bool
str_to_u64(struct str s, uint64_t *out)
{
	uint64_t v = 0;

	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (!chr_is_digit(s.p[i]) || __builtin_mul_overflow(v, 10, &v)
		    || __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
			return false;
	}
	*out = v;
	return true;
}

bool
str_to_u32(struct str s, uint32_t *out)
{
	uint64_t v;

	if (!str_to_u64(s, &v) || v > UINT32_MAX)
		return false;
	*out = (uint32_t)v;
	return true;
}

#define HIGH_BITS 0x8080808080808080u

size_t
str_ascii_length(struct str s)
{
	size_t i = 0;
	uint64_t w;

	for (; i + 32 <= s.n; i += 32) {
		uint64_t four[4];

		memcpy(four, s.p + i, 32);
		if (((four[0] | four[1] | four[2] | four[3]) & HIGH_BITS) != 0)
			break;
	}
	for (; i + 8 <= s.n; i += 8) {
		memcpy(&w, s.p + i, 8);
		if ((w & HIGH_BITS) != 0)
			break;
	}
	while (i < s.n && (unsigned char)s.p[i] < 0x80)
		i++;
	return i;
}

size_t
str_ascii_upper(char *to, struct str s)
{
	size_t i = 0;
	uint64_t w;

	/*
	 * Bytes are below 0x80, so adding 0x80 - c sets the high bit of those from c on and carries
	 * nothing over.
	 */
	for (; i + 8 <= s.n; i += 8) {
		uint64_t is_small;

		memcpy(&w, s.p + i, 8);
		if ((w & HIGH_BITS) != 0)
			break;
		is_small = (w + 0x1F1F1F1F1F1F1F1Fu) & ~(w + 0x0505050505050505u) & HIGH_BITS;
		w ^= is_small >> 2;
		memcpy(to + i, &w, 8);
	}
	for (; i < s.n && (unsigned char)s.p[i] < 0x80; i++)
		to[i] = chr_upper(s.p[i]);
	return i;
}

/* Length of the well-formed sequence at p, or 0. */
static size_t
utf8_sequence(const unsigned char *p, size_t n)
{
	unsigned char lo = 0x80, hi = 0xBF;
	size_t len;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xC2 || p[0] > 0xF4)
		return 0;
	len = p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
	if (n < len)
		return 0;
	if (p[0] == 0xE0)
		lo = 0xA0;
	else if (p[0] == 0xED)
		hi = 0x9F;
	else if (p[0] == 0xF0)
		lo = 0x90;
	else if (p[0] == 0xF4)
		hi = 0x8F;
	if (p[1] < lo || p[1] > hi)
		return 0;
	for (size_t i = 2; i < len; i++) {
		if (p[i] < 0x80 || p[i] > 0xBF)
			return 0;
	}
	return len;
}

bool
str_is_utf8(struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p;

	for (size_t i = 0, len; i < s.n; i += len) {
		len = utf8_sequence(p + i, s.n - i);
		if (len == 0)
			return false;
	}
	return true;
}

uint64_t
str_hash(struct str s, uint64_t seed)
{
	uint64_t h = seed ^ 0x9E3779B97F4A7C15u ^ (s.n * 0xFF51AFD7ED558CCDu);

	while (s.n >= 8) {
		uint64_t w;

		memcpy(&w, s.p, 8);
		h = (h ^ w) * 0x9FB21C651E98DF25u;
		h ^= h >> 32;
		s.p += 8;
		s.n -= 8;
	}
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * 0x100000001B3u;
	h ^= h >> 29;
	h *= 0xBF58476D1CE4E5B9u;
	h ^= h >> 32;
	return h;
}
