/*
 * page.c - see page.h. A merge decodes the page into an array with a place for each of its 64 UIDs,
 * applies the operands there and packs it again: a few hundred nanoseconds, whatever the operands.
 */
#include "store/page.h"

/*
 * Operands begin with their kind, a byte of OP_… bits and six zero bytes; docs/file-format.md has
 * the layouts.
 */
enum { OP_APPEND = 'A', OP_SET = 'F', OP_REMOVE = 'R', OP_PRIVATE = 'S' };

enum {
	OP_HAS_KEYWORDS = 1 << 0,
	OP_IS_SAME = 1 << 1, /* one value for all entries of the mask */
	OP_KEEPS_MODSEQ = 1 << 2,
	OP_HEADER_BYTES = 8,
	APPEND_BYTES = 8 + PAGE_ENTRY_BYTES + PAGE_KEYWORD_BYTES,
};

/* ---- reading --------------------------------------------------------------------------------- */

bool
page_is_valid(struct str page)
{
	size_t one = PAGE_ENTRY_BYTES;

	if (page.n == 0)
		return true;
	if (page.n < PAGE_HEADER_BYTES || page.p[0] != PAGE_FORMAT)
		return false;
	if ((page.p[1] & PAGE_HAS_KEYWORDS) != 0)
		one += PAGE_KEYWORD_BYTES;
	return page.n == PAGE_HEADER_BYTES + (size_t)bits_count(page_mask(page)) * one;
}

struct keywords
page_keywords(struct str page, unsigned index)
{
	const char *p;

	if ((page.p[1] & PAGE_HAS_KEYWORDS) == 0)
		return (struct keywords){ 0 };
	p = page.p + PAGE_HEADER_BYTES + (size_t)bits_count(page_mask(page)) * PAGE_ENTRY_BYTES;
	p += index * PAGE_KEYWORD_BYTES;
	return (struct keywords){ { get_le64(p), get_le64(p + 8) } };
}

static void
entry_decode(const char *p, struct page_entry *out)
{
	*out = (struct page_entry){
		.modseq = get_le64(p),
		.size_bytes = get_le64(p + 8),
		.internal_s = (int64_t)get_le64(p + 16),
		.saved_s = (int64_t)get_le64(p + 24),
		.msgno = get_le32(p + 32),
		.flags = get_le16(p + 36),
		.internal_zone_min = (int16_t)get_le16(p + 38),
	};
}

static void
entry_encode(char *p, const struct page_entry *e)
{
	put_le64(p, e->modseq);
	put_le64(p + 8, e->size_bytes);
	put_le64(p + 16, (uint64_t)e->internal_s);
	put_le64(p + 24, (uint64_t)e->saved_s);
	put_le32(p + 32, e->msgno);
	put_le16(p + 36, e->flags);
	put_le16(p + 38, (uint16_t)e->internal_zone_min);
}

void
page_entry(struct str page, unsigned index, struct page_entry *out)
{
	unsigned n = page_count(page);

	*out = (struct page_entry){
		.modseq = get_le64(page_column(page, n, COLUMN_MODSEQ) + index * 8),
		.size_bytes = get_le64(page_column(page, n, COLUMN_SIZE) + index * 8),
		.internal_s = (int64_t)get_le64(page_column(page, n, COLUMN_INTERNAL) + index * 8),
		.saved_s = (int64_t)get_le64(page_column(page, n, COLUMN_SAVED) + index * 8),
		.msgno = get_le32(page_column(page, n, COLUMN_MSGNO) + index * 4),
		.flags = get_le16(page_column(page, n, COLUMN_FLAGS) + index * 2),
		.internal_zone_min =
		    (int16_t)get_le16(page_column(page, n, COLUMN_ZONE) + index * 2),
		.keywords = page_keywords(page, index),
	};
}

