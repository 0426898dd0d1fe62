/*
 * sortkeys.c - see sortkeys.h.
 *
 * Bytes: version 1; flags (1 has_date, 2 is_reply); date 8 and zone 2, little-endian; then subject,
 * from, to, cc, from_name, to_name, message_id, the number of references and each of them; lengths
 * and that number as varints (7 bits a byte, low first).
 */
#include "mime/sortkeys.h"

#include "base/arena.h"
#include "base/bytes.h"
#include "base/varint.h"
#include "mime/address.h"
#include "mime/header.h"
#include "mime/limits.h"
#include "mime/msgid.h"
#include "mime/subject.h"
#include "mime/words.h"

#include <string.h>

enum { VERSION = 1, HAS_DATE = 1, IS_REPLY = 2, FIXED_BYTES = 12 };

/* Nobody sorts by what comes behind this many bytes. */
enum { KEY_MAX = 1000 };

/* Makes keys; its buffers serve for all of them. */
struct maker {
	struct arena *a;
	enum mime_collation by;
	struct buf text, mapped;
};

static struct str
key(struct maker *m, struct str utf8)
{
	/* Cut where a character begins. */
	if (utf8.n > KEY_MAX) {
		utf8.n = KEY_MAX;
		while (utf8.n > 0 && ((unsigned char)utf8.p[utf8.n] & 0xC0) == 0x80)
			utf8.n--;
	}
	buf_clear(&m->mapped);
	if (utf8.n > 0)
		mime_collate(m->by, utf8, &m->mapped);
	return m->mapped.n > 0 ? arena_str(m->a, buf_str(&m->mapped)) : STR("");
}

/* Decoded and mapped. */
static struct str
key_text(struct maker *m, struct str raw)
{
	buf_clear(&m->text);
	m->text.max = 4 * raw.n + 64;
	mime_words_decode(raw, &m->text);
	return key(m, buf_str(&m->text));
}

/* Stored keys end at NUL, which no address can have. */
static struct str
until_nul(struct str s)
{
	return str_sub(s, 0, s.n > 0 ? strnlen(s.p, s.n) : 0);
}

static struct str
whole_address(struct arena *scratch, const struct mime_address *addr)
{
	struct str mailbox = until_nul(addr->mailbox), host = until_nul(addr->host);
	char *p = arena_alloc(scratch, mailbox.n + 1 + host.n);

	if (mailbox.n > 0)
		memcpy(p, mailbox.p, mailbox.n);
	p[mailbox.n] = '@';
	if (host.n > 0)
		memcpy(p + mailbox.n + 1, host.p, host.n);
	return str_make(p, mailbox.n + 1 + host.n);
}

/* The mailbox and the display name (RFC 5957 2.1) of the first address. */
static void
address_keys(struct maker *m, struct str value, struct str *mailbox_out, struct str *name_out)
{
	struct arena scratch = ARENA_NONE;
	struct mime_address *addr;

	*mailbox_out = STR("");
	if (name_out != NULL)
		*name_out = STR("");
	if (value.p == NULL)
		return;
	addr = mime_address_first(&scratch, value);
	if (addr != NULL) {
		/* A group sorts by its name, as in ENVELOPE. */
		*mailbox_out =
		    key_text(m, addr->kind == MIME_ADDR_GROUP ? addr->name : addr->mailbox);
		if (name_out != NULL && addr->name.n > 0)
			*name_out = key_text(m, addr->name);
		else if (name_out != NULL)
			*name_out = key_text(m, whole_address(&scratch, addr));
	}
	arena_done(&scratch);
}

/* All ids of a field, or when there are too many the first (the thread's root) and the last. */
static void
references_parse(struct arena *a, struct str value, uint32_t max, struct mime_sortkeys *keys)
{
	struct buf id = BUF_MAX(value.n + 1);
	struct str rest = value;
	uint32_t total = 0, skip, n = 0;

	while (mime_msgid_next(&rest, &id))
		total++;
	if (total == 0) {
		buf_done(&id);
		return;
	}
	keys->reference_count = MIN(total, max);
	keys->references = arena_array(a, struct str, keys->reference_count);
	skip = total - keys->reference_count;
	rest = value;
	for (uint32_t i = 0; mime_msgid_next(&rest, &id); i++)
		if (max == 1 ? i == 0 : i == 0 || i > skip)
			keys->references[n++] = arena_str(a, buf_str(&id));
	buf_done(&id);
}

void
mime_sortkeys_parse(struct arena *a, struct str header, struct mime_sortkeys *keys)
{
	mime_sortkeys_parse_by(a, COLLATION_UNICODE_CASEMAP, header, keys);
}

/* The first value of each; none: p is NULL. */
struct key_fields {
	struct str date, subject, from, to, cc, message_id, references, in_reply_to;
};

