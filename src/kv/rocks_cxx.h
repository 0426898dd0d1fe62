/* rocks_cxx.h - what RocksDB's C interface lacks. The only C++ of the engine is in rocks_cxx.cc. */
#ifndef KV_ROCKS_CXX_H
#define KV_ROCKS_CXX_H

#include <rocksdb/c.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Options of the database that the C interface has no setter for. */
struct rocks_extra {
	/* Called from RocksDB's threads when work in the background failed: from then on nothing is to be acknowledged. */
	void (*on_error)(void *ctx, const char *text);
	void *ctx;
	/* Leave what the log held in memory instead of writing tables while opening. */
	bool avoid_flush_during_recovery;
	/* NULL, or a rocksdb::Env * of a test. */
	void *env;
};

void rocks_options_extra(rocksdb_options_t *options, const struct rocks_extra *extra);

#ifdef __cplusplus
}
#endif

#endif
