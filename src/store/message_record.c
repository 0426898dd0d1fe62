/*
 * message_record.c - see message_record.h; the layouts are in docs/file-format.md, "Message
 * record".
 */
#include "store/message_record.h"

#include "base/bytes.h"
#include "store/message.h"

enum {
	RECORD_VERSION = 1,
	RECORD_HEADER_CUT = 1 << 0,
	RECORD_PLACED = 1 << 1, /* it ends with the place of the bytes */
	/* Offsets in a summary. */
	AT_FLAGS = 1,
	AT_PREFIX = 2,
	AT_HEADER = 4,
	AT_BLOB_BYTES = 8,
	AT_BLOB = 16,
	AT_EMAIL = 48,
	AT_THREAD = 60,
	AT_LENGTHS = 72,
	TEXTS = 5,
	AT_TEXTS = AT_LENGTHS + 4 * TEXTS,
};

static struct message_key
key_u32(char letter, uint32_t v)
{
	struct message_key k = { .n = 5 };

	k.bytes[0] = letter;
	put_be32(k.bytes + 1, v);
	return k;
}

struct message_key
message_summary_key(struct msgno n)
{
	return key_u32('S', n.v);
}

struct message_key
message_header_key(struct msgno n)
{
	return key_u32('H', n.v);
}

struct message_key
message_copies_key(struct msgno n)
{
	return key_u32('c', n.v);
}

uint64_t
message_id_hash(struct str id)
{
	uint64_t h = 0xCBF29CE484222325u;

	for (size_t i = 0; i < id.n; i++)
		h = (h ^ (unsigned char)id.p[i]) * 0x100000001B3u;
	h = (h ^ h >> 33) * 0xFF51AFD7ED558CCDu;
	h = (h ^ h >> 33) * 0xC4CEB9FE1A85EC53u;
	return h ^ h >> 33;
}

struct message_key
message_thread_key(uint64_t msgid_hash)
{
	struct message_key k = { .n = 9 };

	k.bytes[0] = 'T';
	put_be64(k.bytes + 1, msgid_hash);
	return k;
}

void
message_summary_encode(const struct message_record *r, struct buf *out)
{
	const struct str texts[TEXTS] = { r->envelope, r->bodystructure, r->structure, r->sortkeys,
		r->preview };
	char head[AT_TEXTS], place[KV_PLACE_BYTES];
	size_t total = sizeof(head) + sizeof(place);

	for (size_t i = 0; i < TEXTS; i++)
		total += texts[i].n;
	buf_reserve(out, total);
	head[0] = RECORD_VERSION;
	head[AT_FLAGS] =
	    (char)((r->is_header_cut ? RECORD_HEADER_CUT : 0) | (r->has_place ? RECORD_PLACED : 0));
	put_le16(head + AT_PREFIX, (uint16_t)r->prefix_bytes);
	put_le32(head + AT_HEADER, r->header_bytes);
	put_le64(head + AT_BLOB_BYTES, r->blob_bytes);
	memcpy(head + AT_BLOB, r->blob.sha256, sizeof(r->blob.sha256));
	object_id_encode(r->email, head + AT_EMAIL);
	object_id_encode(r->thread, head + AT_THREAD);
	for (size_t i = 0; i < TEXTS; i++)
		put_le32(head + AT_LENGTHS + 4 * i, (uint32_t)texts[i].n);
	buf_add(out, head, sizeof(head));
	for (size_t i = 0; i < TEXTS; i++)
		buf_str_add(out, texts[i]);
	put_le64(place, r->place);
	if (r->has_place)
		buf_add(out, place, sizeof(place));
}

void
message_summary_put(struct kv_txn *t, struct msgno n, const struct message_record *r)
{
	BUF_CLEAN struct buf row = BUF_MAX(SIZE_MAX);
	struct message_key key = message_summary_key(n);

	message_summary_encode(r, &row);
	if (r->has_place)
		kv_put_placed(t, KV_MESSAGE, message_key_str(&key), buf_str(&row), &r->blob);
	else
		kv_put(t, KV_MESSAGE, message_key_str(&key), buf_str(&row));
}

