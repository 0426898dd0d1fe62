/* row.c - the values of rows: see row.h. */
#include "store/row.h"

#include "base/bytes.h"
#include "store/annotation.h"

enum {
	ROW_FORMAT = 1,
	ACCOUNT_BYTES = 64,
	MAILBOX_BYTES = 28,
	STATUS_BYTES = STATUS_ROW_BYTES,
	LIMITS_BYTES = 40,
	LIMITS_OLD_BYTES = 32
};

enum {
	MAILBOX_IS_NOSELECT = 1 << 0,
	MAILBOX_IS_SUBSCRIBED = 1 << 1,
	MAILBOX_HAS_PRIVATE_SEEN = 1 << 2,
	MAILBOX_IS_SEEN_FIXED = 1 << 3,
	MAILBOX_HAS_SEEN_SINCE = 1 << 4, /* 8 bytes at the end */
};

void
account_row_encode(const struct account_row *r, struct buf *out)
{
	char *p = buf_reserve(out, ACCOUNT_BYTES);

	if (p == NULL)
		return;
	memset(p, 0, ACCOUNT_BYTES);
	p[0] = ROW_FORMAT;
	put_le32(p + 4, r->next_msgno);
	put_le64(p + 8, r->next_mailbox);
	put_le32(p + 16, r->next_uidvalidity);
	put_le64(p + 24, r->size_bytes);
	put_le64(p + 32, r->messages);
	put_le64(p + 40, r->log_floor);
	put_le64(p + 48, r->undo_floor);
	put_le64(p + 56, r->log_rows);
	out->n += ACCOUNT_BYTES;
	buf_str_add(out, r->user);
}

enum err
account_row_decode(struct str row, struct account_row *out)
{
	if (row.n < ACCOUNT_BYTES || row.n > ACCOUNT_BYTES + USER_NAME_MAX
	    || row.p[0] != ROW_FORMAT)
		return ERR_CORRUPT;
	*out = (struct account_row){
		.next_msgno = get_le32(row.p + 4),
		.next_mailbox = get_le64(row.p + 8),
		.next_uidvalidity = get_le32(row.p + 16),
		.size_bytes = get_le64(row.p + 24),
		.messages = get_le64(row.p + 32),
		.log_floor = get_le64(row.p + 40),
		.undo_floor = get_le64(row.p + 48),
		.log_rows = get_le64(row.p + 56),
		.user = str_sub(row, ACCOUNT_BYTES, row.n),
	};
	return ERR_OK;
}

void
limits_row_encode(const struct quota_limits *l, struct buf *out)
{
	char *p = buf_reserve(out, LIMITS_BYTES);

	if (p == NULL)
		return;
	memset(p, 0, LIMITS_BYTES);
	p[0] = ROW_FORMAT;
	put_le64(p + 8, l->storage_kib);
	put_le64(p + 16, l->messages);
	put_le64(p + 24, l->mailboxes);
	put_le64(p + 32, l->annotations_kib);
	out->n += LIMITS_BYTES;
}

enum err
limits_row_decode(struct str row, struct quota_limits *out)
{
	if ((row.n != LIMITS_BYTES && row.n != LIMITS_OLD_BYTES) || row.p[0] != ROW_FORMAT)
		return ERR_CORRUPT;
	*out = (struct quota_limits){ get_le64(row.p + 8), get_le64(row.p + 16),
		get_le64(row.p + 24), row.n == LIMITS_BYTES ? get_le64(row.p + 32) : UINT64_MAX };
	return ERR_OK;
}

void
mailbox_row_encode(const struct mailbox_row *r, struct buf *out)
{
	char *p = buf_reserve(out, MAILBOX_BYTES);

	if (p == NULL)
		return;
	memset(p, 0, MAILBOX_BYTES);
	p[0] = ROW_FORMAT;
	p[1] = (char)((r->is_noselect ? MAILBOX_IS_NOSELECT : 0)
	    | (r->is_subscribed ? MAILBOX_IS_SUBSCRIBED : 0)
	    | (r->is_seen_private ? MAILBOX_HAS_PRIVATE_SEEN : 0)
	    | (r->is_seen_fixed ? MAILBOX_IS_SEEN_FIXED : 0)
	    | (r->seen_since != 0 ? MAILBOX_HAS_SEEN_SINCE : 0));
	put_le16(p + 2, (uint16_t)r->name.n);
	put_le32(p + 4, (uint32_t)r->annotations.n);
	put_le64(p + 8, r->parent);
	put_le32(p + 16, r->uidvalidity);
	put_le32(p + 20, r->special_use);
	put_le16(p + 24, (uint16_t)r->keyword_count);
	put_le16(p + 26, (uint16_t)r->acl.n);
	out->n += MAILBOX_BYTES;
	buf_str_add(out, r->name);
	for (uint32_t i = KEYWORDS_REGISTERED; i < r->keyword_count; i++) {
		buf_chr(out, (char)r->keywords[i].n);
		buf_str_add(out, r->keywords[i]);
	}
	buf_str_add(out, r->acl);
	buf_str_add(out, r->annotations);
	if (r->seen_since != 0)
		u64_row_encode(r->seen_since, out);
}