void
page_sum(struct str page, struct page_sums *out)
{
	unsigned n = page_count(page);
	const char *modseqs, *sizes, *flags;
	struct page_sums s = { .count = n };

	if (n == 0) {
		*out = s;
		return;
	}
	modseqs = page_column(page, n, COLUMN_MODSEQ);
	sizes = page_column(page, n, COLUMN_SIZE);
	flags = page_column(page, n, COLUMN_FLAGS);
	for (unsigned i = 0; i < n; i++) {
		uint64_t modseq = get_le64(modseqs + i * 8), size = get_le64(sizes + i * 8);
		uint16_t f = get_le16(flags + i * 2);

		s.size_bytes += size;
		s.modseq = MAX(s.modseq, modseq);
		s.unseen += (f & FLAG_SEEN) == 0;
		s.deleted += (f & FLAG_DELETED) != 0;
		s.deleted_bytes += (f & FLAG_DELETED) != 0 ? size : 0;
	}
	*out = s;
}

/* ---- operands -------------------------------------------------------------------------------- */

static char *
op_begin(struct buf *op, char kind, char bits, size_t more)
{
	char *p;

	buf_clear(op);
	p = buf_reserve(op, OP_HEADER_BYTES + more);
	if (p == NULL)
		return NULL;
	memset(p, 0, OP_HEADER_BYTES);
	p[0] = kind;
	p[1] = bits;
	op->n += OP_HEADER_BYTES + more;
	return p + OP_HEADER_BYTES;
}

void
page_op_append(struct buf *op)
{
	op_begin(op, OP_APPEND, 0, 0);
}

void
page_op_append_entry(struct buf *op, unsigned bit, const struct page_entry *e)
{
	char *p = buf_reserve(op, APPEND_BYTES);

	if (p == NULL)
		return;
	memset(p, 0, 8);
	p[0] = (char)bit;
	entry_encode(p + 8, e);
	put_le64(p + 8 + PAGE_ENTRY_BYTES, e->keywords.w[0]);
	put_le64(p + 16 + PAGE_ENTRY_BYTES, e->keywords.w[1]);
	op->n += APPEND_BYTES;
}

void
page_op_set(struct buf *op, uint64_t modseq, uint64_t mask, const uint16_t *flags,
    const struct keywords *keywords, bool is_same)
{
	size_t n = is_same ? 1 : (size_t)bits_count(mask);
	bool has_keywords = false;
	char *p;

	for (size_t i = 0; i < n; i++) {
		if (!keywords_is_empty(keywords[i]))
			has_keywords = true;
	}
	p = op_begin(op, OP_SET,
	    (char)((has_keywords ? OP_HAS_KEYWORDS : 0) | (is_same ? OP_IS_SAME : 0)
		| (modseq == MODSEQ_KEPT ? OP_KEEPS_MODSEQ : 0)),
	    16 + n * (2 + (has_keywords ? PAGE_KEYWORD_BYTES : 0)));
	if (p == NULL)
		return;
	put_le64(p, modseq);
	put_le64(p + 8, mask);
	p += 16;
	for (size_t i = 0; i < n; i++) {
		put_le16(p, flags[i]);
		p += 2;
		if (has_keywords) {
			put_le64(p, keywords[i].w[0]);
			put_le64(p + 8, keywords[i].w[1]);
			p += PAGE_KEYWORD_BYTES;
		}
	}
}

void
page_op_remove(struct buf *op, uint64_t mask)
{
	char *p = op_begin(op, OP_REMOVE, 0, 8);

	if (p != NULL)
		put_le64(p, mask);
}

void
page_op_private(struct buf *op, uint64_t modseq, uint64_t mask, uint64_t seen)
{
	char *p = op_begin(op, OP_PRIVATE, 0, 24);

	if (p == NULL)
		return;
	put_le64(p, modseq);
	put_le64(p + 8, mask);
	put_le64(p + 16, seen);
}

/* ---- merging --------------------------------------------------------------------------------- */

/* A page while it is changed. */
struct work {
	uint64_t mask;
	bool is_damaged;
	struct page_entry e[PAGE_UIDS];
};

static void
work_load(struct work *w, struct str page)
{
	unsigned i = 0;

	w->mask = 0;
	w->is_damaged = false;
	if (!page_is_valid(page)) {
		w->is_damaged = true;
		return;
	}
	if (page.n == 0)
		return;
	w->mask = page_mask(page);
	w->is_damaged = page_is_damaged(page);
	for (uint64_t m = w->mask; m != 0; m &= m - 1)
		page_entry(page, i++, &w->e[__builtin_ctzll(m)]);
}

