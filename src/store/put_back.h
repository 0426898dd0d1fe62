/*
 * put_back.h - messages that went come back: those that undo records still hold, by the numbers
 * they have had; and what the callers of this, who look into the past, need of an account. All of
 * it waits or may be called again; on threads that may block.
 */
#ifndef STORE_PUT_BACK_H
#define STORE_PUT_BACK_H

#include "store/message_record.h"
#include "store/store.h"

struct arrival; /* message.h */

/* An entry that comes back. It gets a new UID, and is saved now. */
struct put_back {
	uint32_t msgno; /* whose record an undo record or another entry holds */
	uint64_t size_bytes;
	int64_t internal_s;
	int16_t internal_zone_min;
	uint16_t flags;
	const struct str *keywords;
	uint32_t keyword_count;
	struct str notes; /* annotations (notes.h) */
};

/**
 * One commit. ERR_WAIT, ERR_NOTFOUND, ERR_NOSELECT, ERR_LIMIT, ERR_OVERQUOTA, ERR_FULL, ERR_IO.
 * Between account_past_hold() and …_release().
 */
must_use enum err messages_put_back(struct account *a, struct mailbox_id dest,
    const struct put_back *items, uint32_t count, struct waiter *w, struct snapshot **after_out);

/**
 * The bytes of a finished arrival are there again, and durable, for all messages that have them but
 * can't read them any more. ERR_FULL, ERR_IO. Waits.
 */
must_use enum err account_put_bytes_back(struct account *a, const struct arrival *m);

/**
 * Who adds what an account lacks looks first what it has: one at a time. False: another one does;
 * else until account_restore_end().
 */
bool account_restore_begin(struct account *a);
void account_restore_end(struct account *a);

/** Until released, undo records and what they hold stay; waits for what removes some just now. */
void account_past_hold(struct account *a);
void account_past_release(struct account *a);

/** Rows of the account as the engine has them: kv_load_now(). */
must_use enum err account_rows(struct account *a, const struct kv_range *ranges, size_t count,
    struct kv_rows **rows_out);
/** The same as far as they can be read: kv_load_readable(). */
must_use enum err account_rows_readable(struct account *a, const struct kv_range *range,
    struct kv_rows **rows_out, bool *is_last_out);
/** The snapshot after all changes so far, referenced. */
struct snapshot *account_latest(struct account *a);
/** The highest message number that the account had given. */
uint32_t snapshot_message_numbers(const struct snapshot *s);
/**
 * Numbers of the messages in a mailbox, ascending and each once; malloc'ed. ERR_WAIT, ERR_NOTFOUND,
 * ERR_NOSELECT, ERR_IO, ERR_CORRUPT.
 */
must_use enum err mailbox_numbers(struct account *a, struct mailbox_id id, struct waiter *w,
    uint32_t **numbers_out, size_t *count_out);

#endif
