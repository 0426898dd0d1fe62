/* image.c - see image.h. */
#include "backup/image.h"

#include "base/bytes.h"
#include "store/notes.h"
#include "store/undo_int.h"

#include <stdio.h>
#include <stdlib.h>

void
image_init(struct image *i)
{
	*i = (struct image){ .at_ms = IMAGE_NOW };
}

void
image_done(struct image *i)
{
	for (size_t k = 0; k < i->box_count; k++)
		free(i->boxes[k].entries);
	free(i->boxes);
	free(i->messages);
	free(i->undo);
	arena_done(&i->arena);
}

/* ---- mailboxes and entries ------------------------------------------------------------------- */

static struct image_box *
box_add(struct image *i, uint64_t id)
{
	if (i->box_count == i->box_cap) {
		i->box_cap = MAX(64, i->box_cap * 2);
		i->boxes = xrealloc(i->boxes, i->box_cap * sizeof(*i->boxes));
	}
	i->boxes[i->box_count] = (struct image_box){ .id = { id } };
	if (i->sorted_count == i->box_count
	    && (i->box_count == 0 || i->boxes[i->box_count - 1].id.v < id))
		i->sorted_count++;
	return &i->boxes[i->box_count++];
}

struct image_box *
image_box_by_id(struct image *i, uint64_t id)
{
	size_t low = 0, high = i->sorted_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (i->boxes[mid].id.v == id)
			return &i->boxes[mid];
		if (i->boxes[mid].id.v < id)
			low = mid + 1;
		else
			high = mid;
	}
	for (size_t k = i->sorted_count; k < i->box_count; k++) {
		if (i->boxes[k].id.v == id)
			return &i->boxes[k];
	}
	return NULL;
}

static void
entry_add(struct image_box *b, uint32_t uid, const struct page_entry *e, char why, int64_t gone_ms)
{
	if (b->count == b->cap) {
		b->cap = MAX(64, b->cap * 2);
		b->entries = xrealloc(b->entries, b->cap * sizeof(*b->entries));
	}
	b->entries[b->count++] =
	    (struct image_entry){ .uid = uid, .why = why, .gone_ms = gone_ms, .e = *e };
}

static void
page_add(struct image *i, struct image_box *b, uint32_t page, struct str bytes, char why,
    int64_t gone_ms)
{
	uint64_t mask;

	if (!page_is_valid(bytes)) {
		i->is_damaged = true;
		return;
	}
	mask = page_mask(bytes);
	for (uint64_t m = mask; m != 0; m &= m - 1) {
		unsigned bit = (unsigned)__builtin_ctzll(m);
		struct page_entry e;

		page_entry(bytes, page_index(mask, bit), &e);
		entry_add(b, page * PAGE_UIDS + bit, &e, why, gone_ms);
	}
}

/* The notes of an entry that was added a moment ago. */
static void
notes_add(struct image *i, struct image_box *b, uint32_t uid, struct str list)
{
	for (size_t k = b->count; k-- != 0;) {
		if (b->entries[k].uid == uid) {
			b->entries[k].notes = arena_str(&i->arena, list);
			return;
		}
	}
	i->is_damaged = true;
}