void
message_summary_unplace(struct str row, struct buf *out)
{
	static const char none[KV_PLACE_BYTES];
	struct message_record r;
	const bool has_place = message_summary_decode(row, &r) == ERR_OK && r.has_place;

	buf_str_add(out, str_sub(row, 0, row.n - (has_place ? sizeof(none) : 0)));
	if (has_place)
		buf_add(out, none, sizeof(none));
}

static struct object_id
object_id_at(const char *p)
{
	return (struct object_id){ .account = get_le64(p), .n = get_le32(p + 8) };
}

enum err
message_summary_decode(struct str row, struct message_record *out)
{
	struct message_record r;
	struct str *const texts[TEXTS] = { &r.envelope, &r.bodystructure, &r.structure, &r.sortkeys,
		&r.preview };
	uint64_t at = AT_TEXTS;

	if (row.n < AT_TEXTS || row.p[0] != RECORD_VERSION
	    || (row.p[AT_FLAGS] & ~(RECORD_HEADER_CUT | RECORD_PLACED)) != 0)
		return ERR_CORRUPT;
	r.is_header_cut = (row.p[AT_FLAGS] & RECORD_HEADER_CUT) != 0;
	r.prefix_bytes = get_le16(row.p + AT_PREFIX);
	r.header_bytes = get_le32(row.p + AT_HEADER);
	r.blob_bytes = get_le64(row.p + AT_BLOB_BYTES);
	if (r.prefix_bytes > MESSAGE_PREFIX_MAX || r.header_bytes < r.prefix_bytes
	    || r.blob_bytes > INT64_MAX || r.header_bytes - r.prefix_bytes > r.blob_bytes)
		return ERR_CORRUPT;
	memcpy(r.blob.sha256, row.p + AT_BLOB, sizeof(r.blob.sha256));
	r.email = object_id_at(row.p + AT_EMAIL);
	r.thread = object_id_at(row.p + AT_THREAD);
	for (size_t i = 0; i < TEXTS; i++) {
		uint32_t n = get_le32(row.p + AT_LENGTHS + 4 * i);

		if (n > row.n - at)
			return ERR_CORRUPT;
		*texts[i] = str_make(row.p + at, n);
		at += n;
	}
	r.has_place = (row.p[AT_FLAGS] & RECORD_PLACED) != 0;
	if (row.n - at != (r.has_place ? KV_PLACE_BYTES : 0))
		return ERR_CORRUPT;
	r.place = r.has_place ? get_le64(row.p + at) : 0;
	*out = r;
	return ERR_OK;
}

void
message_header_encode(struct str prefix, struct str header, struct buf *out)
{
	buf_chr(out, RECORD_VERSION);
	buf_str_add(out, prefix);
	buf_str_add(out, header);
}

bool
message_header_is_known(struct str row)
{
	return row.n > 0 && row.p[0] == RECORD_VERSION;
}

enum err
message_header_decode(struct str row, const struct message_record *r, struct str *header_out)
{
	if (!message_header_is_known(row) || row.n - 1 != r->header_bytes)
		return ERR_CORRUPT;
	*header_out = str_sub(row, 1, row.n);
	return ERR_OK;
}

void
object_id_encode(struct object_id id, char out[OBJECT_ID_BYTES])
{
	put_le64(out, id.account);
	put_le32(out + 8, id.n);
}

enum err
object_id_decode(struct str row, struct object_id *out)
{
	if (row.n != OBJECT_ID_BYTES)
		return ERR_CORRUPT;
	*out = object_id_at(row.p);
	return ERR_OK;
}

static char *
hex_add(char *p, uint64_t v)
{
	int digits = v == 0 ? 1 : (67 - __builtin_clzll(v)) / 4;

	for (int i = digits - 1; i >= 0; i--)
		*p++ = "0123456789abcdef"[v >> (4 * i) & 15];
	return p;
}

struct str
object_id_text(struct object_id id, char letter, char out[OBJECT_ID_TEXT_MAX])
{
	char *p = out;

	*p++ = letter;
	p = hex_add(p, id.account);
	*p++ = '-';
	p = hex_add(p, id.n);
	return str_make(out, (size_t)(p - out));
}
