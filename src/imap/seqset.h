/*
 * seqset.h - sets of message numbers and UIDs (RFC 9051 9: sequence-set, uid-set).
 *
 * A struct seqset is what a client wrote: "*" and "$" have no value yet. A struct rangeset is a set
 * of numbers: ranges that are sorted, apart from each other by at least one number, and never hold
 * 0. A seqset becomes a rangeset by seqset_resolve(). Rangesets own heap memory (16 bytes hold two
 * ranges): RANGESET_CLEAN or rangeset_done().
 */
#ifndef IMAP_SEQSET_H
#define IMAP_SEQSET_H

#include "base/arena.h"
#include "base/buf.h"

/* Ranges that one set in a command may have. */
enum { SEQSET_RANGES_MAX = 100000 };

struct range {
	uint32_t first, last; /* inclusive, first <= last */
};

struct rangeset {
	struct range *r;
	size_t n, cap;
};

#define RANGESET_NONE ((struct rangeset){ 0 })
#define RANGESET_CLEAN cleanup_with(rangeset_done)

void rangeset_done(struct rangeset *s);

/** Empties it, keeps the memory. */
static inline void
rangeset_clear(struct rangeset *s)
{
	s->n = 0;
}

static inline bool
rangeset_is_empty(const struct rangeset *s)
{
	return s->n == 0;
}

/**
 * Adds first..last (first >= 1). Constant time when it is not below what is there already; else it
 * moves what is behind.
 */
void rangeset_add(struct rangeset *s, uint32_t first, uint32_t last);

static inline void
rangeset_add_one(struct rangeset *s, uint32_t v)
{
	rangeset_add(s, v, v);
}

/** Takes first..last out. */
void rangeset_remove(struct rangeset *s, uint32_t first, uint32_t last);
bool rangeset_contains(const struct rangeset *s, uint32_t v);
/** Index of the first range whose last is at or above v; n when there is none. */
size_t rangeset_find(const struct rangeset *s, uint32_t v);
/** The smallest member at or above v; 0 when there is none. */
uint32_t rangeset_next(const struct rangeset *s, uint32_t v);
/** Which of the 64 numbers from v on are members; the lowest bit is v. */
uint64_t rangeset_bits(const struct rangeset *s, uint32_t v);
/** How many numbers. */
uint64_t rangeset_count(const struct rangeset *s);
bool rangeset_eq(const struct rangeset *a, const struct rangeset *b);

static inline uint32_t
rangeset_min(const struct rangeset *s)
{
	return s->n == 0 ? 0 : s->r[0].first;
}

static inline uint32_t
rangeset_max(const struct rangeset *s)
{
	return s->n == 0 ? 0 : s->r[s->n - 1].last;
}

/* Linear in the ranges of both. out may not be a or b; what it held is dropped. */
void rangeset_copy(struct rangeset *out, const struct rangeset *a);
void rangeset_union(struct rangeset *out, const struct rangeset *a, const struct rangeset *b);
void rangeset_intersect(struct rangeset *out, const struct rangeset *a, const struct rangeset *b);
void rangeset_subtract(struct rangeset *out, const struct rangeset *a, const struct rangeset *b);
/** "1:3,7". Nothing for the empty set, which has no form in IMAP. */
void rangeset_format(const struct rangeset *s, struct buf *b);
/** Reads what rangeset_format() wrote, any order; no "*", no "$". ERR_SYNTAX, ERR_LIMIT. */
must_use enum err rangeset_parse(struct str text, struct rangeset *out);

#define SEQ_STAR 0 /* the "*" of a range in a seqset */

struct seqset {
	/* as written, in the arena; SEQ_STAR stands for the largest number in use */
	struct range *r;
	size_t n;
	bool has_saved; /* "$": the result that SEARCH saved (RFC 5182) */
	bool has_star;
};

/** Parses the whole of text. ERR_SYNTAX, or ERR_LIMIT for too many ranges. */
must_use enum err seqset_parse(struct arena *a, struct str text, struct seqset *out);
/**
 * Gives the numbers.
 *
 * @star   value of "*": the largest sequence number or UID in use; 0 when the mailbox is empty,
 *         then "*" alone and a range of two stars have no numbers, and "*:n" stands for n alone
 * @saved  value of "$"; may be NULL when has_saved is not set
 * @out    initialised; what it held is dropped. Numbers above star are kept: whether they are an
 *         error (sequence numbers) or just name nothing (UIDs) is for the caller to decide
 */
void seqset_resolve(const struct seqset *s, uint32_t star, const struct rangeset *saved,
    struct rangeset *out);

#endif
