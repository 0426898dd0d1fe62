/*
 * verify_account.c - an account's own rows: itself, mailboxes, pages (docs/file-format.md, A1 to
 * A5). What can be counted again or follows from the rest is made anew: the account's row, a
 * mailbox's status, the shape of the hierarchy.
 */
#include "store/verify_int.h"

#include "base/bytes.h"
#include "base/size.h"
#include "store/notes.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	PROBES_MAX = 1 << 20, /* ids of mailboxes that are asked for one by one */
	NAME_SPACE = MAILBOX_NAME_MAX + 1,
	/* a uidnext that was lost is guessed that far above what is known */
	UIDS_APART = 1 << 16,
};

/* ---- telling and repairing ---- */

struct verify_finding
verify_finding_of(struct verify_account *a, enum verify_kind kind, const struct verify_box *b)
{
	struct verify_finding f = { .kind = kind, .account = a->id, .user = a->user };

	if (b != NULL) {
		f.mailbox = b->id;
		f.mailbox_name = b->name;
		f.is_expunged = b->is_dropped;
	}
	return f;
}

static void
tell(struct verify_account *a, enum verify_kind kind, const struct verify_box *b, bool is_lost,
    bool is_repaired, const char *detail)
{
	struct verify_finding f = verify_finding_of(a, kind, b);

	f.is_lost = is_lost;
	f.is_repaired = is_repaired;
	f.detail = str_c(detail);
	verify_tell(a->v, &f);
}

struct kv_txn *
verify_repair(struct verify_account *a)
{
	if (!a->v->o->may_repair)
		return NULL;
	if (a->txn == NULL)
		a->txn = kv_txn_new(a->v->kv, a->id, KV_UNVERSIONED, KV_UNVERSIONED);
	return a->txn;
}

void
verify_repair_end(struct verify_account *a)
{
	if (a->txn != NULL && kv_commit_now(a->v->kv, &a->txn, 1) != ERR_OK)
		a->v->is_unwritten = true;
	a->txn = NULL;
}

/* ---- mailboxes ---- */

