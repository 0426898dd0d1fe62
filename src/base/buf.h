/*
 * buf.h - text we build. A buffer gets its maximum when it is made; appends after a breach do
 * nothing, and buf_err() tells once, at the end.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/attr.h"
#include "base/err.h"
#include "base/str.h"

#include <stdarg.h>

struct buf {
	char *p;
	size_t n, cap, max;
	bool is_over, is_secret;
};

#define BUF_MAX(m) ((struct buf){ .max = (m) })
/*
 * For what holds passwords and keys: memory that it leaves, by growing, consuming or ending, is
 * overwritten.
 */
#define BUF_SECRET(m) ((struct buf){ .max = (m), .is_secret = true })

void buf_done(struct buf *b);
#define BUF_CLEAN cleanup_with(buf_done)
/** ERR_LIMIT when something did not fit. */
enum err buf_err(const struct buf *b);

static inline struct str
buf_str(const struct buf *b)
{
	return str_make(b->p, b->n);
}

/** Empties it, keeps the memory. */
static inline void
buf_clear(struct buf *b)
{
	b->n = 0;
	b->is_over = false;
}

/**
 * Room for n more bytes, to be written by the caller, who then adds to b->n; NULL when over the
 * maximum.
 */
char *buf_reserve(struct buf *b, size_t n);

/* buf_reserve(), short where there is room: most additions are of a few bytes. */
static inline char *
buf_room(struct buf *b, size_t n)
{
	if (n <= b->cap - b->n && !b->is_over && n <= b->max && b->n <= b->max - n)
		return b->p + b->n;
	return buf_reserve(b, n);
}

static inline void
buf_add(struct buf *b, const void *p, size_t n)
{
	char *to = n > 0 ? buf_room(b, n) : NULL;

	if (to == NULL)
		return;
	memcpy(to, p, n);
	b->n += n;
}

static inline void
buf_str_add(struct buf *b, struct str s)
{
	buf_add(b, s.p, s.n);
}

#define buf_lit(b, lit) buf_add((b), (lit), sizeof(lit) - 1)
void buf_c(struct buf *b, const char *s);

static inline void
buf_chr(struct buf *b, char c)
{
	char *to = buf_room(b, 1);

	if (to == NULL)
		return;
	*to = c;
	b->n++;
}

void buf_u64(struct buf *b, uint64_t v);
/** Its digits, at most 10; gives what is behind them. */
char *put_decimal(char *to, uint32_t v);
/** Each number with a character before it. Asks for room for the longest there are. */
void buf_u32s(struct buf *b, char before, const uint32_t *numbers, size_t n);
void buf_printf(struct buf *b, const char *fmt, ...) printf_like(2, 3);
/** Removes the first n bytes. */
void buf_consume(struct buf *b, size_t n);

/** Cuts it to n bytes. */
static inline void
buf_truncate(struct buf *b, size_t n)
{
	if (n < b->n)
		b->n = n;
}

/**
 * Overwrites what it held, then frees: a secret that came into a buffer that is not secret itself.
 */
void buf_wipe(struct buf *b);

#endif
