/*
 * charset.c - see charset.h. UTF-8 and windows-1252, which are nearly all of today's mail, are read
 * here, everything else by ICU's converters.
 */
#include "mime/charset.h"

#include "base/arena.h"

#include <stdlib.h>
#include <unicode/ucnv.h>

enum how {
	HOW_UTF8,
	HOW_GUESS, /* UTF-8, and bytes that are not as windows-1252 */
	HOW_1252,
	HOW_ICU,
};

struct mime_charset {
	enum how how;
	UConverter *icu;
	UChar high;            /* a high surrogate whose other half is to come */
	unsigned char part[4]; /* an unfinished UTF-8 character */
	uint8_t part_count;
	bool is_bad;
};

/*
 * Labels that mean something else than ICU thinks; the WHATWG's encoding standard, and what mailers
 * really send.
 */
static const struct {
	struct str label;
	enum how how;
	const char *icu;
} labels[] = {
	{ STR_INIT("utf-8"), HOW_UTF8, NULL },
	{ STR_INIT("utf8"), HOW_UTF8, NULL },
	{ STR_INIT("unicode-1-1-utf-8"), HOW_UTF8, NULL },
	{ STR_INIT("us-ascii"), HOW_GUESS, NULL },
	{ STR_INIT("ascii"), HOW_GUESS, NULL },
	{ STR_INIT("ansi_x3.4-1968"), HOW_GUESS, NULL },
	{ STR_INIT("unknown-8bit"), HOW_GUESS, NULL },
	{ STR_INIT("x-unknown"), HOW_GUESS, NULL },
	{ STR_INIT("iso-8859-1"), HOW_1252, NULL },
	{ STR_INIT("iso8859-1"), HOW_1252, NULL },
	{ STR_INIT("iso_8859-1"), HOW_1252, NULL },
	{ STR_INIT("latin1"), HOW_1252, NULL },
	{ STR_INIT("l1"), HOW_1252, NULL },
	{ STR_INIT("windows-1252"), HOW_1252, NULL },
	{ STR_INIT("cp1252"), HOW_1252, NULL },
	{ STR_INIT("x-cp1252"), HOW_1252, NULL },
	{ STR_INIT("iso-8859-9"), HOW_ICU, "windows-1254" },
	{ STR_INIT("latin5"), HOW_ICU, "windows-1254" },
	{ STR_INIT("iso-8859-11"), HOW_ICU, "windows-874" },
	{ STR_INIT("tis-620"), HOW_ICU, "windows-874" },
	{ STR_INIT("iso-8859-8-i"), HOW_ICU, "iso-8859-8" },
	{ STR_INIT("gb2312"), HOW_ICU, "gb18030" },
	{ STR_INIT("gb_2312-80"), HOW_ICU, "gb18030" },
	{ STR_INIT("gbk"), HOW_ICU, "gb18030" },
	{ STR_INIT("x-gbk"), HOW_ICU, "gb18030" },
	{ STR_INIT("cp936"), HOW_ICU, "gb18030" },
	{ STR_INIT("ks_c_5601-1987"), HOW_ICU, "windows-949" },
	{ STR_INIT("ksc5601"), HOW_ICU, "windows-949" },
	{ STR_INIT("euc-kr"), HOW_ICU, "windows-949" },
	{ STR_INIT("shift_jis"), HOW_ICU, "windows-31j" },
	{ STR_INIT("shift-jis"), HOW_ICU, "windows-31j" },
	{ STR_INIT("sjis"), HOW_ICU, "windows-31j" },
	{ STR_INIT("x-sjis"), HOW_ICU, "windows-31j" },
	{ STR_INIT("cp932"), HOW_ICU, "windows-31j" },
	{ STR_INIT("x-euc-jp"), HOW_ICU, "euc-jp" },
	{ STR_INIT("big5"), HOW_ICU, "big5-hkscs" },
	{ STR_INIT("x-x-big5"), HOW_ICU, "big5-hkscs" },
	{ STR_INIT("x-mac-roman"), HOW_ICU, "macintosh" },
};

enum { LABEL_MAX = UCNV_MAX_CONVERTER_NAME_LENGTH };