enum err
mailbox_row_decode(struct str row, struct mailbox_row *out, struct str keywords[KEYWORDS_MAX])
{
	struct str rest;
	size_t name, acl, annotations;

	if (row.n < MAILBOX_BYTES || row.p[0] != ROW_FORMAT)
		return ERR_CORRUPT;
	name = get_le16(row.p + 2);
	annotations = get_le32(row.p + 4);
	acl = get_le16(row.p + 26);
	*out = (struct mailbox_row){
		.parent = get_le64(row.p + 8),
		.uidvalidity = get_le32(row.p + 16),
		.special_use = get_le32(row.p + 20),
		.is_noselect = (row.p[1] & MAILBOX_IS_NOSELECT) != 0,
		.is_subscribed = (row.p[1] & MAILBOX_IS_SUBSCRIBED) != 0,
		.is_seen_private = (row.p[1] & MAILBOX_HAS_PRIVATE_SEEN) != 0,
		.is_seen_fixed = (row.p[1] & MAILBOX_IS_SEEN_FIXED) != 0,
		.keyword_count = get_le16(row.p + 24),
		.keywords = keywords,
	};
	rest = str_sub(row, MAILBOX_BYTES, row.n);
	if ((row.p[1] & MAILBOX_HAS_SEEN_SINCE) != 0) {
		if (rest.n < 8
		    || u64_row_decode(str_sub(rest, rest.n - 8, rest.n), &out->seen_since)
			!= ERR_OK)
			return ERR_CORRUPT;
		rest.n -= 8;
	}
	if (annotations > rest.n || acl > rest.n - annotations)
		return ERR_CORRUPT;
	out->annotations = str_sub(rest, rest.n - annotations, rest.n);
	rest.n -= annotations;
	out->acl = str_sub(rest, rest.n - acl, rest.n);
	rest.n -= acl;
	if (!acl_is_valid(out->acl) || !annotations_are_valid(out->annotations))
		return ERR_CORRUPT;
	if (name == 0 || name > MAILBOX_NAME_MAX || name > rest.n
	    || out->keyword_count > KEYWORDS_MAX || out->keyword_count < KEYWORDS_REGISTERED
	    || memchr(rest.p, '/', name) != NULL)
		return ERR_CORRUPT;
	out->name = str_sub(rest, 0, name);
	rest = str_sub(rest, name, rest.n);
	for (unsigned i = 0; i < KEYWORDS_REGISTERED; i++)
		keywords[i] = imap_flags_registered(i);
	for (uint32_t i = KEYWORDS_REGISTERED; i < out->keyword_count; i++) {
		size_t n = rest.n == 0 ? 0 : (uint8_t)rest.p[0];

		if (n == 0 || n > KEYWORD_NAME_MAX || n >= rest.n)
			return ERR_CORRUPT;
		keywords[i] = str_sub(rest, 1, 1 + n);
		rest = str_sub(rest, 1 + n, rest.n);
	}
	return rest.n == 0 ? ERR_OK : ERR_CORRUPT;
}

void
mailbox_row_set_registered(struct mailbox_row *r, struct str keywords[KEYWORDS_MAX])
{
	for (unsigned i = 0; i < KEYWORDS_REGISTERED; i++)
		keywords[i] = imap_flags_registered(i);
	r->keyword_count = KEYWORDS_REGISTERED;
	r->keywords = keywords;
}

void
status_row_encode(const struct status_row *r, struct buf *out)
{
	char *p = buf_reserve(out, STATUS_BYTES);

	if (p == NULL)
		return;
	memset(p, 0, STATUS_BYTES);
	p[0] = ROW_FORMAT;
	put_le32(p + 4, r->uidnext);
	put_le64(p + 8, r->highestmodseq);
	put_le32(p + 16, r->recent_from);
	put_le32(p + 20, r->exists);
	put_le32(p + 24, r->unseen);
	put_le32(p + 28, r->deleted);
	put_le64(p + 32, r->size_bytes);
	put_le64(p + 40, r->deleted_bytes);
	put_le32(p + 48, r->notes_bytes);
	out->n += STATUS_BYTES;
}

