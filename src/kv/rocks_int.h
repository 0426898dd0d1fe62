/*
 * rocks_int.h - the RocksDB engine's parts.
 *
 *     rocks.c          its state, closing, room on the disk, numbers
 *     rocks_open.c     opening
 *     rocks_options.c  column families and their tuning
 *     rocks_commit.c   the committer: the only thread that writes
 *     rocks_batch.c    what it writes at once
 *     rocks_blob.c     rows of blobs, links, staging, sweeping: all in the committer
 *     rocks_order.c    in which order its rows cost least
 *     rocks_puts.c     which put of a row is the last in a batch
 *     rocks_ranges.c   deletes the rows of ranges
 *     rocks_read.c     single rows: cache first, else reader threads
 *     rocks_load.c     ranges of rows
 *     rocks_bytes.c    a message's bytes; rocks_blobs.c: those of many together
 *     rocks_readers.c  the reader threads
 *     rocks_bounds.c   where tables end, for iterators
 *     rocks_check.c    reads everything and proves what can be proved
 *     rocks_tidy.c     gives the space of deleted messages back
 *     rocks_upgrade.c  the format of the whole store, and data of older ones
 *     rocks_wal.c      before opening: is what the log lost a torn tail, or damage?
 *     rocks_work.cc    when RocksDB's compactions run
 *     rocks_mark.c     before opening: is there less than was synced once?
 *
 * Keys: rows are account (8 bytes, big-endian) and the caller's key, in the column family of their
 * kind. CF_META has, by first byte: 'v' account → version; 's' stage id → nothing, a stage whose
 * chunks are written and which nothing links yet; 'z' time (8) blob id → nothing, a blob without
 * links since then; 'f' → version of this format; 'u' → from which an upgrade goes on; 'e' → the
 * epoch of stage ids. CF_BLOB has blob id → struct blob_row, CF_CHUNK has stage id (8), chunk
 * number (4) → chunk (chunk.c) of blobs that travelled with their transaction, CF_LONG the same for
 * those that were streamed in: its buffers are small, so that a long message passes through without
 * filling memory.
 */
#ifndef KV_ROCKS_INT_H
#define KV_ROCKS_INT_H

#include "base/bell.h"
#include "base/hash.h"
#include "base/lanes.h"
#include "kv/kv_int.h"

#include <rocksdb/c.h>
#include <semaphore.h>

#define ROCKS_FORMAT 6u

enum rocks_cf { CF_META = KV_KINDS, CF_BLOB, CF_CHUNK, CF_LONG, CF_COUNT };

#define META_VERSION 'v'
#define META_STAGE 's'
#define META_UNLINKED 'z'
#define META_FORMAT 'f'
#define META_UPGRADE 'u'
#define META_EPOCH 'e'

#define CHUNKS_QUEUED 2u /* waiting for the committer; what streams in waits when there are more */
#define BATCH_BYTES (8u * 1024 * 1024) /* of transactions in one batch */
#define ROCKS_LANES 512u               /* of accounts, by a hash */
#define VERSIONS_CACHED 4096u          /* power of two */
#define PUTS_KNOWN 1024u               /* power of two */
#define ORDER_OPS 256u
#define ORDER_SORTS 16u
#define UNPACKED_KEPT 4u
#define ROCKS_SWEEP_US (60 * 1000000LL) /* blobs without links are looked for that often */

/* How a read may go: from the disk too, or in memory only (RocksDB's kBlockCacheTier). */
enum rocks_tier { TIER_ALL = 0, TIER_CACHE = 1 };

/*
 * A blob's row; 40 bytes: format 1, flags, two zero, chunk bytes (4), length, links, stage id,
 * unlinked_ms. The place that rows of messages have (kv_put_placed()) is the stage id of a blob that
 * is one chunk with its name.
 */