static size_t
box_place(const struct verify_account *a, struct mailbox_id id)
{
	size_t low = 0, high = a->box_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (a->boxes[mid].id.v < id.v)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct verify_box *
verify_box_find(struct verify_account *a, struct mailbox_id id)
{
	size_t at = box_place(a, id);

	return at < a->box_count && a->boxes[at].id.v == id.v ? &a->boxes[at] : NULL;
}

struct verify_box *
verify_box_add(struct verify_account *a, struct mailbox_id id)
{
	size_t at = box_place(a, id);

	if (at < a->box_count && a->boxes[at].id.v == id.v)
		return &a->boxes[at];
	if (a->box_count == a->box_cap) {
		a->box_cap = a->box_cap == 0 ? 16 : size_mul(a->box_cap, 2);
		a->boxes = xrealloc(a->boxes, size_mul(a->box_cap, sizeof(*a->boxes)));
	}
	memmove(&a->boxes[at + 1], &a->boxes[at], (a->box_count - at) * sizeof(*a->boxes));
	a->box_count++;
	a->boxes[at] = (struct verify_box){ .id = id };
	return &a->boxes[at];
}

static void
take_row(void *ctx, struct str key, struct str value)
{
	struct verify_account *a = ctx;
	struct str *keywords = arena_array(&a->arena, struct str, KEYWORDS_MAX);
	struct str row = arena_str(&a->arena, value);
	struct mailbox_id id;
	struct verify_box *b;

	switch (key.n == 0 ? 0 : key.p[0]) {
	case 'A':
		a->has_row = account_row_decode(row, &a->row) == ERR_OK;
		break;
	case 'L':
		verify_limits(a, key, value);
		break;
	case 'M':
		if (!row_key_parse_mailbox(key, &id))
			break;
		b = verify_box_add(a, id);
		b->has_row = mailbox_row_decode(row, &b->row, keywords) == ERR_OK;
		if (b->has_row)
			b->row.keywords = keywords;
		break;
	case 'Q':
		verify_seen_row(a, key, row);
		break;
	case 'S':
		if (!row_key_parse_mailbox(key, &id))
			break;
		b = verify_box_add(a, id);
		b->has_status = status_row_decode(row, &b->status) == ERR_OK;
		break;
	}
}

/* Rows in a gap are asked for by the ids that there can be. */
static void
probe(struct verify_account *a, struct row_key key, const struct verify_gaps *gaps)
{
	struct str value = STR_NONE;
	struct mailbox_id id;

	if (!verify_gaps_have(gaps, row_key_str(&key)))
		return;
	if (verify_row(a->v, &a->arena, a->id, KV_ROW, row_key_str(&key), &value) != ERR_OK) {
		if (row_key_parse_mailbox(row_key_str(&key), &id))
			verify_box_add(a, id); /* without this row: it is told later */
	} else if (value.p != NULL) {
		take_row(a, row_key_str(&key), value);
	}
}

static void
rows_take(struct verify_account *a)
{
	struct verify_gaps gaps = { 0 };
	uint64_t ids = 0;

	verify_rows(a->v, a->id, KV_ROW, STR("A"), STR("T"), take_row, a, &gaps);
	if (gaps.n > 0) {
		probe(a, row_key_account(), &gaps);
		ids = a->has_row       ? a->row.next_mailbox
		    : a->box_count > 0 ? a->boxes[a->box_count - 1].id.v + 64
				       : 64;
	}
	for (uint64_t id = 1; id < MIN(ids, PROBES_MAX) && !a->v->is_stopped; id++) {
		probe(a, row_key_mailbox((struct mailbox_id){ id }), &gaps);
		probe(a, row_key_status((struct mailbox_id){ id }), &gaps);
	}
	verify_gaps_done(&gaps);
}

/* ---- names: A2 ---- */

/* The whole name; false: a parent is missing, or is its own ancestor, or it is too long. */
static bool
box_name(struct verify_account *a, const struct verify_box *b, struct str *name_out)
{
	char space[NAME_SPACE];
	size_t at = sizeof(space), depth = 0;

	for (;;) {
		if (b->row.name.n + 1 > at || ++depth > MAILBOX_DEPTH_MAX)
			return false;
		at -= b->row.name.n;
		memcpy(space + at, b->row.name.p, b->row.name.n);
		if (b->row.parent == 0)
			break;
		space[--at] = '/';
		b = verify_box_find(a, (struct mailbox_id){ b->row.parent });
		if (b == NULL || !b->has_row)
			return false;
	}
	*name_out = arena_str(&a->arena, str_make(space + at, sizeof(space) - at));
	return true;
}

/* A mailbox that has no name, or no place, any more gets one at the top. */
static bool
box_recover(struct verify_account *a, struct verify_box *b)
{
	struct kv_txn *t = verify_repair(a);
	BUF_CLEAN struct buf row = BUF_MAX(MAILBOX_ROW_MAX_BYTES);
	struct row_key key = row_key_mailbox(b->id);

	if (t == NULL)
		return false;
	if (!b->has_row) {
		struct str *keywords = arena_array(&a->arena, struct str, KEYWORDS_MAX);

		b->row = (struct mailbox_row){ .uidvalidity = MAX(a->row.next_uidvalidity, 1u) };
		mailbox_row_set_registered(&b->row, keywords);
		a->row.next_uidvalidity = b->row.uidvalidity + 1;
		a->is_row_changed = true;
		b->has_row = true;
	}
	b->row.parent = 0;
	b->row.name = b->name;
	mailbox_row_encode(&b->row, &row);
	kv_put(t, KV_ROW, row_key_str(&key), buf_str(&row));
	return true;
}

static void
names_check(struct verify_account *a)
{
	char space[64];

	for (size_t i = 0; i < a->box_count; i++) {
		struct verify_box *b = &a->boxes[i];
		bool had_row = b->has_row;

		if (b->is_dropped && !b->has_row && !b->has_status)
			continue;
		if (b->has_row && box_name(a, b, &b->name)) {
			for (size_t j = 0; j < i; j++)
				if (a->boxes[j].row.parent == b->row.parent && a->boxes[j].has_row
				    && str_eq(a->boxes[j].row.name, b->row.name))
					tell(a, VERIFY_TREE, b, false, false,
					    "another has the same name");
			continue;
		}
		snprintf(space, sizeof(space), "Recovered-%llu", (unsigned long long)b->id.v);
		b->name = arena_str(&a->arena, str_c(space));
		tell(a, had_row ? VERIFY_TREE : VERIFY_MAILBOX, b, !had_row, box_recover(a, b),
		    "this is the name that it gets");
	}
}

/* ---- pages: A3 to A5 ---- */

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

static void
notes_lost(struct verify_account *a, struct verify_box *b, uint32_t uid_first, uint32_t uid_last,
    bool is_repaired, const char *detail)
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
	notes_lost(a, b, uid, uid, t != NULL, detail);
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
		tell(a, VERIFY_PAGE, NULL, false, false, "a page has a key that none can have");
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
	uint32_t end = b->has_status ? b->status.uidnext : b->uid_highest + UIDS_APART;

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

static void
pages_take(struct verify_account *a)
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
		tell(a, VERIFY_PRIVATE, NULL, true, false, "some can't be read");
	verify_gaps_done(&gaps);
	verify_gaps_done(&private_gaps);
}

/* ---- status rows: A3, A4 ---- */

