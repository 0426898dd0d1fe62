/* manifest.c - see manifest.h. */
#include "backup/manifest.h"

#include "base/bytes.h"

#include <stdio.h>
#include <time.h>

enum { ACCOUNT_FORMAT = 1, ACCOUNT_HEAD_BYTES = 24, ID_BYTES = 32 };

/* ---- times ----------------------------------------------------------------------------------- */

void
time_format(int64_t ms, char out[TIME_TEXT_BYTES + 1])
{
	time_t s = (time_t)(ms / 1000);
	struct tm tm;
	char day[64];

	if (ms < 0 || gmtime_r(&s, &tm) == NULL || tm.tm_year > 8099)
		tm = (struct tm){ .tm_mday = 1, .tm_year = 70 };
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out, TIME_TEXT_BYTES + 1, "%.19s.%03dZ", day, (int)(ms < 0 ? 0 : ms % 1000));
}

/* Digits up to the separator; false when there are others, or not as many as there must be. */
static bool
take_number(struct str *s, unsigned digits, char end, int *out)
{
	*out = 0;
	if (s->n < digits)
		return false;
	for (unsigned i = 0; i < digits; i++) {
		if (!chr_is_digit(s->p[i]))
			return false;
		*out = *out * 10 + (s->p[i] - '0');
	}
	*s = str_sub(*s, digits, s->n);
	if (s->n != 0 && end != '\0' && s->p[0] == end)
		*s = str_sub(*s, 1, s->n);
	return true;
}

