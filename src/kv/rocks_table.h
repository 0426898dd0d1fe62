/* rocks_table.h - the end of a table, looked at before RocksDB believes it. */
#ifndef KV_ROCKS_TABLE_H
#define KV_ROCKS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TABLE_CHECKSUM_XXH3 4 /* RocksDB's number for what stands behind each block */

/** Reads the n bytes at offset into p; false: it can't, or the file is shorter. */
typedef bool rocks_read_fn(void *ctx, uint64_t offset, void *p, size_t n);

/**
 * Whether the end of a table of bytes is whole: its footer, the list of its other blocks and its
 * properties, the three that RocksDB 7 acts on before it has looked at a checksum, or that have
 * none. NULL, or what is wrong with it. The blocks of keys, of filters and of data are left to
 * RocksDB, which checks them. From any thread.
 */
const char *rocks_table_look(rocks_read_fn *read, void *ctx, uint64_t bytes);

#ifdef __cplusplus
}
#endif

#endif
