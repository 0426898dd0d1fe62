/* str.h - text we look at: a pointer and a length, never NUL-terminated, never owned. */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *p;
	size_t n;
};

/* A literal as a str, in code and in static tables. */
#define STR(lit) ((struct str){ (lit), sizeof(lit) - 1 })
#define STR_INIT(lit)                                                                              \
	{                                                                                          \
		(lit), sizeof(lit) - 1                                                             \
	}
#define STR_NONE ((struct str){ NULL, 0 })
/* For printf: "%.*s". */
#define STR_F(s) (int)(s).n, (s).p != NULL ? (s).p : ""

static inline struct str
str_make(const void *p, size_t n)
{
	return (struct str){ p, n };
}

/* A NUL-terminated string, or NULL, as a str. */
static inline struct str
str_c(const char *s)
{
	return (struct str){ s, s != NULL ? strlen(s) : 0 };
}

static inline bool
str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/** memcmp order; a prefix sorts first. */
int str_cmp(struct str a, struct str b);
/** The same with ASCII letters folded to lower case. */
int str_cmp_nocase(struct str a, struct str b);

/** What str_eq_nocase() leaves to look at: n bytes of each. */
bool str_same_nocase(const char *a, const char *b, size_t n);

/** True when they are equal but for ASCII case. Mostly the first letter tells that they are not. */
static inline bool
str_eq_nocase(struct str a, struct str b)
{
	return a.n == b.n
	    && (a.n == 0 || (((a.p[0] ^ b.p[0]) & ~0x20) == 0 && str_same_nocase(a.p, b.p, a.n)));
}

static inline bool
str_starts(struct str s, struct str prefix)
{
	return s.n >= prefix.n && str_eq(str_make(s.p, prefix.n), prefix);
}

bool str_starts_nocase(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);

/** Index of the first c, or SIZE_MAX. */
static inline size_t
str_chr(struct str s, char c)
{
	const char *p = s.n == 0 ? NULL : memchr(s.p, c, s.n);

	return p == NULL ? SIZE_MAX : (size_t)(p - s.p);
}

/** Index of the last c, or SIZE_MAX. */
size_t str_rchr(struct str s, char c);

/** Bytes from..to (exclusive); both are cut to what is there. */
static inline struct str
str_sub(struct str s, size_t from, size_t to)
{
	if (to > s.n)
		to = s.n;
	if (from > to)
		from = to;
	return s.p == NULL ? STR_NONE : str_make(s.p + from, to - from);
}

/** Without leading and trailing space, tab, CR, LF. */
struct str str_trim(struct str s);
/** Cuts `*rest` at the first sep: returns what stood before it; false when nothing was left. */
bool str_split(struct str *rest, char sep, struct str *head_out);

/* Decimal numbers: the whole string must be digits and the value must fit; no sign, no space. */
bool str_to_u32(struct str s, uint32_t *out);
bool str_to_u64(struct str s, uint64_t *out);

/* ASCII only, whatever the locale. */
static inline char
chr_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static inline char
chr_upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}

static inline bool
chr_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool
chr_is_alpha(char c)
{
	return chr_lower(c) >= 'a' && chr_lower(c) <= 'z';
}

/** Well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms). NUL counts as well-formed. */
bool str_is_utf8(struct str s);
/** How many bytes at the beginning are below 0x80. Eight at a time. */
size_t str_ascii_length(struct str s);

/** Every byte is below 0x80. */
static inline bool
str_is_ascii(struct str s)
{
	return str_ascii_length(s) == s.n;
}

/**
 * Copies ASCII letters as capitals and stops before the first byte that is not ASCII: returns how
 * many were copied.
 */
size_t str_ascii_upper(char *to, struct str s);

/**
 * Hash for tables that compare what has equal hashes. Texts with equal ones can be made, whatever
 * the seed: where nothing but the hash is kept of what strangers choose, take SipHash
 * (auth/throttle.c).
 */
uint64_t str_hash(struct str s, uint64_t seed);

#endif
