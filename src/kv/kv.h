/*
 * kv.h - the storage engine's interface. Narrow, so that another engine is a thousand lines; only
 * kv/ knows an engine.
 *
 * Rows belong to accounts. An account changes by transactions, each built on one version of it and
 * giving it the next; they are totally ordered per account. Nothing here blocks: what is not in
 * memory comes by callback from another thread. No snapshot of the engine outlives one load;
 * consistency over time comes from account versions.
 *
 * Threads: every function may be called from any thread. Callbacks come from the engine's threads
 * (committer, readers), never from inside the call that was given them, and must be short: they
 * take a lock, note the result and post.
 */
#ifndef KV_KV_H
#define KV_KV_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "base/waiter.h"

struct kv;
struct kv_txn;
struct kv_stage;

struct account_id {
	uint64_t v;
};

/* The SHA-256 of the stored bytes. */
struct blob_id {
	uint8_t sha256[32];
};

/* Where the bytes of a blob are, as it stands in rows: kv_put_placed(). */
#define KV_PLACE_BYTES 8u

/* Bytes of a message in one piece of storage; see kv_stage_write() and kv_blob_read(). */
#define KV_CHUNK_BYTES (256u * 1024)

/* For kv_txn_new(): derived rows (postings), which follow no version. */
#define KV_UNVERSIONED UINT64_MAX

/* The account of the server itself: directory of users, settings. Real accounts begin at 1. */
#define ACCOUNT_SYSTEM ((struct account_id){ 0 })

/* Kinds of rows; each is a column family with its own tuning and at most one merge operator. */
enum kv_kind {
	KV_ROW,     /* account and mailbox rows: plain values */
	KV_COUNTER, /* 64-bit little-endian values that kv_add() changes */
	KV_PAGE,    /* pages of mailbox entries: merge operator `page` */
	KV_MESSAGE, /* message records: plain values, compressed */
	KV_LOG,     /* change log and undo records: plain values, written in key order */
	KV_POSTING, /* derived search rows: merge operator `posting`; not synced */
	KV_KINDS
};

/*
 * Folds operands, oldest first, into a row's value. Pure and total: an operand that can't be
 * applied gives a value that is marked damaged (the format's business), never a failure. base.p is
 * NULL when there is no row.
 */
typedef void kv_merge_fn(struct str base, const struct str *operands, size_t count,
    struct buf *out);

/* Room on the disk, from the floors of the options. */
enum kv_space {
	KV_SPACE_OK,
	KV_SPACE_SOFT, /* no new messages; retained data should go */
	KV_SPACE_HARD, /* only transactions that delete */
};

struct kv_options {
	const char *dir;              /* rocks: the data directory; made when missing */
	kv_merge_fn *merge[KV_KINDS]; /* KV_PAGE and KV_POSTING */
	size_t cache_bytes;           /* 0: 64 MiB */
	size_t write_buffer_bytes;    /* all memtables together; 0: 32 MiB */
	uint64_t soft_floor_bytes;    /* free space; 0: 256 MiB */
	uint64_t hard_floor_bytes;    /* 0: 64 MiB */
	unsigned reader_threads;      /* twice as many read ahead; 0: 2 */
	bool read_only;               /* verify, export */
	/* tests and imports that may be repeated: commits are not synced */
	bool no_sync;
	uint64_t grace_ms;   /* bytes without links stay that long; 0: ten minutes */
	struct clock *clock; /* NULL: clock_system() */
};

/**
 * Opens the RocksDB engine. ERR_INUSE when another process has the directory, ERR_CORRUPT when what
 * is there is damaged (a torn tail of the log is not damage), ERR_IO. detail, when not NULL, gets a
 * sentence for the operator; with ERR_OK too, when tables are missing or damaged as a whole: what
 * may be in them then reads as ERR_CORRUPT.
 */
must_use enum err kv_rocks_open(const struct kv_options *o, struct kv **kv_out, struct buf *detail);

/** The newest format of rows that this program knows, and writes (docs/file-format.md). */
uint32_t kv_format(void);

/*
 * The engine in memory, for tests and simulation. Same semantics; durable state is what was
 * committed and "synced". With `manual` set, commits and loads complete only when kv_memory_step()
 * is called, in an order drawn from the seed.
 */