struct blob_row {
	bool is_doubtful; /* more unlinks than links: never swept */
	bool is_long;     /* streamed in: its chunks are in CF_LONG */
	bool is_named;    /* its one chunk says whose it is */
	uint32_t chunk_bytes;
	uint64_t length, links, stage_id;
	int64_t unlinked_ms; /* since when it has no links; 0 while it has some */
};

#define BLOB_ROW_BYTES 40u

/* A row of a blob without links: 'z', since when (8), its name. */
#define UNLINKED_KEY_BYTES 41u

/* How far the rows of blobs without links were gone through; begins with { .from = { META_UNLINKED } }. */
struct sweep {
	char from[UNLINKED_KEY_BYTES];
	bool is_more;
	uint64_t bytes; /* of blobs, that went */
};

/* What the committer is asked to do between batches. */
struct rocks_request {
	struct list node;
	void (*run)(struct rocks_request *q);
	bool is_done;
};

/* What a reader thread is asked to do. */
struct rocks_job {
	union {
		struct list node;      /* in rocks.jobs */
		struct lane_item lane; /* in a rocks_ahead */
	};

	uint64_t account; /* of the latter */

	void (*run)(struct rocks_job *j);
};

/* Jobs that threads of one urgency do, of all accounts in rotation. */
struct rocks_ahead {
	struct lanes lanes;
	pthread_cond_t changed;
};

struct rocks;

/* What a transaction's rows are gathered in before they are put into the batch. */
struct rocks_order {
	struct kv_op ops[ORDER_OPS]; /* into the transaction */
	unsigned char sort_of[ORDER_OPS];
	uint16_t sorts[ORDER_SORTS];
	unsigned count, sort_count;
};

/* What leads from a format to the next. */
struct rocks_upgrade {
	const char *what;
	/* may be begun any number of times; NULL: nothing to do */
	enum err (*run)(struct rocks *r);
};

/* The formats that a program knows: steps[i] leads from i + 1 to i + 2. */
struct rocks_formats {
	const struct rocks_upgrade *steps;
	uint64_t newest;
};

struct rocks {
	struct kv kv;
	struct rocks_formats formats;
	struct kv_options options;
	char *dir;
	int lock_fd;
	rocksdb_t *db;
	rocksdb_column_family_handle_t *cf[CF_COUNT];
	rocksdb_options_t *cf_options[CF_COUNT], *db_options;
	void *env; /* rocks_env_new() */
	struct rocks_marks *marks;
	rocksdb_cache_t *cache;
	rocksdb_writeoptions_t *write_lazy;
	atomic_bool is_failed, is_out_of_room;
	bool is_log_torn;
	bool is_damaged; /* opened without some of its tables */
	/* bits of families whose tables are damaged: they are compacted no more */
	atomic_uint compactions_end;
	atomic_uint_fast64_t stage_ids;

	/* Room on the disk, as it was space_ms ago. */
	atomic_int space;
	atomic_int_fast64_t space_us;

	/* The committer's queue. */
	pthread_mutex_t lock;
	sem_t bell;              /* for the committer: something has come into an empty queue */
	struct bell commit_bell; /* rings it, once a loop has looked at all that came */
	pthread_cond_t done;     /* for those who wait for requests */
	struct list commits, chunks, drops, requests;
	unsigned commit_count; /* that have come since the last were taken */
	unsigned chunk_count;
	bool is_closing, has_committer;
	pthread_t committer;

	/* The committer's own. */
	rocksdb_writebatch_t *batch;
	size_t batch_bytes;
	uint64_t batch_no;
	uint64_t large_batch[ROCKS_LANES]; /* of accounts: which was the last with a large commit */
	bool was_large;                    /* the last batch had one */

	struct known_version {
		uint64_t account, version; /* version 0: not known */
		uint64_t batch;            /* that put it */
	} versions[VERSIONS_CACHED], *displaced;

	struct last_put {
		uint64_t batch; /* 0: none */
		struct str key; /* in the transaction, which is there until the batch is written */
	} last_puts[PUTS_KNOWN];

