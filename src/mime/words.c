/* words.c - see words.h. */
#include "mime/words.h"

#include "mime/charset.h"
#include "mime/decode.h"
#include "mime/lex_int.h"

struct decoder {
	struct buf *out;
	/* of the words since the last plain text; NULL when there was none */
	struct mime_charset *cs;
	struct str charset;
	struct buf bytes;
};

bool
mime_word_parse(struct str s, struct mime_word *w)
{
	size_t q1, q2, i;
	char encoding;

	if (s.n < 8 || s.p[0] != '=' || s.p[1] != '?')
		return false;
	for (q1 = 2; q1 < s.n && q1 < 70 && s.p[q1] != '?'; q1++)
		if ((unsigned char)s.p[q1] <= ' ' || s.p[q1] == '=')
			return false;
	if (q1 + 2 >= s.n || s.p[q1] != '?' || s.p[q1 + 2] != '?')
		return false;
	encoding = chr_lower(s.p[q1 + 1]);
	if (encoding != 'q' && encoding != 'b')
		return false;
	q2 = q1 + 2;
	for (i = q2 + 1; i < s.n; i++) {
		if (s.p[i] == '?') {
			/*
			 * A "?" in the text should be encoded; only one that "=" follows ends it.
			 */
			if (i + 1 < s.n && s.p[i + 1] == '=')
				break;
			if (encoding == 'b')
				return false;
		} else if (encoding == 'b' && chr_is_wsp(s.p[i])) {
			return false;
		} else if (s.p[i] == '=' && i + 2 < s.n && s.p[i + 1] == '?' && s.p[i + 2] != '=') {
			/* Another word begins ("=?=" is padding and the end of this one). */
			return false;
		}
	}
	if (i >= s.n)
		return false;
	w->charset = str_sub(s, 2, q1);
	w->charset = str_sub(w->charset, 0, str_chr(w->charset, '*'));
	w->is_base64 = encoding == 'b';
	w->text = str_sub(s, q2 + 1, i);
	w->length = i + 2;
	return w->charset.n > 0;
}

static void
words_end(struct decoder *d)
{
	if (d->cs == NULL)
		return;
	mime_charset_finish(d->cs, d->out);
	mime_charset_close(d->cs);
	d->cs = NULL;
}

static void
text_add(struct decoder *d, struct str text)
{
	struct mime_charset *cs;

	if (text.n == 0)
		return;
	words_end(d);
	if (str_is_utf8(text)) {
		buf_str_add(d->out, text);
		return;
	}
	ignore_err(mime_charset_open(STR_NONE, MIME_CHARSET_GUESS, &cs), "a guess always opens");
	mime_charset_feed(cs, text, d->out);
	mime_charset_finish(cs, d->out);
	mime_charset_close(cs);
}

void
mime_word_bytes(const struct mime_word *w, struct mime_decoder *d, struct buf *out)
{
	mime_decoder_init(d, w->is_base64 ? MIME_ENC_BASE64 : MIME_ENC_QP);
	if (w->is_base64) {
		mime_decoder_feed(d, w->text, out);
		return;
	}
	/*
	 * "_" is a space, and blanks at the end count, which differs from a body's
	 * quoted-printable.
	 */
	for (size_t i = 0; i < w->text.n; i++) {
		struct str c = str_sub(w->text, i, i + 1);

		if (c.p[0] == '_' || c.p[0] == ' ')
			c = STR("=20");
		mime_decoder_feed(d, c, out);
	}
}

static void
word_add(struct decoder *d, const struct mime_word *w)
{
	struct mime_decoder decoder;

	if (d->cs != NULL && !str_eq_nocase(d->charset, w->charset))
		words_end(d);
	if (d->cs == NULL) {
		ignore_err(mime_charset_open(w->charset, MIME_CHARSET_GUESS, &d->cs),
		    "a guess always opens");
		d->charset = w->charset;
	}
	buf_clear(&d->bytes);
	mime_word_bytes(w, &decoder, &d->bytes);
	ignore_err(mime_decoder_finish(&decoder, &d->bytes), "readers prefer something to nothing");
	mime_charset_feed(d->cs, buf_str(&d->bytes), d->out);
}

static bool
is_blank(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!chr_is_wsp(s.p[i]))
			return false;
	return true;
}

void
mime_words_decode(struct str value, struct buf *out)
{
	struct decoder d = { .out = out, .bytes = BUF_MAX(value.n + 8) };
	size_t begin = 0, i = 0;
	struct mime_word w;

	/*
	 * Each place where a word may begin is tried once; a try ends at the next "=?", so all
	 * together are linear.
	 */
	while (i < value.n) {
		const char *eq = memchr(value.p + i, '=', value.n - i);

		if (eq == NULL)
			break;
		i = (size_t)(eq - value.p);
		if (!mime_word_parse(str_sub(value, i, value.n), &w)) {
			i++;
			continue;
		}
		/* Between two words blanks go; a text of blanks that follows no word stays. */
		if (d.cs == NULL || !is_blank(str_sub(value, begin, i)))
			text_add(&d, str_sub(value, begin, i));
		word_add(&d, &w);
		i += w.length;
		begin = i;
	}
	text_add(&d, str_sub(value, begin, value.n));
	words_end(&d);
	buf_done(&d.bytes);
}
