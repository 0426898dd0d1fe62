/*
 * digest_fuzz.c - whatever stands where a row of digests should: an error, or values that encode to
 * a row that decodes to them.
 */
#include "store/digest_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	BUF_CLEAN struct buf row = BUF_MAX(1 << 20);
	struct packing p = { .data = BUF_MAX(1 << 20) };
	struct block *b, *again = NULL;

	if (size > 1 << 16 || digest_row_decode(str_make(data, size), 1, &b) != ERR_OK)
		return 0;
	p.mask = b->mask;
	memcpy(p.end, b->end, sizeof(p.end));
	for (unsigned i = 0; i < BLOCK_MESSAGES; i++)
		buf_str_add(&p.data, block_value(b, i));
	digest_row_encode(&p, &row);
	must(digest_row_decode(buf_str(&row), 1, &again) == ERR_OK);
	must(again->mask == b->mask && memcmp(again->end, b->end, sizeof(b->end)) == 0);
	for (unsigned i = 0; i < BLOCK_MESSAGES; i++)
		must(str_eq(block_value(again, i), block_value(b, i)));
	block_unref(again);
	block_unref(b);
	buf_done(&p.data);
	return 0;
}