	struct rocks_order order;

	size_t displaced_count, displaced_cap;
	int64_t busy_us;      /* monotonic: the last batch of commits or chunks was over */
	int64_t sweep_due_us; /* the same: when blobs without links are looked for next */
	struct sweep sweep;
	struct hash blobs; /* struct pending_blob, of the batch being made */
	struct list pending;
	uint64_t durable_seq; /* everything up to it is synced */
	/* NULL until a sync has failed: what was there before its batch, which is all that is shown
	 * from then on */
	const rocksdb_snapshot_t *_Atomic settled;
	bool is_marked; /* and a record in the log says so */

	/* Where iterators go from one table to the next: rocks_bounds.c. */
	pthread_mutex_t bounds_lock;
	struct rocks_bounds *bounds[CF_COUNT];

	/* Readers. */
	pthread_mutex_t read_lock;
	/*
	 * What is waited for, first come, first served; and what is read ahead, which is much:
	 * accounts in rotation, and those that had much of it lately apart. Each has its threads.
	 */
	struct list jobs;
	struct rocks_ahead ahead, late;
	pthread_cond_t jobs_changed;
	bool readers_end;
	pthread_t *readers;
	unsigned reader_count;

	/* The chunks unpacked last, for messages that are read in small pieces. */
	pthread_mutex_t unpacked_lock;

	struct unpacked {
		struct blob_id id;
		uint32_t no;
		struct kv_bytes *bytes;
	} unpacked[UNPACKED_KEPT];

	unsigned unpacked_next;

	/* Giving room back. */
	pthread_mutex_t tidy_lock;
	pthread_cond_t tidy_changed;
	pthread_t tidier;
	bool has_tidier;
	atomic_bool tidy_ends;
	uint64_t tidy_bytes; /* swept and not tidied */

	atomic_uint_fast64_t stat_commits, stat_batches, stat_syncs, stat_bytes, stat_loads_now,
	    stat_loads_waited, stat_blob_reads;
};

static inline struct rocks *
rocks_of(struct kv *kv)
{
	return container_of(kv, struct rocks, kv);
}

/* What an opening begins with; the caller's memory is all zero. */
void rocks_init(struct rocks *r, const struct kv_options *o);
/* Whatever of it there is, and the memory itself. is_flushed: what is in memory is written out. */
void rocks_end(struct rocks *r, bool is_flushed);
void rocks_db_close(struct rocks *r);
/* It can't write any more; the message says why. */
void rocks_fail(struct rocks *r, const char *message);
/*
 * Frees a RocksDB message and says which error it is: CORRUPT, WAIT (not in memory), IO. NULL: OK.
 */
enum err rocks_err(char *message);
/* What a failed read says: as rocks_err(), but a table that has vanished is damage too. */
enum err rocks_read_err(char *message);
/* As kv_rocks_open(), on another rocksdb::Env (for tests). */
must_use enum err rocks_open_env(const struct kv_options *o, void *env, struct kv **kv_out,
    struct buf *detail);
/* The same by a program that knows other formats. */
must_use enum err rocks_open_formats(const struct kv_options *o, void *env,
    struct rocks_formats formats, struct kv **kv_out, struct buf *detail);
/* Closes as a crash would: what is in memory stays unwritten. For tests. */
void rocks_abandon(struct kv *kv);

/* ---- rocks_open.c */
/* A 64-bit row of CF_META named by one byte; 0 when there is none. */
must_use enum err rocks_meta_get(struct rocks *r, char name, uint64_t *value_out);
/* Into the batch. */
void rocks_meta_put(struct rocks *r, char name, uint64_t value);

/* ---- rocks_upgrade.c */
extern const struct rocks_formats rocks_formats;
/* Before the engine is opened: ERR_NEWER when a newer program has had it. */
must_use enum err rocks_format_look(const struct rocks *r, struct buf *detail);
/* Brings the store to the newest format. */
must_use enum err rocks_upgrade(struct rocks *r);