bool
time_parse(struct str s, int64_t *ms_out)
{
	struct tm tm = { 0 };
	int ms = 0;
	uint64_t v;

	if (s.n > 1 && s.p[0] == '@') {
		if (!str_to_u64(str_sub(s, 1, s.n), &v) || v > INT64_MAX / 1000)
			return false;
		*ms_out = (int64_t)v * 1000;
		return true;
	}
	if (str_ends(s, STR("Z")))
		s.n--;
	if (!take_number(&s, 4, '-', &tm.tm_year) || !take_number(&s, 2, '-', &tm.tm_mon)
	    || !take_number(&s, 2, '\0', &tm.tm_mday))
		return false;
	if (s.n != 0 && (s.p[0] == 'T' || s.p[0] == ' ')) {
		s = str_sub(s, 1, s.n);
		if (!take_number(&s, 2, ':', &tm.tm_hour) || !take_number(&s, 2, ':', &tm.tm_min))
			return false;
		if (s.n != 0 && !take_number(&s, 2, '.', &tm.tm_sec))
			return false;
		if (s.n != 0 && !take_number(&s, 3, '\0', &ms))
			return false;
	}
	if (s.n != 0 || tm.tm_year < 1970 || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1
	    || tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	*ms_out = (int64_t)timegm(&tm) * 1000 + ms;
	return true;
}

/* ---- the manifest ---------------------------------------------------------------------------- */

void
manifest_format(const struct manifest *m, struct buf *out)
{
	char hex[OBJECT_HEX_BYTES + 1];
	struct blob_id digest;

	buf_lit(out, "posthorn-backup 1\n");
	/* Programs of the formats before take any line that they do not know for damage. */
	if (m->format > MANIFEST_FORMAT_UNSAID)
		buf_printf(out, "format %u\n", m->format);
	buf_printf(out, "time %lld\nretention %lld\n", (long long)m->time_ms,
	    (long long)m->retention_ms);
	for (size_t i = 0; i < m->user_count; i++) {
		object_id_hex(&m->users[i], hex);
		buf_printf(out, "users %s\n", hex);
	}
	for (size_t i = 0; i < m->account_count; i++) {
		const struct manifest_account *a = &m->accounts[i];

		object_id_hex(&a->object, hex);
		buf_printf(out, "account %llu %llu %llu %llu %s %.*s\n",
		    (unsigned long long)a->id.v, (unsigned long long)a->version,
		    (unsigned long long)a->messages, (unsigned long long)a->size_bytes, hex,
		    STR_F(a->user));
	}
	object_id(buf_str(out), &digest);
	object_id_hex(&digest, hex);
	buf_printf(out, "end %s\n", hex);
}

/* The text without its last line, which has the digest of the others. */
static enum err
check_end(struct str *text)
{
	char hex[OBJECT_HEX_BYTES + 1];
	struct blob_id digest;
	struct str end;

	if (text->n < OBJECT_HEX_BYTES + 5)
		return ERR_CORRUPT;
	end = str_sub(*text, text->n - OBJECT_HEX_BYTES - 5, text->n);
	*text = str_sub(*text, 0, text->n - OBJECT_HEX_BYTES - 5);
	object_id(*text, &digest);
	object_id_hex(&digest, hex);
	return str_starts(end, STR("end "))
		&& str_eq(str_sub(end, 4, 4 + OBJECT_HEX_BYTES), str_c(hex))
		&& str_ends(end, STR("\n"))
	    ? ERR_OK
	    : ERR_CORRUPT;
}

static bool
take_u64(struct str *line, uint64_t *out)
{
	struct str word;

	return str_split(line, ' ', &word) && str_to_u64(word, out);
}

static bool
parse_account(struct arena *a, struct str line, struct manifest_account *out)
{
	struct str hex;

	if (!take_u64(&line, &out->id.v) || !take_u64(&line, &out->version)
	    || !take_u64(&line, &out->messages) || !take_u64(&line, &out->size_bytes)
	    || !str_split(&line, ' ', &hex) || !object_id_parse(hex, &out->object))
		return false;
	out->user = arena_str(a, line);
	return true;
}

enum err
manifest_parse(struct arena *a, struct str text, struct manifest *out)
{
	struct str line, word;
	size_t lines = 0;
	uint64_t v;

	*out = (struct manifest){ 0 };
	if (check_end(&text) != ERR_OK)
		return ERR_CORRUPT;
	for (size_t i = 0; i < text.n; i++)
		lines += text.p[i] == '\n';
	out->accounts = arena_array(a, struct manifest_account, lines + 1);
	out->users = arena_array(a, struct blob_id, lines + 1);
	if (!str_split(&text, '\n', &line) || !str_eq(line, STR("posthorn-backup 1")))
		return ERR_CORRUPT;
	while (text.n != 0 && str_split(&text, '\n', &line)) {
		bool is_good = str_split(&line, ' ', &word);

		if (is_good && str_eq(word, STR("format"))) {
			is_good = str_to_u32(line, &out->format) && out->format != 0;
			if (is_good && out->format > kv_format())
				return ERR_NEWER;
		} else if (is_good && str_eq(word, STR("time"))) {
			is_good = str_to_u64(line, &v) && v <= INT64_MAX;
			out->time_ms = (int64_t)v;
		} else if (is_good && str_eq(word, STR("retention"))) {
			is_good = str_to_u64(line, &v) && v <= INT64_MAX;
			out->retention_ms = (int64_t)v;
		} else if (is_good && str_eq(word, STR("users"))) {
			is_good = object_id_parse(line, &out->users[out->user_count++]);
		} else if (is_good && str_eq(word, STR("account"))) {
			is_good = parse_account(a, line, &out->accounts[out->account_count++]);
		} else {
			is_good = false;
		}
		if (!is_good)
			return ERR_CORRUPT;
	}
	return ERR_OK;
}

/* ---- accounts -------------------------------------------------------------------------------- */

void
account_lists_init(struct account_lists *l)
{
	*l = (struct account_lists){ 0 };
	for (unsigned i = 0; i <= LIST_BLOBS; i++)
		l->lists[i] = BUF_MAX(SIZE_MAX / 2);
}

void
account_lists_done(struct account_lists *l)
{
	for (unsigned i = 0; i <= LIST_BLOBS; i++)
		buf_done(&l->lists[i]);
}

size_t
account_list_count(const struct account_lists *l, unsigned list)
{
	return l->lists[list].n / ID_BYTES;
}

struct blob_id
account_list_at(const struct account_lists *l, unsigned list, size_t i)
{
	struct blob_id id;

	memcpy(id.sha256, l->lists[list].p + i * ID_BYTES, ID_BYTES);
	return id;
}

void
account_lists_encode(const struct account_lists *l, struct buf *out)
{
	char head[ACCOUNT_HEAD_BYTES] = { ACCOUNT_FORMAT };

	put_le16(head + 2, (uint16_t)l->user.n);
	put_le64(head + 8, l->id.v);
	put_le64(head + 16, l->version);
	buf_add(out, head, sizeof(head));
	buf_str_add(out, l->user);
	for (unsigned i = 0; i <= LIST_BLOBS; i++) {
		char list_head[8] = { (char)i };

		put_le32(list_head + 4, (uint32_t)account_list_count(l, i));
		buf_add(out, list_head, sizeof(list_head));
		buf_str_add(out, buf_str(&l->lists[i]));
	}
}

enum err
account_lists_decode(struct str object, struct account_lists *out)
{
	size_t name;

	account_lists_init(out);
	if (object.n < ACCOUNT_HEAD_BYTES || object.p[0] != ACCOUNT_FORMAT)
		return ERR_CORRUPT;
	name = get_le16(object.p + 2);
	out->id.v = get_le64(object.p + 8);
	out->version = get_le64(object.p + 16);
	object = str_sub(object, ACCOUNT_HEAD_BYTES, object.n);
	if (name > object.n)
		return ERR_CORRUPT;
	out->user = str_sub(object, 0, name);
	object = str_sub(object, name, object.n);
	while (object.n >= 8) {
		unsigned list = (uint8_t)object.p[0];
		size_t bytes = (size_t)get_le32(object.p + 4) * ID_BYTES;

		object = str_sub(object, 8, object.n);
		if (list > LIST_BLOBS || bytes > object.n)
			return ERR_CORRUPT;
		buf_str_add(&out->lists[list], str_sub(object, 0, bytes));
		object = str_sub(object, bytes, object.n);
	}
	return object.n == 0 ? ERR_OK : ERR_CORRUPT;
}

void
rows_add(struct buf *out, struct str key, struct str value)
{
	char head[6];

	put_le16(head, (uint16_t)key.n);
	put_le32(head + 2, (uint32_t)value.n);
	buf_add(out, head, sizeof(head));
	buf_str_add(out, key);
	buf_str_add(out, value);
}

bool
rows_next(struct str *rest, struct str *key_out, struct str *value_out)
{
	size_t key, value;

	if (rest->n < 6)
		return false;
	key = get_le16(rest->p);
	value = get_le32(rest->p + 2);
	if (key > rest->n - 6 || value > rest->n - 6 - key)
		return false;
	*key_out = str_sub(*rest, 6, 6 + key);
	*value_out = str_sub(*rest, 6 + key, 6 + key + value);
	*rest = str_sub(*rest, 6 + key + value, rest->n);
	return true;
}
