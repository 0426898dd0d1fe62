/*
 * kv_int.h - what the engines and the parts that they share know of each other.
 *
 * Shared: kv.c (dispatch, waiting forms), txn.c (a transaction's own buffer), rows.c (results of
 * loads), stage.c (messages that stream in), chunk.c (their stored form). An engine is a struct
 * kv_ops and embeds struct kv as its first member.
 */
#ifndef KV_KV_INT_H
#define KV_KV_INT_H

#include "base/arena.h"
#include "base/bin.h"
#include "base/list.h"
#include "kv/kv.h"

#include <pthread.h>
#include <stdatomic.h>

/* Rows of one transaction, all together; over it the commit answers ERR_LIMIT. */
#define KV_TXN_MAX (256u * 1024 * 1024)
#define KV_ACCOUNT_KEY 8u /* bytes of the account's id in front of an engine's keys, big-endian */
#define KV_GRACE_MS (10u * 60 * 1000)

struct kv_commit;

/*
 * ---- chunks (chunk.c): codec, flags, two zero, raw length, CRC-32C of the raw bytes, name of the
 * blob that is this chunk alone, payload
 */

#define KV_CHUNK_HEAD 12u
#define KV_CHUNK_NAME 16u /* bytes of the name; only with its flag */

/* One piece of a stage on its way to the disk. */
struct kv_chunk {
	struct list node;
	uint64_t stage_id;
	uint32_t no;
	struct str value; /* stored form; freed with it */
};

/*
 * Contexts of the codec, which cost more to make than a small message to pack: kept for the next, a
 * few.
 */
#define KV_CODECS 4u

struct kv_codecs {
	pthread_mutex_t lock;
	void *packers[KV_CODECS], *unpackers[KV_CODECS];
	unsigned packer_count, unpacker_count;
};

void kv_codecs_init(struct kv_codecs *c);
void kv_codecs_done(struct kv_codecs *c);

/*
 * Appends the stored form of raw (at most KV_CHUNK_BYTES). whole: the blob that raw is all of; NULL:
 * it is a piece.
 */
void kv_chunk_encode(struct kv_codecs *codecs, struct str raw, const struct blob_id *whole,
    struct buf *out);
/* It says that it is all of this blob. */
bool kv_chunk_is_of(struct str stored, const struct blob_id *id);
/* ERR_CORRUPT unless it gives back exactly what was encoded. */
must_use enum err kv_chunk_decode(struct kv_codecs *codecs, struct str stored,
    struct kv_bytes **raw_out);
/* The bytes that a stored form claims to be of. ERR_CORRUPT: it can't be one. */
must_use enum err kv_chunk_length(struct str stored, size_t *length_out);
/* As kv_chunk_decode(), into memory that has kv_chunk_length() bytes. */
must_use enum err kv_chunk_unpack(struct kv_codecs *codecs, struct str stored, char *to);

/* ---- an engine */