/* ICU's converter for a label, or NULL. */
static UConverter *
icu_open(struct str label)
{
	char name[LABEL_MAX + 1];
	UErrorCode e = U_ZERO_ERROR;
	UConverter *icu;

	if (label.n == 0 || label.n > LABEL_MAX)
		return NULL;
	for (size_t i = 0; i < label.n; i++) {
		char c = label.p[i];

		/* No commas, which begin ICU's options. */
		if (!chr_is_alpha(c) && !chr_is_digit(c) && memchr("-_.:+()=", c, 8) == NULL)
			return NULL;
		name[i] = c;
	}
	name[label.n] = '\0';
	icu = ucnv_open(name, &e);
	return U_SUCCESS(e) ? icu : NULL;
}

enum err
mime_charset_open(struct str label, enum mime_charset_fallback fallback,
    struct mime_charset **cs_out)
{
	enum how how = HOW_ICU;
	UConverter *icu = NULL;

	label = str_trim(label);
	if (label.n == 0)
		how = HOW_GUESS;
	for (size_t i = 0; how == HOW_ICU && icu == NULL && i < ARRAY_LEN(labels); i++) {
		if (!str_eq_nocase(labels[i].label, label))
			continue;
		how = labels[i].how;
		if (how == HOW_ICU)
			icu = icu_open(str_c(labels[i].icu));
	}
	if (how == HOW_ICU && icu == NULL)
		icu = icu_open(label);
	if (how == HOW_ICU && icu == NULL) {
		if (fallback == MIME_CHARSET_STRICT)
			return ERR_BADCHARSET;
		how = HOW_GUESS;
	}
	*cs_out = xcalloc(1, sizeof(**cs_out));
	(*cs_out)->how = how;
	(*cs_out)->icu = icu;
	return ERR_OK;
}

void
mime_charset_close(struct mime_charset *cs)
{
	if (cs == NULL)
		return;
	if (cs->icu != NULL)
		ucnv_close(cs->icu);
	free(cs);
}

static void
utf8_add(uint32_t c, struct buf *out)
{
	char b[4];
	size_t n = 0;

	if (c < 0x80) {
		b[n++] = (char)c;
	} else if (c < 0x800) {
		b[n++] = (char)(0xC0 | c >> 6);
		b[n++] = (char)(0x80 | (c & 63));
	} else if (c < 0x10000) {
		b[n++] = (char)(0xE0 | c >> 12);
		b[n++] = (char)(0x80 | (c >> 6 & 63));
		b[n++] = (char)(0x80 | (c & 63));
	} else {
		b[n++] = (char)(0xF0 | c >> 18);
		b[n++] = (char)(0x80 | (c >> 12 & 63));
		b[n++] = (char)(0x80 | (c >> 6 & 63));
		b[n++] = (char)(0x80 | (c & 63));
	}
	buf_add(out, b, n);
}

uint32_t
mime_charset_windows_1252(unsigned char c)
{
	static const uint16_t high[32] = {
		0x20AC,
		0x81,
		0x201A,
		0x0192,
		0x201E,
		0x2026,
		0x2020,
		0x2021,
		0x02C6,
		0x2030,
		0x0160,
		0x2039,
		0x0152,
		0x8D,
		0x017D,
		0x8F,
		0x90,
		0x2018,
		0x2019,
		0x201C,
		0x201D,
		0x2022,
		0x2013,
		0x2014,
		0x02DC,
		0x2122,
		0x0161,
		0x203A,
		0x0153,
		0x9D,
		0x017E,
		0x0178,
	};

	return c >= 0x80 && c < 0xA0 ? high[c - 0x80] : c;
}

static void
windows_1252_add(unsigned char c, struct buf *out)
{
	utf8_add(mime_charset_windows_1252(c), out);
}

static void
windows_1252_feed(struct str in, struct buf *out)
{
	while (in.n > 0) {
		size_t n = str_ascii_length(in);

		buf_add(out, in.p, n);
		in = str_sub(in, n, in.n);
		for (n = 0; n < in.n && (unsigned char)in.p[n] >= 0x80; n++)
			windows_1252_add((unsigned char)in.p[n], out);
		in = str_sub(in, n, in.n);
	}
}

/* Whether these bytes are a UTF-8 character, the begin of one, or neither. */
enum utf8 { UTF8_NO, UTF8_PART, UTF8_WHOLE };

