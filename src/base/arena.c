/*
 * arena.c - see arena.h. The first block is small, for many hold a few words for long, as the
 * command of a client who idles; the next ones double from 1 KiB to 64 KiB, and what is larger gets
 * one of its own. With their heads the first two are of sizes that malloc() keeps at hand.
 */
#include "base/arena.h"

#include "base/size.h"

#include <stdio.h>
#include <stdlib.h>

enum { BLOCK_FIRST = 224, BLOCK_MIN = 992, BLOCK_MAX = 65536, ALIGN = _Alignof(max_align_t) };

struct arena_block {
	struct arena_block *next;
	size_t size; /* that the next one is double of */
	size_t room; /* bytes of data */
	_Alignas(ALIGN) char data[];
};

static _Noreturn void
out_of_memory(size_t size)
{
	fprintf(stderr, "level=error event=out-of-memory bytes=%zu\n", size);
	abort();
}

void *
xmalloc(size_t size)
{
	void *p = malloc(size == 0 ? 1 : size);

	if (p == NULL)
		out_of_memory(size);
	return p;
}

void *
xcalloc(size_t count, size_t size)
{
	void *p = calloc(count == 0 ? 1 : count, size == 0 ? 1 : size);

	if (p == NULL)
		out_of_memory(count);
	return p;
}

void *
xrealloc(void *old, size_t size)
{
	void *p = realloc(old, size == 0 ? 1 : size);

	if (p == NULL)
		out_of_memory(size);
	return p;
}

char *
xstrdup(struct str s)
{
	char *p = xmalloc(size_add(s.n, 1));

	if (s.n > 0)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return p;
}

void
arena_reset(struct arena *a)
{
	struct arena_block *b = a->blocks;

	while (b != NULL) {
		struct arena_block *next = b->next;

		if (a->is_secret)
			explicit_bzero(b->data, b->room);
		free(b);
		b = next;
	}
	*a = (struct arena){ .is_secret = a->is_secret };
}

void
arena_join(struct arena *a, struct arena *from)
{
	struct arena_block **tail = &a->blocks;

	if (from->blocks == NULL)
		return;
	if (a->blocks == NULL) {
		*a = *from;
		*from = ARENA_NONE;
		return;
	}
	while (*tail != NULL)
		tail = &(*tail)->next;
	*tail = from->blocks;
	a->total_bytes += from->total_bytes;
	*from = ARENA_NONE;
}

void *
arena_alloc(struct arena *a, size_t size)
{
	struct arena_block *b;
	size_t want, block;

	size = size_add(size, ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if ((size_t)(a->end - a->at) >= size && a->at != NULL) {
		void *p = a->at;

		a->at += size;
		return p;
	}
	block = a->blocks == NULL
	    ? (size_t)BLOCK_FIRST
	    : MIN(MAX(a->blocks->size * 2, (size_t)BLOCK_MIN), (size_t)BLOCK_MAX);
	want = MAX(size, block);
	b = xmalloc(size_add(sizeof(*b), want));
	b->size = b->room = want;
	a->total_bytes += sizeof(*b) + want;
	if (size > BLOCK_MAX / 4 && a->blocks != NULL) {
		/* A large one goes behind the newest, whose free space stays in use. */
		b->size = BLOCK_MAX;
		b->next = a->blocks->next;
		a->blocks->next = b;
		return b->data;
	}
	b->next = a->blocks;
	a->blocks = b;
	a->at = b->data + size;
	a->end = b->data + want;
	return b->data;
}

void *
arena_zalloc(struct arena *a, size_t count, size_t size)
{
	size_t n = size_mul(count, size);

	return memset(arena_alloc(a, n), 0, n);
}

char *
arena_cstr(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, size_add(s.n, 1));

	if (s.n > 0)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return p;
}

struct str
arena_str(struct arena *a, struct str s)
{
	return str_make(arena_cstr(a, s), s.n);
}

struct str
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *p;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	must(n >= 0);
	p = arena_alloc(a, (size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return str_make(p, (size_t)n);
}
