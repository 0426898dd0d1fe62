/*
 * arrival_int.h - how messages_append() and kin write messages: what store/ alone sees of arrivals
 * and records.
 *
 * An append: messages_prepare() until it is ERR_OK (loads the threads that the messages may belong
 * to), then, under the account's mutex, message_put() for each with the number it gets. The records
 * of one account are changed by its transactions only, so all this belongs to the commit that makes
 * the entries.
 */
#ifndef STORE_ARRIVAL_INT_H
#define STORE_ARRIVAL_INT_H

#include "store/arrival.h"
#include "store/change.h"
#include "store/message.h"
#include "store/message_cache.h"
#include "store/message_record.h"
#include "store/thread_index.h"

/* What a finished arrival has to be stored. Texts live as long as the arrival. */
struct arrival_content {
	struct blob_id blob;
	uint64_t blob_bytes;
	struct kv_stage *stage;
	struct str header;
	bool is_header_cut;
	struct str envelope, bodystructure, structure, sortkeys, preview;
	/* of message-ids: its own (has_own_hash), then references, nearest first */
	const uint64_t *thread_hashes;
	uint32_t thread_hash_count;
	bool has_own_hash;
};
/** Of a finished arrival. */
const struct arrival_content *arrival_content(const struct arrival *m);

/**
 * Whether what a record is missing for in the engine's `version` may be a commit on its way: ERR_OK
 * look again, ERR_WAIT, ERR_CORRUPT it is missing.
 */
must_use enum err message_missing(struct account *a, uint64_t version, struct waiter *w);

/* ---- writing --------------------------------------------------------------------------------- */

/** Without the mutex: what message_put() will ask is in memory. ERR_WAIT, ERR_IO, ERR_CORRUPT. */
must_use enum err messages_prepare(struct account *a, const struct append *messages, uint32_t count,
    struct waiter *w);
/**
 * Under the account's mutex: adds the rows of a new message with number n to the transaction and
 * links its bytes. `version` is the one that the transaction makes, `durable` the account's durable
 * one. Returns the size of the message (RFC822.SIZE).
 */
uint64_t message_put(struct account *a, struct kv_txn *t, uint64_t version, uint64_t durable,
    struct msgno n, const struct append *m);
/** The size that message_put() will return: for quota. */
uint64_t append_size(const struct append *m);
/**
 * The same for a message of another account (m was got with MESSAGE_WHOLE): COPY and MOVE across
 * accounts.
 */
void message_put_copy(struct kv_txn *t, struct msgno n, const struct message *m);
/** More entries of the account show the message: COPY inside an account. */
void message_put_links(struct kv_txn *t, struct msgno n, int64_t more);

/* A message that has lost entries for good. */
struct message_loss {
	struct msgno n;
	uint32_t entries;
};
/**
 * Adds to the transaction what follows from losing entries: fewer links, and without any left the
 * rows and the bytes go. Loads and waits: on a job thread. The entries must have gone at a durable
 * version, and a number must be listed once. ERR_IO, ERR_CORRUPT.
 */
must_use enum err messages_release(struct account *a, struct kv_txn *t,
    const struct message_loss *losses, size_t count);

#endif