struct kv_ops {
	void (*close)(struct kv *kv);
	enum kv_space (*space)(struct kv *kv);
	bool (*is_failed)(struct kv *kv);
	bool (*is_out_of_room)(struct kv *kv);
	enum err (*load)(struct kv *kv, struct account_id account, const struct kv_range *ranges,
	    size_t count, struct kv_rows **rows_out, kv_load_fn *fn, void *ctx);
	enum err (*load_ahead)(struct kv *kv, struct account_id account,
	    const struct kv_range *ranges, size_t count, struct kv_rows **rows_out,
	    kv_wanted_fn *is_wanted, kv_load_fn *fn, void *ctx);
	enum err (*load_now)(struct kv *kv, struct account_id account,
	    const struct kv_range *ranges, size_t count, struct kv_rows **rows_out);
	/* Takes the commit over; calls kv_commit_end() when it is decided. */
	void (*commit)(struct kv *kv, struct kv_commit *c);
	/*
	 * For an engine without threads of its own: does outstanding work; false when there is
	 * none. May be NULL.
	 */
	bool (*pump)(struct kv *kv);
	/*
	 * Gives the stage its id, unique for ever. Called once, before its first chunk and by the
	 * commit that links it.
	 */
	uint64_t (*stage_id)(struct kv *kv);
	/*
	 * Takes over a chunk that is to be written. ERR_WAIT: not taken, too many wait;
	 * kv->chunk_waiters is woken.
	 */
	enum err (*chunk_write)(struct kv *kv, struct kv_chunk *c);
	/* Nothing came of a stage that has `count` chunks written. */
	void (*stage_drop)(struct kv *kv, uint64_t stage_id, uint32_t count);
	enum err (*blob_read)(struct kv *kv, const struct blob_id *id, uint64_t place,
	    uint64_t offset, size_t length, struct kv_bytes **bytes_out, kv_blob_fn *fn, void *ctx);
	enum err (*blob_read_now)(struct kv *kv, const struct blob_id *id, uint64_t place,
	    uint64_t offset, size_t length, struct kv_bytes **bytes_out);
	enum err (*blobs_load)(struct kv *kv, struct account_id account,
	    const struct kv_blob_ref *refs, size_t count, struct kv_blobs **blobs_out,
	    kv_blobs_fn *fn, void *ctx);
	enum err (*blob_get)(struct kv *kv, const struct blob_id *id, struct kv_blob *out);
	enum err (*blob_sweep)(struct kv *kv, uint64_t grace_ms, uint64_t *swept_bytes_out);
	enum err (*versions)(struct kv *kv, const struct account_id *accounts, size_t count,
	    uint64_t *versions_out);
	void (*stats)(struct kv *kv, struct kv_stats *out);
	enum err (*check)(struct kv *kv, struct kv_checker *k);
	enum err (*blobs_each)(struct kv *kv, kv_blob_each_fn *fn, void *ctx);
	enum err (*checkpoint)(struct kv *kv, const char *dir);
};

/* Memory for blobs that are read together (rooms.c): the last ones used, for the next. */
enum { KV_ROOM_BYTES = 448 * 1024, KV_ROOMS_KEPT = 6 };

struct kv_rooms {
	pthread_mutex_t lock;
	size_t count;
	struct kv_blobs *kept[KV_ROOMS_KEPT];
};

void kv_rooms_init(struct kv_rooms *r);
void kv_rooms_done(struct kv_rooms *r);

struct kv {
	const struct kv_ops *ops;
	kv_merge_fn *merge[KV_KINDS];
	struct clock *clock;
	uint64_t grace_ms;
	/* chunks stay with their stage: nothing goes through chunk_write() */
	bool keeps_stages;
	struct waitlist chunk_waiters;
	struct kv_codecs codecs;
	void *digest; /* EVP_MD of SHA-256, looked up once */
	struct kv_rooms rooms;
};

/* Fills what the engines share; KV_COUNTER gets kv_counter_merge(). */
void kv_init(struct kv *kv, const struct kv_ops *ops, const struct kv_options *o);
void kv_done(struct kv *kv);

/* ---- transactions (txn.c) */

enum kv_op_type { KV_OP_PUT, KV_OP_PUT_PLACED, KV_OP_DEL, KV_OP_DEL_RANGE, KV_OP_MERGE };

/*
 * One change. Keys begin with the account (KV_ACCOUNT_KEY). For DEL_RANGE, value is the end of the
 * range.
 */
struct kv_op {
	enum kv_op_type type;
	enum kv_kind kind;
	struct str key, value;
	struct blob_id blob; /* PUT_PLACED: whose place ends the value */
};

struct kv_link_op {
	struct blob_id id;
	int64_t delta;
	struct kv_stage *stage; /* may be NULL; a reference */
	/* without a stage: where the bytes of a blob are that has lost its row; place 0: it has one */
	uint64_t place, length;
};

struct kv_txn {
	struct kv *kv;
	struct account_id account;
	uint64_t base, next;
	bool is_deletes, is_lazy, has_ranges;
	struct buf ops; /* packed: kv_txn_each() */
	size_t op_count;
	struct kv_link_op *links;
	size_t link_count, link_cap;
};

/* Steps through the changes; begin with *pos = 0. */
bool kv_txn_each(const struct kv_txn *t, size_t *pos, struct kv_op *op_out);

