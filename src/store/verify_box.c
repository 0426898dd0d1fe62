/*
 * verify_box.c - an account's mailboxes (docs/file-format.md, A2 to A4): their names, and their
 * status, which is counted again.
 */
#include "store/verify_int.h"

#include "base/size.h"

#include <stdio.h>

enum { NAME_SPACE = MAILBOX_NAME_MAX + 1 };

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

void
verify_names(struct verify_account *a)
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
					verify_tell_of(a, VERIFY_TREE, b, false, false,
					    "another has the same name");
			continue;
		}
		snprintf(space, sizeof(space), "Recovered-%llu", (unsigned long long)b->id.v);
		b->name = arena_str(&a->arena, str_c(space));
		verify_tell_of(a, had_row ? VERIFY_TREE : VERIFY_MAILBOX, b, !had_row,
		    box_recover(a, b), "this is the name that it gets");
	}
}

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
		.uidnext = above < UINT32_MAX - 2 * VERIFY_UIDS_APART
		    ? above + VERIFY_UIDS_APART
		    : UINT32_MAX - VERIFY_UIDS_APART,
		.recent_from = above + 1,
		.exists = b->sums.count,
		.unseen = b->sums.unseen,
		.deleted = b->sums.deleted,
		.size_bytes = b->sums.size_bytes,
		.deleted_bytes = b->sums.deleted_bytes,
		.notes_bytes = (uint32_t)b->notes_bytes,
	};
	status_put(a, b);
	verify_tell_of(a, VERIFY_STATUS, b, false, a->v->o->may_repair,
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
		verify_notes_lost(a, b, 1, MAX(b->status.uidnext, 2u) - 1, a->v->o->may_repair,
		    a->has_hidden_notes ? "some can't be read" : "some are not there");
	b->status.notes_bytes = (uint32_t)b->notes_bytes;
	status_put(a, b);
	if (!b->has_lost_notes)
		verify_tell_of(a, VERIFY_STATUS, b, false, a->v->o->may_repair,
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
		verify_tell_of(a, VERIFY_REFUSED, b, true, false,
		    "which UIDs are lost can't be told");
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
	verify_tell_of(a, VERIFY_STATUS, b, false, a->v->o->may_repair,
	    is_low ? "UIDNEXT or HIGHESTMODSEQ is below what is in use"
		   : "counts are not those of the messages");
}

void
verify_boxes(struct verify_account *a)
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
				verify_tell_of(a, VERIFY_TREE, b, false, false,
				    "another mailbox has the same UIDVALIDITY");
	}
}
