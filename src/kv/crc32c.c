/* crc32c.c - by the processor's instruction where there is one, otherwise a nibble at a time. */
#include "kv/crc32c.h"

#include <string.h>

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t
crc32c_sse42(uint32_t crc, const unsigned char *p, size_t n)
{
	uint64_t c = ~crc;

	for (; n >= 8; n -= 8, p += 8) {
		uint64_t v;

		memcpy(&v, p, sizeof(v));
		c = __builtin_ia32_crc32di(c, v);
	}
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

uint32_t
crc32c(uint32_t crc, const void *p, size_t n)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("sse4.2"))
		return crc32c_sse42(crc, p, n);
#endif
	return crc32c_plain(crc, p, n);
}