static inline bool
kv_txn_is_versioned(const struct kv_txn *t)
{
	return t->base != KV_UNVERSIONED;
}

/* Transactions given to kv_commit() together. */
struct kv_commit {
	struct list node;
	struct kv_txn **txns;
	size_t count;
	size_t bytes, op_count;
	bool is_lazy, is_deletes; /* all of its transactions are */
	bool takes_links;         /* of bytes that it does not bring */
	bool has_ranges;          /* some of them delete ranges */
	kv_commit_fn *fn;
	void *ctx;
	enum err e;      /* the engine's verdict */
	struct bin *bin; /* of who gave it to the engine */
	struct bin_item trash;
};

/* Tells the caller c->e and frees it. */
void kv_commit_end(struct kv_commit *c);
/* Frees it without telling anybody: a power cut. */
void kv_commit_free(struct kv_commit *c);
/* What can be said without looking at the store: ERR_LIMIT. */
enum err kv_commit_check(const struct kv_commit *c);

void kv_counter_merge(struct str base, const struct str *operands, size_t count, struct buf *out);
/* The engine's key of a row: account, then key; KV_ACCOUNT_KEY + key.n bytes. */
void kv_key_put(char *out, struct account_id account, struct str key);

/* ---- results (rows.c) */

struct kv_rows_make {
	struct kv_rows pub;
	struct arena arena;
	size_t cap; /* of the range being filled */
};

struct kv_rows *kv_rows_new(size_t range_count, uint64_t version);
/* Adds a row to the range; key without its account. Ranges are filled one after the other. */
void kv_rows_add(struct kv_rows *rows, size_t range, struct str key, struct str value);

/* Rows from..to can't be read. */
void kv_gap_add(struct kv_rows *rows, size_t range, struct str from, struct str to);

/* A load that waits: its own copy of what was asked for. */
struct kv_load_job {
	struct list node;
	struct account_id account;
	struct kv_range *ranges;
	size_t count;
	kv_wanted_fn *is_wanted; /* NULL: it is */
	kv_load_fn *fn;
	void *ctx;
	struct arena arena;
};
struct kv_load_job *kv_load_job_new(struct account_id account, const struct kv_range *ranges,
    size_t count, kv_load_fn *fn, void *ctx);
bool kv_load_job_is_wanted(const struct kv_load_job *j);
void kv_load_job_free(struct kv_load_job *j);

/* ---- bytes (rows.c) */

struct kv_bytes {
	atomic_uint refs;
	struct str s;
	void (*free)(struct kv_bytes *b); /* frees what s points into, and b */
};
/* A copy of s. */
struct kv_bytes *kv_bytes_copy(struct str s);
/* Memory behind a kv_bytes for the caller to fill, once, before anybody else has it. */
struct kv_bytes *kv_bytes_alloc(size_t n, char **p_out);
/* A part of another's bytes; takes a reference to it. */
struct kv_bytes *kv_bytes_part(struct kv_bytes *whole, struct str s);

/*
 * Room for `count` blobs, none of which is there yet, that have `bytes` bytes together behind it,
 * at *data_out.
 */
struct kv_blobs *kv_blobs_new(struct kv *kv, size_t count, size_t bytes, char **data_out);

/* ---- stages (stage.c) */

struct kv_stage {
	atomic_uint refs;
	struct kv *kv;
	void *digest; /* EVP_MD_CTX until it is sealed */
	/* the chunk being filled; everything while nothing was written */
	struct buf raw;
	struct buf stored; /* its stored form, once sealed and small */
	uint64_t length;
	struct blob_id id;
	uint64_t stage_id;       /* 0: no chunk was written */
	uint32_t chunks_written; /* given to the engine */
	bool is_sealed;
	atomic_bool is_linked; /* a committed blob names it */
	atomic_bool is_stored; /* its bytes are there, here or where they came from before */
	_Atomic enum err failed;
};

/* Everything of it is in memory: raw, and stored when the engine wants that. */
static inline bool
kv_stage_is_whole(const struct kv_stage *s)
{
	return s->chunks_written == 0;
}

#endif
