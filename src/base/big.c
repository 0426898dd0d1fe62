/*
 * big.c - see big.h. In front of each is how much is mapped for it. A mapping begins where a huge
 * page may; a part at its end that would leave more than half of one unused has small pages.
 */
#include "base/big.h"

#include "base/arena.h"
#include "base/sanitized.h"
#include "base/size.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)
#define SMALL_PAGE ((size_t)64 << 10) /* the largest that a Linux has */

enum { BIG_FROM = 1 << 20 };

struct big {
	size_t mapped; /* bytes from here on; 0: it is malloc()'s */
	_Alignas(max_align_t) char data[];
};

static size_t
round_up(size_t n, size_t to)
{
	return size_add(n, to - 1) / to * to;
}

/* NULL: there is no more. */
static struct big *
map(size_t bytes)
{
	size_t n = round_up(bytes, SMALL_PAGE), huge = n / HUGE_PAGE * HUGE_PAGE, before, room;
	struct big *b;
	char *p;

	if (n - huge >= HUGE_PAGE / 2)
		n = huge = huge + HUGE_PAGE;
	room = size_add(n, HUGE_PAGE);
	p = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	before = (HUGE_PAGE - (uintptr_t)p % HUGE_PAGE) % HUGE_PAGE;
	/* With as many mappings as a process may have, addresses stay taken; memory does not. */
	if (before > 0)
		munmap(p, before);
	munmap(p + before + n, HUGE_PAGE - before);
	/* A kernel that has none gives small pages. */
	madvise(p + before, huge, MADV_HUGEPAGE);
	b = (void *)(p + before);
	b->mapped = n;
	return b;
}

void *
big_alloc(size_t count, size_t size)
{
	const size_t bytes = size_add(size_mul(count, size), sizeof(struct big));
	struct big *b = NULL;

	if (bytes >= BIG_FROM && !IS_SANITIZED)
		b = map(bytes);
	if (b == NULL)
		b = xcalloc(1, bytes);
	return b->data;
}

void
big_free(void *p)
{
	struct big *b = p == NULL ? NULL : container_of(p, struct big, data);

	if (b != NULL && b->mapped > 0)
		munmap(b, b->mapped);
	else
		free(b);
}

void *
big_grow(void *old, size_t old_bytes, size_t bytes)
{
	void *p = big_alloc(bytes, 1);

	if (old_bytes > 0)
		memcpy(p, old, old_bytes);
	big_free(old);
	return p;
}
