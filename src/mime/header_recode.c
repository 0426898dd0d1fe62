/*
 * header_recode.c - see header_recode.h. Words with but blanks between them are one text: it is
 * decoded as a whole, and cut anew into words of at most 75 characters, each of whole characters.
 */
#include "mime/header_recode.h"

#include "mime/charset.h"
#include "mime/decode.h"
#include "mime/lex_int.h"
#include "mime/recode.h"
#include "mime/words.h"

enum { WORD_MAX = 75, LINE_MAX = 76, WORD_CHARS = 60, WORD_OVERHEAD = 7, FIRST_MIN = 40 };

struct recoding {
	struct mime_recode *to;
	struct str charset;
	struct buf text;  /* UTF-8 of the words since the last other text */
	struct buf bytes; /* of one word */
	bool has_text;
	bool has_words; /* words stand at the end of the output */
	struct buf *out;
};

/* ---- reading --------------------------------------------------------------------------------- */

/* False: it can't be decoded, and stays as it is. */
static bool
word_decode(const struct mime_word *w, struct buf *bytes)
{
	struct mime_decoder d;

	buf_clear(bytes);
	mime_word_bytes(w, &d, bytes);
	return mime_decoder_finish(&d, bytes) == ERR_OK;
}

/* ---- writing --------------------------------------------------------------------------------- */

static bool
is_plain(char c)
{
	return chr_is_alpha(c) || chr_is_digit(c) || c == '!' || c == '*' || c == '+' || c == '-'
	    || c == '/';
}

static size_t
q_length(struct str bytes)
{
	size_t n = 0;

	for (size_t i = 0; i < bytes.n; i++)
		n += is_plain(bytes.p[i]) || bytes.p[i] == ' ' ? 1 : 3;
	return n;
}

static void
q_add(struct str bytes, struct buf *out)
{
	for (size_t i = 0; i < bytes.n; i++) {
		if (bytes.p[i] == ' ')
			buf_chr(out, '_');
		else if (is_plain(bytes.p[i]))
			buf_chr(out, bytes.p[i]);
		else
			buf_printf(out, "=%02X", (unsigned char)bytes.p[i]);
	}
}

static void
b_add(struct str bytes, struct buf *out)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < bytes.n; i += 3) {
		size_t n = MIN(bytes.n - i, (size_t)3);
		uint32_t v = 0;

		for (size_t k = 0; k < 3; k++)
			v = v << 8 | (k < n ? (unsigned char)bytes.p[i + k] : 0u);
		for (size_t k = 0; k < 4; k++)
			buf_chr(out, k <= n ? digits[v >> (18 - 6 * k) & 63] : '=');
	}
}

/* Bytes of so many characters at the begin. */
static size_t
prefix(struct str utf8, size_t chars)
{
	size_t n = 0;

	while (n < utf8.n && chars > 0) {
		n++;
		while (n < utf8.n && ((unsigned char)utf8.p[n] & 0xC0) == 0x80)
			n++;
		chars--;
	}
	return n;
}

/* What is left of the line that is being written; lines may have any length. */
static size_t
room(const struct buf *out)
{
	size_t n = 0;

	while (n < LINE_MAX && n < out->n && out->p[out->n - n - 1] != '\n')
		n++;
	return LINE_MAX - n;
}

/* As many characters as fit into one word of at most max. */
static enum err
word_write(struct recoding *r, struct str *text, size_t max)
{
	size_t space = max - MIN(max, r->charset.n + WORD_OVERHEAD);

	for (size_t chars = WORD_CHARS;; chars = chars / 4 * 3) {
		size_t n = prefix(*text, chars), q, b;
		enum err e;
		bool is_q;

		buf_clear(&r->bytes);
		e = mime_recode_feed(r->to, str_sub(*text, 0, n), &r->bytes);
		if (e == ERR_OK)
			e = mime_recode_finish(r->to, &r->bytes);
		if (e != ERR_OK)
			return e;
		q = q_length(buf_str(&r->bytes));
		b = (r->bytes.n + 2) / 3 * 4;
		is_q = q <= b + b / 2; /* people can read it */
		if ((is_q ? q : b) > space && chars > 4)
			continue;
		buf_printf(r->out, "=?%.*s?%c?", STR_F(r->charset), is_q ? 'Q' : 'B');
		(is_q ? q_add : b_add)(buf_str(&r->bytes), r->out);
		buf_lit(r->out, "?=");
		*text = str_sub(*text, n, text->n);
		return ERR_OK;
	}
}

