/* crc32c.c - by the processor's instruction where there is one, otherwise a nibble at a time. */
#include "kv/crc32c.h"

#include <string.h>

#if defined(__x86_64__)
/*
 * The instruction takes three cycles, and can begin one every cycle: so long texts go in three lanes
 * at once. What a lane has, moved over the bytes behind it, is its product with a power of x modulo
 * the polynomial; the last eight bytes reduce that. The powers are 8 n - 33, n the bytes behind.
 */
enum {
	LANE_BYTES = 336,
	LANES_BYTES = 3 * LANE_BYTES + 8,
};

#define BEHIND_FIRST 0xE417F38Au  /* x^5407: two lanes and eight bytes */
#define BEHIND_SECOND 0x8F158014u /* x^2719: one lane and eight bytes */

typedef long long pair __attribute__((vector_size(16)));

static inline uint64_t
word_at(const unsigned char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

__attribute__((target("sse4.2,pclmul"))) static inline uint64_t
product(uint64_t crc, uint32_t power)
{
	return (uint64_t)__builtin_ia32_pclmulqdq128((pair){ (long long)crc, 0 },
	    (pair){ power, 0 }, 0)[0];
}

/* Of LANES_BYTES. */
__attribute__((target("sse4.2,pclmul"))) static uint64_t
crc32c_lanes(uint64_t first, const unsigned char *p)
{
	const unsigned char *end = p + 3 * LANE_BYTES;
	uint64_t second = 0, third = 0;

	for (size_t i = 0; i < LANE_BYTES; i += 8) {
		first = __builtin_ia32_crc32di(first, word_at(p + i));
		second = __builtin_ia32_crc32di(second, word_at(p + LANE_BYTES + i));
		third = __builtin_ia32_crc32di(third, word_at(p + 2 * LANE_BYTES + i));
	}
	return __builtin_ia32_crc32di(third,
	    word_at(end) ^ product(first, BEHIND_FIRST) ^ product(second, BEHIND_SECOND));
}

__attribute__((target("sse4.2"))) static uint32_t
crc32c_sse42(uint32_t crc, const unsigned char *p, size_t n, bool has_product)
{
	uint64_t c = ~crc;

	for (; has_product && n >= LANES_BYTES; n -= LANES_BYTES, p += LANES_BYTES)
		c = crc32c_lanes(c, p);
	for (; n >= 8; n -= 8, p += 8)
		c = __builtin_ia32_crc32di(c, word_at(p));
	for (; n > 0; n--)
		c = __builtin_ia32_crc32qi((uint32_t)c, *p++);
	return ~(uint32_t)c;
}
#endif

uint32_t
crc32c_plain(uint32_t crc, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	/* The remainders of the sixteen nibbles, reflected polynomial 82F63B78. */
	static const uint32_t table[16] = {
		0x00000000,
		0x105EC76F,
		0x20BD8EDE,
		0x30E349B1,
		0x417B1DBC,
		0x5125DAD3,
		0x61C69362,
		0x7198540D,
		0x82F63B78,
		0x92A8FC17,
		0xA24BB5A6,
		0xB21572C9,
		0xC38D26C4,
		0xD3D3E1AB,
		0xE330A81A,
		0xF36E6F75,
	};

	crc = ~crc;
	for (; n > 0; n--) {
		crc ^= *p++;
		crc = crc >> 4 ^ table[crc & 15];
		crc = crc >> 4 ^ table[crc & 15];
	}
	return ~crc;
}

bool
crc32c_is_fast(void)
{
#if defined(__x86_64__)
	return __builtin_cpu_supports("sse4.2");
#else
	return false;
#endif
}

uint32_t
crc32c(uint32_t crc, const void *p, size_t n)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("sse4.2"))
		return crc32c_sse42(crc, p, n, __builtin_cpu_supports("pclmul"));
#endif
	return crc32c_plain(crc, p, n);
}