static void
work_store(const struct work *w, struct buf *out)
{
	unsigned n = bits_count(w->mask), i = 0;
	bool has_keywords = false;
	struct str page;
	size_t size;
	char *p;

	for (uint64_t m = w->mask; m != 0; m &= m - 1) {
		if (!keywords_is_empty(w->e[__builtin_ctzll(m)].keywords))
			has_keywords = true;
	}
	buf_clear(out);
	size = PAGE_HEADER_BYTES
	    + n * (size_t)(PAGE_ENTRY_BYTES + (has_keywords ? PAGE_KEYWORD_BYTES : 0));
	p = buf_reserve(out, size);
	if (p == NULL)
		return;
	memset(p, 0, PAGE_HEADER_BYTES);
	p[0] = PAGE_FORMAT;
	p[1] =
	    (char)((has_keywords ? PAGE_HAS_KEYWORDS : 0) | (w->is_damaged ? PAGE_IS_DAMAGED : 0));
	put_le64(p + 8, w->mask);
	page = str_make(p, size);
	for (uint64_t m = w->mask; m != 0; m &= m - 1, i++) {
		const struct page_entry *e = &w->e[__builtin_ctzll(m)];

		put_le64((char *)page_column(page, n, COLUMN_MODSEQ) + i * 8, e->modseq);
		put_le64((char *)page_column(page, n, COLUMN_SIZE) + i * 8, e->size_bytes);
		put_le64((char *)page_column(page, n, COLUMN_INTERNAL) + i * 8,
		    (uint64_t)e->internal_s);
		put_le64((char *)page_column(page, n, COLUMN_SAVED) + i * 8, (uint64_t)e->saved_s);
		put_le32((char *)page_column(page, n, COLUMN_MSGNO) + i * 4, e->msgno);
		put_le16((char *)page_column(page, n, COLUMN_FLAGS) + i * 2, e->flags);
		put_le16((char *)page_column(page, n, COLUMN_ZONE) + i * 2,
		    (uint16_t)e->internal_zone_min);
		if (has_keywords) {
			char *k =
			    (char *)page_column(page, n, PAGE_ENTRY_BYTES) + i * PAGE_KEYWORD_BYTES;

			put_le64(k, e->keywords.w[0]);
			put_le64(k + 8, e->keywords.w[1]);
		}
	}
	out->n = size;
}

static void
apply_append(struct work *w, struct str op)
{
	if (op.n % APPEND_BYTES != 0) {
		w->is_damaged = true;
		return;
	}
	for (; op.n != 0; op = str_sub(op, APPEND_BYTES, op.n)) {
		unsigned bit = (uint8_t)op.p[0];
		struct page_entry *e = &w->e[bit & 63];

		if (bit >= PAGE_UIDS || (w->mask >> bit & 1) != 0) {
			w->is_damaged = true;
			continue;
		}
		entry_decode(op.p + 8, e);
		e->flags &= FLAGS_STORABLE;
		e->keywords.w[0] = get_le64(op.p + 8 + PAGE_ENTRY_BYTES);
		e->keywords.w[1] = get_le64(op.p + 16 + PAGE_ENTRY_BYTES);
		w->mask |= (uint64_t)1 << bit;
	}
}

