/*
 * digest.h - what SORT, THREAD and searches of address and subject fields need of messages, column
 * by column: the sent date of 100,000 messages is one megabyte, their subjects three. Values come
 * from messages' records, are packed for 64 neighbouring message numbers at a time, stored so in
 * accounts that have many, kept in memory, shared by all sessions, and let go there when nobody has
 * asked for them for longest.
 */
#ifndef STORE_DIGEST_H
#define STORE_DIGEST_H

#include "store/message.h"

enum digest_column {
	/* sent date: milliseconds since 1970 UTC (8, little-endian); empty: the message has none */
	DIGEST_DATE,
	DIGEST_SUBJECT, /* a byte, 1 when the message is a reply or forward; base subject */
	/* mailbox of the first address; these texts are in i;unicode-casemap form */
	DIGEST_FROM,
	DIGEST_TO,
	DIGEST_CC,
	DIGEST_FROM_NAME, /* RFC 5957 */
	DIGEST_TO_NAME,
	/* message_id_hash() of the message-id (8; 0: none), then of each reference */
	DIGEST_IDS,
	/*
	 * Of fields as SEARCH sees them: enum digest_text, then their text in i;unicode-casemap
	 * form, 0xFF between two fields.
	 */
	DIGEST_FROM_TEXT,
	DIGEST_TO_TEXT,
	DIGEST_CC_TEXT,
	DIGEST_SUBJECT_TEXT,
	DIGEST_COLUMNS
};

/* How a text column begins; an empty one: there is no such field. */
enum digest_text {
	DIGEST_TEXT_WHOLE = 1,
	DIGEST_TEXT_CUT = 2, /* nothing follows: it is too long, look into the header */
};

enum { DIGEST_TEXT_MAX = 1024 };

/** The text column of a field, or -1. */
int digest_text_column(struct str field);

/* One message. What was not asked for, or can't be read, is empty. */
struct digest {
	struct str column[DIGEST_COLUMNS];
};

static inline bool
digest_is_reply(const struct digest *d)
{
	return d->column[DIGEST_SUBJECT].n > 0 && d->column[DIGEST_SUBJECT].p[0] != 0;
}

static inline struct str
digest_subject(const struct digest *d)
{
	return str_sub(d->column[DIGEST_SUBJECT], 1, SIZE_MAX);
}

/* Reads the digests of a list of messages. One thread at a time. */
struct digest_reader;

/**
 * @columns  1 << enum digest_column, or'ed
 * @numbers  borrowed as long as the reader lives; neighbours had best be near each other
 */
struct digest_reader *digest_reader_new(struct account *a, unsigned columns,
    const struct msgno *numbers, size_t count);
/** Takes NULL. */
void digest_reader_free(struct digest_reader *r);
/**
 * The next message's digest; its texts are valid until the next call. ERR_END behind the last.
 * ERR_WAIT: w is woken when it may be there; ERR_IO.
 */
must_use enum err digest_reader_next(struct digest_reader *r, struct waiter *w, struct digest *out);

/**
 * Who puts hashes of message-ids into a table mixes this in, so that nobody can choose them so that
 * they collide.
 */
uint64_t digest_seed(const struct account *a);

struct mime_sortkeys;
/** The digest of keys that are not the stored ones: another collation's. In the arena. */
void digest_make(struct arena *a, const struct mime_sortkeys *keys, unsigned columns,
    struct digest *out);

/* For the store: one cache. */
struct digest_cache;
struct digest_cache *digest_cache_new(struct kv *kv, size_t bytes, uint64_t seed);
/** Takes NULL. Waits for loads and commits in flight. */
void digest_cache_free(struct digest_cache *c);
/** Forgets an account's: it was deleted. */
void digest_cache_forget(struct digest_cache *c, struct account_id account);
/**
 * An account has message numbers up to `now`, durably, and had them up to `before`: blocks that are
 * complete now are stored when the engine gets to it. Never waits; from any thread.
 */
void digest_cache_grown(struct digest_cache *c, struct account_id account, uint32_t before,
    uint32_t now);
/**
 * Into a transaction that removes the message n: what is stored of its block goes too. To be called
 * before it is committed.
 */
void digest_cache_release(struct digest_cache *c, struct kv_txn *t, struct msgno n);
/**
 * Around all of that and its commit: +1, then -1. What is read of messages meanwhile is not stored.
 */
void digest_cache_releasing(struct digest_cache *c, int by);
/** One release does for both. */
bool digest_is_same_block(struct msgno a, struct msgno b);

#endif
