/*
 * rocks_options.c - column families and their tuning. Memory is one cache and small write buffers:
 * the limits of the options are for everything together, however many accounts there are.
 */
#include "base/size.h"
#include "kv/rocks_int.h"
#include "kv/rocks_table.h"

#include <stdlib.h>

/*
 * Message bytes are compressed before they come here (chunk.c): so is what is in the log and in
 * memory.
 */
static const struct {
	const char *name;
	unsigned buffer_percent; /* of the write buffers, at most */

	/* LZ4 for what was written lately; for what stays, LZ4 or ZSTD */
	enum { RAW, FAST, SMALL } compression;

	bool has_filter, has_blobs;
} families[CF_COUNT] = {
	[KV_ROW] = { "row", 25, SMALL, true, false },
	[KV_COUNTER] = { "counter", 25, RAW, true, false },
	/* Of a cold SELECT of 100,000 messages ZSTD took a quarter. */
	[KV_PAGE] = { "page", 25, FAST, true, false },
	/* Deliveries keep compacting it: ZSTD was half of what that took. */
	[KV_MESSAGE] = { "message", 50, FAST, true, false },
	[KV_LOG] = { "log", 25, SMALL, false, false },
	[KV_POSTING] = { "posting", 25, SMALL, true, false },
	[CF_META] = { "default", 25, RAW, true, false },
	[CF_BLOB] = { "blob", 25, RAW, true, false },
	[CF_CHUNK] = { "chunk", 25, RAW, true, true },
	[CF_LONG] = { "long", 3, RAW, true, true },
};

#define SMALL_BLOCK_BYTES (64u * 1024) /* of a memtable's arena: ten families are open at once */
#define CHUNK_BLOCK_BYTES (512u * 1024)
/*
 * Tables in level 0 before they are compacted. Those of messages are small beside what they are
 * compacted with, all that an account has; more than a few cost who reads many messages.
 */
#define TABLES_OF_MESSAGES 6

/* Of a memtable, for its filter: rows of blobs take 110 bytes of memory each and need 10 bits. */
#define MEMORY_FILTER_RATIO 0.02

const char *
rocks_cf_name(enum rocks_cf cf)
{
	return families[cf].name;
}

/* The memtables of all families together. */
static size_t
write_buffer_bytes(const struct kv_options *o)
{
	return o->write_buffer_bytes != 0 ? o->write_buffer_bytes : 32u << 20;
}

rocksdb_options_t *
rocks_db_options(const struct kv_options *o)
{
	rocksdb_options_t *r = rocksdb_options_create();

	rocksdb_options_set_create_if_missing(r, !o->read_only);
	rocksdb_options_set_create_missing_column_families(r, !o->read_only);
	rocksdb_options_set_paranoid_checks(r, 1);
	rocksdb_options_set_db_write_buffer_size(r, write_buffer_bytes(o));
	/* Bounds what a start after a crash has to read back. */
	rocksdb_options_set_max_total_wal_size(r,
	    write_buffer_bytes(o) + write_buffer_bytes(o) / 2);
	/*
	 * Survives torn writes, but drops silently what follows damage: rocks_wal.c refuses that.
	 * (Recycled log files would sync faster still, 115 instead of 190 us, but only go with the
	 * mode that skips damage.)
	 */
	rocksdb_options_set_wal_recovery_mode(r, rocksdb_point_in_time_recovery);
	/*
	 * What streams in is written out as it comes, so the next sync is not the one that pays for
	 * it.
	 */
	rocksdb_options_set_wal_bytes_per_sync(r, 512 * 1024);
	rocksdb_options_set_bytes_per_sync(r, 1024 * 1024);
	/* One thread writes: nothing to coordinate. */
	rocksdb_options_set_allow_concurrent_memtable_write(r, 0);
	rocksdb_options_set_enable_write_thread_adaptive_yield(r, 0);
	rocksdb_options_set_max_background_jobs(r, 2);
	rocksdb_options_set_max_open_files(r, 512);
	/* otherwise fifteen are made at every flush */
	rocksdb_options_set_max_file_opening_threads(r, 1);
	rocksdb_options_set_skip_stats_update_on_db_open(r, 1);
	rocksdb_options_set_max_manifest_file_size(r, 16u << 20);
	rocksdb_options_set_info_log_level(r, 2); /* warnings */
	rocksdb_options_set_max_log_file_size(r, 1u << 20);
	rocksdb_options_set_keep_log_file_num(r, 3);
	rocksdb_options_set_stats_dump_period_sec(r, 0);
	rocksdb_options_set_stats_persist_period_sec(r, 0);
	return r;
}

/* ---- merge operators */

#define MERGED_MAX (64u << 20)

static char *
full_merge(void *state, const char *key unused_arg, size_t key_length unused_arg, const char *base,
    size_t base_length, const char *const *operands, const size_t *lengths, int count,
    unsigned char *success, size_t *length_out)
{
	kv_merge_fn *const *merge = state;
	struct str few[16], *list = few;
	struct buf out = BUF_MAX(MERGED_MAX);

	if ((size_t)count > ARRAY_LEN(few))
		list = xmalloc(size_mul((size_t)count, sizeof(*list)));
	for (int i = 0; i < count; i++)
		list[i] = str_make(operands[i], lengths[i]);
	(*merge)(base != NULL ? str_make(base, base_length) : STR_NONE, list, (size_t)count, &out);
	if (list != few)
		free(list);
	*success = !out.is_over;
	*length_out = out.n;
	if (out.p == NULL)
		out.p = xmalloc(1);
	return out.p;
}

