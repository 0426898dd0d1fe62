/* recode.c - see recode.h. */
#include "mime/recode.h"

#include "base/arena.h"

#include <stdlib.h>
#include <unicode/ucnv.h>
#include <unicode/ucnv_cb.h>
#include <unicode/ucnv_err.h>
#include <unicode/utf8.h>

enum { LABEL_MAX = 40, REPLACEMENT_MAX = 64, CHARS_AT_ONCE = 512 };

struct mime_recode {
	UConverter *icu; /* NULL: UTF-8 it stays */
	char part[4];    /* an unfinished character */
	uint8_t part_count;
	UChar replacement[REPLACEMENT_MAX];
	size_t replacement_count;
};

/* Whether a label is one that ICU may be asked for: no commas, which begin its options. */
static bool
label_copy(struct str label, char name[LABEL_MAX + 1])
{
	if (label.n == 0 || label.n > LABEL_MAX)
		return false;
	for (size_t i = 0; i < label.n; i++) {
		char c = label.p[i];

		if (!chr_is_alpha(c) && !chr_is_digit(c) && memchr("-_.:+()", c, 7) == NULL)
			return false;
		name[i] = c;
	}
	name[label.n] = '\0';
	return true;
}

/* Called for what the charset does not have; the replacement has been tried before. */
static void
replace(const void *context, UConverterFromUnicodeArgs *args, unused_arg const UChar *units,
    unused_arg int32_t length, unused_arg UChar32 c, UConverterCallbackReason reason,
    UErrorCode *err)
{
	const struct mime_recode *r = context;
	const UChar *from = r->replacement;

	if (reason > UCNV_IRREGULAR)
		return;
	*err = U_ZERO_ERROR;
	ucnv_cbFromUWriteUChars(args, &from, from + r->replacement_count, 0, err);
}

static enum err
convert(struct mime_recode *r, const UChar *u, size_t count, bool is_end, struct buf *out)
{
	const UChar *from = u, *end = u + count;
	UErrorCode e;

	do {
		char space[2048], *to = space;

		e = U_ZERO_ERROR;
		ucnv_fromUnicode(r->icu, &to, space + sizeof(space), &from, end, NULL, is_end, &e);
		buf_add(out, space, (size_t)(to - space));
	} while (e == U_BUFFER_OVERFLOW_ERROR);
	if (U_SUCCESS(e))
		return ERR_OK;
	ucnv_reset(r->icu);
	return ERR_CANNOT;
}

static size_t
utf16_put(UChar *u, size_t n, UChar32 c)
{
	if (c > 0xFFFF)
		u[n++] = U16_LEAD(c);
	u[n++] = c > 0xFFFF ? U16_TRAIL(c) : (UChar)c;
	return n;
}

/* Whole characters only. */
static enum err
feed_whole(struct mime_recode *r, struct str utf8, struct buf *out)
{
	UChar u[CHARS_AT_ONCE];
	size_t at = 0, n = 0;
	enum err e = ERR_OK;

	while (at < utf8.n && e == ERR_OK) {
		UChar32 c;

		U8_NEXT_OR_FFFD(utf8.p, at, utf8.n, c);
		n = utf16_put(u, n, c);
		if (n + 2 > CHARS_AT_ONCE) {
			e = convert(r, u, n, false, out);
			n = 0;
		}
	}
	return e == ERR_OK && n > 0 ? convert(r, u, n, false, out) : e;
}

static size_t
sequence_length(char first)
{
	unsigned char c = (unsigned char)first;

	return c < 0xC0 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
}

/* How many bytes at the end are the begin of a character. */
static size_t
unfinished(struct str utf8)
{
	for (size_t back = 1; back <= 3 && back <= utf8.n; back++) {
		char c = utf8.p[utf8.n - back];

		if (((unsigned char)c & 0xC0) != 0x80)
			return sequence_length(c) > back ? back : 0;
	}
	return 0;
}