static void
status_put(struct verify_account *a, const struct verify_box *b)
{
	struct kv_txn *t = verify_repair(a);
	BUF_CLEAN struct buf row = BUF_MAX(256);
	struct row_key key = row_key_status(b->id);

	if (t == NULL)
		return;
	status_row_encode(&b->status, &row);
	kv_put(t, KV_ROW, row_key_str(&key), buf_str(&row));
}

static void
status_lost(struct verify_account *a, struct verify_box *b)
{
	uint32_t above = MAX(b->uid_highest, rangeset_max(&b->vanished));

	b->status = (struct status_row){
		.highestmodseq = a->version,
		.uidnext = above < UINT32_MAX - 2 * UIDS_APART ? above + UIDS_APART
							       : UINT32_MAX - UIDS_APART,
		.recent_from = above + 1,
		.exists = b->sums.count,
		.unseen = b->sums.unseen,
		.deleted = b->sums.deleted,
		.size_bytes = b->sums.size_bytes,
		.deleted_bytes = b->sums.deleted_bytes,
		.notes_bytes = (uint32_t)b->notes_bytes,
	};
	status_put(a, b);
	tell(a, VERIFY_STATUS, b, false, a->v->o->may_repair,
	    "it is counted again; UIDNEXT leaves room for what is not known");
	b->has_status = true;
	a->has_lost_log = true; /* UIDs are left out */
}

/* Notes that are not there any more: which of them, nobody knows. */
static void
notes_check(struct verify_account *a, struct verify_box *b)
{
	if (b->status.notes_bytes == b->notes_bytes)
		return;
	if (!b->has_lost_notes && b->status.notes_bytes > b->notes_bytes)
		notes_lost(a, b, 1, MAX(b->status.uidnext, 2u) - 1, a->v->o->may_repair,
		    a->has_hidden_notes ? "some can't be read" : "some are not there");
	b->status.notes_bytes = (uint32_t)b->notes_bytes;
	status_put(a, b);
	if (!b->has_lost_notes)
		tell(a, VERIFY_STATUS, b, false, a->v->o->may_repair,
		    "the size of its annotations is wrong");
}

static bool
sums_agree(const struct verify_box *b)
{
	return b->status.exists == b->sums.count && b->status.unseen == b->sums.unseen
	    && b->status.deleted == b->sums.deleted && b->status.size_bytes == b->sums.size_bytes
	    && b->status.deleted_bytes == b->sums.deleted_bytes;
}

static void
status_check(struct verify_account *a, struct verify_box *b)
{
	uint64_t unknown =
	    b->status.uidnext - 1 - rangeset_count(&b->uids) - rangeset_count(&b->vanished);
	bool is_low = b->uid_highest >= b->status.uidnext
	    || b->sums.modseq > b->status.highestmodseq || b->status.highestmodseq > a->version
	    || b->status.recent_from > b->status.uidnext;

	if (b->has_lost_pages && (a->has_lost_log || b->sums.count + unknown != b->status.exists))
		tell(a, VERIFY_REFUSED, b, true, false, "which UIDs are lost can't be told");
	if (!is_low && (sums_agree(b) || b->has_lost_pages))
		/* what lost pages had is still counted: that is all that is known of it */
		return;
	if (!b->has_lost_pages) {
		b->status.exists = b->sums.count;
		b->status.unseen = b->sums.unseen;
		b->status.deleted = b->sums.deleted;
		b->status.size_bytes = b->sums.size_bytes;
		b->status.deleted_bytes = b->sums.deleted_bytes;
	}
	b->status.uidnext = MAX(b->status.uidnext, b->uid_highest + 1);
	b->status.recent_from = MIN(b->status.recent_from, b->status.uidnext);
	b->status.highestmodseq = MIN(MAX(b->status.highestmodseq, b->sums.modseq), a->version);
	status_put(a, b);
	tell(a, VERIFY_STATUS, b, false, a->v->o->may_repair,
	    is_low ? "UIDNEXT or HIGHESTMODSEQ is below what is in use"
		   : "counts are not those of the messages");
}

/* ---- the account's own row: A1, A3 ---- */