static void
apply_set(struct work *w, struct str op, uint8_t bits)
{
	size_t one = 2 + ((bits & OP_HAS_KEYWORDS) != 0 ? PAGE_KEYWORD_BYTES : 0), n;
	uint64_t modseq, mask;
	const char *p;

	if (op.n < 16) {
		w->is_damaged = true;
		return;
	}
	modseq = get_le64(op.p);
	mask = get_le64(op.p + 8);
	n = (bits & OP_IS_SAME) != 0 ? 1 : (size_t)bits_count(mask);
	if (op.n != 16 + n * one) {
		w->is_damaged = true;
		return;
	}
	if ((mask & ~w->mask) != 0)
		w->is_damaged = true;
	p = op.p + 16;
	for (uint64_t m = mask; m != 0; m &= m - 1) {
		unsigned bit = (unsigned)__builtin_ctzll(m);
		struct page_entry *e = &w->e[bit];

		if ((w->mask >> bit & 1) != 0) {
			if ((bits & OP_KEEPS_MODSEQ) == 0)
				e->modseq = modseq;
			e->flags = get_le16(p) & FLAGS_STORABLE;
			e->keywords = (struct keywords){ { 0, 0 } };
			if ((bits & OP_HAS_KEYWORDS) != 0)
				e->keywords =
				    (struct keywords){ { get_le64(p + 2), get_le64(p + 10) } };
		}
		if ((bits & OP_IS_SAME) == 0)
			p += one;
	}
}

static void
apply(struct work *w, struct str op)
{
	struct str rest;

	if (op.n < OP_HEADER_BYTES) {
		w->is_damaged = true;
		return;
	}
	rest = str_sub(op, OP_HEADER_BYTES, op.n);
	switch (op.p[0]) {
	case OP_APPEND:
		apply_append(w, rest);
		break;
	case OP_SET:
		apply_set(w, rest, (uint8_t)op.p[1]);
		break;
	case OP_REMOVE:
		if (rest.n != 8 || (get_le64(rest.p) & ~w->mask) != 0)
			w->is_damaged = true;
		if (rest.n == 8)
			w->mask &= ~get_le64(rest.p);
		break;
	default:
		w->is_damaged = true;
	}
}

void
page_with_ghosts(struct str page, struct str old, uint64_t mask, struct buf *out)
{
	uint64_t there = page_mask(old);
	struct work w;

	work_load(&w, page);
	for (uint64_t m = mask & there & ~w.mask; m != 0; m &= m - 1) {
		unsigned bit = (unsigned)__builtin_ctzll(m);

		page_entry(old, page_index(there, bit), &w.e[bit]);
		w.e[bit].flags |= FLAG_GHOST;
		w.mask |= (uint64_t)1 << bit;
	}
	work_store(&w, out);
}

/* ---- private pages --------------------------------------------------------------------------- */

bool
page_private_is_valid(struct str page)
{
	return page.n == 0
	    || (page.n >= PAGE_PRIVATE_HEADER_BYTES && page.p[0] == PAGE_PRIVATE_FORMAT
		&& page.n
		    == PAGE_PRIVATE_HEADER_BYTES + (size_t)bits_count(get_le64(page.p + 8)) * 8);
}

bool
page_private(struct str page, unsigned bit, bool *is_seen_out, uint64_t *modseq_out)
{
	uint64_t mask = page.n == 0 ? 0 : get_le64(page.p + 8);

	if ((mask >> bit & 1) == 0)
		return false;
	*is_seen_out = (get_le64(page.p + 16) >> bit & 1) != 0;
	*modseq_out = get_le64(page.p + PAGE_PRIVATE_HEADER_BYTES + page_index(mask, bit) * 8);
	return true;
}

void
page_private_sum(struct str page, struct page_sums *out)
{
	uint64_t seen = page_private_seen(page) & page_mask(page);

	*out = (struct page_sums){ .count = page_count(page) };
	out->unseen = out->count - bits_count(seen);
	for (unsigned i = 0; i < out->count; i++)
		out->modseq =
		    MAX(out->modseq, get_le64(page.p + PAGE_PRIVATE_HEADER_BYTES + i * 8));
}

