/*
 * trigrams.h - which sequences of three bytes the searched texts of messages have. A search for
 * "invoice" need not read a message that has no "NVO": after one search has read the texts of a
 * mailbox, the next ones read little more than what they find.
 *
 * Of each message a filter is kept: three bytes choose a bit, so a filter may seem to have what its
 * message lacks, never the other way. Filters are of texts in i;unicode-casemap form, live in memory
 * only, are shared by all sessions, and go there when nobody has asked for them for longest.
 */
#ifndef STORE_TRIGRAMS_H
#define STORE_TRIGRAMS_H

#include "store/message.h"

enum {
	TRIGRAM_BITS = 1 << 16, /* of a filter, at most */
	TRIGRAMS_ASKED = 32,    /* of a needle, the first ones */
};

/* What a message has, while its text is read. */
struct trigram_set {
	uint32_t mask;
	uint8_t has[TRIGRAM_BITS]; /* 1 or 0, up to the mask: bytes are set faster than bits */
};

/* How a text that comes in pieces ended so far: its last two bytes. All 0: it begins. */
struct trigram_tail {
	uint8_t bytes[2];
	uint8_t count;
};

/** For texts of about so many bytes. */
void trigram_set_clear(struct trigram_set *s, uint64_t bytes);
/** The next piece of a text. */
void trigram_set_add(struct trigram_set *s, struct trigram_tail *tail, struct str piece);

/* A text that is looked for. */
struct trigram_needle {
	uint16_t bits[TRIGRAMS_ASKED];
	uint8_t count; /* 0: it is too short */
};

void trigram_needle_init(struct trigram_needle *q, struct str text);

struct trigram_filter;
/** The message of the filter does not have the text. */
bool trigram_filter_lacks(const struct trigram_filter *f, const struct trigram_needle *q);
/** The header block is among its texts. */
bool trigram_filter_has_header(const struct trigram_filter *f);

/* Looks for filters of one account; neighbours had best be asked for one after the other. */
struct trigram_reader {
	struct account *account; /* borrowed */
	struct trigram_block *block;
	uint32_t number;
	bool has_looked; /* for `number`; there may be no block */
};

void trigram_reader_init(struct trigram_reader *r, struct account *a);
void trigram_reader_done(struct trigram_reader *r);
/**
 * The filter of a message, valid until the next call, or NULL: nobody has read its text. What comes
 * while the reader stays with 64 neighbours may be missed. Never waits.
 */
const struct trigram_filter *trigram_reader_find(struct trigram_reader *r, struct msgno n);

/** All texts of a message were read: keeps what they have, if there is room. From any thread. */
void trigrams_keep(struct account *a, struct msgno n, const struct trigram_set *s, bool has_header);

/* For the store: one cache. */
struct trigram_cache;
struct trigram_cache *trigram_cache_new(size_t bytes);
/** Takes NULL. Readers are done. */
void trigram_cache_free(struct trigram_cache *c);
/** Forgets an account's: it was deleted. */
void trigram_cache_forget(struct trigram_cache *c, struct account_id account);

#endif
