/* utf7.c - see utf7.h. */
#include "imap/utf7.h"

#include <unicode/unorm2.h>
#include <unicode/ustring.h>
#include <unicode/utf8.h>

static const char base64_chars[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static int
base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == ',' ? 63 : -1;
}

static void
add_code_point(struct buf *out, uint32_t c)
{
	char utf8[4];
	int n = 0;

	U8_APPEND_UNSAFE(utf8, n, c);
	buf_add(out, utf8, (size_t)n);
}

/* What a shifted run is decoded with: UTF-16 units come in, code points go out. */
struct units {
	uint32_t high; /* a high surrogate that waits for its other half, or 0 */
	struct buf *out;
};

static bool
add_unit(struct units *u, uint32_t unit)
{
	if (u->high != 0) {
		if (unit < 0xDC00 || unit > 0xDFFF)
			return false;
		add_code_point(u->out, 0x10000 + ((u->high - 0xD800) << 10) + (unit - 0xDC00));
		u->high = 0;
		return true;
	}
	if (unit >= 0xDC00 && unit <= 0xDFFF)
		return false;
	if (unit >= 0xD800 && unit <= 0xDBFF) {
		u->high = unit;
		return true;
	}
	if (unit == 0 || (unit >= 0x20 && unit <= 0x7E && unit != '&'))
		return false;
	add_code_point(u->out, unit);
	return true;
}

/* The base64 between "&" and "-". */
static bool
decode_run(struct str run, struct buf *out)
{
	struct units u = { .out = out };
	uint32_t bits = 0;
	int n_bits = 0;

	for (size_t i = 0; i < run.n; i++) {
		int v = base64_value(run.p[i]);

		if (v < 0)
			return false;
		bits = (bits << 6 | (uint32_t)v) & 0x3FFFFF;
		n_bits += 6;
		if (n_bits >= 16) {
			n_bits -= 16;
			if (!add_unit(&u, bits >> n_bits & 0xFFFF))
				return false;
		}
	}
	return u.high == 0 && n_bits < 6 && (bits & ((1u << n_bits) - 1)) == 0;
}

bool
imap_utf7_decode(struct str text, struct buf *out)
{
	if (!str_is_utf8(text))
		return false;
	while (text.n > 0) {
		size_t amp = str_chr(text, '&'), end;

		buf_str_add(out, str_sub(text, 0, amp));
		if (amp == SIZE_MAX)
			break;
		text = str_sub(text, amp + 1, text.n);
		end = str_chr(text, '-');
		if (end == SIZE_MAX)
			return false;
		if (end == 0)
			buf_chr(out, '&');
		else if (!decode_run(str_sub(text, 0, end), out))
			return false;
		text = str_sub(text, end + 1, text.n);
	}
	return buf_err(out) == ERR_OK;
}

/* Shifted output: 16 bits in, base64 out. */
struct shift {
	uint32_t bits;
	int n_bits;
	struct buf *out;
};

static void
shift_unit(struct shift *s, uint32_t unit)
{
	s->bits = s->bits << 16 | unit;
	s->n_bits += 16;
	while (s->n_bits >= 6) {
		s->n_bits -= 6;
		buf_chr(s->out, base64_chars[s->bits >> s->n_bits & 63]);
	}
}

static void
shift_end(struct shift *s)
{
	if (s->n_bits > 0)
		buf_chr(s->out, base64_chars[s->bits << (6 - s->n_bits) & 63]);
	buf_chr(s->out, '-');
	s->bits = 0;
	s->n_bits = 0;
}

void
imap_utf7_encode(struct str utf8, struct buf *out)
{
	struct shift s = { .out = out };
	bool is_shifted = false;

	for (size_t i = 0; i < utf8.n;) {
		UChar32 c;

		U8_NEXT_OR_FFFD(utf8.p, i, utf8.n, c);
		if (c >= 0x20 && c <= 0x7E) {
			if (is_shifted)
				shift_end(&s);
			is_shifted = false;
			buf_chr(out, (char)c);
			if (c == '&')
				buf_chr(out, '-');
			continue;
		}
		if (!is_shifted)
			buf_chr(out, '&');
		is_shifted = true;
		if (c >= 0x10000) {
			shift_unit(&s, 0xD800 + ((uint32_t)(c - 0x10000) >> 10));
			shift_unit(&s, 0xDC00 + ((uint32_t)(c - 0x10000) & 0x3FF));
		} else {
			shift_unit(&s, (uint32_t)c);
		}
	}
	if (is_shifted)
		shift_end(&s);
}