struct kv_memory_options {
	struct kv_options base;
	bool manual;
	uint64_t seed;
};
must_use enum err kv_memory_open(const struct kv_memory_options *o, struct kv **kv_out);
/** Completes one outstanding load or commit; false when there was none. Manual mode only. */
bool kv_memory_step(struct kv *kv);
/**
 * Loses everything that was not durable, with the commits in flight, whose callbacks never come.
 * Reads end with ERR_IO.
 */
void kv_memory_power_cut(struct kv *kv);
/** The n-th engine operation from now (write, sync, read) fails with e; 0: none does. */
void kv_memory_fail_at(struct kv *kv, uint64_t n, enum err e);
/** The same, and all after it until the power is cut. */
void kv_memory_fail_from(struct kv *kv, uint64_t n, enum err e);
/** One has failed since then. */
bool kv_memory_has_failed(struct kv *kv);
/** Sets what kv_space() says. */
void kv_memory_set_space(struct kv *kv, enum kv_space space);

/** Commits what is queued, waits for readers, closes. */
void kv_close(struct kv *kv);

enum kv_space kv_space(struct kv *kv);
/**
 * True after a failed sync or background error: nothing is acknowledged any more; commits answer
 * ERR_IO.
 */
bool kv_is_failed(struct kv *kv);
/** True when it failed for want of room: opened again where there is room, it goes on. */
bool kv_is_out_of_room(struct kv *kv);

/* ---- reading --------------------------------------------------------------------------------- */

/*
 * Rows of one kind with from <= key < to (to.p NULL: to the end of the account's rows of that
 * kind).
 */
struct kv_range {
	enum kv_kind kind;
	struct str from, to;
	uint32_t limit;  /* most rows wanted; 0: all */
	bool is_reverse; /* from the end of the range backwards */
	bool is_exact;   /* only the row with key == from; `to` is not looked at */
	bool is_bulk;    /* of many rows, read one after the other: they need not stay cached */
	/* of the first, for all, when it is read ahead: somebody waits for it already */
	bool is_awaited;
	/*
	 * of the first, for all: rows that are put once and never change; they need not be of one
	 * moment, and the version that is told says nothing
	 */
	bool is_timeless;
	/*
	 * damage is no error: what it hides is told as gaps. Not with is_reverse, nor with a limit
	 */
	bool may_have_gaps;
};

struct kv_row {
	struct str key, value; /* valid until kv_rows_free() */
};

/*
 * Damage: rows with from <= key < to, if there are any, can't be read together. Some may be found
 * alone, by is_exact.
 */
struct kv_gap {
	struct str from, to;
};

struct kv_row_list {
	struct kv_row *rows;
	size_t count;
	struct kv_gap *gaps; /* ascending */
	size_t gap_count;
};

struct kv_rows {
	uint64_t version;           /* the account version that all rows are of */
	struct kv_row_list *ranges; /* one a range, in their order */
	size_t range_count;
};

void kv_rows_free(struct kv_rows *rows);
/** The key lies in a gap. */
bool kv_rows_hidden(const struct kv_row_list *l, struct str key);

/* e != ERR_OK: rows is NULL. Otherwise the callee frees rows. */
typedef void kv_load_fn(void *ctx, enum err e, struct kv_rows *rows);

/**
 * Loads rows as of one committed version (an account never written has version 0 and no rows).
 * ERR_OK: they were in memory and are in *rows_out, and the callback never comes. ERR_WAIT: the
 * callback will come, exactly once. Queued transactions are not seen: the store folds in its own.
 * The ranges are copied.
 */
must_use enum err kv_load(struct kv *kv, struct account_id account, const struct kv_range *ranges,
    size_t count, struct kv_rows **rows_out, kv_load_fn *fn, void *ctx);

/* Of the ctx of a load that has waited for its turn. Any thread. */
typedef bool kv_wanted_fn(void *ctx);

/**
 * The same for many rows that will be wanted soon: on a thread of the engine even when they are in
 * memory, so that the caller goes on meanwhile.
 *
 * @is_wanted  asked when it is their turn, for who asked may have gone: false, and the callback
 *             comes with ERR_CLOSED at once. NULL: they are
 */