static void
private_merge(struct str base, const struct str *operands, size_t count, struct buf *out)
{
	uint64_t mask = 0, seen = 0, modseqs[PAGE_UIDS];
	bool is_damaged = !page_private_is_valid(base);
	unsigned n = 0;
	char *p;

	if (!is_damaged && base.n != 0) {
		is_damaged = page_is_damaged(base);
		mask = get_le64(base.p + 8);
		seen = get_le64(base.p + 16);
		for (uint64_t m = mask; m != 0; m &= m - 1)
			modseqs[__builtin_ctzll(m)] =
			    get_le64(base.p + PAGE_PRIVATE_HEADER_BYTES + n++ * 8);
	}
	for (size_t i = 0; i < count; i++) {
		const char *o = operands[i].p + OP_HEADER_BYTES;

		if (operands[i].n == OP_HEADER_BYTES + 24 && operands[i].p[0] == OP_PRIVATE) {
			uint64_t changed = get_le64(o + 8);

			mask |= changed;
			seen = (seen & ~changed) | (get_le64(o + 16) & changed);
			for (uint64_t m = changed; m != 0; m &= m - 1)
				modseqs[__builtin_ctzll(m)] = get_le64(o);
		} else if (operands[i].n == OP_HEADER_BYTES + 8 && operands[i].p[0] == OP_REMOVE) {
			mask &= ~get_le64(o);
			seen &= mask;
		} else {
			is_damaged = true;
		}
	}
	buf_clear(out);
	n = bits_count(mask);
	p = buf_reserve(out, PAGE_PRIVATE_HEADER_BYTES + (size_t)n * 8);
	if (p == NULL)
		return;
	memset(p, 0, PAGE_PRIVATE_HEADER_BYTES);
	p[0] = PAGE_PRIVATE_FORMAT;
	p[1] = is_damaged ? PAGE_IS_DAMAGED : 0;
	put_le64(p + 8, mask);
	put_le64(p + 16, seen);
	p += PAGE_PRIVATE_HEADER_BYTES;
	for (uint64_t m = mask; m != 0; m &= m - 1, p += 8)
		put_le64(p, modseqs[__builtin_ctzll(m)]);
	out->n = PAGE_PRIVATE_HEADER_BYTES + (size_t)n * 8;
}

/* What kind of page it is, is told by the page or, when there is none yet, by the first operand. */
static bool
is_private(struct str base, const struct str *operands, size_t count)
{
	if (base.n != 0)
		return base.p[0] == PAGE_PRIVATE_FORMAT;
	return count != 0 && operands[0].n != 0 && operands[0].p[0] == OP_PRIVATE;
}

/*
 * The usual operand, flags of messages without keywords, patches two columns of a copy; false when
 * it is not that.
 */
static bool
set_in_place(struct str base, struct str op, struct buf *out)
{
	bool is_same = op.n > 1 && (op.p[1] & OP_IS_SAME) != 0;
	unsigned n, i = 0;
	uint64_t mask, modseq;
	const char *values;
	struct str page;

	if (op.n < OP_HEADER_BYTES + 16 || op.p[0] != OP_SET || (op.p[1] & OP_HAS_KEYWORDS) != 0
	    || base.n == 0 || !page_is_valid(base) || (base.p[1] & PAGE_HAS_KEYWORDS) != 0)
		return false;
	modseq = get_le64(op.p + OP_HEADER_BYTES);
	mask = get_le64(op.p + OP_HEADER_BYTES + 8);
	values = op.p + OP_HEADER_BYTES + 16;
	if ((mask & ~page_mask(base)) != 0
	    || op.n != OP_HEADER_BYTES + 16 + (is_same ? 1 : (size_t)bits_count(mask)) * 2)
		return false;
	buf_clear(out);
	buf_str_add(out, base);
	page = buf_str(out);
	n = page_count(page);
	for (uint64_t m = mask; m != 0; m &= m - 1) {
		unsigned at = page_index(page_mask(page), (unsigned)__builtin_ctzll(m));

		if ((op.p[1] & OP_KEEPS_MODSEQ) == 0)
			put_le64(out->p + PAGE_HEADER_BYTES + at * 8, modseq);
		put_le16((char *)page_column(page, n, COLUMN_FLAGS) + at * 2,
		    get_le16(values + (is_same ? 0 : i++) * 2) & FLAGS_STORABLE);
	}
	return true;
}

void
page_merge(struct str base, const struct str *operands, size_t count, struct buf *out)
{
	struct work w;

	if (is_private(base, operands, count)) {
		private_merge(base, operands, count, out);
		return;
	}
	if (count == 1 && set_in_place(base, operands[0], out))
		return;
	work_load(&w, base);
	for (size_t i = 0; i < count; i++)
		apply(&w, operands[i]);
	work_store(&w, out);
}