enum err
mime_recode_feed(struct mime_recode *r, struct str utf8, struct buf *out)
{
	enum err e = ERR_OK;
	size_t rest;

	if (r->icu == NULL || utf8.n == 0) {
		buf_str_add(out, utf8);
		return ERR_OK;
	}
	while (r->part_count > 0 && utf8.n > 0 && r->part_count < sequence_length(r->part[0])) {
		r->part[r->part_count++] = utf8.p[0];
		utf8 = str_sub(utf8, 1, utf8.n);
	}
	if (r->part_count > 0) {
		if (r->part_count < sequence_length(r->part[0]))
			return ERR_OK;
		e = feed_whole(r, str_make(r->part, r->part_count), out);
		r->part_count = 0;
	}
	rest = unfinished(utf8);
	if (e == ERR_OK)
		e = feed_whole(r, str_sub(utf8, 0, utf8.n - rest), out);
	for (; rest > 0; rest--)
		r->part[r->part_count++] = utf8.p[utf8.n - rest];
	return e;
}

enum err
mime_recode_finish(struct mime_recode *r, struct buf *out)
{
	enum err e = ERR_OK;

	if (r->icu == NULL)
		return ERR_OK;
	if (r->part_count > 0)
		e = feed_whole(r, str_make(r->part, r->part_count), out);
	r->part_count = 0;
	if (e == ERR_OK)
		e = convert(r, r->replacement, 0, true, out);
	ucnv_reset(r->icu);
	return e;
}

/* The replacement as UTF-16, if the charset has it. */
static enum err
take_replacement(struct mime_recode *r, struct str replacement)
{
	BUF_CLEAN struct buf tried = BUF_MAX(16 * REPLACEMENT_MAX);
	UErrorCode u = U_ZERO_ERROR;
	size_t at = 0;
	enum err e;

	while (at < replacement.n) {
		UChar32 c;

		U8_NEXT(replacement.p, at, replacement.n, c);
		if (c < 0 || r->replacement_count + 2 > REPLACEMENT_MAX)
			return ERR_CANNOT;
		r->replacement_count = utf16_put(r->replacement, r->replacement_count, c);
	}
	e = convert(r, r->replacement, r->replacement_count, true, &tried);
	ucnv_reset(r->icu);
	if (e == ERR_OK)
		ucnv_setFromUCallBack(r->icu, replace, r, NULL, NULL, &u);
	return e == ERR_OK && U_FAILURE(u) ? ERR_BUG : e;
}

enum err
mime_recode_open(struct str label, struct str replacement, struct mime_recode **out)
{
	char name[LABEL_MAX + 1];
	UErrorCode u = U_ZERO_ERROR;
	struct mime_recode *r;
	enum err e = ERR_OK;

	if (!label_copy(label, name))
		return ERR_BADCHARSET;
	r = xcalloc(1, sizeof(*r));
	if (!str_eq_nocase(label, STR("utf-8")) && !str_eq_nocase(label, STR("utf8"))) {
		r->icu = ucnv_open(name, &u);
		if (U_FAILURE(u)) {
			free(r);
			return ERR_BADCHARSET;
		}
		ucnv_setFallback(r->icu, false);
		ucnv_setFromUCallBack(r->icu, UCNV_FROM_U_CALLBACK_STOP, NULL, NULL, NULL, &u);
		e = U_FAILURE(u)            ? ERR_BUG
		    : replacement.p != NULL ? take_replacement(r, replacement)
					    : ERR_OK;
	} else if (replacement.p != NULL
	    && (replacement.n > REPLACEMENT_MAX || !str_is_utf8(replacement))) {
		e = ERR_CANNOT;
	}
	if (e != ERR_OK)
		mime_recode_close(r);
	else
		*out = r;
	return e;
}

void
mime_recode_close(struct mime_recode *r)
{
	if (r == NULL)
		return;
	if (r->icu != NULL)
		ucnv_close(r->icu);
	free(r);
}
