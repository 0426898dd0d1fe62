/*
 * undo.c - see undo_int.h. Sections are appended while the commit is made and become one row of
 * KV_LOG at its end.
 */
#include "store/undo_int.h"

#include "base/bytes.h"
#include "store/notes.h"

enum { UNDO_FORMAT = 1, UNDO_HEADER_BYTES = 16, SECTION_BYTES = 16 };

/* A section: its kind, three zero bytes, the length of its body, the mailbox. */
static void
section(struct commit *c, char kind, struct mailbox_id id, size_t n)
{
	char head[SECTION_BYTES] = { kind };

	put_le32(head + 4, (uint32_t)n);
	put_le64(head + 8, id.v);
	buf_add(&c->undo, head, sizeof(head));
}

void
undo_removed(struct commit *c, struct mailbox_id id, uint32_t page, struct str before,
    uint64_t mask, char why)
{
	char space[PAGE_MAX_BYTES], number[4];
	struct buf out = { .p = space, .cap = sizeof(space), .max = sizeof(space) };

	if (mask == page_mask(before)) {
		buf_str_add(&out, before);
	} else {
		char op_space[16];
		struct buf op = { .p = op_space, .cap = sizeof(op_space), .max = sizeof(op_space) };
		struct str operand;

		page_op_remove(&op, page_mask(before) & ~mask);
		operand = buf_str(&op);
		page_merge(before, &operand, 1, &out);
	}
	if (why == 'R') {
		struct page_sums sums;

		page_sum(buf_str(&out), &sums);
		c->retained_bytes += sums.size_bytes;
	}
	put_le32(number, page);
	section(c, why, id, sizeof(number) + out.n);
	buf_add(&c->undo, number, sizeof(number));
	buf_str_add(&c->undo, buf_str(&out));
}

void
undo_noted(struct commit *c, struct mailbox_id id, uint32_t uid, struct str notes)
{
	char number[4];

	put_le32(number, uid);
	section(c, 'A', id, sizeof(number) + notes.n);
	buf_add(&c->undo, number, sizeof(number));
	buf_str_add(&c->undo, notes);
}

void
undo_made(struct commit *c, struct mailbox_id id)
{
	section(c, 'N', id, 0);
}

static void
desc_section(struct commit *c, char kind, const struct mailbox_desc *d,
    const struct status_row *status)
{
	BUF_CLEAN struct buf body = BUF_MAX(STATUS_ROW_BYTES + MAILBOX_ROW_MAX_BYTES);
	struct mailbox_row row = d->row;

	if (status != NULL)
		status_row_encode(status, &body);
	/* Each change of a mailbox would keep them once more, so only one that goes has them. */
	if (kind != 'D')
		row.annotations = STR_NONE;
	mailbox_row_encode(&row, &body);
	section(c, kind, d->id, body.n);
	buf_str_add(&c->undo, buf_str(&body));
}

void
undo_dropped(struct commit *c, const struct mailbox_state *s)
{
	struct status_row status;

	mailbox_state_status(s, &status);
	c->retained_bytes += status.size_bytes;
	desc_section(c, 'D', s->desc, &status);
}

void
undo_renamed(struct commit *c, const struct mailbox_desc *before)
{
	desc_section(c, 'B', before, NULL);
}

/* What the account retains is known, but for what is just being added. */
static void
note_retained(struct commit *c)
{
	uint64_t now = atomic_load(&c->account->retained_bytes);

	while (now != RETAINED_UNKNOWN
	    && !atomic_compare_exchange_weak(&c->account->retained_bytes, &now,
		now + c->retained_bytes))
		continue;
}

void
undo_write(struct commit *c)
{
	struct row_key key = row_key_undo(c->version);
	struct clock *clock = c->account->store->o.clock;
	BUF_CLEAN struct buf row = BUF_MAX((size_t)UNDO_MAX_BYTES + UNDO_HEADER_BYTES);
	char head[UNDO_HEADER_BYTES] = { UNDO_FORMAT };
	int64_t now_ms;

	if (c->undo.n == 0)
		return;
	/* Where no message goes either, records are many when a client wants them to be. */
	c->retained_bytes += UNDO_HEADER_BYTES + c->undo.n;
	now_ms = clock->wall_ms(clock);
	put_le64(head + 8, (uint64_t)now_ms);
	if (atomic_load(&c->account->undo_oldest_ms) > now_ms)
		atomic_store(&c->account->undo_oldest_ms, now_ms);
	note_retained(c);
	buf_add(&row, head, sizeof(head));
	buf_str_add(&row, buf_str(&c->undo));
	kv_put(c->txn, KV_LOG, row_key_str(&key), buf_str(&row));
}

uint64_t
undo_retained(struct str row)
{
	struct undo_section s;
	uint64_t bytes = row.n;
	int64_t time_ms;
	struct str rest;

	if (undo_decode(row, &time_ms, &rest) != ERR_OK)
		return 0;
	while (undo_next(&rest, &s)) {
		struct page_sums sums;
		struct status_row status;

		if (s.kind == 'R') {
			page_sum(s.page_bytes, &sums);
			bytes += sums.size_bytes;
		} else if (s.kind == 'D'
		    && status_row_decode(str_sub(s.body, 0, STATUS_ROW_BYTES), &status) == ERR_OK) {
			bytes += status.size_bytes;
		}
	}
	return bytes;
}

enum err
undo_decode(struct str row, int64_t *time_ms_out, struct str *rest_out)
{
	if (row.n < UNDO_HEADER_BYTES || row.p[0] != UNDO_FORMAT)
		return ERR_CORRUPT;
	*time_ms_out = (int64_t)get_le64(row.p + 8);
	*rest_out = str_sub(row, UNDO_HEADER_BYTES, row.n);
	return ERR_OK;
}

bool
undo_next(struct str *rest, struct undo_section *out)
{
	size_t n;

	if (rest->n < SECTION_BYTES)
		return false;
	n = get_le32(rest->p + 4);
	if (n > rest->n - SECTION_BYTES)
		return false;
	*out = (struct undo_section){
		.kind = rest->p[0],
		.id = { get_le64(rest->p + 8) },
		.body = str_sub(*rest, SECTION_BYTES, SECTION_BYTES + n),
	};
	*rest = str_sub(*rest, SECTION_BYTES + n, rest->n);
	if (out->kind != 'R' && out->kind != 'M' && out->kind != 'A')
		return true;
	if (n < 4)
		return false;
	if (out->kind == 'A') {
		out->uid = get_le32(out->body.p);
		out->notes = str_sub(out->body, 4, n);
		return notes_are_valid(out->notes);
	}
	out->page = get_le32(out->body.p);
	out->page_bytes = str_sub(out->body, 4, n);
	return page_is_valid(out->page_bytes);
}
