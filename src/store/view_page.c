/* view_page.c - the messages of a page of a view, 64 at a time: see view.h. */
#include "store/view_int.h"

static uint64_t
spread(uint64_t packed, uint64_t mask)
{
	uint64_t bits = 0;

	if (mask == UINT64_MAX)
		return packed;
	for (; mask != 0 && packed != 0; mask &= mask - 1, packed >>= 1)
		if ((packed & 1) != 0)
			bits |= mask & -mask;
	return bits;
}

/* Which entries of a page have all of these flags in its own column. */
static uint64_t
with_flags(struct str page, uint64_t mask, uint16_t flags)
{
	const unsigned n = bits_count(mask);
	const char *column = page_column(page, n, COLUMN_FLAGS);
	uint64_t packed = 0;

	for (unsigned i = 0; i < n; i++)
		packed |= (uint64_t)((get_le16(column + (size_t)i * 2) & flags) == flags) << i;
	return spread(packed, mask);
}

static uint64_t
without_number(struct str page, uint64_t mask)
{
	const unsigned n = bits_count(mask);
	const char *column = page_column(page, n, COLUMN_MSGNO);
	uint64_t packed = 0;

	for (unsigned i = 0; i < n; i++)
		packed |= (uint64_t)(get_le32(column + (size_t)i * 4) == 0) << i;
	return spread(packed, mask);
}

bool
view_next_page(const struct view *v, uint32_t from, uint16_t set, uint16_t unset,
    struct view_page *out)
{
	const struct tree_want want = { .set = set, .unset = unset };
	struct tree_at at;

	if (!view_next_candidate(v, from, want, &at))
		return false;
	*out = (struct view_page){ .first = at.uid & ~(uint32_t)(PAGE_UIDS - 1),
		.before = at.before - at.index,
		.present = page_mask(at.page),
		.bytes = at.page };
	if (v->as.is_own)
		out->own = tree_page(v->seen, at.uid / PAGE_UIDS);
	out->known = out->present & ~without_number(out->bytes, out->present);
	if (v->ghosts != 0)
		out->known &= ~with_flags(out->bytes, out->present, FLAG_GHOST);
	return true;
}

uint64_t
view_page_flags(const struct view *v, const struct view_page *p, uint16_t flags)
{
	const bool is_own = v->as.is_own && (flags & FLAG_SEEN) != 0;
	const uint16_t in_page = is_own ? (uint16_t)(flags & ~FLAG_SEEN) : flags;
	uint64_t bits = in_page == 0 ? p->present : with_flags(p->bytes, p->present, in_page);

	return is_own ? bits & page_private_seen(p->own) : bits;
}

uint64_t
view_page_recent(const struct view *v, const struct view_page *p)
{
	return p->present & rangeset_bits(&v->recent, p->first);
}

void
view_page_entry(const struct view *v, const struct view_page *p, unsigned bit, struct entry *out)
{
	view_entry_from(v, p->first + bit, p->bytes, page_index(p->present, bit), out);
}
