/*
 * verify_page.c - the pages of an account's mailboxes (docs/file-format.md, A3 to A5), and the notes
 * of their messages: what the messages' records are compared with is made here.
 */
#include "store/verify_int.h"

#include "base/size.h"
#include "store/notes.h"

#include <stdlib.h>

void
verify_ref_add(struct verify_account *a, const struct verify_ref *ref)
{
	if (a->ref_count == a->ref_cap) {
		a->ref_cap = a->ref_cap == 0 ? 256 : size_mul(a->ref_cap, 2);
		a->refs = xrealloc(a->refs, size_mul(a->ref_cap, sizeof(*a->refs)));
	}
	a->refs[a->ref_count++] = *ref;
}

void
verify_page_refs(struct verify_account *a, struct mailbox_id id, struct verify_box *b,
    uint32_t page, struct str bytes, bool is_expunged)
{
	unsigned i = 0;

	for (uint64_t m = page_mask(bytes); m != 0; m &= m - 1, i++) {
		uint32_t uid = page * PAGE_UIDS + (uint32_t)__builtin_ctzll(m);
		struct page_entry e;

		page_entry(bytes, i, &e);
		verify_ref_add(a,
		    &(struct verify_ref){ .n = { e.msgno },
			.uid = uid,
			.box = id,
			.is_expunged = is_expunged,
			.size_bytes = e.size_bytes });
		if (b != NULL)
			rangeset_add_one(&b->uids, uid);
	}
}

static void
page_lost(struct verify_account *a, struct verify_box *b, uint32_t page, const char *detail)
{
	struct verify_finding f = verify_finding_of(a, VERIFY_PAGE, b);

	f.is_lost = true;
	f.uid_first = MAX(page * PAGE_UIDS, 1u);
	f.uid_last = page * PAGE_UIDS + (PAGE_UIDS - 1);
	if (b->has_status && b->status.uidnext > f.uid_first)
		f.uid_last = MIN(f.uid_last, b->status.uidnext - 1);
	f.detail = str_c(detail);
	b->has_lost_pages = true;
	a->are_refs_whole = false;
	verify_tell(a->v, &f);
}

void
verify_notes_lost(struct verify_account *a, struct verify_box *b, uint32_t uid_first,
    uint32_t uid_last, bool is_repaired, const char *detail)
{
	struct verify_finding f = verify_finding_of(a, VERIFY_NOTES, b);

	f.is_lost = true;
	f.is_repaired = is_repaired;
	f.uid_first = uid_first;
	f.uid_last = uid_last;
	f.detail = str_c(detail);
	b->has_lost_notes = true;
	verify_tell(a->v, &f);
}

/* They go, when it may be repaired. */
static void
notes_wrong(struct verify_account *a, struct verify_box *b, uint32_t uid, const char *detail)
{
	struct kv_txn *t = verify_repair(a);
	struct row_key key = row_key_notes(b->id, uid);

	if (t != NULL)
		kv_del(t, KV_PAGE, row_key_str(&key));
	verify_notes_lost(a, b, uid, uid, t != NULL, detail);
}

/* Notes come behind their page. */
static void
take_notes(struct verify_account *a, struct str value, struct mailbox_id id, uint32_t uid)
{
	struct verify_box *b = verify_box_find(a, id);
	struct str list;

	if (b == NULL || (!b->has_row && !b->has_status && !b->is_dropped))
		return; /* its pages are told of */
	if (notes_row_decode(value, &list) != ERR_OK) {
		notes_wrong(a, b, uid, "the row does not make sense");
	} else if (rangeset_contains(&b->uids, uid)) {
		b->notes_bytes += list.n;
	} else {
		if ((a->note_count & (a->note_count - 1)) == 0)
			a->notes = xrealloc(a->notes,
			    size_mul(MAX(a->note_count * 2, (size_t)1), sizeof(*a->notes)));
		a->notes[a->note_count++] =
		    (struct verify_ref){ .uid = uid, .box = id, .size_bytes = list.n };
	}
}