/* ---- rocks_options.c */
const char *rocks_cf_name(enum rocks_cf cf);
rocksdb_options_t *rocks_db_options(const struct kv_options *o);
rocksdb_options_t *rocks_cf_options(const struct kv_options *o, enum rocks_cf cf,
    kv_merge_fn *merge, rocksdb_cache_t *cache);

/* ---- rocks_commit.c */
must_use enum err rocks_committer_start(struct rocks *r);
/* Does what is queued, then ends the thread. */
void rocks_committer_stop(struct rocks *r);
void rocks_commit(struct kv *kv, struct kv_commit *c);
enum err rocks_chunk_write(struct kv *kv, struct kv_chunk *c);
void rocks_stage_drop(struct kv *kv, uint64_t stage_id, uint32_t count);
/* Has the committer run it; returns when it is done. */
void rocks_request(struct rocks *r, struct rocks_request *q);

/* ---- rocks_batch.c: all in the committer */
/* Writes r->batch and empties it; a failure is final. */
must_use enum err rocks_batch_write(struct rocks *r, bool is_synced);
/* Puts into it how far the log is durable. */
void rocks_batch_mark(struct rocks *r);
/* Whether it may go into the batch: versions, links, room on the disk. */
must_use enum err rocks_commit_check(struct rocks *r, const struct kv_commit *c);
/* It may: what the next are checked against is as if it had been written. */
void rocks_commit_accept(struct rocks *r, const struct kv_commit *c);
/* Its rows, when all of the batch have been accepted. */
void rocks_commit_put(struct rocks *r, const struct kv_commit *c);

/* ---- rocks_order.c: in the committer */
typedef void rocks_op_fn(struct rocks *r, const struct kv_commit *c, const struct kv_op *op);

/* All rows of a transaction of the commit, in an order that has the same result as their own. */
void rocks_ops_put(struct rocks *r, const struct kv_commit *c, const struct kv_txn *t,
    rocks_op_fn *put);

/* ---- rocks_ranges.c: in the committer */
/*
 * Into the batch, whose first the commit is: the end of all rows of the range that are there, or that
 * the commit has put before.
 */
void rocks_range_delete(struct rocks *r, const struct kv_commit *c, const struct kv_op *op);

/* ---- rocks_puts.c */
/* Its puts are in the batch that is being made; to be called in order, for all or for none. */
void rocks_puts_note(struct rocks *r, const struct kv_commit *c);
/* No later commit of the batch, as far as is known, puts the same row. */
bool rocks_puts_is_last(struct rocks *r, const struct kv_op *op);

/* ---- rocks_queue.c */
/*
 * Takes out what has to wait for another batch, and puts it back into the queue. In the committer.
 */
void rocks_queue_sort(struct rocks *r, struct list *commits);

/* ---- rocks_blob.c: all in the committer, but for the last three */
/*
 * Room for all links of the commit to be looked at; ERR_CORRUPT for one without bytes to a blob
 * that is not there.
 */
must_use enum err rocks_links_check(struct rocks *r, const struct kv_commit *c);
/* Adds them to the batch; to be called for commits that passed the check, in order. */
void rocks_links_apply(struct rocks *r, const struct kv_txn *t);
/* The rows of the blobs that changed go into the batch. */
void rocks_links_flush(struct rocks *r);
/* Where rows say that a blob is, with the batch; 0: they can't. */
uint64_t rocks_place(struct rocks *r, const struct blob_id *id);
void rocks_chunk_put(struct rocks *r, const struct kv_chunk *c);
void rocks_stage_delete(struct rocks *r, uint64_t stage_id, uint32_t count);
/* At start: stages that nothing links. */
must_use enum err rocks_stages_sweep(struct rocks *r);
/*
 * Up to a few hundred blobs without links since before, from s->from on, where the next step is to go
 * on; when there are no more, or it fails, that is the beginning.
 */
