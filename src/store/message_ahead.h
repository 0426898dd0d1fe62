/*
 * message_ahead.h - reads many messages in the order in which they will be asked for, a batch at a
 * time and some batches ahead: their records, and the bytes of small ones. It goes past the cache
 * of records, which a walk through a large mailbox would only empty for everybody else. What it
 * holds is bounded: AHEAD_BATCHES batches of AHEAD_MESSAGES records; with bytes
 * AHEAD_BATCHES_OF_BYTES of them, and AHEAD_BYTES each.
 */
#ifndef STORE_MESSAGE_AHEAD_H
#define STORE_MESSAGE_AHEAD_H

#include "store/message.h"

enum {
	AHEAD_FIRST = 32,     /* messages of the first batch, so that the answer begins soon */
	AHEAD_MESSAGES = 192, /* of the others, at most */
	/*
	 * At a time: one is used, the others are on their way or wait for it. With two on their way
	 * and none waiting, readers and loop waited for each other.
	 */
	AHEAD_BATCHES = 5,
	AHEAD_BATCHES_OF_BYTES = 3,
	AHEAD_BYTES = 384 * 1024, /* of texts in one batch */
	/* of a message; longer ones are read when their turn comes */
	AHEAD_BLOB_BYTES = 32 * 1024,
};

struct message_ahead;

/** with_bytes: the messages themselves are wanted too. One thread at a time. */
struct message_ahead *message_ahead_new(struct account *a, enum message_need need, bool with_bytes);
/**
 * Of messages nothing but `header` is wanted, all of it: others may have no more. Before the first is
 * added; with MESSAGE_WHOLE, and without bytes.
 */
void message_ahead_headers_only(struct message_ahead *r);
/** Takes NULL. Its waiter must not be waiting any more. */
void message_ahead_free(struct message_ahead *r);
/** Enough is under way. */
bool message_ahead_is_full(const struct message_ahead *r);
/**
 * The message that will be asked for after those added before it, with its RFC822.SIZE. False: the
 * batch has enough without it. Not when all is under way that may be.
 */
bool message_ahead_add(struct message_ahead *r, struct msgno n, uint64_t size_bytes);
/** Begins to read what was added. Never waits. */
void message_ahead_begin(struct message_ahead *r);
/**
 * The next message, referenced, with what message_get() says. What was begun before it and not
 * asked for is passed over; what was not begun is read now. *blob_out: all bytes behind its prefix,
 * valid until the next call, or STR_NONE: a message_reader has them.
 */
must_use enum err message_ahead_get(struct message_ahead *r, struct msgno n, struct waiter *w,
    struct message **out, struct str *blob_out);

#endif
