/*
 * arena.h - memory freed by life, not by path: everything taken from an arena goes when it is reset
 * or done.
 *
 * An arena that has given out nothing owns nothing, so idle sessions cost no memory for theirs.
 * When memory runs out the process ends: Linux overcommits, and a server that limps on without
 * memory helps nobody. Large blocks that a client can cause have limits of their own before they
 * come here.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/attr.h"
#include "base/str.h"

#include <stdarg.h>

struct arena_block;

struct arena {
	struct arena_block *blocks; /* newest first */
	char *at, *end;             /* free space of the newest */
	size_t total_bytes;         /* taken from malloc */
	/* it holds passwords or keys: overwritten before it is freed */
	bool is_secret;
};

#define ARENA_NONE ((struct arena){ 0 })
#define ARENA_SECRET ((struct arena){ .is_secret = true })

/** Frees all; the arena can be used again, and is secret if it was. Same as done. */
void arena_reset(struct arena *a);

static inline void
arena_done(struct arena *a)
{
	arena_reset(a);
}

/** What `from` has given out lives as long as `a` from now on; from is empty. */
void arena_join(struct arena *a, struct arena *from);
/** size bytes, aligned for any type, not cleared. Never NULL. */
void *arena_alloc(struct arena *a, size_t size) __attribute__((malloc, returns_nonnull));
/** The same, cleared; count * size is checked. */
void *arena_zalloc(struct arena *a, size_t count, size_t size)
    __attribute__((malloc, returns_nonnull));
#define arena_new(a, type) ((type *)arena_zalloc((a), 1, sizeof(type)))
#define arena_array(a, type, count) ((type *)arena_zalloc((a), (count), sizeof(type)))
/** A copy with a NUL behind it that n does not count. */
struct str arena_str(struct arena *a, struct str s);
char *arena_cstr(struct arena *a, struct str s);
struct str arena_printf(struct arena *a, const char *fmt, ...) printf_like(2, 3);

/* malloc and kin that end the process when memory is out. */
void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t size) __attribute__((returns_nonnull));
char *xstrdup(struct str s) __attribute__((malloc, returns_nonnull));

#endif
