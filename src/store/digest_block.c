/*
 * digest_block.c - see digest_int.h; the layout of the rows is in docs/file-format.md, "Digests".
 */
#include "store/digest_int.h"

#include "base/bytes.h"
#include "base/size.h"
#include "mime/casemap.h"
#include "mime/collation.h"
#include "mime/header.h"
#include "mime/sortkeys.h"

#include <stdlib.h>

enum { ROW_VERSION = 1, AT_MASK = 1, AT_LENGTHS = 9, LENGTH_MAX = 5 };

static const char text_fields[DIGEST_COLUMNS][8] = {
	[DIGEST_FROM_TEXT] = "From",
	[DIGEST_TO_TEXT] = "To",
	[DIGEST_CC_TEXT] = "Cc",
	[DIGEST_SUBJECT_TEXT] = "Subject",
};

void
block_unref(struct block *b)
{
	if (b != NULL && atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1)
		free(b);
}

struct str
block_value(const struct block *b, unsigned i)
{
	uint32_t from = i == 0 ? 0 : b->end[i - 1];

	return str_make(b->data + from, b->end[i] - from);
}

static struct block *
block_new(uint64_t mask, uint64_t version, size_t bytes)
{
	struct block *b = xmalloc(size_add(sizeof(*b), bytes));

	atomic_init(&b->refs, 1);
	b->mask = mask;
	b->version = version;
	return b;
}

struct block *
packing_end(const struct packing *p, uint64_t version)
{
	struct block *b = block_new(p->mask, version, p->data.n);

	memcpy(b->end, p->end, sizeof(b->end));
	if (p->data.n > 0)
		memcpy(b->data, p->data.p, p->data.n);
	return b;
}

void
digest_packings_init(struct packing p[DIGEST_COLUMNS])
{
	for (unsigned column = 0; column < DIGEST_COLUMNS; column++)
		p[column] = (struct packing){ .data = BUF_MAX(UINT32_MAX) };
}

void
digest_packings_done(struct packing p[DIGEST_COLUMNS])
{
	for (unsigned column = 0; column < DIGEST_COLUMNS; column++)
		buf_done(&p[column].data);
}

/* ---- values ---------------------------------------------------------------------------------- */

static void
hash_add(struct str id, struct buf *out)
{
	char bytes[8];

	put_le64(bytes, id.n == 0 ? 0 : MAX(message_id_hash(id), 1u));
	buf_add(out, bytes, sizeof(bytes));
}

void
digest_key_add(const struct mime_sortkeys *k, enum digest_column column, struct buf *out)
{
	char bytes[8];

	switch (column) {
	case DIGEST_DATE:
		if (!k->has_date)
			return;
		put_le64(bytes, (uint64_t)k->date.utc_ms);
		buf_add(out, bytes, sizeof(bytes));
		return;
	case DIGEST_SUBJECT:
		buf_chr(out, k->is_reply ? 1 : 0);
		buf_str_add(out, k->subject);
		return;
	case DIGEST_FROM:
		buf_str_add(out, k->from);
		return;
	case DIGEST_TO:
		buf_str_add(out, k->to);
		return;
	case DIGEST_CC:
		buf_str_add(out, k->cc);
		return;
	case DIGEST_FROM_NAME:
		buf_str_add(out, k->from_name);
		return;
	case DIGEST_TO_NAME:
		buf_str_add(out, k->to_name);
		return;
	case DIGEST_IDS:
		hash_add(k->message_id, out);
		for (uint32_t i = 0; i < k->reference_count; i++)
			hash_add(k->references[i], out);
		return;
	case DIGEST_FROM_TEXT:
	case DIGEST_TO_TEXT:
	case DIGEST_CC_TEXT:
	case DIGEST_SUBJECT_TEXT:
	case DIGEST_COLUMNS:
		return;
	}
}

/*
 * One more field: the first puts a byte before it that says that all of them are there, others one
 * between that no text has.
 */
static void
text_add(struct buf *out, size_t from, struct str value, struct buf *text)
{
	if (out->n > from && out->p[from] == DIGEST_TEXT_CUT)
		return;
	buf_chr(out, out->n == from ? DIGEST_TEXT_WHOLE : (char)0xFF);
	buf_clear(text);
	mime_value_text(value, text);
	mime_collate_part(COLLATION_UNICODE_CASEMAP, buf_str(text), out);
	if (out->n - from <= DIGEST_TEXT_MAX)
		return;
	buf_truncate(out, from);
	buf_chr(out, DIGEST_TEXT_CUT);
}

void
digest_texts_add(struct str header, unsigned columns, struct packing out[DIGEST_COLUMNS])
{
	BUF_CLEAN struct buf text = BUF_MAX(UINT32_MAX);
	size_t from[DIGEST_COLUMNS];
	struct mime_field f;

	for (unsigned column = 0; column < DIGEST_COLUMNS; column++)
		from[column] = out[column].data.n;
	while (mime_header_next(&header, &f)) {
		/* Each has its column: To and Cc are short. */
		for (unsigned column = DIGEST_FROM_TEXT; column <= DIGEST_SUBJECT_TEXT; column++)
			if ((columns & 1u << column) != 0
			    && str_eq_nocase(f.name, str_c(text_fields[column])))
				text_add(&out[column].data, from[column], f.value, &text);
	}
}

int
digest_text_column(struct str field)
{
	for (int column = DIGEST_FROM_TEXT; column <= DIGEST_SUBJECT_TEXT; column++)
		if (str_eq_nocase(field, str_c(text_fields[column])))
			return column;
	return -1;
}

/*
 * A message's columns of sort keys. A damaged record has empty keys, and false: who reads the
 * message is told.
 */
