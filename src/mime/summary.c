/*
 * summary.c - see summary.h. The preview's text is decoded as it streams by; when it has enough,
 * decoding stops.
 */
#include "mime/summary.h"

#include "base/arena.h"
#include "mime/bodystructure.h"
#include "mime/charset.h"
#include "mime/decode.h"
#include "mime/envelope.h"
#include "mime/parser.h"
#include "mime/preview.h"
#include "mime/sortkeys.h"
#include "mime/structure.h"

#include <stdlib.h>

struct mime_summarizer {
	struct arena *a;
	struct mime_parser *parser;
	struct mime_preview *preview;
	bool is_previewed; /* the current part's text goes into the preview */
	struct mime_decoder decoder;
	struct mime_charset *cs;
	struct buf raw, utf8;
};

/*
 * Larger than any list or text of a message inside the limits can become; a message beyond it would
 * be a fault of ours.
 */
enum { TEXT_MAX = 64 * 1024 * 1024 };

/* A preview has enough after a few hundred characters: what is decoded beyond them is for nothing. */
enum { STEP = 1024, BUFFER_MAX = 32 * 1024 };

enum { USUAL_BYTES = 1024 }; /* of an envelope */

static void
part_begin(void *ctx, const struct mime_part *part)
{
	struct mime_summarizer *s = ctx;
	bool is_attachment = str_eq_nocase(part->disposition, STR("attachment"));

	s->is_previewed = false;
	if (part->kind != MIME_KIND_TEXT || is_attachment)
		return;
	mime_preview_begin(s->preview, str_eq_nocase(part->subtype, STR("html")));
	if (!mime_preview_wants_more(s->preview))
		return;
	s->is_previewed = true;
	mime_decoder_init(&s->decoder, part->encoding);
	ignore_err(mime_charset_open(part->charset, MIME_CHARSET_GUESS, &s->cs),
	    "a guess always opens");
}

static void
preview_feed(struct mime_summarizer *s)
{
	mime_charset_feed(s->cs, buf_str(&s->raw), &s->utf8);
	mime_preview_feed(s->preview, buf_str(&s->utf8));
	buf_clear(&s->raw);
	buf_clear(&s->utf8);
}

static void
body(void *ctx, const struct mime_part *part, struct str bytes)
{
	struct mime_summarizer *s = ctx;

	(void)part;
	while (s->is_previewed && bytes.n > 0 && mime_preview_wants_more(s->preview)) {
		struct str step = str_sub(bytes, 0, STEP);

		mime_decoder_feed(&s->decoder, step, &s->raw);
		preview_feed(s);
		bytes = str_sub(bytes, step.n, bytes.n);
	}
}

static void
part_end(void *ctx, const struct mime_part *part)
{
	struct mime_summarizer *s = ctx;

	(void)part;
	if (!s->is_previewed)
		return;
	ignore_err(mime_decoder_finish(&s->decoder, &s->raw), "a preview is as good as its text");
	preview_feed(s);
	mime_charset_finish(s->cs, &s->utf8);
	mime_preview_feed(s->preview, buf_str(&s->utf8));
	buf_clear(&s->utf8);
	mime_charset_close(s->cs);
	s->cs = NULL;
	s->is_previewed = false;
}

struct mime_summarizer *
mime_summarizer_new(struct arena *a)
{
	struct mime_summarizer *s = xcalloc(1, sizeof(*s));
	const struct mime_parser_hooks hooks = { .ctx = s,
		.part_begin = part_begin,
		.body = body,
		.part_end = part_end };

	s->a = a;
	s->preview = mime_preview_new();
	s->parser = mime_parser_new(a, &hooks);
	s->raw.max = BUFFER_MAX;
	s->utf8.max = 8 * BUFFER_MAX;
	return s;
}

void
mime_summarizer_feed(struct mime_summarizer *s, struct str bytes)
{
	mime_parser_feed(s->parser, bytes);
}

static void
release(struct mime_summarizer *s)
{
	mime_preview_free(s->preview);
	mime_charset_close(s->cs);
	buf_done(&s->raw);
	buf_done(&s->utf8);
	free(s);
}

/* Takes what was built out of the buffer, which is empty then. */
static struct str
take(struct mime_summarizer *s, struct buf *b)
{
	struct str text = b->n > 0 ? arena_str(s->a, buf_str(b)) : STR("");

	buf_clear(b);
	return text;
}

void
mime_summarizer_finish(struct mime_summarizer *s, struct mime_summary *out)
{
	struct mime_sortkeys keys;
	BUF_CLEAN struct buf b = BUF_MAX(TEXT_MAX);

	buf_reserve(&b, USUAL_BYTES);
	mime_parser_finish(s->parser, &out->msg);
	out->header = out->msg->header;
	out->is_header_cut = out->msg->is_header_cut;
	mime_envelope_format(out->msg->root->envelope, &b);
	out->envelope = take(s, &b);
	mime_bodystructure_format(out->msg, &b);
	out->bodystructure = take(s, &b);
	mime_structure_encode(out->msg, &b);
	out->structure = take(s, &b);
	mime_sortkeys_parse(s->a, out->header, &keys);
	mime_sortkeys_encode(&keys, &b);
	out->sortkeys = take(s, &b);
	mime_preview_finish(s->preview, &b);
	out->preview = take(s, &b);
	release(s);
}

void
mime_summarizer_free(struct mime_summarizer *s)
{
	if (s == NULL)
		return;
	mime_parser_free(s->parser);
	release(s);
}
