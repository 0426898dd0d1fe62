/*
 * digest.h - what SORT and THREAD need of messages, kept in memory column by column: the sent date of 100,000 messages is one
 * megabyte, their subjects three. Values come from the summaries in the engine, are packed for 64 neighbouring message
 * numbers at a time, shared by all sessions, and let go when nobody has asked for them for longest.
 */
#ifndef STORE_DIGEST_H
#define STORE_DIGEST_H

#include "store/message.h"

enum digest_column {
	DIGEST_DATE,		/* sent date: milliseconds since 1970 UTC (8, little-endian); empty: the message has none */
	DIGEST_SUBJECT,		/* a byte, 1 when the message is a reply or forward; base subject */
	DIGEST_FROM,		/* mailbox of the first address; these texts are in i;unicode-casemap form */
	DIGEST_TO,
	DIGEST_CC,
	DIGEST_FROM_NAME,	/* RFC 5957 */
	DIGEST_TO_NAME,
	DIGEST_IDS,		/* hash of the message-id (8; 0: none), then of each reference; hashes are the server's own */
	DIGEST_COLUMNS
};

/* One message. What was not asked for, or can't be read, is empty. */
struct digest {
	struct str column[DIGEST_COLUMNS];
};

static inline bool digest_is_reply(const struct digest *d) { return d->column[DIGEST_SUBJECT].n > 0 && d->column[DIGEST_SUBJECT].p[0] != 0; }
static inline struct str digest_subject(const struct digest *d) { return str_sub(d->column[DIGEST_SUBJECT], 1, SIZE_MAX); }

/* Reads the digests of a list of messages. One thread at a time. */
struct digest_reader;

/**
 * @columns  1 << enum digest_column, or'ed
 * @numbers  borrowed as long as the reader lives; neighbours had best be near each other
 */
struct digest_reader *digest_reader_new(struct account *a, unsigned columns, const struct msgno *numbers, size_t count);
/** Takes NULL. */
void digest_reader_free(struct digest_reader *r);
/**
 * The next message's digest; its texts are valid until the next call. ERR_END behind the last. ERR_WAIT: w is woken when it
 * may be there; ERR_IO.
 */
must_use enum err digest_reader_next(struct digest_reader *r, struct waiter *w, struct digest *out);

struct mime_sortkeys;
/** The digest of keys that are not the stored ones: another collation's. In the arena. */
void digest_make(struct arena *a, const struct account *account, const struct mime_sortkeys *keys, unsigned columns,
    struct digest *out);

/* For the store: one cache. */
struct digest_cache;
struct digest_cache *digest_cache_new(struct kv *kv, size_t bytes, uint64_t seed);
/** Takes NULL. Waits for loads in flight. */
void digest_cache_free(struct digest_cache *c);
/** Forgets an account's: it was deleted. */
void digest_cache_forget(struct digest_cache *c, struct account_id account);

#endif
