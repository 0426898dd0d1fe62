/*
 * rocks_table_fuzz.c - the end of a table, of which anything may have become.
 *
 *     where the properties are to begin and to end, from the front (1 each; 0, 0: nothing is mended);
 *     the table
 *
 * Where it is mended the checksums of the two blocks, and the footer, are made right, so that what is
 * behind them is reached.
 */
#include "base/bytes.h"
#include "base/test.h"
#include "kv/rocks_table.h"

#include <stdlib.h>
#include <xxhash.h>

enum { FOOTER = 53, HEAD_BYTES = 2, TRAILER = 5 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct memory {
	unsigned char *p;
	size_t n;
};

/* Only what lies in the file is asked for. */
static bool
memory_read(void *ctx, uint64_t offset, void *p, size_t n)
{
	const struct memory *m = ctx;

	must(offset <= m->n && n <= m->n - offset);
	memcpy(p, m->p + offset, n);
	return true;
}

static void
block_mend(unsigned char *p, size_t n)
{
	put_le32(p + n + 1, (uint32_t)XXH3_64bits(p, n) ^ p[n] * 0x6b9083d9u);
}

/* The block from..to and the one behind it, up to the footer, of which it is the metaindex. */
static void
table_mend(struct memory *m, size_t from, size_t to)
{
	unsigned char *footer = m->p + m->n - FOOTER;
	size_t metaindex = to + TRAILER, metaindex_end = m->n - FOOTER - TRAILER;

	if (from > to || to > 127 || metaindex > metaindex_end || metaindex_end - metaindex > 127
	    || metaindex > 127)
		return;
	block_mend(m->p + from, to - from);
	block_mend(m->p + metaindex, metaindex_end - metaindex);
	memset(footer, 0, FOOTER);
	footer[0] = TABLE_CHECKSUM_XXH3;
	footer[1] = (unsigned char)metaindex;
	footer[2] = (unsigned char)(metaindex_end - metaindex);
	put_le32(footer + FOOTER - 12, 5);
	put_le64(footer + FOOTER - 8, 0x88e241b785f4cff7ull);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct memory m;

	if (n < HEAD_BYTES)
		return 0;
	m.n = n - HEAD_BYTES;
	m.p = malloc(m.n + 1);
	must(m.p != NULL);
	memcpy(m.p, data + HEAD_BYTES, m.n);
	if (data[1] != 0 && m.n >= FOOTER + 2 * TRAILER)
		table_mend(&m, data[0], data[1]);
	rocks_table_look(memory_read, &m, m.n);
	free(m.p);
	return 0;
}