static void
key_fields_find(struct str header, struct key_fields *out)
{
	const struct {
		struct str name;
		struct str *value;
	} wanted[] = {
		{ STR("Date"), &out->date },
		{ STR("Subject"), &out->subject },
		{ STR("From"), &out->from },
		{ STR("To"), &out->to },
		{ STR("Cc"), &out->cc },
		{ STR("Message-ID"), &out->message_id },
		{ STR("References"), &out->references },
		{ STR("In-Reply-To"), &out->in_reply_to },
	};
	struct mime_field f;

	*out = (struct key_fields){ 0 };
	while (mime_header_next(&header, &f))
		for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
			if (wanted[i].value->p == NULL && str_eq_nocase(f.name, wanted[i].name)) {
				*wanted[i].value = f.value;
				break;
			}
}

void
mime_sortkeys_parse_by(struct arena *a, enum mime_collation by, struct str header,
    struct mime_sortkeys *keys)
{
	struct maker m = { a, by, BUF_MAX(0), BUF_MAX(64 * KEY_MAX) };
	struct key_fields f;

	*keys = (struct mime_sortkeys){ .subject = STR(""), .message_id = STR("") };
	key_fields_find(header, &f);
	keys->has_date = f.date.p != NULL && mime_date_parse(f.date, &keys->date) == ERR_OK;
	if (f.subject.p != NULL) {
		m.text.max = 4 * f.subject.n + 64;
		keys->is_reply = mime_subject_base(f.subject, &m.text);
		keys->subject = key(&m, buf_str(&m.text));
	}
	address_keys(&m, f.from, &keys->from, &keys->from_name);
	address_keys(&m, f.to, &keys->to, &keys->to_name);
	address_keys(&m, f.cc, &keys->cc, NULL);
	buf_done(&m.text);
	buf_done(&m.mapped);
	if (f.message_id.p != NULL) {
		struct buf id = BUF_MAX(f.message_id.n + 1);

		if (mime_msgid_next(&f.message_id, &id))
			keys->message_id = arena_str(a, buf_str(&id));
		buf_done(&id);
	}
	if (f.references.p != NULL)
		references_parse(a, f.references, MIME_MAX_REFERENCES, keys);
	if (keys->reference_count == 0 && f.in_reply_to.p != NULL)
		references_parse(a, f.in_reply_to, 1, keys);
}

static void
str_encode(struct str s, struct buf *out)
{
	varint_encode(s.n, out);
	buf_str_add(out, s);
}

void
mime_sortkeys_encode(const struct mime_sortkeys *keys, struct buf *out)
{
	const struct str texts[] = { keys->subject, keys->from, keys->to, keys->cc, keys->from_name,
		keys->to_name, keys->message_id };
	char fixed[FIXED_BYTES];

	fixed[0] = VERSION;
	fixed[1] = (char)((keys->has_date ? HAS_DATE : 0) | (keys->is_reply ? IS_REPLY : 0));
	put_le64(fixed + 2, (uint64_t)keys->date.utc_ms);
	put_le16(fixed + 10, (uint16_t)keys->date.zone_minutes);
	buf_add(out, fixed, sizeof(fixed));
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		str_encode(texts[i], out);
	varint_encode(keys->reference_count, out);
	for (uint32_t i = 0; i < keys->reference_count; i++)
		str_encode(keys->references[i], out);
}

static bool
str_decode(struct str *rest, struct str *out)
{
	uint64_t n;

	if (!varint_decode(rest, &n) || n > rest->n)
		return false;
	*out = str_sub(*rest, 0, n);
	*rest = str_sub(*rest, n, rest->n);
	return true;
}

enum err
mime_sortkeys_decode(struct arena *a, struct str bytes, struct mime_sortkeys *keys_out)
{
	struct mime_sortkeys k = { 0 };
	struct str *texts[] = { &k.subject, &k.from, &k.to, &k.cc, &k.from_name, &k.to_name,
		&k.message_id };
	struct str rest;
	uint64_t n;

	if (bytes.n < FIXED_BYTES || bytes.p[0] != VERSION)
		return ERR_CORRUPT;
	k.has_date = (bytes.p[1] & HAS_DATE) != 0;
	k.is_reply = (bytes.p[1] & IS_REPLY) != 0;
	k.date.utc_ms = (int64_t)get_le64(bytes.p + 2);
	k.date.zone_minutes = (int16_t)get_le16(bytes.p + 10);
	rest = str_sub(bytes, FIXED_BYTES, bytes.n);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (!str_decode(&rest, texts[i]))
			return ERR_CORRUPT;
	if (!varint_decode(&rest, &n) || n > MIME_MAX_REFERENCES || n > rest.n)
		return ERR_CORRUPT;
	k.reference_count = (uint32_t)n;
	if (n > 0)
		k.references = arena_array(a, struct str, n);
	for (uint32_t i = 0; i < n; i++)
		if (!str_decode(&rest, &k.references[i]))
			return ERR_CORRUPT;
	if (rest.n != 0)
		return ERR_CORRUPT;
	*keys_out = k;
	return ERR_OK;
}
