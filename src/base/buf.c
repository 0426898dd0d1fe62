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

void
buf_u64(struct buf *b, uint64_t v)
{
	char t[20];
	size_t i = sizeof(t);

	do {
		t[--i] = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	buf_add(b, t + i, sizeof(t) - i);
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	char *to;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	must(n >= 0);
	to = buf_reserve(b, (size_t)n + 1);
	if (to == NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(to, (size_t)n + 1, fmt, ap);
	va_end(ap);
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