/* Normalisation form C, appended; text is well-formed. False when it does not fit. */
static bool
to_nfc(struct str text, struct buf *out)
{
	UErrorCode status = U_ZERO_ERROR;
	const UNormalizer2 *nfc;
	UChar from[4 * MAILBOX_NAME_MAX], to[4 * MAILBOX_NAME_MAX];
	int32_t n_from = 0, n_to, n_utf8 = 0;
	char *p;

	if (str_is_ascii(text)) {
		buf_str_add(out, text);
		return buf_err(out) == ERR_OK;
	}
	if (text.n > ARRAY_LEN(from))
		return false;
	nfc = unorm2_getNFCInstance(&status);
	u_strFromUTF8(from, ARRAY_LEN(from), &n_from, text.p, (int32_t)text.n, &status);
	n_to = unorm2_normalize(nfc, from, n_from, to, ARRAY_LEN(to), &status);
	/* U_STRING_NOT_TERMINATED_WARNING is no failure. */
	if (U_FAILURE(status))
		return false;
	p = buf_reserve(out, (size_t)n_to * 3);
	if (p == NULL)
		return false;
	u_strToUTF8(p, n_to * 3, &n_utf8, to, n_to, &status);
	if (U_FAILURE(status))
		return false;
	out->n += (size_t)n_utf8;
	return true;
}

/*
 * RFC 9051 5.1 with RFC 5198: no controls of either block, no line and paragraph separators,
 * nothing that is no character.
 */
static bool
has_bad_char(struct str utf8)
{
	for (size_t i = 0; i < utf8.n;) {
		UChar32 c;

		U8_NEXT_OR_FFFD(utf8.p, i, utf8.n, c);
		if (c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0x2028 || c == 0x2029
		    || U_IS_UNICODE_NONCHAR(c))
			return true;
	}
	return false;
}

static bool
levels_are_good(struct str name)
{
	struct str rest = name, level;
	size_t n = 0;

	while (str_split(&rest, MAILBOX_SEPARATOR, &level)) {
		if (level.n == 0 || ++n > MAILBOX_LEVELS_MAX)
			return false;
	}
	return true;
}

enum err
imap_name_normalise(struct arena *a, struct str utf8, struct str *name_out)
{
	BUF_CLEAN struct buf b = BUF_MAX(16 * MAILBOX_NAME_MAX);
	struct str name;

	if (utf8.n > MAILBOX_NAME_MAX + 1 || !str_is_utf8(utf8) || !to_nfc(utf8, &b))
		return ERR_BADNAME;
	name = buf_str(&b);
	if (name.n > 0 && name.p[name.n - 1] == MAILBOX_SEPARATOR)
		name.n--;
	if (name.n == 0 || name.n > MAILBOX_NAME_MAX || has_bad_char(name)
	    || !levels_are_good(name))
		return ERR_BADNAME;
	name = arena_str(a, name);
	if (str_starts_nocase(name, STR("INBOX"))
	    && (name.n == 5 || name.p[5] == MAILBOX_SEPARATOR))
		memcpy((char *)name.p, "INBOX", 5);
	*name_out = name;
	return ERR_OK;
}

enum err
imap_name_decode(struct arena *a, struct str text, bool is_utf8, struct str *name_out)
{
	BUF_CLEAN struct buf b = BUF_MAX(MAILBOX_NAME_MAX + 1);

	if (is_utf8)
		return imap_name_normalise(a, text, name_out);
	if (!imap_utf7_decode(text, &b))
		return ERR_BADNAME;
	return imap_name_normalise(a, buf_str(&b), name_out);
}

enum err
imap_name_decode_pattern(struct arena *a, struct str text, bool is_utf8, struct str *pattern_out)
{
	BUF_CLEAN struct buf decoded = BUF_MAX(4 * MAILBOX_NAME_MAX),
			     b = BUF_MAX(16 * MAILBOX_NAME_MAX);

	if (is_utf8 && str_is_utf8(text))
		buf_str_add(&decoded, text);
	else if (is_utf8 || !imap_utf7_decode(text, &decoded))
		return ERR_BADNAME;
	if (buf_err(&decoded) != ERR_OK || !to_nfc(buf_str(&decoded), &b))
		return ERR_BADNAME;
	*pattern_out = arena_str(a, buf_str(&b));
	return ERR_OK;
}
