/*
 * flags.h - system flags, keywords and flag lists of commands (RFC 9051 2.3.2).
 *
 * System flags are bits, keywords are names; a mailbox gives each name a slot (0..127) for good.
 * Slots 0..15 mean the registered keywords of imap_flags_registered() in every mailbox, so that
 * they copy between mailboxes as bits.
 */
#ifndef IMAP_FLAGS_H
#define IMAP_FLAGS_H

#include "base/arena.h"
#include "base/buf.h"

enum imap_flag {
	FLAG_SEEN = 1 << 0,
	FLAG_ANSWERED = 1 << 1,
	FLAG_FLAGGED = 1 << 2,
	FLAG_DELETED = 1 << 3,
	FLAG_DRAFT = 1 << 4,
	/* never stored and never taken from a client: a session's view of recent_from */
	FLAG_RECENT = 1 << 5,
	FLAGS_STORABLE = FLAG_SEEN | FLAG_ANSWERED | FLAG_FLAGGED | FLAG_DELETED | FLAG_DRAFT,
};

enum {
	KEYWORDS_MAX = 128,       /* keywords of a mailbox */
	KEYWORDS_REGISTERED = 16, /* slots that mean the same everywhere */
	KEYWORD_NAME_MAX = 100,   /* bytes of a keyword */
};

/* A set of keyword slots. */
struct keywords {
	uint64_t w[2];
};

static inline bool
keywords_has(struct keywords k, unsigned slot)
{
	return (k.w[slot >> 6] >> (slot & 63) & 1) != 0;
}

static inline void
keywords_set(struct keywords *k, unsigned slot)
{
	k->w[slot >> 6] |= (uint64_t)1 << (slot & 63);
}

static inline void
keywords_unset(struct keywords *k, unsigned slot)
{
	k->w[slot >> 6] &= ~((uint64_t)1 << (slot & 63));
}

static inline bool
keywords_eq(struct keywords a, struct keywords b)
{
	return a.w[0] == b.w[0] && a.w[1] == b.w[1];
}

static inline bool
keywords_is_empty(struct keywords k)
{
	return (k.w[0] | k.w[1]) == 0;
}

/** Name of a registered slot (0..15), as registered: "$Forwarded". */
struct str imap_flags_registered(unsigned slot);
/** Slot of a registered keyword, any case; KEYWORDS_MAX when it is not one of them. */
unsigned imap_flags_registered_slot(struct str name);
/**
 * The bit of "\Seen" and kin, any case; 0 when it is not a system flag. \Recent is told as
 * FLAG_RECENT.
 */
unsigned imap_flags_system(struct str name);
/** "\Seen" for one bit. */
struct str imap_flags_system_name(unsigned bit);
/**
 * A keyword that may be made: an atom (RFC 9051 flag-keyword) of at most KEYWORD_NAME_MAX bytes.
 */
bool imap_flags_is_keyword(struct str name);

/* A flag list as a client wrote it, without doubles. */
struct imap_flags {
	unsigned system;      /* enum imap_flag bits of FLAGS_STORABLE */
	struct str *keywords; /* in the arena; each once, compared without case */
	size_t n_keywords;
};

/**
 * Adds the names of the bits with a space before each but the first; for lists use reply_flags().
 */
void imap_flags_format_system(unsigned system, bool *is_first, struct buf *b);

#endif
