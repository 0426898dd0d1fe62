/*
 * rocks_table.c - the end of a table (RocksDB's format_version 5):
 *
 *     blocks of data, of the filter and of the index
 *     properties    block
 *     metaindex     block: where the properties and the filter are, by name
 *     footer        kind of the checksums (1), handle of the metaindex, handle of the index, zeros
 *                   up to 41 bytes; version (4), magic (8)
 *
 * A handle is an offset and a size, each a varint. Behind each block stand how it is compressed
 * (1) and the checksum of it and of that byte (4). An entry of a block is: bytes of the key shared
 * with the one before, bytes that are not, bytes of the value (varints); key, value. It ends with
 * the offsets of restarts (4 each) and how many they are (4).
 *
 * RocksDB takes the properties apart before it looks at their checksum, by code that trusts what it
 * reads: one bit, which says that a hash index follows, was enough for an assertion to end the
 * process, at each start again. The footer has no checksum, and its sizes are allocated.
 */
#include "kv/rocks_table.h"

#include "base/buf.h"
#include "base/bytes.h"
#include "base/str.h"
#include "base/varint.h"

#include <xxhash.h>

#define FOOTER_BYTES 53u
#define HANDLES_END 41u /* in the footer */
#define MAGIC 0x88e241b785f4cff7ull
#define VERSION 5u
#define TRAILER_BYTES 5u
#define META_MAX (1u << 20) /* of a metaindex or of properties, which have some hundred bytes */

struct handle {
	uint64_t offset, size;
};

/* The checksum that RocksDB calls XXH3: the last byte, how it is compressed, is mixed in behind. */
static uint32_t
block_checksum(const unsigned char *p, size_t n)
{
	return (uint32_t)XXH3_64bits(p, n - 1) ^ p[n - 1] * 0x6b9083d9u;
}

/* False too where the block would not end before the footer. */
static bool
handle_get(struct str *s, uint64_t blocks_end, struct handle *out)
{
	return varint_decode(s, &out->offset) && varint_decode(s, &out->size)
	    && out->offset <= blocks_end && out->size <= blocks_end - out->offset
	    && blocks_end - out->offset - out->size >= TRAILER_BYTES;
}

/* The block without its trailer; false: it is damaged. */
static bool
block_read(rocks_read_fn *read, void *ctx, struct handle h, struct buf *block)
{
	size_t n;

	buf_clear(block);
	if (h.size == 0 || h.size > META_MAX)
		return false;
	n = (size_t)h.size;
	if (buf_room(block, n + TRAILER_BYTES) == NULL
	    || !read(ctx, h.offset, block->p, n + TRAILER_BYTES))
		return false;
	block->n = n;
	return get_le32(block->p + n + 1) == block_checksum((unsigned char *)block->p, n + 1);
}

/* False: the block is none that RocksDB has written. The name may be missing, then size is 0. */
static bool
metaindex_find(struct str block, struct str name, uint64_t blocks_end, struct handle *out)
{
	BUF_CLEAN struct buf key = BUF_MAX(4096);
	uint64_t restarts, shared, own, value;
	struct str value_bytes;

	*out = (struct handle){ 0 };
	if (block.n < 4)
		return false;
	restarts = get_le32(block.p + block.n - 4);
	if (restarts > (block.n - 4) / 4)
		return false;
	block.n -= 4 + (size_t)restarts * 4;
	while (block.n > 0) {
		if (!varint_decode(&block, &shared) || !varint_decode(&block, &own)
		    || !varint_decode(&block, &value) || shared > key.n || own > block.n
		    || value > block.n - own)
			return false;
		buf_truncate(&key, (size_t)shared);
		buf_str_add(&key, str_make(block.p, (size_t)own));
		value_bytes = str_make(block.p + own, (size_t)value);
		block = str_sub(block, (size_t)(own + value), block.n);
		if (str_eq(buf_str(&key), name))
			return handle_get(&value_bytes, blocks_end, out);
	}
	return buf_err(&key) == ERR_OK;
}

const char *
rocks_table_look(rocks_read_fn *read, void *ctx, uint64_t bytes)
{
	BUF_CLEAN struct buf block = BUF_MAX(META_MAX + TRAILER_BYTES);
	struct handle metaindex, index, properties;
	char footer[FOOTER_BYTES];
	struct str handles = str_make(footer + 1, HANDLES_END - 1);

	if (bytes < FOOTER_BYTES)
		return "the table is cut short";
	bytes -= FOOTER_BYTES;
	if (!read(ctx, bytes, footer, FOOTER_BYTES))
		return "the table's footer can't be read";
	if (get_le64(footer + FOOTER_BYTES - 8) != MAGIC
	    || get_le32(footer + HANDLES_END) != VERSION || footer[0] != TABLE_CHECKSUM_XXH3
	    || !handle_get(&handles, bytes, &metaindex) || !handle_get(&handles, bytes, &index))
		return "the table's footer is damaged";
	if (!block_read(read, ctx, metaindex, &block)
	    || !metaindex_find(buf_str(&block), STR("rocksdb.properties"), bytes, &properties))
		return "the table's list of blocks is damaged";
	if (properties.size != 0 && !block_read(read, ctx, properties, &block))
		return "the table's properties are damaged";
	return NULL;
}