/* Writes the words of the text so far. */
static enum err
text_end(struct recoding *r)
{
	struct str text = buf_str(&r->text);
	size_t max = MAX(room(r->out), (size_t)FIRST_MIN);
	enum err e = ERR_OK;

	while (r->has_text && e == ERR_OK) {
		e = word_write(r, &text, MIN(max, (size_t)WORD_MAX));
		r->has_words = true;
		r->has_text = text.n > 0;
		if (r->has_text)
			buf_lit(r->out, "\r\n ");
		max = WORD_MAX;
	}
	buf_clear(&r->text);
	r->has_text = false;
	return e;
}

/* Other text, on a line of its own when the words before it have filled theirs (RFC 2047 2). */
static void
other_add(struct recoding *r, struct str text)
{
	size_t line = MIN(str_chr(text, '\r'), str_chr(text, '\n'));

	if (text.n > 0 && (text.p[0] == ' ' || text.p[0] == '\t') && r->has_words
	    && MIN(line, text.n) > room(r->out))
		buf_lit(r->out, "\r\n");
	buf_str_add(r->out, text);
	r->has_words = false;
}

/* ---- both ------------------------------------------------------------------------------------ */

static bool
is_blank(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (!chr_is_wsp(s.p[i]))
			return false;
	}
	return true;
}

/*
 * A line end that a field's text goes on behind is a blank too; one that another field follows is
 * not.
 */
static bool
is_gap(struct str gap)
{
	return is_blank(gap) && gap.n > 0 && gap.p[gap.n - 1] != '\n';
}

static enum err
recode(struct recoding *r, struct str header)
{
	struct buf bytes = BUF_MAX(header.n + 8);
	struct mime_charset *cs = NULL;
	struct str charset = STR_NONE;
	size_t begin = 0, i = 0;
	enum err e = ERR_OK;

	while (i < header.n && e == ERR_OK) {
		const char *eq = memchr(header.p + i, '=', header.n - i);
		struct mime_charset *next = NULL;
		struct mime_word w;

		if (eq == NULL)
			break;
		i = (size_t)(eq - header.p);
		if (!mime_word_parse(str_sub(header, i, header.n), &w) || !word_decode(&w, &bytes)
		    || (!str_eq_nocase(w.charset, charset)
			&& mime_charset_open(w.charset, MIME_CHARSET_STRICT, &next) != ERR_OK)) {
			i++;
			continue;
		}
		if (next != NULL || !is_gap(str_sub(header, begin, i))) {
			if (cs != NULL)
				mime_charset_finish(cs, &r->text);
			if (next != NULL) {
				mime_charset_close(cs);
				cs = next;
				charset = w.charset;
			}
		}
		if (!r->has_text || !is_gap(str_sub(header, begin, i))) {
			e = text_end(r);
			other_add(r, str_sub(header, begin, i));
		}
		mime_charset_feed(cs, buf_str(&bytes), &r->text);
		r->has_text = true;
		i += w.length;
		begin = i;
	}
	if (cs != NULL)
		mime_charset_finish(cs, &r->text);
	mime_charset_close(cs);
	buf_done(&bytes);
	if (e == ERR_OK)
		e = text_end(r);
	other_add(r, str_sub(header, begin, header.n));
	return e;
}

enum err
mime_header_recode(struct str header, struct str charset, struct str replacement, struct buf *out)
{
	struct recoding r = { .charset = charset,
		.text = BUF_MAX(4 * header.n + 16),
		.bytes = BUF_MAX(SIZE_MAX / 2),
		.out = out };
	enum err e = mime_recode_open(charset, replacement, &r.to);

	if (e != ERR_OK)
		return e;
	e = recode(&r, header);
	mime_recode_close(r.to);
	buf_done(&r.text);
	buf_done(&r.bytes);
	return e;
}
