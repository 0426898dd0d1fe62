/*
 * verify_seen.c - private \Seen (docs/file-format.md, A10): the pages of users, and the rows that
 * count them. A count is made anew; what is said of messages that are not there, or makes no sense,
 * goes.
 */
#include "store/verify_int.h"

#include "base/bytes.h"
#include "base/size.h"

#include <stdlib.h>

/* A user's private pages in a mailbox: what his row says, and what his pages add up to. */
struct verify_seen {
	struct mailbox_id box;
	uint64_t user;
	bool has_row, has_pages, has_lost_pages;
	struct seen_row row, sums;
};

static int
seen_cmp(const struct verify_seen *s, struct mailbox_id box, uint64_t user)
{
	if (s->box.v != box.v)
		return s->box.v < box.v ? -1 : 1;
	return s->user == user ? 0 : s->user < user ? -1 : 1;
}

/* Makes one when there is none. */
static struct verify_seen *
seen_of(struct verify_account *a, struct mailbox_id box, uint64_t user)
{
	size_t low = 0, high = a->seen_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (seen_cmp(&a->seen[mid], box, user) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (low < a->seen_count && seen_cmp(&a->seen[low], box, user) == 0)
		return &a->seen[low];
	if (a->seen_count == a->seen_cap) {
		a->seen_cap = a->seen_cap == 0 ? 16 : size_mul(a->seen_cap, 2);
		a->seen = xrealloc(a->seen, size_mul(a->seen_cap, sizeof(*a->seen)));
	}
	memmove(&a->seen[low + 1], &a->seen[low], (a->seen_count - low) * sizeof(*a->seen));
	a->seen_count++;
	a->seen[low] = (struct verify_seen){ .box = box, .user = user };
	return &a->seen[low];
}

void
verify_seen_row(struct verify_account *a, struct str key, struct str value)
{
	struct verify_seen *s;
	struct mailbox_id box;
	uint64_t user;

	if (!row_key_parse_private_sums(key, &box, &user))
		return;
	s = seen_of(a, box, user);
	s->has_row = seen_row_decode(value, &s->row) == ERR_OK;
}

static void
tell_page(struct verify_account *a, const struct verify_box *b, uint32_t page, bool is_lost,
    bool is_repaired, const char *detail)
{
	struct verify_finding f = verify_finding_of(a, VERIFY_PRIVATE, b);

	f.is_lost = is_lost;
	f.is_repaired = is_repaired;
	f.uid_first = MAX(page * PAGE_UIDS, 1u);
	f.uid_last = page * PAGE_UIDS + (PAGE_UIDS - 1);
	f.detail = str_c(detail);
	verify_tell(a->v, &f);
}

/* The UIDs of a page that the mailbox has; all that are asked for when nobody can say. */
static uint64_t
there_of(const struct verify_box *b, uint32_t page, uint64_t mask)
{
	uint64_t there = mask;

	for (uint64_t m = mask; m != 0 && !b->has_lost_pages; m &= m - 1) {
		if (!rangeset_contains(&b->uids, page * PAGE_UIDS + (uint32_t)__builtin_ctzll(m)))
			there &= ~(m & -m);
	}
	return there;
}

/* Takes entries off a page, or the page. */
static bool
cut(struct verify_account *a, struct str key, uint64_t mask, uint64_t gone)
{
	struct kv_txn *t = verify_repair(a);
	char space[16];
	struct buf op = { .p = space, .cap = sizeof(space), .max = sizeof(space) };

	if (t == NULL)
		return false;
	page_op_remove(&op, gone);
	if (gone == mask)
		kv_del(t, KV_PAGE, key);
	else
		kv_merge(t, KV_PAGE, key, buf_str(&op));
	return true;
}

void
verify_seen_page(struct verify_account *a, struct str key, struct str value)
{
	uint64_t user, mask, there;
	struct page_sums sums;
	struct verify_seen *s;
	struct mailbox_id box;
	struct verify_box *b;
	uint32_t page;

	if (!row_key_parse_private(key, &box, &user, &page)) {
		tell_page(a, NULL, 0, false, false, "a page has a key that none can have");
		return;
	}
	b = verify_box_find(a, box);
	if (b == NULL || (!b->has_row && !b->has_status)) {
		tell_page(a, b, page, false, cut(a, key, 0, 0), "of a mailbox that is not there");
		return;
	}
	s = seen_of(a, box, user);
	if (!page_private_is_valid(value) || value.n == 0 || page_is_damaged(value)) {
		s->has_lost_pages = true;
		tell_page(a, b, page, true, cut(a, key, 0, 0), "the page does not make sense");
		return;
	}
	mask = page_mask(value);
	there = there_of(b, page, mask);
	if (there != mask || mask == 0)
		tell_page(a, b, page, false, cut(a, key, mask, mask & ~there),
		    "of messages that are not there");
	page_private_sum(value, &sums);
	s->has_pages = s->has_pages || there != 0;
	s->sums.seen += bits_count(page_private_seen(value) & there);
	s->sums.modseq = MAX(s->sums.modseq, sums.modseq);
}

static bool
is_right(const struct verify_account *a, const struct verify_seen *s)
{
	if (!s->has_row)
		return !s->has_pages;
	return s->row.seen == s->sums.seen && s->row.modseq >= s->sums.modseq
	    && s->row.modseq <= a->version;
}

void
verify_seen_check(struct verify_account *a)
{
	for (size_t i = 0; i < a->seen_count && !a->v->is_stopped; i++) {
		const struct verify_seen *s = &a->seen[i];
		const struct verify_box *b = verify_box_find(a, s->box);
		struct row_key key = row_key_private_sums(s->box, s->user);
		bool is_orphan = b == NULL || (!b->has_row && !b->has_status);
		struct verify_finding f;
		BUF_CLEAN struct buf row = BUF_MAX(SEEN_ROW_BYTES);
		struct kv_txn *t;

		if (!is_orphan && is_right(a, s))
			continue;
		t = verify_repair(a);
		/* Without a row that can be trusted nobody knows which modseqs were told. */
		seen_row_encode(&(struct seen_row){ .seen = s->sums.seen,
				    .modseq = s->has_row
					? MIN(MAX(s->row.modseq, s->sums.modseq), a->version)
					: a->version },
		    &row);
		if (t != NULL && is_orphan)
			kv_del(t, KV_ROW, row_key_str(&key));
		else if (t != NULL)
			kv_put(t, KV_ROW, row_key_str(&key), buf_str(&row));
		f = verify_finding_of(a, is_orphan ? VERIFY_ORPHAN : VERIFY_STATUS, b);
		f.is_repaired = t != NULL;
		f.mailbox = s->box;
		f.detail = is_orphan ? STR("what a user has seen of a mailbox that is not there")
				     : STR("how much a user has seen is counted wrong");
		verify_tell(a->v, &f);
	}
	free(a->seen);
	a->seen = NULL;
}
