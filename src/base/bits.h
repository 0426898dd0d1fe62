/* bits.h - counting bits, without a call: amd64 as Debian builds for it has no instruction for it. */
#ifndef BASE_BITS_H
#define BASE_BITS_H

#include <stdint.h>

/** How many bits are set. */
static inline unsigned
bits_count(uint64_t bits)
{
#ifdef __POPCNT__
	return (unsigned)__builtin_popcountll(bits);
#else
	bits -= bits >> 1 & 0x5555555555555555u;
	bits = (bits & 0x3333333333333333u) + (bits >> 2 & 0x3333333333333333u);
	bits = (bits + (bits >> 4)) & 0x0F0F0F0F0F0F0F0Fu;
	return (unsigned)(bits * 0x0101010101010101u >> 56);
#endif
}

#endif
