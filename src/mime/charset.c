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
 * Labels that mean something else than ICU thinks, or that it does not know; the WHATWG's encoding
 * standard, and what mailers really send. Letters and digits only, small, as label_find() compares
 * them.
 */
static const struct label {
	struct str label;
	enum how how;
	const char *icu;
} labels[] = {
	{ STR_INIT("utf8"), HOW_UTF8, NULL },
	{ STR_INIT("unicode11utf8"), HOW_UTF8, NULL },
	{ STR_INIT("unicode20utf8"), HOW_UTF8, NULL },
	{ STR_INIT("xunicode20utf8"), HOW_UTF8, NULL },
	{ STR_INIT("usascii"), HOW_GUESS, NULL },
	{ STR_INIT("ascii"), HOW_GUESS, NULL },
	{ STR_INIT("csascii"), HOW_GUESS, NULL },
	{ STR_INIT("ansix341968"), HOW_GUESS, NULL },
	{ STR_INIT("ansix341986"), HOW_GUESS, NULL },
	{ STR_INIT("iso646us"), HOW_GUESS, NULL },
	{ STR_INIT("cp367"), HOW_GUESS, NULL },
	{ STR_INIT("ibm367"), HOW_GUESS, NULL },
	{ STR_INIT("unknown8bit"), HOW_GUESS, NULL },
	{ STR_INIT("xunknown"), HOW_GUESS, NULL },
	{ STR_INIT("iso88591"), HOW_1252, NULL },
	{ STR_INIT("iso885911987"), HOW_1252, NULL },
	{ STR_INIT("88591"), HOW_1252, NULL },
	{ STR_INIT("isoir100"), HOW_1252, NULL },
	{ STR_INIT("csisolatin1"), HOW_1252, NULL },
	{ STR_INIT("latin1"), HOW_1252, NULL },
	{ STR_INIT("l1"), HOW_1252, NULL },
	{ STR_INIT("cp819"), HOW_1252, NULL },
	{ STR_INIT("ibm819"), HOW_1252, NULL },
	{ STR_INIT("windows1252"), HOW_1252, NULL },
	{ STR_INIT("cp1252"), HOW_1252, NULL },
	{ STR_INIT("xcp1252"), HOW_1252, NULL },
	{ STR_INIT("iso88599"), HOW_ICU, "windows-1254" },
	{ STR_INIT("iso885991989"), HOW_ICU, "windows-1254" },
	{ STR_INIT("isoir148"), HOW_ICU, "windows-1254" },
	{ STR_INIT("csisolatin5"), HOW_ICU, "windows-1254" },
	{ STR_INIT("latin5"), HOW_ICU, "windows-1254" },
	{ STR_INIT("l5"), HOW_ICU, "windows-1254" },
	{ STR_INIT("iso885911"), HOW_ICU, "windows-874" },
	{ STR_INIT("tis620"), HOW_ICU, "windows-874" },
	{ STR_INIT("dos874"), HOW_ICU, "windows-874" },
	{ STR_INIT("iso88598i"), HOW_ICU, "iso-8859-8" },
	{ STR_INIT("csiso88598i"), HOW_ICU, "iso-8859-8" },
	{ STR_INIT("logical"), HOW_ICU, "iso-8859-8" },
	{ STR_INIT("iso88598e"), HOW_ICU, "iso-8859-8" },
	{ STR_INIT("csiso88598e"), HOW_ICU, "iso-8859-8" },
	{ STR_INIT("visual"), HOW_ICU, "iso-8859-8" },
	{ STR_INIT("gb2312"), HOW_ICU, "gb18030" },
	{ STR_INIT("gb231280"), HOW_ICU, "gb18030" },
	{ STR_INIT("csgb2312"), HOW_ICU, "gb18030" },
	{ STR_INIT("csiso58gb231280"), HOW_ICU, "gb18030" },
	{ STR_INIT("isoir58"), HOW_ICU, "gb18030" },
	{ STR_INIT("chinese"), HOW_ICU, "gb18030" },
	{ STR_INIT("gbk"), HOW_ICU, "gb18030" },
	{ STR_INIT("xgbk"), HOW_ICU, "gb18030" },
	{ STR_INIT("cp936"), HOW_ICU, "gb18030" },
	{ STR_INIT("cngb"), HOW_ICU, "gb18030" },
	{ STR_INIT("ksc56011987"), HOW_ICU, "windows-949" },
	{ STR_INIT("ksc56011989"), HOW_ICU, "windows-949" },
	{ STR_INIT("csksc56011987"), HOW_ICU, "windows-949" },
	{ STR_INIT("ksc5601"), HOW_ICU, "windows-949" },
	{ STR_INIT("isoir149"), HOW_ICU, "windows-949" },
	{ STR_INIT("korean"), HOW_ICU, "windows-949" },
	{ STR_INIT("euckr"), HOW_ICU, "windows-949" },
	{ STR_INIT("cseuckr"), HOW_ICU, "windows-949" },
	{ STR_INIT("uhc"), HOW_ICU, "windows-949" },
	{ STR_INIT("shiftjis"), HOW_ICU, "windows-31j" },
	{ STR_INIT("csshiftjis"), HOW_ICU, "windows-31j" },
	{ STR_INIT("sjis"), HOW_ICU, "windows-31j" },
	{ STR_INIT("xsjis"), HOW_ICU, "windows-31j" },
	{ STR_INIT("cp932"), HOW_ICU, "windows-31j" },
	{ STR_INIT("ms932"), HOW_ICU, "windows-31j" },
	{ STR_INIT("mskanji"), HOW_ICU, "windows-31j" },
	{ STR_INIT("xeucjp"), HOW_ICU, "euc-jp" },
	{ STR_INIT("iso2022jpms"), HOW_ICU, "iso-2022-jp" },
	{ STR_INIT("cp50220"), HOW_ICU, "iso-2022-jp" },
	{ STR_INIT("cp50221"), HOW_ICU, "iso-2022-jp" },
	{ STR_INIT("cp50222"), HOW_ICU, "iso-2022-jp" },
	{ STR_INIT("big5"), HOW_ICU, "big5-hkscs" },
	{ STR_INIT("csbig5"), HOW_ICU, "big5-hkscs" },
	{ STR_INIT("cnbig5"), HOW_ICU, "big5-hkscs" },
	{ STR_INIT("xxbig5"), HOW_ICU, "big5-hkscs" },
	{ STR_INIT("koi"), HOW_ICU, "koi8-r" },
	{ STR_INIT("koi8ru"), HOW_ICU, "koi8-u" },
	{ STR_INIT("xmacroman"), HOW_ICU, "macintosh" },
	{ STR_INIT("xmacukrainian"), HOW_ICU, "x-mac-cyrillic" },
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

/* As ICU does it, "ISO8859_1" is "iso-8859-1". */
static const struct label *
label_find(struct str label)
{
	char name[LABEL_MAX];
	size_t n = 0;

	if (label.n > sizeof(name))
		return NULL;
	for (size_t i = 0; i < label.n; i++)
		if (memchr("-_.:", label.p[i], 4) == NULL)
			name[n++] = chr_lower(label.p[i]);
	for (size_t i = 0; i < ARRAY_LEN(labels); i++)
		if (str_eq(labels[i].label, str_make(name, n)))
			return &labels[i];
	return NULL;
}

enum err
mime_charset_open(struct str label, enum mime_charset_fallback fallback,
    struct mime_charset **cs_out)
{
	const struct label *known;
	enum how how = HOW_ICU;
	UConverter *icu = NULL;

	label = str_trim(label);
	known = label_find(label);
	if (label.n == 0)
		how = HOW_GUESS;
	else if (known != NULL)
		how = known->how;
	if (how == HOW_ICU && known != NULL)
		icu = icu_open(str_c(known->icu));
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