/* A mailbox row whose texts live in the arena. */
static bool
row_take(struct image *i, struct str value, struct mailbox_row *out)
{
	struct str *keywords = arena_array(&i->arena, struct str, KEYWORDS_MAX);

	return mailbox_row_decode(arena_str(&i->arena, value), out, keywords) == ERR_OK;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static void
add_row(struct image *i, struct str key, struct str value)
{
	struct image_box *b;
	struct mailbox_id id;
	bool is_good = true;

	if (key.n == 1 && key.p[0] == 'A') {
		is_good = account_row_decode(arena_str(&i->arena, value), &i->row) == ERR_OK;
	} else if (key.n == 9 && key.p[0] == 'M' && row_key_parse_mailbox(key, &id)) {
		b = box_add(i, id.v);
		is_good = row_take(i, value, &b->row);
		if (!is_good)
			b->row = (struct mailbox_row){ .name = STR("Damaged") };
	} else if (key.n == 9 && key.p[0] == 'S' && row_key_parse_mailbox(key, &id)) {
		b = image_box_by_id(i, id.v);
		is_good = b != NULL && status_row_decode(value, &b->status) == ERR_OK;
	}
	if (!is_good)
		i->is_damaged = true;
}

static struct image_message *
find_message(const struct image *i, uint32_t msgno)
{
	size_t low = 0, high = i->message_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (i->messages[mid].msgno == msgno)
			return &i->messages[mid];
		if (i->messages[mid].msgno < msgno)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static void
add_message(struct image *i, struct str key, struct str value)
{
	struct image_message *m = NULL;
	struct message_record r;
	uint32_t n;

	if (key.n != 5)
		return;
	n = get_be32(key.p + 1);
	if (key.p[0] == 'H') {
		/*
		 * Header rows come before the summaries, which say how long the prefix is: known at
		 * the second time.
		 */
		m = find_message(i, n);
		if (m != NULL && m->prefix.p == NULL && value.n >= 1 + m->prefix.n)
			m->prefix = arena_str(&i->arena, str_sub(value, 1, 1 + m->prefix.n));
		return;
	}
	if (key.p[0] != 'S' || find_message(i, n) != NULL)
		return;
	if (message_summary_decode(value, &r) != ERR_OK) {
		i->is_damaged = true;
		return;
	}
	if (i->message_count == i->message_cap) {
		i->message_cap = MAX(256, i->message_cap * 2);
		i->messages = xrealloc(i->messages, i->message_cap * sizeof(*i->messages));
	}
	m = &i->messages[i->message_count++];
	*m = (struct image_message){ .msgno = n,
		.blob = r.blob,
		.blob_bytes = r.blob_bytes,
		.email = r.email,
		.thread = r.thread };
	m->prefix.n = r.prefix_bytes; /* its bytes are in the header row */
}

void
image_add(struct image *i, enum kv_kind kind, struct str key, struct str value)
{
	struct image_box *b;
	struct mailbox_id id;
	uint32_t page, uid;
	struct str list;

	switch (kind) {
	case KV_ROW:
		add_row(i, key, value);
		break;
	case KV_PAGE:
		if (row_key_parse_notes(key, &id, &uid)) {
			b = image_box_by_id(i, id.v);
			if (b != NULL && notes_row_decode(value, &list) == ERR_OK)
				notes_add(i, b, uid, list);
			else
				i->is_damaged = true;
			break;
		}
		if (!row_key_parse_page(key, &id, &page))
			break;
		b = image_box_by_id(i, id.v);
		/* of a deleted mailbox, whose row comes with the undo records */
		if (b == NULL)
			b = box_add(i, id.v), b->is_gone = true, b->gone_ms = -1;
		page_add(i, b, page, value, 0, 0);
		break;
	case KV_MESSAGE:
		add_message(i, key, value);
		break;
	case KV_LOG:
		if (key.n != 9 || key.p[0] != 'U')
			break;
		if (i->undo_count == i->undo_cap) {
			i->undo_cap = MAX(64, i->undo_cap * 2);
			i->undo = xrealloc(i->undo, i->undo_cap * sizeof(*i->undo));
		}
		i->undo[i->undo_count++] = arena_str(&i->arena, value);
		break;
	case KV_COUNTER:
	case KV_POSTING:
	case KV_KINDS:
		break;
	}
}

/* ---- the past -------------------------------------------------------------------------------- */

static void
read_dropped(struct image *i, const struct undo_section *s, int64_t time_ms)
{
	struct image_box *b = image_box_by_id(i, s->id.v);
	struct mailbox_row row;
	struct status_row status;

	if (status_row_decode(str_sub(s->body, 0, STATUS_ROW_BYTES), &status) != ERR_OK
	    || !row_take(i, str_sub(s->body, STATUS_ROW_BYTES, s->body.n), &row)) {
		i->is_damaged = true;
		return;
	}
	if (b == NULL)
		b = box_add(i, s->id.v);
	b->is_gone = true;
	b->gone_ms = time_ms;
	b->row = row;
	b->status = status;
}

/* First what mailboxes there were, then what went from them: records are read twice. */
void
image_read_undo(struct image *i)
{
	for (int pass = 0; pass < 2; pass++) {
		for (size_t k = 0; k < i->undo_count; k++) {
			struct undo_section s;
			struct str rest;
			int64_t time_ms;

			if (undo_decode(i->undo[k], &time_ms, &rest) != ERR_OK) {
				i->is_damaged = true;
				continue;
			}
			while (undo_next(&rest, &s)) {
				struct image_box *b = pass == 0 ? NULL : image_box_by_id(i, s.id.v);

				if (pass == 0 && s.kind == 'D')
					read_dropped(i, &s, time_ms);
				else if (b != NULL && (s.kind == 'R' || s.kind == 'M'))
					page_add(i, b, s.page, s.page_bytes, s.kind, time_ms);
				else if (b != NULL && s.kind == 'A')
					notes_add(i, b, s.uid, s.notes);
				else if (b != NULL && s.kind == 'N')
					b->made_ms = time_ms;
			}
		}
	}
}

/* Rows that mailboxes had at the moment: those of the first change after it. */
static void
rewind_rows(struct image *i)
{
	for (size_t k = i->undo_count; k-- != 0;) {
		struct undo_section s;
		struct str rest;
		int64_t time_ms;

		if (undo_decode(i->undo[k], &time_ms, &rest) != ERR_OK || time_ms <= i->at_ms)
			continue;
		while (undo_next(&rest, &s)) {
			struct image_box *b = image_box_by_id(i, s.id.v);
			struct mailbox_row row;

			if (s.kind != 'B' || b == NULL || !row_take(i, s.body, &row))
				continue;
			/*
			 * Slots of keywords keep their names, so those of now are right for entries
			 * of then.
			 */
			if (row.keyword_count < b->row.keyword_count) {
				row.keyword_count = b->row.keyword_count;
				row.keywords = b->row.keywords;
			}
			row.annotations = b->row.annotations;
			b->row = row;
		}
	}
}

static struct str
full_name(struct image *i, const struct image_box *b)
{
	BUF_CLEAN struct buf name = BUF_MAX(2 * MAILBOX_NAME_MAX),
			     whole = BUF_MAX(2 * MAILBOX_NAME_MAX);
	uint64_t parent = b->row.parent;

	buf_str_add(&name, b->row.name);
	for (unsigned depth = 0; parent != 0 && depth < MAILBOX_DEPTH_MAX; depth++) {
		const struct image_box *above = image_box_by_id(i, parent);

		if (above == NULL || above->row.name.n == 0)
			break;
		buf_clear(&whole);
		buf_str_add(&whole, above->row.name);
		buf_chr(&whole, '/');
		buf_str_add(&whole, buf_str(&name));
		buf_clear(&name);
		buf_str_add(&name, buf_str(&whole));
		parent = above->row.parent;
	}
	return arena_str(&i->arena, buf_str(&name));
}

static int
entry_cmp(const void *a, const void *b)
{
	const struct image_entry *x = a, *y = b;

	return x->uid != y->uid ? (x->uid < y->uid ? -1 : 1) : x->why - y->why;
}

static int
box_cmp(const void *a, const void *b)
{
	const struct image_box *x = a, *y = b;
	int order = str_cmp(x->name, y->name);

	return order != 0 ? order : x->id.v < y->id.v ? -1 : x->id.v > y->id.v;
}

void
image_finish(struct image *i, int64_t at_ms)
{
	size_t n = 0;

	i->at_ms = at_ms;
	if (at_ms != IMAGE_NOW)
		rewind_rows(i);
	/* Pages of a mailbox that no record tells of: a damaged store. */
	for (size_t k = 0; k < i->box_count; k++) {
		if (i->boxes[k].gone_ms == -1) {
			i->is_damaged = true;
			free(i->boxes[k].entries);
		} else {
			i->boxes[n++] = i->boxes[k];
		}
	}
	i->box_count = n;
	for (i->sorted_count = 0; i->sorted_count < n; i->sorted_count++) {
		if (i->sorted_count != 0
		    && i->boxes[i->sorted_count - 1].id.v >= i->boxes[i->sorted_count].id.v)
			break;
	}
	for (size_t k = 0; k < n; k++) {
		i->boxes[k].name = full_name(i, &i->boxes[k]);
		if (i->boxes[k].count > 1)
			qsort(i->boxes[k].entries, i->boxes[k].count, sizeof(struct image_entry),
			    entry_cmp);
	}
	i->sorted_count = 0;
	if (n > 1)
		qsort(i->boxes, n, sizeof(*i->boxes), box_cmp);
}

bool
image_box_is_there(const struct image *i, const struct image_box *b)
{
	if (i->at_ms == IMAGE_NOW)
		return !b->is_gone;
	return (!b->is_gone || b->gone_ms > i->at_ms) && b->made_ms <= i->at_ms;
}

bool
image_is_there(const struct image *i, const struct image_box *b, const struct image_entry *e)
{
	if (!image_box_is_there(i, b))
		return false;
	if (i->at_ms == IMAGE_NOW)
		return e->gone_ms == 0;
	return (e->gone_ms == 0 || e->gone_ms > i->at_ms) && e->e.saved_s <= i->at_ms / 1000;
}

const struct image_message *
image_message(const struct image *i, uint32_t msgno)
{
	return find_message(i, msgno);
}
