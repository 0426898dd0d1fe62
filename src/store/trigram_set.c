/* trigram_set.c - see trigrams.h: collecting, and what is asked of a filter. */
#include "store/trigrams_int.h"

#include "base/bits.h"
#include "base/bytes.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif
#include <stdlib.h>
#include <string.h>

enum {
	SET_BITS_LEAST = 8192,
	FILTER_BITS_LEAST = 512,
	BITS_EACH = 3, /* of a filter, for each that is set */
};

static uint32_t
hash_of(uint32_t three)
{
	return (three & 0xFFFFFF) * 0x9E3779B1u >> 16;
}

static uint32_t
three_bytes(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
}

void
trigram_set_clear(struct trigram_set *s, uint64_t bytes)
{
	uint32_t bits = SET_BITS_LEAST;

	while (bits < TRIGRAM_BITS && bits < bytes * BITS_EACH)
		bits *= 2;
	s->mask = bits - 1;
	memset(s->has, 0, bits);
}

/* What lies across the seam of two pieces, of at least a byte each. */
static void
add_seam(struct trigram_set *s, const struct trigram_tail *tail, struct str piece)
{
	const uint8_t first = (uint8_t)piece.p[0];

	if (tail->count == 2)
		s->has[hash_of(
			   three_bytes((const uint8_t[]){ tail->bytes[0], tail->bytes[1], first }))
		    & s->mask] = 1;
	if (piece.n >= 2)
		s->has[hash_of(three_bytes((const uint8_t[]){ tail->bytes[tail->count - 1], first,
			   (uint8_t)piece.p[1] }))
		    & s->mask] = 1;
}

static void
tail_move(struct trigram_tail *tail, struct str piece)
{
	if (piece.n == 1 && tail->count > 0) {
		tail->bytes[0] = tail->bytes[tail->count - 1];
		tail->bytes[1] = (uint8_t)piece.p[0];
		tail->count = 2;
	} else {
		tail->count = (uint8_t)MIN(piece.n, sizeof(tail->bytes));
		for (size_t i = 0; i < tail->count; i++)
			tail->bytes[i] = (uint8_t)piece.p[piece.n - tail->count + i];
	}
}

void
trigram_set_add(struct trigram_set *s, struct trigram_tail *tail, struct str piece)
{
	const uint8_t *p = (const uint8_t *)piece.p;
	const uint32_t mask = s->mask;
	uint8_t *has = s->has;
	size_t i = 0;

	if (piece.n == 0)
		return;
	if (tail->count > 0)
		add_seam(s, tail, piece);
	for (; i + 8 <= piece.n; i += 6) { /* six in eight bytes */
		const uint64_t eight = get_le64(p + i);

		has[hash_of((uint32_t)eight) & mask] = 1;
		has[hash_of((uint32_t)(eight >> 8)) & mask] = 1;
		has[hash_of((uint32_t)(eight >> 16)) & mask] = 1;
		has[hash_of((uint32_t)(eight >> 24)) & mask] = 1;
		has[hash_of((uint32_t)(eight >> 32)) & mask] = 1;
		has[hash_of((uint32_t)(eight >> 40)) & mask] = 1;
	}
	for (; i + 3 <= piece.n; i++)
		has[hash_of(three_bytes(p + i)) & mask] = 1;
	tail_move(tail, piece);
}

void
trigram_needle_init(struct trigram_needle *q, struct str text)
{
	q->count = 0;
	for (size_t i = 0; i + 3 <= text.n && q->count < TRIGRAMS_ASKED; i++)
		q->bits[q->count++] = (uint16_t)hash_of(three_bytes((const uint8_t *)text.p + i));
}

/* Of 64 bytes that are 1 or 0, a bit each. */
static uint64_t
pack(const uint8_t *has)
{
	uint64_t bits = 0;

#ifdef __SSE2__
	for (unsigned i = 0; i < 4; i++) {
		const __m128i ones = _mm_loadu_si128((const __m128i *)(const void *)(has + 16 * i));

		bits |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_slli_epi16(ones, 7)) << 16 * i;
	}
#else
	for (unsigned i = 0; i < 8; i++)
		bits |= (get_le64(has + 8 * i) * 0x0102040810204080u >> 56) << 8 * i;
#endif
	return bits;
}

/*
 * As small as it can be with a third of its bits set at most: the halves of a larger one, one upon
 * the other, are a smaller one.
 */
struct trigram_filter *
trigram_filter_new(const struct trigram_set *s, bool has_header)
{
	uint64_t packed[TRIGRAM_BITS / 64];
	struct trigram_filter *f;
	size_t set = 0, bits = (size_t)s->mask + 1;
	const size_t words = bits / 64;

	for (size_t i = 0; i < words; i++) {
		packed[i] = pack(s->has + 64 * i);
		set += bits_count(packed[i]);
	}
	while (bits > FILTER_BITS_LEAST && set * BITS_EACH <= bits / 2)
		bits /= 2;
	f = xcalloc(1, sizeof(*f) + bits / 8);
	f->mask = (uint16_t)(bits - 1);
	f->has_header = has_header;
	for (size_t i = 0; i < words; i++)
		f->bits[i & (bits / 64 - 1)] |= packed[i];
	return f;
}

size_t
trigram_filter_bytes(const struct trigram_filter *f)
{
	return sizeof(*f) + ((size_t)f->mask + 1) / 8;
}

bool
trigram_filter_lacks(const struct trigram_filter *f, const struct trigram_needle *q)
{
	for (unsigned i = 0; i < q->count; i++) {
		const unsigned bit = q->bits[i] & f->mask;

		if ((f->bits[bit / 64] >> bit % 64 & 1) == 0)
			return true;
	}
	return false;
}

bool
trigram_filter_has_header(const struct trigram_filter *f)
{
	return f->has_header;
}
