/*
 * varint.h - numbers of the stored forms: 7 bits a byte, the low ones first, the top bit set on
 * all but the last.
 */
#ifndef BASE_VARINT_H
#define BASE_VARINT_H

#include "base/buf.h"

static inline void
varint_encode(uint64_t v, struct buf *out)
{
	while (v >= 0x80) {
		buf_chr(out, (char)(v | 0x80));
		v >>= 7;
	}
	buf_chr(out, (char)v);
}

/* Takes one off; false when it is cut, too large, or longer than it need be. */
static inline bool
varint_decode(struct str *rest, uint64_t *v_out)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < rest->n && i < 10; i++) {
		uint64_t b = (unsigned char)rest->p[i];

		if (i == 9 && b > 1)
			return false;
		v |= (b & 0x7F) << (7 * i);
		if ((b & 0x80) == 0) {
			if (b == 0 && i > 0)
				return false;
			*v_out = v;
			*rest = str_sub(*rest, i + 1, rest->n);
			return true;
		}
	}
	return false;
}

#endif
