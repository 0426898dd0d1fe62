/*
 * message_held.h - messages in memory, and what they are made of: one by one with a copy of their
 * rows (message_cache.c), or all that a load brought as one block that lives as long as any of them
 * is held (message_ahead.c).
 */
#ifndef STORE_MESSAGE_HELD_H
#define STORE_MESSAGE_HELD_H

#include "kv/kv.h"
#include "store/message.h"
#include "store/message_record.h"

#include <stdatomic.h>

struct held_block;

struct held {
	struct message m;
	struct held_block *block; /* NULL: it is alone */
	atomic_uint refs;         /* when it is alone */
	struct message_record record;
	struct str summary_row, header_row;
	char emailid[OBJECT_ID_TEXT_MAX], threadid[OBJECT_ID_TEXT_MAX];
	char data[]; /* its rows, when it is alone */
};

/* Messages of one load. */
struct held_block {
	atomic_uint refs; /* of all of them together */
	struct kv_rows *rows;
	size_t count;
	struct held messages[];
};

/**
 * A message alone, of its rows, which are copied; header_row.p is NULL for the summary alone.
 * ERR_CORRUPT.
 */
must_use enum err held_new(struct msgno n, struct str summary_row, struct str header_row,
    struct held **out);
/** Room for `count` messages of rows, which it takes over. One reference. */
struct held_block *held_block_new(size_t count, struct kv_rows *rows);
/** Takes NULL. */
void held_block_unref(struct held_block *b);
/** Makes the i-th message of rows that live as long as the block. ERR_CORRUPT. */
must_use enum err held_block_set(struct held_block *b, size_t i, struct msgno n,
    struct str summary_row, struct str header_row);

/**
 * The same without its summary: it has nothing but its header. False: there is no such row, or it
 * may be cut.
 */
bool held_block_set_header(struct held_block *b, size_t i, struct msgno n, struct str header_row);

/* Walks the rows that several ranges brought, in ascending order of message numbers. */
struct row_cursor {
	const struct kv_row_list *ranges;
	size_t range_count, range, row;
};
/** The row of n, or STR_NONE: asked for ascending numbers, each as often as one likes. */
struct str row_cursor_find(struct row_cursor *rc, struct msgno n);

/**
 * Ranges over runs of neighbouring numbers, which ascend. Keys live in `keys`, two a range; at most
 * `count` ranges.
 */
size_t message_ranges(const struct msgno *numbers, size_t count,
    struct message_key (*key)(struct msgno n), struct kv_range *ranges, struct message_key *keys);

#endif
