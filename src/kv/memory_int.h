/*
 * memory_int.h - what the files of the engine in memory share. Each function is called with the lock
 * held where it says so, and takes it itself otherwise.
 */
#ifndef KV_MEMORY_INT_H
#define KV_MEMORY_INT_H

#include "kv/kv_int.h"
#include "kv/memory_map.h"

/* A blob's row; the map's copy owns a reference to the bytes. */
struct blob_row {
	uint64_t links;
	int64_t unlinked_ms; /* since when it has no links */
	bool is_doubtful;    /* more unlinks than links: never swept */
	struct kv_bytes *bytes;
};

struct undo {
	struct memory_map *map;
	char *key;
	size_t key_length;
	struct kv_bytes *value; /* NULL: there was none */
};

struct blob_job {
	struct list node;
	struct blob_id id;
	uint64_t offset;
	size_t length;
	kv_blob_fn *fn;
	void *ctx;
};

struct blobs_job {
	struct list node;
	kv_blobs_fn *fn;
	void *ctx;
	size_t count;
	struct kv_blob_ref refs[];
};

struct memory {
	struct kv kv;
	struct kv_ops ops;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	pthread_t thread;
	bool is_manual, is_closing, is_failed;
	enum kv_space space;
	uint64_t random;
	uint64_t fail_in; /* operations until one fails; 0: none */
	enum err fail_with;
	bool fails_for_good, has_failed;
	struct memory_map rows[KV_KINDS], versions, blobs;
	struct undo *undo;
	size_t undo_count, undo_cap;
	struct list commits, loads, blob_reads, blobs_loads;
	struct kv_stats stats;
	atomic_uint_fast64_t stage_ids;
};

static inline struct memory *
memory_of(struct kv *kv)
{
	return container_of(kv, struct memory, kv);
}

/* ---- memory_undo.c: rows changed so that it can be undone; locked */

/** What is visible is durable from now on. */
void memory_undo_forget(struct memory *m);
/** Takes back all that is not durable. */
void memory_undo_play(struct memory *m);
void memory_set(struct memory *m, struct memory_map *map, struct str key, struct str value);
void memory_remove(struct memory *m, struct memory_map *map, struct str key);

/* ---- memory_commit.c */

/** Locked. Decides one commit: c->e. */
void memory_decide(struct memory *m, struct kv_commit *c);
/** The committer's thread, when not in manual mode. */
void *memory_committer(void *arg);
void memory_commit(struct kv *kv, struct kv_commit *c);

/* ---- memory_load.c */

/** Locked. */
uint64_t memory_version(struct memory *m, struct account_id account);
/** Locked. */
enum err memory_load_locked(struct memory *m, struct account_id account,
    const struct kv_range *ranges, size_t count, struct kv_rows **rows_out);
enum err memory_load_now(struct kv *kv, struct account_id account, const struct kv_range *ranges,
    size_t count, struct kv_rows **rows_out);
enum err memory_load_ahead(struct kv *kv, struct account_id account, const struct kv_range *ranges,
    size_t count, struct kv_rows **rows_out, kv_wanted_fn *is_wanted, kv_load_fn *fn, void *ctx);
enum err memory_load(struct kv *kv, struct account_id account, const struct kv_range *ranges,
    size_t count, struct kv_rows **rows_out, kv_load_fn *fn, void *ctx);
enum err memory_versions(struct kv *kv, const struct account_id *accounts, size_t count,
    uint64_t *versions_out);

/* ---- memory_blob.c */

/** Where a blob's row stands among the blobs: its digest. */
struct str memory_blob_key(const struct blob_id *id);
/** Locked. */
bool memory_blob_find(struct memory *m, const struct blob_id *id, struct blob_row *row_out);
/** Locked. */
enum err memory_blob_read_locked(struct memory *m, const struct blob_id *id, uint64_t offset,
    size_t length, struct kv_bytes **bytes_out);
/** Locked. */
struct kv_blobs *memory_blobs_load_locked(struct memory *m, const struct kv_blob_ref *refs,
    size_t count);
enum err memory_blob_read(struct kv *kv, const struct blob_id *id, uint64_t place, uint64_t offset,
    size_t length, struct kv_bytes **bytes_out, kv_blob_fn *fn, void *ctx);
enum err memory_blob_read_now(struct kv *kv, const struct blob_id *id, uint64_t place,
    uint64_t offset, size_t length, struct kv_bytes **bytes_out);
enum err memory_blobs_load(struct kv *kv, struct account_id account, const struct kv_blob_ref *refs,
    size_t count, struct kv_blobs **blobs_out, kv_blobs_fn *fn, void *ctx);
enum err memory_check(struct kv *kv, struct kv_checker *k);
enum err memory_blobs_each(struct kv *kv, kv_blob_each_fn *fn, void *ctx);
enum err memory_blob_get(struct kv *kv, const struct blob_id *id, struct kv_blob *out);
enum err memory_blob_sweep(struct kv *kv, uint64_t grace_ms, uint64_t *swept_bytes_out);

/* ---- memory_manual.c */

/** Locked. One more operation: the error it is to fail with. */
enum err memory_operation(struct memory *m);

#endif