must_use enum err kv_load_ahead(struct kv *kv, struct account_id account,
    const struct kv_range *ranges, size_t count, struct kv_rows **rows_out, kv_wanted_fn *is_wanted,
    kv_load_fn *fn, void *ctx);

/** The same, waiting; for start-up, tools and tests, never on a loop. */
must_use enum err kv_load_now(struct kv *kv, struct account_id account,
    const struct kv_range *ranges, size_t count, struct kv_rows **rows_out);
/**
 * The same of one range, some rows (its limit) at a time: where damage hides one of them, all that
 * are left of the range at once, with gaps. is_last_out: there are no more behind these.
 */
must_use enum err kv_load_readable(struct kv *kv, struct account_id account,
    const struct kv_range *range, struct kv_rows **rows_out, bool *is_last_out);

/* ---- writing --------------------------------------------------------------------------------- */

/**
 * A transaction on one account: it is built on version `base` and makes `next` (> base). Nothing is
 * sent before kv_commit(). Keys and values are copied. Owned by the caller until committed or
 * aborted; one thread at a time. KV_UNVERSIONED for both: it neither checks nor changes the
 * version, and may be told to nobody who relies on one. For base alone: the version becomes next,
 * whatever it was (when it is lost). Changes apply in the order in which they were given.
 */
struct kv_txn *kv_txn_new(struct kv *kv, struct account_id account, uint64_t base, uint64_t next);
void kv_txn_abort(struct kv_txn *t);
void kv_put(struct kv_txn *t, enum kv_kind kind, struct str key, struct str value);
/**
 * The same for a row that names the blob: the last KV_PLACE_BYTES of the value become the place of
 * its bytes, 0 when that can't be said. For kv_blob_read(), of who reads the row anyhow.
 */
void kv_put_placed(struct kv_txn *t, enum kv_kind kind, struct str key, struct str value,
    const struct blob_id *id);
void kv_del(struct kv_txn *t, enum kv_kind kind, struct str key);
/**
 * from <= key < to (to.p NULL: to the end of the account's rows of that kind). The committer looks for
 * each row, and everybody waits for it, so many are deleted some at a time (store/purge.c). For keys
 * that are never given again: what damage hides stays, and a repair may bring it back.
 */
void kv_del_range(struct kv_txn *t, enum kv_kind kind, struct str from, struct str to);
/** Adds to a KV_COUNTER row; a missing row is 0. */
void kv_add(struct kv_txn *t, struct str key, int64_t delta);
void kv_merge(struct kv_txn *t, enum kv_kind kind, struct str key, struct str operand);
/** Marks it as one that frees room: allowed below the hard floor. */
void kv_txn_set_deletes(struct kv_txn *t);
/** Needs no sync before it is acknowledged (postings, recent claims). */
void kv_txn_set_lazy(struct kv_txn *t);
/** Bytes that it will write, about. */
size_t kv_txn_bytes(const struct kv_txn *t);

typedef void kv_commit_fn(void *ctx, enum err e);

/**
 * Commits transactions over one or more accounts, all or none; takes them over. The callback comes
 * when they are durable (ERR_OK), or with ERR_CONFLICT (an account's version was not `base`),
 * ERR_FULL, ERR_IO, ERR_LIMIT (more than 256 MiB of rows), ERR_CORRUPT (a link without bytes to a
 * blob that is not there). Commits of one account complete in the order they were given; one whose
 * predecessor failed gets ERR_CONFLICT. Everything queued while a sync runs goes out in one batch
 * with one sync.
 */
void kv_commit(struct kv *kv, struct kv_txn **txns, size_t count, kv_commit_fn *fn, void *ctx);
/** The same, waiting; for tools and tests. */
must_use enum err kv_commit_now(struct kv *kv, struct kv_txn **txns, size_t count);

/* ---- message bytes --------------------------------------------------------------------------- */

/* Bytes shared by reference count: sent to clients without a copy. */
struct kv_bytes;
struct str kv_bytes_str(const struct kv_bytes *b);
struct kv_bytes *kv_bytes_ref(struct kv_bytes *b);
void kv_bytes_unref(struct kv_bytes *b);