must_use enum err rocks_sweep_step(struct rocks *r, int64_t before_ms, struct sweep *s);
enum err rocks_blob_sweep(struct kv *kv, uint64_t grace_ms, uint64_t *swept_bytes_out);
enum err rocks_blob_get(struct kv *kv, const struct blob_id *id, struct kv_blob *out);
must_use enum err blob_row_decode(struct str value, struct blob_row *row_out);
struct kv_blob blob_of_row(const struct blob_id *id, const struct blob_row *row);
/* The family that the chunks of a blob are in. */
enum rocks_cf chunk_cf(const struct blob_row *row);
void chunk_key_put(char key[12], uint64_t stage_id, uint32_t no);
uint32_t chunk_count(const struct blob_row *row);
/* ERR_NOTFOUND when there is no such row. */
must_use enum err blob_row_get(struct rocks *r, const struct blob_id *id, struct blob_row *row_out);
/* Into the batch: the end of all chunks of the row's blob. */
void chunks_delete(struct rocks *r, const struct blob_row *row);

/* ---- rocks_read.c */
/* The caller's. snapshot NULL: the latest. */
rocksdb_readoptions_t *rocks_read_options(enum rocks_tier tier, const rocksdb_snapshot_t *snapshot);
struct str rocks_slice(const rocksdb_pinnableslice_t *s);
/*
 * ERR_OK with *value_out NULL: there is no such row. When it may not read files and a table is not
 * open, RocksDB says "found" with an empty value (a leftover of its KeyMayExist), so an empty one
 * is looked at again by a reader.
 */
must_use enum err rocks_row_get(struct rocks *r, const rocksdb_readoptions_t *o,
    enum rocks_tier tier, enum rocks_cf cf, struct str key, rocksdb_pinnableslice_t **value_out);
enum err rocks_versions(struct kv *kv, const struct account_id *accounts, size_t count,
    uint64_t *versions_out);
/* One account's version; o, which may carry a snapshot, is of that tier. */
must_use enum err rocks_version_get(struct rocks *r, const rocksdb_readoptions_t *o,
    enum rocks_tier tier, struct account_id account, uint64_t *version_out);

/* ---- rocks_load.c */
enum err rocks_load(struct kv *kv, struct account_id account, const struct kv_range *ranges,
    size_t count, struct kv_rows **rows_out, kv_load_fn *fn, void *ctx);
enum err rocks_load_ahead(struct kv *kv, struct account_id account, const struct kv_range *ranges,
    size_t count, struct kv_rows **rows_out, kv_wanted_fn *is_wanted, kv_load_fn *fn, void *ctx);
enum err rocks_load_now(struct kv *kv, struct account_id account, const struct kv_range *ranges,
    size_t count, struct kv_rows **rows_out);

/* ---- rocks_bytes.c */
enum err rocks_blob_read(struct kv *kv, const struct blob_id *id, uint64_t place, uint64_t offset,
    size_t length, struct kv_bytes **bytes_out, kv_blob_fn *fn, void *ctx);
enum err rocks_blob_read_now(struct kv *kv, const struct blob_id *id, uint64_t place,
    uint64_t offset, size_t length, struct kv_bytes **bytes_out);

/* ---- rocks_readers.c */
must_use enum err rocks_readers_start(struct rocks *r);
void rocks_readers_stop(struct rocks *r);
/* Has a reader thread run it: waited for; wanted soon. */
void rocks_job_add(struct rocks *r, struct rocks_job *j);
void rocks_job_ahead(struct rocks *r, struct account_id account, struct rocks_job *j);
/* Somebody reads: compactions wait a moment longer (rocks_work.h). */
void rocks_reading(struct rocks *r);

