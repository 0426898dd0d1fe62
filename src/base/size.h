/*
 * size.h - arithmetic on lengths that never wraps: an overflow is a programming error, so check
 * limits before.
 */
#ifndef BASE_SIZE_H
#define BASE_SIZE_H

#include "base/attr.h"

#include <stddef.h>

static inline size_t
size_add(size_t a, size_t b)
{
	size_t r;

	must(!__builtin_add_overflow(a, b, &r));
	return r;
}

static inline size_t
size_mul(size_t a, size_t b)
{
	size_t r;

	must(!__builtin_mul_overflow(a, b, &r));
	return r;
}

#endif
