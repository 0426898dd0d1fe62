/* message_held.c - see message_held.h. */
#include "store/message_held.h"

#include "base/arena.h"
#include "base/bytes.h"
#include "base/size.h"
#include "mime/limits.h"
#include "store/message_cache.h"

#include <stdlib.h>

enum { RUN_GAP_MAX = 3 }; /* records nobody asked for that a range may run over */

static struct held *
held_of(const struct message *m)
{
	return container_of((struct message *)(uintptr_t)m, struct held, m);
}

struct object_id
message_email_id(const struct message *m)
{
	return held_of(m)->record.email;
}

struct object_id
message_thread_id(const struct message *m)
{
	return held_of(m)->record.thread;
}

struct str
message_summary_row(const struct message *m)
{
	return held_of(m)->summary_row;
}

struct str
message_header_row(const struct message *m)
{
	return held_of(m)->header_row;
}

/* Of rows that live as long as it does. */
static enum err
held_make(struct held *h, struct msgno n, struct str summary_row, struct str header_row)
{
	struct message_record *r = &h->record;
	struct str header = STR_NONE;
	enum err e = message_summary_decode(summary_row, r);

	if (e == ERR_OK && header_row.p != NULL)
		e = message_header_decode(header_row, r, &header);
	if (e != ERR_OK)
		return e;
	h->summary_row = summary_row;
	h->header_row = header_row;
	h->m = (struct message){
		.msgno = n,
		.size_bytes = r->prefix_bytes + r->blob_bytes,
		.blob = r->blob,
		.blob_bytes = r->blob_bytes,
		.blob_place = r->place,
		.prefix_bytes = r->prefix_bytes,
		.header_bytes = r->header_bytes,
		.is_header_cut = r->is_header_cut,
		.has_header = header_row.p != NULL,
		.prefix = str_sub(header, 0, r->prefix_bytes),
		.header = header,
		.envelope = r->envelope,
		.bodystructure = r->bodystructure,
		.structure = r->structure,
		.sortkeys = r->sortkeys,
		.preview = r->preview,
		.emailid = object_id_text(r->email, 'M', h->emailid),
		.threadid = object_id_text(r->thread, 'T', h->threadid),
	};
	return ERR_OK;
}

enum err
held_new(struct msgno n, struct str summary_row, struct str header_row, struct held **out)
{
	struct held *h = xmalloc(size_add(sizeof(*h), size_add(summary_row.n, header_row.n)));
	struct str header_copy = STR_NONE;
	enum err e;

	memcpy(h->data, summary_row.p, summary_row.n);
	if (header_row.p != NULL) {
		memcpy(h->data + summary_row.n, header_row.p, header_row.n);
		header_copy = str_make(h->data + summary_row.n, header_row.n);
	}
	h->block = NULL;
	atomic_init(&h->refs, 1);
	e = held_make(h, n, str_make(h->data, summary_row.n), header_copy);
	if (e != ERR_OK) {
		free(h);
		return e;
	}
	*out = h;
	return ERR_OK;
}

struct held_block *
held_block_new(size_t count, struct kv_rows *rows)
{
	struct held_block *b =
	    xmalloc(size_add(sizeof(*b), size_mul(count, sizeof(b->messages[0]))));

	atomic_init(&b->refs, 1);
	b->rows = rows;
	b->count = count;
	return b;
}

void
held_block_unref(struct held_block *b)
{
	if (b == NULL || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1)
		return;
	kv_rows_free(b->rows);
	free(b);
}

enum err
held_block_set(struct held_block *b, size_t i, struct msgno n, struct str summary_row,
    struct str header_row)
{
	b->messages[i].block = b;
	return held_make(&b->messages[i], n, summary_row, header_row);
}

bool
held_block_set_header(struct held_block *b, size_t i, struct msgno n, struct str header_row)
{
	struct held *h = &b->messages[i];
	struct str header = str_sub(header_row, 1, SIZE_MAX);

	if (!message_header_is_known(header_row) || header.n >= MIME_MAX_HEADER_BYTES)
		return false;
	*h = (struct held){ .block = b,
		.header_row = header_row,
		.m = { .msgno = n,
		    .header_bytes = (uint32_t)header.n,
		    .has_header = true,
		    .header = header } };
	return true;
}

struct message *
message_ref(struct message *m)
{
	struct held *h = held_of(m);

	atomic_fetch_add_explicit(h->block != NULL ? &h->block->refs : &h->refs, 1,
	    memory_order_relaxed);
	return m;
}

void
message_unref(struct message *m)
{
	struct held *h;

	if (m == NULL)
		return;
	h = held_of(m);
	if (h->block != NULL)
		held_block_unref(h->block);
	else if (atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) == 1)
		free(h);
}

struct str
row_cursor_find(struct row_cursor *rc, struct msgno n)
{
	while (rc->range < rc->range_count) {
		const struct kv_row_list *list = &rc->ranges[rc->range];

		for (; rc->row < list->count; rc->row++) {
			const struct kv_row *row = &list->rows[rc->row];
			uint32_t at = row->key.n == 5 ? get_be32(row->key.p + 1) : 0;

			if (at == n.v)
				return row->value.p != NULL ? row->value : STR("");
			if (at > n.v)
				return STR_NONE;
		}
		rc->range++;
		rc->row = 0;
	}
	return STR_NONE;
}

size_t
message_ranges(const struct msgno *numbers, size_t n, struct message_key (*key)(struct msgno n),
    struct kv_range *ranges, struct message_key *keys)
{
	size_t count = 0;

	for (size_t i = 0; i < n;) {
		struct kv_range *r = &ranges[count];
		struct message_key *k = &keys[2 * count++];
		size_t j = i;

		while (j + 1 < n && numbers[j + 1].v - numbers[j].v <= RUN_GAP_MAX + 1)
			j++;
		k[0] = key(numbers[i]);
		*r = (struct kv_range){ .kind = KV_MESSAGE,
			.from = message_key_str(&k[0]),
			.may_have_gaps = n > 1 };
		if (j == i) {
			r->is_exact = true;
		} else {
			k[1] = key(numbers[j]);
			k[1].bytes[k[1].n++] = 0; /* just behind the last */
			r->to = message_key_str(&k[1]);
		}
		i = j + 1;
	}
	return count;
}
