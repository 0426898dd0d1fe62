/*
 * words_fuzz.c - encoded words, transfer encodings and charsets: always well-formed UTF-8, and the
 * same however the input is cut. The first byte chooses the encoding, the second how it is cut; up
 * to the next line end stands a charset's label.
 */
#include "base/buf.h"
#include "mime/casemap.h"
#include "mime/charset.h"
#include "mime/decode.h"
#include "mime/html_int.h"
#include "mime/words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OUT_MAX = 1 << 26 };

static void
decode(struct str in, struct str label, enum mime_encoding encoding, size_t step, struct buf *raw,
    struct buf *text)
{
	struct mime_decoder d;
	struct mime_charset *cs = NULL;
	struct mime_html html = { 0 };
	BUF_CLEAN struct buf utf8 = BUF_MAX(OUT_MAX), plain = BUF_MAX(OUT_MAX);

	mime_decoder_init(&d, encoding);
	ignore_err(mime_charset_open(label, MIME_CHARSET_GUESS, &cs), "a guess always opens");
	for (size_t at = 0; at < in.n; at += step) {
		size_t before = raw->n;

		mime_decoder_feed(&d, str_sub(in, at, at + step), raw);
		mime_charset_feed(cs, str_sub(buf_str(raw), before, raw->n), &utf8);
	}
	ignore_err(mime_decoder_finish(&d, raw), "bad encodings are read as well as possible");
	buf_clear(&utf8);
	for (size_t at = 0; at < raw->n; at += step)
		mime_charset_feed(cs, str_sub(buf_str(raw), at, at + step), &utf8);
	mime_charset_finish(cs, &utf8);
	must(str_is_utf8(buf_str(&utf8)));
	mime_html_feed(&html, buf_str(&utf8), &plain);
	must(str_is_utf8(buf_str(&plain)));
	mime_casemap(buf_str(&utf8), text);
	must(str_is_utf8(buf_str(text)));
	mime_charset_close(cs);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	BUF_CLEAN struct buf words = BUF_MAX(OUT_MAX);
	BUF_CLEAN struct buf raw1 = BUF_MAX(OUT_MAX), raw2 = BUF_MAX(OUT_MAX),
			     text1 = BUF_MAX(OUT_MAX), text2 = BUF_MAX(OUT_MAX);
	struct str in = str_make(data, size), label;
	enum mime_encoding encoding;

	mime_words_decode(in, &words);
	must(str_is_utf8(buf_str(&words)));
	if (size < 2)
		return 0;
	encoding = (enum mime_encoding)(data[0] % MIME_ENC_COUNT);
	in = str_sub(in, 2, in.n);
	label = str_sub(in, 0, str_chr(in, '\n'));
	in = str_sub(in, label.n, in.n);
	decode(in, label, encoding, in.n + 1, &raw1, &text1);
	decode(in, label, encoding, 1 + data[1] % 7, &raw2, &text2);
	must(str_eq(buf_str(&raw1), buf_str(&raw2)));
	return 0;
}
