/*
 * thread_index.h - which thread a message that arrives belongs to: message-id (its hash) → thread,
 * of one account.
 *
 * The rows are in the engine; here is what a message about to be appended needs of them, and what
 * was assigned by transactions that are not durable, so that the answer to a mail which came a
 * moment ago finds its thread. Small, and bounded by what is being appended. Thread-safe.
 */
#ifndef STORE_THREAD_INDEX_H
#define STORE_THREAD_INDEX_H

#include "base/waiter.h"
#include "kv/kv.h"
#include "store/message_record.h"

struct thread_index;

struct thread_index *thread_index_new(struct kv *kv, struct account_id account);
/** Takes NULL. Nobody waits for it any more; a load in flight is left to itself. */
void thread_index_free(struct thread_index *t);
/**
 * Loads what thread_assign() will ask for. ERR_OK: it is there, and stays for a while. ERR_WAIT,
 * ERR_IO, ERR_CORRUPT.
 */
must_use enum err thread_index_load(struct thread_index *t, const uint64_t *hashes, size_t count,
    struct waiter *w);
/**
 * The thread of a new message: the oldest that one of the hashes is known to be of, else `fresh`.
 * Rows of the hashes that are known to have none are added to the transaction that makes `version`.
 * Those neither loaded nor assigned are left alone.
 */
struct object_id thread_assign(struct thread_index *t, struct kv_txn *txn, uint64_t version,
    uint64_t durable, const uint64_t *hashes, size_t count, struct object_id fresh);
/** Transactions behind the durable version have failed: what they assigned is forgotten. */
void thread_index_revert(struct thread_index *t, uint64_t durable);

#endif