enum err
status_row_decode(struct str row, struct status_row *out)
{
	if (row.n != STATUS_BYTES || row.p[0] != ROW_FORMAT)
		return ERR_CORRUPT;
	*out = (struct status_row){
		.uidnext = get_le32(row.p + 4),
		.highestmodseq = get_le64(row.p + 8),
		.recent_from = get_le32(row.p + 16),
		.exists = get_le32(row.p + 20),
		.unseen = get_le32(row.p + 24),
		.deleted = get_le32(row.p + 28),
		.size_bytes = get_le64(row.p + 32),
		.deleted_bytes = get_le64(row.p + 40),
		.notes_bytes = get_le32(row.p + 48),
	};
	return out->uidnext != 0 && out->highestmodseq != 0 ? ERR_OK : ERR_CORRUPT;
}

void
seen_row_encode(const struct seen_row *r, struct buf *out)
{
	char *p = buf_reserve(out, SEEN_ROW_BYTES);

	if (p == NULL)
		return;
	memset(p, 0, SEEN_ROW_BYTES);
	p[0] = ROW_FORMAT;
	put_le32(p + 4, r->seen);
	put_le64(p + 8, r->modseq);
	out->n += SEEN_ROW_BYTES;
}

enum err
seen_row_decode(struct str row, struct seen_row *out)
{
	if (row.n != SEEN_ROW_BYTES || row.p[0] != ROW_FORMAT)
		return ERR_CORRUPT;
	*out = (struct seen_row){ .seen = get_le32(row.p + 4), .modseq = get_le64(row.p + 8) };
	return ERR_OK;
}

static void
varint_add(struct buf *out, uint32_t v)
{
	for (; v >= 0x80; v >>= 7)
		buf_chr(out, (char)(v | 0x80));
	buf_chr(out, (char)v);
}

static bool
varint_take(struct str *s, uint32_t *out)
{
	uint64_t v = 0;

	for (unsigned shift = 0; s->n != 0 && shift < 35; shift += 7) {
		uint8_t c = (uint8_t)s->p[0];

		*s = str_sub(*s, 1, s->n);
		v |= (uint64_t)(c & 0x7F) << shift;
		if ((c & 0x80) == 0) {
			*out = (uint32_t)v;
			return v <= UINT32_MAX;
		}
	}
	return false;
}

void
vanished_row_encode(const struct rangeset *uids, struct buf *out)
{
	uint32_t at = 0;

	buf_chr(out, ROW_FORMAT);
	for (size_t i = 0; i < uids->n; i++) {
		varint_add(out, uids->r[i].first - at);
		varint_add(out, uids->r[i].last - uids->r[i].first);
		at = uids->r[i].last;
	}
}

enum err
vanished_row_decode(struct str row, struct rangeset *out)
{
	uint64_t at = 0;

	if (row.n == 0 || row.p[0] != ROW_FORMAT)
		return ERR_CORRUPT;
	row = str_sub(row, 1, row.n);
	while (row.n != 0) {
		uint32_t gap, more;

		if (!varint_take(&row, &gap) || !varint_take(&row, &more) || gap == 0
		    || at + gap + more > UINT32_MAX)
			return ERR_CORRUPT;
		rangeset_add(out, (uint32_t)at + gap, (uint32_t)at + gap + more);
		at += (uint64_t)gap + more;
	}
	return ERR_OK;
}

void
staged_row_encode(const struct msgno *numbers, uint32_t count, struct buf *out)
{
	char number[STAGED_ENTRY_BYTES];

	buf_chr(out, ROW_FORMAT);
	for (uint32_t i = 0; i < count; i++) {
		put_le32(number, numbers[i].v);
		buf_add(out, number, sizeof(number));
	}
}

enum err
staged_row_decode(struct str row, struct staged *out)
{
	*out = (struct staged){ .p = row.p + 1, .count = row.n / STAGED_ENTRY_BYTES };
	if (row.n % STAGED_ENTRY_BYTES != 1 || row.p[0] != ROW_FORMAT)
		return ERR_CORRUPT;
	for (size_t i = 0; i < out->count; i++)
		if (staged_at(out, i).v == 0)
			return ERR_CORRUPT;
	return ERR_OK;
}

struct msgno
staged_at(const struct staged *s, size_t i)
{
	return (struct msgno){ get_le32(s->p + i * STAGED_ENTRY_BYTES) };
}

void
u64_row_encode(uint64_t v, struct buf *out)
{
	char *p = buf_reserve(out, 8);

	if (p != NULL) {
		put_le64(p, v);
		out->n += 8;
	}
}

enum err
u64_row_decode(struct str row, uint64_t *out)
{
	if (row.n != 8)
		return ERR_CORRUPT;
	*out = get_le64(row.p);
	return ERR_OK;
}