static enum utf8
utf8_check(const unsigned char *b, size_t n)
{
	size_t want = b[0] < 0x80 ? 1
	    : b[0] < 0xC2         ? 0
	    : b[0] < 0xE0         ? 2
	    : b[0] < 0xF0         ? 3
	    : b[0] < 0xF5         ? 4
				  : 0;

	if (want == 0)
		return UTF8_NO;
	for (size_t i = 1; i < n; i++)
		if ((b[i] & 0xC0) != 0x80)
			return UTF8_NO;
	if (n > 1
	    && ((b[0] == 0xE0 && b[1] < 0xA0) || (b[0] == 0xED && b[1] > 0x9F)
		|| (b[0] == 0xF0 && b[1] < 0x90) || (b[0] == 0xF4 && b[1] > 0x8F)))
		return UTF8_NO;
	return n < want ? UTF8_PART : UTF8_WHOLE;
}

/* Gives out bytes that are no UTF-8: one replacement character for all, or each as windows-1252. */
static void
utf8_bad(struct mime_charset *cs, size_t n, struct buf *out)
{
	cs->is_bad = true;
	if (cs->how == HOW_UTF8)
		utf8_add(0xFFFD, out);
	else
		for (size_t i = 0; i < n; i++)
			windows_1252_add(cs->part[i], out);
	cs->part_count = 0;
}

static void
utf8_feed(struct mime_charset *cs, struct str in, struct buf *out)
{
	while (in.n > 0) {
		size_t n = cs->part_count == 0 ? str_ascii_length(in) : 0;

		buf_add(out, in.p, n);
		for (; n < in.n && (cs->part_count > 0 || (unsigned char)in.p[n] >= 0x80); n++) {
			cs->part[cs->part_count++] = (unsigned char)in.p[n];
			switch (utf8_check(cs->part, cs->part_count)) {
			case UTF8_WHOLE:
				buf_add(out, cs->part, cs->part_count);
				cs->part_count = 0;
				break;
			case UTF8_PART:
				break;
			case UTF8_NO:
				/* The byte that breaks it may begin something itself. */
				if (cs->part_count > 1)
					n--;
				utf8_bad(cs, cs->part_count > 1 ? cs->part_count - 1u : 1u, out);
				break;
			}
		}
		in = str_sub(in, n, in.n);
	}
}

static void
utf16_add(struct mime_charset *cs, const UChar *u, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		UChar c = u[i];

		if (cs->high != 0 && U16_IS_TRAIL(c)) {
			utf8_add((uint32_t)U16_GET_SUPPLEMENTARY(cs->high, c), out);
			cs->high = 0;
			continue;
		}
		if (cs->high != 0) {
			utf8_add(0xFFFD, out);
			cs->high = 0;
		}
		if (U16_IS_LEAD(c)) {
			cs->high = c;
			continue;
		}
		if (c == 0xFFFD || U16_IS_TRAIL(c)) {
			cs->is_bad = true;
			c = 0xFFFD;
		}
		utf8_add(c, out);
	}
}

static void
icu_feed(struct mime_charset *cs, struct str in, bool is_end, struct buf *out)
{
	const char *from = in.p, *end = in.n > 0 ? in.p + in.n : in.p;
	UErrorCode e;

	do {
		UChar u[512], *to = u;

		e = U_ZERO_ERROR;
		ucnv_toUnicode(cs->icu, &to, u + ARRAY_LEN(u), &from, end, NULL, is_end, &e);
		utf16_add(cs, u, (size_t)(to - u), out);
	} while (e == U_BUFFER_OVERFLOW_ERROR);
	if (U_FAILURE(e)) {
		cs->is_bad = true;
		ucnv_reset(cs->icu);
	}
}

void
mime_charset_feed(struct mime_charset *cs, struct str in, struct buf *out)
{
	if (in.n == 0)
		return;
	switch (cs->how) {
	case HOW_UTF8:
	case HOW_GUESS:
		utf8_feed(cs, in, out);
		break;
	case HOW_1252:
		windows_1252_feed(in, out);
		break;
	case HOW_ICU:
		icu_feed(cs, in, false, out);
		break;
	}
}

void
mime_charset_finish(struct mime_charset *cs, struct buf *out)
{
	if (cs->part_count > 0)
		utf8_bad(cs, cs->part_count, out);
	if (cs->icu != NULL) {
		icu_feed(cs, STR(""), true, out);
		ucnv_reset(cs->icu);
	}
	if (cs->high != 0) {
		utf8_add(0xFFFD, out);
		cs->is_bad = true;
		cs->high = 0;
	}
}

bool
mime_charset_is_bad(const struct mime_charset *cs)
{
	return cs->is_bad;
}