static bool
keys_pack(unsigned columns, struct arena *scratch, struct str row,
    struct packing out[DIGEST_COLUMNS])
{
	struct mime_sortkeys keys = { 0 };
	struct message_record record;
	const bool is_sound = message_summary_decode(row, &record) == ERR_OK
	    && mime_sortkeys_decode(scratch, record.sortkeys, &keys) == ERR_OK;

	if (!is_sound)
		keys = (struct mime_sortkeys){ 0 };
	for (unsigned column = 0; column < DIGEST_COLUMNS; column++)
		if ((columns & 1u << column) != 0)
			digest_key_add(&keys, (enum digest_column)column, &out[column].data);
	arena_reset(scratch);
	return is_sound;
}

bool
digest_pack(unsigned columns, const struct str summaries[BLOCK_MESSAGES],
    const struct str headers[BLOCK_MESSAGES], struct block *const old[DIGEST_COLUMNS],
    struct packing out[DIGEST_COLUMNS])
{
	struct arena scratch = ARENA_NONE;
	bool is_sound = true;

	for (unsigned i = 0; i < BLOCK_MESSAGES; i++) {
		const uint64_t bit = (uint64_t)1 << i;
		const unsigned of_keys = summaries[i].p != NULL ? columns & ~DIGEST_TEXTS : 0;
		const unsigned of_texts = headers[i].p != NULL ? columns & DIGEST_TEXTS : 0;

		if (of_keys != 0)
			is_sound &= keys_pack(of_keys, &scratch, summaries[i], out);
		if (of_texts != 0) {
			is_sound &= message_header_is_known(headers[i]);
			digest_texts_add(str_sub(headers[i], 1, headers[i].n), of_texts, out);
		}
		for (unsigned column = 0; column < DIGEST_COLUMNS; column++) {
			struct packing *p = &out[column];

			if (((of_keys | of_texts) & 1u << column) != 0) {
				p->mask |= bit;
			} else if ((columns & 1u << column) != 0 && old[column] != NULL
			    && (old[column]->mask & bit) != 0) {
				p->mask |= bit;
				buf_str_add(&p->data, block_value(old[column], i));
			}
			p->end[i] = (uint32_t)p->data.n;
		}
	}
	arena_done(&scratch);
	return is_sound;
}

/* ---- rows ------------------------------------------------------------------------------------ */

struct message_key
digest_key(enum digest_column column, uint32_t number)
{
	struct message_key k = { .n = 6 };

	k.bytes[0] = 'D';
	k.bytes[1] = (char)column;
	put_be32(k.bytes + 2, number);
	return k;
}

bool
digest_key_parse(struct str key, enum digest_column *column_out, uint32_t *number_out)
{
	if (key.n != 6 || key.p[0] != 'D' || (unsigned char)key.p[1] >= DIGEST_COLUMNS)
		return false;
	*column_out = (enum digest_column)key.p[1];
	*number_out = get_be32(key.p + 2);
	return true;
}

void
digest_rows_del(struct kv_txn *t, struct msgno n)
{
	for (unsigned column = 0; column < DIGEST_COLUMNS; column++) {
		struct message_key key = digest_key((enum digest_column)column, n.v >> BLOCK_BITS);

		kv_del(t, KV_POSTING, message_key_str(&key));
	}
}

void
digest_row_encode(const struct packing *p, struct buf *out)
{
	char head[AT_LENGTHS];
	uint32_t from = 0;

	head[0] = ROW_VERSION;
	put_le64(head + AT_MASK, p->mask);
	buf_add(out, head, sizeof(head));
	for (unsigned i = 0; i < BLOCK_MESSAGES; i++) {
		uint32_t n = p->end[i] - from;

		from = p->end[i];
		if ((p->mask & (uint64_t)1 << i) == 0)
			continue;
		for (; n > 127; n >>= 7)
			buf_chr(out, (char)(n | 128));
		buf_chr(out, (char)n);
	}
	buf_str_add(out, buf_str(&p->data));
}

/* A number in groups of seven bits; false when it is not one. */
static bool
length_take(struct str *rest, uint32_t *out)
{
	uint64_t n = 0;

	for (size_t i = 0; i < MIN(rest->n, (size_t)LENGTH_MAX); i++) {
		n |= (uint64_t)(rest->p[i] & 127) << (7 * i);
		if ((rest->p[i] & 128) != 0)
			continue;
		*rest = str_sub(*rest, i + 1, rest->n);
		*out = (uint32_t)n;
		return n <= UINT32_MAX;
	}
	return false;
}

enum err
digest_row_decode(struct str row, uint64_t version, struct block **out)
{
	uint32_t end[BLOCK_MESSAGES], n;
	uint64_t mask, total = 0;
	struct str rest;

	if (row.n < AT_LENGTHS || row.p[0] != ROW_VERSION)
		return ERR_CORRUPT;
	mask = get_le64(row.p + AT_MASK);
	rest = str_sub(row, AT_LENGTHS, row.n);
	for (unsigned i = 0; i < BLOCK_MESSAGES; i++) {
		if ((mask & (uint64_t)1 << i) != 0) {
			if (!length_take(&rest, &n))
				return ERR_CORRUPT;
			total += n;
		}
		end[i] = (uint32_t)total;
		if (total > rest.n)
			return ERR_CORRUPT;
	}
	if (total != rest.n)
		return ERR_CORRUPT;
	*out = block_new(mask, version, rest.n);
	memcpy((*out)->end, end, sizeof(end));
	if (rest.n > 0)
		memcpy((*out)->data, rest.p, rest.n);
	return ERR_OK;
}