/* ---- rocks_blobs.c */
enum err rocks_blobs_load(struct kv *kv, struct account_id account, const struct kv_blob_ref *refs,
    size_t count, struct kv_blobs **blobs_out, kv_blobs_fn *fn, void *ctx);

/* ---- rocks_bounds.c */

/* The smallest keys of the tables below level 0, ascending. Counted. */
struct rocks_bounds {
	atomic_uint refs;
	uint64_t version; /* RocksDB's number of the set of tables that it is of */
	char *bytes;
	size_t n;
	struct str keys[];
};

uint64_t rocks_tables_version(struct rocks *r, enum rocks_cf cf);
/* Those of now. */
struct rocks_bounds *rocks_bounds_get(struct rocks *r, enum rocks_cf cf);
void rocks_bounds_unref(struct rocks_bounds *b);
/* The first that is above key; b->n when there is none. */
size_t rocks_bounds_above(const struct rocks_bounds *b, struct str key);

/* ---- rocks_check.c */
enum err rocks_check(struct kv *kv, struct kv_checker *k);
enum err rocks_blobs_each(struct kv *kv, kv_blob_each_fn *fn, void *ctx);

/* ---- rocks_tidy.c */
must_use enum err rocks_tidier_start(struct rocks *r);
void rocks_tidier_stop(struct rocks *r);
/* So many bytes of messages were swept. */
void rocks_tidy_note(struct rocks *r, uint64_t swept);
/* A compaction of the family met damage: it would be tried again every second. From any thread. */
void rocks_tidy_stop_compactions(struct rocks *r, enum rocks_cf cf);

/* ---- rocks_wal.c */

/* What the log files of a closed database say of themselves. */
struct wal_report {
	bool is_torn;             /* some record is not whole, or stands behind a gap */
	bool has_gap, has_damage; /* in the file being looked at */
	uint64_t reach;           /* up to where that file is whole */
	uint64_t durable_seq;     /* the highest that some record says was synced before it */
	uint64_t bytes;
	unsigned files;
	uint64_t newest; /* its number; 0: there is no log */
	uint64_t noted;  /* the newest that has ever begun; 0: nothing says so */
};

/*
 * More log files than that are made into tables at start, so that starts after crashes don't heap
 * them up.
 */
#define WAL_FILES_KEPT 8u
/* Tells the marks how far each log is whole. */
must_use enum err rocks_wal_look(const char *dir, struct rocks_marks *marks,
    struct wal_report *out);
/* The list of files, which is kept in the same format, has its checksums. */
bool rocks_manifest_is_whole(const char *dir);
/* Which it is, up to where it is whole, and whether there is more; false: there is none. */
/* The folder has a store, whether CURRENT names its list of files or not. */
bool rocks_store_exists(const char *dir);
bool rocks_manifest_look(const char *dir, uint64_t *number_out, uint64_t *reach_out,
    bool *is_torn_out);
/* The record that says it, as the first of a batch. */
#define WAL_MARK_BYTES 12u
void rocks_wal_mark(char mark[WAL_MARK_BYTES], uint64_t durable_seq);

/* ---- rocks_mark.c; the rest is in rocks_mark.h */
/*
 * What was read at start against the mark that was there, ERR_CORRUPT when some of it is gone: to
 * be called behind rocks_wal_look(). Cuts a torn end off the list of files.
 */
must_use enum err rocks_marks_check(const struct rocks_marks *m, const char *dir,
    struct buf *detail);
/*
 * The database has been opened and goes up to seq, all of it on the disk: ERR_CORRUPT when it was
 * further once. Else the mark is written anew.
 */
must_use enum err rocks_marks_opened(struct rocks_marks *m, uint64_t seq, struct buf *detail);
/* Writes the mark; up to seq everything is on the disk. */
void rocks_marks_write(struct rocks_marks *m, uint64_t seq, bool is_synced);
/* The same when the store has been closed, with all that the logs hold in tables too. */
void rocks_marks_flushed(struct rocks_marks *m);

#endif
