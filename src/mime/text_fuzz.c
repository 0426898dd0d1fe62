/*
 * text_fuzz.c - searchable text of whole messages: well-formed UTF-8, and the same in pieces of any
 * size.
 */
#include "mime/text.h"

#include "base/arena.h"
#include "base/buf.h"
#include "mime/parser.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sink {
	struct buf plain, source;
};

static bool
on_text(void *ctx, struct str utf8, bool is_first, bool is_source)
{
	struct sink *s = ctx;
	struct buf *b = is_source ? &s->source : &s->plain;

	must(str_is_utf8(utf8) && utf8.n > 0);
	if (is_first)
		buf_lit(b, "\n--\n");
	buf_str_add(b, utf8);
	return true;
}

static void
extract(const struct mime_message *msg, struct str bytes, size_t piece, struct sink *s)
{
	struct mime_text *t =
	    mime_text_new(msg, MIME_TEXT_HEADER | MIME_TEXT_BODY | MIME_TEXT_SOURCE, on_text, s);
	struct mime_range want;

	while (mime_text_want(t, &want)) {
		must(want.length > 0 && want.offset + want.length <= bytes.n);
		mime_text_feed(t,
		    str_sub(bytes, want.offset, want.offset + MIN(want.length, (uint64_t)piece)));
	}
	mime_text_free(t);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a = ARENA_NONE;
	struct sink one = { BUF_MAX(1 << 26), BUF_MAX(1 << 26) },
		    two = { BUF_MAX(1 << 26), BUF_MAX(1 << 26) };
	struct str bytes = size > 0 ? str_make(data + 1, size - 1) : STR("");
	struct mime_message *msg = mime_parse(&a, bytes);

	extract(msg, bytes, SIZE_MAX, &one);
	extract(msg, bytes, size > 0 ? 1 + data[0] % 64 : 1, &two);
	must(str_eq(buf_str(&one.plain), buf_str(&two.plain)));
	must(str_eq(buf_str(&one.source), buf_str(&two.source)));
	buf_done(&one.plain);
	buf_done(&one.source);
	buf_done(&two.plain);
	buf_done(&two.source);
	arena_done(&a);
	return 0;
}
