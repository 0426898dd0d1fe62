/*
 * page.h - packed pages of mailbox entries, and the operands that change them (docs/file-format.md,
 * "Pages").
 *
 * 64 consecutive UIDs share a page: a mask of those present and only their entries. A page in
 * memory is its stored form, byte for byte, so loading copies and nothing is decoded that isn't
 * looked at; page_merge() is both the engine's merge operator and the way changes are computed in
 * memory. Everything is pure and total: bytes that make no sense, or operands that don't fit, give
 * a page marked damaged, never a failure.
 */
#ifndef STORE_PAGE_H
#define STORE_PAGE_H

#include "base/bits.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "store/ids.h"

enum {
	PAGE_UIDS = 64,
	PAGE_HEADER_BYTES = 16,
	PAGE_ENTRY_BYTES = 40,
	PAGE_KEYWORD_BYTES = 16,
	PAGE_MAX_BYTES = PAGE_HEADER_BYTES + PAGE_UIDS * (PAGE_ENTRY_BYTES + PAGE_KEYWORD_BYTES),
	PAGE_FORMAT = 1,
	PAGE_PRIVATE_FORMAT = 2,
	PAGE_PRIVATE_HEADER_BYTES = 24,
	/* Bits of a page's second byte. */
	PAGE_HAS_KEYWORDS = 1 << 0,
	PAGE_IS_DAMAGED = 1 << 1,
	/*
	 * In memory only: an entry of a view that is gone from the mailbox (view.h). Never stored.
	 */
	FLAG_GHOST = 1 << 15,
};

/* The entry of one message. */
struct page_entry {
	uint64_t modseq;
	uint64_t size_bytes;
	int64_t internal_s;
	int64_t saved_s;
	uint32_t msgno;
	uint16_t flags;
	int16_t internal_zone_min;
	struct keywords keywords;
};

/* What can be said of many entries at once. */
struct page_sums {
	uint32_t count, unseen, deleted;
	uint64_t size_bytes, deleted_bytes;
	uint64_t modseq;      /* none is above */
	uint64_t notes_bytes; /* of their notes (notes.h), which lie beside the pages */
};

/** Whether bytes are a page: a length that fits its mask. "" is the empty page. */
bool page_is_valid(struct str page);

static inline uint64_t
page_mask(struct str page)
{
	return page.n == 0 ? 0 : get_le64(page.p + 8);
}

static inline bool
page_is_damaged(struct str page)
{
	return page.n != 0 && (page.p[1] & PAGE_IS_DAMAGED) != 0;
}

/** Index of a UID's bit in the packed entries. */
static inline unsigned
page_index(uint64_t mask, unsigned bit)
{
	return bits_count(mask & (((uint64_t)1 << bit) - 1));
}

/*
 * Entries lie in columns, so that what is compared or added up lies together: modseq 8, size 8,
 * internal date 8, saved 8, msgno 4, flags 2, zone 2 bytes an entry; then keywords, 16 bytes, when
 * PAGE_HAS_KEYWORDS. n: entries in the page.
 */
enum {
	COLUMN_MODSEQ = 0,
	COLUMN_SIZE = 8,
	COLUMN_INTERNAL = 16,
	COLUMN_SAVED = 24,
	COLUMN_MSGNO = 32,
	COLUMN_FLAGS = 36,
	COLUMN_ZONE = 38,
};

static inline unsigned
page_count(struct str page)
{
	return bits_count(page_mask(page));
}

static inline const char *
page_column(struct str page, unsigned n, unsigned column)
{
	return page.p + PAGE_HEADER_BYTES + (size_t)n * column;
}

static inline uint64_t
page_modseq(struct str page, unsigned index)
{
	return get_le64(page_column(page, 0, COLUMN_MODSEQ) + index * 8);
}

static inline uint32_t
page_msgno(struct str page, unsigned index)
{
	return get_le32(page_column(page, page_count(page), COLUMN_MSGNO) + index * 4);
}

static inline uint16_t
page_flags(struct str page, unsigned index)
{
	return get_le16(page_column(page, page_count(page), COLUMN_FLAGS) + index * 2);
}
struct keywords page_keywords(struct str page, unsigned index);
/** Decodes the index-th entry. */
void page_entry(struct str page, unsigned index, struct page_entry *out);
/** Adds it all up. */
void page_sum(struct str page, struct page_sums *out);

#define MODSEQ_KEPT UINT64_MAX

/* Operands are built in a buffer each. bit: 0 … 63, uid & 63. */

/** Begins "append": add entries with page_op_append_entry(), ascending. */
void page_op_append(struct buf *op);
void page_op_append_entry(struct buf *op, unsigned bit, const struct page_entry *e);
/**
 * "Set": the entries of mask get a modseq (MODSEQ_KEPT: each keeps its own), flags and keywords;
 * flags and keywords have one value each, or one for all.
 */
void page_op_set(struct buf *op, uint64_t modseq, uint64_t mask, const uint16_t *flags,
    const struct keywords *keywords, bool is_same);
/** "Remove". */
void page_op_remove(struct buf *op, uint64_t mask);

/**
 * For views: `page` with the entries of `mask` of an older page put in, marked FLAG_GHOST. An entry
 * of `page` itself is not touched.
 */
void page_with_ghosts(struct str page, struct str old, uint64_t mask, struct buf *out);

/*
 * Private pages: what one user has seen, where \Seen is each user's own (seen_int.h).
 * page_op_remove() takes entries off.
 */

/**
 * "Seen" of a private page: the entries of mask get a modseq; those of seen are \Seen, the others
 * are not.
 */
void page_op_private(struct buf *op, uint64_t modseq, uint64_t mask, uint64_t seen);
/** Whether the page says something of a UID, and what. */
bool page_private(struct str page, unsigned bit, bool *is_seen_out, uint64_t *modseq_out);
bool page_private_is_valid(struct str page);

static inline bool
page_is_private(struct str page)
{
	return page.n != 0 && page.p[0] == PAGE_PRIVATE_FORMAT;
}

/** Of the index-th that it says something of. */
static inline uint64_t
page_private_modseq(struct str page, unsigned index)
{
	return get_le64(page.p + PAGE_PRIVATE_HEADER_BYTES + index * 8);
}

/** The UIDs that it says are \Seen. */
static inline uint64_t
page_private_seen(struct str page)
{
	return page.n == 0 ? 0 : get_le64(page.p + 16);
}

/**
 * How many UIDs it says something of, how many of them are not \Seen, and the highest modseq; the
 * other sums are 0.
 */
void page_private_sum(struct str page, struct page_sums *out);

/**
 * Applies operands, oldest first; base.n == 0: no page yet. out is emptied first; an empty page
 * comes out as a header with no entries. Of type kv_merge_fn.
 */
void page_merge(struct str base, const struct str *operands, size_t count, struct buf *out);

#endif
