/*
 * digest_int.h - the parts of digests.
 *
 *     digest.c         the cache
 *     digest_reader.c  reading from it
 *     digest_load.c    makes what is not in memory, of stored rows or of messages' records
 *     digest_block.c   the values of 64 neighbouring messages in one column: in memory, and as a stored row
 */
#ifndef STORE_DIGEST_INT_H
#define STORE_DIGEST_INT_H

#include "base/hash.h"
#include "base/list.h"
#include "store/digest.h"
#include "store/message_record.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
	BLOCK_BITS = 6,
	BLOCK_MESSAGES = 1 << BLOCK_BITS,
	LOAD_BLOCKS = 8, /* of one load */
	/* of one that is for their rows: a reader is busy for a millisecond */
	STORE_BLOCKS = 2,
	/* message numbers of an account from which on its digests are stored */
	STORED_FROM = 256,
};

#define DIGEST_ALL ((1u << DIGEST_COLUMNS) - 1)
#define DIGEST_TEXTS                                                                               \
	(1u << DIGEST_FROM_TEXT | 1u << DIGEST_TO_TEXT | 1u << DIGEST_CC_TEXT                      \
	    | 1u << DIGEST_SUBJECT_TEXT)

/* ---- digest_block.c */

/* The values of one column. Immutable. */
struct block {
	atomic_uint refs;
	uint64_t mask;                /* messages that are there */
	uint64_t version;             /* of the account when it was loaded */
	uint32_t end[BLOCK_MESSAGES]; /* where the value of each ends */
	char data[];
};

/* A block being made. */
struct packing {
	uint64_t mask;
	uint32_t end[BLOCK_MESSAGES];
	struct buf data;
};

void block_unref(struct block *b);
struct str block_value(const struct block *b, unsigned i);
struct block *packing_end(const struct packing *p, uint64_t version);
/** Adds the value of a column that is made of sort keys. */
void digest_key_add(const struct mime_sortkeys *k, enum digest_column column, struct buf *out);
/** Adds the values of the columns that are made of the header, to out[column]. */
void digest_texts_add(struct str header, unsigned columns, struct packing out[DIGEST_COLUMNS]);
/**
 * Packs the messages of one block, of their rows: p is NULL where there is none. Columns of the
 * header want header rows, the others summaries. old[column] has what is known of messages whose
 * rows are not there. False: some row is damaged.
 */
must_use bool digest_pack(unsigned columns, const struct str summaries[BLOCK_MESSAGES],
    const struct str headers[BLOCK_MESSAGES], struct block *const old[DIGEST_COLUMNS],
    struct packing out[DIGEST_COLUMNS]);
void digest_packings_init(struct packing p[DIGEST_COLUMNS]);
void digest_packings_done(struct packing p[DIGEST_COLUMNS]);

/* KV_POSTING: a column of a block. */
struct message_key digest_key(enum digest_column column, uint32_t number);
/** False: it is not the key of a digest. */
bool digest_key_parse(struct str key, enum digest_column *column_out, uint32_t *number_out);
/** The rows of the message's block go: it does, or its records change. */
void digest_rows_del(struct kv_txn *t, struct msgno n);
void digest_row_encode(const struct packing *p, struct buf *out);
/** ERR_CORRUPT when it is not one. */
must_use enum err digest_row_decode(struct str row, uint64_t version, struct block **out);

/* ---- digest.c */

struct slot {
	struct list lru; /* in no list while it is loading */
	uint64_t account;
	uint32_t number; /* message number >> BLOCK_BITS */
	uint32_t column;
	struct block *block; /* NULL: nothing was loaded yet */
	size_t bytes;
	unsigned wanted; /* readers that wait for it */
	enum err error;  /* of the last load; told once */
	bool is_loading;
};

/* Blocks that are complete now, and are to be stored. */
struct digest_due {
	struct list node;
	struct account_id account;
	uint32_t number, end;
};

struct digest_cache {
	struct kv *kv;
	size_t bytes_max;
	uint64_t seed;
	pthread_mutex_t lock; /* what follows */
	struct hash slots;
	struct list lru; /* most recently used first */
	size_t bytes;
	unsigned loads; /* in flight, and commits of rows */
	struct waitlist loaded;
	uint64_t releases;  /* how often messages went: rows made before are not stored after */
	unsigned releasing; /* messages that go just now */
	struct list due;    /* struct digest_due */
	unsigned due_count;
	bool is_storing, is_closing;
};

struct slot *digest_slot_find(const struct digest_cache *c, uint64_t account, uint32_t number,
    uint32_t column);
/** The same, made if it is not there; with the lock, as the next. */
struct slot *digest_slot_get(struct digest_cache *c, uint64_t account, uint32_t number,
    uint32_t column);
void digest_slot_used(struct digest_cache *c, struct slot *s);
/** Its load has ended, with a block or an error; with the lock. */
void digest_slot_loaded(struct digest_cache *c, struct slot *s, struct block *b, enum err error);
/** With the lock. */
void digest_cache_trim(struct digest_cache *c);

/** What is due, of an account or (id 0) of all, is not any more. */
void digest_due_forget(struct digest_cache *c, struct account_id account);

/* ---- digest_load.c */

/* Blocks whose columns are marked as loading. */
struct digest_load {
	struct digest_cache *cache;
	struct account_id account;
	/* blocks below it are: all their numbers are given. 0: digests are not stored */
	uint32_t complete;
	bool is_for_rows; /* nobody waits for it: it is done for the rows */
	uint64_t releases;
	size_t count, summary_ranges;

	struct {
		uint32_t number;
		unsigned columns; /* that are wanted */
		unsigned rest;    /* of them those that no stored row had */
		uint64_t mask;    /* messages that are wanted */
		struct block *stored[DIGEST_COLUMNS];
	} blocks[LOAD_BLOCKS]; /* ascending */
};

/** Without the lock; cache->loads counts it. True when it is over already. Takes l over. */
bool digest_load_begin(struct digest_load *l);
/**
 * Stores what is due, and comes back when the engine has what it needs. is_storing, which
 * cache->loads counts, is set before.
 */
void digest_store_due(struct digest_cache *c);

#endif