/* All pages that can be read have been. */
static void
notes_late(struct verify_account *a)
{
	for (size_t i = 0; i < a->note_count; i++) {
		struct verify_box *b = verify_box_find(a, a->notes[i].box);

		if (b->has_lost_pages || rangeset_contains(&b->uids, a->notes[i].uid))
			b->notes_bytes += a->notes[i].size_bytes;
		else
			notes_wrong(a, b, a->notes[i].uid, "their message is not there");
	}
	free(a->notes);
	a->notes = NULL;
}

static void
take_page(void *ctx, struct str key, struct str value)
{
	struct verify_account *a = ctx;
	struct page_sums sums;
	struct mailbox_id id;
	struct verify_box *b;
	uint32_t page, uid;

	if (row_key_parse_notes(key, &id, &uid)) {
		take_notes(a, value, id, uid);
		return;
	}
	if (!row_key_parse_page(key, &id, &page)) {
		verify_tell_of(a, VERIFY_PAGE, NULL, false, false,
		    "a page has a key that none can have");
		return;
	}
	b = verify_box_find(a, id);
	if (b == NULL || (!b->has_row && !b->has_status && !b->is_dropped)) {
		struct verify_finding f = verify_finding_of(a, VERIFY_ORPHAN, NULL);

		f.mailbox = id;
		if (a->are_refs_whole)
			/* else it may be of a deleted mailbox whose record is lost */
			verify_tell(a->v, &f);
		a->are_refs_whole = false;
		return;
	}
	if (!page_is_valid(value) || page_is_damaged(value)) {
		page_lost(a, b, page, "the page does not make sense");
		return;
	}
	page_sum(value, &sums);
	b->sums.count += sums.count;
	b->sums.unseen += sums.unseen;
	b->sums.deleted += sums.deleted;
	b->sums.size_bytes += sums.size_bytes;
	b->sums.deleted_bytes += sums.deleted_bytes;
	b->sums.modseq = MAX(b->sums.modseq, sums.modseq);
	if (page_mask(value) != 0)
		b->uid_highest = MAX(b->uid_highest,
		    page * PAGE_UIDS + 63u - (uint32_t)__builtin_clzll(page_mask(value)));
	verify_page_refs(a, id, b, page, value, b->is_dropped);
}

static void
take_private(void *ctx, struct str key, struct str value)
{
	verify_seen_page(ctx, key, value);
}

/* The pages of a mailbox that a gap hides: each is asked for. */
static void
pages_probe(struct verify_account *a, struct verify_box *b, const struct verify_gaps *gaps)
{
	uint32_t end = b->has_status ? b->status.uidnext : b->uid_highest + VERIFY_UIDS_APART;

	for (uint32_t page = 0; page <= (end - 1) / PAGE_UIDS && !a->v->is_stopped; page++) {
		struct row_key key = row_key_page(b->id, page);
		struct arena one = ARENA_NONE;
		struct str value = STR_NONE;

		if (!verify_gaps_have(gaps, row_key_str(&key)))
			continue;
		if (verify_row(a->v, &one, a->id, KV_PAGE, row_key_str(&key), &value) != ERR_OK)
			page_lost(a, b, page, "the page can't be read");
		else if (value.p != NULL)
			take_page(a, row_key_str(&key), value);
		arena_done(&one);
	}
}

void
verify_pages(struct verify_account *a)
{
	struct verify_gaps gaps = { 0 }, private_gaps = { 0 };

	verify_rows(a->v, a->id, KV_PAGE, STR("P"), STR("Q"), take_page, a, &gaps);
	a->has_hidden_notes = gaps.n > 0;
	for (size_t i = 0; i < a->box_count && gaps.n > 0; i++)
		if (a->boxes[i].has_row || a->boxes[i].has_status || a->boxes[i].is_dropped)
			pages_probe(a, &a->boxes[i], &gaps);
	notes_late(a);
	verify_rows(a->v, a->id, KV_PAGE, STR("Q"), STR("R"), take_private, a, &private_gaps);
	if (private_gaps.n > 0)
		verify_tell_of(a, VERIFY_PRIVATE, NULL, true, false, "some can't be read");
	verify_gaps_done(&gaps);
	verify_gaps_done(&private_gaps);
}
