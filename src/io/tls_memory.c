/*
 * tls_memory.c - see tls_memory.h.
 *
 * There is a shelf for each size, all in one mapping, so an address tells its shelf. A shelf's free
 * blocks are a stack: the top, where the next one is taken, holds those that were used a moment ago
 * and have their memory still; what would make these too many is given back to the system first,
 * and goes below.
 *
 * 	stack:  0 ........ cold ........ | ........ warm ........ top
 */
#include "io/tls_memory.h"

#include "base/attr.h"
#include "base/sanitized.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
	PAGE_BYTES = 4096,
	/* Address space only: 4 GiB of it. Who needs more gets it from malloc(). */
	BLOCKS = 65536,
	WARM_MAX = 32,
	SHELVES = 4,
};

struct shelf {
	size_t block_bytes;
	pthread_mutex_t lock;
	char *blocks;
	uint32_t touched;  /* blocks from here on were never given out */
	uint32_t free;     /* in the stack */
	uint32_t warm;     /* of these, at the top */
	uint32_t *numbers; /* the stack */
};

/* OpenSSL's functions for memory have no argument that could name it, so it is one a process. */
static struct tls_memory {
	char *from, *to;
	struct shelf shelves[SHELVES];
} memory = {
	.shelves = {
		{ .block_bytes = PAGE_BYTES, .lock = PTHREAD_MUTEX_INITIALIZER },     /* BIO's */
		{ .block_bytes = 2 * PAGE_BYTES, .lock = PTHREAD_MUTEX_INITIALIZER }, /* an SSL */
		{ .block_bytes = 5 * PAGE_BYTES, .lock = PTHREAD_MUTEX_INITIALIZER }, /* a record */
		/* the messages of a handshake */
		{ .block_bytes = 6 * PAGE_BYTES, .lock = PTHREAD_MUTEX_INITIALIZER },
	},
};

/* The smallest whose blocks are large enough; NULL: it is for malloc(). */
static struct shelf *
shelf_for(size_t n)
{
	if (n < PAGE_BYTES)
		return NULL;
	for (size_t i = 0; i < SHELVES; i++) {
		if (n <= memory.shelves[i].block_bytes)
			return &memory.shelves[i];
	}
	return NULL;
}

static struct shelf *
shelf_of(const char *p)
{
	size_t i = SHELVES - 1;

	if (p < memory.from || p >= memory.to)
		return NULL;
	while (p < memory.shelves[i].blocks)
		i--;
	return &memory.shelves[i];
}

static char *
take(struct shelf *s)
{
	char *p = NULL;

	pthread_mutex_lock(&s->lock);
	if (s->free > 0) {
		p = s->blocks + s->numbers[--s->free] * s->block_bytes;
		s->warm -= s->warm > 0;
	} else if (s->touched < BLOCKS) {
		p = s->blocks + s->touched++ * s->block_bytes;
	}
	pthread_mutex_unlock(&s->lock);
	return p;
}

static void
give_back(struct shelf *s, char *p)
{
	uint32_t number = (uint32_t)((size_t)(p - s->blocks) / s->block_bytes), *lowest;

	pthread_mutex_lock(&s->lock);
	if (s->warm < WARM_MAX) {
		s->warm++;
		s->numbers[s->free++] = number;
		pthread_mutex_unlock(&s->lock);
		return;
	}
	pthread_mutex_unlock(&s->lock);
	/* Without the lock: threads that give way hold it too, and this takes its time. */
	madvise(p, s->block_bytes, MADV_DONTNEED);
	pthread_mutex_lock(&s->lock);
	/* It goes below the warm ones, the lowest of which goes to the top. */
	lowest = &s->numbers[s->free - s->warm];
	s->numbers[s->free++] = *lowest;
	*lowest = number;
	pthread_mutex_unlock(&s->lock);
}

static void *
memory_get(size_t n, const char *file unused_arg, int line unused_arg)
{
	struct shelf *s = shelf_for(n);
	void *p = NULL;

	if (n == 0)
		return NULL;
	if (s != NULL)
		p = take(s);
	return p != NULL ? p : malloc(n);
}

static void
memory_put(void *p, const char *file unused_arg, int line unused_arg)
{
	struct shelf *s = shelf_of(p);

	if (s != NULL)
		give_back(s, p);
	else
		free(p);
}

static void *
memory_resize(void *old, size_t n, const char *file, int line)
{
	struct shelf *s = old != NULL ? shelf_of(old) : NULL;
	size_t room;
	void *p;

	if (old == NULL)
		return memory_get(n, file, line);
	if (n == 0) {
		memory_put(old, file, line);
		return NULL;
	}
	if (s == NULL && shelf_for(n) == NULL)
		return realloc(old, n);
	if (s != NULL && s == shelf_for(n))
		return old;
	room = s != NULL ? s->block_bytes : malloc_usable_size(old);
	p = memory_get(n, file, line);
	if (p == NULL)
		return NULL;
	memcpy(p, old, MIN(room, n));
	memory_put(old, file, line);
	return p;
}

/* With room for the stacks behind the blocks: what is not touched takes no memory. */
static size_t
mapping_bytes(void)
{
	size_t n = SHELVES * BLOCKS * sizeof(uint32_t);

	for (size_t i = 0; i < SHELVES; i++)
		n += BLOCKS * memory.shelves[i].block_bytes;
	return n;
}

bool
tls_memory_init(void)
{
	size_t n = mapping_bytes();
	char *p, *at;

	if (IS_SANITIZED)
		return false;
	p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
	    0);
	if (p == MAP_FAILED)
		return false;
	if (CRYPTO_set_mem_functions(memory_get, memory_resize, memory_put) != 1) {
		munmap(p, n);
		return false;
	}
	/* A huge page would keep the memory of what was given back. */
	madvise(p, n, MADV_NOHUGEPAGE);
	at = p;
	for (size_t i = 0; i < SHELVES; i++) {
		memory.shelves[i].blocks = at;
		at += BLOCKS * memory.shelves[i].block_bytes;
	}
	memory.from = p;
	memory.to = at;
	for (size_t i = 0; i < SHELVES; i++)
		memory.shelves[i].numbers = (uint32_t *)(void *)at + i * BLOCKS;
	return true;
}

size_t
tls_memory_blocks(void)
{
	size_t n = 0;

	for (size_t i = 0; i < SHELVES; i++) {
		struct shelf *s = &memory.shelves[i];

		pthread_mutex_lock(&s->lock);
		n += s->touched - s->free;
		pthread_mutex_unlock(&s->lock);
	}
	return n;
}