/* Without the row only sums can be folded. */
static char *
partial_merge(void *state, const char *key, size_t key_length, const char *const *operands,
    const size_t *lengths, int count, unsigned char *success, size_t *length_out)
{
	kv_merge_fn *const *merge = state;

	if (*merge == kv_counter_merge)
		return full_merge(state, key, key_length, NULL, 0, operands, lengths, count,
		    success, length_out);
	*success = 0;
	*length_out = 0;
	return xmalloc(1);
}

static void
merged_free(void *state unused_arg, const char *value, size_t length unused_arg)
{
	free((char *)value);
}

static const char *
merge_name(void *state unused_arg)
{
	return "posthorn";
}

static rocksdb_mergeoperator_t *
merge_operator(kv_merge_fn *merge)
{
	kv_merge_fn **state = xmalloc(sizeof(*state));

	*state = merge;
	return rocksdb_mergeoperator_create(state, free, full_merge, partial_merge, merged_free,
	    merge_name);
}

/* ---- column families */

static rocksdb_block_based_table_options_t *
table_options(enum rocks_cf cf, rocksdb_cache_t *cache)
{
	rocksdb_block_based_table_options_t *t = rocksdb_block_based_options_create();

	rocksdb_block_based_options_set_block_cache(t, cache);
	rocksdb_block_based_options_set_format_version(t, 5); /* rocks_table.c knows it */
	rocksdb_block_based_options_set_checksum(t, TABLE_CHECKSUM_XXH3);
	rocksdb_block_based_options_set_block_size(t, 8192);
	/* Blobs and their pieces are found by their keys, one by one. */
	if (cf == CF_BLOB || cf == CF_CHUNK) {
		rocksdb_block_based_options_set_data_block_index_type(t,
		    rocksdb_block_based_table_data_block_index_type_binary_search_and_hash);
		rocksdb_block_based_options_set_data_block_hash_ratio(t, 0.75);
	}
	/* Indexes and filters count as cache, so that the cap is one for all memory. */
	rocksdb_block_based_options_set_cache_index_and_filter_blocks(t, 1);
	rocksdb_block_based_options_set_cache_index_and_filter_blocks_with_high_priority(t, 1);
	rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(t, 1);
	if (families[cf].has_filter)
		rocksdb_block_based_options_set_filter_policy(t,
		    rocksdb_filterpolicy_create_bloom_full(10));
	return t;
}

rocksdb_options_t *
rocks_cf_options(const struct kv_options *o, enum rocks_cf cf, kv_merge_fn *merge,
    rocksdb_cache_t *cache)
{
	rocksdb_options_t *r = rocksdb_options_create();
	rocksdb_block_based_table_options_t *t = table_options(cf, cache);
	size_t buffer = write_buffer_bytes(o) * families[cf].buffer_percent / 100;

	rocksdb_options_set_block_based_table_factory(r, t);
	rocksdb_block_based_options_destroy(t);
	rocksdb_options_set_write_buffer_size(r, buffer);
	rocksdb_options_set_max_write_buffer_number(r, cf == CF_LONG ? 2 : 3);
	rocksdb_options_set_arena_block_size(r,
	    MIN(cf == CF_CHUNK ? CHUNK_BLOCK_BYTES : SMALL_BLOCK_BYTES, buffer));
	rocksdb_options_set_level_compaction_dynamic_level_bytes(r, 1);
	/* A delivery looks for its bytes and its thread, and mostly finds that there are none. */
	if (cf == (enum rocks_cf)KV_MESSAGE || cf == CF_BLOB) {
		rocksdb_options_set_memtable_prefix_bloom_size_ratio(r, MEMORY_FILTER_RATIO);
		rocksdb_options_set_memtable_whole_key_filtering(r, 1);
	}
	if (cf == (enum rocks_cf)KV_MESSAGE)
		rocksdb_options_set_level0_file_num_compaction_trigger(r, TABLES_OF_MESSAGES);
	/*
	 * Tables of chunks hold only keys; small ones let rocks_tidy.c rewrite a small part of the
	 * messages.
	 */
	rocksdb_options_set_target_file_size_base(r, cf == CF_CHUNK ? 512u * 1024 : 16u << 20);
	rocksdb_options_set_max_bytes_for_level_base(r, 64u << 20);
	rocksdb_options_set_compression(r,
	    families[cf].compression != RAW ? rocksdb_lz4_compression : rocksdb_no_compression);
	if (families[cf].compression == SMALL)
		rocksdb_options_set_bottommost_compression(r, rocksdb_zstd_compression);
	/*
	 * How many operands a row may have is not bounded here (max_successive_merges), which costs
	 * as much as each insertion again: store/commit.c writes a page whole when it has had many.
	 */
	if (merge != NULL)
		rocksdb_options_set_merge_operator(r, merge_operator(merge));
	if (families[cf].has_blobs) {
		rocksdb_options_set_enable_blob_files(r, 1);
		rocksdb_options_set_min_blob_size(r, 512);
		rocksdb_options_set_blob_file_size(r, 64u << 20);
		rocksdb_options_set_blob_compression_type(r, rocksdb_no_compression);
		rocksdb_options_set_blob_cache(r, cache);
		/*
		 * RocksDB's own collection of garbage goes by age and would rewrite live messages:
		 * rocks_tidy.c goes by garbage.
		 */
		rocksdb_options_set_enable_blob_gc(r, 0);
	}
	return r;
}