static void
row_check(struct verify_account *a)
{
	struct account_row want = a->row;
	uint64_t size = 0, messages = 0, next_box = 1;
	uint32_t validity = 0, highest = 0;
	bool is_wrong;
	struct kv_txn *t;
	BUF_CLEAN struct buf row = BUF_MAX(ACCOUNT_ROW_MAX_BYTES);
	struct row_key key = row_key_account();

	for (size_t i = 0; i < a->box_count; i++) {
		const struct verify_box *b = &a->boxes[i];

		next_box = MAX(next_box, b->id.v + 1);
		if (b->is_dropped && !b->has_row)
			continue;
		size += b->status.size_bytes;
		messages += b->status.exists;
		validity = MAX(validity, b->row.uidvalidity);
	}
	for (size_t i = 0; i < a->ref_count; i++)
		highest = MAX(highest, a->refs[i].n.v);
	want.size_bytes = size;
	want.messages = messages;
	want.next_mailbox = MAX(want.next_mailbox, next_box);
	want.next_uidvalidity = MAX(want.next_uidvalidity, validity + 1);
	want.next_msgno = MAX(want.next_msgno, highest);
	if (!a->has_row) {
		want.next_msgno =
		    highest < UINT32_MAX - UIDS_APART ? highest + UIDS_APART : highest;
		want.log_floor = a->version; /* clients resynchronise */
		want.user = a->user;
	}
	is_wrong = !a->has_row || a->is_row_changed || want.size_bytes != a->row.size_bytes
	    || want.messages != a->row.messages || want.next_mailbox != a->row.next_mailbox
	    || want.next_uidvalidity != a->row.next_uidvalidity
	    || want.next_msgno != a->row.next_msgno || a->row.log_floor > a->version;
	if (a->has_lost_log && want.log_floor < a->version) {
		want.log_floor = a->version;
		is_wrong = is_wrong || a->v->o->may_repair;
	}
	if (!is_wrong)
		return;
	want.log_floor = MIN(want.log_floor, a->version);
	t = verify_repair(a);
	if (t != NULL) {
		account_row_encode(&want, &row);
		kv_put(t, KV_ROW, row_key_str(&key), buf_str(&row));
	}
	if ((a->has_lost_log || a->is_row_changed) && a->has_row)
		return; /* told with the log, or with a mailbox */
	tell(a, VERIFY_ACCOUNT, NULL, false, t != NULL,
	    a->has_row ? "its sums or counters are wrong" : "it is made anew");
}

/* Without one of these rows nobody can say what the account has: it is not opened. */
static void
refused_tell(struct verify_account *a)
{
	bool is_refused = !a->has_row;

	for (size_t i = 0; i < a->box_count; i++) {
		const struct verify_box *b = &a->boxes[i];

		if (b->is_dropped && !b->has_row && !b->has_status)
			continue;
		is_refused = is_refused || !b->has_row || !b->has_status;
	}
	if (is_refused)
		tell(a, VERIFY_REFUSED, NULL, false, a->v->o->may_repair, "");
}

static void
boxes_check(struct verify_account *a)
{
	for (size_t i = 0; i < a->box_count && !a->v->is_stopped; i++) {
		struct verify_box *b = &a->boxes[i];

		if (b->is_dropped && !b->has_row && !b->has_status)
			continue;
		a->v->result.mailboxes++;
		if (!b->has_status)
			status_lost(a, b);
		else
			status_check(a, b);
		notes_check(a, b);
		for (size_t j = 0; j < i; j++)
			if (a->boxes[j].has_row && b->has_row
			    && a->boxes[j].row.uidvalidity == b->row.uidvalidity)
				tell(a, VERIFY_TREE, b, false, false,
				    "another mailbox has the same UIDVALIDITY");
	}
}

static void
account_done(struct verify_account *a)
{
	verify_repair_end(a);
	for (size_t i = 0; i < a->box_count; i++) {
		rangeset_done(&a->boxes[i].uids);
		rangeset_done(&a->boxes[i].vanished);
	}
	free(a->boxes);
	free(a->refs);
	arena_done(&a->arena);
}

void
verify_account(struct verify *v, struct account_id id, struct str user)
{
	struct verify_account a = { .v = v,
		.id = id,
		.user = user,
		.arena = ARENA_NONE,
		.are_refs_whole = true };

	v->result.accounts++;
	if (kv_versions(v->kv, &id, 1, &a.version) != ERR_OK) {
		bool is_repaired = verify_version_set(v, id);

		tell(&a, VERIFY_VERSION, NULL, false, is_repaired, "");
		if (!is_repaired || kv_versions(v->kv, &id, 1, &a.version) != ERR_OK) {
			v->are_links_known = false;
			return;
		}
	}
	rows_take(&a);
	if (a.has_row && user.n > 0 && !str_eq(a.row.user, user))
		tell(&a, VERIFY_DIRECTORY, NULL, false, false,
		    "the account's row has another name");
	verify_undo(&a);
	refused_tell(&a);
	names_check(&a);
	pages_take(&a);
	verify_change_log(&a);
	boxes_check(&a);
	verify_seen_check(&a);
	row_check(&a);
	verify_sharing(&a);
	if (!a.are_refs_whole)
		v->are_links_known = false;
	if (!v->is_stopped)
		verify_messages(&a);
	verify_digests(&a);
	account_done(&a);
}