/**
 * Begins a message that streams in. What it holds in memory is at most one chunk (256 KiB); full
 * chunks are written without sync under a staging key and swept at start when nothing came of them.
 */
struct kv_stage *kv_stage_new(struct kv *kv);
/**
 * Takes some of data and says how much. ERR_WAIT: nothing was taken, too many chunks wait to be
 * written; w is woken. ERR_FULL, ERR_IO: the stage is lost.
 */
must_use enum err kv_stage_write(struct kv_stage *s, struct str data, size_t *taken_out,
    struct waiter *w);
/** Ends it: length and name are known. */
must_use enum err kv_stage_seal(struct kv_stage *s, struct blob_id *id_out, uint64_t *length_out);
/**
 * Reads back from a sealed or unsealed stage that is still wholly in memory; STR_NONE when it is
 * not.
 */
struct str kv_stage_peek(const struct kv_stage *s);
struct kv_stage *kv_stage_ref(struct kv_stage *s);
/** The last one gone without a link: the bytes are dropped. Takes NULL. */
void kv_stage_unref(struct kv_stage *s);

/**
 * The transaction holds `count` more links to the blob. stage carries its bytes (sealed; a
 * reference is taken): used when the committer finds that the blob is not there yet. NULL when the
 * account already links it.
 */
void kv_link(struct kv_txn *t, const struct blob_id *id, uint32_t count, struct kv_stage *stage);
/**
 * Fewer links. At none, the bytes go after a grace period. More than there are: none, and the bytes
 * stay.
 */
void kv_unlink(struct kv_txn *t, const struct blob_id *id, uint32_t count);
/**
 * For repairs, a link to a blob whose row is lost, but not its bytes: length of them in the chunk at
 * place, where kv_blob_prove() found them. The row that is made anew is doubtful, for nobody knows how
 * many links there were. A blob that has a row is linked. ERR_CORRUPT of the commit: the blob is not
 * there.
 */
void kv_adopt(struct kv_txn *t, const struct blob_id *id, uint64_t place, uint64_t length);

/* e != ERR_OK: bytes is NULL. Otherwise the callee unrefs them. */
typedef void kv_blob_fn(void *ctx, enum err e, struct kv_bytes *bytes);

/**
 * Bytes of a linked blob: from offset, at most length and at most what is left of its chunk, so ask
 * again for the rest. place: where kv_put_placed() said that they are, by which they are found
 * faster, or 0; a wrong one does no harm, for what is found there is looked at. ERR_OK: at once, in *bytes_out. ERR_WAIT: by callback. ERR_CORRUPT when they
 * are not the bytes that were stored or are missing; ERR_END behind the end.
 */
must_use enum err kv_blob_read(struct kv *kv, const struct blob_id *id, uint64_t place,
    uint64_t offset, size_t length, struct kv_bytes **bytes_out, kv_blob_fn *fn, void *ctx);
/**
 * The same, waiting; for tools and tests. By its place only what can't be had by its name.
 * ERR_NOTFOUND when there is no such blob.
 */
must_use enum err kv_blob_read_now(struct kv *kv, const struct blob_id *id, uint64_t place,
    uint64_t offset, size_t length, struct kv_bytes **bytes_out);

/* A blob that is wanted: its name, its length, and where it may be (kv_blob_read()). */
struct kv_blob_ref {
	struct blob_id id;
	uint64_t length, place;
};

/* Small blobs that were read together. */
struct kv_blobs {
	size_t count;
	/* in the order in which they were asked for; p NULL: it has to be read alone */
	struct str *bytes;
	size_t room; /* all that was allocated, with this */
};

/** b may be NULL. Before kv is closed. */
void kv_blobs_free(struct kv *kv, struct kv_blobs *b);
typedef void kv_blobs_fn(void *ctx, struct kv_blobs *blobs);
/**
 * Reads linked blobs whole, on a thread of the engine: for who will send many. Accounts have their
 * turns in rotation. All of them are in memory together, so ask for few and small ones. What has
 * more than one chunk, is not as long as was said, or can't be read, is left out: kv_blob_read() says
 * why. ERR_OK: they are in *blobs_out at once; ERR_WAIT: by callback.
 */
