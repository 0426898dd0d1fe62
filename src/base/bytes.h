/*
 * bytes.h - fixed-width numbers in stored and sent records: little-endian for values, big-endian
 * for keys that sort.
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define BYTES_FN(bits, order)                                                                      \
	static inline uint##bits##_t get_##order##bits(const void *p)                              \
	{                                                                                          \
		uint##bits##_t v;                                                                  \
		memcpy(&v, p, sizeof(v));                                                          \
		return order##bits##toh(v);                                                        \
	}                                                                                          \
	static inline void put_##order##bits(void *p, uint##bits##_t v)                            \
	{                                                                                          \
		v = hto##order##bits(v);                                                           \
		memcpy(p, &v, sizeof(v));                                                          \
	}
BYTES_FN(16, le)
BYTES_FN(32, le)
BYTES_FN(64, le)
BYTES_FN(16, be)
BYTES_FN(32, be)
BYTES_FN(64, be)
#undef BYTES_FN

#endif
