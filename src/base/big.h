/*
 * big.h - memory for tables of a megabyte and more that live as long as a command: in huge pages,
 * when the kernel has some to give. A page of 4 KiB costs a fault of a microsecond or two the first
 * time that it is touched, which of a THREAD of 100,000 messages was a third; one of 2 MiB may cost
 * more where memory is in pieces, which the kernel then puts together. Smaller ones come from
 * malloc().
 */
#ifndef BASE_BIG_H
#define BASE_BIG_H

#include <stddef.h>

/** Zeroed; never NULL. */
void *big_alloc(size_t count, size_t size);
/** Takes NULL. */
void big_free(void *p);
/** A larger one with what was in the old one, which is freed (NULL: none was); the rest is zeroed. */
void *big_grow(void *old, size_t old_bytes, size_t bytes);

#endif