must_use enum err kv_blobs_load(struct kv *kv, struct account_id account,
    const struct kv_blob_ref *refs, size_t count, struct kv_blobs **blobs_out, kv_blobs_fn *fn,
    void *ctx);

/* A row of a blob. */
struct kv_blob {
	struct blob_id id;
	uint64_t length, links;
	uint64_t place;   /* where kv_put_placed() says that it is; 0: nowhere */
	bool is_doubtful; /* more unlinks than links were seen: kept for ever */
};

/** The blob's row: for verify. ERR_NOTFOUND; ERR_CORRUPT or ERR_IO: it can't be read. Waits. */
must_use enum err kv_blob_get(struct kv *kv, const struct blob_id *id, struct kv_blob *out);
/** Links that the engine counts: for tests. 0 when there is no such blob. Waits. */
must_use enum err kv_blob_links(struct kv *kv, const struct blob_id *id, uint64_t *links_out);
/**
 * Deletes now what has had no links for grace_ms. For tests and the tool; the engine does it by
 * itself too. Waits.
 */
must_use enum err kv_blob_sweep(struct kv *kv, uint64_t grace_ms, uint64_t *swept_bytes_out);

/* ---- versions -------------------------------------------------------------------------------- */

/** The committed versions of accounts. Cheap. */
must_use enum err kv_versions(struct kv *kv, const struct account_id *accounts, size_t count,
    uint64_t *versions_out);

/* A hint that some account has a newer version; may be lost, late or doubled. */
typedef void kv_watch_fn(void *ctx, struct account_id account);
/** One watcher an engine. An embedded engine has nobody else writing, and never calls it. */
void kv_watch(struct kv *kv, kv_watch_fn *fn, void *ctx);

/* ---- checking -------------------------------------------------------------------------------- */

/* Who checks. Both functions are called from inside the checking ones, in their thread. */
struct kv_checker {
	/*
	 * Something is wrong: in a file of the data directory ("" when none can be named). Texts
	 * are valid during the call.
	 */
	void (*fault)(struct kv_checker *k, const char *file, const char *what);
	/* So many more bytes were read; may wait. False: stop. */
	bool (*pace)(struct kv_checker *k, uint64_t bytes);
};

/**
 * Reads every table of the engine against its checksums and proves the invariants of its own rows
 * (docs/file-format.md, K2 to K4). Waits. ERR_END: stopped. What is wrong is told, and is no error
 * here.
 */
must_use enum err kv_check(struct kv *kv, struct kv_checker *k);

/* Takes a piece of a blob; false: no more of it. */
typedef bool kv_piece_fn(void *ctx, struct str piece);
/**
 * Reads a blob from its beginning to its end, as kv_blob_read_now(). ERR_OK: all pieces were given to fn and have the
 * digest that is its name. ERR_CORRUPT: some can't be read, or they are others than were stored.
 * ERR_NOTFOUND: there is no such blob. ERR_END: fn stopped it; ERR_IO. Waits.
 */
must_use enum err kv_blob_prove(struct kv *kv, const struct blob_id *id, uint64_t place,
    kv_piece_fn *fn, void *ctx);

typedef void kv_blob_each_fn(void *ctx, const struct kv_blob *b);
/**
 * Calls fn for every blob, also for those without links. Waits. ERR_CORRUPT: not all can be read;
 * the others were told.
 */
must_use enum err kv_blobs_each(struct kv *kv, kv_blob_each_fn *fn, void *ctx);

/* ---- operation ------------------------------------------------------------------------------- */

struct kv_stats {
	uint64_t commits, batches, syncs; /* transactions, groups of them, flushes to disk */
	uint64_t bytes_written;
	uint64_t loads_now, loads_waited;
	uint64_t blob_reads; /* of bytes of messages, by whatever call */
	size_t cache_bytes, memtable_bytes;
};

void kv_stats(struct kv *kv, struct kv_stats *out);
/** A consistent copy of all files by hard links into dir, which must not exist. Waits. */
must_use enum err kv_checkpoint(struct kv *kv, const char *dir);

#endif
