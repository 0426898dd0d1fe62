/* rocks_cxx.h - what RocksDB's C interface lacks. The only C++ of the engine is in rocks_cxx.cc. */
#ifndef KV_ROCKS_CXX_H
#define KV_ROCKS_CXX_H

#include <rocksdb/c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rocks_marks;

/** Options of the database that the C interface has no setter for. */
struct rocks_extra {
	/*
	 * Called from RocksDB's threads when work in the background failed: from then on nothing is
	 * to be acknowledged.
	 */
	void (*on_error)(void *ctx, const char *text);
	/*
	 * A compaction of the family found damage, in the same threads. What it read stays as it
	 * is.
	 */
	void (*on_damage)(void *ctx, const char *family);
	void *ctx;
	/* Leave what the log held in memory instead of writing tables while opening. */
	bool avoid_flush_during_recovery;
	void *env; /* of rocks_env_new() */
};

/**
 * A rocksdb::Env * that writes no more to the files of dir once a write or sync of one has failed:
 * rocks_env.cc.
 *
 * @base      NULL, or the rocksdb::Env * of a test that lies below
 * @marks     are told what has been synced; borrowed
 * @on_error  called once, from any thread, before the error is returned to RocksDB
 */
void *rocks_env_new(void *base, const char *dir, struct rocks_marks *marks,
    void (*on_error)(void *ctx, const char *text), void *ctx);
/** Notes that no log holds what is not in tables: to be called when all is flushed. */
void rocks_env_note_flushed(void *env, const char *dir, char **errptr);
/**
 * Compactions that are to begin wait until then, of the monotonic clock, unless another call says
 * differently meanwhile: rocks_work.h. From any thread.
 */
void rocks_env_reading(void *env, int64_t until_us);
/** A family's rows begin to be written out. */
void rocks_env_flush_begins(void *env);
/** Before a database is opened: nothing is said of the one before. */
void rocks_env_begin(void *env);
/** Writes to a family are delayed or stopped from now on, or no longer: compactions don't wait. */
void rocks_env_stalled(void *env, bool is_stalled);
/** Compactions don't wait, nor go on waiting, until it is taken back. */
void rocks_env_hurry(void *env, bool is_hurried);
/** How many compactions have waited for readers until their patience was over. */
uint64_t rocks_env_outwaited(void *env);
/** When no database that uses it is open. */
void rocks_env_free(void *env);

void rocks_options_extra(rocksdb_options_t *options, const struct rocks_extra *extra);

/**
 * Syncs the log files of a closed database, and their names. What a killed process wrote and did
 * not sync is read back from the kernel's memory at the next start, which takes it for durable and
 * builds on it; so it must be made durable first.
 */
void rocks_logs_sync(void *env, const char *dir, char **errptr);
/**
 * Has deletions of the whole family meet what they delete, so that the garbage in blob files is
 * counted.
 */
void rocks_compact_deletions(rocksdb_t *db, rocksdb_column_family_handle_t *cf, void *canceled,
    char **errptr);
/**
 * One step: the next blob file behind *file (0 at first) of which at least that part is garbage has
 * its live rest rewritten, so that it can go. *file becomes its number. False when there is none,
 * when canceled (atomic_bool *) became true, or with *errptr set.
 */
bool rocks_reclaim_step(rocksdb_t *db, rocksdb_column_family_handle_t *cf, double garbage_ratio,
    uint64_t *file, void *canceled, char **errptr);

/**
 * The smallest keys of the tables of a family that are below level 0, sorted: each a length (4,
 * native) and its bytes, malloc()ed. *bytes_out: of all together.
 */
char *rocks_table_bounds(rocksdb_t *db, rocksdb_column_family_handle_t *cf, size_t *bytes_out);

/*
 * A file of a table or of blobs that is in use. error: NULL, or what is wrong with it. Texts are
 * valid during the call.
 */
struct rocks_file {
	const char *name, *family;
	const char *error;
	uint64_t bytes;
};

/**
 * Reads every table against its checksums, and looks whether the blob files are there. fn returns
 * false to stop.
 */
void rocks_files_check(rocksdb_t *db, rocksdb_options_t *const *cf_options,
    rocksdb_column_family_handle_t *const *cf, unsigned cf_count,
    bool (*fn)(void *ctx, const struct rocks_file *f), void *ctx);

#ifdef __cplusplus
}
#endif

#endif
