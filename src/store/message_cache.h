/*
 * message_cache.h - records of messages in memory: loaded together, shared by reference count, and
 * let go when nobody has asked for them for longest. One a store; thread-safe.
 */
#ifndef STORE_MESSAGE_CACHE_H
#define STORE_MESSAGE_CACHE_H

#include "base/waiter.h"
#include "kv/kv.h"
#include "store/message.h"
#include "store/message_record.h"

struct message_cache;

/** bytes: of records that are kept though nobody holds them. */
struct message_cache *message_cache_new(struct kv *kv, size_t bytes);
/**
 * Takes NULL. No load is in flight: the engine has answered all. Messages that somebody holds stay.
 */
void message_cache_free(struct message_cache *c);
/**
 * message_get(), below accounts. ERR_NOTFOUND: the engine has no such record as of *version_out;
 * asked again it looks again. ERR_WAIT, ERR_IO, ERR_CORRUPT.
 */
must_use enum err message_cache_get(struct message_cache *c, struct account_id account,
    struct msgno n, enum message_need need, struct waiter *w, struct message **out,
    uint64_t *version_out);
void message_cache_prefetch(struct message_cache *c, struct account_id account,
    const struct msgno *numbers, size_t count, enum message_need need);
/** Forgets an account's records: it was deleted. */
void message_cache_forget(struct message_cache *c, struct account_id account);

/** The ids of a message, for copies into other accounts. */
struct object_id message_email_id(const struct message *m);
struct object_id message_thread_id(const struct message *m);
/** Its rows as they are stored. header: only of a message with has_header. */
struct str message_summary_row(const struct message *m);
struct str message_header_row(const struct message *m);

struct message_cache_stats {
	size_t bytes, records;
	uint64_t hits, loads;
};

void message_cache_stats(struct message_cache *c, struct message_cache_stats *out);

#endif
