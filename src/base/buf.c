/* buf.c - see buf.h. */
#include "base/buf.h"

#include "base/arena.h"
#include "base/size.h"

#include <stdio.h>
#include <stdlib.h>

void
buf_done(struct buf *b)
{
	if (b->is_secret && b->p != NULL)
		explicit_bzero(b->p, b->cap);
	free(b->p);
	*b = (struct buf){ .max = b->max, .is_secret = b->is_secret };
}

void
buf_wipe(struct buf *b)
{
	if (b->p != NULL)
		explicit_bzero(b->p, b->cap);
	buf_done(b);
}

enum err
buf_err(const struct buf *b)
{
	return b->is_over ? ERR_LIMIT : ERR_OK;
}

/* realloc() leaves copies behind. */
static char *
grow_secret(const struct buf *b, size_t cap)
{
	char *p = xmalloc(cap);

	if (b->p != NULL) {
		memcpy(p, b->p, b->n);
		explicit_bzero(b->p, b->cap);
		free(b->p);
	}
	return p;
}

char *
buf_reserve(struct buf *b, size_t n)
{
	size_t need, cap;

	if (b->is_over || n > b->max || b->n > b->max - n) {
		b->is_over = true;
		return NULL;
	}
	need = b->n + n;
	if (need > b->cap) {
		cap = b->cap < 128 ? 128 : b->cap;
		while (cap < need)
			cap = size_mul(cap, 2);
		b->p = b->is_secret ? grow_secret(b, cap) : xrealloc(b->p, cap);
		b->cap = cap;
	}
	return b->p + b->n;
}

void
buf_c(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

/* Two digits at a time: lists of a mailbox are mostly numbers. */
static const char pairs[] = "0001020304050607080910111213141516171819"
			    "2021222324252627282930313233343536373839"
			    "4041424344454647484950515253545556575859"
			    "6061626364656667686970717273747576777879"
			    "8081828384858687888990919293949596979899";

static unsigned
digits_u32(uint32_t v)
{
	if (v >= 100000)
		return v >= 10000000 ? v >= 1000000000 ? 10
			: v >= 100000000               ? 9
						       : 8
		    : v >= 1000000   ? 7
				     : 6;
	return v >= 10000 ? 5 : v >= 1000 ? 4 : v >= 100 ? 3 : v >= 10 ? 2 : 1;
}

char *
put_decimal(char *to, uint32_t v)
{
	char *at = to += digits_u32(v);

	for (; v >= 100; v /= 100)
		memcpy(at -= 2, pairs + (size_t)2 * (v % 100), 2);
	if (v >= 10)
		memcpy(at - 2, pairs + (size_t)2 * v, 2);
	else
		at[-1] = (char)('0' + v);
	return to;
}

void
buf_u32s(struct buf *b, char before, const uint32_t *numbers, size_t n)
{
	char *p = buf_reserve(b, size_mul(n, 11));

	for (size_t i = 0; p != NULL && i < n; i++) {
		*p++ = before;
		p = put_decimal(p, numbers[i]);
	}
	if (p != NULL)
		b->n = (size_t)(p - b->p);
}

void
buf_u64(struct buf *b, uint64_t v)
{
	char t[20];
	size_t i = sizeof(t);

	for (; v >= 100; v /= 100)
		memcpy(t + (i -= 2), pairs + 2 * (v % 100), 2);
	if (v >= 10)
		t[--i] = pairs[2 * v + 1];
	t[--i] = v >= 10 ? pairs[2 * v] : (char)('0' + v);
	buf_add(b, t + i, sizeof(t) - i);
}

/* Mostly there is room: then the text is made once. */
void
buf_printf(struct buf *b, const char *fmt, ...)
{
	size_t room = b->is_over ? 0 : MIN(b->cap, b->max) - MIN(b->n, b->max);
	va_list ap;
	char *to;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(room > 0 ? b->p + b->n : NULL, room, fmt, ap);
	va_end(ap);
	must(n >= 0);
	if ((size_t)n >= room) {
		to = buf_reserve(b, (size_t)n + 1);
		if (to == NULL)
			return;
		va_start(ap, fmt);
		vsnprintf(to, (size_t)n + 1, fmt, ap);
		va_end(ap);
	}
	b->n += (size_t)n;
}

void
buf_consume(struct buf *b, size_t n)
{
	must(n <= b->n);
	if (n > 0 && n < b->n)
		memmove(b->p, b->p + n, b->n - n);
	b->n -= n;
	if (b->is_secret && n > 0)
		explicit_bzero(b->p + b->n, n);
}
